//! What is due when: the master's deadlines, earliest first.
//!
//! A hierarchical timing wheel (Varghese and Lauck, *Hashed and hierarchical timing wheels*, 1987):
//! four rings of 256 buckets, the finest 0.26 ms each, the coarsest an hour and more. An entry is put
//! in and taken out at a cost that does not grow with their number, and moves down a ring three
//! times at most. Only those of the present bucket are sorted, so that the order is exact.
//!
//! Of a hundred thousand entries hardly one is in the cache when its turn comes, so that a move costs
//! the wait for memory. Therefore those of a bucket lie next to each other, in chunks.

use std::collections::VecDeque;

use crate::time::{Local, Time};

/// A deadline's reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The round ends: average.
    Tick,
    /// A poll of a slave's burst.
    Poll { place: Place, index: u8 },
    /// The same, after it had to wait for its turn.
    Paced { place: Place, index: u8 },
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
/// A bucket of the finest ring is 2^18 ns long. Finer ones would hold less than an entry where ten thousand a
/// second come, and each that holds something takes a chunk.
const FINEST: u32 = 18;
/// The end of a list.
const NONE: u32 = u32::MAX;
/// So many entries are fetched at once.
const LOT: usize = 32;
/// Entries of a chunk: with the link they fill four cache lines.
const CHUNK: usize = 10;

/// A [`Due`] without its place, in two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Tick,
    Poll(u8),
    Paced(u8),
}

/// An entry, ordered by time; ties are served in the order they were made, so that a run can be
/// replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Time<Local>,
    /// The highest digits first, as they are compared. Of 300 000 a second they last 29 years.
    made: [u8; 6],
    reason: Reason,
    place: Place,
}

impl Entry {
    const NOTHING: Entry = Entry::new(Time::from_nanos(0), 0, Due::Tick);

    const fn new(at: Time<Local>, made: u64, due: Due) -> Self {
        let (reason, place) = match due {
            Due::Tick => (Reason::Tick, Place { slot: 0, generation: 0 }),
            Due::Poll { place, index } => (Reason::Poll(index), place),
            Due::Paced { place, index } => (Reason::Paced(index), place),
        };
        let [_, _, made @ ..] = made.to_be_bytes();
        Self { at, made, reason, place }
    }

    fn due(self) -> Due {
        let place = self.place;
        match self.reason {
            Reason::Tick => Due::Tick,
            Reason::Poll(index) => Due::Poll { place, index },
            Reason::Paced(index) => Due::Paced { place, index },
        }
    }
}

/// Entries of one bucket. Only the head of a bucket's list may have room left.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Chunk {
    /// In the line of the first entry: of many heads no more than that is needed.
    next: u32,
    entries: [Entry; CHUNK],
}

impl Chunk {
    const EMPTY: Chunk = Chunk { next: NONE, entries: [Entry::NOTHING; CHUNK] };
}

/// All chunks. It grows to the most that were ever in use at once.
#[derive(Debug, Clone)]
struct Pool {
    chunks: Vec<Chunk>,
    free: u32,
}

impl Pool {
    /// A chunk before `next`.
    fn take(&mut self, next: u32) -> u32 {
        let this = self.free;
        match self.chunks.get_mut(this as usize) {
            Some(chunk) => {
                self.free = std::mem::replace(&mut chunk.next, next);
                this
            }
            None => {
                self.chunks.push(Chunk { next, ..Chunk::EMPTY });
                (self.chunks.len() - 1) as u32
            }
        }
    }

    /// Frees a chunk, and gives the next of its bucket.
    fn give_back(&mut self, this: u32) -> u32 {
        let free = std::mem::replace(&mut self.free, this);
        std::mem::replace(&mut self.chunks[this as usize].next, free)
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    earliest: Time<Local>,
    head: u32,
    /// Entries in the head; here, so that to add one needs nothing from the chunk itself.
    held: u32,
}

impl Bucket {
    const EMPTY: Bucket =
        Bucket { earliest: Time::from_nanos(i64::MAX), head: NONE, held: CHUNK as u32 };
}

/// 256 buckets, and which of them hold something.
#[derive(Debug, Clone)]
struct Ring {
    buckets: [Bucket; BUCKETS],
    filled: [u64; BUCKETS / 64],
}

impl Ring {
    const EMPTY: Ring = Ring { buckets: [Bucket::EMPTY; BUCKETS], filled: [0; BUCKETS / 64] };

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

    fn put(&mut self, slot: usize, at: Time<Local>, entry: Entry, pool: &mut Pool) {
        self.filled[slot / 64] |= 1 << (slot % 64);
        let bucket = &mut self.buckets[slot];
        bucket.earliest = bucket.earliest.min(at);
        if bucket.held as usize == CHUNK {
            bucket.head = pool.take(bucket.head);
            bucket.held = 0;
        }
        pool.chunks[bucket.head as usize].entries[bucket.held as usize] = entry;
        bucket.held += 1;
    }

    /// Empties a bucket, and gives what it was.
    fn take(&mut self, slot: usize) -> Bucket {
        self.filled[slot / 64] &= !(1 << (slot % 64));
        std::mem::replace(&mut self.buckets[slot], Bucket::EMPTY)
    }
}

/// At most one entry a slave and one for the round, since each is replaced when it has come.
#[derive(Debug, Clone)]
pub(super) struct Agenda {
    /// Those of the present bucket and before, sorted: so few that a heap would cost more.
    present: VecDeque<Entry>,
    /// The present bucket of the finest ring, counted from the origin of Local.
    at: i64,
    rings: Box<[Ring; RINGS]>,
    pool: Pool,
    made: u64,
    taken: u64,
}

fn bucket_of(at: Time<Local>) -> i64 {
    at.as_nanos() >> FINEST
}

impl Agenda {
    /// Bytes that an entry takes, with its part of the chunk's link. What does not grow with their
    /// number is left out: room in the heads of 1 024 buckets, 256 KiB at most.
    pub(super) const EACH: usize = size_of::<Chunk>().div_ceil(CHUNK);

    /// Nothing is due; `now` is the present.
    pub(super) fn new(now: Time<Local>) -> Self {
        Self {
            present: VecDeque::new(),
            at: bucket_of(now),
            rings: Box::new([Ring::EMPTY; RINGS]),
            pool: Pool { chunks: Vec::new(), free: NONE },
            made: 0,
            taken: 0,
        }
    }

    pub(super) fn add(&mut self, at: Time<Local>, due: Due) {
        self.made += 1;
        let entry = Entry::new(at, self.made, due);
        if bucket_of(at) > self.at {
            self.place(entry);
        } else {
            let index = self.present.partition_point(|other| *other < entry);
            self.present.insert(index, entry);
        }
    }

    /// Fetches what is due, [`LOT`] entries or a few more, if all that was fetched is served; says
    /// whether it did.
    pub(super) fn fetch(&mut self, now: Time<Local>) -> bool {
        if !self.present.is_empty() {
            return false;
        }
        while self.present.len() < LOT {
            let Some((at, _)) = self.first().filter(|(at, _)| *at <= now) else { break };
            self.advance(bucket_of(at));
        }
        self.present.make_contiguous().sort_unstable();
        !self.present.is_empty()
    }

    /// Whose turn it is by what was fetched.
    pub(super) fn fetched(&self) -> impl Iterator<Item = Place> {
        self.present.iter().filter(|entry| entry.reason != Reason::Tick).map(|entry| entry.place)
    }

    /// The earliest entry of those that were fetched, if it has come.
    pub(super) fn next(&mut self, now: Time<Local>) -> Option<(Time<Local>, Due)> {
        if self.present.front()?.at > now {
            return None;
        }
        let entry = self.present.pop_front()?;
        self.taken += 1;
        Some((entry.at, entry.due()))
    }

    pub(super) fn len(&self) -> usize {
        (self.made - self.taken) as usize
    }

    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        match self.present.front() {
            Some(entry) => Some(entry.at),
            None => self.first().map(|(at, _)| at),
        }
    }

    /// The earliest moment in the rings, and in which.
    fn first(&self) -> Option<(Time<Local>, usize)> {
        let of_ring = |(index, ring): (usize, &Ring)| {
            let bucket = ring.first(self.shifted(self.at, index) as usize % BUCKETS)?;
            Some((ring.buckets[bucket].earliest, index))
        };
        self.rings.iter().enumerate().filter_map(of_ring).min()
    }

    /// The number of a bucket of the ring `index` that holds the finest bucket `bucket`.
    fn shifted(&self, bucket: i64, index: usize) -> i64 {
        bucket >> (DIGITS * index as u32)
    }

    /// Makes `bucket`, before which nothing is due but what was fetched, the present one.
    fn advance(&mut self, bucket: i64) {
        self.at = bucket;
        // From the coarsest down: what lies in the same bucket of a coarse ring spreads over the
        // finer ones.
        for index in (0..RINGS).rev() {
            let slot = self.shifted(bucket, index) as usize % BUCKETS;
            if self.rings[index].is_filled(slot) {
                self.spread(index, slot);
            }
        }
    }

    /// Places what lies in a bucket again.
    fn spread(&mut self, index: usize, slot: usize) {
        let Bucket { mut head, held, .. } = self.rings[index].take(slot);
        let mut held = held as usize;
        while head != NONE {
            for index in 0..held {
                self.place(self.pool.chunks[head as usize].entries[index]);
            }
            (head, held) = (self.pool.give_back(head), CHUNK);
        }
    }

    /// Leaves those of the present bucket unsorted.
    fn place(&mut self, entry: Entry) {
        let bucket = bucket_of(entry.at);
        if bucket <= self.at {
            self.present.push_back(entry);
            return;
        }
        let fits = |index: &usize| {
            self.shifted(bucket, *index) - self.shifted(self.at, *index) < BUCKETS as i64
        };
        let index = (0..RINGS).find(fits).unwrap_or(RINGS - 1);
        // Beyond the coarsest ring, thirteen days, it waits in the last bucket, and is placed again
        // when that has come.
        let last = self.shifted(self.at, index) + BUCKETS as i64 - 1;
        let number = self.shifted(bucket, index).min(last);
        let end = ((number + 1) << (DIGITS * index as u32 + FINEST)) - 1;
        let (slot, at) = (number as usize % BUCKETS, entry.at.min(Time::from_nanos(end)));
        self.rings[index].put(slot, at, entry, &mut self.pool);
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
        Due::Poll { place: Place { slot, generation: 1 }, index: 0 }
    }

    fn next(wheel: &mut Agenda, now: Time<Local>) -> Option<(Time<Local>, Due)> {
        wheel.fetch(now);
        wheel.next(now)
    }

    fn whose(due: Due) -> u32 {
        match due {
            Due::Poll { place, .. } => place.slot,
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
            // Downwards, or those of one moment would come in the order of their slots, too.
            for (n, step) in (0u32..1_000).rev().zip(steps) {
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
                            let got = next(&mut wheel, now).map(|(at, due)| (at, whose(due)));
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

    fn free(pool: &Pool) -> usize {
        let next = |at: &u32| pool.chunks.get(*at as usize).map(|chunk| chunk.next);
        std::iter::successors(Some(pool.free), next).count() - 1
    }

    #[test]
    fn entries_that_come_and_go_take_no_more_room() {
        let mut wheel = Agenda::new(at(0));
        for slot in 0..1_000 {
            wheel.add(at(i64::from(slot) * 1_000_000), due(slot));
        }
        let mut grown = 0;
        for round in 0..50i64 {
            let now = at(round * 1_000_000_000 + 999_999_999);
            for _ in 0..1_000 {
                let (when, due) = next(&mut wheel, now).unwrap();
                wheel.add(at(when.as_nanos() + 1_000_000_000), due);
            }
            assert_eq!(next(&mut wheel, now), None);
            if round == 9 {
                grown = wheel.pool.chunks.len();
            }
        }
        assert_eq!(wheel.pool.chunks.len(), grown);
        while next(&mut wheel, at(i64::MAX)).is_some() {}
        assert_eq!(free(&wheel.pool), grown, "none is lost");
        assert!(grown < 1_000 / CHUNK + BUCKETS, "{grown}");
    }

    #[test]
    fn a_chunk_is_four_cache_lines() {
        assert_eq!((size_of::<Chunk>(), Agenda::EACH), (256, 26));
    }
}
