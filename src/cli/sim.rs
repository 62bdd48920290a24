//! `campanile sim`: the same code in a simulated LAN, scored against the truth.

mod chaos;
mod figures;
mod page;
mod peers;
mod runs;
mod tiers;
mod workers;

use std::fmt::Write;
use std::fs;
use std::io::{IsTerminal, stderr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::BoolishValueParser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use super::flags;
use super::out::Out;
use crate::report::{human, human_offset, human_rate};
use crate::sim::{Disaster, Falseticker, Handover, Outcome, Scenario, Tiers, run as simulate};
use crate::time::{Offset, Rate, Span};
use figures::Accuracy;
use runs::Runs;
use tiers::TiersArgs;

const EXAMPLES: &str = "Examples:
  campanile sim --list
  campanile sim quiet
  campanile sim falsetick --seed 7 --duration 10m
  campanile sim lan.toml --json | jq .spread_p99_s
  campanile sim chaos --seeds 1..1000 --minutes 30
  campanile sim tiers --nodes 1000000 --tiers 3
  campanile sim --table --seeds 1..5 --write docs/accuracy.md";
/// Every key of a file, each with what it means.
const FILE: &str = include_str!("../../docs/examples/sim/lan.toml");

/// Not a scenario, but all that can go wrong.
const CHAOS: &str = "chaos";
/// Not a scenario, but clusters below clusters.
const TIERS: &str = "tiers";
/// Simulated minutes of a seed of chaos, and the table's seeds.
const MINUTES: u64 = 30;
const TABLE_SEEDS: RangeInclusive<u64> = 1..=5;
/// Falsetickers that are named one by one.
const MOST_NAMED: usize = 20;

/// Run master and slaves in a simulated LAN, and score them against the truth
///
/// The same scenario and seed give the same bytes, on every machine. The figures are about the
/// healthy nodes and, but for the time to settle, about the time after the warm-up.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(super) struct SimArgs {
    /// The name of a scenario (--list names them), a file that describes one (--help shows its
    /// keys), `chaos` or `tiers`
    #[arg(value_name = "SCENARIO|FILE.toml")]
    scenario: Option<String>,

    /// What all chance is drawn from: the same seed, the same run
    #[arg(long, env = "CAMPANILE_SEED", value_name = "NUMBER", default_value = "1",
          value_parser = flags::seed, allow_hyphen_values = true)]
    seed: u64,

    /// Simulate so much instead; what happens at half time still does; 1s to 115d
    #[arg(long, env = "CAMPANILE_DURATION", value_name = "TIME", value_parser = duration,
          allow_hyphen_values = true)]
    duration: Option<Span>,

    /// Length of a round, instead of the scenario's; 50ms to 1h
    #[arg(long, env = "CAMPANILE_INTERVAL", value_name = "TIME", value_parser = flags::interval,
          allow_hyphen_values = true)]
    interval: Option<Span>,

    /// Polls that each slave gets in a round, instead of the scenario's; 1 to 16
    #[arg(long, env = "CAMPANILE_BURST", value_name = "COUNT", value_parser = flags::burst,
          allow_hyphen_values = true)]
    burst: Option<u8>,

    /// List the scenarios that have a name
    #[arg(long)]
    list: bool,

    /// Run all scenarios side by side over several seeds, and print their figures beside others'
    #[arg(long, conflicts_with_all = ["scenario", "list"])]
    table: bool,

    /// The first and the last seed of the table (1..5 if not given) or of chaos; up to 1000 of them
    #[arg(long, value_name = "FIRST..LAST", value_parser = seeds, conflicts_with = "list",
          allow_hyphen_values = true)]
    seeds: Option<RangeInclusive<u64>>,

    /// Length of each seed's disaster in simulated minutes, with chaos; 6 to 1440 (30 if not given)
    #[arg(long, value_name = "COUNT", value_parser = minutes, conflicts_with_all = ["table", "list"],
          allow_hyphen_values = true)]
    minutes: Option<u64>,

    #[command(flatten)]
    tiers: TiersArgs,

    /// Write the table, with what it means, to this file too
    #[arg(long, value_name = "FILE", requires = "table",
          conflicts_with_all = ["scenario", "list"])]
    write: Option<PathBuf>,

    /// Print one JSON object, with times in seconds
    #[arg(long, env = "CAMPANILE_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

fn long_help() -> String {
    let file: Vec<_> = FILE.lines().map(|line| format!("  {line}")).collect();
    format!("{EXAMPLES}\n\nScenario file:\n{}", file.join("\n"))
}

/// Runs a scenario and prints its score.
///
/// # Errors
/// Where there is no such scenario, or its file cannot be read or describes none.
pub(super) fn run(args: &SimArgs) -> Result<(), Failure> {
    let mut out = Out::default();
    if args.list {
        for (name, about) in Scenario::catalogue() {
            out.text(&format!("{name:<12}{about}\n"));
        }
        out.text(&format!(
            "{CHAOS:<12}disasters drawn from each seed, and what must hold all the same\n\
             {TIERS:<12}a million nodes below relays, and what error each tier adds\n"
        ));
        return out.end();
    }
    if args.table {
        return compare(args, out);
    }
    let missing = || Failure::input(format!("which scenario? {}", allowed()));
    let name = args.scenario.as_deref().ok_or_else(missing)?;
    if name != TIERS {
        args.tiers.only_for_tiers(name)?;
    }
    if name == CHAOS {
        return disasters(args);
    }
    args.only_for_chaos(name)?;
    if name == TIERS {
        return below_relays(args, out);
    }
    let scenario = args.changed(find(name)?);
    scenario.check().map_err(|why| Failure::input(format!("{name}: {why}")))?;
    let bar = progress_bar(100, format!("{}, seed {}", scenario.name, args.seed));
    let outcome = simulate(&scenario, args.seed, &mut |share| bar.set_position(percent(share)));
    bar.finish_and_clear();
    if args.json {
        out.json(&outcome);
    } else {
        out.text(&table(&outcome));
    }
    out.end()
}

/// Runs all scenarios and prints the table.
fn compare(args: &SimArgs, mut out: Out) -> Result<(), Failure> {
    let bar = progress_bar(0, "all scenarios".to_owned());
    let seeds = args.seeds.clone().unwrap_or(TABLE_SEEDS);
    let runs = Runs::new(&figures::cases(), &figures::bounded(), seeds, None, &on(&bar));
    bar.finish_and_clear();
    let accuracy = Accuracy::new(&runs);
    if let Some(file) = &args.write {
        fs::write(file, page::document(&accuracy))
            .map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
    }
    if args.json {
        out.json(&accuracy);
    } else {
        out.text(&page::tables(&accuracy));
    }
    out.end()
}

/// Runs disasters drawn from seeds, and prints which promises were kept.
fn disasters(args: &SimArgs) -> Result<(), Failure> {
    args.none_for_chaos()?;
    let bar = progress_bar(0, CHAOS.to_owned());
    let seeds = args.seeds.clone().unwrap_or(args.seed..=args.seed);
    let minutes = args.minutes.unwrap_or(MINUTES);
    let (out, failure) = match chaos::run(seeds, minutes, args.json, &on(&bar)) {
        Ok(out) => (out, None),
        Err((out, failure)) => (out, Some(failure)),
    };
    bar.finish_and_clear();
    out.end()?;
    failure.map_or(Ok(()), Err)
}

/// Simulates clusters below clusters, and prints the error of each tier.
fn below_relays(args: &SimArgs, mut out: Out) -> Result<(), Failure> {
    let usual = Tiers::default();
    let tiers = args.tiers.tiers(Tiers {
        duration: args.duration.unwrap_or(usual.duration),
        interval: args.interval.unwrap_or(usual.interval),
        burst: args.burst.unwrap_or(usual.burst),
        seed: args.seed,
        ..usual
    })?;
    let bar = progress_bar(0, TIERS.to_owned());
    let report = tiers::run(&tiers, &on(&bar));
    bar.finish_and_clear();
    if args.json {
        out.json(&report);
    } else {
        out.text(&tiers::table(&report));
    }
    out.end()
}

impl SimArgs {
    fn only_for_chaos(&self, name: &str) -> Result<(), Failure> {
        let given = [("--seeds", self.seeds.is_some()), ("--minutes", self.minutes.is_some())];
        first_given(given).map_or(Ok(()), |flag| {
            Err(Failure::input(format!("{flag} is not for {name}; allowed is sim {CHAOS} {flag}")))
        })
    }

    fn none_for_chaos(&self) -> Result<(), Failure> {
        let given = [
            ("--duration", self.duration.is_some()),
            ("--interval", self.interval.is_some()),
            ("--burst", self.burst.is_some()),
        ];
        first_given(given).map_or(Ok(()), |flag| {
            Err(Failure::input(format!(
                "{flag} is not for {CHAOS}, which draws it; allowed are --seed, --seeds, --minutes"
            )))
        })
    }

    fn changed(&self, mut scenario: Scenario) -> Scenario {
        if let Some(duration) = self.duration {
            scenario = scenario.lasting(duration);
        }
        scenario.interval = self.interval.unwrap_or(scenario.interval);
        scenario.burst = self.burst.unwrap_or(scenario.burst);
        scenario
    }
}

fn duration(text: &str) -> Result<Span, String> {
    const MOST: Span = Span::from_secs(115 * 86_400);
    const _: () = assert!(MOST.as_nanos() <= Scenario::MAX_DURATION.as_nanos());
    crate::units::span(text, Span::from_secs(1), MOST)
}

fn minutes(text: &str) -> Result<u64, String> {
    let (least, most) = (Disaster::SHORTEST, Disaster::LONGEST);
    let minutes = text.parse::<u64>().ok().filter(|&minutes| minutes <= 1_000_000);
    minutes
        .filter(|&minutes| (least..=most).contains(&Span::from_secs(60 * minutes)))
        .ok_or_else(|| "allowed is a whole number from 6 to 1440".to_owned())
}

/// `FIRST..LAST`, both of them included.
fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    const MOST: u64 = 1_000;
    let ends = text.split_once("..").and_then(|(first, last)| {
        let last = last.strip_prefix('=').unwrap_or(last);
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    match ends {
        Some((first, last)) if first <= last && last - first < MOST => Ok(first..=last),
        _ => Err(format!("allowed is FIRST..LAST, such as 1..5, {MOST} seeds at most")),
    }
}

/// The scenario of this name, or the one that the file of this name describes.
fn find(name: &str) -> Result<Scenario, Failure> {
    if let Some(scenario) = Scenario::named(name) {
        return Ok(scenario);
    }
    let is_path = name.contains('/') || name.ends_with(".toml") || Path::new(name).exists();
    if !is_path {
        return Err(Failure::input(format!("{name}: there is no such scenario; {}", allowed())));
    }
    let text = fs::read_to_string(name).map_err(|e| Failure::input(format!("{name}: {e}")))?;
    Scenario::from_toml(&text).map_err(|why| Failure::input(format!("{name}: {why}")))
}

fn allowed() -> String {
    let names: Vec<_> = Scenario::names().collect();
    format!("allowed is {}, {CHAOS}, {TIERS}, or a FILE.toml", names.join(", "))
}

/// The first of these flags that was given.
fn first_given<const N: usize>(flags: [(&'static str, bool); N]) -> Option<&'static str> {
    flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
}

/// Shows on `bar` how many of how many are done.
fn on(bar: &ProgressBar) -> impl Fn(usize, usize) + Sync {
    |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    }
}

/// A bar on standard error, where that is a terminal.
fn progress_bar(length: u64, message: String) -> ProgressBar {
    let target = match stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{msg} {bar:40} {percent:>3} %, {eta} to go");
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(message)
}

fn percent(share: f64) -> u64 {
    (share * 100.0) as u64
}

fn time(secs: f64) -> String {
    human(Span::from_secs_f64(secs))
}

/// The score as a table.
fn table(outcome: &Outcome) -> String {
    let never = || "never".to_owned();
    let settled = |at: Option<f64>| at.map_or_else(never, |at| format!("after {}", time(at)));
    let mut text = format!(
        "{}, seed {}: {} nodes, {} in rounds of {}, {} polls a round\n\n",
        outcome.scenario,
        outcome.seed,
        outcome.nodes,
        time(outcome.duration_s),
        time(outcome.interval_s),
        outcome.burst
    );
    let rows = [
        ("spread, RMS", time(outcome.spread_rms_s)),
        ("spread, p50", time(outcome.spread_p50_s)),
        ("spread, p99", time(outcome.spread_p99_s)),
        ("spread, max", time(outcome.spread_max_s)),
        ("below 100 µs for good", settled(outcome.settled_below_100us_s)),
        ("below 2 µs for good", settled(outcome.settled_below_2us_s)),
        ("wander over 600 s", time(outcome.wander_s)),
        ("rate of the cluster", human_rate(Rate::from_ratio(outcome.cluster_rate))),
        ("steps of clocks", outcome.steps.to_string()),
        ("packets sent", format!("{} ({} lost)", outcome.packets, outcome.lost)),
        ("falsetickers", outcome.falsetickers.len().to_string()),
    ];
    for (label, value) in rows {
        let _ = writeln!(text, "{label:<24}{value}");
    }
    for liar in outcome.falsetickers.iter().take(MOST_NAMED) {
        let _ = writeln!(text, "  {}", falseticker(liar));
    }
    if outcome.falsetickers.len() > MOST_NAMED {
        let _ = writeln!(text, "  … and {} more", outcome.falsetickers.len() - MOST_NAMED);
    }
    outcome.handovers.iter().for_each(|change| text.push_str(&handover(change)));
    text + &stability(outcome) + &members(outcome)
}

/// How steady the healthy nodes' mean was, over each interval.
fn stability(outcome: &Outcome) -> String {
    let mut text = format!(
        "\n{:<12}{:>12}{:>16}{:>12}{:>12}\n",
        "mean over", "ADEV", "best oscillator", "TDEV", "MTIE"
    );
    for of in &outcome.stability {
        let best = of.best_oscillator.map_or_else(|| "-".to_owned(), |best| format!("{best:.2e}"));
        let deviation = of.time_deviation_s.map_or_else(|| "-".to_owned(), time);
        let _ = writeln!(
            text,
            "{:<12}{:>12.2e}{best:>16}{deviation:>12}{:>12}",
            time(of.tau_s),
            of.allan_deviation,
            time(of.max_interval_error_s)
        );
    }
    text
}

/// A change of masters, in a few lines.
fn handover(change: &Handover) -> String {
    let from = change.from.as_deref().unwrap_or(&change.to);
    let mut text = format!(
        "\n{} after {}, by {}, at {:.3} s\n",
        change.to, from, change.why, change.elected_s
    );
    let unknown = || "never".to_owned();
    let rows = [
        ("  acts after", change.gap_s.map_or_else(unknown, time)),
        ("  spread before, p99", time(change.spread_before_p99_s)),
        ("  spread without a master, max", time(change.spread_alone_max_s)),
        ("  spread until a minute after, max", time(change.spread_gap_max_s)),
        ("  jump of the mean", change.jump_s.map_or_else(unknown, time)),
        ("  steps of clocks", change.steps.to_string()),
    ];
    for (label, value) in rows {
        let _ = writeln!(text, "{label:<38}{value}");
    }
    text
}

fn falseticker(liar: &Falseticker) -> String {
    let until = liar.to_s.map_or_else(|| "to the end".to_owned(), |to| format!("until {to:.1} s"));
    format!(
        "{} was not counted from {:.1} s {until}: {} from the others' median",
        liar.node,
        liar.from_s,
        human_offset(Offset::from_secs_f64(liar.by_s))
    )
}

fn members(outcome: &Outcome) -> String {
    let mut text = format!(
        "\n{:<12}{:>12}{:>12}{:>8}{:>12}\n",
        "node", "error, RMS", "max", "steps", "packets"
    );
    for member in outcome.members.iter().take(64) {
        let _ = writeln!(
            text,
            "{:<12}{:>12}{:>12}{:>8}{:>12}{}",
            member.node,
            time(member.error_rms_s),
            time(member.error_max_s),
            member.steps,
            member.sent,
            if member.healthy { "" } else { "  (faulty: not in the score)" }
        );
    }
    text
}
