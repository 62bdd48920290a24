//! What was measured of each member, laid out so that a slot touches little memory: with ten
//! thousand of them each touch is waited for.

use std::collections::HashMap;

use super::window::Window;
use crate::proto::Slot;
use crate::time::{Local, Time};
use crate::wire::NodeId;

/// Members that are counted one by one.
pub(super) const MOST_MEMBERS: usize = 10_000;
/// Members whose last updates are looked back on, 2 KiB each; of others the newest is known.
pub(super) const MOST_WINDOWS: usize = 1_024;

/// What was measured of one member.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Its offsets in seconds since its clock was stepped last, positive ahead.
    pub(super) offsets: Window,
    /// Its least round trips in seconds, one a slot.
    pub(super) round_trips: Window,
    /// Exchanges that were completed in slots that are over.
    pub(super) exchanges: u64,
    /// How many of those that the core counts are among them.
    counted: u64,
    /// Rounds it was polled in, and those it answered in.
    pub(super) polled: u64,
    pub(super) answered: u64,
    pub(super) restarts: u32,
    /// How often it went silent.
    pub(super) silences: u32,
    /// How often it was found to be a falseticker.
    pub(super) falseticks: u32,
    /// How often its clock was stepped.
    steps: u16,
    /// Its last updates are looked back on.
    wide: bool,
}

impl Tally {
    /// Takes note of a slot that is over.
    fn close(&mut self, at: Time<Local>, slot: &Slot) {
        // The core counts from zero again where it began anew.
        let all = exchanges(slot);
        self.exchanges += all.checked_sub(self.counted).unwrap_or(all);
        self.counted = all;
        self.polled += 1;
        self.answered += u64::from(slot.reach & 1);
        if std::mem::replace(&mut self.steps, slot.steps) != slot.steps {
            self.offsets = Window::default();
        }
        let keep = if self.wide { Window::push } else { Window::replace };
        if let Some(offset) = slot.offset {
            keep(&mut self.offsets, at, offset.as_secs_f64());
        }
        if let Some(round_trip) = slot.round_trip {
            keep(&mut self.round_trips, at, round_trip.as_secs_f64());
        }
    }

    /// The member began anew.
    pub(super) fn restart(&mut self) {
        let (wide, restarts) = (self.wide, self.restarts + 1);
        *self = Self { wide, restarts, ..Self::default() };
    }
}

/// The exchanges that the core counts of a member.
fn exchanges(slot: &Slot) -> u64 {
    slot.stamps.each().iter().map(|(_, n)| n).sum()
}

/// On two lines of the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Row {
    id: NodeId,
    tally: Tally,
}

/// The tallies of all members.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    seats: HashMap<NodeId, u32>,
    rows: Vec<Row>,
    /// Whose slot was over next after that of the row in the same seat. Slots come in the same order each
    /// round, so that nearly nobody need be looked up.
    then: Vec<u32>,
    /// So many of them are wide.
    windows: usize,
    /// Whose slot was over last.
    last: u32,
}

impl Tallies {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Tally> {
        self.seats.get(&id).map(|seat| &self.rows[*seat as usize].tally)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Tally> {
        self.seats.get(&id).map(|seat| &mut self.rows[*seat as usize].tally)
    }

    /// That of a member, a new one where there is none; none where there are too many.
    pub(super) fn member(&mut self, id: NodeId) -> Option<&mut Tally> {
        let seat = self.seats.get(&id).copied().or_else(|| self.seat(id, 0))?;
        Some(&mut self.rows[seat as usize].tally)
    }

    /// Takes note of a slot that is over.
    pub(super) fn close(&mut self, at: Time<Local>, slot: &Slot) {
        let likely = self.after(self.last);
        let is_there = self.rows.get(likely as usize).is_some_and(|row| row.id == slot.id);
        let seat = if is_there { Some(likely) } else { self.look_up(slot) };
        if let Some(seat) = seat {
            self.rows[seat as usize].tally.close(at, slot);
            self.last = seat;
        }
    }

    /// A word of each row that the next `slots` are probably counted in, which brings them near.
    pub(super) fn touch(&self, slots: usize) -> u64 {
        let seats =
            std::iter::successors(Some(self.after(self.last)), |seat| Some(self.after(*seat)));
        let row =
            |seat: u32| self.rows.get(seat as usize).map_or(0, |row| row.id.0 ^ row.tally.polled);
        seats.take(slots).map(row).fold(0, |word, of| word ^ of)
    }

    fn after(&self, seat: u32) -> u32 {
        self.then.get(seat as usize).copied().unwrap_or(0)
    }

    /// The seat of a member whose turn it was not thought to be.
    #[cold]
    fn look_up(&mut self, slot: &Slot) -> Option<u32> {
        // What was exchanged with a member before it is counted is not made up for.
        let known = self.seats.get(&slot.id).copied();
        let seat = known.or_else(|| self.seat(slot.id, exchanges(slot)))?;
        if let Some(then) = self.then.get_mut(self.last as usize) {
            *then = seat;
        }
        Some(seat)
    }

    /// A seat for a member that has none.
    fn seat(&mut self, id: NodeId, counted: u64) -> Option<u32> {
        if self.rows.len() >= MOST_MEMBERS {
            return None;
        }
        let wide = self.windows < MOST_WINDOWS;
        self.windows += usize::from(wide);
        let seat = self.rows.len() as u32;
        self.rows.push(Row { id, tally: Tally { wide, counted, ..Tally::default() } });
        self.then.push(0);
        self.seats.insert(id, seat);
        Some(seat)
    }

    pub(super) fn forget(&mut self, id: NodeId) {
        let Some(seat) = self.seats.remove(&id) else { return };
        let row = self.rows.swap_remove(seat as usize);
        self.then.swap_remove(seat as usize);
        self.windows -= usize::from(row.tally.wide);
        if let Some(moved) = self.rows.get(seat as usize) {
            self.seats.insert(moved.id, seat);
        }
    }

    /// Another core counts, from zero.
    pub(super) fn recount(&mut self) {
        self.rows.iter_mut().for_each(|row| row.tally.counted = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{BySource, Source};
    use crate::time::{Offset, Rate, Span};
    use crate::wire::Standing;

    /// A slot of a member after which it has had `exchanges` in all.
    fn slot(id: u64, exchanges: u64) -> Slot {
        let mut stamps = BySource::default();
        (0..exchanges).for_each(|_| stamps.count(Source::Kernel));
        Slot {
            id: NodeId(id),
            round: 1,
            reach: 1,
            offset: Some(Offset::from_nanos(id as i64)),
            rate: Rate::ZERO,
            sigma: Span::ZERO,
            round_trip: Some(Span::from_micros(50)),
            standing: Standing::Counted,
            steps: 0,
            bound: Span::ZERO,
            stamps,
        }
    }

    fn at(secs: i64) -> Time<Local> {
        Time::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn each_slot_is_its_members_whoever_goes_and_in_whatever_order_they_come() {
        let mut tallies = Tallies::default();
        let mut expected = HashMap::new();
        let mut here: Vec<u64> = (1..=200).collect();
        for round in 0..40 {
            match round % 4 {
                1 => here.rotate_left(7),
                2 => here.reverse(),
                3 => {
                    let gone = here.swap_remove(round % here.len());
                    tallies.forget(NodeId(gone));
                    expected.remove(&gone);
                }
                _ => {}
            }
            for id in &here {
                tallies.close(at(round as i64), &slot(*id, 0));
                *expected.entry(*id).or_insert(0) += 1;
            }
        }
        assert_eq!(tallies.len(), expected.len());
        for (id, polled) in expected {
            let tally = tallies.get(NodeId(id)).unwrap();
            let offset = Offset::from_nanos(id as i64).as_secs_f64();
            assert_eq!((tally.polled, tally.offsets.last()), (polled, Some(offset)), "{id}");
        }
    }

    #[test]
    fn exchanges_are_counted_on_whatever_the_core_counts_from() {
        let mut tallies = Tallies::default();
        let exchanges = |tallies: &Tallies| tallies.get(NodeId(3)).unwrap().exchanges;
        tallies.close(at(1), &slot(3, 90));
        assert_eq!(exchanges(&tallies), 0, "they were before its time");
        tallies.close(at(2), &slot(3, 94));
        assert_eq!(exchanges(&tallies), 4);
        tallies.close(at(3), &slot(3, 2));
        assert_eq!(exchanges(&tallies), 6, "the core began anew");
        tallies.recount();
        tallies.close(at(4), &slot(3, 4));
        assert_eq!(exchanges(&tallies), 10, "another core, which says so");
    }

    #[test]
    fn a_row_lies_on_two_lines_of_the_cache() {
        assert_eq!(size_of::<Row>(), 128);
    }
}
