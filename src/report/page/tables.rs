//! The same in figures: what charts show, for who cannot see them, and for who wants to quote them.

use super::super::history::{Course, History};
use super::super::human::{human, human_count, human_offset};
use super::super::log::OFFSET;
use super::super::table::{Report, Row, Summary};
use super::marks::{Marks, Outlier};
use super::scale::{date, time_of_day};
use super::svg::escape;
use crate::time::Span;

/// Rows of a table of events.
const MAX_EVENTS: usize = 500;
/// Rows of a table of outliers.
const MAX_OUTLIERS: usize = 50;
/// Rows and columns of a table of a chart over time.
const MAX_INTERVALS: usize = 24;
const MAX_MEMBERS: usize = 8;

/// A table that scrolls sideways where it must. The first cell of a row names it; `text` columns
/// from the left hold words.
struct Table {
    text: String,
    columns: usize,
}

impl Table {
    fn new(caption: &str, columns: &[&str]) -> Self {
        let heads: String =
            columns.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
        let text = format!(
            "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table>\
             <caption>{0}</caption><thead><tr>{heads}</tr></thead><tbody>\n",
            escape(caption)
        );
        Self { text, columns: columns.len() }
    }

    fn row(&mut self, cells: &[String]) {
        debug_assert_eq!(cells.len(), self.columns);
        let mut text = "<tr>".to_owned();
        for (n, cell) in cells.iter().enumerate() {
            let cell = escape(cell);
            text += &match n {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            };
        }
        self.text += &(text + "</tr>\n");
    }

    fn end(self) -> String {
        self.text + "</tbody></table></div>"
    }
}

fn shown(value: Option<Span>) -> String {
    value.map_or_else(|| "–".to_owned(), human)
}

/// What it is called, and which part of a row it is.
type Metric = (&'static str, fn(&Row) -> &Summary);

/// The percentiles of each member.
pub(super) fn members(report: &Report) -> String {
    let columns = ["", "count", "p50", "p90", "p99", "p99.9", "max"];
    let cells = |name: &str, values: &Summary| {
        let quantiles = [values.p50, values.p90, values.p99, values.p999, values.max];
        let mut cells = vec![name.to_owned(), human_count(values.count)];
        cells.extend(quantiles.map(shown));
        cells
    };
    let metrics: [Metric; 3] = [
        ("Round trip", |row| &row.round_trip),
        ("Offset, its size", |row| &row.offset.size),
        ("One-way noise: what an exchange took beyond the least", |row| &row.noise),
    ];
    let mut text = String::new();
    for (caption, values) in metrics {
        if values(&report.cluster).count == 0 {
            continue;
        }
        let mut table = Table::new(caption, &columns);
        table.row(&cells("all together", values(&report.cluster)));
        for row in &report.slaves {
            let left = if row.left { " (left)" } else { "" };
            table.row(&cells(&format!("{}{left}", row.name), values(row)));
        }
        text += &table.end();
    }
    if text.is_empty() { text } else { format!("<section><h2>Members</h2>{text}</section>\n") }
}

/// What happened.
pub(super) fn events(history: &History) -> String {
    let events = &history.events;
    if events.is_empty() {
        return String::new();
    }
    let more = events.len().saturating_sub(MAX_EVENTS);
    let caption = match more {
        0 => "What happened".to_owned(),
        more => format!("What happened: the first {MAX_EVENTS}; {more} more are in the log"),
    };
    let mut table = Table::new(&caption, &["UTC", "kind", "what"]);
    for event in events.iter().take(MAX_EVENTS) {
        let at = format!("{} {}", date(event.at), time_of_day(event.at));
        table.row(&[at, event.kind.replace('_', " "), event.text.clone()]);
    }
    format!("<section class=\"words\"><h2>Events</h2>{}</section>\n", table.end())
}

/// What was unusual.
pub(super) fn outliers(marks: &Marks) -> String {
    if marks.outliers.is_empty() {
        return String::new();
    }
    let caption = "Intervals whose greatest value lies beyond Tukey's outer fence (the upper \
                   quartile of that course and three times the distance between the quartiles), \
                   the furthest first";
    let mut table = Table::new(caption, &["UTC", "whose", "of what", "greatest", "usual up to"]);
    for outlier in marks.outliers.iter().take(MAX_OUTLIERS) {
        let metric = if outlier.metric == OFFSET { "offset" } else { "round trip" };
        table.row(&[
            format!("{} {}", date(outlier.at), time_of_day(outlier.at)),
            outlier.subject.clone(),
            metric.to_owned(),
            sized(outlier),
            human(outlier.fence),
        ]);
    }
    format!("<section class=\"words\"><h2>Outliers</h2>{}</section>\n", table.end())
}

/// The size of an outlier, with its sign where that is known.
pub(super) fn sized(outlier: &Outlier) -> String {
    outlier.signed.map_or_else(|| human(outlier.size), human_offset)
}

/// What another program's log holds.
pub(super) fn others(report: &Report) -> String {
    if report.others.is_empty() {
        return String::new();
    }
    let mut table =
        Table::new("Other tags, as nanoseconds", &["tag", "count", "p50", "p99", "p99.9", "max"]);
    for row in &report.others {
        let values = &row.values;
        let tag = if row.tag.is_empty() { "(none)" } else { &row.tag };
        let mut cells = vec![tag.to_owned(), human_count(values.count)];
        cells.extend([values.p50, values.p99, values.p999, values.max].map(shown));
        table.row(&cells);
    }
    format!("<section><h2>Other tags</h2>{}</section>\n", table.end())
}

/// The offsets of a chart over time in some two dozen rows.
pub(super) fn intervals(caption: &str, members: &[&Course], history: &History) -> String {
    let longest = members.iter().max_by_key(|course| course.points.len());
    let points = longest.map_or(&[][..], |course| &course.points);
    let step = points.len().div_ceil(MAX_INTERVALS).max(1);
    let members = &members[..members.len().min(MAX_MEMBERS)];
    let names = members.iter().map(|course| course.subject.as_str());
    let columns: Vec<_> = std::iter::once("UTC").chain(names).collect();
    let mut table = Table::new("Mean offset of one interval at each time", &columns);
    for row in points.iter().step_by(step) {
        let mut cells = vec![time_of_day(row.at())];
        for member in members {
            let there = |point: &&super::super::history::Point| {
                point.from <= row.at() && row.at() <= point.to
            };
            let found = history.course(OFFSET, &member.subject).iter().find(there);
            cells.push(found.map_or_else(
                || "–".to_owned(),
                |point| point.extent.map_or(human(point.p50), |e| human_offset(e.mean)),
            ));
        }
        table.row(&cells);
    }
    format!("<details><summary>{}</summary>{}</details>", escape(caption), table.end())
}
