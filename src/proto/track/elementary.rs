//! The exponential function and the logarithm, out of sums, products and quotients alone.
//!
//! A bank asks for them dozens of times for each exchange. These have no branch and call nothing, so
//! that the compiler works on several filters at once; and IEEE 754 says what each of their operations
//! gives to the last bit, which it does not of a C library's: the same everywhere.

/// 1.5·2⁵²: a number of moderate size that is added to it has its whole part in the lowest bits.
const WHOLE: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts, of which the first has zeros enough at its end to be multiplied exactly (Cody and Waite,
/// *Software Manual for the Elementary Functions*, 1980).
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
/// The bits of √½, below which no mantissa is left.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// Nothing is told from nothing below e to this.
const LEAST: f64 = -700.0;

/// The greater one; the second where there is none.
#[inline(always)]
pub(super) fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The lesser one; the second where there is none.
#[inline(always)]
pub(super) fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// eˣ for x from −700 to 0; beyond the ends, and for what is no number, as at −700 and 0. Relative error
/// below 1e-14.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let x = lesser(greater(x, LEAST), 0.0);
    let lifted = x * std::f64::consts::LOG2_E + WHOLE;
    let n = lifted - WHOLE;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    // Taylor's series; |r| is at most half of ln 2, and what follows 4e-16 of the whole.
    const PARTS: [f64; 12] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
    ];
    let power = f64::from_bits(lifted.to_bits().wrapping_add(1_023) << 52);
    power * (polynomial(r, &PARTS) * r + 1.0)
}

/// The natural logarithm of what is positive and not subnormal. Absolute error below 1e-14, or relative.
#[inline(always)]
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    // The exponent, moved so that it is never negative.
    let k = (bits.wrapping_sub(ROOT_HALF).wrapping_add(1_023 << 52)) >> 52;
    let m = f64::from_bits(bits.wrapping_sub(k << 52).wrapping_add(1_023 << 52));
    let k = f64::from_bits(WHOLE.to_bits() + k) - (WHOLE + 1_023.0);
    // ln m = 2·artanh s, with |s| at most 0.172.
    let s = (m - 1.0) / (m + 1.0);
    const PARTS: [f64; 8] = [
        2.0 / 17.0,
        2.0 / 15.0,
        2.0 / 13.0,
        2.0 / 11.0,
        2.0 / 9.0,
        2.0 / 7.0,
        2.0 / 5.0,
        2.0 / 3.0,
    ];
    let y = s * s;
    k * LN_2[0] + (s * (polynomial(y, &PARTS) * y + 2.0) + k * LN_2[1])
}

/// The highest power's part first. The even powers and the odd ones by Horner's rule each, side by side: half
/// as many operations wait for one another.
#[inline(always)]
pub(super) fn polynomial<const N: usize>(x: f64, parts: &[f64; N]) -> f64 {
    let y = x * x;
    let mut sums = [parts[0], parts[1]];
    for (i, part) in parts.iter().enumerate().skip(2) {
        sums[i % 2] = sums[i % 2] * y + part;
    }
    // The last part is of x⁰.
    sums[(N - 1) % 2] + x * sums[N % 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_the_library_s() {
        for i in 0..=200_000 {
            let x = f64::from(i) * -700.0 / 200_000.0;
            let error = exp(x) / x.exp() - 1.0;
            assert!(error.abs() < 1e-14, "{x}: {error:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(3.0), 1.0, "it ends at 0");
        assert_eq!(exp(f64::NEG_INFINITY), exp(LEAST));
        assert!(exp(LEAST) > 0.0 && exp(f64::NAN) <= 1.0);
    }

    #[test]
    fn the_logarithm_is_the_library_s() {
        for i in -3_000..3_000_i32 {
            for x in [1.1_f64.powi(i), 1.0 + f64::from(i) * 1e-5] {
                let (own, true_one) = (ln(x), x.ln());
                let error = (own - true_one).abs() / true_one.abs().max(1.0);
                assert!(error < 1e-14, "{x}: {own} {true_one}");
            }
        }
        assert_eq!(ln(1.0), 0.0);
        for x in [f64::MIN_POSITIVE, f64::MAX] {
            assert!((ln(x) / x.ln() - 1.0).abs() < 1e-14, "{x}");
        }
    }
}
