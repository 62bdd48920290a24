//! Slots whose last poll has left: they are over when all replies are in, or when patience with them ends.
//!
//! Patience is the same with all of them, so whoever was asked first is given up first, and they wait in a
//! row. Nearly all are answered long before: what was due in between is then struck out without a search.

use std::collections::VecDeque;

use super::agenda::Place;
use crate::time::{Local, Time};

/// Where in the row a slot waits. It may be stale at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u32);

impl Ticket {
    pub(super) const NONE: Ticket = Ticket(u32::MAX);
}

/// Who waits, or has waited.
#[derive(Debug)]
struct Waiting {
    at: Time<Local>,
    /// [`OVER`] where nothing is waited for any more.
    slot: u32,
}

const OVER: u32 = u32::MAX;

/// The row. The first in it is never over.
#[derive(Debug, Default)]
pub(super) struct Closing {
    row: VecDeque<Waiting>,
    /// The ticket of the first.
    first: u32,
}

impl Closing {
    /// Bytes that a slot takes.
    pub(super) const EACH: usize = size_of::<Waiting>();

    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    /// The slot of the member at `place` waits until `at`, which no earlier one goes beyond.
    pub(super) fn add(&mut self, at: Time<Local>, place: Place) -> Ticket {
        let ticket = Ticket(self.first.wrapping_add(self.row.len() as u32));
        self.row.push_back(Waiting { at, slot: place.slot });
        ticket
    }

    /// The slot of the member at `place` is over; says whether it has waited with this ticket.
    pub(super) fn finish(&mut self, ticket: Ticket, place: Place) -> bool {
        let index = ticket.0.wrapping_sub(self.first) as usize;
        let waiting = self.row.get_mut(index).filter(|waiting| waiting.slot == place.slot);
        let Some(waiting) = waiting else { return false };
        waiting.slot = OVER;
        self.tidy();
        true
    }

    /// The slot that has waited for long enough at `now`, whose it was, and with which ticket.
    pub(super) fn next(&mut self, now: Time<Local>) -> Option<(u32, Ticket)> {
        let slot = self.row.front().filter(|waiting| waiting.at <= now)?.slot;
        let ticket = Ticket(self.first);
        self.drop_first();
        self.tidy();
        Some((slot, ticket))
    }

    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        self.row.front().map(|waiting| waiting.at)
    }

    fn tidy(&mut self) {
        while self.row.front().is_some_and(|waiting| waiting.slot == OVER) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        self.row.pop_front();
        self.first = self.first.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time<Local> {
        Time::from_nanos(millis * 1_000_000)
    }

    fn place(slot: u32) -> Place {
        Place { slot, generation: 1 }
    }

    #[test]
    fn who_is_not_answered_is_given_up_in_turn_and_who_is_never() {
        let mut closing = Closing { first: u32::MAX - 1, ..Closing::default() };
        let tickets: Vec<_> = (0..5).map(|i| closing.add(at(10 + i), place(i as u32))).collect();
        assert!(closing.finish(tickets[1], place(1)));
        assert!(!closing.finish(tickets[1], place(1)), "once");
        assert!(!closing.finish(tickets[2], place(7)), "another's");
        assert_eq!(closing.deadline(), Some(at(10)));
        assert_eq!(closing.next(at(9)), None);
        assert_eq!(closing.next(at(10)), Some((0, tickets[0])));
        assert_eq!((closing.next(at(11)), closing.deadline()), (None, Some(at(12))));
        assert!(!closing.finish(tickets[0], place(0)), "given up before");
        assert!(closing.finish(tickets[2], place(2)));
        assert!(closing.finish(tickets[4], place(4)));
        assert_eq!(closing.next(at(99)), Some((3, tickets[3])));
        assert_eq!((closing.next(at(99)), closing.len(), closing.deadline()), (None, 0, None));
        assert!(!closing.finish(Ticket::NONE, place(0)));
    }
}
