//! `campanile sim chaos`: disasters by the thousand, and what must hold all the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use serde::Serialize;

use super::workers::{Progress, on_all};
use crate::cli::failure::Failure;
use crate::cli::out::Out;
use crate::report::human_count;
use crate::sim::{Broken, Disaster, Invariant, disaster, fault_names};
use crate::time::Span;

/// Broken invariants that are told one by one.
const MOST_TOLD: usize = 20;

/// What came of all seeds.
#[derive(Debug, Serialize)]
struct Chaos {
    first_seed: u64,
    last_seed: u64,
    minutes: u64,
    nodes: u64,
    packets: u64,
    faults: BTreeMap<&'static str, u64>,
    checks: BTreeMap<&'static str, u64>,
    broken: Vec<Told>,
}

/// A broken invariant, and how to see it again.
#[derive(Debug, Serialize)]
struct Told {
    seed: u64,
    minute: f64,
    #[serde(flatten)]
    broken: Broken,
    replay: String,
}

/// Runs the seeds on all processors and prints what came of them. `progress` is told how many of
/// how many are done.
///
/// # Errors
/// Where an invariant was broken, or nothing can be written.
pub(super) fn run(
    seeds: RangeInclusive<u64>,
    minutes: u64,
    json: bool,
    progress: Progress<'_>,
) -> Result<Out, (Out, Failure)> {
    let (all, length) = (seeds.clone().collect::<Vec<_>>(), Span::from_secs(60 * minutes));
    let mut runs = Vec::with_capacity(all.len());
    on_all(&all, |&seed| disaster(seed, length), |run| runs.push(run), progress);
    runs.sort_by_key(|run: &Disaster| run.seed);
    let chaos = Chaos::new(&seeds, minutes, runs);
    let mut out = Out::default();
    if json {
        out.json(&chaos);
    } else {
        out.text(&chaos.table());
    }
    let (broken, all) = (chaos.broken.len(), chaos.seeds());
    if broken == 0 {
        return Ok(out);
    }
    let first = &chaos.broken[0].replay;
    Err((out, Failure::failed(format!("{broken} of {all} seeds broke an invariant: {first}"))))
}

impl Chaos {
    fn new(seeds: &RangeInclusive<u64>, minutes: u64, runs: Vec<Disaster>) -> Self {
        let mut chaos = Self {
            first_seed: *seeds.start(),
            last_seed: *seeds.end(),
            minutes,
            nodes: 0,
            packets: 0,
            faults: BTreeMap::new(),
            checks: BTreeMap::new(),
            broken: Vec::new(),
        };
        for run in runs {
            chaos.nodes += run.nodes as u64;
            chaos.packets += run.packets;
            run.faults.iter().for_each(|(name, n)| *chaos.faults.entry(name).or_default() += n);
            run.checks.iter().for_each(|(name, n)| *chaos.checks.entry(name).or_default() += n);
            let told = run.broken.map(|broken| Told {
                seed: run.seed,
                minute: broken.at_s / 60.0,
                broken,
                replay: format!("campanile sim chaos --seed {} --minutes {minutes}", run.seed),
            });
            chaos.broken.extend(told);
        }
        chaos
    }

    fn seeds(&self) -> u64 {
        self.last_seed - self.first_seed + 1
    }

    fn table(&self) -> String {
        let (all, broken) = (self.seeds(), self.broken.len() as u64);
        let mut text = format!(
            "chaos, seeds {}..{}, {} min each: {} of {} kept all promises\n\
             {} machines, {} datagrams\n\n",
            self.first_seed,
            self.last_seed,
            self.minutes,
            human_count(all - broken),
            human_count(all),
            human_count(self.nodes),
            human_count(self.packets),
        );
        let _ = writeln!(text, "{:<56}{:>12}{:>8}", "promise", "checked", "broken");
        for invariant in Invariant::ALL {
            let label = format!("{:<12}{}", invariant.name(), invariant.about());
            let checked = self.checks.get(invariant.name()).copied().unwrap_or(0);
            let broken = self.broken.iter().filter(|told| told.broken.invariant == invariant);
            let broken = broken.count();
            let _ = writeln!(text, "{label:<56}{:>12}{broken:>8}", human_count(checked));
        }
        let _ = writeln!(text, "\n{:<16}{:>8}    {:<16}{:>8}", "fault", "times", "fault", "times");
        for pair in fault_names().chunks(2) {
            let cell = |name: &&str| {
                let times = self.faults.get(*name).copied().unwrap_or(0);
                format!("{name:<16}{:>8}", human_count(times))
            };
            let cells: Vec<_> = pair.iter().map(cell).collect();
            let _ = writeln!(text, "{}", cells.join("    "));
        }
        text + &self.told()
    }

    fn told(&self) -> String {
        let mut text = String::new();
        for told in self.broken.iter().take(MOST_TOLD) {
            let Broken { invariant, node, what, story, .. } = &told.broken;
            let name = invariant.name();
            let _ = writeln!(
                text,
                "\nseed {}, minute {:.2}: {name}: {node}: {what}\n  {}",
                told.seed, told.minute, told.replay
            );
            // Of one alone all that led to it; of many each can be replayed alone.
            if self.seeds() == 1 {
                text.extend(story.iter().map(|line| format!("  {line}\n")));
            }
        }
        if self.broken.len() > MOST_TOLD {
            let _ = writeln!(text, "\n… and {} more", self.broken.len() - MOST_TOLD);
        }
        text
    }
}
