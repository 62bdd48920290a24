//! Announce: a master says that it reigns, how, and who stands by.

use std::net::SocketAddr;

use super::field::{Reader, Writer};
use super::reject::Reject;
use super::{NodeId, Rank};
use crate::time::Span;

/// A candidate as a master knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Who.
    pub id: NodeId,
    /// Its priority.
    pub rank: Rank,
    /// Where it is reached.
    pub addr: SocketAddr,
}

/// Master to the other candidates each round, and to its slaves now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// The master's round.
    pub round: u32,
    /// Members that follow this master and count, itself included.
    pub size: u32,
    /// The master's round interval.
    pub interval: Span,
    /// Its tolerance.
    pub tolerance: Span,
    /// Its greatest round trip.
    pub max_rtt: Span,
    /// How long ago cluster time was formed.
    pub age: Span,
    /// Polls a slave gets each round, at least 1.
    pub burst: u8,
    /// How it averages: 0 plain, 1 trimmed, 2 by weight.
    pub average: u8,
    /// The number of the first candidate below, from 0.
    pub first: u8,
    /// How many candidates there are in all.
    pub total: u8,
    /// Some of them: they come in turn.
    pub candidates: [Option<Candidate>; Announce::LISTED],
}

impl Announce {
    /// So many candidates fit into one announce.
    pub const LISTED: usize = 3;

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.round);
        out.u32(self.size);
        out.span(self.interval);
        out.span(self.tolerance);
        out.span(self.max_rtt);
        out.span(self.age);
        out.u8(self.burst);
        out.u8(self.average);
        out.u8(self.first);
        out.u8(self.total);
        for candidate in self.candidates {
            out.u64(candidate.map_or(0, |candidate| candidate.id.0));
            out.address(candidate.map(|candidate| candidate.addr));
            out.u8(candidate.map_or(0, |candidate| candidate.rank.0));
            out.u8(0);
        }
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let (round, size) = (body.u32(), body.u32());
        let spans = [body.span()?, body.span()?, body.span()?, body.span()?];
        let [interval, tolerance, max_rtt, age] = spans;
        let (burst, average, first, total) = (body.u8(), body.u8(), body.u8(), body.u8());
        if burst == 0 || average > 2 {
            return Err(Reject::Field);
        }
        let mut candidates = [None; Self::LISTED];
        for candidate in &mut candidates {
            let (id, addr, rank) = (NodeId(body.u64()), body.address(), Rank(body.u8()));
            body.u8();
            *candidate =
                addr.filter(|_| id != NodeId::UNKNOWN).map(|addr| Candidate { id, rank, addr });
        }
        Ok(Self {
            round,
            size,
            interval,
            tolerance,
            max_rtt,
            age,
            burst,
            average,
            first,
            total,
            candidates,
        })
    }
}
