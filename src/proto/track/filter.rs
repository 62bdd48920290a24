//! One assumed-density filter: a normal distribution of (x, y, D), updated by one-sided delays.
//!
//! x is the slave's Local minus the flywheel, y its rate, D the least one-way delay; seconds.
//! After each observation the true posterior, which has an edge, is replaced by the normal
//! distribution of the same mean and covariance (moment matching: Maybeck, *Stochastic Models,
//! Estimation, and Control*, vol. 2, §12.7; Minka, *Expectation Propagation*, 2001). In trials its
//! error was within 5 % of a particle filter's, which is the optimum.

use super::elementary::{greater, lesser};

/// So much of a variance at least is left after an update, so that rounding cannot make it nil.
const LEFT: f64 = 1e-6;

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Master to slave: z = x + D + queue.
    Forth,
    /// Slave to master: z = −x + D + queue.
    Back,
}

impl Way {
    pub(super) const BOTH: [Way; 2] = [Way::Forth, Way::Back];

    /// The sign of x in the observation.
    pub(super) const fn sign(self) -> f64 {
        match self {
            Way::Forth => 1.0,
            Way::Back => -1.0,
        }
    }
}

/// The observation as the state sees it, before it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forecast {
    /// û = H·s.
    pub(super) value: f64,
    /// H·P·Hᵀ.
    pub(super) variance: f64,
    gain: [f64; 3],
}

/// Mean and covariance of (x, y, D).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Filter {
    /// x, y, D.
    pub(super) mean: [f64; 3],
    /// xx, xy, xD, yy, yD, DD.
    pub(super) cov: [f64; 6],
}

impl Filter {
    /// Lets `t` seconds pass for a rate that walks with `q` s²/s³, and a floor that does with `walk` s²/s.
    #[inline(always)]
    pub(super) fn predict(&mut self, t: f64, q: f64, walk: f64) {
        let p = &mut self.cov;
        self.mean[0] += self.mean[1] * t;
        p[0] += t * (2.0 * p[1] + t * p[3]) + q * t * t * t / 3.0;
        p[1] += t * p[3] + q * t * t / 2.0;
        p[2] += t * p[4];
        p[3] += q * t;
        p[5] += walk * t;
    }

    /// Makes the variance of what was `forecast` this one, and all others greater by as much.
    pub(super) fn widen_to(&mut self, variance: f64, forecast: &Forecast) {
        let times = (variance / forecast.variance.max(f64::MIN_POSITIVE)).max(1.0);
        self.cov = self.cov.map(|of| of * times);
    }

    /// `sign` is the [way's](Way::sign).
    #[inline(always)]
    pub(super) fn forecast(&self, sign: f64) -> Forecast {
        let p = &self.cov;
        let gain = [sign * p[0] + p[2], sign * p[1] + p[4], sign * p[2] + p[5]];
        Forecast {
            value: sign * self.mean[0] + self.mean[2],
            variance: greater(sign * gain[0] + gain[2], 0.0),
            gain,
        }
    }

    /// Takes an observation in that has this slope and bend, see [`Pull`](super::law::Pull). `others` is the
    /// variance of all in it that is not this state.
    #[inline(always)]
    pub(super) fn update(&mut self, forecast: &Forecast, slope: f64, bend: f64, others: f64) {
        let (k, s) = (forecast.gain, forecast.variance);
        for (mean, k) in self.mean.iter_mut().zip(k) {
            *mean += k * slope;
        }
        let bend = lesser(bend, (1.0 - LEFT) / greater(s + others, f64::MIN_POSITIVE));
        let [x, y, d] = k.map(|k| bend * k);
        let off = [x * k[0], x * k[1], x * k[2], y * k[1], y * k[2], d * k[2]];
        for (cov, off) in self.cov.iter_mut().zip(off) {
            *cov -= off;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::law::Law;
    use super::*;

    fn minors(p: &[f64; 6]) -> [f64; 3] {
        // Scaled to correlations, or the determinants underflow.
        let d = [p[0].sqrt(), p[3].sqrt(), p[5].sqrt()];
        let (xy, xd, yd) = (p[1] / d[0] / d[1], p[2] / d[0] / d[2], p[4] / d[1] / d[2]);
        [
            p[0].min(p[3]).min(p[5]),
            1.0 - xy * xy,
            1.0 + 2.0 * xy * xd * yd - xy * xy - xd * xd - yd * yd,
        ]
    }

    #[test]
    fn the_covariance_stays_positive_for_a_month() {
        let law = Law::new(5e-6).mixture();
        let mut filter = Filter { mean: [0.0, 0.0, 50e-6], cov: [1e-9, 0.0, 0.0, 1e-8, 0.0, 1e-9] };
        let mut u = 0.5_f64;
        for i in 0..2_600_000 {
            filter.predict(1.0, 1e-20, 1e-18);
            for way in Way::BOTH {
                u = (u + 0.618_033_988_749_895).fract();
                let late = if i % 1000 == 0 { 1e-3 } else { 0.0 };
                let z = 50e-6 - 5e-6 * (1.0 - u).ln() + late;
                let forecast = filter.forecast(way.sign());
                let pull = law.pull(z - forecast.value, forecast.variance, 1e-8);
                filter.update(&forecast, pull.slope, pull.bend, 0.0);
            }
        }
        let minors = minors(&filter.cov);
        assert!(minors.iter().all(|m| *m > 0.0), "{minors:?} {filter:?}");
        assert!(filter.mean[0].abs() < 1e-6, "{filter:?}");
    }
}
