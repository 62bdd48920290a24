//! Who plays: the master and the slaves, and how wrong their clocks are.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::DemoArgs;
use crate::proto::Identity;
use crate::time::{Offset, Rate};
use crate::wire::{BootId, Name, NodeId};

/// One node of the demo.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Actor {
    pub(super) identity: Identity,
    /// What its clock shows at the start, minus the system clock.
    pub(super) offset: Offset,
    /// The rate of its oscillator.
    pub(super) drift: Rate,
    /// What its core draws from.
    pub(super) seed: [u8; 32],
}

/// The master, then the slaves: the same for the same seed and ranges.
pub(super) fn draw(seed: u64, args: &DemoArgs) -> Vec<Actor> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..=args.slaves)
        .map(|n| {
            let name = if n == 0 { "master".to_owned() } else { format!("slave-{n}") };
            let mut actor = Actor {
                identity: Identity {
                    id: NodeId(rng.next_u64().max(1)),
                    boot: BootId(rng.next_u32()),
                    name: Name::nearest(&name),
                },
                offset: Offset::from_secs_f64(within(&mut rng) * args.offset_range.as_secs_f64()),
                drift: Rate::from_ppb(within(&mut rng) * args.drift_range.as_ppb()),
                seed: [0; 32],
            };
            rng.fill_bytes(&mut actor.seed);
            actor
        })
        .collect()
}

/// Uniform within ±1.
fn within(rng: &mut ChaCha8Rng) -> f64 {
    2.0 * (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64 - 1.0
}
