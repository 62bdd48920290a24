//! Whether what a master says can be true: a master gone mad must not take its slaves along.
//!
//! A slave cannot know which of two clocks has jumped, the master's or its own. So it holds its
//! course first, and gives in only to a master that says the same again and again: soon where the
//! difference is small, late where it is large. Then it slews, as always.

use crate::clock::Target;
use crate::proto::steering::RATE_BELIEVED;
use crate::time::{Local, Offset, Rate, Span, Time};
use crate::wire::{BootId, NodeId, Term};

/// Cluster time may move by so many bounds, of what was known and of what is new together.
const BOUNDS: u32 = 5;
/// Bounds narrower than this are not multiplied.
const LEAST_BOUND: Span = Span::from_micros(2);
/// How fast a bound grows with its age (design figure of quartz).
const RHO: Rate = Rate::from_ppm(15.0);
/// The rate may change by so much a round, once it is known.
const RATE_CHANGE: Rate = Rate::from_ppm(1.0);
/// While cluster time is being formed it moves: so many first adjusts of the first master are
/// taken as they come.
const FREE: u32 = 5;
/// A rate is known after so many adjusts of one master.
const LOCKED: u32 = 16;
/// What is beyond 10 ms or 10 ppm is large.
const SMALL: Span = Span::from_millis(10);
const SMALL_RATE: Rate = Rate::from_ppm(10.0);
/// So often in a row a master must say the same until it is believed: of a small difference or
/// in a new reign, and of a large one.
const SOON: u32 = 3;
const LATE: u32 = 30;

/// One reign of one master.
pub(super) type Source = (NodeId, BootId, Term);

/// What is to be done with an adjust.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ruling {
    /// It is followed.
    Follow,
    /// It is followed, after some that were not.
    FollowAgain,
    /// It is not followed.
    Hold(Difference),
}

/// What an adjust says minus what was known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    /// Cluster time.
    pub(super) by: Offset,
    /// Its rate.
    pub(super) rate: Rate,
    /// The first of a row that is not followed.
    pub(super) first: bool,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    source: Source,
    round: u32,
    interval: Span,
    target: Target,
}

/// What was followed, and what was not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sanity {
    followed: Option<Known>,
    /// Adjusts of this master that were followed, since it was elected.
    count: u32,
    /// More than one master was followed, or one that was elected again.
    turned: bool,
    /// The newest that was not followed, and how many in a row said the same.
    contested: Option<(Known, u32)>,
}

impl Sanity {
    /// Whether this round of this reign, or a later one, has been judged before.
    pub(super) fn has_judged(&self, source: Source, round: u32) -> bool {
        let contested = self.contested.as_ref().map(|(known, _)| known);
        let judged = |known: &Known| known.source == source && round <= known.round;
        self.followed.as_ref().into_iter().chain(contested).any(judged)
    }

    /// Whether what was followed last is another source's than what was followed before.
    pub(super) fn has_turned(&self) -> bool {
        self.count == 1
    }

    pub(super) fn judge(
        &mut self,
        now: Time<Local>,
        source: Source,
        (round, interval): (u32, Span),
        target: Target,
    ) -> Ruling {
        let new = Known { source, round, interval, target };
        let Some(old) = self.followed.filter(|_| target.map.rate.abs() <= RATE_BELIEVED) else {
            if target.map.rate.abs() <= RATE_BELIEVED {
                return self.follow(new);
            }
            let nothing = Difference { by: Offset::ZERO, rate: target.map.rate, first: false };
            let difference = self.followed.map_or(nothing, |old| new.minus(&old, now));
            // However often it is said.
            return self.hold(new, 0, difference);
        };
        let ours = new.continues(&old);
        let free = ours && !self.turned && self.count < FREE;
        let difference = new.minus(&old, now);
        let locked = ours && self.count >= LOCKED;
        if free || difference.is_within(&old, &new, now, locked) {
            return self.follow(new);
        }
        let again = self.contested.filter(|(contested, _)| {
            new.continues(contested)
                && new.minus(contested, now).is_within(contested, &new, now, true)
        });
        let count = again.map_or(1, |(_, count)| count.saturating_add(1));
        let small = difference.by.abs() <= SMALL && difference.rate.abs() <= SMALL_RATE;
        if count >= if small || !ours { SOON } else { LATE } {
            return self.follow(new);
        }
        self.hold(new, count, difference)
    }

    fn follow(&mut self, new: Known) -> Ruling {
        let same = self.followed.is_some_and(|old| new.continues(&old));
        self.turned |= self.followed.is_some() && !same;
        self.count = if same { self.count.saturating_add(1) } else { 1 };
        self.followed = Some(new);
        match self.contested.take() {
            Some(_) => Ruling::FollowAgain,
            None => Ruling::Follow,
        }
    }

    fn hold(&mut self, new: Known, count: u32, difference: Difference) -> Ruling {
        let first = self.contested.is_none();
        self.contested = Some((new, count));
        Ruling::Hold(Difference { first, ..difference })
    }
}

impl Known {
    /// Whether the same master goes on, perhaps in a higher term. Who is elected again counts its rounds anew,
    /// and knows the rates as little as at the first time. It may not be heard before it has counted
    /// further than ever before; then all of its rounds have begun since.
    fn continues(&self, old: &Known) -> bool {
        let ((id, boot, term), (old_id, old_boot, old_term)) = (self.source, old.source);
        let goes_on = self.round > old.round && self.began() <= old.target.map.at;
        (id, boot) == (old_id, old_boot) && (term == old_term || goes_on)
    }

    /// When the first of the master's rounds began, were all of them as long as these.
    fn began(&self) -> Time<Local> {
        self.target.map.at - self.interval.times(self.round)
    }

    fn minus(&self, old: &Known, now: Time<Local>) -> Difference {
        let (new, old) = (&self.target.map, &old.target.map);
        let (by, rate) = (new.reading(now) - old.reading(now), new.rate - old.rate);
        Difference { by, rate, first: false }
    }

    fn bound(&self, now: Time<Local>) -> Span {
        let age = (now - self.target.map.at).ahead();
        self.target.bound.max(LEAST_BOUND) + RHO.gain_over(age.as_offset()).abs()
    }
}

impl Difference {
    fn is_within(&self, old: &Known, new: &Known, now: Time<Local>, locked: bool) -> bool {
        let rounds = new.round.saturating_sub(old.round).max(1);
        let most = Rate::from_ppb(RATE_CHANGE.as_ppb() * f64::from(rounds));
        let bound = (old.bound(now) + new.bound(now)).times(BOUNDS);
        self.by.abs() <= bound && (!locked || self.rate.abs() <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Map;

    const OURS: Source = (NodeId(1), BootId(1), Term(1));

    /// A master that says a second after a second that cluster time is Local, but for a lie.
    struct Talk {
        sanity: Sanity,
        second: i64,
        round: u32,
        source: Source,
    }

    impl Talk {
        fn locked() -> Self {
            let mut talk = Self { sanity: Sanity::default(), second: 0, round: 0, source: OURS };
            talk.says(20, 0, 0.0);
            talk
        }

        /// So many adjusts in a row; how many of them were held.
        fn says(&mut self, rounds: u32, ahead_us: i64, rate_ppm: f64) -> usize {
            let ruling = |talk: &mut Self| talk.once(ahead_us, rate_ppm);
            (0..rounds).filter(|_| matches!(ruling(self), Ruling::Hold(_))).count()
        }

        fn once(&mut self, ahead_us: i64, rate_ppm: f64) -> Ruling {
            (self.round, self.second) = (self.round + 1, self.second + 1);
            let nanos = self.second * 1_000_000_000;
            let at = Time::from_nanos(nanos);
            let reads = Time::from_nanos(nanos + ahead_us * 1_000);
            let map = Map { at, reads, rate: Rate::from_ppm(rate_ppm) };
            let bound = Span::from_micros(50);
            let until = at + Span::from_secs(10);
            let target = Target { map, sigma: Span::ZERO, bound, doubt: bound, until };
            self.sanity.judge(at, self.source, (self.round, Span::from_secs(1)), target)
        }
    }

    #[test]
    fn what_is_within_five_bounds_is_followed_and_what_is_beyond_is_held() {
        assert_eq!(Talk::locked().says(1, 500, 0.0), 0);
        assert_eq!(Talk::locked().says(1, 600, 0.0), 1);
        assert_eq!(Talk::locked().says(1, -600, 0.0), 1);
        assert_eq!(Talk::locked().says(1, 0, 0.9), 0);
        assert_eq!(Talk::locked().says(1, 0, 1.1), 1);
    }

    #[test]
    fn it_is_said_once_in_a_row_and_the_end_too() {
        let mut talk = Talk::locked();
        let Ruling::Hold(first) = talk.once(700_000, 0.0) else { panic!("it is held") };
        assert!(first.first && first.by == Offset::from_nanos(700_000_000));
        let Ruling::Hold(second) = talk.once(-3_000, 0.0) else { panic!("it is held") };
        assert!(!second.first);
        assert_eq!(talk.once(0, 0.0), Ruling::FollowAgain);
        assert_eq!(talk.once(0, 0.0), Ruling::Follow);
    }

    #[test]
    fn a_master_is_believed_soon_of_little_and_late_of_much() {
        assert_eq!(Talk::locked().says(40, 1_000, 0.0), 2);
        assert_eq!(Talk::locked().says(40, 700_000, 0.0), 29);
        let mut talk = Talk::locked();
        // Mad, and not twice in the same way.
        let held = (0..200).map(|n| talk.says(1, 50_000 * (1 + n % 7), 0.0)).sum::<usize>();
        assert_eq!(held, 200);
        assert_eq!(talk.says(5, 0, 0.0), 0, "it was right all the while");
    }

    #[test]
    fn no_rate_beyond_the_limit_is_ever_believed() {
        assert_eq!(Talk::locked().says(100, 0, 501.0), 100);
        let mut fresh = Talk { sanity: Sanity::default(), second: 0, round: 0, source: OURS };
        assert_eq!(fresh.says(50, 0, -501.0), 50);
        assert_eq!(fresh.says(50, 0, -499.0), 0);
    }

    #[test]
    fn another_master_needs_to_say_it_three_times() {
        let mut talk = Talk::locked();
        talk.source = (NodeId(1), BootId(2), Term(1));
        assert_eq!(talk.says(1, 100, 3.0), 0, "near enough, and its rate is its own");
        let mut talk = Talk::locked();
        talk.source = (NodeId(2), BootId(1), Term(1));
        assert_eq!(talk.says(20, 30_000, 0.0), 2);
    }

    #[test]
    fn no_round_is_judged_twice_whether_it_was_held_or_followed() {
        let mut talk = Talk::locked();
        assert!(talk.sanity.has_judged(OURS, talk.round), "a copy, or one that was overtaken");
        assert!(!talk.sanity.has_judged(OURS, talk.round + 1));
        talk.once(700_000, 0.0);
        assert!(talk.sanity.has_judged(OURS, talk.round));
        assert!(!talk.sanity.has_judged(OURS, talk.round + 1));
        assert!(!talk.sanity.has_judged((NodeId(2), BootId(1), Term(1)), talk.round));
    }

    #[test]
    fn a_master_that_is_elected_again_is_heard_though_its_rounds_begin_anew() {
        let mut talk = Talk::locked();
        talk.says(9, 1_500_000, 0.0);
        let again = (NodeId(1), BootId(1), Term(3));
        assert!(talk.sanity.has_judged(OURS, 1), "it said so before");
        assert!(!talk.sanity.has_judged(again, 1));
        (talk.source, talk.round) = (again, 0);
        assert_eq!(talk.says(20, 30_000, 40.0), 2, "as any other in a new reign");
    }

    #[test]
    fn a_master_that_is_elected_again_begins_anew_however_late_it_is_heard() {
        let again = || {
            let mut talk = Talk::locked();
            // It was out of office from the 30th second to the 70th.
            (talk.source, talk.round, talk.second) = ((NodeId(1), BootId(1), Term(3)), 30, 100);
            talk
        };
        let mut talk = again();
        assert_eq!(talk.says(1, 0, 40.0), 0, "its rate is its own");
        assert!(talk.sanity.has_turned());
        assert_eq!(talk.says(1, 0, 30.0), 0, "and is hardly known");
        assert_eq!(again().says(20, 30_000, 0.0), 2, "as any other in a new reign");
    }

    #[test]
    fn a_master_that_goes_on_in_a_higher_term_is_believed_no_sooner() {
        let mut talk = Talk::locked();
        talk.source = (NodeId(1), BootId(1), Term(2));
        assert_eq!(talk.says(1, 0, 1.1), 1, "its rates are known");
        assert_eq!(talk.says(40, 700_000, 0.0), 29);
    }
}
