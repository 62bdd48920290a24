//! A report: percentile tables for people, and the same in SI units for programs.

use std::fmt;

use hdrhistogram::{Counter, Histogram};
use serde::{Serialize, Serializer};

use super::histogram::{GREATEST, Signs};
use super::human::{human, human_count};
use crate::time::Span;

/// The name of the row for all slaves together.
pub(super) const CLUSTER: &str = "cluster";

/// The width of the label. Seven columns of nine characters follow: with labels of up to 17
/// characters a line takes 80, and never more than 100, since longer labels are cut.
const LABEL_MIN: usize = 17;
const LABEL_MAX: usize = 37;

/// The percentiles of one histogram. All values are `None` where nothing was recorded.
///
/// Serialised in seconds, as `count`, `min_s`, `p50_s`, `p90_s`, `p99_s`, `p999_s`, `max_s` and
/// `clamped`. Values are as coarse as their histogram: the upper edge of the bin they fell into,
/// as the other HdrHistogram tools print it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Summary {
    /// How many values were recorded.
    pub count: u64,
    /// The least.
    #[serde(rename = "min_s", serialize_with = "seconds")]
    pub min: Option<Span>,
    /// Half of all values are at most this.
    #[serde(rename = "p50_s", serialize_with = "seconds")]
    pub p50: Option<Span>,
    /// 90 % of all values are at most this.
    #[serde(rename = "p90_s", serialize_with = "seconds")]
    pub p90: Option<Span>,
    /// 99 % of all values are at most this.
    #[serde(rename = "p99_s", serialize_with = "seconds")]
    pub p99: Option<Span>,
    /// 99.9 % of all values are at most this.
    #[serde(rename = "p999_s", serialize_with = "seconds")]
    pub p999: Option<Span>,
    /// The greatest.
    #[serde(rename = "max_s", serialize_with = "seconds")]
    pub max: Option<Span>,
    /// How many values were beyond what the histogram holds, and stand in it as its greatest.
    pub clamped: u64,
}

impl Summary {
    /// The percentiles of `histogram`, whose values are nanoseconds.
    pub(super) fn of<C: Counter>(histogram: &Histogram<C>, clamped: u64) -> Self {
        if histogram.is_empty() {
            return Self { clamped, ..Self::default() };
        }
        let at = |quantile| Some(Span::from_nanos(histogram.value_at_quantile(quantile)));
        Self {
            count: histogram.len(),
            min: Some(Span::from_nanos(histogram.min())),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: Some(Span::from_nanos(histogram.max())),
            clamped,
        }
    }
}

/// The percentiles of the sizes of offsets, and how many were on which side.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct OffsetSummary {
    /// The sizes, without their sign.
    #[serde(flatten)]
    pub size: Summary,
    /// The sides.
    #[serde(flatten)]
    pub signs: Signs,
}

/// What was measured of one slave, or of all of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Row {
    /// The slave's name, or `cluster`.
    pub name: String,
    /// Whether the slave has left.
    pub left: bool,
    /// Round trips.
    pub round_trip: Summary,
    /// Offsets against cluster time.
    pub offset: OffsetSummary,
    /// What exchanges took one way beyond the least.
    pub noise: Summary,
}

/// What stands in a log under a tag that is not ours, read as nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherRow {
    /// The tag; empty where the log has none.
    pub tag: String,
    /// Its values.
    #[serde(flatten)]
    pub values: Summary,
}

/// What was measured of the cluster and of each slave over one stretch of time.
///
/// It displays as tables of 80 columns, of up to 100 where names are long, and ends in a line
/// break. It serialises with seconds and counts under stable names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// All slaves together.
    pub cluster: Row,
    /// Each slave that has histograms of its own, in the order they came.
    pub slaves: Vec<Row>,
    /// What another program's log holds besides.
    pub others: Vec<OtherRow>,
    /// How many slaves are in the cluster's figures only.
    pub not_shown: u64,
}

impl Report {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        std::iter::once(&self.cluster).chain(&self.slaves)
    }

    fn label_width(&self) -> usize {
        let names = self.slaves.iter().map(label);
        let tags = self.others.iter().map(|row| row.tag.clone());
        let longest = names.chain(tags).map(|name| name.chars().count()).max();
        longest.unwrap_or(0).clamp(LABEL_MIN, LABEL_MAX)
    }

    fn clamped(&self) -> u64 {
        let Row { round_trip, offset, noise, .. } = &self.cluster;
        round_trip.clamped.saturating_add(offset.size.clamped).saturating_add(noise.clamped)
    }

    fn is_ours(&self) -> bool {
        self.others.is_empty() || self.rows().any(|row| *row != Row::named(&row.name))
    }

    fn notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "\n";
        if self.not_shown > 0 {
            let slaves = if self.not_shown == 1 { "slave is" } else { "slaves are" };
            writeln!(f, "{gap}{} more {slaves} in the cluster's figures only.", self.not_shown)?;
            gap = "";
        }
        if self.clamped() > 0 {
            let values = if self.clamped() == 1 { "value" } else { "values" };
            let most = human(GREATEST);
            writeln!(f, "{gap}{} {values} beyond {most} counted as {most}.", self.clamped())?;
        }
        Ok(())
    }
}

impl Row {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.label_width();
        if self.is_ours() {
            head(f, width, "round trip", "min")?;
            for row in self.rows() {
                line(f, width, &label(row), &row.round_trip, None)?;
            }
            head(f, width, "\noffset (size)", "ahead")?;
            for row in self.rows() {
                let share = Some(ahead(row.offset.signs));
                line(f, width, &label(row), &row.offset.size, share)?;
            }
            head(f, width, "\none-way noise", "min")?;
            for row in self.rows() {
                line(f, width, &label(row), &row.noise, None)?;
            }
        }
        if !self.others.is_empty() {
            let gap = if self.is_ours() { "\n" } else { "" };
            head(f, width, &format!("{gap}tag, as ns"), "min")?;
        }
        for row in &self.others {
            let tag = if row.tag.is_empty() { "(none)" } else { &row.tag };
            line(f, width, tag, &row.values, None)?;
        }
        self.notes(f)
    }
}

fn label(row: &Row) -> String {
    let left = if row.left { " (left)" } else { "" };
    format!("{}{left}", row.name)
}

/// The heading; `title` may begin with a line break.
fn head(f: &mut fmt::Formatter<'_>, width: usize, title: &str, first: &str) -> fmt::Result {
    let gap = if title.starts_with('\n') { 1 } else { 0 };
    write!(f, "{title:<0$}{1:>9}{first:>9}", width + gap, "count")?;
    writeln!(f, "{:>9}{:>9}{:>9}{:>9}{:>9}", "p50", "p90", "p99", "p99.9", "max")
}

/// One row; `first` stands in place of the least value.
fn line(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    label: &str,
    values: &Summary,
    first: Option<String>,
) -> fmt::Result {
    let shown = |value: Option<Span>| value.map_or_else(|| "-".to_owned(), human);
    let first = first.unwrap_or_else(|| shown(values.min));
    write!(f, "{:<width$}{:>9}{first:>9}", cut(label, width), human_count(values.count))?;
    for value in [values.p50, values.p90, values.p99, values.p999, values.max] {
        write!(f, "{:>9}", shown(value))?;
    }
    writeln!(f)
}

fn cut(label: &str, width: usize) -> String {
    if label.chars().count() <= width {
        label.to_owned()
    } else {
        let kept: String = label.chars().take(width - 1).collect();
        format!("{kept}…")
    }
}

/// The share of offsets that were ahead.
fn ahead(signs: Signs) -> String {
    match signs.count() {
        0 => "-".to_owned(),
        count => format!("{:.0} %", 100.0 * signs.ahead as f64 / count as f64),
    }
}

fn seconds<S: Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(Span::as_secs_f64).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use crate::report::Book;
    use crate::time::{Offset, Span};

    fn book(names: &[&str]) -> Book {
        let mut book = Book::new(8);
        for (id, name) in (0..).zip(names) {
            book.add(id, name);
            for n in 1..=1000 {
                book.record_exchange(id, Span::from_nanos(n * 50), Span::from_nanos(n));
                book.record_offset(id, Offset::from_nanos(n as i64 * 1000 - 250_000));
            }
        }
        book
    }

    #[test]
    fn tables_align_and_fit_the_terminal() {
        let mut book = book(&["192.168.0.10:7045", "b"]);
        book.add(7, "silent");
        book.remove(1);
        let text = book.total().to_string();
        let rows: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(rows.len(), 3 * 5);
        assert!(rows.iter().all(|row| row.chars().count() == 80), "{text}");
        assert!(rows[1].starts_with("cluster               2000    50 ns  25.0 µs"), "{text}");
        assert!(rows[3].starts_with("b (left) "), "{text}");
        assert!(rows[4].ends_with("        -        -        -        -"), "{text}");
        assert!(text.contains("75 %"), "{text}");

        let name = "x".repeat(200);
        let long = self::book(&[&name]).total().to_string();
        assert!(long.lines().all(|row| row.chars().count() <= 100), "{long}");
    }

    #[test]
    fn programs_get_seconds_and_sides() {
        let mut book = book(&["a"]);
        book.record_offset(0, Offset::ZERO);
        let json = serde_json::to_value(book.total()).unwrap();
        let offset = &json["slaves"][0]["offset"];
        assert_eq!(offset["ahead"], 750);
        assert_eq!(offset["behind"], 249);
        assert_eq!(offset["zero"], 2);
        assert_eq!(offset["count"], 1001);
        let p50 = json["cluster"]["round_trip"]["p50_s"].as_f64().unwrap();
        assert!((p50 / 25e-6 - 1.0).abs() < 1e-3, "{p50}");
        for key in ["min_s", "p90_s", "p99_s", "p999_s", "max_s"] {
            assert!(json["cluster"]["noise"][key].is_f64(), "{key}");
        }
        let empty = serde_json::to_value(Book::new(1).total()).unwrap();
        assert!(empty["cluster"]["round_trip"]["p50_s"].is_null());
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut book = Book::new(0);
        book.add(1, "a");
        book.record_offset(1, Offset::from_secs_f64(1e6));
        let text = book.total().to_string();
        assert!(text.contains("\n1 more slave is in the cluster's figures only.\n"), "{text}");
        assert!(text.ends_with("1 value beyond 100 s counted as 100 s.\n"), "{text}");
    }
}
