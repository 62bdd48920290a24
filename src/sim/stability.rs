//! How steady a clock is: Allan deviation, time deviation, maximum time interval error.
//!
//! All three take a clock's error in seconds, sampled every `tau0` seconds, and look at intervals
//! of `m` samples. Definitions as in ITU-T G.810 and NIST SP 1065.

/// The overlapping Allan deviation at τ = `m`·`tau0`, a ratio: how much the mean rate of one
/// interval τ differs from that of the next (NIST SP 1065, eq. 11). None where the samples do not
/// cover two intervals.
pub fn allan_deviation(errors: &[f64], tau0: f64, m: usize) -> Option<f64> {
    let differences = second_differences(errors, m)?;
    let count = differences.len() as f64;
    let sum: f64 = differences.map(|d| d * d).sum();
    Some((sum / (2.0 * count)).sqrt() / (m as f64 * tau0))
}

/// The time deviation at τ = `m`·`tau0` in seconds: how much the mean error over one interval
/// departs from what its neighbours let expect (ITU-T G.810, II.3). A constant rate does not
/// show. None where the samples do not cover three intervals.
pub fn time_deviation(errors: &[f64], m: usize) -> Option<f64> {
    let differences: Vec<f64> = second_differences(errors, m)?.collect();
    let windows = differences.len().checked_sub(m).map(|rest| rest + 1).filter(|_| m > 0)?;
    let mut sum: f64 = differences[..m].iter().sum();
    let mut squares = sum * sum;
    for first in 1..windows {
        sum += differences[first + m - 1] - differences[first - 1];
        squares += sum * sum;
    }
    let m = m as f64;
    Some((squares / (6.0 * m * m * windows as f64)).sqrt())
}

/// The maximum time interval error at τ = `m`·`tau0` in seconds: the greatest peak-to-peak error
/// within any window of `m` intervals (ITU-T G.810, II.5). None where the samples do not cover one
/// window.
pub fn max_time_interval_error(errors: &[f64], m: usize) -> Option<f64> {
    let peak_to_peak = |window: &[f64]| {
        let (least, greatest) = window
            .iter()
            .fold((f64::MAX, f64::MIN), |(least, greatest), &x| (least.min(x), greatest.max(x)));
        greatest - least
    };
    if m == 0 {
        return None;
    }
    errors.windows(m + 1).map(peak_to_peak).reduce(f64::max)
}

/// RMS departure from a straight line, which is fitted to every `window` samples anew. What is
/// left over at the end is not looked at; with fewer samples than a window, all are one.
pub fn departure_from_line(errors: &[f64], window: usize) -> f64 {
    let window = window.min(errors.len());
    if window < 3 {
        return 0.0;
    }
    let windows = errors.chunks_exact(window);
    let count = windows.len() * window;
    (windows.map(squared_departure).sum::<f64>() / count as f64).sqrt()
}

/// Slope of the straight line through samples that are 1 apart, by least squares.
pub fn slope(errors: &[f64]) -> f64 {
    let middle = (errors.len() as f64 - 1.0) / 2.0;
    let (mut moment, mut weight) = (0.0, 0.0);
    for (i, error) in errors.iter().enumerate() {
        let x = i as f64 - middle;
        moment += x * error;
        weight += x * x;
    }
    if weight > 0.0 { moment / weight } else { 0.0 }
}

fn squared_departure(errors: &[f64]) -> f64 {
    let slope = slope(errors);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let middle = (errors.len() as f64 - 1.0) / 2.0;
    let line = |i: usize| mean + slope * (i as f64 - middle);
    errors.iter().enumerate().map(|(i, error)| (error - line(i)).powi(2)).sum()
}

fn second_differences(errors: &[f64], m: usize) -> Option<impl ExactSizeIterator<Item = f64> + '_> {
    let count = errors.len().checked_sub(m.checked_mul(2)?).filter(|&n| n > 0 && m > 0)?;
    Some((0..count).map(move |i| errors[i + 2 * m] - 2.0 * errors[i + m] + errors[i]))
}

#[cfg(test)]
mod tests {
    use super::super::dice::{Dice, Purpose};
    use super::*;

    /// Error of a clock whose phase, or whose rate, is white noise of deviation 1.
    fn white(rate: bool, samples: usize) -> Vec<f64> {
        let mut dice = Dice::new(5, Purpose::Wander(0));
        let mut sum = 0.0;
        let mut next = || {
            let draw = dice.normal();
            sum += draw;
            if rate { sum } else { draw }
        };
        (0..samples).map(|_| next()).collect()
    }

    #[test]
    fn white_phase_noise_falls_with_tau() {
        // σ_y(τ) = √3·σ/τ; TDEV(τ) = σ/√m.
        let errors = white(false, 100_000);
        for m in [1, 10, 100] {
            let tau = m as f64;
            let adev = allan_deviation(&errors, 1.0, m).unwrap() * tau / 3f64.sqrt();
            assert!((adev - 1.0).abs() < 0.05, "ADEV at {m}: {adev}");
            let tdev = time_deviation(&errors, m).unwrap() * tau.sqrt();
            assert!((tdev - 1.0).abs() < 0.1, "TDEV at {m}: {tdev}");
        }
    }

    #[test]
    fn white_rate_noise_falls_with_the_root_of_tau() {
        // σ_y(τ) = σ/√τ.
        let errors = white(true, 100_000);
        for m in [1, 10, 100] {
            let adev = allan_deviation(&errors, 1.0, m).unwrap() * (m as f64).sqrt();
            assert!((adev - 1.0).abs() < 0.1, "at {m}: {adev}");
        }
    }

    #[test]
    fn a_constant_rate_is_steady_and_a_sampling_interval_scales() {
        let errors: Vec<f64> = (0..1000).map(|i| 3.0 + 2e-6 * f64::from(i)).collect();
        assert!(allan_deviation(&errors, 1.0, 10).unwrap() < 1e-15);
        assert!(time_deviation(&errors, 10).unwrap() < 1e-14);
        assert!(departure_from_line(&errors, 600) < 1e-14);
        assert!((slope(&errors) - 2e-6).abs() < 1e-15);
        assert!((max_time_interval_error(&errors, 10).unwrap() - 20e-6).abs() < 1e-12);
        let noisy = white(false, 1000);
        let ratio =
            allan_deviation(&noisy, 0.1, 4).unwrap() / allan_deviation(&noisy, 1.0, 4).unwrap();
        assert!((ratio - 10.0).abs() < 1e-9);
    }

    #[test]
    fn too_few_samples_say_nothing() {
        let errors = [0.0, 1.0, 0.0, 1.0];
        assert_eq!(allan_deviation(&errors, 1.0, 2), None);
        assert_eq!(allan_deviation(&errors, 1.0, 0), None);
        assert_eq!(time_deviation(&errors, 2), None);
        assert_eq!(max_time_interval_error(&errors, 4), None);
        assert_eq!(departure_from_line(&errors[..2], 600), 0.0);
    }

    #[test]
    fn departures_are_those_from_a_line_of_each_window() {
        // A parabola over a window of n: what a line leaves of it is n²/√180 of its curvature.
        let errors: Vec<f64> = (0..1200).map(|i| f64::from(i % 600).powi(2)).collect();
        let expected = 600f64.powi(2) / 180f64.sqrt();
        let departure = departure_from_line(&errors, 600);
        assert!((departure / expected - 1.0).abs() < 0.01, "{departure}, not {expected}");
    }
}
