//! Entry: one member, as the master hands it on to its standbys.

use std::net::SocketAddr;

use super::adjust::Standing;
use super::field::{Reader, Writer};
use super::name::Name;
use super::reject::Reject;
use super::{BootId, NodeId};
use crate::time::{Cluster, Offset, Rate, Span, Time};

/// Master to standby: a line of its table. All of it is against cluster time, so that it means the
/// same to any node.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The master's round.
    pub round: u32,
    /// The member.
    pub id: NodeId,
    /// Its boot nonce.
    pub boot: BootId,
    /// Where it is reached; none: it is the master itself, or has left, see [`Entry::has_left`].
    pub addr: Option<SocketAddr>,
    /// It is polled without having asked, and never forgotten.
    pub listed: bool,
    /// How it stands in the average; [`Standing::Spare`]: it has no part in it yet.
    pub standing: Standing,
    /// Which line this is, from 0.
    pub index: u16,
    /// How many lines the table has, at least 1.
    pub total: u16,
    /// At this instant of cluster time …
    pub at: Time<Cluster>,
    /// … its Local is ahead of cluster time by this …
    pub phase: Offset,
    /// … and runs at this rate against it, by the newest measurements;
    pub rate: Rate,
    /// this is the rate that the average expects of it.
    pub learned: Rate,
    /// For how long it has been a member in good standing, whole seconds.
    pub age: Span,
    /// How far it usually is from the others' opinion, whole nanoseconds, at most some 4 s.
    pub deviation: Span,
    /// One standard deviation of the phase, likewise.
    pub sigma: Span,
    /// One standard deviation of the rate, a whole number of parts in 10^12.
    pub rate_sigma: Rate,
    /// What people call it.
    pub name: Name,
}

impl Entry {
    /// A line that says that a member has left.
    pub fn departed(round: u32, id: NodeId, boot: BootId, name: Name) -> Self {
        Self {
            round,
            id,
            boot,
            addr: None,
            listed: false,
            standing: Standing::Spare,
            index: 0,
            total: 1,
            at: Time::from_nanos(0),
            phase: Offset::ZERO,
            rate: Rate::ZERO,
            learned: Rate::ZERO,
            age: Span::ZERO,
            deviation: Span::ZERO,
            sigma: Span::ZERO,
            rate_sigma: Rate::ZERO,
            name,
        }
    }

    /// Whether this line of the master `author` says that the member has left: then nothing but its identity
    /// counts.
    pub fn has_left(&self, author: NodeId) -> bool {
        self.addr.is_none() && self.id != author
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        out.u32(self.round);
        out.u32(self.boot.0);
        out.u64(self.id.0);
        out.address(self.addr);
        out.flag(self.listed);
        out.u8(self.standing.number());
        out.u16(self.index);
        out.u16(self.total);
        out.time(self.at);
        out.offset(self.phase);
        out.rate(self.rate);
        out.rate(self.learned);
        out.u32(short(self.age.as_nanos() / 1_000_000_000));
        out.u32(short(self.deviation.as_nanos()));
        out.u32(short(self.sigma.as_nanos()));
        out.u32((self.rate_sigma.as_ratio() * 1e12).round() as u32);
        out.bytes(&self.name.to_field());
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let (round, boot, id) = (body.u32(), BootId(body.u32()), NodeId(body.u64()));
        let (addr, listed) = (body.address(), body.flag()?);
        let standing = Standing::from_number(body.u8())?;
        let (index, total) = (body.u16(), body.u16());
        if index >= total || id == NodeId::UNKNOWN {
            return Err(Reject::Field);
        }
        Ok(Self {
            round,
            id,
            boot,
            addr,
            listed,
            standing,
            index,
            total,
            at: body.time(),
            phase: body.offset(),
            rate: body.rate()?,
            learned: body.rate()?,
            age: Span::from_secs(u64::from(body.u32())),
            deviation: Span::from_nanos(u64::from(body.u32())),
            sigma: Span::from_nanos(u64::from(body.u32())),
            rate_sigma: Rate::from_ratio(f64::from(body.u32()) / 1e12),
            name: Name::from_field(&body.bytes())?,
        })
    }
}
