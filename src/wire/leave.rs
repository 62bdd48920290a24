//! Leave: a node goes.

use super::field::{Reader, Writer};
use super::reject::Reject;

/// Why a node goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveReason {
    /// It was told to end.
    Shutdown,
    /// It follows another master now.
    Elsewhere,
}

/// Slave to master, or master to each slave, once and without an answer: who misses it finds out
/// by silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// Why.
    pub reason: LeaveReason,
}

impl Leave {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u8(match self.reason {
            LeaveReason::Shutdown => 0,
            LeaveReason::Elsewhere => 1,
        });
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        match body.u8() {
            0 => Ok(Self { reason: LeaveReason::Shutdown }),
            1 => Ok(Self { reason: LeaveReason::Elsewhere }),
            _ => Err(Reject::Field),
        }
    }
}
