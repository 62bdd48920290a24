//! `campanile demo`: a master and its slaves with wrong clocks, on loopback, in one process.

mod board;
mod cast;
mod ending;
mod scene;
mod stage;
mod view;

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::failure::Failure;
use super::flags;
use super::identity::random;
use super::out::Out;
use crate::time::{Rate, Span};
use crate::units;

use ending::Ending;
use stage::{Close, Stage};
use view::View;

/// The spread that a demo must get below to count as a success.
const GOOD: Span = Span::from_millis(1);

/// Watch a master pull wrong clocks together, on this machine, with nothing to set up
///
/// One master and a few slaves run as threads and talk over real UDP sockets on 127.0.0.1. Each
/// has a clock of its own, wrong by an offset and a drift drawn at random; the clock of this
/// machine is not touched. Since all of them share one machine, the table shows the truth: how far
/// each clock really is from the mean of all.
///
/// Fails unless all clocks are within 1ms of each other at the end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile demo
  campanile demo --slaves 20 --rounds 40 --offset-range 5s
  campanile demo --seed 7 --json | jq .spread_end_s
  campanile demo --report demo.hlog && campanile report demo.hlog")]
pub(super) struct DemoArgs {
    /// How many slaves; 1 to 64
    #[arg(long, env = "CAMPANILE_SLAVES", value_name = "COUNT", default_value = "5",
          value_parser = |s: &str| flags::count(s, 1, 64), allow_hyphen_values = true)]
    slaves: u32,

    /// How many rounds of polls and corrections; 1 to 100000
    #[arg(long, env = "CAMPANILE_ROUNDS", value_name = "COUNT", default_value = "20",
          value_parser = |s: &str| flags::count(s, 1, 100_000), allow_hyphen_values = true)]
    rounds: u32,

    /// The length of a round; 50ms to 1h
    #[arg(long, env = "CAMPANILE_INTERVAL", value_name = "TIME", default_value = "250ms",
          value_parser = flags::interval, allow_hyphen_values = true)]
    interval: Span,

    /// What the offsets and drifts are drawn from: the same seed, the same clocks [default: drawn
    /// and printed]
    #[arg(long, env = "CAMPANILE_SEED", value_name = "NUMBER", value_parser = flags::seed,
          allow_hyphen_values = true)]
    seed: Option<u64>,

    /// Each clock starts wrong by up to this, either way; 0s to 1h
    #[arg(long, env = "CAMPANILE_OFFSET_RANGE", value_name = "TIME", default_value = "500ms",
          value_parser = |s: &str| units::span(s, Span::ZERO, Span::from_secs(3_600)),
          allow_hyphen_values = true)]
    offset_range: Span,

    /// Each clock drifts by up to this, either way; 0ppm to 400ppm
    #[arg(long, env = "CAMPANILE_DRIFT_RANGE", value_name = "RATE", default_value = "50ppm",
          value_parser = |s: &str| units::rate(s, Rate::ZERO, Rate::from_ppm(400.0)),
          allow_hyphen_values = true)]
    drift_range: Rate,

    /// Write the histograms of each second into this file, an HdrHistogram interval log
    #[arg(long, env = "CAMPANILE_REPORT", value_name = "FILE.hlog")]
    report: Option<PathBuf>,

    /// Print one JSON object at the end, and nothing else, on standard output: times in seconds
    #[arg(long, env = "CAMPANILE_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// Runs the demo.
///
/// # Errors
/// Where something is in the way, or the clocks did not come together.
pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let seed = match args.seed {
        Some(seed) => seed,
        // Four bytes, so that it is easily typed again.
        None => u64::from(u32::from_be_bytes(random()?)),
    };
    let mut stage = Stage::set(cast::draw(seed, args), args)?;
    let mut out = Out::default();
    if !args.json {
        out.text(&introduction(seed, args));
    }
    let mut view = View::new(args);
    let played = stage.play(args, &mut view, &mut out);
    let scene = stage.leave();
    let (close, scene) = (played?, scene?);
    let ending = Ending::of(&scene, seed, args);
    match (args.json, view.is_live()) {
        (true, _) => out.json(&ending),
        // The last picture stands above.
        (false, true) => out.text(&format!("\n{ending}")),
        (false, false) => {
            out.text(&format!("\n{}\n{ending}", view::table(&scene, args.rounds)));
        }
    }
    out.end()?;
    match close {
        Close::Interrupted => Ok(()),
        Close::Played => ending.judge(GOOD),
    }
}

fn introduction(seed: u64, args: &DemoArgs) -> String {
    format!(
        "A master and {} slaves talk over UDP on 127.0.0.1, each with a clock of its own that is\n\
         wrong by up to {} and drifts by up to {}. Seed {seed}.\n\n",
        args.slaves,
        units::show_span(args.offset_range),
        units::show_rate(args.drift_range),
    )
}
