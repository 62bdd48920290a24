//! The normal distribution's tail, as the one-sided likelihood needs it.

use super::elementary::{exp, lesser, polynomial};

/// √(2π).
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;
/// Beyond it the continued fraction is the better of the two.
const FAR: f64 = 6.5;
/// The same as at so many deviations is what is further away: the powers of it stay finite.
const FURTHEST: f64 = 1e15;

/// What is left of a normal distribution that is cut off above `t` standard deviations, with density φ
/// and distribution Φ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tail {
    /// Φ(t)/φ(t), the Mills ratio of what is left, for t below 0; above, where it grows beyond all bounds,
    /// that times e^(−t²/2), which is √(2π)·Φ(t).
    pub(super) mass: f64,
    /// r = φ(t)/Φ(t): how far the mean moves down.
    pub(super) ratio: f64,
    /// r·(t + r), in 0 … 1: how much of the variance goes.
    pub(super) shrink: f64,
}

/// Cuts a standard normal off above `t`. Relative error of the first two below 1e-8 (far above 0 the ratio is
/// nil), absolute error of the third below 1e-6.
///
/// The Mills ratio of the upper tail from x = |t| on is a quotient N/D: up to [`FAR`] that of Hart and others,
/// *Computer Approximations* (1968), 5666, in the form of West, *Better approximations to cumulative normal
/// functions* (2005); from there on Laplace's continued fraction 1/(x + 1/(x + 2/(x + …))) (Abramowitz and
/// Stegun 26.2.14) as far as the eighth. Which of the two it is, and on which side of 0, is chosen before the
/// one division, and without a branch.
#[inline(always)]
pub(super) fn tail(t: f64) -> Tail {
    let above = t > 0.0;
    let x = lesser(if above { t } else { -t }, FURTHEST);
    let near = [SQRT_TAU * polynomial(x, &UPPER), polynomial(x, &LOWER)];
    let y = x * x;
    let (upper, lower) = (polynomial(y, &BEYOND[0]), polynomial(y, &BEYOND[1]) * x);
    let is_far = x > FAR;
    let n = if is_far { lower } else { near[0] };
    let d = if is_far { lower * x + upper } else { near[1] };
    // r − x on the lower side, whose greatest part cancels.
    let gap = if is_far { upper } else { near[1] - x * near[0] };
    let e = if above { exp(-0.5 * y) } else { 1.0 };
    let p = if above { SQRT_TAU * d - n * e } else { n };
    let both = 1.0 / (p * d);
    let by_p = d * both;
    let ratio = e * (d * by_p);
    let more = if above { t + ratio } else { gap * by_p };
    Tail { mass: p * (p * both), ratio, shrink: lesser(ratio * more, 1.0) }
}

const UPPER: [f64; 7] = [
    0.035_262_496_599_891_1,
    0.700_383_064_443_688,
    6.373_962_203_531_65,
    33.912_866_078_383,
    112.079_291_497_871,
    221.213_596_169_931,
    220.206_867_912_376,
];
const LOWER: [f64; 8] = [
    0.088_388_347_648_318_4,
    1.755_667_163_182_64,
    16.064_177_579_207,
    86.780_732_202_946_1,
    296.564_248_779_674,
    637.333_633_378_831,
    793.826_512_519_948,
    440.413_735_824_752,
];
/// By how much φ(x)/(1 − Φ(x)) is more than x, by powers of x²: what is above the line, and what is below it,
/// over x.
const BEYOND: [[f64; 4]; 2] = [[1.0, 25.0, 141.0, 105.0], [1.0, 27.0, 185.0, 279.0]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // φ/Φ from tables to 40 digits (Abramowitz and Stegun 26.1, 26.2).
        for (t, ratio) in [
            (0.0, 0.797_884_560_802_865),
            (1.0, 0.287_599_970_939_178),
            (-1.0, 1.525_135_276_160_981),
            (-5.0, 5.186_503_967_125_842),
            (-20.0, 20.049_753_068_527_85),
        ] {
            let tail = tail(t);
            assert!((tail.ratio / ratio - 1.0).abs() < 1e-8, "{t}: {tail:?}");
            let density = (-0.5 * t.max(0.0) * t).exp();
            assert!((tail.ratio * tail.mass / density - 1.0).abs() < 1e-13, "{t}: {tail:?}");
            assert!((tail.shrink - ratio * (t + ratio)).abs() < 1e-6, "{t}: {tail:?}");
        }
    }

    #[test]
    fn it_is_smooth_where_the_formulas_meet() {
        for joint in [-FAR, 0.0, FAR] {
            let (a, b) = (tail(joint - 1e-9), tail(joint + 1e-9));
            assert!((a.mass / b.mass - 1.0).abs() < 3e-8, "{a:?} {b:?}");
            assert!((a.shrink - b.shrink).abs() < 1e-6, "{a:?} {b:?}");
        }
        for t in [-1e300, -1e12, -1e6, -1e3, -30.0, -3.0, 0.0, 3.0, 25.0, 1e3, 1e300] {
            let tail = tail(t);
            assert!((0.0..=1.0).contains(&tail.shrink) && tail.ratio >= 0.0, "{t}: {tail:?}");
            assert!(tail.mass.is_normal() && tail.ratio.is_finite(), "{t}: {tail:?}");
        }
    }
}
