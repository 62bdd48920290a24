//! A node's loop under load, and without.

use std::cell::Cell;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use super::*;
use crate::os::Stamping;

/// Sends itself so many datagrams every so often, once a turn at most.
#[derive(Default)]
struct Volley {
    to: Option<SocketAddr>,
    lot: usize,
    every: Span,
    patient: bool,
    /// The kernel stamps nothing of what leaves.
    receive_only: bool,
    /// For so long, or for ever.
    lasts: Option<Span>,
    ended: bool,
    next: Option<Time<Local>>,
    unsent: usize,
    /// Whether the loop has begun a turn since the core was last served.
    turned: Cell<bool>,
    /// When the core was first served in each turn.
    turns: Vec<Time<Local>>,
    /// How long what came has waited to be read.
    waits: Vec<Offset>,
    /// What came from others.
    foreign: usize,
    counters: Counters,
    stopping: bool,
}

impl Core for &mut Volley {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        match input {
            Input::Datagram { at, from, .. } => {
                self.waits.push(now - at.at);
                self.foreign += usize::from(Some(from) != self.to);
            }
            Input::Stop => self.stopping = true,
            _ => {}
        }
    }

    fn poll(&mut self, now: Time<Local>, _: &mut Buffer) -> Option<Output> {
        if self.turned.take() {
            self.turns.push(now);
            let is_over = |lasts: Span| self.turns[0] + lasts <= now;
            self.ended |= self.lasts.is_some_and(is_over);
            if !self.ended && self.next.is_none_or(|due| due <= now) {
                self.next = Some(now + self.every);
                self.unsent = self.lot;
            }
        }
        self.unsent = self.unsent.checked_sub(1)?;
        Some(Output::Send { to: self.to.unwrap(), token: None })
    }

    fn deadline(&self) -> Option<Time<Local>> {
        self.turned.set(true);
        (!self.ended).then(|| self.next.unwrap_or(Time::from_nanos(0)))
    }

    fn is_patient(&self) -> bool {
        self.patient
    }

    fn done(&self) -> bool {
        self.stopping
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Volley {
    /// Runs for 400 ms; nothing where the kernel gives no stamps.
    fn run(mut self) -> Option<Self> {
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let to = endpoint.local_addr();
        self.to = Some(to);
        if self.lasts.is_some() {
            thread::spawn(move || call_late(to));
        }
        let receive_only = self.receive_only;
        let mut node =
            Node::new(endpoint, &mut self, Stubborn, Oscillator::plain(), vec![]).unwrap();
        let stamped = node.stamps.receiving() && node.stamps.transmitting();
        if receive_only {
            node.stamps.stamping = Some(Stamping::ReceiveOnly);
        }
        let mut watcher = Watcher::default();
        node.run(&mut watcher, Signals::none(), Some(Span::from_millis(400))).unwrap();
        let stamped = stamped && watcher.finished.unwrap().received.kernel > 0;
        if !stamped {
            println!("not tested: the kernel gives no stamps");
        }
        stamped.then_some(self)
    }

    /// The turns once the node has found out how many datagrams come.
    fn settled(&self) -> &[Time<Local>] {
        let from = self.turns[0] + Span::from_millis(120);
        &self.turns[self.turns.partition_point(|at| *at < from)..]
    }
}

/// Sends something when the load is over.
#[expect(clippy::disallowed_methods, reason = "the node runs meanwhile")]
fn call_late(to: SocketAddr) {
    let caller = UdpSocket::bind("127.0.0.1:0").unwrap();
    thread::sleep(Duration::from_millis(300));
    caller.send_to(&[0; LEN], to).unwrap();
}

/// In a turn, and so often that many come a second however little of the processor a node gets.
const LOAD: usize = 64;

#[test]
fn under_load_a_patient_core_has_its_turn_every_other_millisecond() {
    let busy = Volley { lot: LOAD, patient: true, ..Volley::default() };
    let Some(busy) = busy.run() else { return };
    let turns = busy.settled();
    let most = (turns[turns.len() - 1] - turns[0]).abs().as_nanos() / 2_000_000 + 2;
    assert!(turns.len() as u64 <= most, "{} turns, and {most} at most", turns.len());
}

/// A core that has fewer datagrams in a turn, and more turns.
fn is_not_let_wait(busy: Volley) {
    let Some(busy) = (Volley { lot: LOAD / 4, ..busy }).run() else { return };
    let mut apart: Vec<_> = busy.settled().windows(2).map(|two| two[1] - two[0]).collect();
    apart.sort_unstable();
    // Where it has not got the processor some are longer, but not most.
    assert!(apart[apart.len() / 2].abs() < Span::from_micros(1_500), "{apart:?}");
}

#[test]
fn under_load_an_impatient_core_is_not_let_wait() {
    is_not_let_wait(Volley::default());
}

#[test]
fn under_load_a_core_whose_datagrams_leave_unstamped_is_not_let_wait() {
    is_not_let_wait(Volley { patient: true, receive_only: true, ..Volley::default() });
}

#[test]
fn a_quiet_node_reads_at_once_what_comes() {
    // At this pace each would wait for a millisecond or two, were they let gather.
    let quiet = Volley { lot: 1, every: Span::from_millis(3), patient: true, ..Volley::default() };
    let Some(mut quiet) = quiet.run() else { return };
    quiet.waits.sort_unstable();
    // Between sending and reading it does not sleep, so it seldom loses the processor there.
    let middle = quiet.waits[quiet.waits.len() / 2].abs();
    assert!(quiet.waits.len() >= 20 && middle < Span::from_micros(500), "{:?}", quiet.waits);
}

#[test]
fn after_the_load_what_comes_is_heard_again() {
    // And then it waits for what is announced alone.
    let lasts = Some(Span::from_millis(200));
    let busy = Volley { lot: LOAD, patient: true, lasts, ..Volley::default() };
    let Some(busy) = busy.run() else { return };
    assert_eq!(busy.foreign, 1);
}
