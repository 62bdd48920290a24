//! The normal distribution's tail, as the one-sided likelihood needs it.

/// √(2π).
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;
/// Beyond it the continued fraction is the better of the two.
const FAR: f64 = 6.5;
/// Above it nothing is cut off that a double could tell from nothing, and it is not asked for.
pub(super) const WHOLE: f64 = 25.0;

/// What is left of a normal distribution that is cut off above `t` standard deviations, with density φ
/// and distribution Φ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tail {
    /// Φ(t)/φ(t), the Mills ratio of what is left.
    pub(super) mills: f64,
    /// r = φ(t)/Φ(t): how far the mean moves down.
    pub(super) ratio: f64,
    /// r·(t + r), in 0 … 1: how much of the variance goes.
    pub(super) shrink: f64,
}

/// Cuts a standard normal off above `t`, which is [`WHOLE`] at most. Relative error of the first two below
/// 1e-8, absolute error of the third below 1e-6.
pub(super) fn tail(t: f64) -> Tail {
    if t < -FAR {
        let beyond = beyond(-t);
        let ratio = beyond - t;
        return Tail { mills: 1.0 / ratio, ratio, shrink: (ratio * beyond).min(1.0) };
    }
    let mills = match t < 0.0 {
        true => mills(-t),
        // Both sides together are 1/φ(t).
        false => SQRT_TAU * (0.5 * t * t).exp() - if t < FAR { mills(t) } else { 0.0 },
    };
    let ratio = 1.0 / mills;
    Tail { mills, ratio, shrink: (ratio * (t + ratio)).clamp(0.0, 1.0) }
}

/// (1 − Φ(x))/φ(x) for x in 0 … [`FAR`]: Hart and others, *Computer Approximations* (1968), 5666, in the form
/// of West, *Better approximations to cumulative normal functions* (2005). Relative error below 2e-9.
fn mills(x: f64) -> f64 {
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
    let at = |all: &[f64]| all.iter().fold(0.0, |sum, of| sum * x + of);
    SQRT_TAU * at(&UPPER) / at(&LOWER)
}

/// By how much φ(x)/(1 − Φ(x)) is more than x, for x from [`FAR`] on: Laplace's continued fraction
/// 1/(x + 2/(x + 3/(x + …))) (Abramowitz and Stegun 26.2.14) as far as the seventh. Relative error below 5e-8.
fn beyond(x: f64) -> f64 {
    let y = x * x;
    let upper = ((y + 25.0) * y + 141.0) * y + 105.0;
    let lower = ((y + 27.0) * y + 185.0) * y + 279.0;
    upper / (lower * x)
}

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
            assert!((tail.ratio * tail.mills - 1.0).abs() < 1e-15, "{t}: {tail:?}");
            assert!((tail.shrink - ratio * (t + ratio)).abs() < 1e-6, "{t}: {tail:?}");
        }
    }

    #[test]
    fn it_is_smooth_where_the_formulas_meet() {
        for joint in [-FAR, 0.0, FAR] {
            let (a, b) = (tail(joint - 1e-9), tail(joint + 1e-9));
            assert!((a.mills / b.mills - 1.0).abs() < 3e-8, "{a:?} {b:?}");
            assert!((a.shrink - b.shrink).abs() < 1e-6, "{a:?} {b:?}");
        }
        for t in [-1e12, -1e6, -1e3, -30.0, -3.0, 0.0, 3.0, WHOLE] {
            let tail = tail(t);
            assert!((0.0..=1.0).contains(&tail.shrink) && tail.ratio >= 0.0, "{t}: {tail:?}");
        }
    }
}
