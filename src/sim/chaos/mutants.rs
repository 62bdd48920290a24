//! Deliberate bugs: a check that cannot fail proves nothing. Each mutant of the core must be
//! caught within twenty seeds, by the invariant that it breaks.

use std::net::SocketAddr;

use super::super::machine::Boot;
use super::{Broken, Disaster, Invariant, run};
use crate::clock::Adjustment;
use crate::proto::{Core, Counters, Event, Input, Output};
use crate::time::{Local, Offset, Rate, Span, Time};
use crate::wire::{Buffer, Datagram, Message};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bug {
    /// Applies whatever delta comes, however old.
    ForgetsRounds,
    /// Steps where it ought to slew.
    StepsLate,
    /// Steps a clock at its first update, whether it is off or not.
    StepsEarly,
    /// Publishes a hundredth of its bound.
    Boasts,
    /// Slews twice as fast as it may.
    Hurries,
    /// Never slews, but follows the rate.
    StandsOff,
    /// Sends everything a hundred times.
    Floods,
    /// Forgets to forget.
    Hoards,
    /// Panics at its thousandth datagram.
    Panics,
}

/// A real core, and what goes in and comes out of it changed.
struct Mutant {
    core: Box<dyn Core>,
    bug: Bug,
    rounds: u32,
    polls: u32,
    again: Option<(SocketAddr, Buffer, u32)>,
    datagrams: usize,
}

impl Mutant {
    fn around(bug: Bug, boot: Boot, core: Box<dyn Core>) -> Box<dyn Core> {
        if boot.node == 0 {
            return core;
        }
        Box::new(Self { core, bug, rounds: 0, polls: 0, again: None, datagrams: 0 })
    }

    /// The same delta as if it were the next.
    fn renewed(&mut self, bytes: &[u8]) -> Option<Buffer> {
        let mut datagram = Datagram::decode(bytes).ok()?;
        let Message::Adjust(adjust) = &mut datagram.message else { return None };
        self.rounds += 1;
        adjust.round = 1_000_000 + self.rounds;
        let mut buffer = [0; crate::wire::LEN];
        datagram.encode(&mut buffer);
        Some(buffer)
    }
}

impl Core for Mutant {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        self.datagrams += usize::from(matches!(input, Input::Datagram { .. }));
        assert!(self.bug != Bug::Panics || self.datagrams < 1_000, "a deliberate panic");
        match input {
            Input::Datagram { from, at, bytes } if self.bug == Bug::ForgetsRounds => {
                let renewed = self.renewed(bytes);
                let bytes = renewed.as_ref().map_or(bytes, |buffer| &buffer[..]);
                self.core.handle(now, Input::Datagram { from, at, bytes });
            }
            input => self.core.handle(now, input),
        }
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        if let Some((to, bytes, left)) = &mut self.again
            && *left > 0
        {
            *left -= 1;
            *buffer = *bytes;
            return Some(Output::Send { to: *to, token: None });
        }
        let mut output = self.core.poll(now, buffer)?;
        match &mut output {
            Output::Steer(Adjustment::Run { rate }) => {
                self.polls += 1;
                match self.bug {
                    Bug::Hurries => *rate = Rate::from_ppb(2.0 * rate.as_ppb()),
                    Bug::StepsLate if self.polls.is_multiple_of(997) => {
                        let (by, rate) = (Offset::from_nanos(700), *rate);
                        output = Output::Steer(Adjustment::Step { by, rate });
                    }
                    Bug::StepsEarly if self.rounds == 1 => {
                        self.rounds = 2;
                        let (by, rate) = (Offset::from_nanos(3_000_000), *rate);
                        output = Output::Steer(Adjustment::Step { by, rate });
                    }
                    Bug::StandsOff => *rate = Rate::from_ppm(30.0),
                    _ => {}
                }
            }
            Output::Event(Event::Adjusted(_)) if self.bug == Bug::StepsEarly => {
                self.rounds = self.rounds.max(1);
            }
            Output::Publish(quality) if self.bug == Bug::Boasts => {
                quality.max_error = Span::from_nanos(quality.max_error.as_nanos() / 100);
            }
            Output::Send { to, .. } if self.bug == Bug::Floods => {
                self.again = Some((*to, *buffer, 100));
            }
            _ => {}
        }
        Some(output)
    }

    fn deadline(&self) -> Option<Time<Local>> {
        self.core.deadline()
    }

    fn done(&self) -> bool {
        self.core.done()
    }

    fn counters(&self) -> &Counters {
        self.core.counters()
    }

    fn held(&self) -> usize {
        if self.bug == Bug::Hoards { self.datagrams } else { self.core.held() }
    }
}

/// The first seed that catches the bug, and how.
fn caught(bug: Bug) -> Option<(u64, Broken)> {
    let wrap = move |boot: Boot, core| Mutant::around(bug, boot, core);
    SEEDS.into_iter().find_map(|seed| {
        let Disaster { broken, .. } = run(seed, Disaster::SHORTEST, &wrap);
        broken.map(|broken| (seed, broken))
    })
}

fn assert_caught(bug: Bug, by: Invariant) {
    let (seed, broken) = caught(bug).unwrap_or_else(|| panic!("{bug:?} got through"));
    assert_eq!(broken.invariant, by, "{bug:?}, seed {seed}: {broken:?}");
}

#[test]
fn a_slave_that_obeys_what_is_past_is_caught() {
    assert_caught(Bug::ForgetsRounds, Invariant::OneMaster);
}

#[test]
fn a_slave_that_steps_later_is_caught() {
    assert_caught(Bug::StepsLate, Invariant::Step);
}

#[test]
fn a_slave_that_steps_a_good_clock_is_caught() {
    let (seed, broken) = caught(Bug::StepsEarly).expect("it got through");
    assert_eq!(broken.invariant, Invariant::Step, "seed {seed}: {broken:?}");
    // By the truth, and not because it came too early or was too little.
    assert!(broken.what.contains("from cluster time"), "seed {seed}: {broken:?}");
}

#[test]
fn a_bound_that_is_too_good_is_caught() {
    assert_caught(Bug::Boasts, Invariant::Bound);
}

#[test]
fn a_slave_that_slews_too_fast_is_caught() {
    assert_caught(Bug::Hurries, Invariant::Slew);
}

#[test]
fn a_slave_that_goes_its_own_way_is_caught() {
    assert!(caught(Bug::StandsOff).is_some(), "it got through");
}

#[test]
fn a_flood_a_hoard_and_a_panic_are_caught() {
    assert_caught(Bug::Floods, Invariant::Traffic);
    assert_caught(Bug::Hoards, Invariant::Memory);
    assert_caught(Bug::Panics, Invariant::NoPanic);
}
