//! One assumed-density filter: a normal distribution of (x, y, D), updated by one-sided delays.
//!
//! x is the slave's Local minus the flywheel, y its rate, D the least one-way delay; seconds.
//! After each observation the true posterior, which has an edge, is replaced by the normal
//! distribution of the same mean and covariance (moment matching: Maybeck, *Stochastic Models,
//! Estimation, and Control*, vol. 2, §12.7; Minka, *Expectation Propagation*, 2001). In trials its
//! error was within 5 % of a particle filter's, which is the optimum.

use super::law::Pull;

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

    pub(super) fn forecast(&self, way: Way) -> Forecast {
        let (sign, p) = (way.sign(), &self.cov);
        let gain = [sign * p[0] + p[2], sign * p[1] + p[4], sign * p[2] + p[5]];
        Forecast {
            value: sign * self.mean[0] + self.mean[2],
            variance: (sign * gain[0] + gain[2]).max(0.0),
            gain,
        }
    }

    /// Takes an observation in. `others` is the variance of all in it that is not this state.
    pub(super) fn update(&mut self, way: Way, forecast: &Forecast, pull: &Pull, others: f64) {
        let (k, s) = (forecast.gain, forecast.variance);
        for (mean, k) in self.mean.iter_mut().zip(k) {
            *mean += k * pull.slope;
        }
        let bend = pull.bend.min((1.0 - LEFT) / (s + others).max(f64::MIN_POSITIVE));
        if bend <= 0.0 {
            self.widen(&k, -bend);
            return;
        }
        // Joseph's form with R = 1/bend − S, which keeps the covariance positive in rounding.
        let (r, k) = (1.0 / bend - s, k.map(|k| k * bend));
        let p = &self.cov;
        let full = [[p[0], p[1], p[2]], [p[1], p[3], p[4]], [p[2], p[4], p[5]]];
        let sign = way.sign();
        let mut m = full;
        for (row, k) in m.iter_mut().zip(k) {
            for (j, cell) in row.iter_mut().enumerate() {
                *cell -= k * (sign * full[0][j] + full[2][j]);
            }
        }
        let mut i = 0;
        for a in 0..3 {
            let left = sign * m[a][0] + m[a][2];
            for b in a..3 {
                self.cov[i] = m[a][b] - left * k[b] + k[a] * r * k[b];
                i += 1;
            }
        }
    }

    fn widen(&mut self, k: &[f64; 3], by: f64) {
        let mut i = 0;
        for a in 0..3 {
            for b in a..3 {
                self.cov[i] += by * k[a] * k[b];
                i += 1;
            }
        }
    }
}

/// A covariance at rest: its Cholesky factor, row by row. A root in single precision keeps what a
/// covariance in double precision does (Potter's argument for square root filters: Bierman,
/// *Factorization Methods for Discrete Sequential Estimation*, 1977), and its square is never
/// negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Root([f32; 6]);

impl Root {
    /// A word of it.
    pub(super) fn touch(&self) -> u32 {
        self.0[0].to_bits()
    }

    /// Of xx, xy, xD, yy, yD, DD. What rounding has made negative becomes nil.
    pub(super) fn of(cov: &[f64; 6]) -> Self {
        let [xx, xy, xd, yy, yd, dd] = *cov;
        let over = |value: f64, by: f64| if by > 0.0 { value / by } else { 0.0 };
        let a = xx.max(0.0).sqrt();
        let (b, c) = (over(xy, a), over(xd, a));
        let d = (yy - b * b).max(0.0).sqrt();
        let e = over(yd - b * c, d);
        let f = (dd - c * c - e * e).max(0.0).sqrt();
        Self([a, b, c, d, e, f].map(|part| part as f32))
    }

    pub(super) fn squared(&self) -> [f64; 6] {
        let [a, b, c, d, e, f] = self.0.map(f64::from);
        [a * a, a * b, a * c, b * b + d * d, b * c + d * e, c * c + e * e + f * f]
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
    fn a_root_keeps_what_two_variances_nearly_cancel() {
        // A path of 10 ms of which only x − D is known, to 20 ns.
        let (wide, narrow) = (2.5e-3_f64.powi(2), 20e-9_f64.powi(2));
        let cov = [wide, 1e-9, wide - narrow / 2.0, 1e-10, 1e-9, wide];
        let kept = Root::of(&cov).squared();
        // And one in which each of the three has a part of its own in the others.
        let mixed = [4.0, 2.0, 1.0, 5.0, 3.0, 6.0];
        for (kept, cov) in [(kept, cov), (Root::of(&mixed).squared(), mixed)] {
            for (kept, cov) in kept.iter().zip(cov) {
                assert!((kept / cov - 1.0).abs() < 1e-6, "{kept} {cov}");
            }
        }
        let known = kept[0] - 2.0 * kept[2] + kept[5];
        assert!((known / narrow - 1.0).abs() < 0.05, "{known} {narrow}");
        let none = Root::of(&[0.0, 0.0, 0.0, -1e-30, 1e-30, 4.0]).squared();
        assert_eq!(none, [0.0, 0.0, 0.0, 0.0, 0.0, 4.0]);
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
                let forecast = filter.forecast(way);
                let pull = law.pull(z - forecast.value, forecast.variance, 1e-8);
                filter.update(way, &forecast, &pull, 0.0);
            }
        }
        let minors = minors(&filter.cov);
        assert!(minors.iter().all(|m| *m > 0.0), "{minors:?} {filter:?}");
        assert!(filter.mean[0].abs() < 1e-6, "{filter:?}");
    }
}
