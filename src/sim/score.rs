//! The score of a run: what the nodes show against the truth, which only the world knows.

use super::outcome::Stability;
use super::stability::{
    allan_deviation, departure_from_line, max_time_interval_error, slope, time_deviation,
};
use crate::time::{Offset, Span, Time, True};

/// The mean is followed at this many seconds.
const MEAN_EVERY: Span = Span::from_secs(1);
/// Over so many of them it shall be a straight line.
const LINE: usize = 600;
/// The intervals over which stability is looked at, in seconds.
const TAUS: [usize; 7] = [1, 3, 10, 30, 100, 300, 1000];

/// What one node shows at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Shown minus the truth.
    pub(super) error: Offset,
    /// Its oscillator minus the truth; the origin is arbitrary.
    pub(super) oscillator: Offset,
    /// It counts in the spread now.
    pub(super) counts: bool,
    /// It is healthy and its daemon runs from beginning to end.
    pub(super) steadfast: bool,
}

/// Since when something stays below a limit.
#[derive(Debug, Clone, Copy)]
struct Settling {
    limit: Span,
    since: Option<Time<True>>,
}

#[derive(Debug, Clone, Default)]
struct Departure {
    squares: f64,
    max: f64,
    end: f64,
    count: u64,
}

pub(super) struct Score {
    warm: Time<True>,
    spreads: Vec<u64>,
    settling: [Settling; 2],
    means: Vec<f64>,
    mean_due: Time<True>,
    oscillators: Vec<Vec<f64>>,
    departures: Vec<Departure>,
}

/// Figures of the spread, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spread {
    pub(super) rms: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Score {
    pub(super) fn new(warm_up: Span, nodes: usize) -> Self {
        let limits = [Span::from_micros(100), Span::from_micros(2)];
        Self {
            warm: Time::from_nanos(0) + warm_up,
            spreads: Vec::new(),
            settling: limits.map(|limit| Settling { limit, since: None }),
            means: Vec::new(),
            mean_due: Time::from_nanos(0) + warm_up,
            oscillators: vec![Vec::new(); nodes],
            departures: vec![Departure::default(); nodes],
        }
    }

    /// Takes note of what all nodes show at `t`.
    pub(super) fn sample(&mut self, t: Time<True>, samples: &[Sample]) {
        let counted = samples.iter().filter(|s| s.counts).map(|s| s.error);
        if let (Some(least), Some(greatest)) = (counted.clone().min(), counted.max()) {
            let spread = (greatest - least).abs();
            for settling in &mut self.settling {
                settling.see(t, spread);
            }
            if t >= self.warm {
                self.spreads.push(spread.as_nanos());
            }
        }
        if t >= self.warm
            && let Some(mean) = mean(samples)
        {
            self.follow(t, samples, mean);
        }
    }

    fn follow(&mut self, t: Time<True>, samples: &[Sample], mean: f64) {
        for (departure, sample) in self.departures.iter_mut().zip(samples) {
            departure.see(sample.error.as_secs_f64() - mean);
        }
        if t < self.mean_due {
            return;
        }
        self.mean_due = self.mean_due + MEAN_EVERY;
        self.means.push(mean);
        for (errors, sample) in self.oscillators.iter_mut().zip(samples) {
            if sample.steadfast {
                errors.push(sample.oscillator.as_secs_f64());
            }
        }
    }

    pub(super) fn spread(&mut self) -> Spread {
        if self.spreads.is_empty() {
            return Spread::default();
        }
        self.spreads.sort_unstable();
        let secs = |nanos: u64| Span::from_nanos(nanos).as_secs_f64();
        let count = self.spreads.len();
        let at = |ratio: f64| secs(self.spreads[((count - 1) as f64 * ratio).round() as usize]);
        let squares: f64 = self.spreads.iter().map(|&s| secs(s).powi(2)).sum();
        let rms = (squares / count as f64).sqrt();
        Spread { rms, p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }

    /// Since when the spread stays below 100 µs, and below 2 µs.
    pub(super) fn settled(&self) -> [Option<f64>; 2] {
        self.settling.map(|s| s.since.map(seconds))
    }

    pub(super) fn wander(&self) -> f64 {
        departure_from_line(&self.means, LINE)
    }

    pub(super) fn rate(&self) -> f64 {
        slope(&self.means) / MEAN_EVERY.as_secs_f64()
    }

    pub(super) fn oscillator_rate(&self, node: usize) -> Option<f64> {
        let errors = &self.oscillators[node];
        (errors.len() > 1).then(|| slope(errors) / MEAN_EVERY.as_secs_f64())
    }

    pub(super) fn stability(&self) -> Vec<Stability> {
        let tau0 = MEAN_EVERY.as_secs_f64();
        let rate = slope(&self.means);
        let level: Vec<f64> =
            self.means.iter().enumerate().map(|(i, mean)| mean - rate * i as f64).collect();
        let at = |m: usize| {
            let of_oscillators = self.oscillators.iter();
            let deviations = of_oscillators.filter_map(|errors| allan_deviation(errors, tau0, m));
            Some(Stability {
                tau_s: m as f64 * tau0,
                allan_deviation: allan_deviation(&self.means, tau0, m)?,
                best_oscillator: deviations.reduce(f64::min),
                time_deviation_s: time_deviation(&self.means, m),
                max_interval_error_s: max_time_interval_error(&level, m)?,
            })
        };
        TAUS.into_iter().filter_map(at).collect()
    }

    pub(super) fn into_means(self) -> Vec<f64> {
        self.means
    }

    /// Departure of a node from the mean: RMS, greatest, and at the end.
    pub(super) fn departure(&self, node: usize) -> (f64, f64, f64) {
        let Departure { squares, max, end, count } = self.departures[node];
        ((squares / count.max(1) as f64).sqrt(), max, end)
    }
}

impl Settling {
    fn see(&mut self, t: Time<True>, spread: Span) {
        if spread >= self.limit {
            self.since = None;
        } else {
            self.since.get_or_insert(t);
        }
    }
}

impl Departure {
    fn see(&mut self, error: f64) {
        self.squares += error * error;
        self.max = self.max.max(error.abs());
        self.end = error;
        self.count += 1;
    }
}

/// The mean error of the steadfast nodes in seconds. The sum is one of integers: exact.
fn mean(samples: &[Sample]) -> Option<f64> {
    let errors = samples.iter().filter(|s| s.steadfast).map(|s| i128::from(s.error.as_nanos()));
    let count = errors.clone().count();
    (count > 0).then(|| errors.sum::<i128>() as f64 / count as f64 / 1e9)
}

/// True time since the beginning, in seconds.
pub(super) fn seconds(t: Time<True>) -> f64 {
    (t - Time::from_nanos(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(error: i64, counts: bool) -> Sample {
        let error = Offset::from_nanos(error);
        Sample { error, oscillator: error, counts, steadfast: counts }
    }

    fn at(secs: i64) -> Time<True> {
        Time::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn the_spread_is_that_of_the_nodes_that_count_after_the_warm_up() {
        let mut score = Score::new(Span::from_secs(10), 3);
        for t in 0..110 {
            let spread = if t < 10 { 1_000_000 } else { t - 10 };
            let liar = sample(1_000_000_000, false);
            score.sample(at(t), &[sample(spread, true), sample(0, true), liar]);
        }
        let spread = score.spread();
        assert_eq!((spread.p50, spread.max), (50e-9, 99e-9));
        assert!((spread.rms - 57.3e-9).abs() < 0.1e-9, "{}", spread.rms);
        assert_eq!(score.settled(), [Some(10.0), Some(10.0)]);
    }

    #[test]
    fn settled_is_what_stays_settled() {
        let mut score = Score::new(Span::from_secs(1), 2);
        for (t, spread) in [(0, 500_000), (1, 1_000), (2, 50_000), (3, 150_000), (4, 99_999)] {
            score.sample(at(t), &[sample(spread, true), sample(0, true)]);
        }
        assert_eq!(score.settled(), [Some(4.0), None]);
    }

    #[test]
    fn a_constant_rate_is_no_wander() {
        let mut score = Score::new(Span::from_secs(1), 2);
        for t in 0..2_000 {
            score.sample(at(t), &[sample(40_000 * t, true), sample(40_000 * t, true)]);
        }
        assert!(score.wander() < 1e-12);
        assert!((score.rate() - 40e-6).abs() < 1e-12);
        assert!(score.stability().iter().all(|s| s.allan_deviation < 1e-12));
    }
}
