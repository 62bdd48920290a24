//! What the views for people have in common: labels, cells, numbers of SI units.

use std::fmt::Write;

use crate::outlet::{Named, Stamps};
use crate::report::{human, human_offset, human_rate};
use crate::time::{Offset, Rate, Span};

/// The widest line, in characters.
const WIDEST: usize = 80;

/// Labelled lines, as `chronyc tracking` has them.
#[derive(Debug, Default)]
pub(super) struct Sheet(String);

impl Sheet {
    /// Adds a line; what a terminal has no room for goes on below.
    pub(super) fn line(&mut self, label: &str, value: impl AsRef<str>) {
        let mut line = format!("{label:<16}:");
        for word in value.as_ref().split(' ') {
            if line.chars().count() + 1 + word.chars().count() > WIDEST {
                let _ = writeln!(self.0, "{line}");
                line = " ".repeat(17);
            }
            let _ = write!(line, " {word}");
        }
        let _ = writeln!(self.0, "{line}");
    }

    /// The whole.
    pub(super) fn end(self) -> String {
        self.0
    }
}

pub(in crate::cli) const UNKNOWN: &str = "-";

/// A span of seconds for people.
pub(in crate::cli) fn span(secs: Option<f64>) -> String {
    secs.map_or_else(|| UNKNOWN.to_owned(), |secs| human(Span::from_secs_f64(secs)))
}

/// An offset in seconds for people, with its sign.
pub(in crate::cli) fn offset(secs: Option<f64>) -> String {
    secs.map_or_else(|| UNKNOWN.to_owned(), |secs| human_offset(Offset::from_secs_f64(secs)))
}

/// A rate for people, with its sign.
pub(in crate::cli) fn rate(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| UNKNOWN.to_owned(), |ratio| human_rate(Rate::from_ratio(ratio)))
}

/// A size of a rate for people.
pub(super) fn size_of_rate(ratio: Option<f64>) -> String {
    rate(ratio.map(f64::abs)).trim_start_matches('+').to_owned()
}

/// How long ago, in whole seconds and greater units, as narrow as `12s`, `3m`, `17h`, `9d`.
pub(in crate::cli) fn age(secs: Option<f64>) -> String {
    match secs {
        None => UNKNOWN.to_owned(),
        Some(s) if s < 9.95 => format!("{s:.1}s"),
        Some(s) if s < 99.5 => format!("{s:.0}s"),
        Some(s) if s < 99.5 * 60.0 => format!("{:.0}m", s / 60.0),
        Some(s) if s < 48.0 * 3_600.0 => format!("{:.0}h", s / 3_600.0),
        Some(s) => format!("{:.0}d", s / 86_400.0),
    }
}

/// A node: its name, and where it is reached.
pub(in crate::cli) fn node(node: &Named) -> String {
    match &node.addr {
        // A master whose name is not known yet is called by its address.
        Some(addr) if *addr != node.node => format!("{} ({addr})", printable(&node.node)),
        _ => printable(&node.node),
    }
}

/// A name without what a terminal would obey: the daemon let none in, but who knows what answers.
pub(in crate::cli) fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A name in a cell of so many characters; what is cut off is marked.
pub(in crate::cli) fn cell(name: &str, width: usize) -> String {
    let name = printable(name);
    if name.chars().count() <= width {
        return format!("{name:<width$}");
    }
    name.chars().take(width - 1).chain(['>']).collect()
}

/// Who took the stamps: the source of most of them, and its share.
pub(super) fn stamps(by: &Stamps) -> String {
    let all = by.daemon + by.kernel + by.hardware;
    let kinds = [("daemon", by.daemon), ("kernel", by.kernel), ("hardware", by.hardware)];
    let Some((name, most)) = kinds.into_iter().max_by_key(|(_, n)| *n).filter(|_| all > 0) else {
        return "none yet".to_owned();
    };
    match 100 * most / all {
        100 => name.to_owned(),
        share => format!("{name} ({share} %)"),
    }
}

/// Unix time in nanoseconds as a date and a time of day.
pub(super) fn date(nanos: i64) -> String {
    let (secs, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let micros = fraction / 1_000;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// Year, month and day of a count of days since 1970 (the proleptic Gregorian calendar, counted
/// from March in eras of 400 years).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00.000000");
        assert_eq!(date(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(date(951_782_400_000_000_000), "2000-02-29 00:00:00.000000");
        assert_eq!(date(1_700_000_000_123_456_789), "2023-11-14 22:13:20.123456");
        assert_eq!(date(4_107_542_400_000_000_000), "2100-03-01 00:00:00.000000");
    }

    #[test]
    fn what_is_long_goes_on_below_and_is_whole() {
        let name = "storage-of-the-upper-room-west-3";
        let addr = "[2001:db8:1234:5678:9abc:def0:1234:5678%eth0]:65535";
        let long = Named { node: name.into(), id: String::new(), addr: Some(addr.into()) };
        let mut sheet = Sheet::default();
        sheet.line("Role", format!("standby of {}, term 4294967295", node(&long)));
        sheet.line("Offset", "-81 ns");
        let said = sheet.end();
        assert_eq!(said.lines().count(), 4, "{said}");
        assert!(said.ends_with("\nOffset          : -81 ns\n"), "{said}");
        assert!(said.lines().all(|line| line.chars().count() <= WIDEST), "{said}");
        let words: Vec<_> = said.split_whitespace().collect();
        let all = format!("Role : standby of {name} ({addr}), term 4294967295 Offset : -81 ns");
        assert_eq!(words.join(" "), all);
    }

    #[test]
    fn cells_keep_their_width_and_say_what_was_cut() {
        assert_eq!(cell("rack-3", 8), "rack-3  ");
        assert_eq!(cell("a-long-name", 8), "a-long->");
        assert_eq!(cell("\u{1b}[2J", 8), "?[2J    ");
        for secs in [0.0, 9.96, 99.4, 99.6, 5_960.0, 6_000.0, 1e6, 1e8] {
            assert!(age(Some(secs)).len() <= 5, "{}", age(Some(secs)));
        }
    }
}
