//! What is due when: the master's deadlines, earliest first.
//!
//! A hierarchical timing wheel (Varghese and Lauck, *Hashed and hierarchical timing wheels*, 1987):
//! four rings of 256 buckets, the finest 65 µs each, the coarsest an hour and more. An entry is put
//! in and taken out at a cost that does not grow with their number, and moves down a ring three
//! times at most. Only those of the present bucket are sorted, so that the order is exact.

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
    /// The same, after it had to wait for its turn.
    Paced { place: Place, index: u8 },
    /// A slave's slot ends: estimate, adjust.
    Close { place: Place },
}

/// A place in the roster, and who of those that had it in turn is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// Binary digits of a bucket's number in its ring.
const DIGITS: u32 = 8;
const BUCKETS: usize = 1 << DIGITS;
const RINGS: usize = 4;
/// A bucket of the finest ring is 2^16 ns long.
const FINEST: u32 = 16;
/// The end of a list.
const NONE: u32 = u32::MAX;

/// An entry, ordered by time; ties are served in the order they were made, so that a run can be
/// replayed.
type Entry = (Time<Local>, u64, Due);

#[derive(Debug, Clone)]
struct Node {
    at: Time<Local>,
    made: u64,
    due: Due,
    next: u32,
}

/// 256 lists of entries, and the earliest moment in each.
#[derive(Debug, Clone)]
struct Ring {
    heads: [u32; BUCKETS],
    earliest: [Time<Local>; BUCKETS],
    filled: [u64; BUCKETS / 64],
}

impl Ring {
    const EMPTY: Ring = Ring {
        heads: [NONE; BUCKETS],
        earliest: [Time::from_nanos(0); BUCKETS],
        filled: [0; BUCKETS / 64],
    };

    fn is_filled(&self, bucket: usize) -> bool {
        self.filled[bucket / 64] >> (bucket % 64) & 1 == 1
    }

    /// The first bucket that holds something, from `from` on and once around.
    fn first(&self, from: usize) -> Option<usize> {
        let (word, bit) = (from / 64, from % 64);
        let of = |index: usize, bits: u64| index % 4 * 64 + bits.trailing_zeros() as usize;
        let masked = |index: usize, bits: u64| (bits != 0).then(|| of(index, bits));
        masked(word, self.filled[word] & (!0 << bit))
            .or_else(|| (1..4).find_map(|i| masked(word + i, self.filled[(word + i) % 4])))
            .or_else(|| masked(word, self.filled[word] & !(!0 << bit)))
    }
}

/// At most one entry a slave and one for the round, since each is replaced when it has come.
#[derive(Debug, Clone)]
pub(super) struct Agenda {
    /// Those of the present bucket and before.
    present: BinaryHeap<Reverse<Entry>>,
    /// The present bucket of the finest ring, counted from the origin of Local.
    at: i64,
    rings: Box<[Ring; RINGS]>,
    nodes: Vec<Node>,
    free: u32,
    made: u64,
    taken: u64,
}

fn bucket_of(at: Time<Local>) -> i64 {
    at.as_nanos() >> FINEST
}

impl Agenda {
    /// Bytes that an entry takes.
    pub(super) const EACH: usize = size_of::<Node>();

    /// Nothing is due; `now` is the present.
    pub(super) fn new(now: Time<Local>) -> Self {
        Self {
            present: BinaryHeap::new(),
            at: bucket_of(now),
            rings: Box::new([Ring::EMPTY; RINGS]),
            nodes: Vec::new(),
            free: NONE,
            made: 0,
            taken: 0,
        }
    }

    pub(super) fn add(&mut self, at: Time<Local>, due: Due) {
        self.made += 1;
        self.place((at, self.made, due));
    }

    /// The earliest entry, if it has come.
    pub(super) fn next(&mut self, now: Time<Local>) -> Option<(Time<Local>, Due)> {
        while self.present.is_empty() {
            let (at, _) = self.first().filter(|(at, _)| *at <= now)?;
            self.advance(bucket_of(at));
        }
        if self.present.peek()?.0.0 > now {
            return None;
        }
        let Reverse((at, _, due)) = self.present.pop()?;
        self.taken += 1;
        Some((at, due))
    }

    pub(super) fn len(&self) -> usize {
        (self.made - self.taken) as usize
    }

    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        match self.present.peek() {
            Some(Reverse((at, _, _))) => Some(*at),
            None => self.first().map(|(at, _)| at),
        }
    }

    /// The earliest moment in the rings, and in which.
    fn first(&self) -> Option<(Time<Local>, usize)> {
        let of_ring = |(index, ring): (usize, &Ring)| {
            let bucket = ring.first(self.shifted(self.at, index) as usize % BUCKETS)?;
            Some((ring.earliest[bucket], index))
        };
        self.rings.iter().enumerate().filter_map(of_ring).min()
    }

    /// The number of a bucket of the ring `index` that holds the finest bucket `bucket`.
    fn shifted(&self, bucket: i64, index: usize) -> i64 {
        bucket >> (DIGITS * index as u32)
    }

    /// Makes `bucket`, before which nothing is due, the present one.
    fn advance(&mut self, bucket: i64) {
        self.at = bucket;
        // From the coarsest down: what lies in the same bucket of a coarse ring spreads over the
        // finer ones.
        for index in (0..RINGS).rev() {
            let slot = self.shifted(bucket, index) as usize % BUCKETS;
            let ring = &mut self.rings[index];
            if !ring.is_filled(slot) {
                continue;
            }
            ring.filled[slot / 64] &= !(1 << (slot % 64));
            let mut next = std::mem::replace(&mut ring.heads[slot], NONE);
            while next != NONE {
                let node = &mut self.nodes[next as usize];
                let (entry, this) = ((node.at, node.made, node.due), next);
                next = std::mem::replace(&mut node.next, self.free);
                self.free = this;
                self.place(entry);
            }
        }
    }

    fn place(&mut self, entry: Entry) {
        let bucket = bucket_of(entry.0);
        if bucket <= self.at {
            self.present.push(Reverse(entry));
            return;
        }
        let fits = |index: &usize| {
            self.shifted(bucket, *index) - self.shifted(self.at, *index) < BUCKETS as i64
        };
        let index = (0..RINGS).find(fits).unwrap_or(RINGS - 1);
        // Beyond the coarsest ring, three days, it waits in the last bucket, and is placed again
        // when that has come.
        let last = self.shifted(self.at, index) + BUCKETS as i64 - 1;
        let number = self.shifted(bucket, index).min(last);
        let end = ((number + 1) << (DIGITS * index as u32 + FINEST)) - 1;
        let (slot, at) = (number as usize % BUCKETS, entry.0.min(Time::from_nanos(end)));
        let this = self.node(entry);
        let ring = &mut self.rings[index];
        if !ring.is_filled(slot) || at < ring.earliest[slot] {
            ring.earliest[slot] = at;
        }
        ring.filled[slot / 64] |= 1 << (slot % 64);
        self.nodes[this as usize].next = std::mem::replace(&mut ring.heads[slot], this);
    }

    fn node(&mut self, (at, made, due): Entry) -> u32 {
        let this = self.free;
        let new = Node { at, made, due, next: NONE };
        match self.nodes.get_mut(this as usize) {
            Some(node) => {
                self.free = node.next;
                *node = new;
                this
            }
            None => {
                self.nodes.push(new);
                (self.nodes.len() - 1) as u32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;
    use proptest::prelude::*;

    fn at(nanos: i64) -> Time<Local> {
        Time::from_nanos(nanos)
    }

    fn due(slot: u32) -> Due {
        Due::Close { place: Place { slot, generation: 1 } }
    }

    fn whose(due: Due) -> u32 {
        match due {
            Due::Close { place } => place.slot,
            _ => unreachable!(),
        }
    }

    /// What the wheel must do: a list that is searched.
    #[derive(Default)]
    struct List(Vec<(Time<Local>, u32)>);

    impl List {
        fn deadline(&self) -> Option<Time<Local>> {
            self.0.iter().map(|(at, _)| *at).min()
        }

        fn next(&mut self, now: Time<Local>) -> Option<(Time<Local>, u32)> {
            let first = self.deadline().filter(|at| *at <= now)?;
            // Ties are served in the order they were made.
            let index = self.0.iter().position(|(at, _)| *at == first)?;
            Some(self.0.remove(index))
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// So far from now; of a grid, so that ties come up.
        Add(i64),
        Pass(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        // From nanoseconds to days.
        let far = (0u32..54, any::<i64>()).prop_map(|(digits, n)| n & ((1 << digits) - 1));
        let near = (0i64..64).prop_map(|n| n * 16_384);
        prop_oneof![
            prop_oneof![far, near].prop_map(|n| Step::Add(n - 50_000)),
            (0u32..44, any::<i64>()).prop_map(|(digits, n)| Step::Pass(n & ((1 << digits) - 1))),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_list(
            start in -(1i64 << 60)..(1i64 << 60),
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let (mut now, mut wheel) = (at(start), Agenda::new(at(start)));
            let mut list = List::default();
            for (n, step) in (0u32..).zip(steps) {
                match step {
                    Step::Add(ahead) => {
                        let when = at(now.as_nanos() + ahead);
                        wheel.add(when, due(n));
                        list.0.push((when, n));
                    }
                    Step::Pass(time) => {
                        now = at(now.as_nanos() + time);
                        loop {
                            let expected = list.next(now);
                            let got = wheel.next(now).map(|(at, due)| (at, whose(due)));
                            prop_assert_eq!(got, expected);
                            if got.is_none() {
                                break;
                            }
                        }
                    }
                }
                prop_assert_eq!(wheel.len(), list.0.len());
                let (own, expected) = (wheel.deadline(), list.deadline());
                if expected.is_none_or(|at| at.since(now) < Span::from_secs(200_000)) {
                    prop_assert_eq!(own, expected);
                } else {
                    prop_assert!(own > Some(now) && own <= expected, "early, but not at once");
                }
            }
        }
    }

    #[test]
    fn entries_that_come_and_go_take_no_more_room() {
        let mut wheel = Agenda::new(at(0));
        for slot in 0..1_000 {
            wheel.add(at(i64::from(slot) * 1_000_000), due(slot));
        }
        for round in 0..50i64 {
            let now = at(round * 1_000_000_000 + 999_999_999);
            for _ in 0..1_000 {
                let (when, due) = wheel.next(now).unwrap();
                wheel.add(at(when.as_nanos() + 1_000_000_000), due);
            }
            assert_eq!(wheel.next(now), None);
        }
        assert_eq!(wheel.nodes.len(), 1_000);
    }
}
