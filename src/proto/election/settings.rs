//! What an election is told at its start, and the times that follow from it.

use std::net::SocketAddr;

use super::candidates::MAX_CANDIDATES;
use crate::time::Span;
use crate::wire::{BootId, NodeId, Rank, Term};

/// What a candidate has promised: the highest term it took part in, and who has its vote there.
/// With a quorum the one thing that must survive a crash: a vote that is forgotten is given twice,
/// and makes two masters of one term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Vow {
    /// The term; never goes back.
    pub term: Term,
    /// Who has the vote; always nobody without a quorum.
    pub to: Option<NodeId>,
}

/// What a candidate is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Who it is.
    pub id: NodeId,
    /// Drawn at each start.
    pub boot: BootId,
    /// Its rank; among standbys the highest takes over first.
    pub rank: Rank,
    /// The interval between a master's announcements.
    pub interval: Span,
    /// A master that was not heard for so long is taken for dead.
    pub failover_after: Span,
    /// The other candidates. More are learned, but with a quorum only these are listened to.
    pub peers: Vec<SocketAddr>,
    /// How many candidates must agree on a master, itself included; at least a majority of it and
    /// its peers. None: whoever finds no master may become one.
    pub quorum: Option<u8>,
    /// What it promised before it was restarted.
    pub vow: Vow,
    /// Whether delays are drawn; without, runs can be enumerated.
    pub jitter: bool,
}

impl ElectionSettings {
    /// A candidate of this identity with an interval of 1 s, without peers.
    pub fn new(id: NodeId, boot: BootId) -> Self {
        Self {
            id,
            boot,
            rank: Rank(0),
            interval: Span::from_secs(1),
            failover_after: Span::from_secs(3),
            peers: Vec::new(),
            quorum: None,
            vow: Vow::default(),
            jitter: true,
        }
    }

    /// The smallest number of candidates that is more than half of this one and its peers.
    pub fn majority(&self) -> u8 {
        (self.peers.len() as u8).div_ceil(2) + 1
    }

    pub(super) fn within_limits(mut self) -> Self {
        self.peers.truncate(MAX_CANDIDATES);
        self.interval = self.interval.max(Span::from_millis(1));
        self.failover_after = self.failover_after.max(self.interval);
        let (least, most) = (self.majority(), self.peers.len() as u8 + 1);
        // Of one alone there is nothing to agree on.
        self.quorum = self.quorum.filter(|_| most > 1).map(|quorum| quorum.clamp(least, most));
        if self.quorum.is_none() {
            self.vow.to = None;
        }
        self
    }

    /// How long a bid waits for objections, and the distance between two standbys' claims.
    pub(super) fn window(&self) -> Span {
        self.interval.over(10).max(Span::from_millis(20)).min(Span::from_millis(100))
    }

    /// How long a candidate that knows nothing listens before it claims.
    pub(super) fn listen(&self) -> Span {
        if self.quorum.is_some() {
            return self.failover_after;
        }
        self.interval.max(Span::from_millis(200)).min(Span::from_secs(2))
    }

    /// How long a master may act on votes given at one moment. An eighth less than the voters
    /// keep to them, for clocks that run at different rates.
    pub(super) fn lease(&self) -> Span {
        self.failover_after - self.failover_after.over(8)
    }

    /// Who comes so much too late for a deadline of its own has slept.
    pub(super) fn slack(&self) -> Span {
        self.failover_after.over(2)
    }
}
