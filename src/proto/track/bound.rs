//! The hard bound: where the slave's clock must be if packets take time and quartz is quartz.
//!
//! Every forward difference is an upper limit of slave − master, every backward one, negated, a
//! lower limit; with age they widen by ρ, the most by which the rate may be wrong. As all limits
//! widen alike, the best of the past is carried along in two numbers. The best forward and the
//! best backward packet may be different ones: that is tighter than half the least round trip.

/// Rate error on top of six of its standard deviations, 0.1 ppm: what the filter may not know.
const RHO_LEAST: f64 = 0.1e-6;
/// No honest crystal is further off than that (500 ppm is what a kernel's discipline gives too).
pub(super) const RHO_GREATEST: f64 = 500e-6;

/// The filter is trusted to this: 1.5 times its own deviation, squared (a design figure).
const TRUST: f64 = 2.25;
/// So much of the queues' mean may hide in the offset.
const HIDDEN: f64 = 0.03;

/// Variance of an offset, statistical: the filter's own, the queues' mean excess over both ways,
/// the noise of a stamp and half of an unexplained one-way change. A static asymmetry of the path
/// is invisible to it.
pub(super) fn variance(filter: f64, excess: f64, stamp: f64, one_way: f64) -> f64 {
    TRUST * filter.max(0.0) + (HIDDEN * excess).powi(2) + stamp.powi(2) + (one_way / 2.0).powi(2)
}

/// ρ for a rate whose standard deviation is `sigma`.
pub(super) fn rho(sigma: f64) -> f64 {
    (6.0 * sigma + RHO_LEAST).min(RHO_GREATEST)
}

/// Least and greatest offset of the slave, seconds on the track's base.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Corridor {
    least: f64,
    greatest: f64,
    /// Where an exchange that the guards doubt says it is. That is rare, and of many slaves most have
    /// none.
    doubt: Option<Box<(f64, f64)>>,
}

impl Corridor {
    /// From one exchange.
    pub(super) fn new(forth: f64, back: f64) -> Self {
        Self { least: -back, greatest: forth, doubt: None }
    }

    /// Lets `t` seconds pass at `rate`, known to ± `rho`.
    pub(super) fn age(&mut self, t: f64, rate: f64, rho: f64) {
        self.least += (rate - rho) * t;
        self.greatest += (rate + rho) * t;
        if let Some((least, greatest)) = self.doubt.as_deref_mut() {
            *least += (rate - rho) * t;
            *greatest += (rate + rho) * t;
        }
    }

    /// Another exchange. No two limits can be nearer to each other than both ways take together,
    /// `floor`; where they are, an assumption is broken, and only the newest holds.
    pub(super) fn narrow(&mut self, forth: f64, back: f64, floor: f64) {
        self.doubt = None;
        self.least = self.least.max(-back);
        self.greatest = self.greatest.min(forth);
        if self.greatest - self.least < floor.max(0.0) {
            *self = Self::new(forth, back);
        }
    }

    /// An exchange that may be wrong, or may be the first after a step: until that is clear both
    /// count.
    pub(super) fn doubt(&mut self, forth: f64, back: f64) {
        let (least, greatest) = &mut **self.doubt.get_or_insert_with(|| Box::new((-back, forth)));
        (*least, *greatest) = (least.min(-back), greatest.max(forth));
    }

    /// Moves with the base.
    pub(super) fn shift(&mut self, by: f64) {
        self.least += by;
        self.greatest += by;
        if let Some((least, greatest)) = self.doubt.as_deref_mut() {
            *least += by;
            *greatest += by;
        }
    }

    /// The greatest error that an offset of `value` may have.
    pub(super) fn error_of(&self, value: f64) -> f64 {
        let (mut least, mut greatest) = (self.least, self.greatest);
        if let Some((l, g)) = self.doubt.as_deref() {
            (least, greatest) = (least.min(*l), greatest.max(*g));
        }
        (greatest - value).max(value - least).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_both_ways_may_be_different_packets() {
        let mut corridor = Corridor::new(50e-6, 900e-6);
        corridor.narrow(700e-6, 50e-6, 80e-6);
        assert!((corridor.error_of(0.0) - 50e-6).abs() < 1e-12);
        corridor.age(10.0, 1e-6, 1e-7);
        assert!((corridor.error_of(10e-6) - 51e-6).abs() < 1e-12);
    }

    #[test]
    fn each_part_of_the_statistical_bound_is_felt() {
        let sigma = |f: f64, e, s, w| variance(f * f, e, s, w).sqrt();
        assert!((sigma(1e-6, 0.0, 0.0, 0.0) - 1.5e-6).abs() < 1e-12);
        assert!((sigma(0.0, 100e-6, 0.0, 0.0) - 3e-6).abs() < 1e-12);
        assert!((sigma(0.0, 0.0, 350e-9, 0.0) - 350e-9).abs() < 1e-12);
        assert!((sigma(0.0, 0.0, 0.0, 8e-6) - 4e-6).abs() < 1e-12);
        assert!((sigma(2e-6, 0.0, 0.0, 8e-6) - 5e-6).abs() < 1e-12);
    }

    #[test]
    fn a_contradiction_leaves_only_the_newest() {
        let mut corridor = Corridor::new(50e-6, 50e-6);
        corridor.doubt(1.05e-3, -0.95e-3);
        assert!((corridor.error_of(0.0) - 1.05e-3).abs() < 1e-12);
        corridor.narrow(1.05e-3, -0.95e-3, 0.0);
        assert!((corridor.error_of(1e-3) - 50e-6).abs() < 1e-12);
    }

    #[test]
    fn limits_nearer_than_the_way_is_long_contradict_each_other() {
        let mut corridor = Corridor::new(50e-6, 50e-6);
        corridor.narrow(80e-6, 20e-6, 80e-6);
        assert!((corridor.error_of(0.0) - 80e-6).abs() < 1e-12, "70 µs between them are too few");
        let mut corridor = Corridor::new(50e-6, 50e-6);
        corridor.narrow(70e-6, 35e-6, 80e-6);
        assert!((corridor.error_of(0.0) - 50e-6).abs() < 1e-12, "85 µs are not");
    }
}
