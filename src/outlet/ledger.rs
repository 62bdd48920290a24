//! What the core's events told over time: what a core that is asked for the present cannot know.

use std::collections::VecDeque;
use std::fmt;

use super::Buckets;
use super::tally::{Tallies, Tally};
use super::window::Window;
use crate::proto::{Cause, Event, Surrender, Who};
use crate::time::{Local, Offset, Rate, Time};
use crate::wire::{LeaveReason, NodeId};

/// Events that are kept to be read.
const MOST_NEWS: usize = 128;
/// Changes of the master that are kept.
const MOST_REIGNS: usize = 32;

/// Why a master is followed where nothing else is known.
const CLAIM: &str = "it has the better claim";

/// How an event is told: whether it is a warning, and a sentence; none where it is routine.
pub type Teller = Box<dyn Fn(&Event) -> Option<(bool, String)> + Send>;

/// Something that happened, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Counts all that happened, from 1.
    pub number: u64,
    /// When.
    pub at: Time<Local>,
    /// Whether something went wrong.
    pub warning: bool,
    /// A sentence.
    pub text: String,
}

/// Who was master from then on; nobody by name where it is this node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) at: Time<Local>,
    pub(super) who: Option<Who>,
    pub(super) why: &'static str,
}

/// What was told since the node began.
pub struct Ledger {
    pub(super) began: Time<Local>,
    pub(super) offsets: Window,
    pub(super) rates: Window,
    pub(super) updates: u64,
    members: Tallies,
    pub(super) round_trip: Buckets,
    pub(super) offset: Buckets,
    pub(super) news: VecDeque<News>,
    pub(super) told: u64,
    pub(super) changes: VecDeque<Change>,
    pub(super) warnings: u64,
    why: &'static str,
    teller: Teller,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a ledger of {} members, {} news", self.members.len(), self.told)
    }
}

impl Ledger {
    /// An empty one; `teller` puts events into words.
    pub fn new(began: Time<Local>, teller: Teller) -> Self {
        Self {
            began,
            offsets: Window::default(),
            rates: Window::default(),
            updates: 0,
            members: Tallies::default(),
            round_trip: Buckets::default(),
            offset: Buckets::default(),
            news: VecDeque::new(),
            told: 0,
            changes: VecDeque::new(),
            warnings: 0,
            why: "it was the first",
            teller,
        }
    }

    /// Round trips of all exchanges since the start.
    pub fn round_trips(&self) -> &Buckets {
        &self.round_trip
    }

    /// Sizes of the offsets of all members, one a round and member, since the start.
    pub fn offset_sizes(&self) -> &Buckets {
        &self.offset
    }

    /// What was measured of a member since it came.
    pub fn tally(&self, id: NodeId) -> Option<&Tally> {
        self.members.get(id)
    }

    /// A word of the memory that taking note of this many slots needs, which brings it near.
    pub(super) fn touch(&self, slots: usize) -> u64 {
        self.members.touch(slots)
    }

    /// Takes note of an event.
    pub fn note(&mut self, at: Time<Local>, event: &Event) {
        if let Some((warning, text)) = (self.teller)(event) {
            self.tell(at, warning, text);
        }
        match event {
            Event::Adjusted(adjusted) => self.update(at, adjusted.offset, adjusted.rate),
            Event::Round(round) => self.update(at, round.offset, round.rate),
            // Each member's are counted at the end of its slot: here it would have to be looked up.
            Event::Exchange(measured) => self.round_trip.record(measured.round_trip),
            Event::Slot(slot) => {
                self.members.close(at, slot);
                if let Some(offset) = slot.offset {
                    self.offset.record(offset.abs());
                }
            }
            _ => self.rarer(at, event),
        }
    }

    fn rarer(&mut self, at: Time<Local>, event: &Event) {
        match event {
            Event::Joined(who) => {
                self.members.forget(who.id);
                self.members.member(who.id);
            }
            Event::Left { who, .. } => self.members.forget(who.id),
            Event::Restarted(who) => {
                if let Some(tally) = self.members.member(who.id) {
                    tally.restart();
                }
            }
            Event::Unreachable(who) => {
                if let Some(tally) = self.members.member(who.id) {
                    tally.silences += 1;
                }
            }
            Event::Falseticker { who, .. } => {
                if let Some(tally) = self.members.get_mut(who.id) {
                    tally.falseticks += 1;
                }
            }
            Event::MasterLeft { reason, .. } => {
                self.why = match reason {
                    LeaveReason::Shutdown => "the one before was shut down",
                    LeaveReason::Elsewhere => "the one before follows another",
                };
            }
            // What was before the step says nothing of the clock as it is.
            Event::Stepped { .. } => self.offsets = Window::default(),
            Event::MasterSilent(_) => self.why = "the one before went silent",
            Event::Yielded { why, .. } => {
                self.why = match why {
                    Surrender::Outranked => "it has the higher claim",
                    Surrender::Minority => "the majority was lost before",
                };
            }
            Event::Elected { why, .. } => {
                self.why = match why {
                    Cause::Started => "there was no master at the start",
                    Cause::Silence => "the one before went silent",
                    Cause::Resigned => "the one before resigned",
                };
                self.follow(at, None);
            }
            // Not so a master that goes on in a higher term, which is elected too.
            Event::Inherited { .. } => self.members.recount(),
            Event::Following(who) => self.follow(at, Some(who)),
            _ => {}
        }
    }

    /// A master is named again once its name is known, and comes back after a silence.
    fn follow(&mut self, at: Time<Local>, who: Option<&Who>) {
        let why = std::mem::replace(&mut self.why, CLAIM);
        match self.changes.back_mut() {
            Some(last) if why == CLAIM && last.who.as_ref().map(|w| w.id) == who.map(|w| w.id) => {
                last.who = who.cloned();
            }
            _ => {
                if self.changes.len() == MOST_REIGNS {
                    self.changes.pop_front();
                }
                self.changes.push_back(Change { at, who: who.cloned(), why });
            }
        }
    }

    fn update(&mut self, at: Time<Local>, offset: Offset, rate: Rate) {
        self.updates += 1;
        self.offsets.push(at, offset.as_secs_f64());
        self.rates.push(at, rate.as_ratio());
    }

    fn tell(&mut self, at: Time<Local>, warning: bool, text: String) {
        if self.news.len() == MOST_NEWS {
            self.news.pop_front();
        }
        self.told += 1;
        self.warnings += u64::from(warning);
        self.news.push_back(News { number: self.told, at, warning, text });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::{MOST_MEMBERS, MOST_WINDOWS};
    use super::super::window::WINDOW;
    use super::*;
    use crate::proto::{BySource, Measured, Round, Slot};
    use crate::time::Span;
    use crate::wire::{Name, Standing, Term};

    fn at(secs: i64) -> Time<Local> {
        Time::from_nanos(secs * 1_000_000_000)
    }

    fn who(id: u64) -> Who {
        let addr = "10.0.0.3:7045".parse().unwrap();
        Who { id: NodeId(id), name: Name::new(&format!("n{id}")).unwrap(), addr }
    }

    fn ledger() -> Ledger {
        let teller = |event: &Event| match event {
            Event::Hold => Some((true, "hold".to_owned())),
            _ => None,
        };
        Ledger::new(at(0), Box::new(teller))
    }

    /// A slot of a member that has had so many exchanges since it booted.
    fn slot(id: u64, offset: i64, exchanges: u64) -> Event {
        Event::Slot(Slot {
            id: NodeId(id),
            round: 1,
            reach: 1,
            offset: Some(Offset::from_nanos(offset)),
            rate: Rate::from_ppm(1.0),
            sigma: Span::ZERO,
            round_trip: Some(Span::from_micros(50)),
            standing: Standing::Counted,
            steps: 0,
            bound: Span::ZERO,
            stamps: BySource { kernel: exchanges, ..BySource::default() },
        })
    }

    #[test]
    fn a_member_is_counted_until_it_leaves_and_anew_when_it_restarts() {
        let mut ledger = ledger();
        ledger.note(at(1), &Event::Joined(who(3)));
        for (exchanges, offset) in [(1, 100), (2, 300)] {
            let (round_trip, noise) = (Span::from_micros(50), Span::ZERO);
            ledger.note(at(2), &Event::Exchange(Measured { id: NodeId(3), round_trip, noise }));
            ledger.note(at(offset), &slot(3, offset, exchanges));
        }
        let tally = ledger.tally(NodeId(3)).unwrap();
        assert_eq!((tally.exchanges, tally.polled, tally.answered), (2, 2, 2));
        assert!((tally.offsets.mean().unwrap() - 200e-9).abs() < 1e-15);
        assert!((tally.offsets.deviation().unwrap() - 141.42e-9).abs() < 1e-11);
        assert_eq!(tally.offsets.span(), Span::from_secs(200));
        assert_eq!(ledger.round_trips().count(), 2);
        ledger.note(at(5), &Event::Restarted(who(3)));
        let tally = ledger.tally(NodeId(3)).unwrap();
        assert_eq!((tally.restarts, tally.exchanges), (1, 0));
        ledger.note(at(6), &slot(3, 7, 5));
        assert_eq!(ledger.tally(NodeId(3)).unwrap().exchanges, 5);
        ledger.note(at(6), &Event::Left { who: who(3), said_so: true });
        assert!(ledger.tally(NodeId(3)).is_none());
        assert_eq!(ledger.offset_sizes().count(), 3, "what was measured stays in the whole");
    }

    #[test]
    fn offsets_before_a_step_are_not_looked_back_on() {
        let mut ledger = ledger();
        ledger.note(at(1), &slot(3, -900_000_000, 1));
        let Event::Slot(after) = slot(3, 40, 2) else { unreachable!() };
        ledger.note(at(2), &Event::Slot(Slot { steps: 1, ..after }));
        ledger.note(at(3), &Event::Slot(Slot { steps: 1, ..after }));
        let tally = ledger.tally(NodeId(3)).unwrap();
        assert_eq!((tally.offsets.len(), tally.round_trips.len()), (2, 3));
        assert!((tally.offsets.mean().unwrap() - 40e-9).abs() < 1e-15);
        ledger.update(at(4), Offset::from_nanos(-900_000_000), Rate::ZERO);
        ledger.note(at(4), &Event::Stepped { by: Offset::from_nanos(900_000_000) });
        ledger.update(at(5), Offset::from_nanos(40), Rate::ZERO);
        assert_eq!((ledger.offsets.len(), ledger.rates.len()), (1, 2));
    }

    #[test]
    fn exchanges_add_up_over_terms_and_reigns() {
        let mut ledger = ledger();
        let exchanges = |ledger: &Ledger| ledger.tally(NodeId(3)).unwrap().exchanges;
        ledger.note(at(1), &Event::Joined(who(3)));
        ledger.note(at(1), &slot(3, 7, 4));
        ledger.note(at(2), &Event::Elected { term: Term(2), votes: 1, why: Cause::Started });
        ledger.note(at(2), &slot(3, 7, 8));
        assert_eq!(exchanges(&ledger), 8, "a higher term begins nothing anew");
        ledger.note(at(3), &Event::Elected { term: Term(4), votes: 1, why: Cause::Silence });
        ledger.note(at(3), &Event::Inherited { members: vec![who(3)] });
        ledger.note(at(3), &slot(3, 7, 9));
        assert_eq!(exchanges(&ledger), 17, "a new reign does");
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut ledger = ledger();
        for n in 0..20_000 {
            ledger.note(at(n), &slot(n as u64, n, 1));
            ledger.note(at(n), &slot(7, n, 1));
            ledger.note(at(n), &Event::Hold);
            ledger.note(at(n), &Event::MasterSilent(who(1)));
            ledger.note(at(n), &Event::Following(who(n as u64)));
            ledger.note(
                at(n),
                &Event::Round(Round {
                    number: 1,
                    members: 2,
                    reachable: 2,
                    counted: 2,
                    spread: Span::ZERO,
                    offset: Offset::ZERO,
                    rate: Rate::ZERO,
                    likely_bound: Span::ZERO,
                    bound: Span::ZERO,
                }),
            );
        }
        assert_eq!(ledger.members.len(), MOST_MEMBERS);
        for n in 0..20_000 {
            ledger.note(at(n), &slot(n as u64, n, 2));
        }
        let tallies = (0..20_000).filter_map(|id| ledger.tally(NodeId(id)));
        assert_eq!(tallies.filter(|tally| tally.offsets.len() > 1).count(), MOST_WINDOWS);
        assert_eq!(ledger.tally(NodeId(7)).unwrap().offsets.len(), WINDOW);
        assert_eq!((ledger.news.len(), ledger.told), (MOST_NEWS, 20_000));
        assert_eq!((ledger.changes.len(), ledger.updates), (MOST_REIGNS, 20_000));
        assert_eq!(ledger.offsets.len(), WINDOW);
    }

    #[test]
    fn a_change_of_master_says_why() {
        let mut ledger = ledger();
        ledger.note(at(1), &Event::Following(who(1)));
        ledger.note(at(1), &Event::Following(who(1)));
        ledger.note(at(9), &Event::MasterSilent(who(1)));
        ledger.note(at(10), &Event::Following(who(2)));
        let changes: Vec<_> =
            ledger.changes.iter().map(|c| (c.who.as_ref().unwrap().id.0, c.why)).collect();
        assert_eq!(changes, [(1, "it was the first"), (2, "the one before went silent")]);
    }
}
