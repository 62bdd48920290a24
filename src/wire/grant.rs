//! Grant: a candidate says with whom its vote is.

use super::field::{Reader, Writer};
use super::header::{NodeId, Term};
use super::reject::Reject;
use crate::time::{Remote, Time};

/// Candidate to candidate: the answer to a bid, and to each announcement of the master that it
/// follows. It states what the sender has promised, whoever asked: a grant to somebody else is a
/// refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The highest term the sender has promised anything for.
    pub term: Term,
    /// Whom it obeys in that term; [`NodeId::UNKNOWN`]: nobody yet.
    pub to: NodeId,
    /// When the message that this answers left, on the Local of its sender.
    pub echo: Time<Remote>,
}

impl Grant {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.term.0);
        out.bytes(&[0; 4]);
        out.u64(self.to.0);
        out.time(self.echo);
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let term = Term(body.u32());
        body.bytes::<4>();
        Ok(Self { term, to: NodeId(body.u64()), echo: body.local() })
    }
}
