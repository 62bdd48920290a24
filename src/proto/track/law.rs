//! The law of one direction's delays, and what one delay says.
//!
//! A delay is the floor plus queueing, and queueing only ever adds: here a mixture of two
//! exponentials, an everyday one and a rare long one (a queue, a sleeping CPU). The stamps add
//! normal noise of deviation φ. The sum of both is the *exponentially modified Gaussian*, whose
//! derivatives have a closed form.

use super::elementary::{exp, greater, ln};
use super::normal::tail;

/// Residuals that the learned scales remember. Long: they are the network's, not the moment's.
const MEMORY: f64 = 400.0;
/// Weight of the first guess, in residuals.
const GUESS: f64 = 3.0;
/// The long exponential is at least so many times the everyday one: else they are one.
const APART: f64 = 8.0;
/// Share of the long one at first, and the limits of its learned share. Never nil: a late packet
/// must not come as a surprise.
const RARE: f64 = 0.02;
const SHARE: (f64, f64) = (0.005, 0.9);
/// Scales beyond a second are no delays of a LAN.
const GREATEST: f64 = 1.0;
/// Ratio of the long scale to the everyday one in the first guess.
const FIRST_APART: f64 = 20.0;

/// How one observation moves what was predicted: derivatives of the log likelihood to û.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pull {
    /// ln Z, the log likelihood of the observation.
    pub(super) ln_z: f64,
    /// d ln Z / dû: times P·Hᵀ it is the shift of the state's mean. 1/s.
    pub(super) slope: f64,
    /// −d² ln Z / dû²: times the square of P·Hᵀ it is the loss of the state's variance. 1/s².
    /// Negative where the two exponentials disagree.
    pub(super) bend: f64,
}

/// Queueing delays of one direction, learned on the way. Seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Law {
    scale: [f64; 2],
    long: f64,
    weight: f64,
    /// Smoothed responsibility of either exponential, and that times the delay (online EM).
    share: [f64; 2],
    sum: [f64; 2],
}

/// A law at rest, in single precision: what it learns is no surer than one part in a thousand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resting {
    scale: [f32; 2],
    /// Of the long one; its share in the law is this within limits, the other's the rest.
    share: f32,
    sum: [f32; 2],
    weight: f32,
}

impl Resting {
    /// A word of it.
    pub(super) fn touch(&self) -> u32 {
        self.weight.to_bits()
    }

    pub(super) fn wake(&self) -> Law {
        let share = f64::from(self.share);
        Law {
            scale: self.scale.map(f64::from),
            long: share.clamp(SHARE.0, SHARE.1),
            weight: f64::from(self.weight),
            share: [1.0 - share, share],
            sum: self.sum.map(f64::from),
        }
    }

    /// As [`Law::scale`].
    pub(super) fn scale(&self) -> f64 {
        f64::from(self.scale[0])
    }
}

impl Law {
    pub(super) fn rest(&self) -> Resting {
        Resting {
            scale: self.scale.map(|scale| scale as f32),
            share: self.share[1] as f32,
            sum: self.sum.map(|sum| sum as f32),
            weight: self.weight as f32,
        }
    }

    /// A first guess of the everyday scale, in seconds.
    pub(super) fn new(scale: f64) -> Self {
        let scale = [scale, scale * FIRST_APART];
        let share = [1.0 - RARE, RARE];
        let sum = [share[0] * scale[0], share[1] * scale[1]];
        Self { scale, long: RARE, weight: GUESS, share, sum }
    }

    /// What observations are held against, until it learns.
    pub(super) fn mixture(&self) -> Mixture {
        Mixture {
            near: Exponential::new(1.0 - self.long, self.scale[0]),
            far: Exponential::new(self.long, self.scale[1]),
        }
    }

    /// Takes in a delay above the floor; no scale becomes less than `least`.
    pub(super) fn learn(&mut self, delay: f64, least: f64) {
        let delay = delay.clamp(0.0, GREATEST);
        self.weight = (self.weight + 1.0).min(MEMORY);
        let gain = 1.0 / self.weight;
        let Mixture { near, far } = self.mixture();
        let odds = near.peak / far.peak * exp(-delay * (near.lambda - far.lambda));
        let long = 1.0 / (1.0 + odds);
        for (i, part) in [1.0 - long, long].into_iter().enumerate() {
            self.share[i] += gain * (part - self.share[i]);
            self.sum[i] += gain * (part * delay - self.sum[i]);
        }
        let mean = |i: usize| self.sum[i] / self.share[i].max(1e-9);
        self.scale[0] = mean(0).clamp(least, GREATEST);
        self.scale[1] = mean(1).clamp(APART * self.scale[0], APART * GREATEST);
        self.long = self.share[1].clamp(SHARE.0, SHARE.1);
    }

    /// The everyday scale, in seconds.
    pub(super) fn scale(&self) -> f64 {
        self.scale[0]
    }
}

/// A law as a bank's filters in turn hold an observation against it: what does not depend on the
/// observation is worked out once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mixture {
    near: Exponential,
    far: Exponential,
}

#[derive(Debug, Clone, Copy)]
struct Exponential {
    /// 1/scale.
    lambda: f64,
    /// Its density at no delay, by its share.
    peak: f64,
}

/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;

impl Mixture {
    /// What a residual `nu` = z − û says, where û was predicted with variance `s` and the stamps
    /// have the noise `phi`, both together not nil.
    ///
    /// With λ = 1/scale, V = s + φ², u = ν/√V, t = u − λ√V an exponential of that scale has the likelihood
    /// Z = λ·e^(λ²V/2 − λν)·Φ(t) = λ·φ(u)·Φ(t)/φ(t), slope = λ − r/√V, bend = r(t + r)/V; a mixture's are
    /// the mean of these by responsibility, its bend less the variance of the slopes. Of the two forms of Z the
    /// first is worked with where t is above 0, the second below: neither has a power that could overflow. The
    /// long one's t is the greater.
    ///
    /// Without a branch, so that the filters of a bank are worked out side by side.
    #[inline(always)]
    pub(super) fn pull(&self, nu: f64, s: f64, phi: f64) -> Pull {
        let Self { near, far } = self;
        let variance = s + phi * phi;
        let deviation = variance.sqrt();
        let precision = 1.0 / deviation;
        let u = nu * precision;
        let t = [u - near.lambda * deviation, u - far.lambda * deviation];
        let cut = [tail(t[0]), tail(t[1])];
        let apart = near.lambda - far.lambda;
        // How much likelier the everyday one is, but for what is in `cut`.
        let odds = if t[0] > 0.0 {
            apart * (0.5 * (near.lambda + far.lambda) * variance - nu)
        } else {
            -0.5 * greater(t[1], 0.0) * t[1]
        };
        let likely = [near.peak * cut[0].mass * exp(odds), far.peak * cut[1].mass];
        let sum = likely[0] + likely[1];
        let whole = 1.0 / sum;
        let (a, b) = (likely[0] * whole, likely[1] * whole);
        let common =
            if t[1] > 0.0 { far.lambda * (0.5 * far.lambda * variance - nu) } else { -0.5 * u * u };
        let slopes =
            [near.lambda - cut[0].ratio * precision, far.lambda - cut[1].ratio * precision];
        let between = slopes[0] - slopes[1];
        Pull {
            ln_z: ln(sum) + common - LN_SQRT_TAU,
            slope: a * slopes[0] + b * slopes[1],
            bend: (a * cut[0].shrink + b * cut[1].shrink) * (precision * precision)
                - a * b * between * between,
        }
    }
}

/// Residuals that are held against one law side by side, see [`Mixture::pull`]. As many as the widest
/// instructions take, or half of that: there may be places that nobody needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Residuals<const N: usize> {
    pub(super) nu: [f64; N],
    pub(super) s: [f64; N],
    pub(super) phi: [f64; N],
}

/// What they say, see [`Pull`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Pulls<const N: usize> {
    pub(super) ln_z: [f64; N],
    pub(super) slope: [f64; N],
    pub(super) bend: [f64; N],
}

impl<const N: usize> Residuals<N> {
    /// For places that nobody needs.
    pub(super) const NONE: Self = Self { nu: [0.0; N], s: [1.0; N], phi: [1.0; N] };
}

struct Holding<'a, const N: usize> {
    against: &'a Mixture,
    residuals: &'a Residuals<N>,
}

impl<const N: usize> pulp::NullaryFnOnce for Holding<'_, N> {
    type Output = Pulls<N>;

    #[inline(always)]
    fn call(self) -> Pulls<N> {
        let (law, Residuals { nu, s, phi }) = (*self.against, self.residuals);
        let mut pulls = Pulls { ln_z: [0.0; N], slope: [0.0; N], bend: [0.0; N] };
        for i in 0..N {
            let Pull { ln_z, slope, bend } = law.pull(nu[i], s[i], phi[i]);
            pulls.ln_z[i] = ln_z;
            pulls.slope[i] = slope;
            pulls.bend[i] = bend;
        }
        pulls
    }
}

impl Mixture {
    /// As [`Mixture::pull`], of each of these, with the widest instructions that the processor has.
    pub(super) fn pulls<const N: usize>(&self, residuals: &Residuals<N>) -> Pulls<N> {
        pulp::Arch::new().dispatch(Holding { against: self, residuals })
    }
}

impl Exponential {
    fn new(share: f64, scale: f64) -> Self {
        let lambda = 1.0 / scale;
        Self { lambda, peak: share * lambda }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pull_is_the_derivative_of_the_likelihood() {
        let law = Law::new(5e-6).mixture();
        let (s, phi, step) = (4e-14, 1e-7, 1e-10);
        for nu in [-2e-6, -3e-7, 0.0, 4e-7, 3e-6, 4e-5, 4e-4] {
            let here = law.pull(nu, s, phi);
            // ν falls where û rises.
            let (up, down) = (law.pull(nu - step, s, phi), law.pull(nu + step, s, phi));
            let slope = (up.ln_z - down.ln_z) / (2.0 * step);
            let bend = -(up.slope - down.slope) / (2.0 * step);
            assert!(
                (here.slope - slope).abs() < 1e-3 * slope.abs() + 2e3,
                "{nu}: {here:?} {slope}"
            );
            assert!((here.bend - bend).abs() < 2e-2 * bend.abs() + 1e9, "{nu}: {here:?} {bend}");
        }
    }

    #[test]
    fn too_fast_is_believed_and_late_is_not() {
        let law = Law::new(5e-6).mixture();
        let (s, phi) = (1e-12, 1e-8);
        let fast = law.pull(-5e-6, s, phi);
        let late = law.pull(2e-3, s, phi);
        // Too fast: the prediction goes nearly all the way down. Late: next to nothing.
        assert!((fast.slope * s / -5e-6 - 1.0).abs() < 0.1, "{fast:?}");
        assert!((late.slope * s).abs() < 1e-7 && late.bend.abs() * s < 1e-3, "{late:?}");
    }

    #[test]
    fn it_learns_both_scales() {
        let mut law = Law::new(1e-6);
        let mut u = 0.5_f64;
        for i in 0..4_000 {
            u = (u + 0.618_033_988_749_895).fract();
            let scale = if i % 10 == 3 { 300e-6 } else { 5e-6 };
            law.learn(-scale * (1.0 - u).ln(), 1e-8);
        }
        assert!((4e-6..6.5e-6).contains(&law.scale()), "{law:?}");
        assert!((150e-6..450e-6).contains(&law.scale[1]), "{law:?}");
        assert!((0.05..0.2).contains(&law.long), "{law:?}");
    }
}
