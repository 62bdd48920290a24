//! Percentile curves: how large what share of all values is at most.

use hdrhistogram::Histogram;

use super::super::log::{OFFSET, ROUND_TRIP};
use super::super::reader::Log;
use super::super::table::CLUSTER;
use super::charts::{Dress, by_offset, dress, figure, legend};
use super::scale::{Decades, Nines, Scale};
use super::svg::{Drawing, Paper};
use crate::report::human;
use crate::time::Span;

/// The curves of round trips.
pub(super) fn round_trip(log: &Log) -> String {
    let lead = "How long an exchange takes there and back. What share of all exchanges, along the \
                bottom, took at most so long.";
    chart(log, ROUND_TRIP, "Round trip", lead)
}

/// The curves of offsets.
pub(super) fn offset(log: &Log) -> String {
    let lead = "How far a clock is from cluster time, either way. What share of all corrections, \
                along the bottom, was at most so large.";
    chart(log, OFFSET, "Offset, its size", lead)
}

fn chart(log: &Log, metric: &str, heading: &str, lead: &str) -> String {
    let of = |subject: &str| {
        let tag =
            if subject == CLUSTER { metric.to_owned() } else { format!("{metric}.{subject}") };
        let found = log.tags.iter().find(|entry| entry.tag == tag);
        found.map(|entry| &entry.histogram).filter(|values| !values.is_empty())
    };
    let Some(all) = of(CLUSTER) else { return String::new() };
    let slaves = by_offset(log);
    let dressed = dress(slaves.iter().map(String::as_str));
    let curves: Vec<_> = dressed.iter().filter_map(|d| of(&d.subject).map(|v| (d, v))).collect();
    let across = Nines::of(all.len());
    let least = curves.iter().map(|(_, values)| values.min()).fold(all.min(), u64::min);
    let greatest = curves.iter().map(|(_, values)| values.max()).fold(all.max(), u64::max);
    let up = Decades::covering(least.max(1) as f64, greatest as f64);
    let at = |quantile| human(Span::from_nanos(all.value_at_quantile(quantile)));
    let description = format!(
        "All slaves together: half are at most {}, 90 % at most {}, 99 % at most {}, the greatest \
         is {}. The table of members has the figures of each.",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    let mut drawings = String::new();
    for paper in [Paper::HALF, Paper::PHONE] {
        let title = format!("{heading}: percentile curves");
        let mut drawing = Drawing::new(paper, &format!("p-{metric}"), &title, &description);
        drawing.axes(&across, &up, "percentile");
        // The coloured ones above the grey ones, and all together above everybody.
        for (dress, values) in curves.iter().rev() {
            drawing.curve(&dress.class, &places(paper, across, up, values));
        }
        drawing.curve("all", &places(paper, across, up, all));
        drawings += &drawing.end();
    }
    let shown: Vec<Dress> = curves.iter().map(|(dress, _)| (*dress).clone()).collect();
    figure(heading, lead, &legend(Some("all together"), &shown), &drawings, "")
}

fn places(paper: Paper, across: Nines, up: Decades, values: &Histogram<u64>) -> Vec<(f64, f64)> {
    let count = values.len() as f64;
    // Beyond the last value the curve would only be its own greatest.
    let known = across.quantiles().filter(|q| *q == 0.0 || (1.0 - q) * count >= 0.999);
    let place = |q| {
        let value = values.value_at_quantile(q) as f64;
        (paper.x(across.place(q)), paper.y(up.place(value)))
    };
    known.map(place).collect()
}
