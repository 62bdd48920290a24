//! Welcome: a master's answer to a join.

use std::net::SocketAddr;

use super::field::{Reader, Writer};
use super::name::Name;
use super::reject::Reject;
use crate::time::Span;

/// What became of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The slave is in; polls follow.
    Accepted,
    /// The roster is full.
    Full,
    /// This node is no master, but there is one here.
    Elsewhere(SocketAddr),
    /// Not yet: the slave is to join again and to echo the challenge, which proves that it lives,
    /// and lives there. Until then nothing is kept of it.
    Challenged,
}

/// Master to slave.
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome {
    /// The join's nonce.
    pub nonce: u64,
    /// Whether the slave is in.
    pub admission: Admission,
    /// The master's round interval.
    pub interval: Span,
    /// What people call the master.
    pub name: Name,
    /// What the next join has to echo where it is challenged; else 0.
    pub challenge: u64,
}

impl Welcome {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u64(self.nonce);
        out.u8(match self.admission {
            Admission::Accepted => 0,
            Admission::Full => 1,
            Admission::Elsewhere(_) => 2,
            Admission::Challenged => 3,
        });
        out.bytes(&[0; 7]);
        out.span(self.interval);
        out.bytes(&self.name.to_field());
        out.address(match self.admission {
            Admission::Elsewhere(addr) => Some(addr),
            Admission::Accepted | Admission::Full | Admission::Challenged => None,
        });
        out.bytes(&[0; 6]);
        out.u64(self.challenge);
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let nonce = body.u64();
        let number = body.u8();
        body.bytes::<7>();
        let (interval, name) = (body.span()?, Name::from_field(&body.bytes())?);
        let admission = match (number, body.address()) {
            (0, _) => Admission::Accepted,
            (1, _) => Admission::Full,
            (2, Some(addr)) => Admission::Elsewhere(addr),
            (3, _) => Admission::Challenged,
            _ => return Err(Reject::Field),
        };
        body.bytes::<6>();
        Ok(Self { nonce, admission, interval, name, challenge: body.u64() })
    }
}
