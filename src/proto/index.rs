//! Tables by node id whose cost does not grow with the cluster.
//!
//! Ids come from the network. So they are hashed with a secret (SipHash over seed and id), or
//! whoever chooses ids could make them all collide. The seed is an argument, like all randomness.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

use hashbrown::HashMap;

use crate::wire::NodeId;

/// Makes hashers that have taken a seed in.
#[derive(Debug, Clone, Default)]
pub(super) struct Seeded(DefaultHasher);

impl Seeded {
    pub(super) fn new(seed: [u64; 2]) -> Self {
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

/// Where something is, by node id.
pub(super) type Index = HashMap<NodeId, u32, Seeded>;

/// Things by node id, close together in memory. Each has a seat, which it keeps until
/// [`retain`](Table::retain) is called.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    seats: Index,
    rows: Vec<(NodeId, T)>,
}

impl<T> Table<T> {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self { seats: Index::with_hasher(Seeded::new(seed)), rows: Vec::new() }
    }

    /// Hashes with another seed from now on.
    pub(super) fn reseed(&mut self, seed: [u64; 2]) {
        let rows = std::mem::take(&mut self.rows);
        self.seats = Index::with_hasher(Seeded::new(seed));
        self.extend(rows);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&T> {
        self.seats.get(id).map(|&seat| self.at(seat))
    }

    /// The seat of `id`, where `new` is put if it has none.
    pub(super) fn seat(&mut self, id: NodeId, new: impl FnOnce() -> T) -> u32 {
        let rows = &mut self.rows;
        *self.seats.entry(id).or_insert_with(|| {
            rows.push((id, new()));
            (rows.len() - 1) as u32
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
            self.seats.remove(id);
            self.rows.swap_remove(seat);
            if let Some((moved, _)) = self.rows.get(seat) {
                self.seats.insert(*moved, seat as u32);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.seats.clear();
        self.rows.clear();
    }
}

impl<T> Extend<(NodeId, T)> for Table<T> {
    fn extend<I: IntoIterator<Item = (NodeId, T)>>(&mut self, rows: I) {
        for (id, row) in rows {
            self.seat(id, || row);
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
        let seat = table.seat(NodeId(3), || unreachable!("it has one"));
        assert_eq!(*table.at(seat), 3);
    }

    #[test]
    fn the_seed_decides_where_ids_collide() {
        let hash = |seed, id: u64| Seeded::new([seed, 7]).hash_one(NodeId(id)) % 16;
        let of = |seed| (0..64).map(|id| hash(seed, id)).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
