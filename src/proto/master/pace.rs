//! How fast polls may follow each other.
//!
//! Slots are spread over the round, so polls are too, unless the master was held up: then hundreds
//! are due at once, and their replies would come as one gust, too much for a switch or for our
//! own receive buffer. So after a gust of a stated size polls go on at twice the everyday pace
//! (the generic cell rate algorithm, ITU-T I.371).

use crate::time::{Local, Span, Time};

/// So many polls may leave at once. Their replies are 64 KB on the wire, and 0.6 MB in the receive
/// buffer of a card that gives each datagram a page's half.
pub(super) const GUST: u64 = 256;
/// After a gust, so many times faster than it takes to poll everybody once a round.
const HASTE: u64 = 2;
/// The pace is never less than so many polls a second, 41 Mbit/s on the wire: rounds may be long, and
/// many who join are polled for the first time within a second.
const LEAST: f64 = 20_000.0;

/// The pace of polls.
#[derive(Debug)]
pub(super) struct Pace {
    /// Polls that have left and that the greatest pace has not made up for yet, at `then`. Polls,
    /// not time: the pace changes with the number of slaves.
    ahead: f64,
    then: Time<Local>,
}

impl Pace {
    pub(super) fn new(now: Time<Local>) -> Self {
        Self { ahead: 0.0, then: now }
    }

    /// Counts one poll of the `polls` that each `interval` takes, and says until when it must wait
    /// for its turn, if at all.
    pub(super) fn wait(
        &mut self,
        now: Time<Local>,
        polls: u64,
        interval: Span,
    ) -> Option<Time<Local>> {
        let share = (interval.as_secs_f64() / (HASTE * polls.max(1)) as f64).min(1.0 / LEAST);
        let made_up = (now - self.then).as_secs_f64() / share;
        let ahead = (self.ahead - made_up).max(0.0);
        (self.ahead, self.then) = (ahead + 1.0, now);
        let beyond = ahead - (GUST - 1) as f64;
        (beyond > 0.0).then(|| now + Span::from_secs_f64(beyond * share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Span = Span::from_secs(1);

    #[test]
    fn an_even_round_is_never_held_up_and_a_gust_is() {
        let mut pace = Pace::new(Time::from_nanos(0));
        let polls = 10_000;
        for i in 0..polls {
            let now = Time::from_nanos(i as i64 * 100_000);
            assert_eq!(pace.wait(now, polls, SECOND), None);
        }
        // Half a second in which nothing could be sent.
        let now = Time::from_nanos(1_500_000_000);
        let mut waits: Vec<_> = (0..5_000).map(|_| pace.wait(now, polls, SECOND)).collect();
        assert!(waits[..GUST as usize].iter().all(Option::is_none));
        let last = waits.pop().flatten().unwrap();
        let expected = Span::from_micros(50 * (4_999 - (GUST - 1))).as_offset();
        assert!((last.since(now).as_offset() - expected).abs() < Span::from_micros(50));
        for window in waits[GUST as usize..].windows(2) {
            let apart = window[1].unwrap() - window[0].unwrap();
            assert!((apart.as_nanos() - 50_000).abs() < 10, "{apart:?}");
        }
    }

    #[test]
    fn who_joins_a_small_cluster_with_many_is_not_held_up() {
        let mut pace = Pace::new(Time::from_nanos(0));
        // Ten thousand a second, each polled once a second from then on.
        for i in 0..20_000u32 {
            let t = (f64::from(i) / 5_000.0).sqrt();
            let now = Time::from_nanos(0) + Span::from_secs_f64(t);
            assert_eq!(pace.wait(now, 1 + (10_000.0 * t) as u64, SECOND), None, "{i}");
        }
    }

    #[test]
    fn a_small_cluster_is_a_gust() {
        let mut pace = Pace::new(Time::from_nanos(0));
        let now = Time::from_nanos(9);
        assert!((0..GUST).all(|_| pace.wait(now, 24, SECOND).is_none()));
    }
}
