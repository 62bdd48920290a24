//! What a node carries over when it changes its role.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::counters::Counters;
use super::gate::Gate;
use super::io::Output;
use super::steering::Steering;

/// A node without its role: its clock, its chance, and what it has counted.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) rng: ChaCha8Rng,
    pub(super) steering: Steering,
    pub(super) counters: Counters,
    /// Keys, who has proven to be alive, and how many datagrams were sent since the boot.
    pub(super) gate: Gate,
    pub(super) transmit_stamps: bool,
    /// What the role before still had to tell.
    pub(super) outputs: Vec<Output>,
}

impl Parts {
    pub(super) fn new(gate: Gate, steering: Steering, seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha8Rng::from_seed(seed),
            gate,
            steering,
            counters: Counters::default(),
            transmit_stamps: false,
            outputs: Vec::new(),
        }
    }
}
