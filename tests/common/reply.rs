//! A reply as a slave in good order sends it, for tests and benches that only look at some of it.

use campanile::time::{Map, Offset, Rate, Remote, Shown, Span, Time};
use campanile::wire::{NodeId, Reply};

/// To the poll of `nonce`, which came and was answered `at`, when the slave's clock showed `reads`.
pub fn reply(nonce: u64, at: Time<Remote>, reads: Time<Shown>) -> Reply {
    Reply {
        nonce,
        t2: at,
        t3: at,
        t2_source: 1,
        t3_follows: false,
        correction: None,
        map: Map { at, reads, rate: Rate::ZERO },
        remaining: Offset::ZERO,
        rate: Rate::ZERO,
        error: Span::ZERO,
        applied: 1,
        steps: 0,
        standby: false,
        obeys: NodeId(1),
    }
}
