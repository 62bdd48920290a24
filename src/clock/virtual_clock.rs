//! A clock of the program's own: an affine map over Local, which no other program sees.

use super::{Adjustment, Clock, ClockError};
use crate::time::{Local, Map, Offset, Rate, Shown, Time};

/// Parts of a nanosecond the clock counts in: 10⁻⁹·2⁻³² ns, so that a rate in 2⁻³² ppb over
/// whole nanoseconds is a whole number of them.
const PARTS: i128 = 1_000_000_000 << 32;

/// A virtual clock: continuous at every change of rate, and exact.
///
/// The rate is held in steps of 2⁻³² ppb and the reading with the matching fraction of a
/// nanosecond, in integers. So nothing is rounded away however often the rate changes, and two
/// clocks steered alike at different instants stay alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualClock {
    at: Time<Local>,
    reads: Time<Shown>,
    /// What it reads beyond `reads`: 0 ≤ rest < [`PARTS`].
    rest: i128,
    /// In 2⁻³² ppb.
    rate: i64,
}

impl VirtualClock {
    /// The fastest and slowest it runs: ±10 %, the range of the kernel's clock. It never stands
    /// still and never runs backwards.
    pub const MAX_RATE: Rate = Rate::from_ppm(100_000.0);

    /// A clock that reads `reads` at `at` and runs at `rate` against Local, clamped to
    /// ±[`MAX_RATE`](Self::MAX_RATE).
    pub fn new(at: Time<Local>, reads: Time<Shown>, rate: Rate) -> Self {
        Self { at, reads, rest: 0, rate: parts_per_nano(rate) }
    }

    /// What it reads at `now`: the last whole nanosecond it has reached.
    pub fn reading(&self, now: Time<Local>) -> Time<Shown> {
        self.exactly(now).0
    }

    /// The rate it runs at.
    pub fn rate(&self) -> Rate {
        Rate::from_ppb(self.rate as f64 / (1i64 << 32) as f64)
    }

    fn exactly(&self, now: Time<Local>) -> (Time<Shown>, i128) {
        // Below 2^63 · 2^59: it does not overflow.
        let elapsed = now - self.at;
        let gained = i128::from(elapsed.as_nanos()) * i128::from(self.rate) + self.rest;
        let (whole, rest) = (gained.div_euclid(PARTS), gained.rem_euclid(PARTS));
        (self.reads + elapsed + Offset::from_nanos(whole as i64), rest)
    }
}

impl Clock for VirtualClock {
    fn map(&mut self, now: Time<Local>) -> Map<Local, Shown> {
        let (floor, rest) = self.exactly(now);
        let reads = floor + Offset::from_nanos(i64::from(rest * 2 >= PARTS));
        Map { at: now, reads, rate: self.rate() }
    }

    /// Never fails. A rate is clamped to ±[`VirtualClock::MAX_RATE`]; the map returned has the
    /// rate it really runs at.
    fn steer(
        &mut self,
        now: Time<Local>,
        adjustment: Adjustment,
    ) -> Result<Map<Local, Shown>, ClockError> {
        (self.reads, self.rest) = self.exactly(now);
        self.at = now;
        let rate = match adjustment {
            Adjustment::Run { rate } => rate,
            Adjustment::Step { by, rate } => {
                self.reads = self.reads + by;
                rate
            }
        };
        self.rate = parts_per_nano(rate);
        Ok(self.map(now))
    }

    fn name(&self) -> &'static str {
        "virtual"
    }
}

/// A rate in 2⁻³² ppb: what a clock gains in a nanosecond, in [`PARTS`].
fn parts_per_nano(rate: Rate) -> i64 {
    let rate = rate.clamp_abs(VirtualClock::MAX_RATE);
    (rate.as_ppb() * (1i64 << 32) as f64).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    const EPOCH: Time<Shown> = Time::from_nanos(1_700_000_000_000_000_000);

    fn at(nanos: i64) -> Time<Local> {
        Time::from_nanos(nanos)
    }

    fn run(ppb: f64) -> Adjustment {
        Adjustment::Run { rate: Rate::from_ppb(ppb) }
    }

    #[test]
    fn millions_of_changes_of_rate_do_not_drift() {
        // Irregular intervals, each far too short for a nanosecond's gain at 0.37 ppb; the sum of
        // all gains is known exactly.
        let mut clock = VirtualClock::new(at(0), EPOCH, Rate::ZERO);
        let rates = [0.375, -123.25, 40_000.5, -0.125, 7.0];
        let mut now = 0i64;
        let mut gained = 0i128; // 1e-9/8 ns
        for i in 0..3_000_000u64 {
            let ppb = rates[i as usize % rates.len()];
            clock.steer(at(now), run(ppb)).unwrap();
            let step = 1 + (i * 7_919 % 10_007) as i64;
            gained += i128::from(step) * (ppb * 8.0) as i128;
            now += step;
        }
        let expected = now + gained.div_euclid(8_000_000_000) as i64;
        assert_eq!(clock.reading(at(now)), EPOCH + Offset::from_nanos(expected));
    }

    #[test]
    fn a_change_of_rate_is_continuous_and_time_never_stands_still() {
        let mut clock = VirtualClock::new(at(5), EPOCH, Rate::from_ppm(50.0));
        let mut last = clock.reading(at(5));
        for step in 1..20_000i64 {
            let now = at(5 + step * 997);
            let before = clock.map(now);
            let sign = if step % 2 == 0 { 1.0 } else { -1.0 };
            let after = clock.steer(now, run(sign * 500_000.0)).unwrap();
            assert_eq!(before.reads, after.reads);
            let reading = clock.reading(now);
            assert!(reading > last);
            last = reading;
        }
        assert_eq!(clock.rate(), Rate::from_ppm(-500.0));
    }

    #[test]
    fn a_step_moves_it_by_just_that() {
        let mut clock = VirtualClock::new(at(0), EPOCH, Rate::ZERO);
        let by = Offset::from_nanos(-250_000_001);
        let step = Adjustment::Step { by, rate: Rate::from_ppm(-40.0) };
        let map = clock.steer(at(1_000), step).unwrap();
        assert_eq!(map.reads - EPOCH, Offset::from_nanos(1_000) + by);
        let hour = at(1_000) + Span::from_secs(3_600);
        let expected = Offset::from_nanos(3_600_000_000_000 - 144_000_000);
        assert_eq!(clock.reading(hour) - map.reads, expected);
    }

    #[test]
    fn the_map_tells_what_the_clock_will_read() {
        let mut clock = VirtualClock::new(at(77), EPOCH, Rate::from_ppb(-39_999.7));
        let map = clock.map(at(1_234_567_891));
        for hours in [-30i64, 0, 1, 24, 24 * 365] {
            let then = map.at + Offset::from_nanos(hours * 3_600_000_000_001);
            let apart = map.reading(then) - clock.reading(then);
            assert!(apart.abs().as_nanos() <= 1, "{hours} h: {apart:?}");
        }
    }

    #[test]
    fn hostile_arguments_do_no_harm() {
        let mut clock = VirtualClock::new(at(i64::MIN), EPOCH, Rate::from_ppb(1e300));
        assert_eq!(clock.rate(), VirtualClock::MAX_RATE);
        clock.map(at(i64::MAX));
        let far = Offset::from_nanos(i64::MAX);
        let step = Adjustment::Step { by: far, rate: Rate::from_ppb(-1e300) };
        assert_eq!(clock.steer(at(i64::MAX), step).unwrap().reads, Time::from_nanos(i64::MAX));
    }
}
