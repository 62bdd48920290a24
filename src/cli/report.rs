//! `campanile report`: the percentiles of logs, and a page of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Serialize;

use super::failure::{Failure, one_line};
use super::out::Out;
use crate::report::{Log, Report, human, page, read, read_all};
use crate::time::Time;

/// Print the percentiles of interval logs, or draw them as a page
///
/// The files are what --report wrote, or any other HdrHistogram interval logs; of the latter the
/// values are taken for nanoseconds. Several are merged: the parts of one run that was rotated, or
/// the logs of several nodes. A file that ends in an unfinished line, since its writer was killed,
/// counts up to there. Compressed ones are read through zcat.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile master --report lan.hlog --duration 1h
  campanile report lan.hlog
  campanile report lan.hlog --json | jq .cluster.round_trip.p99_s
  campanile report lan.hlog.1 lan.hlog --html lan.html
      one page with all charts in it, to open anywhere and to send around
  zcat lan.hlog.2.gz | campanile report - lan.hlog.1 lan.hlog
      with one that logrotate has compressed")]
pub(super) struct ReportArgs {
    /// The logs; - is standard input
    #[arg(value_name = "FILE.hlog", required = true)]
    files: Vec<PathBuf>,

    /// Draw percentile curves, offsets over time, outliers and changes of master as one HTML page
    /// that needs nothing besides itself; - is standard output
    #[arg(long, env = "CAMPANILE_HTML", value_name = "OUT")]
    html: Option<PathBuf>,

    /// Print one JSON object, with times in seconds
    #[arg(long, env = "CAMPANILE_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    file: &'a str,
    files: &'a [String],
    intervals: u64,
    length_s: f64,
    began_ns: Option<i64>,
    ended_ns: Option<i64>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Prints the percentiles of logs, or writes a page of them.
///
/// # Errors
/// Where a file is no log or a damaged one, or the page cannot be written.
pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let (log, cut) = read_all(&args.files).map_err(Failure::input)?;
    for flaw in cut {
        // Standard error may be closed; the figures are on standard output.
        let _ = writeln!(std::io::stderr(), "campanile report: {}", one_line(&flaw.to_string()));
    }
    let report = log.report();
    let names: Vec<_> = args.files.iter().map(|file| file.display().to_string()).collect();
    let mut out = Out::default();
    match &args.html {
        Some(path) if path.as_os_str() == "-" => out.text(&page(&log, &names)),
        Some(path) => {
            let size = write(path, &page(&log, &names))?;
            if !args.json {
                out.text(&format!("{}: written, {} kB\n", path.display(), size.div_ceil(1_000)));
            }
        }
        None if !args.json => {
            let (intervals, length) = (log.intervals(), human(log.length()));
            let s = if intervals == 1 { "" } else { "s" };
            let name = names.join(", ");
            out.text(&format!("{name}: {intervals} interval{s}, {length}\n\n{report}"));
        }
        None => {}
    }
    if args.json {
        out.json(&summary(&names, &log, &report));
    }
    out.end()
}

fn summary<'a>(files: &'a [String], log: &Log, report: &'a Report) -> Summary<'a> {
    Summary {
        // At least one: the command line demands it.
        file: files.first().map_or("", String::as_str),
        files,
        intervals: log.intervals(),
        length_s: log.length().as_secs_f64(),
        began_ns: log.began.map(Time::as_nanos),
        ended_ns: log.ended.map(Time::as_nanos),
        report,
    }
}

/// Writes the page, all of it or nothing; its length in bytes.
fn write(path: &Path, text: &str) -> Result<usize, Failure> {
    // A slip of the hand (report --html run.hlog run.hlog) must not cost what was measured.
    if path.is_file() && read(path).is_ok() {
        let why = format!("--html {}: that is a log; name another file", path.display());
        return Err(Failure::input(why));
    }
    let refused = |error| Failure::failed(format!("--html {}: {error}", path.display()));
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        fs::write(path, text).map_err(refused)?;
        return Ok(text.len());
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let aside = PathBuf::from(aside);
    let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // What is half written is of no use to anybody.
        let _ = fs::remove_file(&aside);
    }
    written.map(|()| text.len()).map_err(refused)
}
