//! Announce: who leads, from where, and who stands by.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::field::{Reader, Writer};
use super::header::{NodeId, Rank, Term};
use super::reject::Reject;
use crate::time::{Remote, Span, Time};

/// What a master does in its reign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reign {
    /// It leads.
    Holds,
    /// It ends in order and hands over to this candidate; [`NodeId::UNKNOWN`]: to whoever claims.
    Ends(NodeId),
}

/// A candidate as its master lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Its identity.
    pub id: NodeId,
    /// Its rank.
    pub rank: Rank,
    /// Where it is reached.
    pub addr: SocketAddr,
}

/// A master to the candidates and slaves that it knows, each interval; anybody to a candidate that
/// asks or to a master that it does not obey: that is where the master is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Announce {
    /// The master.
    pub leader: NodeId,
    /// Its term.
    pub term: Term,
    /// Its rank.
    pub rank: Rank,
    /// What it does.
    pub reign: Reign,
    /// Where it is reached; none where it speaks for itself, and where this came from says it.
    pub addr: Option<SocketAddr>,
    /// Its interval.
    pub interval: Span,
    /// How long ago the sender heard the master; zero where that is the sender.
    pub age: Span,
    /// The sender's Local as this leaves; a grant echoes it.
    pub sent: Time<Remote>,
    /// How many members the master reaches, itself included.
    pub reachable: u32,
    /// How many candidates it knows beside itself.
    pub candidates: u8,
    /// Number of the first entry among them; the others come with other announcements.
    pub index: u8,
    /// Entries.
    pub listed: [Option<Candidate>; Announce::LISTED],
}

impl Announce {
    /// So many entries one announcement has room for.
    pub const LISTED: usize = 2;

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.term.0);
        out.u8(self.rank.0);
        let (state, successor) = match self.reign {
            Reign::Holds => (0, NodeId::UNKNOWN),
            Reign::Ends(to) => (1, to),
        };
        out.u8(state);
        out.u8(self.candidates);
        out.u8(self.index);
        out.u64(self.leader.0);
        out.u64(successor.0);
        out.span(self.interval);
        out.span(self.age);
        out.time(self.sent);
        out.u32(self.reachable);
        address(out, self.addr);
        for entry in self.listed {
            let (id, rank) = entry.map_or((NodeId::UNKNOWN, Rank(0)), |e| (e.id, e.rank));
            out.u64(id.0);
            address(out, entry.map(|e| e.addr));
            out.u8(rank.0);
            out.u8(0);
        }
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let (term, rank) = (Term(body.u32()), Rank(body.u8()));
        let (state, candidates, index) = (body.u8(), body.u8(), body.u8());
        let (leader, successor) = (NodeId(body.u64()), NodeId(body.u64()));
        let reign = match state {
            0 => Reign::Holds,
            1 => Reign::Ends(successor),
            _ => return Err(Reject::Field),
        };
        if leader == NodeId::UNKNOWN {
            return Err(Reject::Field);
        }
        Ok(Self {
            leader,
            term,
            rank,
            reign,
            interval: body.span()?,
            age: body.span()?,
            sent: body.local(),
            reachable: body.u32(),
            addr: addressed(body),
            candidates,
            index,
            listed: [entry(body), entry(body)],
        })
    }
}

/// Port and address; the port 0 stands for none. IPv4 is written as mapped into IPv6.
fn address(out: &mut Writer<'_>, addr: Option<SocketAddr>) {
    out.u16(addr.map_or(0, |addr| addr.port()));
    let ip = match addr.map(|addr| addr.ip()) {
        Some(IpAddr::V4(ip)) => ip.to_ipv6_mapped(),
        Some(IpAddr::V6(ip)) => ip,
        None => Ipv6Addr::UNSPECIFIED,
    };
    out.bytes(&ip.octets());
}

/// What nothing can be sent to stands for none as well.
fn addressed(body: &mut Reader<'_>) -> Option<SocketAddr> {
    let (port, octets) = (body.u16(), body.bytes::<16>());
    let ip = Ipv6Addr::from(octets).to_canonical();
    let usable = port != 0 && !ip.is_unspecified() && !ip.is_multicast();
    usable.then(|| SocketAddr::new(ip, port))
}

/// An entry without an identity or an address is none.
fn entry(body: &mut Reader<'_>) -> Option<Candidate> {
    let (id, addr, rank) = (NodeId(body.u64()), addressed(body), Rank(body.u8()));
    body.u8();
    (id != NodeId::UNKNOWN).then_some(())?;
    addr.map(|addr| Candidate { id, rank, addr })
}
