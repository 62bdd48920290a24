//! Numbers with units as people type them: `250ms`, `+3us`, `-40ppm`.
//!
//! A number without a unit is refused: 5 of what? Decimals are taken exactly, as integers of the
//! least unit, so that `0.1us` is 100 ns and nothing else.

use crate::time::{Offset, Rate, Span};

/// Units of time and their nanoseconds, the longest last.
const TIME: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Units of rate and their millionths of a part per billion.
const RATE: [(&str, i64); 2] = [("ppb", 1_000_000), ("ppm", 1_000_000_000)];

/// A span from `least` to `most`, as in `250ms`.
///
/// # Errors
/// What is allowed instead, in one line.
pub(crate) fn span(text: &str, least: Span, most: Span) -> Result<Span, String> {
    let allowed = || format!("allowed is {} to {}", show_span(least), show_span(most));
    let nanos = number(text, &TIME, "a time", "250ms").map_err(|e| e.say(&allowed()))?;
    let span = u64::try_from(nanos).map(Span::from_nanos).map_err(|_| allowed())?;
    if span < least || span > most { Err(allowed()) } else { Ok(span) }
}

/// An offset within ±`most`, as in `+250ms` or `-3us`.
///
/// # Errors
/// What is allowed instead, in one line.
pub(crate) fn offset(text: &str, most: Span) -> Result<Offset, String> {
    let allowed = || format!("allowed is -{0} to +{0}", show_span(most));
    let nanos = number(text, &TIME, "an offset", "+250ms").map_err(|e| e.say(&allowed()))?;
    let offset = Offset::from_nanos(nanos);
    if offset.abs() > most { Err(allowed()) } else { Ok(offset) }
}

/// A rate from `least` to `most`, as in `-40ppm`.
///
/// # Errors
/// What is allowed instead, in one line.
pub(crate) fn rate(text: &str, least: Rate, most: Rate) -> Result<Rate, String> {
    let allowed = || format!("allowed is {} to {}", show_rate(least), show_rate(most));
    let parts = number(text, &RATE, "a rate", "40ppm").map_err(|e| e.say(&allowed()))?;
    let rate = Rate::from_ppb(parts as f64 / 1e6);
    if rate < least || rate > most { Err(allowed()) } else { Ok(rate) }
}

/// A span in the notation that [`span`] takes, in the greatest unit that divides it: `90s`, `2h`.
pub(crate) fn show_span(span: Span) -> String {
    let nanos = span.as_nanos() as i64;
    let fits = |(unit, size): &&(&str, i64)| nanos % size == 0 && *unit != "µs";
    match TIME.iter().rev().find(fits) {
        Some((unit, size)) if nanos > 0 => format!("{}{unit}", nanos / size),
        _ => "0s".to_owned(),
    }
}

/// A rate in the notation that [`rate`] takes.
pub(crate) fn show_rate(rate: Rate) -> String {
    if rate.as_ppb() % 1e3 == 0.0 {
        format!("{}ppm", rate.as_ppm())
    } else {
        format!("{}ppb", rate.as_ppb())
    }
}

/// Why a text is no number with a unit.
#[derive(Debug, PartialEq)]
enum Fault {
    NoUnit(&'static str, &'static str),
    UnknownUnit(String, String),
    NoNumber(&'static str, &'static str),
    TooFine(&'static str),
    TooLarge,
}

impl Fault {
    fn say(self, allowed: &str) -> String {
        let why = match self {
            Self::NoUnit(what, example) => format!("{what} needs a unit, as in {example}"),
            Self::UnknownUnit(unit, units) => format!("there is no unit `{unit}`, only {units}"),
            Self::NoNumber(what, example) => format!("not {what} such as {example}"),
            Self::TooFine(unit) => format!("finer than the least step, 1{unit}"),
            Self::TooLarge => "too large".to_owned(),
        };
        format!("{why}; {allowed}")
    }
}

/// A decimal number and a unit, as a whole number of the table's least step.
fn number(
    text: &str,
    units: &[(&'static str, i64)],
    what: &'static str,
    example: &'static str,
) -> Result<i64, Fault> {
    let no_number = Fault::NoNumber(what, example);
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, unit) = rest.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || fraction.contains('.') || (digits.contains('.') && fraction.is_empty()) {
        return Err(no_number);
    }
    if unit.is_empty() {
        return Err(Fault::NoUnit(what, example));
    }
    if unit.chars().any(|c| !c.is_alphabetic()) {
        return Err(no_number);
    }
    let Some((_, size)) = units.iter().find(|(name, _)| *name == unit) else {
        let names: Vec<_> = units.iter().map(|(name, _)| *name).filter(|n| *n != "µs").collect();
        return Err(Fault::UnknownUnit(unit.to_owned(), names.join(", ")));
    };
    let size = i128::from(*size);
    let nanos = scaled(whole, fraction, size).ok_or(Fault::TooLarge)?;
    let nanos = nanos.map_err(|()| Fault::TooFine(units[0].0))?;
    i64::try_from(if negative { -nanos } else { nanos }).map_err(|_| Fault::TooLarge)
}

/// `whole.fraction · size`; `None` where it overflows, an inner error where it is not whole.
fn scaled(whole: &str, fraction: &str, size: i128) -> Option<Result<i128, ()>> {
    let whole = whole.parse::<i64>().ok()?;
    let mut steps = i128::from(whole) * size;
    let mut place = size;
    for digit in fraction.trim_end_matches('0').bytes() {
        if place % 10 != 0 {
            return Some(Err(()));
        }
        place /= 10;
        steps += place * i128::from(digit - b'0');
    }
    Some(Ok(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Result<u64, String> {
        span(text, Span::ZERO, Span::MAX).map(Span::as_nanos)
    }

    #[test]
    fn times_are_taken_exactly() {
        for (text, expected) in [
            ("0s", 0),
            ("1ns", 1),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("250ms", 250_000_000),
            ("0.1us", 100),
            ("1.000000001s", 1_000_000_001),
            ("0.3s", 300_000_000),
            ("2m", 120_000_000_000),
            ("1.5m", 90_000_000_000),
            ("+1.50h", 5_400_000_000_000),
            ("2d", 172_800_000_000_000),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_why() {
        for (text, why) in [
            ("5", "needs a unit"),
            ("1.5", "needs a unit"),
            ("", "not a time"),
            ("s", "not a time"),
            ("x", "not a time"),
            (".5s", "not a time"),
            ("1.s", "not a time"),
            ("1.2.3s", "not a time"),
            ("--1s", "not a time"),
            ("1e3s", "not a time"),
            ("1 s", "not a time"),
            ("5parsec", "no unit `parsec`, only ns, us, ms, s, m, h, d"),
            ("40ppm", "no unit `ppm`"),
            ("0.5ns", "finer than the least step, 1ns"),
            ("1.0000000001s", "finer"),
            ("-1s", "allowed is"),
            ("9223372036854775808ns", "too large"),
            ("99999999999999999999h", "too large"),
        ] {
            let said = nanos(text).expect_err(text);
            assert!(said.contains(why) && !said.contains('\n'), "{text}: {said}");
        }
    }

    #[test]
    fn ranges_are_stated_and_include_their_ends() {
        let within = |text| span(text, Span::from_millis(50), Span::from_secs(3_600));
        assert!(within("50ms").is_ok() && within("1h").is_ok());
        assert_eq!(within("49.999ms"), Err("allowed is 50ms to 1h".to_owned()));
        assert!(within("3601s").is_err());
        let said = within("60").unwrap_err();
        assert_eq!(said, "a time needs a unit, as in 250ms; allowed is 50ms to 1h");
    }

    #[test]
    fn offsets_and_rates_keep_their_sign() {
        let most = Span::from_secs(86_400);
        assert_eq!(offset("+250ms", most), Ok(Offset::from_nanos(250_000_000)));
        assert_eq!(offset("-3us", most), Ok(Offset::from_nanos(-3_000)));
        assert_eq!(offset("-25h", most), Err("allowed is -1d to +1d".to_owned()));
        let (least, most) = (Rate::from_ppm(-500.0), Rate::from_ppm(500.0));
        for (text, ppb) in
            [("40ppm", 4e4), ("-50ppb", -50.0), ("+0.1ppb", 0.1), ("0.000001ppb", 1e-6)]
        {
            assert_eq!(rate(text, least, most).map(Rate::as_ppb), Ok(ppb), "{text}");
        }
        for text in ["40", "40ms", "501ppm", "ppm", "0.0000001ppb"] {
            let said = rate(text, least, most).expect_err(text);
            assert!(said.contains("allowed is -500ppm to 500ppm"), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        for text in ["0s", "1ns", "250ms", "90s", "2m", "1h", "1d", "1001us"] {
            let span = span(text, Span::ZERO, Span::MAX).unwrap();
            assert_eq!(show_span(span), text);
        }
        assert_eq!(show_rate(Rate::from_ppb(-50.0)), "-50ppb");
        assert_eq!(show_rate(Rate::from_ppm(500.0)), "500ppm");
    }
}
