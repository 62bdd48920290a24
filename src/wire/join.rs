//! Join: a slave asks to be polled.

use super::field::{Reader, Writer};
use super::name::Name;
use super::reject::Reject;
use crate::time::Rate;

/// Slave to master, repeated until the master answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// Random; the welcome echoes it.
    pub nonce: u64,
    /// What people call the slave.
    pub name: Name,
    /// The rate of cluster time against its Local that the slave remembers from before.
    pub saved_rate: Option<Rate>,
    /// It stands by: it may become master, with the rank of the header.
    pub standby: bool,
    /// The challenge of a welcome, echoed: we live, here and now; 0: none came yet.
    pub challenge: u64,
}

impl Join {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u64(self.nonce);
        out.bytes(&self.name.to_field());
        out.rate(self.saved_rate.unwrap_or(Rate::ZERO));
        out.flag(self.saved_rate.is_some());
        out.flag(self.standby);
        out.bytes(&[0; 6]);
        out.u64(self.challenge);
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let nonce = body.u64();
        let name = Name::from_field(&body.bytes())?;
        let rate = body.rate()?;
        let saved_rate = body.flag()?.then_some(rate);
        let standby = body.flag()?;
        body.bytes::<6>();
        Ok(Self { nonce, name, saved_rate, standby, challenge: body.u64() })
    }
}
