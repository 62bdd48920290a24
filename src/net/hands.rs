//! Other hands on the clock: when to look for them, and when to speak of them.

use crate::time::{Local, Span, Time};

/// How often the clock is looked at where nothing else asks for it.
const EVERY: Span = Span::from_secs(1);
/// A hand that comes back sooner was never gone: another daemon steers every few seconds.
const QUIET: Span = Span::from_secs(300);

/// What is remembered of other hands on the clock.
#[derive(Debug)]
pub(super) struct Hands {
    /// They are allowed.
    shared: bool,
    next: Time<Local>,
    last: Option<Time<Local>>,
}

impl Hands {
    pub(super) fn new(now: Time<Local>) -> Self {
        Self { shared: false, next: now + EVERY, last: None }
    }

    pub(super) fn allow(&mut self) {
        self.shared = true;
    }

    pub(super) fn allowed(&self) -> bool {
        self.shared
    }

    /// When to look at the latest.
    pub(super) fn deadline(&self) -> Time<Local> {
        self.next
    }

    /// The clock was looked at.
    pub(super) fn looked(&mut self, now: Time<Local>) {
        self.next = now + EVERY;
    }

    /// Another hand was seen; whether that is to be said.
    pub(super) fn seen(&mut self, now: Time<Local>) -> bool {
        let last = self.last.replace(now);
        last.is_none_or(|last| now.since(last) >= QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_that_stays_is_spoken_of_once() {
        let at = |secs: i64| Time::from_nanos(secs * 1_000_000_000);
        let mut hands = Hands::new(at(0));
        assert!(hands.seen(at(5)));
        assert!((6..5_000).step_by(64).all(|secs| !hands.seen(at(secs))));
        assert!(hands.seen(at(5_400)), "it came back");
    }
}
