//! Poll: the master asks for the time.

use super::field::{Reader, Writer};
use super::reject::Reject;

/// Master to slave. The receive time of this datagram is T2 of the exchange; T1 stays with the
/// master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Random; the reply echoes it.
    pub nonce: u64,
    /// The master's round.
    pub round: u32,
    /// Which poll of the burst this is, from 0.
    pub index: u8,
    /// How many polls the burst has, at least 1.
    pub burst: u8,
}

impl Poll {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u64(self.nonce);
        out.u32(self.round);
        out.u8(self.index);
        out.u8(self.burst);
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let poll =
            Self { nonce: body.u64(), round: body.u32(), index: body.u8(), burst: body.u8() };
        if poll.index < poll.burst { Ok(poll) } else { Err(Reject::Field) }
    }
}
