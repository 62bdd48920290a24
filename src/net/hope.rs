//! Whether timestamps of a kind are to be had at all.

use crate::time::{Local, Span, Time};

/// So many datagrams without a stamp, …
const PATIENCE: u32 = 16;
/// … over at least this time, and none is to be expected. The kernel switches stamps on in the
/// background, and a burst may be sent before its first stamp is looked at.
const LEAST: Span = Span::from_secs(2);

/// Waits for the first timestamp. Whatever is missing later is flagged where it is missing.
#[derive(Debug)]
pub(super) struct Hope {
    alive: bool,
    asked: u32,
    since: Option<Time<Local>>,
}

impl Hope {
    pub(super) fn new(alive: bool) -> Self {
        Self { alive, asked: 0, since: None }
    }

    /// Another datagram that ought to be stamped.
    pub(super) fn asked(&mut self, now: Time<Local>) {
        self.since.get_or_insert(now);
        self.asked = self.asked.saturating_add(1);
    }

    /// A stamp came: they are to be had.
    pub(super) fn met(&mut self) {
        self.alive = false;
    }

    /// Whether none is to be expected any more; true once.
    pub(super) fn is_lost(&mut self, now: Time<Local>) -> bool {
        let waited = self.since.is_some_and(|since| now.since(since) >= LEAST);
        let lost = self.alive && waited && self.asked >= PATIENCE;
        self.alive &= !lost;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time<Local> {
        Time::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn hope_is_lost_once_after_many_datagrams_and_some_time() {
        let mut hope = Hope::new(true);
        for i in 0..100 {
            hope.asked(at(i));
            assert!(!hope.is_lost(at(i)), "in the first moments");
        }
        assert!(hope.is_lost(at(2_000)) && !hope.is_lost(at(3_000)));
        let mut few = Hope::new(true);
        few.asked(at(0));
        assert!(!few.is_lost(at(60_000)), "a single one may be lost");
    }

    #[test]
    fn one_stamp_is_enough() {
        let mut hope = Hope::new(true);
        (0..99).for_each(|i| hope.asked(at(i)));
        hope.met();
        assert!(!hope.is_lost(at(9_000)));
        assert!(!Hope::new(false).is_lost(at(9_000)));
    }
}
