//! Leave: a node goes.

use super::NodeId;
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
    /// The standby that a master hands over to; [`NodeId::UNKNOWN`]: none.
    pub heir: NodeId,
}

impl Leave {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u8(match self.reason {
            LeaveReason::Shutdown => 0,
            LeaveReason::Elsewhere => 1,
        });
        out.bytes(&[0; 7]);
        out.u64(self.heir.0);
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let reason = match body.u8() {
            0 => LeaveReason::Shutdown,
            1 => LeaveReason::Elsewhere,
            _ => return Err(Reject::Field),
        };
        body.bytes::<7>();
        Ok(Self { reason, heir: NodeId(body.u64()) })
    }
}
