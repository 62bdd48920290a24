//! The law of one direction's delays, and what one delay says.
//!
//! A delay is the floor plus queueing, and queueing only ever adds: here a mixture of two
//! exponentials, an everyday one and a rare long one (a queue, a sleeping CPU). The stamps add
//! normal noise of deviation φ. The sum of both is the *exponentially modified Gaussian*, whose
//! derivatives have a closed form.

use super::normal::{WHOLE, tail};

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
        let odds = near.peak / far.peak * (-delay * (near.lambda - far.lambda)).exp();
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
/// From so many deviations on the noise of the stamps hides no delay any more.
const CLEAR: f64 = 8.0;

impl Mixture {
    /// What a residual `nu` = z − û says, where û was predicted with variance `s` and the stamps
    /// have the noise `phi`.
    ///
    /// With λ = 1/scale, V = s + φ², u = ν/√V, t = u − λ√V an exponential of that scale has the likelihood
    /// Z = λ·e^(λ²V/2 − λν)·Φ(t) = λ·φ(u)·Φ(t)/φ(t), slope = λ − r/√V, bend = r(t + r)/V; a mixture's are
    /// the mean of these by responsibility, its bend less the variance of the slopes. So of both φ(u) is
    /// the same, and a quotient without any exponential function the rest.
    pub(super) fn pull(&self, nu: f64, s: f64, phi: f64) -> Pull {
        let Self { near, far } = self;
        let variance = s + phi * phi;
        let deviation = variance.sqrt();
        let u = nu / deviation;
        let t = [u - near.lambda * deviation, u - far.lambda * deviation];
        // The long one's is the greater.
        if t[1] > WHOLE {
            return self.late(nu, variance, t[0] > CLEAR);
        }
        let cut = t.map(tail);
        let likely = [near.peak * cut[0].mills, far.peak * cut[1].mills];
        let sum = likely[0] + likely[1];
        let (a, b) = (likely[0] / sum, likely[1] / sum);
        let slopes =
            [near.lambda - cut[0].ratio / deviation, far.lambda - cut[1].ratio / deviation];
        Pull {
            ln_z: sum.ln() - 0.5 * u * u - LN_SQRT_TAU,
            slope: a * slopes[0] + b * slopes[1],
            bend: (a * cut[0].shrink + b * cut[1].shrink) / variance
                - a * b * (slopes[0] - slopes[1]).powi(2),
        }
    }

    /// The same for a delay that stands clear of the noise, where Φ(t) of the long one is 1. That of the
    /// everyday one is, too, or it explains nothing.
    fn late(&self, nu: f64, variance: f64, everyday: bool) -> Pull {
        let Self { near, far } = self;
        let apart = near.lambda - far.lambda;
        // How much likelier the everyday one is.
        let odds = if everyday {
            let less = apart * (nu - 0.5 * (near.lambda + far.lambda) * variance);
            near.peak / far.peak * (-less).exp()
        } else {
            0.0
        };
        let b = 1.0 / (1.0 + odds);
        let a = odds * b;
        Pull {
            ln_z: (far.peak * (1.0 + odds)).ln() + far.lambda * (0.5 * far.lambda * variance - nu),
            slope: far.lambda + a * apart,
            bend: -a * b * apart * apart,
        }
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
