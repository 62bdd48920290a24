//! `campanile report`: the percentiles of a log.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Serialize;

use super::failure::Failure;
use super::out::Out;
use crate::report::{Log, Report, human, read};
use crate::time::Time;

/// Print the percentiles of an interval log
///
/// The file is what --report wrote, or any other HdrHistogram interval log; of the latter the
/// values are taken for nanoseconds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile master --report lan.hlog --duration 1h
  campanile report lan.hlog
  campanile report lan.hlog --json | jq .cluster.round_trip.p99_s")]
pub(super) struct ReportArgs {
    /// The log
    #[arg(value_name = "FILE.hlog")]
    file: PathBuf,

    /// Print one JSON object, with times in seconds
    #[arg(long, env = "CAMPANILE_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    file: String,
    intervals: u64,
    length_s: f64,
    began_ns: Option<i64>,
    ended_ns: Option<i64>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Prints the percentiles of a log.
///
/// # Errors
/// Where the file is no log, or not a whole one.
pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let log = read(&args.file).map_err(Failure::input)?;
    let report = log.report();
    let mut out = Out::default();
    if args.json {
        out.json(&summary(args, &log, &report));
    } else {
        let (intervals, length) = (log.intervals(), human(log.length()));
        let s = if intervals == 1 { "" } else { "s" };
        let name = args.file.display();
        out.text(&format!("{name}: {intervals} interval{s}, {length}\n\n{report}"));
    }
    out.end()
}

fn summary<'a>(args: &ReportArgs, log: &Log, report: &'a Report) -> Summary<'a> {
    Summary {
        file: args.file.display().to_string(),
        intervals: log.intervals(),
        length_s: log.length().as_secs_f64(),
        began_ns: log.began.map(Time::as_nanos),
        ended_ns: log.ended.map(Time::as_nanos),
        report,
    }
}
