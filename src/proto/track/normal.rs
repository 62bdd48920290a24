//! The normal distribution's tail, as the one-sided likelihood needs it.

use std::f64::consts::FRAC_1_SQRT_2;

/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;
/// √(2/π).
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
/// 1/√(2π).
const DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;
/// Below it the asymptotic series is exact to 1e-6, and the quotient loses digits.
const FAR: f64 = -12.0;
/// Above it nothing is cut off that a double could tell from nothing.
const WHOLE: f64 = 8.0;

/// What is left of a normal distribution that is cut off above `t` standard deviations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tail {
    /// ln Φ(t): how much is left.
    pub(super) ln_mass: f64,
    /// r = φ(t)/Φ(t), the inverse Mills ratio: how far the mean moves down.
    pub(super) ratio: f64,
    /// r·(t + r), in 0 … 1: how much of the variance goes.
    pub(super) shrink: f64,
}

/// Cuts a standard normal off above `t`. Relative error below 1e-6 everywhere.
pub(super) fn tail(t: f64) -> Tail {
    if t > WHOLE {
        return Tail { ln_mass: 0.0, ratio: 0.0, shrink: 0.0 };
    }
    if t < FAR {
        // Abramowitz and Stegun 26.2.12.
        let i = 1.0 / (t * t);
        let series = 1.0 - i * (1.0 - 3.0 * i * (1.0 - 5.0 * i));
        let ln_mass = -0.5 * t * t - LN_SQRT_TAU - (-t).ln() + series.ln();
        return Tail { ln_mass, ratio: -t / series, shrink: 1.0 - i * (1.0 - 6.0 * i) };
    }
    let scaled = erfcx(t.abs() * FRAC_1_SQRT_2);
    let (ln_mass, ratio) = if t < 0.0 {
        (-0.5 * t * t + (0.5 * scaled).ln(), SQRT_2_OVER_PI / scaled)
    } else {
        let density = (-0.5 * t * t).exp();
        let mass = 1.0 - 0.5 * scaled * density;
        (mass.ln(), DENSITY_AT_ZERO * density / mass)
    };
    Tail { ln_mass, ratio, shrink: (ratio * (t + ratio)).clamp(0.0, 1.0) }
}

/// exp(x²)·erfc(x) for x ≥ 0 by the Chebyshev fit of *Numerical Recipes* (2nd edition, §6.2),
/// relative error below 1.2e-7.
fn erfcx(x: f64) -> f64 {
    const C: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let k = 1.0 / (1.0 + 0.5 * x);
    k * C.iter().fold(0.0, |sum, c| sum * k + c).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // ln Φ, φ/Φ from tables to 40 digits (Abramowitz and Stegun 26.1, 26.2).
        for (t, ln_mass, ratio) in [
            (0.0, -std::f64::consts::LN_2, 0.797_884_560_8),
            (1.0, -0.172_753_779_0, 0.287_599_970_9),
            (-1.0, -1.841_021_645_0, 1.525_135_276_2),
            (-5.0, -15.064_998_394, 5.186_503_967_1),
            (-20.0, -203.917_155_37, 20.049_753_123),
        ] {
            let tail = tail(t);
            assert!((tail.ln_mass - ln_mass).abs() < 2e-6 * (1.0 + ln_mass.abs()), "{t}: {tail:?}");
            assert!((tail.ratio - ratio).abs() < 2e-6 * ratio, "{t}: {tail:?}");
        }
    }

    #[test]
    fn it_is_smooth_where_the_formulas_meet() {
        for joint in [FAR, 0.0, WHOLE] {
            let (a, b) = (tail(joint - 1e-9), tail(joint + 1e-9));
            assert!((a.ln_mass - b.ln_mass).abs() < 1e-5, "{a:?} {b:?}");
            assert!((a.ratio - b.ratio).abs() < 1e-5, "{a:?} {b:?}");
            assert!((a.shrink - b.shrink).abs() < 2e-4, "{a:?} {b:?}");
        }
        for t in [-1e6, -1e3, -30.0, -3.0, 0.0, 3.0, 1e3] {
            let tail = tail(t);
            assert!((0.0..=1.0).contains(&tail.shrink) && tail.ratio >= 0.0, "{t}: {tail:?}");
        }
    }
}
