use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::clock::{Adjustment, ClockError, Interference, Quality};
use crate::net::Missing;
use crate::net::hope::Hope;
use crate::proto::{Counters, Event, Source, Stamp};
use crate::time::{Offset, Rate};

#[path = "gather_tests.rs"]
mod gather;

/// Sends itself a datagram every 5 ms and keeps what it is told about it.
#[derive(Default)]
struct Echo {
    to: Option<SocketAddr>,
    strangers: Vec<SocketAddr>,
    next: Option<Time<Local>>,
    queue: VecDeque<Output>,
    sent: u64,
    left: Vec<(u64, Time<Local>)>,
    stamps: Vec<(u64, Stamp<Local>)>,
    arrivals: Vec<(u64, Stamp<Local>, Time<Local>)>,
    promised: bool,
    addresses: Vec<SocketAddr>,
    counters: Counters,
    stopping: bool,
}

impl Core for &mut Echo {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        match input {
            Input::Datagram { at, bytes, .. } => {
                if let Some(number) = bytes.first_chunk().map(|n| u64::from_be_bytes(*n)) {
                    self.arrivals.push((number, at, now));
                }
                self.counters.received += 1;
            }
            Input::Sent { token, at } => self.stamps.push((token.0, at)),
            Input::TransmitStamps(given) => self.promised = given,
            Input::Stop => self.stopping = true,
            Input::Addresses(found) => self.addresses = found.to_vec(),
            Input::Steered { .. } | Input::Kept { .. } | Input::Keys(_) | Input::Order(_) => {}
        }
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        if let Some(output) = self.queue.pop_front() {
            return Some(output);
        }
        if self.stopping || self.next.is_some_and(|due| due > now) {
            return None;
        }
        self.next = Some(now + Span::from_millis(5));
        let strangers = self.strangers.clone();
        self.queue.extend(strangers.into_iter().map(|to| Output::Send { to, token: None }));
        self.sent += 1;
        buffer[..8].copy_from_slice(&self.sent.to_be_bytes());
        self.left.push((self.sent, now));
        Some(Output::Send { to: self.to.unwrap(), token: Some(Mark(self.sent)) })
    }

    fn deadline(&self) -> Option<Time<Local>> {
        self.next.filter(|_| !self.stopping)
    }

    fn done(&self) -> bool {
        self.stopping
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[derive(Default)]
struct Watcher {
    finished: Option<NetStats>,
    courses: usize,
    hands: Vec<(Interference, bool)>,
    missing: Vec<Missing>,
}

impl Observer for Watcher {
    fn event(&mut self, _: &Moment, _: &Event) {}

    fn course(&mut self, _: &Moment, _: &Map<crate::time::Raw, Shown>) {
        self.courses += 1;
    }

    fn interference(&mut self, _: &Moment, found: &Interference, shared: bool) {
        self.hands.push((*found, shared));
    }

    fn unstamped(&mut self, _: &Moment, missing: Missing) {
        self.missing.push(missing);
    }

    fn finish(&mut self, _: &Moment, _: &Counters, net: &NetStats) {
        assert!(self.finished.replace(*net).is_none(), "finish is called once");
    }
}

fn node<'a>(echo: &'a mut Echo, listen: &str) -> Option<Node<&'a mut Echo, Stubborn>> {
    let endpoint = Endpoint::bind(listen.parse().unwrap())
        .map_err(|error| println!("not tested: {error}"))
        .ok()?;
    echo.to = Some(endpoint.local_addr());
    let oscillator = Oscillator::drifting_from_now(Rate::from_ppm(40.0));
    let names = vec!["127.0.0.2:9".into(), "no-such-host.invalid".into(), "127.0.0.1".into()];
    Some(Node::new(endpoint, echo, Stubborn, oscillator, names).unwrap())
}

/// A clock that nobody can steer.
struct Stubborn;

impl Clock for Stubborn {
    fn map(&mut self, now: Time<Local>) -> Map<Local, Shown> {
        Map { at: now, reads: Time::from_nanos(0), rate: Rate::ZERO }
    }

    fn steer(&mut self, _: Time<Local>, _: Adjustment) -> Result<Map<Local, Shown>, ClockError> {
        Err(ClockError::new("it does not want to"))
    }

    fn name(&self) -> &'static str {
        "stubborn"
    }
}

#[test]
fn stamps_lie_between_leaving_and_being_handed_over() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let mut echo = Echo::default();
        let Some(node) = node(&mut echo, listen) else { continue };
        let mut watcher = Watcher::default();
        let ended = node.run(&mut watcher, Signals::none(), Some(Span::from_millis(400)));
        assert_eq!(ended, Ok(Ended::Duration));
        assert_eq!(watcher.courses, 1);
        let net = watcher.finished.unwrap();
        assert!(echo.arrivals.len() > 20 && net.send_errors == 0, "{net:?}");
        let slack = Offset::from_nanos(5_000);
        for &(number, at, handed) in &echo.arrivals {
            let (_, left) = echo.left[number as usize - 1];
            assert!(left <= at.at + slack && at.at <= handed, "{number}: {left:?} {at:?}");
            if let Some((_, sent)) = echo.stamps.iter().find(|(token, _)| *token == number) {
                assert!(left <= sent.at + slack && sent.at <= at.at + slack, "{sent:?} {at:?}");
            }
        }
        if !echo.promised {
            println!("not tested: transmit stamps on {listen}");
            continue;
        }
        assert!(echo.stamps.len() + 2 >= echo.sent as usize, "{} stamps", echo.stamps.len());
        assert!(echo.stamps.iter().all(|(_, at)| at.source == Source::Kernel));
        assert_eq!(net.sent.kernel, echo.stamps.len() as u64);
    }
}

#[test]
fn whoever_wants_no_stamps_of_the_kernel_gets_none() {
    let mut echo = Echo::default();
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = endpoint.stamped_by(Wanted::Daemon).unwrap();
    echo.to = Some(endpoint.local_addr());
    let node = Node::new(endpoint, &mut echo, Stubborn, Oscillator::plain(), vec![]).unwrap();
    let mut watcher = Watcher::default();
    node.run(&mut watcher, Signals::none(), Some(Span::from_millis(2_200))).unwrap();
    let net = watcher.finished.unwrap();
    assert!(!echo.promised && echo.stamps.is_empty());
    assert!(echo.arrivals.len() > 20);
    assert!(echo.arrivals.iter().all(|(_, at, _)| at.source == Source::Daemon));
    assert_eq!((net.received.kernel, net.sent.kernel), (0, 0));
    assert!(watcher.missing.is_empty(), "what is not wanted is not missed");
}

#[test]
fn a_kernel_that_never_stamps_is_found_out() {
    for wanted in [Wanted::Best, Wanted::Kernel] {
        let mut echo = Echo::default();
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        echo.to = Some(endpoint.local_addr());
        // As if it had promised, and does not.
        let endpoint = endpoint.stamped_by(Wanted::Daemon).unwrap();
        let oscillator = Oscillator::plain();
        let mut node = Node::new(endpoint, &mut echo, Stubborn, oscillator, vec![]).unwrap();
        node.endpoint.wanted = wanted;
        node.stamps.hopes = [Missing::Received, Missing::Sent].map(|m| (m, Hope::new(true)));
        let mut watcher = Watcher::default();
        let ended = node.run(&mut watcher, Signals::none(), Some(Span::from_millis(2_500)));
        if wanted == Wanted::Best {
            assert_eq!(ended, Ok(Ended::Duration));
            watcher.missing.sort_by_key(|missing| *missing as u8);
            assert_eq!(watcher.missing, [Missing::Received, Missing::Sent], "each is said once");
        } else {
            let said = ended.unwrap_err().to_string();
            assert!(said.contains("gives no timestamps of"), "{said}");
            assert!(echo.stopping && watcher.finished.is_some());
        }
    }
}

#[test]
fn what_cannot_be_sent_costs_the_others_nothing() {
    // No route, the wrong family, and nobody who listens.
    let strangers = ["[2001:db8::1]:9", "[::1]:9", "255.255.255.255:9", "127.0.0.1:9"];
    let mut echo =
        Echo { strangers: strangers.map(|addr| addr.parse().unwrap()).into(), ..Echo::default() };
    let node = node(&mut echo, "127.0.0.1:0").unwrap();
    let mut watcher = Watcher::default();
    node.run(&mut watcher, Signals::none(), Some(Span::from_millis(600))).unwrap();
    let net = watcher.finished.unwrap();
    assert!(net.send_errors >= 2 * echo.sent, "{net:?}");
    assert!(echo.arrivals.len() + 2 >= echo.sent as usize);
    if net.sent.kernel > 0 {
        assert!(echo.stamps.len() * 10 >= echo.sent as usize * 9, "{net:?}");
        for (number, at) in &echo.stamps {
            let (_, left) = echo.left[*number as usize - 1];
            assert!((at.at - left).abs() < Span::from_millis(4), "{number}: {left:?} {at:?}");
        }
        println!("{net:?}");
    }
}

#[test]
fn a_backlog_longer_than_a_turn_needs_no_second_announcement() {
    const BACKLOG: u64 = 600;
    const _: () = assert!(BACKLOG > (BATCH * TURN) as u64);
    // A datagram of its own would announce the rest, so it sends none.
    let mut echo = Echo::default();
    let node = node(&mut echo, "127.0.0.1:0").unwrap();
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..BACKLOG {
        peer.send_to(&number.to_be_bytes(), node.endpoint.local_addr()).unwrap();
    }
    node.core.next = Some(Time::from_nanos(i64::MAX));
    let mut watcher = Watcher::default();
    node.run(&mut watcher, Signals::none(), Some(Span::from_millis(200))).unwrap();
    assert_eq!(watcher.finished.unwrap().overflowed, 0);
    assert_eq!(echo.arrivals.len() as u64, BACKLOG);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the other thread waits for the loop to run")]
fn a_stopper_ends_it_before_and_while_it_runs() {
    for early in [true, false] {
        let mut echo = Echo::default();
        let node = node(&mut echo, "127.0.0.1:0").unwrap();
        let stopper = node.stopper();
        let late = std::thread::spawn(move || {
            if !early {
                std::thread::sleep(Duration::from_millis(100));
            }
            stopper.stop();
        });
        if early {
            late.join().unwrap();
        }
        let mut watcher = Watcher::default();
        assert_eq!(node.run(&mut watcher, Signals::none(), None), Ok(Ended::Stopper));
        assert!(watcher.finished.is_some() && echo.stopping);
    }
}

#[test]
fn a_clock_that_refuses_ends_the_node_in_order() {
    let mut echo = Echo::default();
    echo.queue.push_back(Output::Steer(Adjustment::Run { rate: Rate::ZERO }));
    let node = node(&mut echo, "127.0.0.1:0").unwrap();
    let mut watcher = Watcher::default();
    let error = node.run(&mut watcher, Signals::none(), None).unwrap_err();
    assert_eq!(error.to_string(), "it does not want to");
    assert!(watcher.finished.is_some() && echo.stopping);
}

/// A clock that something else has moved.
struct Meddled(Option<Interference>, usize);

impl Clock for &mut Meddled {
    fn map(&mut self, now: Time<Local>) -> Map<Local, Shown> {
        Map { at: now, reads: Time::from_nanos(0), rate: Rate::ZERO }
    }

    fn steer(&mut self, now: Time<Local>, _: Adjustment) -> Result<Map<Local, Shown>, ClockError> {
        self.1 += 1;
        Ok(self.map(now))
    }

    fn publish(&mut self, _: Quality) -> Result<(), ClockError> {
        self.1 += 1;
        Ok(())
    }

    fn interference(&mut self) -> Option<Interference> {
        self.0.take()
    }

    fn name(&self) -> &'static str {
        "meddled"
    }
}

#[test]
fn a_clock_with_another_hand_on_it_is_left_alone_unless_it_is_shared() {
    let found = Interference::Moved { by: Offset::from_nanos(5_000_000_000) };
    let quality = Quality { synchronised: true, estimated_error: Span::MAX, max_error: Span::MAX };
    for shared in [false, true] {
        let mut echo = Echo::default();
        let mut clock = Meddled(Some(found), 0);
        echo.queue.push_back(Output::Steer(Adjustment::Run { rate: Rate::ZERO }));
        echo.queue.push_back(Output::Publish(quality));
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        echo.to = Some(endpoint.local_addr());
        let oscillator = Oscillator::plain();
        let node = Node::new(endpoint, &mut echo, &mut clock, oscillator, vec![]).unwrap();
        let node = if shared { node.sharing_the_clock() } else { node };
        let mut watcher = Watcher::default();
        let ended = node.run(&mut watcher, Signals::none(), Some(Span::from_millis(50)));
        assert_eq!(watcher.hands, [(found, shared)]);
        assert_eq!(watcher.finished.unwrap().interferences, 1);
        if shared {
            assert_eq!((ended, clock.1), (Ok(Ended::Duration), 2), "it goes on");
        } else {
            assert_eq!((ended, clock.1), (Err(NetError::Shared(found)), 0), "nothing is touched");
        }
        assert!(echo.stopping);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is looked at takes its time")]
fn a_clock_that_nobody_steers_is_looked_at_all_the_same() {
    let mut echo = Echo { next: Some(Time::from_nanos(i64::MAX)), ..Echo::default() };
    let found = Interference::Status { found: 1 };
    let mut clock = Meddled(Some(found), 0);
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let oscillator = Oscillator::plain();
    let node = Node::new(endpoint, &mut echo, &mut clock, oscillator, vec![]).unwrap();
    let began = std::time::Instant::now();
    let ended = node.run(&mut Watcher::default(), Signals::none(), Some(Span::from_secs(60)));
    assert_eq!(ended, Err(NetError::Shared(found)));
    assert!(began.elapsed() < Duration::from_secs(10), "within seconds");
}

#[test]
fn names_are_looked_up_again_when_no_master_answers() {
    let mut echo = Echo::default();
    echo.queue.push_back(Output::Event(Event::NoMaster));
    let node = node(&mut echo, "127.0.0.1:0").unwrap();
    // The name service may take its time over the name that nobody has.
    node.run(&mut Watcher::default(), Signals::none(), Some(Span::from_secs(1))).unwrap();
    if echo.addresses.is_empty() {
        return println!("not tested: the name service takes more than a second");
    }
    let expected = ["127.0.0.2:9", "127.0.0.1:7045"].map(|addr| addr.parse().unwrap());
    assert_eq!(echo.addresses, expected);
}
