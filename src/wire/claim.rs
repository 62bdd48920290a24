//! Claim: a candidate asks who leads, or asks to lead.

use super::field::{Reader, Writer};
use super::header::Term;
use super::reject::Reject;
use crate::time::{Remote, Time};

/// What a candidate asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// Who leads? I am a candidate, and this is my rank.
    Enquiry,
    /// I want to lead in this term.
    Bid,
}

/// Candidate to candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// What is asked.
    pub request: Request,
    /// The term that is bid for; of an enquiry the highest the sender knows.
    pub term: Term,
    /// The sender's Local as this leaves; a grant echoes it.
    pub sent: Time<Remote>,
}

impl Claim {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u8(match self.request {
            Request::Enquiry => 0,
            Request::Bid => 1,
        });
        out.bytes(&[0; 3]);
        out.u32(self.term.0);
        out.time(self.sent);
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let request = match body.u8() {
            0 => Request::Enquiry,
            1 => Request::Bid,
            _ => return Err(Reject::Field),
        };
        body.bytes::<3>();
        Ok(Self { request, term: Term(body.u32()), sent: body.local() })
    }
}
