//! A node's free-running clock as a pure function of true time.

use super::dice::Dice;
use crate::time::{Local, Offset, Rate, Span, Time, True};

/// A rate as a whole number of 1e-18 parts.
type Parts = i64;
/// A gain in 1e-27 s: [`Parts`] times nanoseconds. Readings are exact sums of these, so that no
/// reading depends on which readings were taken before.
type Gain = i128;

const PARTS_PER_PPB: f64 = 1e9;
const GAIN_PER_NANO: Gain = 1_000_000_000_000_000_000;
/// The rate is constant within a cell and moves from cell to cell.
const CELL: i64 = 1_000_000_000;

/// A slow periodic swing of the rate, as day and night or an air conditioner make it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sway {
    /// The rate swings by this much to either side.
    pub amplitude: Rate,
    /// Of the sinusoid; more than 2 s.
    pub period: Span,
}

/// How an oscillator runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Course {
    /// What it reads at the beginning of true time.
    pub(super) origin: Time<Local>,
    /// Its rate against the truth at the beginning.
    pub(super) rate: Rate,
    /// The rate walks: it moves by a normal draw of this deviation each second.
    pub(super) wander: Rate,
    /// On top of it all.
    pub(super) sway: Option<Sway>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    gain: Gain,
    rate: Parts,
}

/// An oscillator: readings are pure, monotonic but for jumps backwards, and exact to the
/// nanosecond over any length of time.
#[derive(Debug, Clone)]
pub(super) struct Oscillator {
    origin: Time<Local>,
    cells: Vec<Cell>,
    jumps: Vec<(Time<True>, Offset)>,
    drifts: Vec<(Time<True>, Parts)>,
    freezes: Vec<(Time<True>, Time<True>)>,
}

impl Oscillator {
    /// An oscillator whose rate wanders until `horizon` and then stays as it is. A longer horizon
    /// leaves everything before it unchanged.
    pub(super) fn new(course: Course, horizon: Span, mut dice: Dice) -> Self {
        let count = horizon.as_nanos() as usize / CELL as usize + 1;
        let mut cells = Vec::with_capacity(count);
        let (mut gain, mut walk) = (0, parts(course.rate));
        for index in 0..count {
            let rate = walk + course.sway.map_or(0, |sway| sway.at(index));
            cells.push(Cell { gain, rate });
            gain += Gain::from(rate) * Gain::from(CELL);
            if course.wander > Rate::ZERO {
                walk += parts(Rate::from_ppb(course.wander.as_ppb() * dice.normal()));
            }
        }
        Self {
            origin: course.origin,
            cells,
            jumps: Vec::new(),
            drifts: Vec::new(),
            freezes: Vec::new(),
        }
    }

    /// From `at` on it reads `by` more.
    pub(super) fn jump(&mut self, at: Time<True>, by: Offset) {
        self.jumps.push((at, by));
    }

    /// From `at` on it runs `rate` faster.
    pub(super) fn drift(&mut self, at: Time<True>, rate: Rate) {
        self.drifts.push((at, parts(rate)));
    }

    /// It stands still from `from` until `until`, and goes on from where it stood. Jumps in
    /// between are lost.
    pub(super) fn freeze(&mut self, from: Time<True>, until: Time<True>) {
        self.freezes.push((from, until));
    }

    /// What it reads at the true time `t`, which is not before the beginning.
    pub(super) fn reading(&self, t: Time<True>) -> Time<Local> {
        let missed = |&(from, until): &(Time<True>, Time<True>)| {
            self.running(t.min(until)) - self.running(t.min(from))
        };
        self.freezes.iter().fold(self.running(t), |reading, freeze| reading - missed(freeze))
    }

    /// What it would read if it had never stood still.
    fn running(&self, t: Time<True>) -> Time<Local> {
        let nanos = t.as_nanos();
        let index = (nanos / CELL).clamp(0, self.cells.len() as i64 - 1);
        let cell = self.cells[index as usize];
        let mut gain = cell.gain + Gain::from(cell.rate) * Gain::from(nanos - index * CELL);
        for &(at, rate) in &self.drifts {
            gain += Gain::from(rate) * Gain::from(t.since(at).as_nanos());
        }
        let mut reading = self.origin + Offset::from_nanos(nanos);
        for &(_, by) in self.jumps.iter().filter(|&&(at, _)| at <= t) {
            reading = reading + by;
        }
        reading + Offset::from_nanos(gain.div_euclid(GAIN_PER_NANO) as i64)
    }

    /// The true time, `from` at the earliest, at which it reads `due` or a little more.
    pub(super) fn when(&self, from: Time<True>, due: Time<Local>) -> Time<True> {
        let mut t = from;
        // Each turn leaves at most a rate's share of what was missing: after a few, nothing.
        for _ in 0..8 + 2 * self.freezes.len() {
            let missing = due.since(self.reading(t));
            if missing == Span::ZERO {
                break;
            }
            let stands = self.freezes.iter().find(|(begin, end)| *begin <= t && t < *end);
            t = stands.map_or(t + missing, |&(_, end)| end);
        }
        t
    }
}

fn parts(rate: Rate) -> Parts {
    (rate.as_ppb() * PARTS_PER_PPB).round() as Parts
}

impl Sway {
    /// In the middle of the cell.
    fn at(self, cell: usize) -> Parts {
        let turn = (cell as f64 + 0.5) * (CELL as f64 / 1e9) / self.period.as_secs_f64();
        parts(Rate::from_ppb(self.amplitude.as_ppb() * (std::f64::consts::TAU * turn).sin()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;

    const QUIET: Course = Course {
        origin: Time::from_nanos(5_000),
        rate: Rate::ZERO,
        wander: Rate::ZERO,
        sway: None,
    };

    fn dice(seed: u64) -> Dice {
        Dice::new(seed, Purpose::Wander(0))
    }

    fn at(secs: f64) -> Time<True> {
        Time::from_nanos((secs * 1e9) as i64)
    }

    fn gained(clock: &Oscillator, t: Time<True>) -> i64 {
        (clock.reading(t) - clock.origin).as_nanos() - t.as_nanos()
    }

    #[test]
    fn a_year_at_one_ppb_is_exact() {
        let course = Course { rate: Rate::from_ppb(1.0), ..QUIET };
        let clock = Oscillator::new(course, Span::from_secs(10), dice(1));
        let year = at(31_557_600.0);
        assert_eq!(gained(&clock, year), 31_557_600);
        assert_eq!(clock.reading(at(0.0)), Time::from_nanos(5_000));
    }

    #[test]
    fn reading_has_no_effects_and_the_horizon_does_not_matter() {
        let course = Course { rate: Rate::from_ppm(-30.0), wander: Rate::from_ppb(10.0), ..QUIET };
        let short = Oscillator::new(course, Span::from_secs(100), dice(1));
        let long = Oscillator::new(course, Span::from_secs(10_000), dice(1));
        let forwards: Vec<_> = (0..100).map(|s| short.reading(at(f64::from(s) + 0.3))).collect();
        let backwards: Vec<_> =
            (0..100).rev().map(|s| long.reading(at(f64::from(s) + 0.3))).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
        assert!(forwards.is_sorted());
    }

    #[test]
    fn the_rate_walks_by_its_wander() {
        // The variance of a walk of s steps is s·wander².
        let course = Course { wander: Rate::from_ppb(1.0), ..QUIET };
        let ends: Vec<f64> = (0..400)
            .map(|seed| {
                let clock = Oscillator::new(course, Span::from_secs(100), dice(seed));
                clock.cells[100].rate as f64 / PARTS_PER_PPB
            })
            .collect();
        let variance = ends.iter().map(|x| x * x).sum::<f64>() / ends.len() as f64;
        assert!((70.0..140.0).contains(&variance), "{variance} after 100 steps of 1 ppb");
    }

    #[test]
    fn jumps_drifts_and_sways_come_when_they_should() {
        let mut clock = Oscillator::new(QUIET, Span::from_secs(10), dice(1));
        clock.jump(at(3.0), Offset::from_nanos(500_000_000));
        clock.drift(at(4.0), Rate::from_ppm(2.0));
        assert_eq!(gained(&clock, at(2.9)), 0);
        assert_eq!(gained(&clock, at(3.0)), 500_000_000);
        assert_eq!(gained(&clock, at(14.0)), 500_020_000);

        let sway = Sway { amplitude: Rate::from_ppm(1.0), period: Span::from_secs(3600) };
        let course = Course { sway: Some(sway), ..QUIET };
        let clock = Oscillator::new(course, Span::from_secs(3600), dice(1));
        // ∫ over half a period: amplitude · period / π.
        let half = 1e-6 * 3600.0 / std::f64::consts::PI * 1e9;
        assert!((gained(&clock, at(1800.0)) as f64 - half).abs() < 10.0);
        assert!(gained(&clock, at(3600.0)).abs() < 10);
    }

    #[test]
    fn a_frozen_clock_stands_still_and_goes_on_from_there() {
        let mut clock = Oscillator::new(QUIET, Span::from_secs(100), dice(1));
        clock.freeze(at(10.0), at(30.0));
        assert_eq!(gained(&clock, at(10.0)), 0);
        assert_eq!(clock.reading(at(25.0)), clock.reading(at(10.0)));
        assert_eq!(gained(&clock, at(40.0)), -20_000_000_000);
        let due = clock.reading(at(5.0)) + Span::from_secs(8);
        assert_eq!(clock.when(at(5.0), due), at(33.0));
    }

    #[test]
    fn a_deadline_is_met_and_not_overshot() {
        let course = Course { rate: Rate::from_ppm(-400.0), ..QUIET };
        let clock = Oscillator::new(course, Span::from_secs(100), dice(1));
        let due = clock.reading(at(2.0)) + Span::from_secs(50);
        let t = clock.when(at(2.0), due);
        assert!((clock.reading(t) - due).as_nanos().abs() <= 1, "{:?}", clock.reading(t) - due);
        assert!(clock.reading(t) >= due);
        assert_eq!(clock.when(at(60.0), due), at(60.0), "what is past is due now");
    }
}
