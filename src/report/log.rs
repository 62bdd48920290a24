//! The interval log: one line for each metric and subject of each report interval, in the format
//! of the HdrHistogram tools.
//!
//! Values are nanoseconds and the column `Interval_Max` is milliseconds, as those tools expect.
//! Tags are `rtt`, `offset` and `noise` for the cluster, with `.NAME` behind for one slave. What
//! the format has no place for stands in comments, which other tools skip:
//!
//! ```text
//! #[offset SUBJECT ahead=3 behind=2 zero=0]                      the sides of the sizes before
//! #[extent SUBJECT least_ns=-90 greatest_ns=40 mean_ns=-7]       the same offsets, with their signs
//! #[clamped TAG count=1]                                         values beyond the greatest
//! #[event 12.345 unreachable slave rack-3 went silent: …]        s after the start, kind, sentence
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use hdrhistogram::{Counter, Histogram};

use super::book::Book;
use super::histogram::{Extent, Signs};
use super::history::plain;
use super::latency::Metrics;
use super::table::CLUSTER;
use crate::time::{Shown, Span, Time};

pub(super) const ROUND_TRIP: &str = "rtt";
pub(super) const OFFSET: &str = "offset";
pub(super) const NOISE: &str = "noise";
pub(super) const EXTENT: &str = "extent";
pub(super) const EVENT: &str = "event";
pub(super) const START: &str = "start";

const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
const NANOS_PER_MILLI: f64 = 1e6;
/// Most events kept for one interval; of what happens beyond, the number is written.
const MAX_EVENTS: u64 = 256;

/// A log could not be opened or written: which, and why.
#[derive(Debug)]
pub struct LogError {
    path: PathBuf,
    what: String,
    cause: Option<io::Error>,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "report {}: {}", self.path.display(), self.what)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// Writes an interval log. Each interval is on the disk when [`LogWriter::write`] returns, so a
/// crash loses the open one at most.
pub struct LogWriter {
    path: PathBuf,
    started: Time<Shown>,
    file: File,
    aside: Option<PathBuf>,
    /// The length of what was written whole; `None` for what is no regular file.
    whole: Option<u64>,
    serializer: V2DeflateSerializer,
    builder: IntervalLogWriterBuilder,
    /// How much the builder writes before the first line.
    preamble: usize,
    text: Vec<u8>,
    /// What happened since the last interval was written, as lines.
    events: String,
    happened: u64,
    author: Option<String>,
}

impl LogWriter {
    /// Begins a log at `path` for a run that started at `started`.
    ///
    /// An earlier interval log at `path` is kept: it moves to `path` with `.1` behind, or the next
    /// number that is free. It is not appended to, since readers merge all that stands in a file,
    /// and take the last start time in it for the only one.
    ///
    /// # Errors
    /// If the file cannot be opened or written, or if it holds something that is no interval log:
    /// that is never overwritten or moved.
    pub fn create(path: &Path, started: Time<Shown>) -> Result<Self, LogError> {
        let fail = |what: &str, cause| LogError {
            path: path.to_owned(),
            what: what.to_owned(),
            cause: Some(cause),
        };
        let aside = make_room(path)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|e| fail("cannot open it for writing", e))?;
        let regular = file.metadata().is_ok_and(|meta| meta.is_file());
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(NANOS_PER_MILLI);
        let mut log = Self {
            path: path.to_owned(),
            started,
            file,
            aside,
            whole: regular.then_some(0),
            serializer: V2DeflateSerializer::new(),
            builder,
            preamble: 0,
            text: Vec::new(),
            events: String::new(),
            happened: 0,
            author: None,
        };
        log.preamble = log.measure_preamble();
        log.text = log.header(started);
        log.put()?;
        Ok(log)
    }

    /// Where the log that stood at the path before was moved.
    pub fn moved_aside(&self) -> Option<&Path> {
        self.aside.as_deref()
    }

    /// Begins a new file at the same path, and ends the one before: what `logrotate` asks for once
    /// it has moved the file away. Where nobody moved it, it is moved aside as in
    /// [`LogWriter::create`]. Timestamps go on counting from the start of the run.
    ///
    /// # Errors
    /// As [`LogWriter::create`]; writing then goes on where it was.
    pub fn rotate(&mut self) -> Result<(), LogError> {
        let fresh = Self::create(&self.path, self.started)?;
        let before = std::mem::replace(self, fresh);
        (self.events, self.happened) = (before.events, before.happened);
        if let Some(author) = before.author {
            self.introduce(&author);
        }
        Ok(())
    }

    /// Says whose log it is, as `master NAME` or `slave NAME`: what a slave's log calls the
    /// cluster is itself.
    pub fn introduce(&mut self, author: &str) {
        self.author = Some(author.to_owned());
        self.event(Span::ZERO, START, author);
    }

    /// Keeps an event for the interval that is open: when it happened after the start of the run,
    /// of what `kind` in a word, and a sentence. At most 256 an interval; the rest is counted.
    pub fn event(&mut self, age: Span, kind: &str, text: &str) {
        self.happened += 1;
        if self.happened <= MAX_EVENTS {
            let text: String = plain(text).collect();
            let line = format!("#[{EVENT} {:.3} {kind} {text}]\n", age.as_secs_f64());
            self.events.push_str(&line);
        }
    }

    /// Writes what `book` recorded since its last [`Book::roll`], as an interval that began `from`
    /// and ended `to` after the start of the run, and the events in between. What recorded nothing
    /// gets no line.
    ///
    /// # Errors
    /// If the disk does not take it. The log then ends with the interval before, and writing may
    /// be tried again.
    pub fn write(&mut self, book: &Book, from: Span, to: Span) -> Result<(), LogError> {
        self.text.clear();
        self.text.extend_from_slice(self.events.as_bytes());
        if let Some(lost @ 1..) = self.happened.checked_sub(MAX_EVENTS) {
            let age = to.as_secs_f64();
            self.comment(format_args!("{EVENT} {age:.3} more {lost} events more in this interval"));
        }
        let within = (from, to - from);
        self.subject(book.cluster_interval(), None, within)?;
        for subject in book.in_order() {
            self.subject(&subject.interval, Some(&subject.name), within)?;
        }
        self.put()?;
        self.events.clear();
        self.happened = 0;
        Ok(())
    }

    fn subject<C: Counter>(
        &mut self,
        metrics: &Metrics<C>,
        name: Option<&str>,
        within: (Span, Span),
    ) -> Result<(), LogError> {
        let subject = name.unwrap_or(CLUSTER);
        let offsets = metrics.offset();
        for (metric, values) in [
            (ROUND_TRIP, metrics.round_trip()),
            (OFFSET, offsets.sizes()),
            (NOISE, metrics.noise()),
        ] {
            if values.count() == 0 {
                continue;
            }
            let tag = name.map_or_else(|| metric.to_owned(), |name| format!("{metric}.{name}"));
            self.line(values.histogram(), &tag, within)?;
            if metric == OFFSET {
                let Signs { ahead, behind, zero } = offsets.signs();
                self.comment(format_args!(
                    "{OFFSET} {subject} ahead={ahead} behind={behind} zero={zero}"
                ));
                self.extent(subject, offsets.extent());
            }
            if values.clamped() > 0 {
                self.comment(format_args!("clamped {tag} count={}", values.clamped()));
            }
        }
        Ok(())
    }

    fn line<C: Counter>(
        &mut self,
        histogram: &Histogram<C>,
        tag: &str,
        (from, length): (Span, Span),
    ) -> Result<(), LogError> {
        let fail = |e: &dyn fmt::Display| LogError {
            path: self.path.clone(),
            what: format!("cannot encode {tag}: {e}"),
            cause: None,
        };
        let mut line = Vec::new();
        let mut writer =
            self.builder.begin_log_with(&mut line, &mut self.serializer).map_err(|e| fail(&e))?;
        let [from, length] = [from, length].map(|span| Duration::from_nanos(span.as_nanos()));
        writer.write_histogram(histogram, from, length, Tag::new(tag)).map_err(|e| fail(&e))?;
        self.text.extend_from_slice(&line[self.preamble..]);
        Ok(())
    }

    fn extent(&mut self, subject: &str, extent: Option<Extent>) {
        let Some(extent) = extent else { return };
        let [least, greatest, mean] =
            [extent.least, extent.greatest, extent.mean].map(|offset| offset.as_nanos());
        self.comment(format_args!(
            "{EXTENT} {subject} least_ns={least} greatest_ns={greatest} mean_ns={mean}"
        ));
    }

    fn comment(&mut self, text: fmt::Arguments<'_>) {
        self.text.extend_from_slice(format!("#[{text}]\n").as_bytes());
    }

    fn header(&mut self, started: Time<Shown>) -> Vec<u8> {
        let mut text = Vec::new();
        let started = started.since(Time::from_nanos(0));
        let started = UNIX_EPOCH + Duration::from_nanos(started.as_nanos());
        let mut builder = IntervalLogWriterBuilder::new();
        builder
            .add_comment("[Histogram log format version 1.3]")
            .add_comment(concat!("[Logged with campanile ", env!("CARGO_PKG_VERSION"), "]"))
            .add_comment("[Values in nanoseconds, Interval_Max in milliseconds]")
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(NANOS_PER_MILLI);
        // A Vec takes every write.
        let _ = builder.begin_log_with(&mut text, &mut self.serializer);
        text.extend_from_slice(LEGEND.as_bytes());
        text
    }

    /// The crate's writer begins with a comment on the divisor each time it is made, and it cannot
    /// outlive the buffer it borrows; so it is made for each line, and the comment cut off.
    fn measure_preamble(&mut self) -> usize {
        let mut text = Vec::new();
        let _ = self.builder.begin_log_with(&mut text, &mut self.serializer);
        text.len()
    }

    /// Brings `self.text` to the disk, all of it or nothing.
    fn put(&mut self) -> Result<(), LogError> {
        let written = self.file.write_all(&self.text).and_then(|()| match self.whole {
            Some(_) => self.file.sync_data(),
            None => self.file.flush(),
        });
        if let Err(cause) = written {
            if let Some(whole) = self.whole {
                // Best effort: the reader copes with half a line at the end.
                let _ = self.file.set_len(whole);
                let _ = self.file.seek(SeekFrom::Start(whole));
            }
            let what = "cannot write it".to_owned();
            return Err(LogError { path: self.path.clone(), what, cause: Some(cause) });
        }
        self.whole = self.whole.map(|whole| whole + self.text.len() as u64);
        Ok(())
    }
}

/// Moves an earlier log out of the way; says where to.
fn make_room(path: &Path) -> Result<Option<PathBuf>, LogError> {
    let fail = |what: &str, cause| LogError { path: path.to_owned(), what: what.to_owned(), cause };
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail("cannot open it for writing", Some(e))),
    };
    if !meta.is_file() || meta.len() == 0 {
        return Ok(None);
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    read.map_err(|e| fail("cannot read what is there already", Some(e)))?;
    if !is_interval_log(&head) {
        let what = "there is a file that is no interval log; move it away or name another";
        return Err(fail(what, None));
    }
    let free =
        free(path).ok_or_else(|| fail("every number behind it is taken; move some", None))?;
    fs::rename(path, &free).map_err(|e| fail("cannot move the earlier log aside", Some(e)))?;
    Ok(Some(free))
}

/// Where an earlier log goes: the first number that is free. Whoever rotates logs by number, and throws the
/// highest away, does so with these, too.
fn free(path: &Path) -> Option<PathBuf> {
    let taken = taken(path);
    let mut free = (1..=u32::MAX).filter(|n| !taken.contains(n)).map(|n| numbered(path, n));
    free.find(|path| fs::symlink_metadata(path).is_err())
}

/// The numbers behind `path`, compressed ones among them; none where none is to be seen.
fn taken(path: &Path) -> BTreeSet<u32> {
    let Some(name) = path.file_name() else { return BTreeSet::new() };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    // Who may write into a directory may yet not list it.
    let entries = fs::read_dir(dir.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| {
        let found = entry.file_name();
        let behind = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes())?;
        let behind = std::str::from_utf8(behind.strip_prefix(b".")?).ok()?;
        behind.split('.').next()?.parse().ok()
    };
    entries.filter_map(number).collect()
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

fn is_interval_log(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    ["#[Histogram log format", "#[StartTime:", "#[BaseTime:", "\"StartTimestamp\""]
        .iter()
        .any(|mark| head.lines().any(|line| line.starts_with(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read;

    const START: Time<Shown> = Time::from_nanos(1_700_000_000_250_000_000);

    fn book() -> Book {
        let mut book = Book::new(4);
        book.add(1, "one");
        book.record_exchange(1, Span::from_micros(100), Span::from_micros(2));
        book
    }

    #[test]
    fn the_header_is_the_one_other_tools_know() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        LogWriter::create(&path, START).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "#[Histogram log format version 1.3]");
        assert!(lines.contains(&"#[StartTime: 1700000000.250 (seconds since epoch)]"), "{text}");
        assert!(lines.contains(&"#[BaseTime: 1700000000.250 (seconds since epoch)]"), "{text}");
        assert_eq!(lines.last(), Some(&LEGEND.trim_end()));
    }

    #[test]
    fn each_interval_is_on_the_disk_when_the_call_returns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        let mut log = LogWriter::create(&path, START).unwrap();
        for n in 1..4 {
            log.write(&book(), Span::from_secs(n), Span::from_secs(n + 1)).unwrap();
            assert_eq!(read(&path).unwrap().intervals(), n);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\nTag=rtt.one,2.000,1.000,0.100,HIST"), "{text}");
    }

    #[test]
    fn an_earlier_log_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        for runs_before in 0..3 {
            let mut log = LogWriter::create(&path, START).unwrap();
            let aside = (runs_before > 0).then(|| numbered(&path, runs_before));
            assert_eq!(log.moved_aside(), aside.as_deref());
            for _ in 0..=runs_before {
                log.write(&book(), Span::ZERO, Span::from_secs(1)).unwrap();
            }
        }
        let kept = [numbered(&path, 1), numbered(&path, 2), path];
        assert_eq!(kept.map(|p| read(&p).unwrap().intervals()), [1, 2, 3]);
    }

    #[test]
    fn no_number_of_earlier_logs_is_too_many_and_none_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        let begin = || {
            let log = LogWriter::create(&path, START).unwrap();
            let aside = log.moved_aside().map(|p| p.file_name().unwrap().to_owned());
            aside.map(|name| name.into_string().unwrap())
        };
        assert_eq!(begin(), None);
        for n in 1..=999 {
            fs::write(numbered(&dir.path().join("run.hlog"), n), "earlier").unwrap();
        }
        assert_eq!(begin().as_deref(), Some("run.hlog.1000"));
        fs::write(dir.path().join("run.hlog.1001.gz"), "compressed").unwrap();
        assert_eq!(begin().as_deref(), Some("run.hlog.1002"));
        fs::remove_file(dir.path().join("run.hlog.1")).unwrap();
        assert_eq!(begin().as_deref(), Some("run.hlog.1"), "what rotates logs has made room");
        assert_eq!(fs::read_to_string(dir.path().join("run.hlog.2")).unwrap(), "earlier");
    }

    #[test]
    fn what_is_no_log_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("thesis.txt");
        fs::write(&path, "years of work\n").unwrap();
        let error = LogWriter::create(&path, START).err().unwrap().to_string();
        assert!(error.contains("thesis.txt: there is a file that is no interval log"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "years of work\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_line_says_what_cannot_be_written_and_why() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = dir.path().join("no/such/dir/run.hlog");
        for (path, why) in [
            (nowhere.as_path(), "No such file"),
            (dir.path(), "directory"),
            (Path::new("/dev/full"), "No space left"),
        ] {
            let error = LogWriter::create(path, START).err().unwrap().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains(why), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
    }
}
