//! The interval log is what other tools take it for: the Python package `hdrhistogram` reads ours
//! and finds the same percentiles, and we read what it writes.

#![allow(clippy::disallowed_methods, reason = "a test is told by the environment what it needs")]

use std::fs;
use std::path::Path;
use std::process::Command;

use campanile::report::{Book, LogWriter, read};
use campanile::time::{Offset, Span, Time};

/// Prints `tag count p50 p99 p99.9 max` for each tag of the log, in nanoseconds.
const READ: &str = r#"
import sys
from hdrh.log import HistogramLogReader
from hdrh.histogram import HdrHistogram
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 100_000_000_000, 3))
tags = {}
while (h := reader.get_next_interval_histogram()) is not None:
    if h.get_tag() in tags:
        tags[h.get_tag()].add(h)
    else:
        tags[h.get_tag()] = h
assert reader.get_start_time_sec() == 1700000000.0, reader.get_start_time_sec()
for tag, h in tags.items():
    at = h.get_value_at_percentile
    print(tag, h.get_total_count(), at(50), at(99), at(99.9), h.get_max_value())
"#;

/// Writes a log of one untagged and one tagged histogram.
const WRITE: &str = r#"
import sys
from hdrh.log import HistogramLogWriter
from hdrh.histogram import HdrHistogram
h = HdrHistogram(1, 3_600_000_000_000, 3)
for n in range(1, 10001):
    h.record_value(n * 1000)
with open(sys.argv[1], "w") as out:
    log = HistogramLogWriter(out)
    log.output_log_format_version()
    log.output_base_time(1_700_000_000_000)
    log.output_legend()
    log.output_interval_histogram(h, 1.0, 3.5)
    out.write("Tag=A,")
    log.output_interval_histogram(h, 3.5, 6.0)
"#;

/// Runs `script` on `path`; `None`, and a word why, where that cannot be done here.
fn python(script: &str, path: &Path) -> Option<String> {
    let required = std::env::var_os("CAMPANILE_REQUIRE_ALL").is_some();
    let has_package = Command::new("python3").args(["-c", "import hdrh.log"]).output();
    let why = match has_package {
        Err(e) => format!("python3 does not start: {e}"),
        Ok(out) if !out.status.success() => {
            "python3 has no package hdrhistogram (pip install hdrhistogram)".to_owned()
        }
        Ok(_) => {
            let out = Command::new("python3").args(["-c", script]).arg(path).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            return Some(String::from_utf8(out.stdout).unwrap());
        }
    };
    assert!(!required, "CAMPANILE_REQUIRE_ALL is set, but {why}");
    println!("skipped: {why}");
    None
}

/// Two intervals of 5 000 exchanges with each of two slaves: round trips of 1 … 10 000 · 17 ns,
/// noise a tenth of that, offsets 1 … 10 000 · 50 ns, every fourth of them behind.
fn write_log(path: &Path) {
    let mut book = Book::new(8);
    book.add(1, "10.0.0.1:7045");
    book.add(2, "kitchen, cellar");
    let mut log = LogWriter::create(path, Time::from_nanos(1_700_000_000_000_000_000)).unwrap();
    for interval in 0..2 {
        for n in (1..=10_000u64).filter(|n| n % 2 == interval) {
            let offset = Offset::from_nanos(n as i64 * 50);
            for id in [1, 2] {
                book.record_exchange(id, Span::from_nanos(n * 17), Span::from_nanos(n * 17 / 10));
                book.record_offset(id, if n % 4 == 0 { -offset } else { offset });
            }
        }
        let from = Span::from_secs(10 * interval);
        log.write(&book, from, from + Span::from_secs(10)).unwrap();
        book.roll();
    }
}

fn near(found: f64, meant: f64, precision: f64) -> bool {
    (found / meant - 1.0).abs() <= precision
}

#[test]
fn python_finds_the_same_percentiles() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.hlog");
    write_log(&path);
    let Some(out) = python(READ, &path) else { return };
    let mut tags = Vec::new();
    for line in out.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let unit = match words[0].split('.').next().unwrap() {
            "rtt" => 17.0,
            "offset" => 50.0,
            "noise" => 1.7,
            other => panic!("{other}"),
        };
        // Three significant digits for the cluster, two for a slave, and a step between values.
        let slave = words[0].contains('.');
        let (count, precision) = if slave { (10_000, 8e-3) } else { (20_000, 1.1e-3) };
        assert_eq!(words[1], count.to_string(), "{line}");
        for (word, rank) in words[2..].iter().zip([5_000.0, 9_900.0, 9_990.0, 10_000.0]) {
            let found: f64 = word.parse().unwrap();
            assert!(near(found, rank * unit, precision), "{line}: {found} for {}", rank * unit);
        }
        tags.push(words[0].to_owned());
    }
    tags.sort();
    let names = ["", ".10.0.0.1:7045", ".kitchen__cellar"];
    let metrics = ["noise", "offset", "rtt"];
    let expected = metrics.iter().flat_map(|m| names.iter().map(move |n| format!("{m}{n}")));
    assert_eq!(tags, expected.collect::<Vec<_>>());
}

#[test]
fn our_own_reader_finds_the_sides_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.hlog");
    write_log(&path);
    let report = read(&path).unwrap().report();
    let signs = report.cluster.offset.signs;
    assert_eq!((signs.ahead, signs.behind, signs.zero), (15_000, 5_000, 0));
    assert_eq!(report.slaves.len(), 2);
    let p99 = report.cluster.round_trip.p99.unwrap().as_nanos() as f64;
    assert!(near(p99, 9_900.0 * 17.0, 1.1e-3), "{p99}");
}

#[test]
fn we_read_what_python_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("theirs.hlog");
    if python(WRITE, &path).is_none() {
        return;
    }
    let log = read(&path).unwrap_or_else(|e| panic!("{e}\n{}", fs::read_to_string(&path).unwrap()));
    assert_eq!(log.length(), Span::from_secs(5));
    assert_eq!(log.began, Some(Time::from_nanos(1_700_000_001_000_000_000)));
    let others = log.report().others;
    let tags: Vec<_> = others.iter().map(|row| row.tag.as_str()).collect();
    assert_eq!(tags, ["", "A"]);
    for row in &others {
        assert_eq!(row.values.count, 10_000);
        assert!(near(row.values.p90.unwrap().as_secs_f64(), 9e-3, 1.1e-3), "{row:?}");
    }
    let text = log.report().to_string();
    assert!(text.starts_with("tag, as ns") && text.contains("\n(none)  "), "{text}");
}
