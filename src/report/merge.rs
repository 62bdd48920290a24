//! Merges the lines of an interval log, whoever wrote it, within bounds.

use std::fmt::Display;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, LogEntry,
};

use super::book::printable;
use super::decode::{Fault, MAX_COUNT, bins, decode};
use super::histogram::{Extent, Signs};
use super::history::seconds;
use super::log::{EVENT, EXTENT, OFFSET, ROUND_TRIP, START};
use super::reader::{Log, TagLog};
use super::table::CLUSTER;
use crate::time::{Offset, Span, Time};

/// Most tags: 256 slaves have 771.
const MAX_TAGS: usize = 4096;
/// Longest tag, in bytes.
const MAX_TAG: usize = 256;
/// Most memory for merged histograms, in bytes.
const MAX_MEMORY: u64 = 128 << 20;

/// Timestamps that lie further than this before the start of a log are meant relative to it: the
/// rule of the Java tools.
const YEAR: Span = Span::from_secs(365 * 24 * 3600);

pub(super) const EXPECTED: &str =
    "expected is an HdrHistogram log, lines of [Tag=NAME,]start,length,max,histogram";

/// Merges line after line.
#[derive(Default)]
pub(super) struct Merger {
    pub(super) log: Log,
    /// Whether any line was typical for an interval log.
    pub(super) recognised: bool,
    start: Option<Span>,
    base: Option<Span>,
    /// Who wrote the file, where it says so.
    author: Option<Author>,
    /// When the newest interval of the file began, and whether its writer polled in it. A slave
    /// does not, and what it calls the cluster is itself; a standby does once it reigns.
    within: Option<(Span, bool)>,
    /// The memory of the merged histograms, in bytes.
    held: u64,
}

struct Author {
    name: String,
    /// It began as one.
    slave: bool,
}

impl Merger {
    /// Begins a file, whose timestamps are its own.
    pub(super) fn begin(&mut self) {
        (self.recognised, self.start, self.base, self.author) = (false, None, None, None);
        self.within = None;
    }

    /// Takes one line; says what is wrong with it.
    pub(super) fn line(&mut self, line: &mut Vec<u8>) -> Result<(), String> {
        let terminated = line.last() == Some(&b'\n');
        if !terminated {
            line.push(b'\n');
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        if !terminated && line.starts_with(b"#[") && !line.trim_ascii_end().ends_with(b"]") {
            return Err(CUT_OFF.to_owned());
        }
        let result = match IntervalLogIterator::new(line).next() {
            Some(Ok(LogEntry::StartTime(at))) => self.stamp(|s| &mut s.start, at),
            Some(Ok(LogEntry::BaseTime(at))) => self.stamp(|s| &mut s.base, at),
            Some(Ok(LogEntry::Interval(interval))) => self.interval(&interval),
            Some(Err(_)) => Err(self.flaw("not a line of an interval log")),
            None => self.comment(&String::from_utf8_lossy(line)),
        };
        match result {
            Err(_) if !terminated && self.recognised => Err(CUT_OFF.to_owned()),
            other => other,
        }
    }

    /// What is wrong, as said of a log, or of a file that never looked like one.
    pub(super) fn flaw(&self, what: &str) -> String {
        if self.recognised {
            format!("{what}; {EXPECTED}")
        } else {
            format!("this is no interval log; {EXPECTED}")
        }
    }

    fn stamp(
        &mut self,
        field: impl Fn(&mut Self) -> &mut Option<Span>,
        at: Duration,
    ) -> Result<(), String> {
        *field(self) = Some(span(at));
        self.recognised = true;
        Ok(())
    }

    fn comment(&mut self, line: &str) -> Result<(), String> {
        let typical = ["\"StartTimestamp\"", "#[Histogram log format"];
        self.recognised |= typical.iter().any(|mark| line.starts_with(mark));
        let Some(words) = line.trim_end().strip_prefix("#[").and_then(|l| l.strip_suffix(']'))
        else {
            return Ok(());
        };
        if let Some(event) = words.strip_prefix(EVENT).and_then(|rest| rest.strip_prefix(' ')) {
            self.event(event);
            return Ok(());
        }
        match *words.split_whitespace().collect::<Vec<_>>() {
            [OFFSET, subject, ahead, behind, zero] => {
                let signs = || {
                    Some(Signs {
                        ahead: field(ahead, "ahead=")?,
                        behind: field(behind, "behind=")?,
                        zero: field(zero, "zero=")?,
                    })
                };
                let tag = match subject {
                    CLUSTER => OFFSET.to_owned(),
                    name => format!("{OFFSET}.{name}"),
                };
                if let Some((tag, signs)) = self.known(&tag).zip(signs()) {
                    tag.signs.get_or_insert_default().add(signs);
                }
            }
            [EXTENT, subject, least, greatest, mean] => {
                let extent = || {
                    let offset = |word, name| field::<i64>(word, name).map(Offset::from_nanos);
                    Some(Extent {
                        least: offset(least, "least_ns=")?,
                        greatest: offset(greatest, "greatest_ns=")?,
                        mean: offset(mean, "mean_ns=")?,
                        count: 1,
                    })
                };
                if let Some(extent) = extent() {
                    let subject = self.subject(&printable(subject));
                    self.log.history.extent(&subject, extent);
                }
            }
            ["clamped", tag, count] => {
                if let Some((tag, count)) = self.known(tag).zip(field(count, "count=")) {
                    tag.clamped = tag.clamped.saturating_add(count);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `SECONDS KIND TEXT`.
    fn event(&mut self, words: &str) {
        let mut words = words.splitn(3, ' ');
        let (age, kind) = (words.next().and_then(seconds), words.next());
        let (Some(age), Some(kind), Some(text)) = (age, kind, words.next()) else { return };
        if let (START, Some((role, name))) = (kind, text.split_once(' ')) {
            self.author = Some(Author { name: printable(name), slave: role == "slave" });
        }
        let master = match kind {
            "elected" => self.author.as_ref().map(|author| author.name.clone()),
            "following" => followed(text).map(printable),
            _ => None,
        };
        let at = Time::from_nanos(0) + self.base_of(age) + age;
        self.log.history.event(at, kind, text, master.as_deref());
    }

    fn subject(&self, subject: &str) -> String {
        let polls = self.within.is_some_and(|(_, polls)| polls);
        match &self.author {
            Some(author) if author.slave && !polls && subject == CLUSTER => author.name.clone(),
            _ => subject.to_owned(),
        }
    }

    fn known(&mut self, tag: &str) -> Option<&mut TagLog> {
        self.log.tags.iter_mut().find(|t| t.tag == tag)
    }

    fn interval(&mut self, interval: &IntervalLogHistogram<'_>) -> Result<(), String> {
        let tag = printable(interval.tag().map_or("", |tag| tag.as_str()));
        if tag.len() > MAX_TAG {
            return Err(self.flaw("a tag longer than 256 bytes"));
        }
        let histogram =
            decode(interval.encoded_histogram()).map_err(|fault| self.flaw(describe(fault)))?;
        self.recognised = true;
        let (from, length) = (span(interval.start_timestamp()), span(interval.duration()));
        let began = Time::from_nanos(0) + self.base_of(from) + from;
        let ended = began + length;
        let (metric, subject) = tag.split_once('.').unwrap_or((&tag, CLUSTER));
        let polled = self.within.is_some_and(|(open, polls)| open == from && polls);
        self.within = Some((from, polled || metric == ROUND_TRIP));
        let subject = self.subject(subject);
        self.log.history.interval((metric, &subject), (began, ended), &histogram);
        self.merge(&tag, histogram)?;
        self.log.began = Some(self.log.began.map_or(began, |b| b.min(began)));
        self.log.ended = Some(self.log.ended.map_or(ended, |e| e.max(ended)));
        Ok(())
    }

    /// What a timestamp counts from, since the epoch.
    fn base_of(&self, from: Span) -> Offset {
        let base = match (self.base, self.start) {
            (Some(base), _) => base,
            (None, Some(start)) if from + YEAR < start => start,
            _ => Span::ZERO,
        };
        base.as_offset()
    }

    fn merge(&mut self, tag: &str, mut histogram: Histogram<u64>) -> Result<(), String> {
        let Some(at) = self.log.tags.iter().position(|t| t.tag == tag) else {
            if self.log.tags.len() >= MAX_TAGS {
                return Err("more than 4096 tags; take the log apart".to_owned());
            }
            self.hold(8 * histogram.distinct_values() as u64)?;
            histogram.auto(true);
            self.log.tags.push(TagLog {
                tag: tag.to_owned(),
                intervals: 1,
                histogram,
                signs: None,
                clamped: 0,
            });
            return Ok(());
        };
        let merged = &self.log.tags[at].histogram;
        if merged.len() + histogram.len() > MAX_COUNT {
            return Err("more values under one tag than can be counted".to_owned());
        }
        let high = histogram.max().max(merged.high());
        let needed = bins(merged.low(), high, merged.sigfig());
        self.hold(8 * needed.saturating_sub(merged.distinct_values() as u64))?;
        let entry = &mut self.log.tags[at];
        entry.histogram.add(&histogram).map_err(|e| format!("cannot be merged: {e}"))?;
        entry.intervals += 1;
        Ok(())
    }

    fn hold(&mut self, bytes: u64) -> Result<(), String> {
        self.held += bytes;
        if self.held > MAX_MEMORY {
            return Err("its histograms take more than 128 MiB; take the log apart".to_owned());
        }
        Ok(())
    }
}

pub(super) const CUT_OFF: &str = "cut off; expected is the rest of the line";

fn describe(fault: Fault) -> &'static str {
    match fault {
        Fault::CutOff => "the histogram is cut off",
        Fault::Foreign => "the histogram is not in the encoding V2",
        Fault::Damaged => "the histogram is damaged",
        Fault::TooLarge => "the histogram claims more than any measurement needs",
    }
}

fn field<T: std::str::FromStr>(word: &str, name: &str) -> Option<T> {
    word.strip_prefix(name)?.parse().ok()
}

const FOLLOWING: &str = "following master ";
const AT: &str = " at ";

/// The sentence that says which master is followed from now on, and where it is reached.
pub fn following(master: impl Display, addr: impl Display) -> String {
    format!("{FOLLOWING}{master}{AT}{addr}")
}

/// Who is followed, by that sentence.
fn followed(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(FOLLOWING)?;
    Some(rest.rsplit_once(AT).map_or(rest, |(name, _)| name))
}

fn span(duration: Duration) -> Span {
    Span::from_secs(duration.as_secs()) + Span::from_nanos(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_followed_is_read_from_what_says_so() {
        for name in ["tower", "look at me"] {
            assert_eq!(followed(&following(name, "[::1]:7045")), Some(name));
        }
        assert_eq!(followed("master of term 1 from now on"), None);
    }

    #[test]
    fn merged_histograms_stay_within_their_memory() {
        let wide = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 5).unwrap();
        assert!(wide.distinct_values() as u64 * 8 * 5 > MAX_MEMORY);
        let mut merger = Merger::default();
        let held: Vec<_> = (0..6).map(|n| merger.merge(&n.to_string(), wide.clone())).collect();
        assert!(held[3].is_ok() && held[5].as_ref().unwrap_err().contains("128 MiB"));
    }

    #[test]
    fn the_start_is_found_as_the_java_tools_find_it() {
        let mut merger = Merger::default();
        let second = Span::from_secs;
        assert_eq!(merger.base_of(second(5)), Offset::ZERO);
        merger.start = Some(second(1_700_000_000));
        assert_eq!(merger.base_of(second(5)), second(1_700_000_000).as_offset());
        assert_eq!(merger.base_of(second(1_700_000_005)), Offset::ZERO);
        merger.base = Some(second(1_600_000_000));
        assert_eq!(merger.base_of(second(5)), second(1_600_000_000).as_offset());
    }
}
