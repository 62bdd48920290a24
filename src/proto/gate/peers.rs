//! Who has proven to be alive, and which of their datagrams have come.

use std::net::SocketAddr;

use super::{Drop, Seat};
use crate::proto::former::Former;
use crate::proto::index::Index;
use crate::time::{Local, Span, Time};
use crate::wire::{BootId, Header, NodeId, Window};

/// Without keys a process that was followed by another may come back when that one was not heard
/// for so long: two of one identity, of which one has died. Longer than any challenge is good for,
/// so that no recorded echo of one does it. What is sealed for us never comes so far: [`Peers::take`]
/// knows who is gone.
const GONE: Span = Span::from_secs(32);
/// A full table loses so large a part of its peers at once, the quietest: who floods it with
/// newcomers must not make it search for every one of them.
const CLEARED: usize = 16;

#[derive(Debug)]
struct Peer {
    id: NodeId,
    boot: BootId,
    former: Former,
    /// Of those who seal: without seals nothing can be told from a recording.
    window: Window,
    addr: Compact,
    heard: Time<Local>,
    /// Another process of it has spoken since, and has not proven itself: a restart, or a recording.
    doubted: bool,
}

/// A socket address in 22 bytes instead of 32. No IPv4 address ever comes in IPv6 clothes, so none is
/// taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Compact {
    ip: [u8; 16],
    scope: [u8; 4],
    port: u16,
}

impl From<SocketAddr> for Compact {
    fn from(addr: SocketAddr) -> Self {
        let (ip, scope) = match addr {
            SocketAddr::V4(four) => (four.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(six) => (*six.ip(), six.scope_id()),
        };
        Self { ip: ip.octets(), scope: scope.to_ne_bytes(), port: addr.port() }
    }
}

impl Peer {
    /// What a datagram of another process says of this one.
    fn notice(&mut self, boot: BootId) {
        self.doubted |= boot != self.boot && !self.former.contains(boot);
    }
}

/// The nodes that have proven themselves, at most so many; whoever was silent longest goes first,
/// and has to prove itself anew.
#[derive(Debug)]
pub(super) struct Peers {
    peers: Vec<Peer>,
    by_id: Index,
    /// Of two that spoke from one address the later is found.
    by_addr: Index,
    most: usize,
}

impl Peers {
    /// Bytes that a peer takes.
    pub(super) const EACH: usize = size_of::<Peer>() + 2 * Index::EACH;

    /// Room for `most`; `seed` is known to nobody else.
    pub(super) fn new(most: usize, seed: [u64; 2]) -> Self {
        let (by_id, by_addr) = (Index::new(seed), Index::new(seed));
        Self { peers: Vec::new(), by_id, by_addr, most: most.max(1) }
    }

    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
        while self.peers.len() > most {
            self.make_room();
        }
    }

    /// As [`Peers::seat_of`], but looked for at `near` first.
    fn seat_near(&self, near: Seat, id: NodeId) -> Option<u32> {
        let is_there = self.peers.get(near.0 as usize).is_some_and(|peer| peer.id == id);
        if is_there { Some(near.0) } else { self.seat_of(id) }
    }

    pub(super) fn touch(&self, id: NodeId) -> u64 {
        self.seat_of(id).map_or(0, |seat| self.touch_at(Seat(seat)))
    }

    pub(super) fn touch_at(&self, seat: Seat) -> u64 {
        self.peers.get(seat.0 as usize).map_or(0, |peer| peer.id.0 ^ u64::from(peer.addr.port))
    }

    fn seat_of(&self, id: NodeId) -> Option<u32> {
        self.by_id.find(&id, |seat| self.peers[seat as usize].id)
    }

    /// The process of a node that has proven itself; 0 where none has, or where it may be gone:
    /// what is sealed for the one before is lost on the next.
    pub(super) fn boot_of(&self, id: NodeId, near: Seat) -> BootId {
        let peer = self.seat_near(near, id).map(|seat| &self.peers[seat as usize]);
        peer.filter(|peer| !peer.doubted).map_or(BootId(0), |peer| peer.boot)
    }

    /// Something good came that is sealed for any process of ours, and may be a recording.
    pub(super) fn notice(&mut self, header: &Header) {
        if let Some(seat) = self.seat_of(header.sender) {
            self.peers[seat as usize].notice(header.boot);
        }
    }

    /// Whether one of them speaks from there.
    pub(super) fn is_at(&self, addr: SocketAddr) -> bool {
        let addr = Compact::from(addr);
        self.by_addr.find(&addr, |seat| self.peers[seat as usize].addr).is_some()
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
        let Some(seat) = self.seat_of(header.sender) else { return Ok(false) };
        let peer = &mut self.peers[seat as usize];
        peer.notice(header.boot);
        if peer.boot != header.boot {
            let gone = peer.former.contains(header.boot);
            return if gone { Err(Drop::Replayed) } else { Ok(false) };
        }
        if !peer.window.take(header.sequence) {
            return Err(Drop::Replayed);
        }
        peer.heard = now;
        peer.doubted = false;
        self.move_to(seat, from);
        Ok(true)
    }

    /// A process has proven to be alive, with a datagram that is `sealed` or not. Gives its seat, which is
    /// looked for at `near` first.
    pub(super) fn prove(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        sealed: bool,
        near: Seat,
    ) -> Result<Seat, Drop> {
        let boot = header.boot;
        let seat = self.seat_near(near, header.sender);
        let seat = seat.unwrap_or_else(|| self.add(now, from, header));
        let peer = &mut self.peers[seat as usize];
        if peer.former.contains(boot) {
            if now.since(peer.heard) < GONE {
                return Err(Drop::Replayed);
            }
            peer.former.forget(boot);
        }
        if peer.boot != boot {
            peer.former.push(std::mem::replace(&mut peer.boot, boot));
            peer.window = Window::default();
        }
        if sealed && peer.window.is_new() {
            peer.window.take(header.sequence);
        }
        peer.heard = now;
        peer.doubted = false;
        self.move_to(seat, from);
        Ok(Seat(seat))
    }

    fn add(&mut self, now: Time<Local>, from: SocketAddr, header: &Header) -> u32 {
        self.make_room();
        let seat = self.peers.len() as u32;
        let (id, boot) = (header.sender, header.boot);
        let former = Former::default();
        let (window, addr, doubted) = (Window::default(), Compact::from(from), false);
        self.peers.push(Peer { id, boot, former, window, addr, heard: now, doubted });
        let Self { peers, by_id, by_addr, .. } = self;
        by_id.insert(&id, seat, |seat| peers[seat as usize].id);
        by_addr.insert(&addr, seat, |seat| peers[seat as usize].addr);
        seat
    }

    fn move_to(&mut self, seat: u32, to: SocketAddr) {
        let (from, to) = (self.peers[seat as usize].addr, Compact::from(to));
        if from != to {
            self.by_addr.remove(&from, seat);
            self.peers[seat as usize].addr = to;
            let Self { peers, by_addr, .. } = self;
            by_addr.insert(&to, seat, |seat| peers[seat as usize].addr);
        }
    }

    fn make_room(&mut self) {
        if self.peers.len() < self.most {
            return;
        }
        let go = (self.peers.len() / CLEARED).max(1);
        let heard = self.peers.iter().zip(0u32..).map(|(peer, seat)| (peer.heard, seat));
        let mut heard: Vec<_> = heard.collect();
        heard.select_nth_unstable(go - 1);
        let mut seats: Vec<_> = heard[..go].iter().map(|(_, seat)| *seat).collect();
        // From the last, so that who moves to a seat that is free now is none of them.
        seats.sort_unstable();
        seats.into_iter().rev().for_each(|seat| self.remove(seat));
    }

    fn remove(&mut self, seat: u32) {
        let peer = self.peers.swap_remove(seat as usize);
        self.by_id.remove(&peer.id, seat);
        self.by_addr.remove(&peer.addr, seat);
        let last = self.peers.len() as u32;
        if let Some(moved) = self.peers.get(seat as usize) {
            self.by_id.change(&moved.id, last, seat);
            self.by_addr.change(&moved.addr, last, seat);
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
        let mut peers = Peers::new(8, [1, 2]);
        let addr = "10.0.0.2:7045".parse().unwrap();
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 5)), Ok(false), "nothing proven");
        peers.prove(at(0), addr, &header(2, 1, 5), true, Seat::UNKNOWN).unwrap();
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 5)), Err(Drop::Replayed));
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 7)), Ok(true));
        assert_eq!(peers.take(at(0), addr, &header(2, 1, 6)), Ok(true), "late is not doubled");
        assert_eq!(peers.take(at(0), addr, &header(2, 9, 1)), Ok(false), "not proven yet");
        peers.prove(at(1), addr, &header(2, 9, 1), true, Seat::UNKNOWN).unwrap();
        assert_eq!(peers.take(at(1), addr, &header(2, 1, 99)), Err(Drop::Replayed));
        assert_eq!(
            peers.prove(at(1), addr, &header(2, 1, 99), true, Seat::UNKNOWN),
            Err(Drop::Replayed)
        );
        assert_eq!(peers.take(at(1), addr, &header(2, 9, 2)), Ok(true));
    }

    #[test]
    fn a_process_is_in_doubt_from_when_another_speaks_until_one_proves_itself() {
        let mut peers = Peers::new(8, [1, 2]);
        let addr = "10.0.0.2:7045".parse().unwrap();
        peers.prove(at(0), addr, &header(2, 1, 1), true, Seat::UNKNOWN).unwrap();
        peers.prove(at(0), addr, &header(2, 5, 1), true, Seat::UNKNOWN).unwrap();
        assert_eq!(peers.boot_of(NodeId(2), Seat::UNKNOWN), BootId(5));
        peers.notice(&header(2, 1, 9));
        assert_eq!(
            peers.boot_of(NodeId(2), Seat::UNKNOWN),
            BootId(5),
            "that one is known to be gone"
        );
        peers.notice(&header(2, 7, 1));
        assert_eq!(peers.boot_of(NodeId(2), Seat::UNKNOWN), BootId(0));
        peers.take(at(1), addr, &header(2, 5, 2)).unwrap();
        assert_eq!(
            peers.boot_of(NodeId(2), Seat::UNKNOWN),
            BootId(5),
            "it lives, and the other was a recording"
        );
        assert_eq!(peers.take(at(1), addr, &header(2, 7, 2)), Ok(false));
        assert_eq!(peers.boot_of(NodeId(2), Seat::UNKNOWN), BootId(0));
        peers.prove(at(1), addr, &header(2, 7, 3), true, Seat::UNKNOWN).unwrap();
        assert_eq!(peers.boot_of(NodeId(2), Seat::UNKNOWN), BootId(7));
    }

    #[test]
    fn a_seat_that_is_another_s_by_now_is_found_out() {
        let mut peers = Peers::new(2, [1, 2]);
        let addr = |n: u64| SocketAddr::from(([10, 0, 0, n as u8], 7045));
        let mut prove = |n: u64, near| {
            peers.prove(at(n), addr(n), &header(n, n as u32, 1), true, near).unwrap()
        };
        let (first, second) = (prove(2, Seat::UNKNOWN), prove(3, Seat::UNKNOWN));
        assert_eq!((prove(2, first), prove(3, first)), (first, second));
        // It takes the place of the one that was silent longest.
        let third = prove(4, Seat::UNKNOWN);
        assert!([first, second].contains(&third));
        for near in [first, second, Seat(7), Seat::UNKNOWN] {
            assert_eq!(peers.boot_of(NodeId(2), near), BootId(0), "{near:?}");
            assert_eq!(peers.boot_of(NodeId(3), near), BootId(3), "{near:?}");
            assert_eq!(peers.boot_of(NodeId(4), near), BootId(4), "{near:?}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_the_quietest_goes() {
        let mut peers = Peers::new(3, [1, 2]);
        let addr = |n: u64| SocketAddr::from(([10, 0, 0, n as u8], 7045));
        for n in 2..5 {
            peers.prove(at(n), addr(n), &header(n, 1, 1), true, Seat::UNKNOWN).unwrap();
        }
        assert_eq!(peers.take(at(9), addr(2), &header(2, 1, 2)), Ok(true));
        peers.prove(at(10), addr(5), &header(5, 1, 1), true, Seat::UNKNOWN).unwrap();
        assert_eq!(peers.peers.len(), 3);
        assert!(peers.is_at(addr(2)) && !peers.is_at(addr(3)) && peers.is_at(addr(5)));
    }

    #[test]
    fn a_flood_of_newcomers_leaves_those_who_are_heard() {
        const MOST: u64 = 1_000;
        let mut peers = Peers::new(MOST as usize, [1, 2]);
        let addr = |n: u64| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 7045));
        for n in 0..20_000 {
            // Two hundred speak all the time, the others once.
            let id = if n % 2 == 0 { 1 + n / 2 % 200 } else { 10_000 + n };
            peers.prove(at(n), addr(id), &header(id, 1, 1), false, Seat::UNKNOWN).unwrap();
            assert!(peers.peers.len() <= MOST as usize);
        }
        for id in 1..=200 {
            assert_eq!(peers.boot_of(NodeId(id), Seat::UNKNOWN), BootId(1));
            assert!(peers.is_at(addr(id)));
        }
        let known = (0..20_000)
            .filter(|n| peers.boot_of(NodeId(10_000 + n), Seat::UNKNOWN) == BootId(1))
            .count();
        assert_eq!(known, peers.peers.len() - 200, "who is found is who is there");
        assert!((700..=800).contains(&known), "{known}");
    }
}
