//! The world around a core that writes down what it is told.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::link::{Link, Path};
use super::super::machine::Boot;
use super::super::scenario::{Draw, Driver, Incident, Node, Scenario, What};
use super::*;
use crate::proto::Counters;
use crate::time::{Offset, Rate};

const SECOND: Span = Span::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Noted {
    Due { now: Time<Local>, due: Time<Local> },
    Came { now: Time<Local>, at: Stamp<Local>, sent: Time<Local> },
    Left { now: Time<Local>, at: Stamp<Local>, sent: Time<Local> },
}

impl Noted {
    fn now(self) -> Time<Local> {
        match self {
            Noted::Due { now, .. } | Noted::Came { now, .. } | Noted::Left { now, .. } => now,
        }
    }
}

type Notes = Rc<RefCell<Vec<(usize, Noted)>>>;

/// Sends its reading to the other node each second, and notes what comes.
struct Scribe {
    node: usize,
    due: Time<Local>,
    notes: Notes,
    sends: Option<u64>,
    stopping: bool,
    counters: Counters,
}

impl Scribe {
    fn note(&self, noted: Noted) {
        self.notes.borrow_mut().push((self.node, noted));
    }
}

impl Core for Scribe {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        match input {
            Input::Datagram { at, bytes, .. } => {
                let sent = i64::from_be_bytes(bytes[..8].try_into().unwrap());
                self.note(Noted::Came { now, at, sent: Time::from_nanos(sent) });
            }
            Input::Sent { token, at } => {
                self.note(Noted::Left { now, at, sent: Time::from_nanos(token.0 as i64) });
            }
            Input::Stop => self.stopping = true,
            _ => {}
        }
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        if now >= self.due {
            self.note(Noted::Due { now, due: self.due });
            self.due = now + SECOND;
            self.sends = Some(now.as_nanos() as u64);
        }
        let sent = self.sends.take()?;
        buffer[..8].copy_from_slice(&sent.to_be_bytes());
        Some(Output::Send { to: address(1 - self.node), token: Some(Token(sent)) })
    }

    fn deadline(&self) -> Option<Time<Local>> {
        Some(self.due)
    }

    fn done(&self) -> bool {
        self.stopping
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

fn pair() -> Scenario {
    let path = Path { base: Span::from_micros(50), ..Path::default() };
    let rate = Draw::Exactly(Rate::ZERO);
    let node = Node { rate, wander: Rate::ZERO, link: Link::even(path), ..Node::default() };
    Scenario::uniform("pair", 1, &node)
}

/// What happened in ten seconds, and the traffic.
fn notes(scenario: &Scenario) -> (Vec<(usize, Noted)>, Traffic) {
    let notes = Notes::default();
    let make = |boot: Boot| -> Box<dyn Core> {
        let notes = notes.clone();
        let (node, due) = (boot.node, boot.now + SECOND);
        let counters = Counters::default();
        Box::new(Scribe { node, due, notes, sends: None, stopping: false, counters })
    };
    let mut world = World::new(scenario, 1, Box::new(make));
    world.run_until(Time::from_nanos(10_500_000_000));
    let traffic = world.traffic;
    drop(world);
    (Rc::into_inner(notes).unwrap().into_inner(), traffic)
}

fn of(notes: &[(usize, Noted)], node: usize) -> Vec<Noted> {
    notes.iter().filter(|&&(n, _)| n == node).map(|&(_, noted)| noted).collect()
}

#[test]
fn timers_are_never_early_and_at_most_a_millisecond_late() {
    let (notes, _) = notes(&pair());
    let mut rings = 0;
    for (_, noted) in notes {
        if let Noted::Due { now, due } = noted {
            assert!(due <= now && now.since(due) <= Span::from_millis(1), "{noted:?}");
            rings += 1;
        }
    }
    assert_eq!(rings, 20, "ten from each node");
}

#[test]
fn kernel_stamps_tell_departure_and_arrival_however_late_the_daemon_is() {
    let turnaround = Span::from_micros(300);
    let send_delay = Span::from_micros(7);
    let mut scenario = pair();
    for node in &mut scenario.nodes {
        node.driver = Driver { turnaround, send_delay, ..Driver::default() };
    }
    let (notes, traffic) = notes(&scenario);
    let (mut came, mut left) = (Vec::new(), 0);
    for (_, noted) in notes {
        match noted {
            Noted::Came { now, at, sent } => {
                assert_eq!(now - at.at, turnaround.as_offset());
                assert_eq!(at.source, Source::Kernel);
                came.push((at.at - sent).as_nanos());
            }
            Noted::Left { now, at, sent } => {
                assert_eq!(at.at - sent, send_delay.as_offset());
                assert_eq!(now - at.at, turnaround.as_offset());
                left += 1;
            }
            Noted::Due { .. } => {}
        }
    }
    assert_eq!((came.len(), left, traffic.sent, traffic.lost), (20, 20, 20, 0));
    // The two one-way differences have the offset between the clocks with opposite signs.
    let (least, most) = (came.iter().min().unwrap(), came.iter().max().unwrap());
    assert_eq!(least + most, 2 * 57_000);
}

#[test]
fn a_daemon_that_stamps_itself_stamps_when_it_wakes() {
    let mut scenario = pair();
    for node in &mut scenario.nodes {
        node.driver.stamps = Source::Daemon;
    }
    for (_, noted) in notes(&scenario).0 {
        match noted {
            Noted::Came { now, at, .. } => assert_eq!(at, Stamp::daemon(now)),
            Noted::Left { .. } => panic!("nobody tells the departure"),
            Noted::Due { .. } => {}
        }
    }
}

#[test]
fn an_oscillator_that_jumps_back_does_not_take_the_driver_with_it() {
    let mut scenario = pair();
    let jump = What::Jump(Offset::from_nanos(-2_000_000_000));
    scenario.incidents.push(Incident { at: Span::from_secs(5), node: 1, what: jump });
    let (notes, _) = notes(&scenario);
    let times: Vec<_> = of(&notes, 1).into_iter().map(Noted::now).collect();
    assert!(times.is_sorted());
    let stamps: Vec<_> = of(&notes, 1)
        .into_iter()
        .filter_map(|noted| match noted {
            Noted::Came { at, .. } => Some(at.at),
            _ => None,
        })
        .collect();
    assert!(!stamps.is_sorted(), "but the stamps say what the oscillator says");
}

#[test]
fn who_is_dead_or_cut_off_hears_nothing() {
    let dead = |what| Incident { at: Span::from_millis(3_500), node: 1, what };
    let again = Incident { at: Span::from_millis(7_500), node: 1, what: What::Start };
    for what in [What::Kill, What::Stop] {
        let mut scenario = pair();
        scenario.incidents.extend([dead(what), again]);
        let (notes, _) = notes(&scenario);
        let came = |noted: &&Noted| matches!(noted, Noted::Came { .. });
        assert_eq!(of(&notes, 1).iter().filter(came).count(), 3 + 3, "{what:?}");
        assert_eq!(of(&notes, 0).iter().filter(came).count(), 3 + 2, "{what:?}");
    }
    let mut scenario = pair();
    let lasts = Some(Span::from_secs(4));
    scenario.incidents.push(dead(What::Cut { way: Way::Back, lasts }));
    let (notes, traffic) = notes(&scenario);
    let came = |noted: &&Noted| matches!(noted, Noted::Came { .. });
    assert_eq!(of(&notes, 1).iter().filter(came).count(), 10);
    assert_eq!(of(&notes, 0).iter().filter(came).count(), 6);
    assert_eq!(traffic.lost, 4);
}
