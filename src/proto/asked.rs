//! Polls that wait for their replies, of all slaves together.
//!
//! Each slave has a few of them for a few milliseconds, so they share a pool: a list for each slave, of
//! which the slave keeps the head.

use super::exchange::{Source, Stamp};
use crate::time::{Local, Time};

/// So many of the newest polls are known by their nonces, if those do not happen to end alike.
const LATELY: usize = 4_096;

/// A poll that waits for its reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenPoll {
    pub(super) nonce: u64,
    pub(super) t1: Stamp<Local>,
    /// Which of its burst, from 0.
    pub(super) index: u8,
}

/// A slave's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head(u32);

impl Head {
    pub(super) const EMPTY: Head = Head(u32::MAX);
}

#[derive(Debug)]
struct Node {
    nonce: u64,
    t1: Time<Local>,
    next: Head,
    source: Source,
    index: u8,
}

impl Node {
    fn poll(&self) -> OpenPoll {
        let t1 = Stamp { at: self.t1, source: self.source };
        OpenPoll { nonce: self.nonce, t1, index: self.index }
    }
}

/// The pool. It grows to the most that ever waited at once.
#[derive(Debug)]
pub(super) struct Asked {
    nodes: Vec<Node>,
    free: Head,
    waiting: usize,
    /// Which slots the newest polls went to, by the ends of their nonces.
    lately: Vec<u32>,
}

impl Asked {
    /// Bytes that a poll takes.
    pub(super) const EACH: usize = size_of::<Node>();

    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), free: Head::EMPTY, waiting: 0, lately: vec![0; LATELY] }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Adds a poll to the list of whoever has `slot`, and says by which number it is found while it waits.
    pub(super) fn push(&mut self, head: &mut Head, poll: OpenPoll, slot: u32) -> u32 {
        self.waiting += 1;
        self.lately[poll.nonce as usize % LATELY] = slot;
        let OpenPoll { nonce, t1: Stamp { at: t1, source }, index } = poll;
        let node = Node { nonce, t1, next: *head, source, index };
        let seat = self.free;
        match self.nodes.get_mut(seat.0 as usize) {
            Some(free) => {
                self.free = free.next;
                *free = node;
                *head = seat;
            }
            None => {
                self.nodes.push(node);
                *head = Head((self.nodes.len() - 1) as u32);
            }
        }
        head.0
    }

    /// The slot that a poll with this nonce probably went to, if it was sent of late.
    pub(super) fn whose(&self, nonce: u64) -> u32 {
        self.lately[nonce as usize % LATELY]
    }

    /// The nonces of a list.
    pub(super) fn of(&self, head: Head) -> impl Iterator<Item = u64> {
        let node = |head: &Head| self.nodes.get(head.0 as usize);
        let nodes = std::iter::successors(node(&head), move |last| node(&last.next));
        nodes.map(|node| node.nonce)
    }

    /// The poll with this number left at `t1`, if it still waits: its nonce ends with `tail`.
    pub(super) fn stamp(&mut self, number: u32, tail: u32, t1: Stamp<Local>) {
        let node = self.nodes.get_mut(number as usize);
        if let Some(node) = node.filter(|node| node.nonce as u32 == tail) {
            (node.t1, node.source) = (t1.at, t1.source);
        }
    }

    /// Takes the poll with this nonce out of a list.
    pub(super) fn take(&mut self, head: &mut Head, nonce: u64) -> Option<OpenPoll> {
        let (mut before, mut at) = (None, *head);
        while self.nodes.get(at.0 as usize)?.nonce != nonce {
            before = Some(at);
            at = self.nodes[at.0 as usize].next;
        }
        let node = &mut self.nodes[at.0 as usize];
        let (poll, next) = (node.poll(), std::mem::replace(&mut node.next, self.free));
        self.free = at;
        self.waiting -= 1;
        match before {
            Some(before) => self.nodes[before.0 as usize].next = next,
            None => *head = next,
        }
        Some(poll)
    }

    /// Empties a list.
    pub(super) fn clear(&mut self, head: &mut Head) {
        while let Some(node) = self.nodes.get_mut(head.0 as usize) {
            let next = std::mem::replace(&mut node.next, self.free);
            self.free = std::mem::replace(head, next);
            self.waiting -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(nonce: u64) -> OpenPoll {
        OpenPoll { nonce, t1: Stamp::daemon(Time::from_nanos(0)), index: 0 }
    }

    fn nonces(asked: &Asked, head: Head) -> Vec<u64> {
        let mut all: Vec<_> = asked.of(head).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn lists_share_the_pool_and_not_their_polls() {
        let mut asked = Asked::new();
        let mut heads = [Head::EMPTY; 3];
        for nonce in 0..12 {
            let number = asked.push(&mut heads[nonce as usize % 3], poll(nonce), nonce as u32 % 3);
            assert_eq!(u64::from(number), nonce);
        }
        assert_eq!(asked.take(&mut heads[0], 6).map(|poll| poll.nonce), Some(6));
        assert!(asked.take(&mut heads[0], 6).is_none(), "it is gone");
        assert!(asked.take(&mut heads[0], 7).is_none(), "it is another's");
        let exact = Stamp { at: Time::from_nanos(5), source: Source::Kernel };
        asked.stamp(4, 4, exact);
        asked.stamp(5, 4, exact);
        asked.stamp(99, 4, exact);
        assert_eq!(asked.take(&mut heads[1], 4).map(|poll| poll.t1), Some(exact));
        assert_ne!(asked.take(&mut heads[2], 5).map(|poll| poll.t1), Some(exact), "another's");
        asked.clear(&mut heads[2]);
        let left = heads.map(|head| nonces(&asked, head));
        assert_eq!(left, [vec![0, 3, 9], vec![1, 7, 10], vec![]]);
        assert_eq!(asked.len(), 6);
        for nonce in 20..26 {
            asked.push(&mut heads[2], poll(nonce), 2);
        }
        assert_eq!((asked.nodes.len(), asked.len()), (12, 12), "what was free is used again");
        assert_eq!(nonces(&asked, heads[2]), [20, 21, 22, 23, 24, 25]);
        assert_eq!(nonces(&asked, heads[0]), [0, 3, 9]);
    }

    #[test]
    fn the_newest_polls_are_known_by_their_nonces() {
        let mut asked = Asked::new();
        let mut head = Head::EMPTY;
        for nonce in 0..5_000 {
            asked.push(&mut head, poll(nonce), nonce as u32);
        }
        assert_eq!((asked.whose(4_999), asked.whose(1_000)), (4_999, 1_000));
        assert_eq!(asked.whose(5), 4_101, "a newer one that ends alike");
    }
}
