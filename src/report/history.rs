//! What a log tells over time: points for drawing, and events. Bounded, whatever is read.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::histogram::Extent;
use super::log::{OFFSET, ROUND_TRIP};
use crate::time::{Shown, Span, Time};

/// Most points of one course. Where more intervals are read, neighbours share a point.
const MAX_POINTS: usize = 600;
/// Most courses: the cluster's two, and the offsets of as many slaves as a book has pages for.
const MAX_COURSES: usize = 258;
/// Most events kept; the first ones are.
const MAX_EVENTS: usize = 4096;
/// Longest text of an event, in characters.
const MAX_TEXT: usize = 300;

/// What one subject showed over one interval, or over several together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When the first interval began.
    pub from: Time<Shown>,
    /// When the last interval ended.
    pub to: Time<Shown>,
    /// How many values there are.
    pub count: u64,
    /// Half of them are at most this; of several intervals, the mean of theirs by count.
    pub p50: Span,
    /// 99 % of them are at most this; of several intervals, the greatest of theirs.
    pub p99: Span,
    /// The greatest.
    pub max: Span,
    /// The signs, where the values are sizes of offsets and the log tells.
    pub extent: Option<Extent>,
    /// How many intervals it stands for.
    intervals: u32,
}

impl Point {
    fn with(self, other: Self) -> Self {
        let count = self.count.saturating_add(other.count).max(1);
        let share = other.count as f64 / count as f64;
        let p50 = self.p50.as_secs_f64() * (1.0 - share) + other.p50.as_secs_f64() * share;
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
            count,
            p50: Span::from_secs_f64(p50),
            p99: self.p99.max(other.p99),
            max: self.max.max(other.max),
            extent: match (self.extent, other.extent) {
                (Some(one), Some(two)) => Some(one.with(two)),
                (one, two) => one.or(two),
            },
            intervals: self.intervals.saturating_add(other.intervals),
        }
    }

    /// The middle of its time.
    pub fn at(&self) -> Time<Shown> {
        self.from + Span::from_nanos(self.to.since(self.from).as_nanos() / 2)
    }

    /// Whether `next` follows without a gap of more than an interval's length.
    fn joins(&self, next: &Self) -> bool {
        next.from >= self.from && next.from.since(self.to) <= next.to.since(next.from)
    }
}

/// The points of one metric of one subject, in the order of time.
#[derive(Debug, Clone)]
pub struct Course {
    /// Whose: a slave's name, or `cluster`.
    pub subject: String,
    /// Of what: `rtt` or `offset`.
    pub metric: &'static str,
    /// At most 600.
    pub points: Vec<Point>,
    /// How many intervals a point is to hold.
    each: u32,
}

impl Course {
    fn push(&mut self, point: Point) {
        if let Some(last) = self.points.last_mut()
            && last.intervals < self.each
            && last.joins(&point)
        {
            *last = last.with(point);
            return;
        }
        if self.points.len() >= MAX_POINTS {
            self.thin();
        }
        self.points.push(point);
    }

    fn thin(&mut self) {
        self.points.sort_by_key(|point| point.from);
        self.points = self.points.chunks(2).map(|two| two[1..].iter().fold(two[0], pair)).collect();
        self.each = self.each.saturating_mul(2);
    }
}

fn pair(one: Point, other: &Point) -> Point {
    one.with(*other)
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When, by the clock of whoever wrote the log.
    pub at: Time<Shown>,
    /// Of what kind, in a word.
    pub kind: String,
    /// A sentence.
    pub text: String,
    /// The master from now on, where it tells of one.
    pub master: Option<String>,
}

/// What a log tells over time.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Round trips of the cluster, offsets of the cluster and of each slave; at most 258.
    pub courses: Vec<Course>,
    /// What happened; the first 4096.
    pub events: Vec<Happening>,
}

impl History {
    /// The points of `metric` of `subject`; none where there are none.
    pub fn course(&self, metric: &str, subject: &str) -> &[Point] {
        let is_it = |course: &&Course| course.metric == metric && course.subject == subject;
        self.courses.iter().find(is_it).map_or(&[], |course| &course.points)
    }

    /// Takes in one interval.
    pub(super) fn interval(
        &mut self,
        (metric, subject): (&str, &str),
        (from, to): (Time<Shown>, Time<Shown>),
        values: &Histogram<u64>,
    ) {
        let Some(course) = self.open(metric, subject) else { return };
        let at = |quantile| Span::from_nanos(values.value_at_quantile(quantile));
        course.push(Point {
            from,
            to,
            count: values.len(),
            p50: at(0.5),
            p99: at(0.99),
            max: Span::from_nanos(values.max()),
            extent: None,
            intervals: 1,
        });
    }

    /// Takes in the extent of the offsets of the interval before, whose number the extent lacks.
    pub(super) fn extent(&mut self, subject: &str, mut extent: Extent) {
        let Some(course) = self.open(OFFSET, subject) else { return };
        let Some(last) = course.points.last_mut() else { return };
        let told = last.extent.map_or(0, |extent| extent.count);
        extent.count = last.count.saturating_sub(told).max(1);
        last.extent = Some(last.extent.map_or(extent, |before| before.with(extent)));
    }

    /// Takes in an event.
    pub(super) fn event(&mut self, at: Time<Shown>, kind: &str, text: &str, master: Option<&str>) {
        if self.events.len() < MAX_EVENTS {
            let short = |words| plain(words).take(MAX_TEXT).collect::<String>();
            let (kind, text, master) = (short(kind), short(text), master.map(short));
            self.events.push(Happening { at, kind, text, master });
        }
    }

    /// Brings everything into the order of time, whatever the order of the files was. What the files
    /// of one run say each is said once.
    pub(super) fn sort(&mut self) {
        self.events.sort_by_key(|event| event.at);
        let mut said: Vec<Happening> = Vec::with_capacity(self.events.len());
        for event in self.events.drain(..) {
            let mut at_once = said.iter().rev().take_while(|other| other.at == event.at);
            if at_once.all(|other| *other != event) {
                said.push(event);
            }
        }
        self.events = said;
        for course in &mut self.courses {
            course.points.sort_by_key(|point| point.from);
        }
    }

    fn open(&mut self, metric: &str, subject: &str) -> Option<&mut Course> {
        let is_cluster = subject == super::table::CLUSTER;
        let metric = match metric {
            OFFSET => OFFSET,
            ROUND_TRIP if is_cluster => ROUND_TRIP,
            _ => return None,
        };
        let found = |course: &Course| course.metric == metric && course.subject == subject;
        let at = self.courses.iter().position(found);
        if at.is_none() && self.courses.len() >= MAX_COURSES {
            return None;
        }
        let at = at.unwrap_or_else(|| {
            let subject = subject.to_owned();
            self.courses.push(Course { subject, metric, points: Vec::new(), each: 1 });
            self.courses.len() - 1
        });
        self.courses.get_mut(at)
    }
}

/// `text` without what would break a line of a log or speak to a terminal.
pub(super) fn plain(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c.is_control() { ' ' } else { c })
}

/// Seconds as they stand in a log; none where they are no time.
pub(super) fn seconds(text: &str) -> Option<Span> {
    let secs = text.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(secs).ok().map(|_| Span::from_secs_f64(secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Offset;

    fn values(nanos: u64) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 100_000_000_000, 3).unwrap();
        histogram.record(nanos).unwrap();
        histogram
    }

    fn second(n: i64) -> (Time<Shown>, Time<Shown>) {
        (Time::from_nanos(n * 1_000_000_000), Time::from_nanos((n + 1) * 1_000_000_000))
    }

    #[test]
    fn a_long_log_keeps_its_extremes_in_few_points() {
        let mut history = History::default();
        for n in 0..100_000 {
            let nanos = if n == 77_777 { 5_000_000 } else { 1_000 };
            history.interval((OFFSET, "a"), second(n), &values(nanos));
            let offset = Extent::of(Offset::from_nanos(-(nanos as i64)));
            history.extent("a", offset);
        }
        let points = history.course(OFFSET, "a");
        assert!((MAX_POINTS / 2..=MAX_POINTS).contains(&points.len()), "{}", points.len());
        assert!(points.windows(2).all(|two| two[0].to == two[1].from));
        assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 100_000);
        let spikes = points.iter().filter(|p| p.max > Span::from_millis(4)).collect::<Vec<_>>();
        assert_eq!(spikes.len(), 1);
        let least = spikes[0].extent.unwrap().least;
        assert_eq!(least, Offset::from_nanos(-5_000_000));
        assert!(spikes[0].from <= second(77_777).0 && second(77_777).1 <= spikes[0].to);
    }

    #[test]
    fn a_gap_stays_a_gap_and_files_come_in_any_order() {
        let mut history = History::default();
        for n in [100, 101, 102, 0, 1, 2] {
            history.interval((OFFSET, "a"), second(n), &values(1_000));
        }
        history.event(second(50).0, "late", "b", None);
        for _ in 0..2 {
            history.event(second(5).0, "early", "a\n\u{1b}[2J", None);
        }
        history.sort();
        let from: Vec<_> = history.course(OFFSET, "a").iter().map(|p| p.from).collect();
        assert_eq!(from, [0, 1, 2, 100, 101, 102].map(|n| second(n).0));
        assert_eq!(history.events[0].kind, "early");
        assert_eq!(history.events[0].text, "a  [2J");
        assert_eq!(history.events.len(), 2, "{:?}", history.events);
    }

    #[test]
    fn no_log_takes_more_than_its_share() {
        let mut history = History::default();
        for n in 0..5_000 {
            history.interval((OFFSET, &n.to_string()), second(n), &values(1));
            history.event(second(n).0, "x", &"y".repeat(5_000), None);
        }
        assert_eq!(history.courses.len(), MAX_COURSES);
        assert_eq!(history.events.len(), MAX_EVENTS);
        assert_eq!(history.events[0].text.len(), MAX_TEXT);
    }
}
