//! Which datagram a transmit stamp belongs to.

use std::io;

use crate::proto::Token;
use crate::time::{Local, Offset, Span, Time};

/// Datagrams whose stamps are awaited at most. A stamp comes within microseconds, a card's within
/// milliseconds; what is older than this many datagrams is not awaited any more.
const AWAITED: usize = 1024;
/// So many datagrams in a row without a stamp, for so long, and the core is told to expect none.
/// Long: a batch is sent before the first of its stamps is looked for.
const GIVE_UP: u32 = 16;
const PATIENCE: Span = Span::from_millis(100);
/// A stamp may seem to lie so long before its datagram was handed over: the width of the pair of
/// readings that it was carried with.
const SLACK: Offset = Offset::from_nanos(-5_000);

#[derive(Debug, Clone, Copy)]
struct Awaited {
    id: u32,
    token: Token,
    left: Time<Local>,
}

/// Follows the kernel's count of the datagrams of a socket, which names them in the stamps.
#[derive(Debug)]
pub(super) struct Transmit {
    ring: Box<[Option<Awaited>]>,
    next: u32,
    unanswered: u32,
    /// The first and the newest of those without a stamp left then.
    waiting: Option<(Time<Local>, Time<Local>)>,
}

impl Transmit {
    pub(super) fn new() -> Self {
        Self { ring: vec![None; AWAITED].into(), next: 0, unanswered: 0, waiting: None }
    }

    /// The count begins anew at 0.
    pub(super) fn restart(&mut self) {
        self.ring.fill(None);
        self.next = 0;
    }

    /// A datagram was handed over at `left`.
    pub(super) fn sent(&mut self, token: Option<Token>, left: Time<Local>) {
        let id = self.next;
        self.next = id.wrapping_add(1);
        if let Some(token) = token {
            self.unanswered = self.unanswered.saturating_add(1);
            self.waiting = Some((self.waiting.map_or(left, |(first, _)| first), left));
            self.ring[id as usize % AWAITED] = Some(Awaited { id, token, left });
        }
    }

    /// Whether the kernel's count is still known after it refused a datagram. What has no route is
    /// not counted; what a firewall refuses is; what finds the buffer full is, before Linux 6.2.
    pub(super) fn survives(error: &io::Error) -> bool {
        [io::ErrorKind::NetworkUnreachable, io::ErrorKind::HostUnreachable].contains(&error.kind())
    }

    /// The datagram that was stamped with `at`; none where nobody waits for it, or where the
    /// stamp cannot be its.
    pub(super) fn stamped(&mut self, id: u32, at: Time<Local>) -> Option<Token> {
        self.unanswered = 0;
        self.waiting = None;
        let awaited = self.ring[id as usize % AWAITED].take_if(|awaited| awaited.id == id)?;
        (at - awaited.left >= SLACK).then_some(awaited.token)
    }

    /// Whether stamps may be expected at all.
    pub(super) fn answers(&self) -> bool {
        let since = self.waiting.map_or(Span::ZERO, |(first, newest)| newest.since(first));
        self.unanswered < GIVE_UP || since < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Time<Local> {
        Time::from_nanos(nanos)
    }

    #[test]
    fn a_stamp_finds_its_datagram_once() {
        let mut transmit = Transmit::new();
        for i in 0..3_000u32 {
            let token = (i % 2 == 0).then_some(Token(u64::from(i)));
            transmit.sent(token, at(i64::from(i) * 1_000));
        }
        assert_eq!(transmit.stamped(2_998, at(2_998_300)), Some(Token(2_998)));
        assert_eq!(transmit.stamped(2_998, at(2_998_300)), None);
        assert_eq!(transmit.stamped(2_997, at(2_997_300)), None, "nobody waits for it");
        assert_eq!(transmit.stamped(950, at(950_300)), None, "too long ago");
        assert_eq!(transmit.stamped(2_996, at(2_000_000)), None, "before it left");
    }

    #[test]
    fn a_stamp_of_an_earlier_count_is_not_taken_for_a_new_one() {
        let mut transmit = Transmit::new();
        transmit.sent(Some(Token(1)), at(0));
        transmit.restart();
        assert_eq!(transmit.stamped(0, at(300)), None, "nothing was sent yet");
        transmit.sent(Some(Token(2)), at(50_000));
        assert_eq!(transmit.stamped(0, at(300)), None, "before it left");
    }

    #[test]
    fn a_card_that_never_stamps_is_not_waited_for() {
        let mut transmit = Transmit::new();
        for i in 0..u64::from(4 * GIVE_UP) {
            transmit.sent(Some(Token(i)), at(i as i64));
            assert!(transmit.answers(), "a batch may be on its way");
        }
        transmit.sent(Some(Token(99)), at(0) + PATIENCE);
        assert!(!transmit.answers());
        transmit.stamped(3, at(9));
        assert!(transmit.answers(), "until it does");
    }
}
