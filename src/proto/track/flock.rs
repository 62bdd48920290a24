//! A bank's filters side by side: each number of theirs is a row, with a column for each filter.
//!
//! So the compiler works on two filters or more with one instruction. It does where nothing in a loop over
//! them branches or calls: what they do is [`Filter`]'s, which is inlined here.

use super::elementary::greater;
use super::filter::{Filter, Way};
use super::law::{Mixture, Pulls, Residuals};

/// So many there are.
pub(super) const FILTERS: usize = 6;
/// So many numbers the widest instructions take.
const WIDTH: usize = 8;
/// A number of each.
pub(super) type Row = [f64; FILTERS];

/// What was observed of one way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) way: Way,
    /// The difference of the stamps, seconds on the base of the track.
    pub(super) z: f64,
    /// From the middle of the exchange, seconds.
    pub(super) lag: f64,
    /// The variance of what is not in the state, s².
    pub(super) others: f64,
}

/// The filters.
#[derive(Debug, Clone)]
pub(super) struct Flock {
    /// As in [`Filter`].
    mean: [Row; 3],
    cov: [Row; 6],
}

/// Filters at rest, in half of the room, but for the mean of the first. What is kept in single precision is a
/// difference or a root.
///
/// A covariance rests as its Cholesky factor, row by row. A root in single precision keeps what a covariance
/// in double precision does (Potter's argument for square root filters: Bierman, *Factorization Methods for
/// Discrete Sequential Estimation*, 1977), and its square is never negative.
#[derive(Debug, Clone)]
pub(super) struct Resting {
    /// The other means, minus that of the first.
    apart: [[f32; FILTERS - 1]; 3],
    roots: [[f32; FILTERS]; 6],
}

impl Resting {
    /// A word of each of its lines.
    pub(super) fn touch(&self) -> u64 {
        let roots = self.roots.iter().step_by(2).fold(0, |word, root| word ^ root[0].to_bits());
        u64::from(roots ^ self.apart[0][0].to_bits())
    }

    /// The mean by `weight` of offset and rate, and the mixture's covariance of both, xx, xy and yy: as
    /// [`Flock::mixed`], of less.
    #[inline]
    pub(super) fn mixed(&self, first: &[f64; 3], weight: &Row) -> ([f64; 2], [f64; 3]) {
        let mut apart = [[0.0; FILTERS]; 2];
        for (row, apart) in apart.iter_mut().zip(&self.apart) {
            row[1..].iter_mut().zip(apart).for_each(|(of, apart)| *of = f64::from(*apart));
        }
        let beside = apart.map(|row| product(weight, &row));
        let mut cov = [[0.0; FILTERS]; 3];
        let [ra, rb, _, rd, ..] = &self.roots;
        for i in 0..FILTERS {
            let [a, b, d] = [ra[i], rb[i], rd[i]].map(f64::from);
            let [x, y] = [apart[0][i] - beside[0], apart[1][i] - beside[1]];
            cov[0][i] = a * a + x * x;
            cov[1][i] = a * b + x * y;
            cov[2][i] = b * b + d * d + y * y;
        }
        let mean = [first[0] + beside[0], first[1] + beside[1]];
        (mean, cov.map(|row| product(weight, &row)))
    }

    #[inline]
    pub(super) fn wake(&self, first: &[f64; 3]) -> Flock {
        let mean = std::array::from_fn(|k| {
            let mut row = [first[k]; FILTERS];
            for (mean, apart) in row[1..].iter_mut().zip(self.apart[k]) {
                *mean += f64::from(apart);
            }
            row
        });
        let mut cov = [[0.0; FILTERS]; 6];
        let [ra, rb, rc, rd, re, rf] = &self.roots;
        for i in 0..FILTERS {
            let [a, b, c] = [ra[i], rb[i], rc[i]].map(f64::from);
            let [d, e, f] = [rd[i], re[i], rf[i]].map(f64::from);
            cov[0][i] = a * a;
            cov[1][i] = a * b;
            cov[2][i] = a * c;
            cov[3][i] = b * b + d * d;
            cov[4][i] = b * c + d * e;
            cov[5][i] = c * c + e * e + f * f;
        }
        Flock { mean, cov }
    }
}

impl Flock {
    /// All in one state.
    pub(super) fn of(filter: Filter) -> Self {
        Self { mean: filter.mean.map(|of| [of; FILTERS]), cov: filter.cov.map(|of| [of; FILTERS]) }
    }

    /// The mean of the first.
    pub(super) fn first(&self) -> [f64; 3] {
        self.mean.map(|row| row[0])
    }

    /// What rounding has made negative becomes nil.
    #[inline]
    pub(super) fn rest(&self) -> Resting {
        let mut roots = [[0.0; FILTERS]; 6];
        for i in 0..FILTERS {
            let [xx, xy, xd, yy, yd, dd] = self.get(i).cov;
            let a = greater(xx, 0.0).sqrt();
            let by_a = if a > 0.0 { 1.0 / a } else { 0.0 };
            let (b, c) = (xy * by_a, xd * by_a);
            let d = greater(yy - b * b, 0.0).sqrt();
            let by_d = if d > 0.0 { 1.0 / d } else { 0.0 };
            let e = (yd - b * c) * by_d;
            let f = greater(dd - c * c - e * e, 0.0).sqrt();
            for (row, part) in roots.iter_mut().zip([a, b, c, d, e, f]) {
                row[i] = part as f32;
            }
        }
        Resting {
            apart: self.mean.map(|row| std::array::from_fn(|i| (row[i + 1] - row[0]) as f32)),
            roots,
        }
    }

    /// The one in this column.
    #[inline(always)]
    pub(super) fn get(&self, column: usize) -> Filter {
        let mean = std::array::from_fn(|k| self.mean[k][column]);
        Filter { mean, cov: std::array::from_fn(|k| self.cov[k][column]) }
    }

    #[inline(always)]
    pub(super) fn set(&mut self, column: usize, filter: &Filter) {
        for (row, of) in self.mean.iter_mut().zip(filter.mean) {
            row[column] = of;
        }
        for (row, of) in self.cov.iter_mut().zip(filter.cov) {
            row[column] = of;
        }
    }

    /// Lets `t` seconds pass for rates that walk with `q` s²/s³, and floors that do with `walk` s²/s.
    #[inline]
    pub(super) fn predict(&mut self, t: f64, q: &Row, walk: &Row) {
        for i in 0..FILTERS {
            let mut filter = self.get(i);
            filter.predict(t, q[i], walk[i]);
            self.set(i, &filter);
        }
    }

    /// What `seen` says to each, where the stamps have the noise `phi`.
    #[inline]
    pub(super) fn pulls(&self, seen: &Seen, law: &Mixture, phi: &Row) -> Pulls<WIDTH> {
        let sign = seen.way.sign();
        let mut residuals = Residuals::NONE;
        for i in 0..FILTERS {
            let filter = self.get(i);
            let forecast = filter.forecast(sign);
            residuals.nu[i] = seen.z + seen.lag * filter.mean[1] - forecast.value;
            residuals.s[i] = forecast.variance + seen.others;
        }
        residuals.phi[..FILTERS].copy_from_slice(phi);
        law.pulls(&residuals)
    }

    /// Takes in what was `seen`, by what it says.
    #[inline]
    pub(super) fn update(&mut self, seen: &Seen, pulls: &Pulls<WIDTH>) {
        let (sign, others) = (seen.way.sign(), seen.others);
        for i in 0..FILTERS {
            let mut filter = self.get(i);
            filter.update(&filter.forecast(sign), pulls.slope[i], pulls.bend[i], others);
            self.set(i, &filter);
        }
    }

    /// Widens each one to which `seen` comes earlier than expected by more than `surprise` deviations, until
    /// it does not; says whether there is any.
    pub(super) fn widen(&mut self, seen: &Seen, phi: &Row, surprise: f64) -> bool {
        let mut any = false;
        for (i, phi) in phi.iter().enumerate() {
            let mut filter = self.get(i);
            let forecast = filter.forecast(seen.way.sign());
            let nu = seen.z + seen.lag * filter.mean[1] - forecast.value;
            let noise = phi * phi + seen.others;
            if nu < -surprise * (forecast.variance + noise).sqrt() {
                filter.widen_to((nu / surprise).powi(2) - noise, &forecast);
                self.set(i, &filter);
                any = true;
            }
        }
        any
    }

    /// Their mean by `weight`, with the covariance of the mixture.
    #[inline]
    pub(super) fn mixed(&self, weight: &Row) -> Filter {
        let mean: [f64; 3] = std::array::from_fn(|k| product(weight, &self.mean[k]));
        let mut apart = self.clone();
        for i in 0..FILTERS {
            let Filter { mean: of, cov: mut own } = self.get(i);
            let [x, y, d] = [of[0] - mean[0], of[1] - mean[1], of[2] - mean[2]];
            for (own, more) in own.iter_mut().zip([x * x, x * y, x * d, y * y, y * d, d * d]) {
                *own += more;
            }
            apart.set(i, &Filter { mean: of, cov: own });
        }
        Filter { mean, cov: std::array::from_fn(|k| product(weight, &apart.cov[k])) }
    }

    /// Adds to the means, and to the covariances.
    pub(super) fn add(&mut self, mean: &[f64; 3], cov: &[f64; 6]) {
        for (row, by) in self.mean.iter_mut().zip(mean) {
            row.iter_mut().for_each(|of| *of += by);
        }
        for (row, by) in self.cov.iter_mut().zip(cov) {
            row.iter_mut().for_each(|of| *of += by);
        }
    }
}

/// The sum of `of` by `weight`: of every other one, and then of both sums, which is two at a time.
#[inline(always)]
pub(super) fn product<const N: usize>(weight: &[f64; N], of: &[f64; N]) -> f64 {
    let mut sums = [0.0; 2];
    for i in 0..N {
        sums[i % 2] += weight[i] * of[i];
    }
    sums[0] + sums[1]
}

/// The greatest, found likewise.
#[inline(always)]
pub(super) fn greatest<const N: usize>(of: &[f64; N]) -> f64 {
    let mut most = [of[0]; 2];
    for i in 1..N {
        most[i % 2] = greater(of[i], most[i % 2]);
    }
    greater(most[0], most[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of this covariance after a rest.
    fn kept(cov: [f64; 6]) -> [f64; 6] {
        let rested = Flock::of(Filter { mean: [0.0; 3], cov }).rest().wake(&[0.0; 3]);
        assert!((1..FILTERS).all(|i| rested.get(i) == rested.get(0)));
        rested.get(0).cov
    }

    #[test]
    fn a_root_keeps_what_two_variances_nearly_cancel() {
        // A path of 10 ms of which only x − D is known, to 20 ns.
        let (wide, narrow) = (2.5e-3_f64.powi(2), 20e-9_f64.powi(2));
        let path = [wide, 1e-9, wide - narrow / 2.0, 1e-10, 1e-9, wide];
        // And one in which each of the three has a part of its own in the others.
        let mixed = [4.0, 2.0, 1.0, 5.0, 3.0, 6.0];
        for cov in [path, mixed] {
            for (kept, cov) in kept(cov).iter().zip(cov) {
                assert!((kept / cov - 1.0).abs() < 1e-6, "{kept} {cov}");
            }
        }
        let path = kept(path);
        let known = path[0] - 2.0 * path[2] + path[5];
        assert!((known / narrow - 1.0).abs() < 0.05, "{known} {narrow}");
        let none = kept([0.0, 0.0, 0.0, -1e-30, 1e-30, 4.0]);
        assert_eq!(none, [0.0, 0.0, 0.0, 0.0, 0.0, 4.0]);
    }

    /// Filters that differ in all that they have.
    fn various() -> Flock {
        let mut flock = Flock::of(Filter { mean: [0.0; 3], cov: [0.0; 6] });
        for i in 0..FILTERS {
            let n = 1.0 + i as f64;
            let mean = [2e-6 * n, 1e-8 / n, 50e-6 + 1e-7 * n];
            flock
                .set(i, &Filter { mean, cov: [1e-12 * n, 1e-15, -2e-13, 1e-16 * n, 1e-16, 1e-12] });
        }
        flock
    }

    #[test]
    fn side_by_side_each_does_what_it_does_alone() {
        let law = super::super::law::Law::new(5e-6).mixture();
        let phi = [1e-8, 2e-8, 3e-8, 1e-7, 1e-9, 1e-8];
        for way in Way::BOTH {
            for z in [20e-6, 49e-6, 56e-6, 90e-6, 1e-3] {
                let seen = Seen { way, z, lag: 40e-6, others: 1e-16 };
                let mut flock = various();
                let pulls = flock.pulls(&seen, &law, &phi);
                flock.update(&seen, &pulls);
                for (i, phi) in phi.iter().enumerate() {
                    let mut alone = various().get(i);
                    let forecast = alone.forecast(way.sign());
                    let nu = z + seen.lag * alone.mean[1] - forecast.value;
                    let pull = law.pull(nu, forecast.variance + seen.others, *phi);
                    alone.update(&forecast, pull.slope, pull.bend, seen.others);
                    // To the last bit, whatever instructions the processor has.
                    assert_eq!(flock.get(i), alone, "{way:?} {z} {i}");
                    assert_eq!(pulls.ln_z[i], pull.ln_z);
                }
            }
        }
    }

    #[test]
    fn filters_at_rest_say_together_what_they_say_awake() {
        let weight = [0.4, 0.1, 0.2, 0.05, 0.05, 0.2];
        let flock = various();
        let (rested, first) = (flock.rest(), flock.first());
        let awake = rested.wake(&first).mixed(&weight);
        let (mean, cov) = rested.mixed(&first, &weight);
        let [xx, xy, _, yy, ..] = awake.cov;
        for (a, b) in mean.iter().zip(awake.mean).chain(cov.iter().zip([xx, xy, yy])) {
            assert!((a / b - 1.0).abs() < 1e-12, "{mean:?} {cov:?} {awake:?}");
        }
    }

    #[test]
    fn what_passes_does_so_to_the_mean_as_to_each() {
        let weight = [0.4, 0.1, 0.2, 0.05, 0.05, 0.2];
        let (q, walk) = ([1e-18, 1e-17, 1e-19, 1e-18, 1e-18, 1e-18], [1e-18; FILTERS]);
        let mut flock = various();
        let mut mean = flock.mixed(&weight);
        flock.predict(2.0, &q, &walk);
        mean.predict(2.0, product(&weight, &q), product(&weight, &walk));
        let after = flock.mixed(&weight);
        for (a, b) in mean.mean.iter().zip(after.mean).chain(mean.cov.iter().zip(after.cov)) {
            assert!((a / b - 1.0).abs() < 1e-12, "{mean:?} {after:?}");
        }
    }
}
