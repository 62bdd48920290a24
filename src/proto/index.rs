//! Where something is, by its id or address, at a cost that does not grow with the cluster.
//!
//! Ids and addresses come from the network. So they are hashed with a secret (SipHash over seed and
//! key), or whoever chooses them could make them all collide. The seed is an argument, like all
//! randomness. Kept are the places alone, five bytes each: the keys are where the things are.

use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};

use hashbrown::HashTable;

use crate::wire::NodeId;

/// Makes hashers that have taken a seed in.
#[derive(Debug, Clone, Default)]
struct Seeded(DefaultHasher);

impl Seeded {
    fn new(seed: [u64; 2]) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.into_iter().for_each(|word| hasher.write_u64(word));
        Self(hasher)
    }
}

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.0.clone()
    }
}

/// Seats by key. Whoever asks says what key the thing in a seat has.
#[derive(Clone)]
pub(super) struct Index {
    seats: HashTable<u32>,
    seeded: Seeded,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an index of {} seats", self.seats.len())
    }
}

impl Index {
    /// Bytes that a seat takes, with a byte of its hash, in a table that is three quarters full.
    pub(super) const EACH: usize = (size_of::<u32>() + 1) * 4 / 3;

    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self { seats: HashTable::new(), seeded: Seeded::new(seed) }
    }

    /// The seat whose key is `key`.
    pub(super) fn find<K: Hash + Eq>(&self, key: &K, key_of: impl Fn(u32) -> K) -> Option<u32> {
        let hash = self.seeded.hash_one(key);
        self.seats.find(hash, |&seat| key_of(seat) == *key).copied()
    }

    /// The thing with this key is in `seat` from now on, whoever had the key before.
    pub(super) fn insert<K: Hash + Eq>(&mut self, key: &K, seat: u32, key_of: impl Fn(u32) -> K) {
        let hash = self.seeded.hash_one(key);
        match self.seats.find_mut(hash, |&seat| key_of(seat) == *key) {
            Some(had) => *had = seat,
            None => {
                let seeded = &self.seeded;
                self.seats.insert_unique(hash, seat, |&seat| seeded.hash_one(key_of(seat)));
            }
        }
    }

    /// `seat` is not to be found by `key` any more.
    pub(super) fn remove<K: Hash>(&mut self, key: &K, seat: u32) {
        let hash = self.seeded.hash_one(key);
        if let Ok(entry) = self.seats.find_entry(hash, |&had| had == seat) {
            entry.remove();
        }
    }

    /// What has `key` moves from one seat to another.
    pub(super) fn change<K: Hash>(&mut self, key: &K, from: u32, to: u32) {
        let hash = self.seeded.hash_one(key);
        if let Some(seat) = self.seats.find_mut(hash, |&had| had == from) {
            *seat = to;
        }
    }
}

/// Things by node id, close together in memory. Each has a seat, which it keeps until
/// [`retain`](Table::retain) is called.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    seats: Index,
    rows: Vec<(NodeId, T)>,
}

impl<T> Table<T> {
    /// Bytes that a thing takes.
    pub(super) const EACH: usize = size_of::<(NodeId, T)>() + Index::EACH;

    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self { seats: Index::new(seed), rows: Vec::new() }
    }

    /// Hashes with another seed from now on.
    pub(super) fn reseed(&mut self, seed: [u64; 2]) {
        let rows = std::mem::take(&mut self.rows);
        self.seats = Index::new(seed);
        self.extend(rows);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn find(&self, id: NodeId) -> Option<u32> {
        self.seats.find(&id, |seat| self.rows[seat as usize].0)
    }

    /// As [`Table::find`], but looked for at the seat `near` first. Who asks for many, each time in the
    /// same order, names the seat behind the last one and spares the hashing.
    pub(super) fn find_near(&self, near: u32, id: NodeId) -> Option<u32> {
        let is_there = self.rows.get(near as usize).is_some_and(|row| row.0 == id);
        if is_there { Some(near) } else { self.find(id) }
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&T> {
        self.find(*id).map(|seat| self.at(seat))
    }

    /// The seat of `id`, where `new` is put if it has none. As to `near` see [`Table::find_near`].
    pub(super) fn seat(&mut self, near: u32, id: NodeId, new: impl FnOnce() -> T) -> u32 {
        self.find_near(near, id).unwrap_or_else(|| {
            let seat = self.rows.len() as u32;
            self.rows.push((id, new()));
            self.seats.insert(&id, seat, |seat| self.rows[seat as usize].0);
            seat
        })
    }

    pub(super) fn at(&self, seat: u32) -> &T {
        &self.rows[seat as usize].1
    }

    pub(super) fn at_mut(&mut self, seat: u32) -> &mut T {
        &mut self.rows[seat as usize].1
    }

    /// Drops all that `stays` does not want. Seats are dealt anew.
    pub(super) fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        let mut seat = 0;
        while let Some((id, row)) = self.rows.get(seat) {
            if stays(row) {
                seat += 1;
                continue;
            }
            self.seats.remove(id, seat as u32);
            self.rows.swap_remove(seat);
            let last = self.rows.len() as u32;
            if let Some((moved, _)) = self.rows.get(seat) {
                self.seats.change(moved, last, seat as u32);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.seats.seats.clear();
        self.rows.clear();
    }
}

impl<T> Extend<(NodeId, T)> for Table<T> {
    fn extend<I: IntoIterator<Item = (NodeId, T)>>(&mut self, rows: I) {
        for (id, row) in rows {
            self.seat(u32::MAX, id, || row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stays_is_found_where_it_moved_to() {
        let mut table = Table::new([1, 2]);
        table.extend((1..=1_000).map(|id| (NodeId(id), id)));
        table.retain(|id| id % 3 == 0);
        assert_eq!(table.len(), 333);
        for id in 1..=1_000 {
            let expected = (id % 3 == 0).then_some(&id);
            assert_eq!(table.get(&NodeId(id)), expected);
        }
        for near in [0, 1, u32::MAX] {
            let seat = table.seat(near, NodeId(3), || unreachable!("it has one"));
            assert_eq!(*table.at(seat), 3);
        }
    }

    #[test]
    fn of_two_with_one_key_the_later_is_found_and_neither_after_it_went() {
        let keys = [7, 8, 7];
        let key_of = |seat: u32| keys[seat as usize];
        let mut index = Index::new([1, 2]);
        (0..3).for_each(|seat| index.insert(&key_of(seat), seat, key_of));
        assert_eq!((index.find(&7, key_of), index.find(&8, key_of)), (Some(2), Some(1)));
        index.remove(&7, 0);
        assert_eq!(index.find(&7, key_of), Some(2), "the earlier was not to be found anyway");
        index.remove(&7, 2);
        assert_eq!(index.find(&7, key_of), None);
    }

    #[test]
    fn the_seed_decides_where_ids_collide() {
        let hash = |seed, id: u64| Seeded::new([seed, 7]).hash_one(NodeId(id)) % 16;
        let of = |seed| (0..64).map(|id| hash(seed, id)).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
