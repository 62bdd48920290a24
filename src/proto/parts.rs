//! What a node carries over when it changes its role.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::counters::Counters;
use super::io::Output;
use super::steering::Steering;
use crate::clock::Limits;
use crate::time::{Local, Map, Rate, Shown};

/// A node without its role: its clock, its chance, and what it has counted.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) rng: ChaCha8Rng,
    pub(super) steering: Steering,
    pub(super) counters: Counters,
    /// Datagrams sent since the boot; it never goes back.
    pub(super) sequence: u64,
    pub(super) transmit_stamps: bool,
    /// What the role before still had to tell.
    pub(super) outputs: Vec<Output>,
}

impl Parts {
    pub(super) fn new(
        limits: Limits,
        course: Map<Local, Shown>,
        saved: Option<Rate>,
        seed: [u8; 32],
    ) -> Self {
        Self {
            rng: ChaCha8Rng::from_seed(seed),
            steering: Steering::new(limits, course, saved),
            counters: Counters::default(),
            sequence: 0,
            transmit_stamps: false,
            outputs: Vec::new(),
        }
    }
}
