//! What every clock shows at the end of a round, and what the average says of each: asked and told a
//! part of the roster at a time.
//!
//! A hundred thousand estimates take tens of milliseconds. Polls must not wait for that, so the
//! census goes on in between of what is due. All readings are for one instant all the same.

use std::ops::Range;

use super::{Local, Map, Master, Member, Offset, Place, Span, Standing, Time};
use crate::proto::ensemble::{Reading, Verdict};
use crate::proto::track::Wheel;
use crate::time::Rate;

/// Slots that are looked at in one go, some 0.2 ms.
pub(super) const AT_ONCE: u32 = 512;

/// What so many slots take fits into the first cache.
const LOT: u32 = 16;

/// The census of a round.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// The instant that is asked about, and the wheel's map of then; none: it has not begun.
    asked: Option<(Time<Local>, Map<Local, Wheel>)>,
    next: u32,
    readings: Vec<Reading>,
    /// Whose they are, but for the first, which is our own.
    places: Vec<Place>,
    /// It is complete, and what was made of it is being told.
    pub(super) counted: Option<Counted>,
}

/// A complete census, and what was made of it.
#[derive(Debug)]
pub(super) struct Counted {
    /// The instant that was asked about.
    pub(super) at: Time<Local>,
    /// The wheel's map of then.
    pub(super) wheel: Map<Local, Wheel>,
    /// Every clock that can be had, our own first. Who missed some replies coasts on.
    pub(super) readings: Vec<Reading>,
    /// Whose they are, but for the first.
    pub(super) places: Vec<Place>,
    /// On each of the readings, or none where no average was made.
    pub(super) verdicts: Vec<Verdict>,
    /// The number of the round.
    pub(super) round: u32,
    /// Slots of the roster that were told.
    told: u32,
    /// Readings that were told of.
    next: usize,
    /// Members that can be reached, and those that follow us and count.
    pub(super) reachable: usize,
    pub(super) following: u32,
}

impl Census {
    /// Bytes that a clock takes.
    pub(super) const EACH: usize = size_of::<Reading>() + size_of::<Place>();

    /// Keeps the room for the next round.
    pub(super) fn give_back(&mut self, mut readings: Vec<Reading>, mut places: Vec<Place>) {
        readings.clear();
        places.clear();
        (self.readings, self.places) = (readings, places);
    }
}

impl Master {
    /// Goes on with the census, which begins `now` if it has not; gives it once it is complete.
    pub(super) fn take_census(&mut self, now: Time<Local>) -> Option<Counted> {
        let (at, wheel) = match self.census.asked {
            Some(asked) => asked,
            None => {
                let asked = (now, self.wheel.map(now));
                self.census.asked = Some(asked);
                self.census.next = 0;
                let own = self.own_reading(now, &asked.1);
                self.census.readings.push(own);
                asked
            }
        };
        let mut readings = std::mem::take(&mut self.census.readings);
        let mut places = std::mem::take(&mut self.census.places);
        let end = self.census.next.saturating_add(AT_ONCE).min(self.roster.slots());
        for lot in lots(self.census.next..end) {
            self.foresee_slots(lot.clone());
            for (place, reading) in lot.filter_map(|slot| self.reading(at, slot)) {
                places.push(place);
                readings.push(reading);
            }
        }
        self.census.next = end;
        if end < self.roster.slots() {
            (self.census.readings, self.census.places) = (readings, places);
            return None;
        }
        self.census.asked = None;
        Some(Counted {
            at,
            wheel,
            readings,
            places,
            verdicts: Vec::new(),
            round: self.round,
            told: 0,
            next: 0,
            reachable: 0,
            following: 0,
        })
    }

    /// Tells the next members what was made of the census, and asks them what that takes; `true`
    /// once all are told.
    pub(super) fn tell_counted(&mut self, counted: &mut Counted) -> bool {
        if counted.told == 0
            && let Some(own) = counted.verdicts.first()
        {
            self.stand(own, None);
        }
        let end = counted.told.saturating_add(AT_ONCE).min(self.roster.slots());
        // Places are in the order of their slots.
        while let Some(place) = counted.places.get(counted.next).filter(|place| place.slot < end) {
            counted.next += 1;
            if let Some(verdict) = counted.verdicts.get(counted.next) {
                self.stand(verdict, Some(*place));
            }
        }
        for slot in counted.told..end {
            let Some(place) = self.roster.in_slot(slot) else { continue };
            let Some(member) = self.roster.get_mut(place).filter(|m| m.reach != 0) else {
                continue;
            };
            counted.reachable += 1;
            if member.standing == Standing::Counted {
                counted.following += u32::from(follows(member));
                self.wheel.ask(member.who.id, &mut member.track);
            }
        }
        counted.told = end;
        end == self.roster.slots()
    }

    fn own_reading(&self, now: Time<Local>, wheel: &Map<Local, Wheel>) -> Reading {
        let identity = &self.settings.identity;
        Reading {
            id: identity.id,
            offset: Offset::from_nanos(now.as_nanos().saturating_sub(wheel.reads.as_nanos())),
            rate: wheel.rate.reversed(),
            rate_sigma: Rate::ZERO,
            bound: Span::ZERO,
            shown: self.steering.course().reading(now),
            saved: self.settings.saved_rate.unwrap_or_default(),
            reference: self.settings.references.contains(&identity.name),
        }
    }

    fn reading(&self, at: Time<Local>, slot: u32) -> Option<(Place, Reading)> {
        let place = self.roster.in_slot(slot)?;
        let member = self.roster.get(place).filter(|member| member.reach != 0)?;
        let (estimate, shown) = self.shown_by(at, place)?;
        let told = member.told && self.ensemble.starts();
        let told = told.then(|| self.ensemble.for_slave(&estimate)).flatten();
        let shown = told.map_or(shown, |map| Time::from_nanos(map.reads.as_nanos()));
        let reading = Reading {
            id: member.who.id,
            offset: estimate.wheel_offset,
            rate: estimate.wheel_rate,
            rate_sigma: estimate.rate_sigma,
            bound: estimate.bound,
            shown,
            saved: member.saved.get().unwrap_or_default(),
            reference: self.settings.references.contains(&member.who.name),
        };
        Some((place, reading))
    }
}

/// These slots, a few at a time.
fn lots(slots: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let end = slots.end;
    slots.step_by(LOT as usize).map(move |first| first..end.min(first + LOT))
}

/// Whether a member that can be reached obeys us.
fn follows(member: &Member) -> bool {
    member.loyal && member.reach & 0b11 != 0
}
