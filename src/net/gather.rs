//! Whether the loop lets datagrams gather before it looks at them.
//!
//! To be woken for each of many datagrams costs more than the datagrams do: the scheduler's work, and
//! caches that another has used meanwhile. Network cards have moderated their interrupts for that reason
//! since the nineties (Mogul and Ramakrishnan, *Eliminating Receive Livelock in an Interrupt-Driven
//! Kernel*, 1996). So where many come, and it does not matter when they are read, the loop turns to them
//! every other millisecond. It does not even let the kernel announce them meanwhile: an announcement that
//! nobody waits for, one for each datagram and each stamp, takes a twentieth of all that an exchange costs.

use crate::time::{Local, Span, Time};

/// From so many datagrams a second on…
const MANY: u64 = 2_000;
/// …as counted over this time at least…
const WINDOW: Span = Span::from_millis(50);
/// …a turn begins no sooner after the last one did.
const APART: Span = Span::from_millis(2);

/// Counts what comes and spaces the turns.
#[derive(Debug)]
pub(super) struct Gather {
    /// Where the window began, and how many had come before it.
    since: Time<Local>,
    before: u64,
    many: bool,
    gathers: bool,
    /// When the last turn began.
    turned: Time<Local>,
}

impl Gather {
    pub(super) fn new(now: Time<Local>) -> Self {
        Self { since: now, before: 0, many: false, gathers: false, turned: now }
    }

    /// Whether the present turn's datagrams were let gather: then what it sends may wait for its end, and the
    /// kernel alone tells when that left.
    pub(super) fn gathers(&self) -> bool {
        self.gathers
    }

    /// How long datagrams gather at `now` before the next turn begins, where they `may`, when `come` have been
    /// received since the start; no time at all where the turn is late. Nothing: few come, and are announced.
    pub(super) fn rest(&mut self, now: Time<Local>, come: u64, may: bool) -> Option<Span> {
        let window = now.since(self.since);
        if window >= WINDOW {
            let came = come.saturating_sub(self.before).saturating_mul(1_000_000_000);
            self.many = came >= MANY.saturating_mul(window.as_nanos());
            (self.since, self.before) = (now, come);
        }
        self.gathers = may && self.many;
        let due = self.turned + APART;
        let rest = if self.gathers && now < due { due.since(now).min(APART) } else { Span::ZERO };
        self.turned = now + rest;
        self.gathers.then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time<Local> = Time::from_nanos(0);

    /// How many turns of 0.1 ms there are in a second, where so many datagrams a second come.
    fn turns(rate: u64) -> u64 {
        let mut gather = Gather::new(START);
        let (mut now, mut turns) = (START, 0);
        while now < START + Span::from_secs(1) {
            let come = now.since(START).as_nanos() * rate / 1_000_000_000;
            let rest = gather.rest(now, come, true).unwrap_or(Span::ZERO);
            now = now + rest + Span::from_micros(100);
            turns += 1;
        }
        turns
    }

    #[test]
    fn many_are_looked_at_every_other_millisecond_and_few_at_once() {
        assert_eq!(turns(1_000), 10_000);
        // The first window's turns are not spaced.
        assert!((900..1_050).contains(&turns(10_000)), "{}", turns(10_000));
    }

    /// One to which many came in the first window.
    fn busy() -> (Gather, Time<Local>) {
        let mut gather = Gather::new(START);
        let now = START + WINDOW;
        let rest = gather.rest(now, 1_000, true);
        assert_eq!(rest, Some(Span::ZERO), "who is late already is not made later");
        (gather, now)
    }

    #[test]
    fn a_quiet_window_ends_it() {
        let (mut gather, now) = busy();
        assert!(gather.rest(now + Span::from_micros(1), 1_000, true).is_some());
        assert!(gather.gathers());
        let later = now + Span::from_secs(1);
        assert_eq!(gather.rest(later, 1_001, true), None);
        assert_eq!(gather.rest(later + Span::from_micros(1), 1_001, true), None);
        assert!(!gather.gathers(), "what is sent does not wait for more");
    }

    #[test]
    fn turns_that_might_not_wait_leave_no_debt() {
        let (mut gather, mut now) = busy();
        for _ in 0..300 {
            now = now + Span::from_micros(100);
            assert_eq!(gather.rest(now, 1_000, false), None);
        }
        now = now + Span::from_micros(100);
        assert_eq!(gather.rest(now, 2_000, true), Some(APART - Span::from_micros(100)));
    }
}
