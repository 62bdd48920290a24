//! From the kernel's timestamps to Local.

use super::Oscillator;
use crate::os;
use crate::time::{Local, Offset, Rate, Raw, Shown, Span, Time};

/// The raw counter and the system clock, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The raw counter, in the middle of the two readings around the system clock's.
    pub raw: Time<Raw>,
    /// The system clock.
    pub real: Time<Shown>,
    /// How far apart the two raw readings are: the pair is true within half of it.
    pub width: Span,
}

impl Pair {
    /// The narrowest of a few pairs; under a microsecond of work where nothing interrupts it.
    pub fn take() -> Self {
        Self::within(Span::ZERO)
    }

    /// The first pair that is no wider than `width`, or the narrowest of a few.
    fn within(width: Span) -> Self {
        const TRIES: u32 = 4;
        let mut best = Self::take_once();
        for _ in 1..TRIES {
            if best.width <= width {
                break;
            }
            let next = Self::take_once();
            if next.width <= best.width {
                best = next;
            }
        }
        best
    }

    fn take_once() -> Self {
        let before = os::monotonic_raw();
        let real = os::realtime();
        let width = os::monotonic_raw().since(before);
        Self { raw: before + width.over(2), real, width }
    }
}

/// Carries timestamps on the system clock, as the kernel gives them, over to Local.
///
/// The driver looks at the clocks ([`refresh`](Self::refresh)) at least at each wake-up: after it
/// has received, before it carries. A stamp is then carried back over its short age, from the
/// youngest pair of readings.
///
/// The system clock may be stepped or steered meanwhile, by anybody. Its rate is measured from
/// pairs at least 50 ms apart. A step is noticed as a jump against that rate of more than 20 µs
/// and 1000 ppm of the time since the last look; then whatever was stamped before the younger
/// look is dropped, since nobody knows on which side of the step it lies.
#[derive(Debug, Clone)]
pub struct Carrier {
    oscillator: Oscillator,
    last: Pair,
    /// The older end of the stretch over which the rate is being measured.
    base: Pair,
    /// Of the system clock against the raw counter.
    rate: Rate,
    /// The system clock has not been stepped since it read this.
    unbroken_since: Time<Shown>,
}

/// Shorter stretches give no good rate: a pair is some 100 ns wide.
const STRETCH: Span = Span::from_millis(50);
/// A stamp that waited longer is not worth carrying: 2 ppm of error in the rate make 0.4 µs of it.
const OLDEST: Span = Span::from_millis(200);
/// A stamp cannot be younger than the pair taken after it, but for the width of the pair.
const YOUNGEST: Span = Span::from_micros(1);
const STEP: Span = Span::from_micros(20);
/// All that steering can do without a step: adjtime's ±500 ppm on top of a frequency of ±500 ppm.
const STEERING: Rate = Rate::from_ppm(1_000.0);

impl Carrier {
    /// One that carries to the Local of `oscillator`.
    pub fn new(oscillator: Oscillator) -> Self {
        Self::starting(oscillator, Pair::take())
    }

    fn starting(oscillator: Oscillator, pair: Pair) -> Self {
        let unbroken_since = pair.real - OLDEST;
        Self { oscillator, last: pair, base: pair, rate: Rate::ZERO, unbroken_since }
    }

    /// Looks at the clocks. Returns by how much the system clock was stepped since the last look,
    /// where it was: stamps from before are lost, and will not be carried.
    pub fn refresh(&mut self) -> Option<Offset> {
        // The last was the narrowest of a few, or no wider than such a one.
        self.advance(Pair::within(self.last.width))
    }

    fn advance(&mut self, pair: Pair) -> Option<Offset> {
        let elapsed = pair.raw - self.last.raw;
        let expected = elapsed + self.rate.gain_over(elapsed);
        let jump = (pair.real - self.last.real) - expected;
        let allowed = STEP + pair.width + self.last.width + STEERING.gain_over(elapsed).ahead();
        self.last = pair;
        if jump.abs() > allowed {
            self.base = pair;
            self.unbroken_since = pair.real;
            return Some(jump);
        }
        let stretch = pair.raw - self.base.raw;
        if stretch >= STRETCH.as_offset() {
            let gain = (pair.real - self.base.real) - stretch;
            self.rate = Rate::from_ratio(gain.as_secs_f64() / stretch.as_secs_f64());
            self.base = pair;
        }
        None
    }

    /// The instant of a kernel stamp on Local. `None` where it lies before a step of the clock,
    /// is older than 200 ms, or lies in the future: use a reading of your own instead.
    pub fn carry(&self, stamp: Time<Shown>) -> Option<Time<Local>> {
        let age = self.last.real - stamp;
        let known = stamp >= self.unbroken_since
            && age <= OLDEST.as_offset()
            && age >= -YOUNGEST.as_offset();
        known.then(|| {
            let ago = age + self.rate.reversed().gain_over(age);
            self.oscillator.local_at(self.last.raw - ago)
        })
    }

    /// How well the last look pins the two clocks together: the width of its pair.
    pub fn width(&self) -> Span {
        self.last.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: i64 = 1_700_000_000_000_000_000;

    fn pair(raw: i64, real: i64) -> Pair {
        Pair {
            raw: Time::from_nanos(raw),
            real: Time::from_nanos(EPOCH + real),
            width: Span::from_nanos(60),
        }
    }

    /// A carrier that has looked twenty times, every 10 ms, at a system clock 400 ppm fast.
    fn settled() -> (Carrier, i64) {
        let mut carrier = Carrier::starting(Oscillator::plain(), pair(0, 0));
        let mut raw = 0;
        for _ in 0..20 {
            raw += 10_000_000;
            assert_eq!(carrier.advance(pair(raw, fast(raw))), None);
        }
        (carrier, raw)
    }

    fn fast(raw: i64) -> i64 {
        raw + raw / 2_500
    }

    fn stamp(real: i64) -> Time<Shown> {
        Time::from_nanos(EPOCH + real)
    }

    #[test]
    fn a_stamp_is_carried_at_the_rate_of_the_system_clock() {
        let (carrier, raw) = settled();
        for age in [0i64, 1_000, 50_000_000] {
            let local = carrier.carry(stamp(fast(raw - age))).unwrap();
            let apart = local - Time::from_nanos(raw - age);
            assert!(apart.abs().as_nanos() <= 1, "{apart:?}");
        }
    }

    #[test]
    fn a_drift_of_local_is_followed() {
        let oscillator = Oscillator::drifting(Time::from_nanos(0), Rate::from_ppm(-40.0));
        let carrier = Carrier::starting(oscillator, pair(1_000_000_000, 0));
        let local = carrier.carry(stamp(-100_000_000)).unwrap();
        assert_eq!(local.as_nanos(), 900_000_000 - 36_000);
    }

    #[test]
    fn what_was_stamped_before_a_step_is_dropped() {
        for step in [-3_600_000_000_000i64, -100_000, 100_000, 3_600_000_000_000] {
            let (mut carrier, mut raw) = settled();
            let before = stamp(fast(raw) - 1_000);
            let dubious = fast(raw) + step + 500;
            raw += 1_000_000;
            let seen = carrier.advance(pair(raw, fast(raw) + step)).unwrap();
            assert!((seen.as_nanos() - step).abs() <= 1_000, "{seen:?}");
            assert_eq!(carrier.carry(before), None);
            assert_eq!(carrier.carry(stamp(dubious)), None);
            raw += 1_000_000;
            assert_eq!(carrier.advance(pair(raw, fast(raw) + step)), None);
            let local = carrier.carry(stamp(fast(raw - 300) + step)).unwrap();
            assert!((local.as_nanos() - (raw - 300)).abs() <= 1);
        }
    }

    #[test]
    fn slewing_is_not_taken_for_a_step() {
        let (mut carrier, start) = settled();
        for look in 1..100 {
            let raw = start + look * 100_000_000;
            let slewed = fast(start) + (raw - start) - (raw - start) / 2_500;
            assert_eq!(carrier.advance(pair(raw, slewed)), None, "look {look}");
        }
    }

    #[test]
    fn what_cannot_be_is_not_carried() {
        let (carrier, raw) = settled();
        assert_eq!(carrier.carry(stamp(fast(raw) + 5_000)), None);
        assert_eq!(carrier.carry(stamp(fast(raw) - 300_000_000)), None);
        assert_eq!(carrier.carry(Time::from_nanos(0)), None);
        assert_eq!(carrier.carry(Time::from_nanos(i64::MIN)), None);
    }

    #[test]
    fn own_readings_of_the_system_clock_are_carried_to_where_they_were_taken() {
        let mut carrier = Carrier::new(Oscillator::plain());
        for _ in 0..100 {
            let before = os::monotonic_raw().as_nanos();
            let stamp = os::realtime();
            let after = os::monotonic_raw().as_nanos();
            if carrier.refresh().is_some() {
                return println!("not tested: this machine's clock was stepped");
            }
            let local = carrier.carry(stamp).unwrap().as_nanos();
            let slack = 2_000 + carrier.width().as_nanos() as i64;
            assert!(before - slack <= local && local <= after + slack);
        }
    }
}
