//! The free-running clock of a node.

use crate::os;
use crate::time::{Local, Map, Rate, Raw, Shown, Time};

/// A node's oscillator: what its [`Local`] is made of.
///
/// On a machine of its own, Local is the raw counter itself. For a trial with several nodes on
/// one machine a drift bends it around the node's start,
///
/// ```text
/// local = raw + drift · (raw − start)
/// ```
///
/// so that each node really has a bad oscillator of its own, while the raw counter stays a truth
/// common to all: an observer compares the nodes' Shown at one raw instant through
/// [`over_raw`](Self::over_raw).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Oscillator {
    start: Time<Raw>,
    drift: Rate,
}

impl Oscillator {
    /// The greatest drift, ±10 %.
    pub const MAX_DRIFT: Rate = Rate::from_ppm(100_000.0);

    /// The machine's own: Local is the raw counter.
    pub const fn plain() -> Self {
        Self { start: Time::from_nanos(0), drift: Rate::ZERO }
    }

    /// One that runs at `drift` against the raw counter, and agrees with it at `start`. The drift
    /// is clamped to ±[`MAX_DRIFT`](Self::MAX_DRIFT).
    pub const fn drifting(start: Time<Raw>, drift: Rate) -> Self {
        Self { start, drift: drift.clamp_abs(Self::MAX_DRIFT) }
    }

    /// One that starts to drift now.
    pub fn drifting_from_now(drift: Rate) -> Self {
        Self::drifting(os::monotonic_raw(), drift)
    }

    /// Local, now.
    pub fn read(&self) -> Time<Local> {
        self.local_at(os::monotonic_raw())
    }

    /// Its rate against the raw counter.
    pub const fn drift(&self) -> Rate {
        self.drift
    }

    /// What Local reads at a raw instant.
    pub fn local_at(&self, raw: Time<Raw>) -> Time<Local> {
        Time::from_nanos((raw + self.drift.gain_over(raw - self.start)).as_nanos())
    }

    /// The raw instant at which Local reads `local`, to the nanosecond.
    pub fn raw_at(&self, local: Time<Local>) -> Time<Raw> {
        let since = Time::<Raw>::from_nanos(local.as_nanos()) - self.start;
        self.start + since + self.drift.reversed().gain_over(since)
    }

    /// A map over Local as a map over the raw counter: the same clock, seen by an observer on
    /// this machine. It agrees with the original to a nanosecond.
    pub fn over_raw(&self, map: &Map<Local, Shown>) -> Map<Raw, Shown> {
        let at = self.raw_at(map.at);
        // The anchor again from the rounded raw instant, lest a clock that is anchored anew at
        // each look seem to jitter.
        let reads = map.reading(self.local_at(at));
        Map { at, reads, rate: map.rate.on_top_of(self.drift) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Adjustment, Clock, VirtualClock};
    use crate::time::Offset;

    fn raw(nanos: i64) -> Time<Raw> {
        Time::from_nanos(nanos)
    }

    const START: i64 = 86_400_000_000_123;

    #[test]
    fn a_drift_bends_local_around_the_start() {
        let slow = Oscillator::drifting(raw(START), Rate::from_ppm(-40.0));
        assert_eq!(slow.local_at(raw(START)).as_nanos(), START);
        let later = START + 1_000_000_000;
        assert_eq!(slow.local_at(raw(later)).as_nanos(), later - 40_000);
        assert_eq!(Oscillator::plain().local_at(raw(later)).as_nanos(), later);
    }

    #[test]
    fn the_inverse_is_the_inverse() {
        for ppm in [-100_000.0, -40.0, 0.0, 0.003, 17.3, 100_000.0] {
            let oscillator = Oscillator::drifting(raw(START), Rate::from_ppm(ppm));
            for days in [-1i64, 0, 1, 400] {
                let then = raw(START + days * 86_400_000_000_007);
                let back = oscillator.raw_at(oscillator.local_at(then)) - then;
                assert!(back.abs().as_nanos() <= 1, "{ppm} ppm, {days} days: {back:?}");
            }
        }
    }

    #[test]
    fn an_observer_sees_what_the_node_shows() {
        let oscillator = Oscillator::drifting(raw(START), Rate::from_ppm(-40.0));
        let start = oscillator.local_at(raw(START));
        let mut clock = VirtualClock::new(start, Time::from_nanos(1 << 60), Rate::ZERO);
        for minute in 1..200i64 {
            let now = raw(START + minute * 60_000_000_001);
            let rate = Rate::from_ppm((minute % 7) as f64 * 100.0 - 250.0);
            let map = clock.steer(oscillator.local_at(now), Adjustment::Run { rate }).unwrap();
            let seen = oscillator.over_raw(&map);
            for ahead in [-5_000_000_000i64, 0, 1, 59_000_000_000] {
                let then = now + Offset::from_nanos(ahead);
                let shown = clock.reading(oscillator.local_at(then));
                let apart = seen.reading(then) - shown;
                assert!(apart.abs().as_nanos() <= 2, "{apart:?}");
            }
        }
    }

    #[test]
    fn local_runs() {
        let oscillator = Oscillator::drifting_from_now(Rate::from_ppm(100.0));
        let first = oscillator.read();
        let second = oscillator.read();
        assert!(second >= first && oscillator.drift() == Rate::from_ppm(100.0));
    }
}
