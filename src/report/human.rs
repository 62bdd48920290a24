//! Numbers for people: three significant digits and a unit of the right size.

use crate::time::{Offset, Rate, Span};

/// A unit: its size, up to how many of it are shown, and its name.
type Unit = (f64, f64, &'static str);

const UNITS_OF_TIME: [Unit; 8] = [
    (1.0, 1e3, "ns"),
    (1e3, 1e3, "µs"),
    (1e6, 1e3, "ms"),
    (1e9, 1e3, "s"),
    (60e9, 60.0, "min"),
    (3_600e9, 24.0, "h"),
    (86_400e9, 365.0, "d"),
    (31_557_600e9, f64::INFINITY, "y"),
];

const UNITS_OF_RATE: [Unit; 3] = [(1.0, 1e3, "ppb"), (1e3, 1e4, "ppm"), (1e7, f64::INFINITY, "%")];

const UNITS_OF_COUNT: [Unit; 3] = [(1e6, 1e3, "M"), (1e9, 1e3, "G"), (1e12, f64::INFINITY, "T")];

/// A span as people read it: `0 ns`, `12.3 µs`, `250 ms`, `1.50 s`, `2.00 h`.
pub fn human(span: Span) -> String {
    match span.as_nanos() {
        nanos @ 0..1_000 => format!("{nanos} ns"),
        nanos => scaled(nanos as f64, &UNITS_OF_TIME),
    }
}

/// An offset as people read it, always with its sign: `+250 ms`, `-12.3 µs`, and `0 ns`.
pub fn human_offset(offset: Offset) -> String {
    let sign = match offset.as_nanos() {
        1.. => "+",
        0 => "",
        _ => "-",
    };
    format!("{sign}{}", human(offset.abs()))
}

/// A rate as people read it, always with its sign: `-40.0 ppm`, `+12.0 ppb`, and `0 ppm`.
pub fn human_rate(rate: Rate) -> String {
    let size = rate.abs().as_ppb();
    if size < 0.005 {
        return "0 ppm".to_owned();
    }
    let sign = if rate.as_ppb() < 0.0 { "-" } else { "+" };
    format!("{sign}{}", scaled(size, &UNITS_OF_RATE))
}

/// A count as people read it: in full up to seven digits, then `12.3 M`.
pub fn human_count(count: u64) -> String {
    match count {
        0..10_000_000 => count.to_string(),
        _ => scaled(count as f64, &UNITS_OF_COUNT),
    }
}

/// `value` in the first unit that shows it, rounded to three digits before the unit is chosen:
/// 999.6 µs is 1.00 ms, not 1000 µs.
fn scaled(value: f64, units: &[Unit]) -> String {
    let shown = units.iter().find_map(|(size, below, unit)| {
        let digits = three_digits(value / size);
        let fits = digits.parse::<f64>().is_ok_and(|shown| shown < *below);
        fits.then(|| format!("{digits} {unit}"))
    });
    shown.unwrap_or_else(|| "?".to_owned())
}

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well_at_every_size() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (12_345, "12.3 µs"),
            (999_499, "999 µs"),
            (999_600, "1.00 ms"),
            (250_000_000, "250 ms"),
            (1_500_000_000, "1.50 s"),
            (100_000_000_000, "100 s"),
            (999_600_000_000, "16.7 min"),
            (7_200_000_000_000, "2.00 h"),
            (86_400_000_000_000, "1.00 d"),
            (i64::MAX as u64, "292 y"),
        ];
        for (nanos, text) in cases {
            assert_eq!(human(Span::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn signs_and_rates_are_never_lost() {
        assert_eq!(human_offset(Offset::from_nanos(250_000_000)), "+250 ms");
        assert_eq!(human_offset(Offset::from_nanos(-12_345)), "-12.3 µs");
        assert_eq!(human_offset(Offset::ZERO), "0 ns");
        assert_eq!(human_rate(Rate::from_ppm(-40.0)), "-40.0 ppm");
        assert_eq!(human_rate(Rate::from_ppb(0.25)), "+0.25 ppb");
        assert_eq!(human_rate(Rate::from_ppb(999.9)), "+1.00 ppm");
        assert_eq!(human_rate(Rate::from_ppm(5000.0)), "+5000 ppm");
        assert_eq!(human_rate(Rate::from_ratio(0.02)), "+2.00 %");
        assert_eq!(human_rate(Rate::ZERO), "0 ppm");
        assert_eq!(human_count(9_999_999), "9999999");
        assert_eq!(human_count(12_345_678), "12.3 M");
    }
}
