//! The other candidates: where they are, who they are.

use std::net::SocketAddr;

use super::settings::ElectionSettings;
use crate::time::{Local, Time};
use crate::wire::{Candidate, NodeId, Rank, Term};

/// So many slaves are asked whether they hear a master.
const MAX_WITNESSES: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    /// [`NodeId::UNKNOWN`] until it spoke or was listed.
    pub(super) id: NodeId,
    pub(super) rank: Rank,
    /// From the settings: it may vote, and is never forgotten.
    pub(super) configured: bool,
    /// How often it was given way to, or refused, in this vacancy.
    pub(super) courtesies: u8,
    /// When it last showed that it follows us, and in which term.
    pub(super) support: Option<(Term, Time<Local>)>,
}

/// The candidates beside oneself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Peers {
    candidates: Vec<Peer>,
    witnesses: Vec<(NodeId, SocketAddr)>,
}

impl Peers {
    pub(super) fn new(configured: &[SocketAddr]) -> Self {
        let mut peers = Self { candidates: Vec::new(), witnesses: Vec::new() };
        for &addr in configured.iter().take(ElectionSettings::MAX_PEERS) {
            if peers.candidates.iter().all(|peer| peer.addr != addr) {
                peers.candidates.push(Peer::new(addr, true));
            }
        }
        peers
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.candidates.iter()
    }

    /// Notes that the candidate `id` is at `addr`. Where there is no room it is left out.
    pub(super) fn enrol(&mut self, addr: SocketAddr, id: NodeId, rank: Rank) {
        if let Some(peer) = self.candidates.iter_mut().find(|peer| peer.addr == addr) {
            if peer.id != id {
                *peer = Peer::new(addr, peer.configured);
            }
            (peer.id, peer.rank) = (id, rank);
        } else if self.candidates.len() < ElectionSettings::MAX_PEERS {
            self.candidates.push(Peer { id, rank, ..Peer::new(addr, false) });
        }
        // At its old address it is gone.
        self.candidates.retain(|peer| peer.configured || peer.id != id || peer.addr == addr);
        for peer in self.candidates.iter_mut().filter(|p| p.id == id && p.addr != addr) {
            peer.id = NodeId::UNKNOWN;
        }
    }

    pub(super) fn at(&mut self, addr: SocketAddr) -> Option<&mut Peer> {
        self.candidates.iter_mut().find(|peer| peer.addr == addr)
    }

    /// Those who are known by name.
    pub(super) fn known(&self) -> impl Iterator<Item = Candidate> + '_ {
        let known = self.candidates.iter().filter(|peer| peer.id != NodeId::UNKNOWN);
        known.map(|peer| Candidate { id: peer.id, rank: peer.rank, addr: peer.addr })
    }

    /// How many of the others, but for `lost`, go before somebody of this rank.
    pub(super) fn before(&self, rank: Rank, id: NodeId, lost: Option<NodeId>) -> u32 {
        let ahead = self.known().filter(|c| Some(c.id) != lost && (c.rank, c.id) > (rank, id));
        ahead.count() as u32
    }

    pub(super) fn forget_courtesies(&mut self) {
        self.candidates.iter_mut().for_each(|peer| peer.courtesies = 0);
    }

    pub(super) fn set_witnesses(&mut self, mut witnesses: Vec<(NodeId, SocketAddr)>) {
        witnesses.retain(|(_, addr)| self.candidates.iter().all(|peer| peer.addr != *addr));
        witnesses.truncate(MAX_WITNESSES);
        self.witnesses = witnesses;
    }

    pub(super) fn witnesses(&self) -> &[(NodeId, SocketAddr)] {
        &self.witnesses
    }
}

impl Peer {
    fn new(addr: SocketAddr, configured: bool) -> Self {
        Self { addr, id: NodeId::UNKNOWN, rank: Rank(0), configured, courtesies: 0, support: None }
    }
}
