//! A log as one page for a browser: everything in it, nothing to fetch, no script.
//!
//! Charts are SVG of our own, since only then the page's colours, light and dark, reach into them.
//! Each is drawn twice, for a desk and for a phone: scaled down, its letters could not be read.

mod charts;
mod course;
mod marks;
mod percentiles;
mod scale;
mod svg;
mod tables;

use super::human::{human, human_count};
use super::reader::Log;
use super::table::Report;
use crate::time::Span;

use marks::Marks;
use scale::{date, time_of_day};
use svg::escape;

const STYLE: &str = include_str!("style.css");

/// `log` as an HTML page that needs nothing besides itself; `sources` are the names of the files
/// it was read from.
pub fn page(log: &Log, sources: &[String]) -> String {
    let report = log.report();
    let marks = Marks::of(&log.history);
    let names = sources.iter().map(|name| escape(name)).collect::<Vec<_>>().join(", ");
    let mut body = String::new();
    body += &heading(log, &names);
    body += &figures(&report, &marks);
    if report.others.is_empty() || !log.history.courses.is_empty() {
        body += "<div class=\"pair\">";
        body += &percentiles::round_trip(log);
        body += &percentiles::offset(log);
        body += "</div>";
        body += &course::offsets(&log.history, &marks, &charts::by_offset(log));
        body += &course::round_trips(&log.history, &marks);
    }
    body += &tables::members(&report);
    body += &tables::events(&log.history);
    body += &tables::outliers(&marks);
    body += &tables::others(&report);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"generator\" content=\"campanile {version}\">\n\
         <title>Clocks: {names}</title>\n<style>\n{STYLE}</style></head>\n\
         <body><main>\n{body}<footer>offset = that clock minus cluster time; positive: it is \
         ahead. Written by campanile {version}.</footer>\n</main></body></html>\n"
    )
}

fn heading(log: &Log, names: &str) -> String {
    let when = match (log.began, log.ended) {
        (Some(began), Some(ended)) => {
            let end = if date(began) == date(ended) {
                time_of_day(ended)
            } else {
                format!("{} {}", date(ended), time_of_day(ended))
            };
            format!("{} {} to {end} UTC, by the writer's clock", date(began), time_of_day(began))
        }
        _ => "no interval".to_owned(),
    };
    let (intervals, length) = (log.intervals(), human(log.length()));
    let s = if intervals == 1 { "" } else { "s" };
    format!(
        "<header><h1>How the clocks kept together</h1>\n<p>{names}</p>\n\
         <p>{when}: {length}, {intervals} interval{s}</p></header>\n"
    )
}

fn figures(report: &Report, marks: &Marks) -> String {
    let shown = |value: Option<Span>| value.map_or_else(|| "–".to_owned(), human);
    let (rtt, offset) = (&report.cluster.round_trip, &report.cluster.offset.size);
    let mut text = "<ul class=\"figures\">".to_owned();
    let mut figure = |value: String, name: &str| {
        text += &format!("<li><b>{value}</b> {name}</li>");
    };
    figure(report.slaves.len().to_string(), "clocks in the log");
    figure(human_count(rtt.count), "exchanges");
    figure(shown(offset.p50), "median offset");
    figure(shown(offset.p99), "offset, 99th percentile");
    figure(shown(rtt.p50), "median round trip");
    figure(shown(rtt.p99), "round trip, 99th percentile");
    let one_or = |count: usize, one, more| if count == 1 { one } else { more };
    let (turns, odd) = (marks.turns, marks.outliers.len());
    figure(turns.to_string(), one_or(turns, "change of master", "changes of master"));
    figure(odd.to_string(), one_or(odd, "outlier", "outliers"));
    text + "</ul>\n"
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
