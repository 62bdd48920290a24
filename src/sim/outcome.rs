//! What a run has shown. Names and units are stable: they are the JSON of `campanile sim --json`.
//! Times are true times since the beginning, and all figures are in seconds or plain ratios.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bounds::Bounds;
use super::handover::Handover;

/// A run's score against the truth.
///
/// The *spread* is the greatest minus the least of what the healthy nodes show. A node whose
/// daemon starts during the run counts from half a minute later.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The number of nodes, the master included.
    pub nodes: usize,
    /// How long the run lasted.
    pub duration_s: f64,
    /// The length of a round.
    pub interval_s: f64,
    /// Polls a slave got each round.
    pub burst: u8,
    /// Root mean square of the spread after the warm-up.
    pub spread_rms_s: f64,
    /// Median of the spread after the warm-up.
    pub spread_p50_s: f64,
    /// 99th percentile of the spread after the warm-up.
    pub spread_p99_s: f64,
    /// Greatest spread after the warm-up.
    pub spread_max_s: f64,
    /// From then on the spread stayed below 100 µs; none if it did not at the end.
    pub settled_below_100us_s: Option<f64>,
    /// From then on the spread stayed below 2 µs; none if it did not at the end.
    pub settled_below_2us_s: Option<f64>,
    /// RMS departure of the healthy nodes' mean from a straight line over 600 s.
    pub wander_s: f64,
    /// Rate of the healthy nodes' mean against the truth.
    pub cluster_rate: f64,
    /// How steady the healthy nodes' mean was.
    pub stability: Vec<Stability>,
    /// The bounds that the slaves published; none where there was no slave.
    pub bounds: Option<Bounds>,
    /// The healthy nodes' mean minus the truth, each second after the warm-up. Not in the JSON.
    #[serde(skip)]
    pub mean_s: Vec<f64>,
    /// Steps of clocks, all nodes together.
    pub steps: u64,
    /// Datagrams that were sent.
    pub packets: u64,
    /// Of them: those that never arrived.
    pub lost: u64,
    /// Exchanges of four stamps that were completed.
    pub exchanges: u64,
    /// Rounds that were closed.
    pub rounds: u64,
    /// Whose clock did not count, and when.
    pub falsetickers: Vec<Falseticker>,
    /// Changes of masters.
    pub handovers: Vec<Handover>,
    /// What became of each node.
    pub members: Vec<Member>,
    /// What the nodes said, but for what every round brings.
    pub events: Vec<Happened>,
    /// Events beyond the first [`Outcome::MAX_EVENTS`].
    pub events_left_out: u64,
}

impl Outcome {
    /// So many events are kept.
    pub const MAX_EVENTS: usize = 10_000;
}

/// Stability of the cluster's mean time over one interval, after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stability {
    /// The interval.
    pub tau_s: f64,
    /// Allan deviation of the mean of what the healthy nodes show.
    pub allan_deviation: f64,
    /// The least Allan deviation of a healthy node's oscillator.
    pub best_oscillator: Option<f64>,
    /// Time deviation of the mean; none where the run was too short.
    pub time_deviation_s: Option<f64>,
    /// Maximum time interval error of the mean, its constant rate taken away.
    pub max_interval_error_s: f64,
}

/// A stay outside the average.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Falseticker {
    /// Who.
    pub node: String,
    /// Since when.
    pub from_s: f64,
    /// Until when; none: until the end.
    pub to_s: Option<f64>,
    /// How far it was from the others' median at first.
    pub by_s: f64,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// Its name.
    pub node: String,
    /// Whether it counts in the score.
    pub healthy: bool,
    /// RMS of what it shows minus the healthy nodes' mean, after the warm-up.
    pub error_rms_s: f64,
    /// The greatest magnitude of that.
    pub error_max_s: f64,
    /// What it shows minus the healthy nodes' mean, at the end.
    pub error_end_s: f64,
    /// The rate of its oscillator against the truth, after the warm-up; none for a faulty node or
    /// one whose daemon did not run throughout.
    pub oscillator_rate: Option<f64>,
    /// How often its clock was stepped.
    pub steps: u64,
    /// Datagrams that its daemon received, of its last boot.
    pub received: u64,
    /// Datagrams that its daemon sent, of its last boot.
    pub sent: u64,
    /// Datagrams that its daemon dropped, by reason, of its last boot.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// Something that a node said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happened {
    /// When.
    pub at_s: f64,
    /// Who said it.
    pub node: String,
    /// What.
    pub event: &'static str,
    /// About whom.
    pub about: Option<String>,
    /// By how much a clock was stepped, or is off.
    pub by_s: Option<f64>,
}
