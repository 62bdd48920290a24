//! Keys that differ by what they are told.

use campanile::wire::{KeyId, Keyring, NodeId, Sealer, cluster_line};

/// The cluster's key of this number; `tone` makes it another secret.
pub fn cluster_key(id: u32, tone: u8) -> Keyring {
    Keyring::parse(&cluster_line(KeyId(id), &[tone; 32])).unwrap()
}

/// What slave `node` holds of it.
pub fn node_key(id: u32, tone: u8, node: u64) -> Keyring {
    let line = cluster_key(id, tone).node_line(KeyId(id), NodeId(node)).unwrap();
    Keyring::parse(&line).unwrap()
}

pub fn sealer(keys: Keyring) -> Sealer {
    Sealer::new(keys)
}
