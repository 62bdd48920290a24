//! Reads an interval log, our own or another program's, and merges what stands under one tag.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

use super::histogram::Signs;
use super::history::History;
use super::log::{NOISE, OFFSET, ROUND_TRIP};
use super::merge::{CUT_OFF, EXPECTED, Merger};
use super::table::{CLUSTER, OffsetSummary, OtherRow, Report, Row, Summary};
use crate::time::{Shown, Span, Time};

/// What a log that comes from there is called.
const STDIN: &str = "standard input";
/// How what gzip has made begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Longest line, in bytes.
const MAX_LINE: u64 = 4 << 20;

/// What stands under one tag, merged over all intervals.
#[derive(Clone)]
pub struct TagLog {
    /// The tag; empty for lines without one.
    pub tag: String,
    /// How many lines had it.
    pub intervals: u64,
    /// Their values: nanoseconds in our own logs.
    pub histogram: Histogram<u64>,
    /// The sides of the offsets, where the log tells them.
    pub signs: Option<Signs>,
    /// How many values were greater than the log's histograms hold.
    pub clamped: u64,
}

/// Without the thousands of counters.
impl fmt::Debug for TagLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, intervals, histogram, .. } = self;
        write!(f, "{tag}: {} values in {intervals} intervals", histogram.len())
    }
}

/// What an interval log holds, or several together.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// One for each tag, in the order they first appear.
    pub tags: Vec<TagLog>,
    /// When the first interval began, by the clock of whoever wrote the log.
    pub began: Option<Time<Shown>>,
    /// When the last interval ended.
    pub ended: Option<Time<Shown>>,
    /// What it tells over time.
    pub history: History,
}

impl Log {
    /// How many intervals were merged: those of the tag that has most.
    pub fn intervals(&self) -> u64 {
        self.tags.iter().map(|tag| tag.intervals).max().unwrap_or(0)
    }

    /// From the begin of the first interval to the end of the last.
    pub fn length(&self) -> Span {
        self.began.zip(self.ended).map_or(Span::ZERO, |(began, ended)| ended.since(began))
    }

    /// The whole log as one report; tags that are not ours are in [`Report::others`].
    pub fn report(&self) -> Report {
        let mut report = Report {
            cluster: Row::named(CLUSTER),
            slaves: Vec::new(),
            others: Vec::new(),
            not_shown: 0,
        };
        for tag in &self.tags {
            let (metric, name) = tag.tag.split_once('.').unwrap_or((&tag.tag, CLUSTER));
            let values = Summary::of(&tag.histogram, tag.clamped);
            if ![ROUND_TRIP, OFFSET, NOISE].contains(&metric) {
                report.others.push(OtherRow { tag: tag.tag.clone(), values });
                continue;
            }
            let row = report.row(name);
            match metric {
                ROUND_TRIP => row.round_trip = values,
                NOISE => row.noise = values,
                _ => {
                    let signs = tag.signs.unwrap_or_default();
                    row.offset = OffsetSummary { size: values, signs };
                }
            }
        }
        report
    }
}

impl Report {
    /// The row of that name, added if it is not there.
    fn row(&mut self, name: &str) -> &mut Row {
        if name == CLUSTER {
            return &mut self.cluster;
        }
        let at = self.slaves.iter().position(|row| row.name == name).unwrap_or_else(|| {
            self.slaves.push(Row::named(name));
            self.slaves.len() - 1
        });
        &mut self.slaves[at]
    }
}

/// A log could not be read, or not to its end: where, and what was expected there.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    line: Option<u64>,
    what: String,
    readable: Option<Box<Log>>,
}

impl ReadError {
    /// The intervals before the flaw, if there are any.
    pub fn readable(&self) -> Option<&Log> {
        self.readable.as_deref()
    }

    /// Whether all that is wrong is an unfinished last line: whoever wrote it was killed, or
    /// writes it at this moment.
    pub fn is_cut_off(&self) -> bool {
        self.what == CUT_OFF && self.readable.is_some()
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}", self.what)?;
        match self.readable.as_ref().map(|log| log.tags.iter().map(|tag| tag.intervals).sum()) {
            Some(1) => write!(f, "; the histogram before it is whole"),
            Some(n @ 0u64..) => write!(f, "; the {n} histograms before it are whole"),
            None => Ok(()),
        }
    }
}

impl Error for ReadError {}

/// Reads the interval log at `path` and merges what stands under one tag.
///
/// Takes at most some 200 MiB, whatever stands in the file.
///
/// # Errors
/// If the file cannot be read, is no interval log, is cut off or damaged, or claims more than any
/// measurement needs. What was whole before the flaw is in [`ReadError::readable`].
pub fn read(path: &Path) -> Result<Log, ReadError> {
    let mut merger = Merger::default();
    take(&mut merger, path).map_err(|flaw| flaw.before(&merger.log))?;
    merger.log.history.sort();
    Ok(merger.log)
}

/// Reads an interval log from anywhere else: `name` is what errors call it.
///
/// Takes at most some 200 MiB, whatever comes.
///
/// # Errors
/// As [`read`].
pub fn read_from(lines: impl BufRead, name: &Path) -> Result<Log, ReadError> {
    let mut merger = Merger::default();
    take_lines(&mut merger, lines, name).map_err(|flaw| flaw.before(&merger.log))?;
    merger.log.history.sort();
    Ok(merger.log)
}

/// Reads several logs as one, in any order: those of one run before and after it rotated, or of
/// several nodes; `-` is standard input. Of those that end in an unfinished line, what is before it counts, and the flaw
/// is returned beside.
///
/// Takes at most some 200 MiB, whatever stands in the files.
///
/// # Errors
/// As [`read`], for the first file that has any other flaw.
pub fn read_all<P: AsRef<Path>>(paths: &[P]) -> Result<(Log, Vec<ReadError>), ReadError> {
    let mut merger = Merger::default();
    let mut cut = Vec::new();
    for path in paths {
        merger.begin();
        let path = path.as_ref();
        let taken = match path.as_os_str() == "-" {
            true => take_lines(&mut merger, std::io::stdin().lock(), Path::new(STDIN)),
            false => take(&mut merger, path),
        };
        if let Err(flaw) = taken {
            let error = flaw.before(&merger.log);
            if !error.is_cut_off() {
                return Err(error);
            }
            cut.push(error);
        }
    }
    merger.log.history.sort();
    Ok((merger.log, cut))
}

/// What is wrong with a file, and where.
struct Flaw {
    path: PathBuf,
    line: Option<u64>,
    what: String,
}

impl Flaw {
    /// With what was whole before it.
    fn before(self, log: &Log) -> ReadError {
        let readable = (!log.tags.is_empty()).then(|| Box::new(log.clone()));
        ReadError { path: self.path, line: self.line, what: self.what, readable }
    }
}

fn take(merger: &mut Merger, path: &Path) -> Result<(), Flaw> {
    let file = File::open(path).map_err(|e| Flaw {
        path: path.to_owned(),
        line: None,
        what: format!("cannot open it: {e}"),
    })?;
    take_lines(merger, BufReader::new(file), path)
}

fn take_lines(merger: &mut Merger, mut lines: impl BufRead, name: &Path) -> Result<(), Flaw> {
    let fail = |line, what| Flaw { path: name.to_owned(), line, what };
    if lines.fill_buf().is_ok_and(|start| start.starts_with(&GZIP)) {
        let what = "it is compressed; zcat FILE | campanile report - reads it".to_owned();
        return Err(fail(None, what));
    }
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        match lines.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(n) if n as u64 > MAX_LINE => {
                return Err(fail(Some(number), merger.flaw("longer than 4 MiB")));
            }
            Ok(_) => {}
            Err(e) => return Err(fail(None, format!("cannot read it: {e}"))),
        }
        merger.line(&mut line).map_err(|what| fail(Some(number), what))?;
    }
    if merger.recognised {
        Ok(())
    } else {
        let what = format!("the file ends without anything of an interval log; {EXPECTED}");
        Err(fail(None, what))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::{Book, LogWriter};
    use crate::time::Offset;

    const START: Time<Shown> = Time::from_nanos(1_700_000_000_000_000_000);

    fn fill(book: &mut Book) {
        for (id, name) in [(1, "10.0.0.1:7045"), (2, "[fe80::1%2]:7045")] {
            book.add(id, name);
            for n in 1..=500 {
                book.record_exchange(id, Span::from_nanos(n * 777), Span::from_nanos(n * 3));
                book.record_offset(id, Offset::from_nanos(n as i64 * 100 - 20_000));
            }
        }
        book.record_offset(2, Offset::from_secs_f64(-1e6));
    }

    /// A log of two intervals, and what it should say.
    fn sample(path: &Path) -> Report {
        let mut book = Book::new(8);
        let mut log = LogWriter::create(path, START).unwrap();
        for n in 0..2 {
            fill(&mut book);
            log.write(&book, Span::from_secs(10 * n), Span::from_secs(10 * n + 10)).unwrap();
            book.roll();
        }
        book.total()
    }

    fn error(content: &[u8]) -> ReadError {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.hlog");
        fs::write(&path, content).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        assert!(error.to_string().starts_with(path.to_str().unwrap()));
        error
    }

    #[test]
    fn a_log_read_back_says_what_the_run_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        let told = sample(&path);
        let log = read(&path).unwrap();
        assert_eq!(log.report(), told);
        assert_eq!((log.intervals(), log.tags.len()), (2, 9));
        assert_eq!(log.began, Some(START));
        assert_eq!(log.length(), Span::from_secs(20));
    }

    #[test]
    fn a_log_cut_off_anywhere_says_so_and_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        sample(&path);
        let whole = fs::read(&path).unwrap();
        let mut kept = 0;
        for cut in (1..whole.len()).filter(|cut| cut % 3 == 0 || whole[cut - 1] == b'\n') {
            fs::write(&path, &whole[..cut]).unwrap();
            let tags = match read(&path) {
                Ok(log) => log.tags.len(),
                Err(e) => {
                    assert!(e.to_string().contains("cut off; expected") || cut < 40, "{cut}: {e}");
                    e.readable().map_or(0, |log| log.tags.len())
                }
            };
            assert!(tags >= kept, "{cut}");
            kept = tags;
        }
        assert_eq!(kept, 9);
        let end = error(&whole[..whole.len() - 50]).to_string();
        assert!(end.contains("line ") && end.ends_with("the 17 histograms before it are whole"));
    }

    #[test]
    fn a_foreign_file_gets_one_clear_line() {
        for content in
            [&b"hello\nworld\n"[..], b"{\"json\": 1}", b"\x7fELF\0\0\xff", b"\n# hi\nx,y\n"]
        {
            let error = error(content);
            assert!(error.to_string().contains("this is no interval log; expected is"), "{error}");
            assert!(error.readable().is_none());
        }
        for content in [&b""[..], b"# only\n# comments\n"] {
            let error = error(content).to_string();
            assert!(error.contains("the file ends without anything of an interval log"), "{error}");
        }
        let missing = read(Path::new("/nowhere/x.hlog")).unwrap_err().to_string();
        assert_eq!(
            missing,
            "/nowhere/x.hlog: cannot open it: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_damaged_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        sample(&path);
        let text = fs::read_to_string(&path).unwrap();
        let number = 1 + text.lines().position(|l| l.starts_with("Tag=noise,")).unwrap();
        let line = text.lines().nth(number - 1).unwrap();
        let half = line.len() / 2;
        for (at, with) in [(half, "!"), (half, "AAAA"), (line.find("HIST").unwrap(), "A")] {
            let mut damaged = line.to_owned();
            damaged.replace_range(at..at + with.len(), with);
            let error = error(text.replacen(line, &damaged, 1).as_bytes());
            let message = format!("line {number}: the histogram is ");
            assert!(error.to_string().contains(&message), "{error}");
            assert_eq!(error.readable().unwrap().tags.len(), 2);
        }
    }

    #[test]
    fn no_file_takes_more_than_its_share() {
        let long = [&b"Tag=x,0.000,1.000,1.000,"[..], &vec![b'A'; 5 << 20]].concat();
        assert!(error(&long).to_string().contains("line 1: "));

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        sample(&path);
        let text = fs::read_to_string(&path).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("Tag=rtt.10.0.0.1:7045")).unwrap();
        let tags: String = (0..5000).map(|n| format!("Tag=t{n}{line}\n")).collect();
        let many = error(tags.as_bytes());
        assert!(many.to_string().contains("line 4097: more than 4096 tags"), "{many}");
    }

    #[test]
    fn a_tag_cannot_speak_to_the_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.hlog");
        sample(&path);
        let text = fs::read_to_string(&path).unwrap().replace("Tag=rtt.10", "Tag=\u{1b}[2J10");
        fs::write(&path, text).unwrap();
        let shown = read(&path).unwrap().report().to_string();
        assert!(shown.contains("\n_[2J10.0.0.1:7045 "), "{shown}");
        assert!(!shown.contains('\u{1b}'));
    }
}
