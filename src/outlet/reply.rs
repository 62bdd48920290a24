//! What an answer says: the same types write it and read it. SI base units: names that end in
//! `_s` are seconds, in `_ns` whole nanoseconds; rates and weights are ratios. An offset is *that
//! clock minus cluster time*: positive is ahead; a positive rate is fast.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the language of the control socket.
pub const VERSION: u32 = 1;

/// Why a request was not granted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// `bad_request`, `version`, `denied`, `unknown_peer`, `not_now` or `too_long`.
    pub code: String,
    /// One line for people.
    pub error: String,
}

/// A node by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// What people call it.
    pub node: String,
    /// Its identity, 16 hex digits.
    pub id: String,
    /// Where it is reached; none for the node that answers.
    pub addr: Option<String>,
}

impl Named {
    /// A node that is not known.
    pub(super) fn nobody() -> Self {
        Self { node: "?".to_owned(), id: String::new(), addr: None }
    }
}

/// How many timestamps each source gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamps {
    /// The daemon's own readings.
    pub daemon: u64,
    /// The kernel's.
    pub kernel: u64,
    /// The card's.
    pub hardware: u64,
}

/// `tracking`: where the node's own clock stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// Who answers.
    #[serde(flatten)]
    pub node: Named,
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub listen: String,
    /// How long it has been running.
    pub uptime_s: f64,
    /// `master`, `slave` or `standby`.
    pub role: String,
    /// `searching`, `alone`, `forming`, `synchronised`, `hold` or `holdover`.
    pub state: String,
    /// The master it follows.
    pub master: Option<Named>,
    /// The master's reign.
    pub term: Option<u32>,
    /// What cluster time is made of: `none`, `ensemble` (nothing outside) or `references`.
    pub time_basis: String,
    /// Cluster time at the moment of the answer, since 1970.
    pub cluster_time_ns: Option<i64>,
    /// Members of the cluster, the master included.
    pub members: Option<u32>,
    /// Members that count in the average.
    pub counted: Option<u32>,
    /// Greatest minus least offset of those that count, by the master's measure.
    pub spread_s: Option<f64>,
    /// `counted`, `spare` or `falseticker`: what the master thinks of this clock.
    pub standing: Option<String>,
    /// The newest round.
    pub round: Option<u32>,
    /// The length of a round.
    pub interval_s: f64,
    /// Age of the newest correction.
    pub since_update_s: Option<f64>,
    /// When that expires, from now; negative: it has.
    pub expires_in_s: Option<f64>,
    /// Corrections so far.
    pub updates: u64,
    /// What the clock shows minus cluster time: what is still to be worked off, with the sign
    /// turned.
    pub offset_s: Option<f64>,
    /// The offset that the newest correction found.
    pub last_offset_s: Option<f64>,
    /// Root mean square of the last 64 of those.
    pub rms_offset_s: Option<f64>,
    /// The rate of this node's crystal against cluster time; positive: it runs fast.
    pub rate: Option<f64>,
    /// Standard deviation of the last 64 rates.
    pub skew: Option<f64>,
    /// The newest least round trip: on a slave its own to the master, as the master measured it; on
    /// a master the middle one of its slaves'.
    pub round_trip_s: Option<f64>,
    /// One standard deviation of the offset.
    pub sigma_s: Option<f64>,
    /// Five of them, grown with the age of the correction, and the offset itself.
    pub bound_statistical_s: Option<f64>,
    /// What the offset is within if packets take time and the rate is what it is taken for.
    pub bound_hard_s: Option<f64>,
    /// Stamps of datagrams received.
    pub stamps_received: Stamps,
    /// Stamps of datagrams sent.
    pub stamps_sent: Stamps,
    /// `virtual` or `system`.
    pub clock: String,
    /// How often the clock was stepped.
    pub steps: u16,
}

/// One line of `peers`: a member of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Who it is.
    #[serde(flatten)]
    pub node: Named,
    /// `own`, `master` or `member`: what it is to the node that answers.
    pub relation: String,
    /// `master`, `counted`, `spare`, `falseticker`, `variable` or `unreachable`.
    pub state: String,
    /// The last eight rounds, newest in the lowest bit.
    pub reach: u8,
    /// How long ago it was heard.
    pub last_reply_s: Option<f64>,
    /// What it shows minus cluster time.
    pub offset_s: Option<f64>,
    /// One standard deviation of that.
    pub sigma_s: Option<f64>,
    /// Five of them.
    pub bound_statistical_s: Option<f64>,
    /// The hard bound of that.
    pub bound_hard_s: Option<f64>,
    /// The rate of its crystal against cluster time.
    pub rate: Option<f64>,
    /// One standard deviation of that.
    pub skew: Option<f64>,
    /// The least round trip to it in its newest slot; of a slave's master that to the slave.
    pub round_trip_s: Option<f64>,
    /// Its part in the average, 0 … 1.
    pub weight: Option<f64>,
    /// `daemon`, `kernel` or `hardware`: of most of its exchanges, each by its worst stamp.
    pub stamps: Option<String>,
    /// What it says is proven to be its own.
    pub authenticated: bool,
    /// How often its clock was stepped since it booted.
    pub steps: u16,
}

/// One line of `peerstats`: what was measured of a member over the last 64 rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberStats {
    /// Who it is.
    #[serde(flatten)]
    pub node: Named,
    /// Offsets looked back on, 64 at most.
    pub samples: usize,
    /// From the first of them to the last.
    pub span_s: f64,
    /// Rounds it was polled in since it came.
    pub polled: u64,
    /// Rounds it answered in.
    pub answered: u64,
    /// Exchanges that were completed.
    pub exchanges: u64,
    /// The mean of the offsets.
    pub offset_mean_s: Option<f64>,
    /// Their standard deviation.
    pub offset_deviation_s: Option<f64>,
    /// The rate of its crystal against cluster time.
    pub rate: Option<f64>,
    /// One standard deviation of that.
    pub skew: Option<f64>,
    /// The mean of the rounds' least round trips.
    pub round_trip_mean_s: Option<f64>,
    /// Their standard deviation.
    pub round_trip_deviation_s: Option<f64>,
    /// How often it came back with another boot nonce.
    pub restarts: u32,
    /// How often it went silent.
    pub silences: u32,
    /// How often it was found to be a falseticker.
    pub falseticks: u32,
}

/// `cluster`: who reigns, who may, and how that came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// The reign.
    pub term: Option<u32>,
    /// The master, whoever that is.
    pub master: Option<Named>,
    /// Members, the master included.
    pub members: Option<u32>,
    /// Members that count.
    pub counted: Option<u32>,
    /// Greatest minus least offset of those that count.
    pub spread_s: Option<f64>,
    /// Those that may be master, as far as this node knows.
    pub candidates: Vec<Candidate>,
    /// Whom this node has followed, the newest last; 32 at most.
    pub reigns: Vec<Reign>,
}

/// A node that may be master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who it is.
    #[serde(flatten)]
    pub node: Named,
    /// `master` or `standby`.
    pub role: String,
    /// Its priority, the higher first.
    pub rank: u8,
}

/// A master that was followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reign {
    /// The master.
    #[serde(flatten)]
    pub node: Named,
    /// How long ago it began to be followed.
    pub ago_s: f64,
    /// Why it was.
    pub why: String,
}

/// `stats`: what was counted since the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// How long the node has been running.
    pub uptime_s: f64,
    /// Datagrams that came in, whatever they were.
    pub received: u64,
    /// Datagrams that went out.
    pub sent: u64,
    /// Replies that were in order but took longer than `--max-rtt`.
    pub slow: u64,
    /// Datagrams that were dropped for any reason.
    pub dropped: u64,
    /// The same by reason, those that occurred.
    pub drops: BTreeMap<String, u64>,
    /// Stamps of datagrams received.
    pub stamps_received: Stamps,
    /// Stamps of datagrams sent.
    pub stamps_sent: Stamps,
    /// Datagrams that the kernel refused to send.
    pub send_errors: u64,
    /// Receive calls that failed.
    pub receive_errors: u64,
    /// Datagrams longer than any of the protocol.
    pub truncated: u64,
    /// Datagrams lost because the socket's buffer was full.
    pub overflowed: u64,
    /// Steps of the system clock seen.
    pub clock_steps: u64,
    /// Things that happened, and how many of them were warnings.
    pub events: u64,
    /// Warnings among the events.
    pub warnings: u64,
    /// Of a master: slaves in its roster.
    pub slaves: Option<u64>,
    /// Slaves that it has room for.
    pub max_slaves: Option<u64>,
    /// What one of them takes in the master's tables, in bytes.
    pub bytes_per_slave: Option<u64>,
}

/// `events`: what happened, the newest last; 128 at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// Each of them.
    pub events: Vec<Told>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Counts all that happened, from 1.
    pub number: u64,
    /// How long ago.
    pub ago_s: f64,
    /// Whether something went wrong.
    pub warning: bool,
    /// A sentence.
    pub text: String,
}

/// `histogram`: the round trips of all exchanges since the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Upper edge in seconds (none: no edge) and count of each bucket, not cumulative.
    pub round_trip: Vec<(Option<f64>, u64)>,
}
