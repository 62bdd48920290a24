//! `campanile sim tiers`: what error relays below relays add.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::workers::{Progress, on_all};
use super::{TIERS, first_given};
use crate::cli::failure::Failure;
use crate::cli::flags;
use crate::report::human;
use crate::sim::{Errors, Scenario, Tier, Tiers};
use crate::time::Span;

/// Where nothing else is said.
const NODES: u64 = 1_000_000;
const DEPTH: u32 = 2;
const LEAVES: u64 = 20_000;
const MOST_NODES: u32 = 10_000_000;
/// A master with more slaves is not simulated.
const MOST_FAN_OUT: u64 = Scenario::MAX_NODES as u64 - 1;

/// How many nodes below how many relays.
#[derive(Debug, Args)]
pub(super) struct TiersArgs {
    /// Nodes of the lowest tier, with tiers; 2 to 10000000 (1000000 if not given)
    #[arg(long, value_name = "COUNT", value_parser = nodes, conflicts_with_all = ["table", "list"],
          allow_hyphen_values = true)]
    nodes: Option<u64>,

    /// Tiers below the root, all but the lowest of relays, with tiers; 1 to 4 (2 if not given)
    #[arg(long, value_name = "COUNT", value_parser = depth, conflicts_with_all = ["table", "list"],
          allow_hyphen_values = true)]
    tiers: Option<u32>,

    /// Nodes of the lowest tier that are simulated at most, in whole clusters drawn by the seed, with
    /// tiers; 1 to 10000000 (20000 if not given)
    #[arg(long, value_name = "COUNT", value_parser = leaves, conflicts_with_all = ["table", "list"],
          allow_hyphen_values = true)]
    leaves: Option<u64>,
}

impl TiersArgs {
    /// None of this is for anything else.
    pub(super) fn only_for_tiers(&self, name: &str) -> Result<(), Failure> {
        let given = [
            ("--nodes", self.nodes.is_some()),
            ("--tiers", self.tiers.is_some()),
            ("--leaves", self.leaves.is_some()),
        ];
        first_given(given).map_or(Ok(()), |flag| {
            Err(Failure::input(format!("{flag} is not for {name}; allowed is sim {TIERS} {flag}")))
        })
    }

    /// What to simulate; the rest is `like` that.
    pub(super) fn tiers(&self, like: Tiers) -> Result<Tiers, Failure> {
        let (nodes, tiers) = (self.nodes.unwrap_or(NODES), self.tiers.unwrap_or(DEPTH));
        let fan_out = Tiers::fan_out(nodes, tiers);
        if fan_out > MOST_FAN_OUT {
            return Err(Failure::input(format!(
                "{nodes} nodes in {tiers} tiers: more than {MOST_FAN_OUT} slaves a master; allowed \
                 is a greater --tiers"
            )));
        }
        Ok(Tiers { tiers, fan_out, leaves: self.leaves.unwrap_or(LEAVES), ..like })
    }
}

fn nodes(text: &str) -> Result<u64, String> {
    flags::count(text, 2, MOST_NODES).map(u64::from)
}

fn depth(text: &str) -> Result<u32, String> {
    flags::count(text, 1, Tiers::MOST)
}

fn leaves(text: &str) -> Result<u64, String> {
    flags::count(text, 1, MOST_NODES).map(u64::from)
}

/// Tiers of relays, as they were scored.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    seed: u64,
    /// In the lowest tier.
    nodes: u64,
    fan_out: u64,
    interval_s: f64,
    burst: u8,
    duration_s: f64,
    tiers: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    tier: u32,
    nodes: u64,
    simulated: u64,
    own: Figures,
    root: Figures,
}

/// Errors, in seconds.
#[derive(Debug, Serialize)]
struct Figures {
    rms_s: f64,
    p99_s: f64,
    max_s: f64,
}

impl Figures {
    fn new(errors: &Errors) -> Self {
        let p99 = errors.quantile(0.99).as_secs_f64();
        Self { rms_s: errors.rms_s(), p99_s: p99, max_s: errors.max().as_secs_f64() }
    }

    fn cells(&self) -> String {
        let of = |secs: f64| human(Span::from_secs_f64(secs));
        format!("{:>10}{:>10}{:>10}", of(self.rms_s), of(self.p99_s), of(self.max_s))
    }
}

/// Simulates the tiers on all processors, and tells `progress` how many of the branches are done.
pub(super) fn run(tiers: &Tiers, progress: Progress<'_>) -> Report {
    let all = tiers.simulate(|branches, work, take| on_all(branches, work, take, progress));
    let row = |(tier, of): (u32, &Tier)| Row {
        tier,
        nodes: tiers.nodes(tier),
        simulated: of.simulated,
        own: Figures::new(&of.own),
        root: Figures::new(&of.root),
    };
    Report {
        seed: tiers.seed,
        nodes: tiers.nodes(tiers.tiers),
        fan_out: tiers.fan_out,
        interval_s: tiers.interval.as_secs_f64(),
        burst: tiers.burst,
        duration_s: tiers.duration.as_secs_f64(),
        tiers: (1..).zip(&all).map(row).collect(),
    }
}

/// The report as a table.
pub(super) fn table(report: &Report) -> String {
    let mut text = format!(
        "{} tiers of {} a master, seed {}: {} in rounds of {}, {} polls a round\n\n",
        report.tiers.len(),
        report.fan_out,
        report.seed,
        human(Span::from_secs_f64(report.duration_s)),
        human(Span::from_secs_f64(report.interval_s)),
        report.burst
    );
    let _ = writeln!(
        text,
        "{:<4}{:>9}{:>10}{:>28}{:>29}",
        "", "", "", "to its own cluster time", "to the root's"
    );
    let heads = format!("{:>10}{:>10}{:>10}", "RMS", "p99", "max");
    let _ = writeln!(text, "{:<4}{:>9}{:>10}{heads}{heads}", "tier", "nodes", "simulated");
    for row in &report.tiers {
        let (own, root) = (row.own.cells(), row.root.cells());
        let _ = writeln!(text, "{:<4}{:>9}{:>10}{own}{root}", row.tier, row.nodes, row.simulated);
    }
    if report.tiers.last().is_some_and(|row| row.simulated < row.nodes) {
        text.push_str(
            "\nThe lowest tier is a sample: whole clusters, drawn by the seed. None knows of its\n\
             neighbours, so the others are alike; all relays are simulated.\n",
        );
    }
    text
}
