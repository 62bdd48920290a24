//! Whether the loop lets datagrams gather before it looks at them.
//!
//! To be woken for each of many datagrams costs more than the datagrams do: the scheduler's work, and
//! caches that another has used meanwhile. Network cards have moderated their interrupts for that reason
//! since the nineties (Mogul and Ramakrishnan, *Eliminating Receive Livelock in an Interrupt-Driven
//! Kernel*, 1996). Where the kernel stamps datagrams it does not matter when they are read; so where many
//! come the loop turns to them every other millisecond.

use crate::time::{Local, Span, Time};

/// From so many datagrams a second on…
const MANY: u64 = 2_000;
/// …as counted over this time at least…
const WINDOW: Span = Span::from_millis(50);
/// …a turn begins no sooner after the last one did.
const APART: Span = Span::from_millis(2);

/// Counts what comes and paces the turns.
#[derive(Debug)]
pub(super) struct Pace {
    /// Where the window began, and how many had come before it.
    since: Time<Local>,
    before: u64,
    many: bool,
    /// When the last turn began.
    turned: Time<Local>,
}

impl Pace {
    pub(super) fn new(now: Time<Local>) -> Self {
        Self { since: now, before: 0, many: false, turned: now }
    }

    /// How long the next turn may wait at `now`, when `come` datagrams have been received since the
    /// start; it begins thereafter.
    pub(super) fn rest(&mut self, now: Time<Local>, come: u64) -> Option<Span> {
        let window = now.since(self.since);
        if window >= WINDOW {
            let came = come.saturating_sub(self.before);
            self.many = came.saturating_mul(1_000_000_000) >= MANY * window.as_nanos();
            (self.since, self.before) = (now, come);
        }
        let due = self.turned + APART;
        let rest = self.many && now < due;
        self.turned = if rest { due } else { now };
        rest.then(|| due.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns every 0.1 ms at which `each` datagrams have come, for a second: their rests.
    fn rests(each: u64) -> Vec<Option<Span>> {
        let mut pace = Pace::new(Time::from_nanos(0));
        let turn = |i: u64| pace.rest(Time::from_nanos(i as i64 * 100_000), i * each / 10);
        (0..10_000).map(turn).collect()
    }

    #[test]
    fn few_datagrams_are_never_let_wait() {
        // 1 000 a second.
        assert!(rests(1).iter().all(Option::is_none));
    }

    #[test]
    fn many_are_looked_at_every_other_millisecond() {
        let mut pace = Pace::new(Time::from_nanos(0));
        let (mut now, mut turns) = (Time::from_nanos(0), 0);
        let end = now + Span::from_secs(1);
        while now < end {
            // 10 000 a second; a turn takes 0.1 ms.
            let come = now.since(Time::from_nanos(0)).as_nanos() / 100_000;
            now = now + pace.rest(now, come).unwrap_or(Span::ZERO) + Span::from_micros(100);
            turns += 1;
        }
        // The first window's are not paced.
        assert!((900..1_050).contains(&turns), "{turns}");
        // Who is late already is not made later.
        assert_eq!(pace.rest(now + APART, 10_000), None);
    }

    #[test]
    fn a_pause_ends_it() {
        let mut pace = Pace::new(Time::from_nanos(0));
        let start = Time::<Local>::from_nanos(0);
        pace.rest(start + WINDOW, 1_000);
        assert!(pace.rest(start + WINDOW + Span::from_micros(1), 1_000).is_some());
        let later = start + Span::from_secs(1);
        assert_eq!(pace.rest(later, 1_001), None);
        assert_eq!(pace.rest(later + Span::from_micros(1), 1_001), None);
    }
}
