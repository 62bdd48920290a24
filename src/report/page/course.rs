//! Charts over time: offsets of each member, round trips of all.

use super::super::history::{History, Point};
use super::super::human::human;
use super::super::log::{OFFSET, ROUND_TRIP};
use super::super::table::CLUSTER;
use super::charts::{COLOURS, Dress, dress, figure, is_cluster, legend};
use super::marks::{Marks, Outlier};
use super::scale::{Clock, Decades, Scale, Signed, date, length, nanos, time_of_day};
use super::svg::{Drawing, Paper};
use super::tables;
use crate::time::Span;

/// Events that are drawn; the table has all.
const MAX_FLAGS: usize = 200;

/// Each member's offsets over time; `order` is that of the colours in the other charts.
pub(super) fn offsets(history: &History, marks: &Marks, order: &[String]) -> String {
    let mut members: Vec<_> = history.courses.iter().filter(|c| c.metric == OFFSET).collect();
    if members.iter().any(|course| !is_cluster(&course.subject)) {
        members.retain(|course| !is_cluster(&course.subject));
    }
    members.sort_by_key(|course| order.iter().position(|name| *name == course.subject));
    let Some(clock) = clock(members.iter().flat_map(|course| &course.points)) else {
        return String::new();
    };
    let dressed = dress(members.iter().map(|course| course.subject.as_str()));
    let signed = members.iter().flat_map(|c| &c.points).all(|point| point.extent.is_some());
    let up = scale(members.iter().flat_map(|course| course.points.iter()));
    let rings: Vec<_> = marks.outliers.iter().filter(|o| o.metric == OFFSET).collect();
    let description = format!(
        "The mean offset of each of {} clocks in each interval, and between what ends it lay. \
         Marked are outliers ({}) and changes of master ({}); the tables below list them.",
        members.len(),
        rings.len(),
        marks.turns
    );
    let mut drawings = String::new();
    for paper in [Paper::DESK, Paper::PHONE] {
        let mut drawing = Drawing::new(paper, "offsets", "Offsets over time", &description);
        drawing.axes(&clock, &up, "UTC");
        let of = |at: f64, value: f64| (paper.x(clock.place(at)), paper.y(up.place(value)));
        for (course, dress) in members.iter().zip(&dressed).rev() {
            let band = members.len() <= COLOURS;
            for run in runs(&course.points) {
                member(&mut drawing, &clock, &of, dress, run, band);
            }
        }
        flags(&mut drawing, &clock, marks);
        for outlier in &rings {
            let value = outlier.signed.map_or(length(outlier.size), nanos);
            drawing.ring("outlier", of(clock.value(outlier.at), value), &tip(outlier));
        }
        drawings += &drawing.end();
    }
    let sizes = if signed { "" } else { " The log tells sizes only: all are drawn as if ahead." };
    let lead = format!(
        "What each clock showed minus cluster time: above zero it was ahead. The line is the mean \
         of an interval, the band its extremes; decades beyond the innermost marks.{sizes}"
    );
    let below = tables::intervals("The figures of this chart", &members, history);
    figure("Offsets over time", &lead, &(legend(None, &dressed) + &key(marks)), &drawings, &below)
}

/// Its class, its name, and what of a point it shows.
type Line = (&'static str, &'static str, fn(&Point) -> Span);

/// One unbroken run of a member's course.
fn member(
    drawing: &mut Drawing,
    clock: &Clock,
    of: &dyn Fn(f64, f64) -> (f64, f64),
    dress: &Dress,
    run: &[Point],
    band: bool,
) {
    let line = |value: &dyn Fn(&Point) -> f64| {
        run.iter().map(|point| of(clock.value(point.at()), value(point))).collect::<Vec<_>>()
    };
    let mean = |point: &Point| point.extent.map_or(length(point.p50), |e| nanos(e.mean));
    if band {
        let low = line(&|point| point.extent.map_or(mean(point), |e| nanos(e.least)));
        let high = line(&|point| point.extent.map_or(length(point.max), |e| nanos(e.greatest)));
        drawing.band(&format!("{} band", dress.class), &low, &high);
    }
    drawing.curve(&dress.class, &line(&mean));
}

/// The round trips of all slaves over time.
pub(super) fn round_trips(history: &History, marks: &Marks) -> String {
    let points = history.course(ROUND_TRIP, CLUSTER);
    let Some(clock) = clock(points.iter()) else { return String::new() };
    let least = points.iter().map(|point| point.p50).min().unwrap_or_default();
    let greatest = points.iter().map(|point| point.max).max().unwrap_or_default();
    let up = Decades::covering(length(least), length(greatest));
    let description = format!(
        "Median, 99th percentile and greatest round trip of each interval: medians from {} to {}, \
         the greatest of all {}.",
        human(least),
        human(points.iter().map(|point| point.p50).max().unwrap_or_default()),
        human(greatest)
    );
    let lines: [Line; 3] = [
        ("c0", "median", |point| point.p50),
        ("c1", "99th percentile", |point| point.p99),
        ("rest", "greatest", |point| point.max),
    ];
    let mut drawings = String::new();
    for paper in [Paper::DESK, Paper::PHONE] {
        let mut drawing = Drawing::new(paper, "rtts", "Round trips over time", &description);
        drawing.axes(&clock, &up, "UTC");
        let of = |at: f64, value: f64| (paper.x(clock.place(at)), paper.y(up.place(value)));
        for (class, _, value) in lines.iter().rev() {
            for run in runs(points) {
                let place = |point: &Point| of(clock.value(point.at()), length(value(point)));
                drawing.curve(class, &run.iter().map(place).collect::<Vec<_>>());
            }
        }
        flags(&mut drawing, &clock, marks);
        for outlier in marks.outliers.iter().filter(|o| o.metric == ROUND_TRIP) {
            let place = of(clock.value(outlier.at), length(outlier.size));
            drawing.ring("outlier", place, &tip(outlier));
        }
        drawings += &drawing.end();
    }
    let dressed: Vec<_> = lines
        .iter()
        .map(|(class, name, _)| Dress { subject: (*name).to_owned(), class: (*class).to_owned() })
        .collect();
    let lead = "All slaves together, interval by interval.";
    let key = legend(None, &dressed) + &key(marks);
    figure("Round trips over time", lead, &key, &drawings, "")
}

/// What the marks mean, of those that are there.
fn key(marks: &Marks) -> String {
    let mut text = String::new();
    let ring = "<circle class=\"outlier\" cx=\"12\" cy=\"6\" r=\"4\"/>";
    let head = |class: &str| {
        format!(
            "<g class=\"{class}\"><line x1=\"12\" y1=\"5\" x2=\"12\" y2=\"12\"/>\
             <polygon points=\"8,0 16,0 12,6\"/></g>"
        )
    };
    for (there, mark, name) in [
        (!marks.outliers.is_empty(), ring.to_owned(), "outlier: beyond Tukey's outer fence"),
        (!marks.failovers.is_empty(), head("failover"), "change of master"),
        (!marks.others.is_empty(), head("event"), "other event"),
    ] {
        if there {
            text += &format!(
                "<li><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">{mark}</svg>\
                 {name}</li>"
            );
        }
    }
    format!("<ul class=\"legend\">{text}</ul>")
}

fn flags(drawing: &mut Drawing, clock: &Clock, marks: &Marks) {
    let paper = drawing.paper;
    let within = |share: f64| (-0.001..=1.001).contains(&share);
    for (class, events) in [("event", &marks.others), ("failover", &marks.failovers)] {
        for event in events.iter().take(MAX_FLAGS) {
            let share = clock.place(clock.value(event.at));
            if within(share) {
                let tip = format!("{} {}", time_of_day(event.at), event.text);
                drawing.flag(class, paper.x(share.clamp(0.0, 1.0)), &tip);
            }
        }
    }
}

fn tip(outlier: &Outlier) -> String {
    format!(
        "{} {} {}: {} {}, usual is up to {}",
        date(outlier.at),
        time_of_day(outlier.at),
        outlier.subject,
        outlier.metric,
        tables::sized(outlier),
        human(outlier.fence)
    )
}

fn clock<'a>(points: impl Iterator<Item = &'a Point> + Clone) -> Option<Clock> {
    let began = points.clone().map(|point| point.from).min()?;
    Some(Clock::over(began, points.map(|point| point.to).max()?))
}

fn scale<'a>(points: impl Iterator<Item = &'a Point> + Clone) -> Signed {
    let (mut least, mut greatest) = (0.0f64, 0.0f64);
    for point in points.clone() {
        match point.extent {
            Some(extent) => {
                least = least.min(nanos(extent.least));
                greatest = greatest.max(nanos(extent.greatest));
            }
            None => greatest = greatest.max(length(point.max)),
        }
    }
    let mut sizes: Vec<_> = points.map(|point| point.p50).collect();
    sizes.sort_unstable();
    let typical = sizes.get(sizes.len() / 2).copied().unwrap_or_default();
    Signed::covering(least, greatest, length(typical))
}

/// Where intervals are missing for long, a course has a gap.
fn runs(points: &[Point]) -> Vec<&[Point]> {
    let follows = |one: &Point, next: &Point| {
        let usual = one.to.since(one.from).max(next.to.since(next.from));
        next.from.since(one.to) <= usual.times(2)
    };
    points.chunk_by(follows).collect()
}
