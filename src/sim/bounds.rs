//! Whether the bounds that the nodes publish are true, and how tight they are.

use serde::Serialize;

use super::machine::Machine;
use crate::proto::Round;
use crate::time::{Local, Offset, Rate, Span, Time, True};

/// What a reader of the clock adds to a published bound for its age (the design figure of quartz).
const GROWTH: Rate = Rate::from_ppm(15.0);

/// Bounds against the truth, after the warm-up, over all healthy slaves: once a second each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// How often a bound was looked at.
    pub checks: u64,
    /// How often the clock was further from cluster time than its bound said.
    pub violations: u64,
    /// How often a bound was not looked at, because the oscillator that it is made with had jumped
    /// since it was published, two rounds ago at most.
    pub left_out: u64,
    /// Median of the bound.
    pub p50_s: f64,
    /// Median of the clock's error against cluster time.
    pub error_p50_s: f64,
    /// Root mean square of that error.
    pub error_rms_s: f64,
    /// The greatest such error.
    pub error_max_s: f64,
    /// Median of bound/error.
    pub tightness_p50: f64,
}

/// Cluster time as the master's last round left it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClusterTime {
    /// The node whose round it was.
    pub(super) node: usize,
    at: Time<Local>,
    began: Time<True>,
    /// Cluster time minus the truth at the anchor.
    error: Offset,
    /// Against the master's Local.
    rate: Rate,
}

impl ClusterTime {
    /// As the master says at `t`, before it has steered its clock by the new average.
    pub(super) fn new(node: usize, master: &Machine, t: Time<True>, round: &Round) -> Self {
        let error = master.error(t) - round.offset;
        Self { node, at: master.local(t), began: t, error, rate: round.rate }
    }

    /// When the round was closed that it is of.
    pub(super) fn began(&self) -> Time<True> {
        self.began
    }

    /// Cluster time minus the truth at `t`.
    pub(super) fn error(&self, master: &Machine, t: Time<True>) -> Offset {
        let local = master.local(t) - self.at;
        self.error + local + self.rate.gain_over(local) - (t - self.began)
    }
}

#[derive(Debug, Default)]
pub(super) struct BoundsBook {
    violations: u64,
    left_out: u64,
    bounds: Vec<u64>,
    errors: Vec<u64>,
    tightness: Vec<f64>,
}

impl BoundsBook {
    /// Looks at what a node published against its real error.
    pub(super) fn look(&mut self, age: Span, bound: Span, error: Span) {
        let bound = bound + GROWTH.gain_over(age.as_offset()).abs();
        self.violations += u64::from(error > bound);
        self.bounds.push(bound.as_nanos());
        self.errors.push(error.as_nanos());
        let nanos = error.as_nanos().max(1);
        self.tightness.push(bound.as_nanos() as f64 / nanos as f64);
    }

    /// Does not look at a bound, and counts that.
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    pub(super) fn outcome(mut self) -> Option<Bounds> {
        let middle = self.bounds.len().checked_sub(1)? / 2;
        let median = |of: &mut Vec<u64>| {
            let (_, middle, _) = of.select_nth_unstable(middle);
            Span::from_nanos(*middle).as_secs_f64()
        };
        let seconds = |nanos: &u64| Span::from_nanos(*nanos).as_secs_f64();
        let squares: f64 = self.errors.iter().map(|error| seconds(error).powi(2)).sum();
        let error_rms_s = (squares / self.errors.len() as f64).sqrt();
        let error_max_s = self.errors.iter().max().map_or(0.0, seconds);
        let (p50_s, error_p50_s) = (median(&mut self.bounds), median(&mut self.errors));
        let (_, tightness, _) = self.tightness.select_nth_unstable_by(middle, f64::total_cmp);
        Some(Bounds {
            checks: self.bounds.len() as u64,
            violations: self.violations,
            left_out: self.left_out,
            p50_s,
            error_p50_s,
            error_rms_s,
            error_max_s,
            tightness_p50: *tightness,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_broken_is_counted_and_an_old_one_has_grown() {
        let mut book = BoundsBook::default();
        let micros = Span::from_micros;
        for error in [5, 9, 11, 20, 30] {
            book.look(Span::ZERO, micros(10), micros(error));
        }
        book.look(Span::from_secs(1), micros(10), micros(20));
        book.look(Span::from_secs(1), micros(10), micros(26));
        book.leave_out();
        let bounds = book.outcome().unwrap();
        assert_eq!((bounds.checks, bounds.violations), (7, 4));
        assert_eq!((bounds.left_out, bounds.error_max_s), (1, 30e-6));
        assert!((bounds.error_rms_s - 19.28e-6).abs() < 0.01e-6, "{}", bounds.error_rms_s);
        assert_eq!((bounds.p50_s, bounds.error_p50_s), (10e-6, 20e-6));
        assert_eq!(BoundsBook::default().outcome(), None);
    }
}
