//! What a demo comes to.

use std::fmt;

use serde::Serialize;

use super::DemoArgs;
use super::scene::{Scene, Seen};
use crate::cli::failure::Failure;
use crate::report::{Report, human};
use crate::time::{Offset, Span};

/// What a demo comes to, for people and for programs.
#[derive(Debug, Serialize)]
pub(super) struct Ending {
    rounds: u32,
    slaves: u32,
    interval_s: f64,
    seed: u64,
    duration_s: f64,
    spread_start_s: f64,
    spread_end_s: f64,
    rtt_p50_s: Option<f64>,
    rtt_p99_s: Option<f64>,
    /// How often a clock was stepped, all together.
    stepped: u32,
    nodes: Vec<Player>,
    report: Report,
    #[serde(skip)]
    spreads: (Span, Span),
    #[serde(skip)]
    log_failure: Option<String>,
}

/// One node.
#[derive(Debug, Serialize)]
struct Player {
    node: String,
    /// Rate of its oscillator, as a ratio.
    drift: f64,
    /// What its clock showed minus the mean of all.
    error_start_s: f64,
    error_end_s: f64,
    stepped: u32,
}

impl Ending {
    pub(super) fn of(scene: &Scene, seed: u64, args: &DemoArgs) -> Self {
        let report = scene.report();
        let round_trip = report.cluster.round_trip;
        let spreads = (scene.first().spread(), scene.last().spread());
        let errors = scene.first().each().iter().zip(scene.last().each());
        let player = |(seen, (first, last)): (&Seen, (&Offset, &Offset))| Player {
            node: seen.actor.identity.name.to_string(),
            drift: seen.actor.drift.as_ratio(),
            error_start_s: first.as_secs_f64(),
            error_end_s: last.as_secs_f64(),
            stepped: seen.steps,
        };
        Self {
            rounds: scene.round(),
            slaves: args.slaves,
            interval_s: args.interval.as_secs_f64(),
            seed,
            duration_s: scene.age().as_secs_f64(),
            spread_start_s: spreads.0.as_secs_f64(),
            spread_end_s: spreads.1.as_secs_f64(),
            rtt_p50_s: round_trip.p50.map(Span::as_secs_f64),
            rtt_p99_s: round_trip.p99.map(Span::as_secs_f64),
            stepped: scene.nodes().iter().map(|seen| seen.steps).sum(),
            nodes: scene.nodes().iter().zip(errors).map(player).collect(),
            report,
            spreads,
            log_failure: scene.log_failure().map(str::to_owned),
        }
    }

    /// Whether it went well: all clocks within `good` of each other, and the report written.
    ///
    /// # Errors
    /// Where it did not.
    pub(super) fn judge(&self, good: Span) -> Result<(), Failure> {
        if self.spreads.1 > good {
            return Err(Failure::failed(format!(
                "the clocks are still {} apart after {} rounds, more than {}: try more --rounds, \
                 or a less busy machine",
                human(self.spreads.1),
                self.rounds,
                human(good)
            )));
        }
        self.log_failure.as_ref().map_or(Ok(()), |why| Err(Failure::failed(why)))
    }

    fn headline(&self) -> String {
        let (first, last) = self.spreads;
        let clocks = self.nodes.len();
        let times = first.as_secs_f64() / last.as_secs_f64().max(1e-9);
        let closer =
            if times >= 2.0 { format!(": {} times closer", round(times)) } else { String::new() };
        format!(
            "{clocks} clocks that were {} apart are within {} after {} rounds ({:.1} s){closer}.",
            human(first),
            human(last),
            self.rounds,
            self.duration_s
        )
    }
}

/// Two significant digits are all that such a ratio is worth.
fn round(ratio: f64) -> u64 {
    let step = 10f64.powf(ratio.log10().floor() - 1.0).max(1.0);
    ((ratio / step).round() * step) as u64
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.headline(), self.report)
    }
}
