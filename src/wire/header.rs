//! The header: who speaks, to whom, in which reign.

use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use super::VERSION;
use super::reject::Reject;

/// Length of the header in bytes.
pub(super) const LEN: usize = 40;
const MAGIC: u16 = 0xCA4D;

/// A node's identity: random, 64 bits, kept over restarts where the node has a state directory.
/// Not its address, so that a new address is noticed as such. Zero stands for "not known yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u64);

impl NodeId {
    /// Nobody in particular: the receiver of a datagram whose sender does not know it yet.
    pub const UNKNOWN: NodeId = NodeId(0);
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Drawn anew at every start of a node, so that a restart is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BootId(pub u32);

/// The number of a master's reign. Higher wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Term(pub u32);

/// A candidate's priority among masters of one term. Higher wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rank(pub u8);

/// What stands in front of every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Who sends.
    pub sender: NodeId,
    /// Who is meant; [`NodeId::UNKNOWN`] where the sender knows only an address.
    pub receiver: NodeId,
    /// The sender's boot nonce.
    pub boot: BootId,
    /// The reign: of a master its own, of a slave the highest it has seen.
    pub term: Term,
    /// The sender's priority as a master; 0 for a plain slave.
    pub rank: Rank,
    /// Counts the datagrams of this sender since its boot, from 1.
    pub sequence: u64,
}

impl Header {
    pub(super) fn encode(&self, kind: u8, out: &mut [u8; LEN]) {
        BigEndian::write_u16(&mut out[0..2], MAGIC);
        out[2] = VERSION;
        out[3] = kind;
        // Flags; none is defined without authentication.
        BigEndian::write_u16(&mut out[4..6], 0);
        out[6] = self.rank.0;
        out[7] = 0;
        BigEndian::write_u64(&mut out[8..16], self.sender.0);
        BigEndian::write_u64(&mut out[16..24], self.receiver.0);
        BigEndian::write_u32(&mut out[24..28], self.boot.0);
        BigEndian::write_u32(&mut out[28..32], self.term.0);
        BigEndian::write_u64(&mut out[32..40], self.sequence);
    }

    /// The header and the number of the message's type.
    pub(super) fn decode(bytes: &[u8; LEN]) -> Result<(Self, u8), Reject> {
        if BigEndian::read_u16(&bytes[0..2]) != MAGIC {
            return Err(Reject::Magic);
        }
        if bytes[2] != VERSION {
            return Err(Reject::Version);
        }
        let header = Self {
            rank: Rank(bytes[6]),
            sender: NodeId(BigEndian::read_u64(&bytes[8..16])),
            receiver: NodeId(BigEndian::read_u64(&bytes[16..24])),
            boot: BootId(BigEndian::read_u32(&bytes[24..28])),
            term: Term(BigEndian::read_u32(&bytes[28..32])),
            sequence: BigEndian::read_u64(&bytes[32..40]),
        };
        if header.sender == NodeId::UNKNOWN {
            return Err(Reject::Field);
        }
        Ok((header, bytes[3]))
    }
}
