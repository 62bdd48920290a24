//! Who has proven to be alive, and which of their datagrams have come.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::Drop;
use crate::time::{Local, Span, Time};
use crate::wire::{BootId, Header, NodeId, Window};

/// Earlier processes of a node that are known to be gone.
const FORMER: usize = 4;
/// A process that was followed by another may come back when that one was not heard for so long:
/// two of one identity, of which one has died. Longer than any challenge is good for, so that no
/// recorded echo of one does it.
const GONE: Span = Span::from_secs(32);

#[derive(Debug)]
struct Peer {
    boot: BootId,
    former: VecDeque<BootId>,
    window: Window,
    addr: SocketAddr,
    heard: Time<Local>,
}

/// The nodes that have proven themselves, at most so many; whoever was silent longest goes first,
/// and has to prove itself anew.
#[derive(Debug)]
pub(super) struct Peers {
    peers: BTreeMap<NodeId, Peer>,
    by_addr: BTreeMap<SocketAddr, NodeId>,
    most: usize,
}

impl Peers {
    pub(super) fn new(most: usize) -> Self {
        Self { peers: BTreeMap::new(), by_addr: BTreeMap::new(), most: most.max(1) }
    }

    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
        while self.peers.len() > most {
            self.make_room();
        }
    }

    /// The process of a node that has proven itself; 0 where none has.
    pub(super) fn boot_of(&self, id: NodeId) -> BootId {
        self.peers.get(&id).map_or(BootId(0), |peer| peer.boot)
    }

    /// Whether one of them speaks from there.
    pub(super) fn is_at(&self, addr: SocketAddr) -> bool {
        self.by_addr.contains_key(&addr)
    }

    /// Whether a sealed datagram is of a process that has proven itself; if so, it is taken once.
    ///
    /// # Errors
    /// [`Drop::Replayed`] where it came before, or its process is gone.
    pub(super) fn take(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
    ) -> Result<bool, Drop> {
        let Some(peer) = self.peers.get_mut(&header.sender) else { return Ok(false) };
        if peer.boot != header.boot {
            return if peer.former.contains(&header.boot) {
                Err(Drop::Replayed)
            } else {
                Ok(false)
            };
        }
        if !peer.window.take(header.sequence) {
            return Err(Drop::Replayed);
        }
        peer.heard = now;
        let old = std::mem::replace(&mut peer.addr, from);
        if old != from {
            self.move_to(header.sender, old, from);
        }
        Ok(true)
    }

    pub(super) fn prove(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
    ) -> Result<(), Drop> {
        let boot = header.boot;
        if let Some(peer) = self.peers.get_mut(&header.sender) {
            if peer.former.contains(&boot) {
                if now.since(peer.heard) < GONE {
                    return Err(Drop::Replayed);
                }
                peer.former.retain(|former| *former != boot);
            }
            if peer.boot != boot {
                if peer.former.len() == FORMER {
                    peer.former.pop_front();
                }
                peer.former.push_back(std::mem::replace(&mut peer.boot, boot));
                peer.window = Window::default();
                peer.window.take(header.sequence);
            }
            peer.heard = now;
            let old = std::mem::replace(&mut peer.addr, from);
            self.move_to(header.sender, old, from);
            return Ok(());
        }
        self.make_room();
        let mut window = Window::default();
        window.take(header.sequence);
        let peer = Peer { boot, former: VecDeque::new(), window, addr: from, heard: now };
        self.peers.insert(header.sender, peer);
        self.by_addr.insert(from, header.sender);
        Ok(())
    }

    fn move_to(&mut self, id: NodeId, from: SocketAddr, to: SocketAddr) {
        if self.by_addr.get(&from) == Some(&id) {
            self.by_addr.remove(&from);
        }
        self.by_addr.insert(to, id);
    }

    fn make_room(&mut self) {
        if self.peers.len() < self.most {
            return;
        }
        let quietest = self.peers.iter().min_by_key(|(_, peer)| peer.heard).map(|(&id, _)| id);
        let Some(id) = quietest else { return };
        let Some(peer) = self.peers.remove(&id) else { return };
        if self.by_addr.get(&peer.addr) == Some(&id) {
            self.by_addr.remove(&peer.addr);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;
    use crate::wire::{Rank, Term};

    fn header(sender: u64, boot: u32, sequence: u64) -> Header {
        Header {
            sender: NodeId(sender),
            receiver: NodeId(1),
            boot: BootId(boot),
            term: Term(1),
            rank: Rank(0),
            sequence,
        }
    }

    fn at(secs: u64) -> Time<Local> {
        Time::from_nanos(0) + Span::from_secs(secs)
    }

    #[test]
    fn a_process_that_was_followed_by_another_never_comes_back() {
        let mut peers = Peers::new(8);
        let addr = "10.0.0.2:7045".parse().unwrap();
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 5)), Ok(false), "nothing proven");
        peers.prove(at(0), addr, &header(2, 1, 5)).unwrap();
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 5)), Err(Drop::Replayed));
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 7)), Ok(true));
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 6)), Ok(true), "late is not doubled");
        assert_eq!(peers.take(at(0), addr, &header(2, 9, 1)), Ok(false), "not proven yet");
        peers.prove(at(1), addr, &header(2, 9, 1)).unwrap();
        assert_eq!(peers.take(at(1), addr, &header(2, 1, 99)), Err(Drop::Replayed));
        assert_eq!(peers.prove(at(1), addr, &header(2, 1, 99)), Err(Drop::Replayed));
        assert_eq!(peers.take(at(1), addr, &header(2, 9, 2)), Ok(true));
    }

    #[test]
    fn the_table_is_bounded_and_the_quietest_goes() {
        let mut peers = Peers::new(3);
        let addr = |n: u64| SocketAddr::from(([10, 0, 0, n as u8], 7045));
        for n in 2..5 {
            peers.prove(at(n), addr(n), &header(n, 1, 1)).unwrap();
        }
        assert_eq!(peers.take(at(9), addr(2), &header(2, 1, 2)), Ok(true));
        peers.prove(at(10), addr(5), &header(5, 1, 1)).unwrap();
        assert_eq!((peers.peers.len(), peers.by_addr.len()), (3, 3));
        assert!(peers.is_at(addr(2)) && !peers.is_at(addr(3)) && peers.is_at(addr(5)));
    }
}
