//! Claim: a candidate asks for the mastership.

use super::Term;
use super::field::{Reader, Writer};
use super::reject::Reject;

/// What a claim asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// Does anything speak against my claiming this term? Binds nobody.
    Ask,
    /// Your vote for this term, for good.
    Vote,
}

/// Candidate to the other candidates and, for [`Request::Ask`], to some slaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Random; the grant echoes it.
    pub nonce: u64,
    /// The term that is claimed.
    pub term: Term,
    /// What is asked for.
    pub request: Request,
}

impl Claim {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u64(self.nonce);
        out.u32(self.term.0);
        out.u8(match self.request {
            Request::Ask => 0,
            Request::Vote => 1,
        });
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let (nonce, term) = (body.u64(), Term(body.u32()));
        let request = match body.u8() {
            0 => Request::Ask,
            1 => Request::Vote,
            _ => return Err(Reject::Field),
        };
        Ok(Self { nonce, term, request })
    }
}
