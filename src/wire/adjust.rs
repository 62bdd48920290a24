//! Adjust: the master's delta for one slave.

use super::field::{Reader, Writer};
use super::reject::Reject;
use crate::time::{Cluster, Map, Offset, Remote, Span};

/// What the master thinks of the clock it writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts in the average.
    Counted,
    /// It is good, but does not count (yet).
    Spare,
    /// It is beyond the tolerance: corrected, not listened to.
    Falseticker,
}

/// Master to slave; idempotent: *at this instant of your Local cluster time is that, and it runs
/// at this rate against your Local*. The slave works out its own difference. The newest
/// (term, round) wins, so that loss, duplication and reordering do no harm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjust {
    /// The master's round.
    pub round: u32,
    /// The receiver's standing.
    pub standing: Standing,
    /// The receiver's Local to cluster time.
    pub map: Map<Remote, Cluster>,
    /// The delta as the master works it out: cluster time minus what the slave shows.
    pub delta: Offset,
    /// One standard deviation of the map at its anchor.
    pub sigma: Span,
    /// The hard bound of the map at its anchor.
    pub bound: Span,
    /// How long after the anchor the map may be used.
    pub lasts: Span,
    /// The master's round interval.
    pub interval: Span,
    /// How many members the cluster has, the master included.
    pub members: u32,
    /// How many of them count.
    pub counted: u32,
    /// Greatest minus least measured offset among those that count.
    pub spread: Span,
    /// The least round trip to the receiver in its newest slot that had one; never zero.
    pub round_trip: Option<Span>,
}

impl Standing {
    pub(super) const fn number(self) -> u8 {
        match self {
            Standing::Counted => 0,
            Standing::Spare => 1,
            Standing::Falseticker => 2,
        }
    }

    pub(super) const fn from_number(number: u8) -> Result<Self, Reject> {
        match number {
            0 => Ok(Standing::Counted),
            1 => Ok(Standing::Spare),
            2 => Ok(Standing::Falseticker),
            _ => Err(Reject::Field),
        }
    }
}

impl Adjust {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.round);
        out.u8(self.standing.number());
        out.bytes(&[0; 3]);
        out.time(self.map.at);
        out.time(self.map.reads);
        out.rate(self.map.rate);
        out.offset(self.delta);
        out.span(self.sigma);
        out.span(self.bound);
        out.span(self.lasts);
        out.span(self.interval);
        out.u32(self.members);
        out.u32(self.counted);
        out.span(self.spread);
        out.span(self.round_trip.unwrap_or(Span::ZERO));
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let round = body.u32();
        let standing = Standing::from_number(body.u8())?;
        body.bytes::<3>();
        Ok(Self {
            round,
            standing,
            map: Map { at: body.local(), reads: body.time(), rate: body.rate()? },
            delta: body.offset(),
            sigma: body.span()?,
            bound: body.span()?,
            lasts: body.span()?,
            interval: body.span()?,
            members: body.u32(),
            counted: body.u32(),
            spread: body.span()?,
            round_trip: Some(body.span()?).filter(|span| *span > Span::ZERO),
        })
    }
}
