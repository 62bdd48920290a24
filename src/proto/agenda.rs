//! What is due when: the master's deadlines, earliest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::{Local, Time};

/// A deadline's reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The round ends: average.
    Tick,
    /// A poll of a slave's burst.
    Poll { place: Place, index: u8 },
    /// A slave's slot ends: estimate, adjust.
    Close { place: Place },
}

/// A place in the roster, and who of those that had it in turn is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// At most one entry a slave and one for the round, since each is replaced when it has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Time<Local>, u64, Due)>>,
    // Ties are served in the order they were made, so that a run can be replayed.
    made: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Time<Local>, due: Due) {
        self.made += 1;
        self.heap.push(Reverse((at, self.made, due)));
    }

    /// The earliest entry, if it has come.
    pub(super) fn next(&mut self, now: Time<Local>) -> Option<(Time<Local>, Due)> {
        if self.deadline()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, due))| (at, due))
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}
