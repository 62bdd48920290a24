//! What the core's events told over time: what a core that is asked for the present cannot know.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::Buckets;
use crate::proto::{Cause, Event, Surrender, Who};
use crate::time::{Local, Offset, Rate, Span, Time};
use crate::wire::{LeaveReason, NodeId};

/// So many updates are looked back on.
const WINDOW: usize = 64;
/// Events that are kept to be read.
const MOST_NEWS: usize = 128;
/// Changes of the master that are kept.
const MOST_REIGNS: usize = 32;
/// Members that are counted one by one.
const MOST_MEMBERS: usize = 10_000;
/// Members whose last updates are looked back on, 2 KiB each; of others the newest is known.
const MOST_WINDOWS: usize = 1_024;

/// Why a master is followed where nothing else is known.
const CLAIM: &str = "it has the better claim";

/// How an event is told: whether it is a warning, and a sentence; none where it is routine.
pub type Teller = Box<dyn Fn(&Event) -> Option<(bool, String)> + Send>;

/// The newest values of one kind. Most windows are so narrow that the last value is all there is,
/// and that one lies within.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    before: VecDeque<(Time<Local>, f64)>,
    last: Option<(Time<Local>, f64)>,
}

impl Window {
    fn push(&mut self, at: Time<Local>, value: f64) {
        self.keep(WINDOW, at, value);
    }

    /// Takes a value in and keeps the newest `most`.
    fn keep(&mut self, most: usize, at: Time<Local>, value: f64) {
        let last = self.last.replace((at, value));
        if let Some(last) = last.filter(|_| most > 1) {
            if self.len() >= most {
                self.before.pop_front();
            }
            self.before.push_back(last);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.before.len() + usize::from(self.last.is_some())
    }

    pub(super) fn last(&self) -> Option<f64> {
        self.last.map(|(_, value)| value)
    }

    /// From the oldest to the newest.
    pub(super) fn span(&self) -> Span {
        match (self.before.front(), self.last) {
            (Some((first, _)), Some((last, _))) => last.since(*first),
            _ => Span::ZERO,
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.before.iter().chain(&self.last).map(|(_, value)| *value)
    }

    pub(super) fn mean(&self) -> Option<f64> {
        let n = self.len() as f64;
        (n > 0.0).then(|| self.values().sum::<f64>() / n)
    }

    pub(super) fn rms(&self) -> Option<f64> {
        let n = self.len() as f64;
        (n > 0.0).then(|| (self.values().map(|value| value * value).sum::<f64>() / n).sqrt())
    }

    /// The standard deviation; none of fewer than two.
    pub(super) fn deviation(&self) -> Option<f64> {
        let (n, mean) = (self.len() as f64, self.mean()?);
        let squares = self.values().map(|value| (value - mean).powi(2)).sum::<f64>();
        (n > 1.0).then(|| (squares / (n - 1.0)).sqrt())
    }
}

/// What was measured of one member.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Its last updates are looked back on.
    wide: bool,
    /// Its offsets in seconds, positive ahead.
    pub(super) offsets: Window,
    /// The rate of its Local against cluster time.
    pub(super) rate: Rate,
    /// Its least round trips in seconds, one a slot.
    pub(super) round_trips: Window,
    /// Exchanges that were completed.
    pub(super) exchanges: u64,
    /// Rounds it was polled in, and those it answered in.
    pub(super) polled: u64,
    pub(super) answered: u64,
    pub(super) restarts: u32,
    /// How often it went silent.
    pub(super) silences: u32,
    /// How often it was found to be a falseticker.
    pub(super) falseticks: u32,
}

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
    /// Boxed, so that the keys lie close together: each exchange is looked up twice.
    members: BTreeMap<NodeId, Box<Tally>>,
    /// Of which so many are wide.
    windows: usize,
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
            members: BTreeMap::new(),
            windows: 0,
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
        self.members.get(&id).map(Box::as_ref)
    }

    /// Takes note of an event.
    pub fn note(&mut self, at: Time<Local>, event: &Event) {
        if let Some((warning, text)) = (self.teller)(event) {
            self.tell(at, warning, text);
        }
        match event {
            Event::Adjusted(adjusted) => self.update(at, adjusted.offset, adjusted.rate),
            Event::Round(round) => self.update(at, round.offset, round.rate),
            Event::Exchange(measured) => {
                self.round_trip.record(measured.round_trip);
                if let Some(tally) = self.members.get_mut(&measured.id) {
                    tally.exchanges += 1;
                }
            }
            Event::Slot(slot) => {
                let tally = self.member(slot.id);
                if let Some(tally) = tally {
                    let most = if tally.wide { WINDOW } else { 1 };
                    tally.polled += 1;
                    tally.answered += u64::from(slot.reach & 1);
                    tally.rate = slot.rate;
                    if let Some(offset) = slot.offset {
                        tally.offsets.keep(most, at, offset.as_secs_f64());
                    }
                    if let Some(round_trip) = slot.round_trip {
                        tally.round_trips.keep(most, at, round_trip.as_secs_f64());
                    }
                }
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
                self.forget(who.id);
                self.member(who.id);
            }
            Event::Left { who, .. } => self.forget(who.id),
            Event::Restarted(who) => {
                if let Some(tally) = self.member(who.id) {
                    let (wide, restarts) = (tally.wide, tally.restarts + 1);
                    *tally = Tally { wide, restarts, ..Tally::default() };
                }
            }
            Event::Unreachable(who) => {
                if let Some(tally) = self.member(who.id) {
                    tally.silences += 1;
                }
            }
            Event::Falseticker { who, .. } => {
                if let Some(tally) = self.members.get_mut(&who.id) {
                    tally.falseticks += 1;
                }
            }
            Event::MasterLeft { reason, .. } => {
                self.why = match reason {
                    LeaveReason::Shutdown => "the one before was shut down",
                    LeaveReason::Elsewhere => "the one before follows another",
                };
            }
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

    fn member(&mut self, id: NodeId) -> Option<&mut Tally> {
        if !self.members.contains_key(&id) && self.members.len() >= MOST_MEMBERS {
            return None;
        }
        let windows = &mut self.windows;
        let tally = self.members.entry(id).or_insert_with(|| {
            let wide = *windows < MOST_WINDOWS;
            *windows += usize::from(wide);
            Box::new(Tally { wide, ..Tally::default() })
        });
        Some(tally)
    }

    fn forget(&mut self, id: NodeId) {
        let wide = self.members.remove(&id).is_some_and(|tally| tally.wide);
        self.windows -= usize::from(wide);
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
    use super::*;
    use crate::proto::{Measured, Round, Slot};
    use crate::wire::{Name, Standing};

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

    fn slot(id: u64, offset: i64) -> Event {
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
            likely_bound: Span::ZERO,
            bound: Span::ZERO,
            stamps: crate::proto::BySource::default(),
        })
    }

    #[test]
    fn a_member_is_counted_until_it_leaves_and_anew_when_it_restarts() {
        let mut ledger = ledger();
        ledger.note(at(1), &Event::Joined(who(3)));
        for offset in [100, 300] {
            ledger.note(at(offset), &slot(3, offset));
            let round_trip = Span::from_micros(50);
            let noise = Span::ZERO;
            ledger.note(at(2), &Event::Exchange(Measured { id: NodeId(3), round_trip, noise }));
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
        ledger.note(at(6), &Event::Left { who: who(3), said_so: true });
        assert!(ledger.tally(NodeId(3)).is_none());
        assert_eq!(ledger.offset_sizes().count(), 2, "what was measured stays in the whole");
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut ledger = ledger();
        for n in 0..20_000 {
            ledger.note(at(n), &slot(n as u64, n));
            ledger.note(at(n), &slot(7, n));
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
        assert_eq!(ledger.windows, MOST_WINDOWS);
        let wide = |tally: &Tally| tally.offsets.len() > 1 || tally.wide;
        assert_eq!(ledger.members.values().filter(|tally| wide(tally)).count(), MOST_WINDOWS);
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
