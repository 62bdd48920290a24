//! The other candidates: where they are, who they are, with whom their votes are.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use crate::time::{Local, Time};
use crate::wire::{Candidate, NodeId, Rank, Term};

/// So many candidates one knows beside itself; who comes when they are full is not taken in.
pub(super) const MAX_CANDIDATES: usize = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    /// [`NodeId::UNKNOWN`] until it spoke or was listed.
    pub(super) id: NodeId,
    pub(super) rank: Rank,
    /// From the settings: never forgotten.
    pub(super) configured: bool,
    /// The newest that it said about its vote.
    pub(super) vote: (Term, NodeId),
    /// When the newest message of ours left of which it said that its vote is with us.
    pub(super) answered: Option<Time<Local>>,
}

/// The candidates beside oneself, in the order they became known.
#[derive(Debug, Clone)]
pub(super) struct Candidates(Vec<Peer>);

impl Candidates {
    pub(super) fn new(configured: &[SocketAddr]) -> Self {
        let mut candidates = Self(Vec::new());
        for &addr in configured {
            if !candidates.0.iter().any(|peer| peer.addr == addr) {
                candidates.0.push(Peer::new(addr, true));
            }
        }
        candidates
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.0.iter()
    }

    /// Notes that `id` speaks from `addr`. `None` where there is no room.
    pub(super) fn enrol(&mut self, addr: SocketAddr, id: NodeId, rank: Rank) -> Option<&mut Peer> {
        // An identity has one vote: at its old address it is gone.
        for peer in self.0.iter_mut().filter(|peer| peer.id == id && peer.addr != addr) {
            *peer = Peer::new(peer.addr, peer.configured);
        }
        self.0.retain(|peer| peer.configured || peer.id != NodeId::UNKNOWN);
        let index = match self.0.iter().position(|peer| peer.addr == addr) {
            Some(index) => index,
            None => self.take_in(addr)?,
        };
        let peer = &mut self.0[index];
        if peer.id != id {
            *peer = Peer { id, ..Peer::new(addr, peer.configured) };
        }
        peer.rank = rank;
        Some(peer)
    }

    /// Notes a candidate that a master lists: what we heard ourselves is better.
    pub(super) fn listed(&mut self, listed: Candidate) {
        if self.0.iter().any(|peer| peer.id == listed.id) {
            return;
        }
        let at = self.0.iter().position(|peer| peer.addr == listed.addr);
        match at.map(|index| &mut self.0[index]) {
            Some(peer) if peer.id == NodeId::UNKNOWN => {
                (peer.id, peer.rank) = (listed.id, listed.rank);
            }
            Some(_) => {}
            None => {
                if let Some(index) = self.take_in(listed.addr) {
                    (self.0[index].id, self.0[index].rank) = (listed.id, listed.rank);
                }
            }
        }
    }

    fn take_in(&mut self, addr: SocketAddr) -> Option<usize> {
        if self.0.len() >= MAX_CANDIDATES {
            let idle = self.0.iter().position(|p| !p.configured && p.answered.is_none())?;
            self.0.remove(idle);
        }
        self.0.push(Peer::new(addr, false));
        Some(self.0.len() - 1)
    }

    pub(super) fn leave(&mut self, id: NodeId) {
        self.0.retain(|peer| peer.configured || peer.id != id);
        for peer in self.0.iter_mut().filter(|peer| peer.id == id) {
            *peer = Peer::new(peer.addr, true);
        }
    }

    /// The highest of those who answered after `since`.
    pub(super) fn best(&self, since: Time<Local>) -> Option<NodeId> {
        let fresh = self.0.iter().filter(|peer| peer.answered.is_some_and(|at| at > since));
        fresh.map(|peer| (peer.rank, peer.id)).max().map(|(_, id)| id)
    }

    /// How many of the others, but for `lost`, are to take over before somebody of this rank.
    pub(super) fn before(&self, rank: Rank, id: NodeId, lost: Option<NodeId>) -> u32 {
        let known = self.0.iter().filter(|peer| peer.id != NodeId::UNKNOWN);
        let ahead = known.filter(|peer| Some(peer.id) != lost && (peer.rank, peer.id) > (rank, id));
        ahead.count() as u32
    }

    pub(super) fn digest(&self, from: impl Fn(Time<Local>) -> i64, state: &mut impl Hasher) {
        for peer in &self.0 {
            (peer.addr, peer.id, peer.rank, peer.vote, peer.answered.map(&from)).hash(state);
        }
    }
}

impl Peer {
    fn new(addr: SocketAddr, configured: bool) -> Self {
        Self {
            addr,
            id: NodeId::UNKNOWN,
            rank: Rank(0),
            configured,
            vote: (Term(0), NodeId::UNKNOWN),
            answered: None,
        }
    }
}
