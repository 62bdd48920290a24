//! Grant: the answer to a claim.

use std::net::SocketAddr;

use super::field::{Reader, Writer};
use super::reject::Reject;
use super::{NodeId, Rank, Term};

/// What is said to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing speaks against it; to a request for a vote: you have it.
    Granted,
    /// The answerer hears a living master, or is one.
    MasterLives,
    /// A better candidate is about to claim.
    Outranked,
    /// The vote for this term, or for a later one, is given.
    Spent,
    /// The answerer does not know whom it has voted for, and must find out first.
    Forgotten,
    /// The answerer has no vote: it is no candidate.
    NoVote,
}

impl Verdict {
    const ALL: [Verdict; 6] = [
        Verdict::Granted,
        Verdict::MasterLives,
        Verdict::Outranked,
        Verdict::Spent,
        Verdict::Forgotten,
        Verdict::NoVote,
    ];
}

/// A master as another node knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sighting {
    /// Who.
    pub id: NodeId,
    /// Its term.
    pub term: Term,
    /// Its rank.
    pub rank: Rank,
    /// Where it is reached; none where the answerer itself is the master.
    pub addr: Option<SocketAddr>,
}

/// Answer to a [`super::Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The claim's nonce.
    pub nonce: u64,
    /// The highest term that the answerer knows of.
    pub term: Term,
    /// What is said.
    pub verdict: Verdict,
    /// The answerer remembers whom it has voted for.
    pub remembers: bool,
    /// The master that the answerer hears.
    pub master: Option<Sighting>,
}

impl Grant {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u64(self.nonce);
        out.u32(self.term.0);
        let number = Verdict::ALL.iter().position(|&verdict| verdict == self.verdict);
        out.u8(number.expect("ALL is complete") as u8);
        out.flag(self.remembers);
        out.u8(self.master.map_or(0, |master| master.rank.0));
        out.u8(0);
        out.u64(self.master.map_or(0, |master| master.id.0));
        out.u32(self.master.map_or(0, |master| master.term.0));
        out.address(self.master.and_then(|master| master.addr));
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Reject> {
        let (nonce, term) = (body.u64(), Term(body.u32()));
        let verdict = *Verdict::ALL.get(usize::from(body.u8())).ok_or(Reject::Field)?;
        let remembers = body.flag()?;
        let rank = Rank(body.u8());
        body.u8();
        let (id, of) = (NodeId(body.u64()), Term(body.u32()));
        let addr = body.address();
        let master = (id != NodeId::UNKNOWN).then_some(Sighting { id, term: of, rank, addr });
        Ok(Self { nonce, term, verdict, remembers, master })
    }
}
