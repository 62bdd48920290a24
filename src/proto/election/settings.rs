//! What a candidate is told at its start, and what it remembers.

use std::net::SocketAddr;

use crate::time::Span;
use crate::wire::{NodeId, Rank, Term};

/// What a candidate has promised and must find again after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ballot {
    /// The highest term it has claimed or voted in; it never goes back.
    pub term: Term,
    /// Whom it gave its vote for that term.
    pub vote: Option<NodeId>,
}

/// How a candidate begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// It asks for the mastership at once, and stands by where somebody reigns already.
    #[default]
    Master,
    /// It looks for a master first, with patience.
    Standby,
}

/// What a candidate is told.
#[derive(Debug, Clone, PartialEq)]
pub struct ElectionSettings {
    /// Who it is.
    pub id: NodeId,
    /// Its priority; the higher goes first.
    pub rank: Rank,
    /// Where the other candidates are. Others become known in time.
    pub peers: Vec<SocketAddr>,
    /// A master needs the votes of more than half of `peers` and itself. Without it each side of a
    /// partition goes on with a master of its own.
    pub quorum: bool,
    /// How long a master may be silent; `None`: three of its intervals, and at least 500 ms.
    pub failover_after: Option<Span>,
    /// How it begins.
    pub start: Start,
    /// What it remembers from before.
    pub ballot: Option<Ballot>,
    /// Candidates of one rank draw a moment to wait, so that they do not keep meeting.
    pub jitter: bool,
}

impl ElectionSettings {
    /// So many candidates there may be beside oneself.
    pub const MAX_PEERS: usize = 15;

    /// The defaults of the command line.
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            rank: Rank(0),
            peers: Vec::new(),
            quorum: false,
            failover_after: None,
            start: Start::default(),
            ballot: None,
            jitter: true,
        }
    }

    /// How many of the others' votes a master needs.
    pub(super) fn needed(&self) -> usize {
        // More than half of n + 1, our own vote among them.
        self.peers.len().div_ceil(2)
    }
}
