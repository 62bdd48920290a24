//! Reply: the slave answers a poll.

use super::NodeId;
use super::field::{Reader, Writer};
use super::reject::Reject;
use crate::time::{Map, Offset, Rate, Remote, Shown, Span, Time};

/// A better reading of when an earlier reply left, known only after it had left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// The nonce that the earlier reply echoed.
    pub nonce: u64,
    /// Its T3 as the kernel or the card read it.
    pub t3: Time<Remote>,
    /// Number of the source: 1 kernel, 2 card.
    pub source: u8,
}

/// Slave to master.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reply {
    /// The poll's nonce.
    pub nonce: u64,
    /// T2: when the poll arrived, on the slave's Local.
    pub t2: Time<Remote>,
    /// T3: when the reply left as far as the slave knows before it does, on its Local.
    pub t3: Time<Remote>,
    /// Who read T2: 0 the daemon, 1 the kernel, 2 the card.
    pub t2_source: u8,
    /// The slave expects to know T3 better afterwards and will say so in its next reply.
    pub t3_follows: bool,
    /// What this slave learned since about an earlier T3.
    pub correction: Option<Correction>,
    /// What the slave shows: its Local to its Shown.
    pub map: Map<Remote, Shown>,
    /// Cluster time minus Shown as the slave has it now: what is still to be worked off.
    pub remaining: Offset,
    /// The rate of cluster time against the slave's Local as the slave knows it.
    pub rate: Rate,
    /// How far from cluster time the slave may be by its own account; [`Span::MAX`]: it does not
    /// know.
    pub error: Span,
    /// The newest round whose adjust it applied; 0: none yet.
    pub applied: u32,
    /// How often its clock was stepped since it booted, saturating.
    pub steps: u16,
    /// It stands by: it may become master, with the rank of the header.
    pub standby: bool,
    /// The master that it obeys; [`NodeId::UNKNOWN`]: none yet. It may answer others too.
    pub obeys: NodeId,
}

impl Reply {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u64(self.nonce);
        out.time(self.t2);
        out.time(self.t3);
        out.u8(self.t2_source);
        out.flag(self.t3_follows);
        let correction =
            self.correction.unwrap_or(Correction { nonce: 0, t3: Time::from_nanos(0), source: 0 });
        out.u8(correction.source);
        out.u8(0);
        out.u16(self.steps);
        out.u16(0);
        out.u64(correction.nonce);
        out.time(correction.t3);
        out.time(self.map.at);
        out.time(self.map.reads);
        out.rate(self.map.rate);
        out.offset(self.remaining);
        out.rate(self.rate);
        out.span(self.error);
        out.u32(self.applied);
        out.flag(self.standby);
        out.bytes(&[0; 3]);
        out.u64(self.obeys.0);
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let (nonce, t2, t3) = (body.u64(), body.local(), body.local());
        let t2_source = source(body.u8())?;
        let t3_follows = body.flag()?;
        let t3_source = source(body.u8())?;
        body.u8();
        let steps = body.u16();
        body.u16();
        let corrected = Correction { nonce: body.u64(), t3: body.local(), source: t3_source };
        let mut reply = Self {
            nonce,
            t2,
            t3,
            t2_source,
            t3_follows,
            correction: (t3_source != 0).then_some(corrected),
            map: Map { at: body.local(), reads: body.time(), rate: body.rate()? },
            remaining: body.offset(),
            rate: body.rate()?,
            error: body.span()?,
            applied: body.u32(),
            steps,
            standby: body.flag()?,
            obeys: NodeId::UNKNOWN,
        };
        body.bytes::<3>();
        reply.obeys = NodeId(body.u64());
        Ok(reply)
    }
}

fn source(number: u8) -> Result<u8, Reject> {
    if number <= 2 { Ok(number) } else { Err(Reject::Field) }
}
