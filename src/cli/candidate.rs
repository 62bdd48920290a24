//! The flags of those who may be master, and what becomes of them.

use std::net::SocketAddr;
use std::path::Path;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::ballot::ballot;
use super::daemon;
use super::failure::Failure;
use super::flags::{self, Target};
use crate::net::Endpoint;
use crate::proto::{CandidateSettings, ElectionSettings, MasterSettings, Start};
use crate::time::{Shown, Span, Time};
use crate::units;
use crate::wire::Rank;

/// Seconds from the Unix epoch to the build.
const BUILT: &str = env!("CAMPANILE_BUILT_UNIX_S");

/// How a master is succeeded.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Succession")]
pub(super) struct CandidateFlags {
    /// This node's priority among those who may be master, the higher first; 0 to 255
    #[arg(long, env = "CAMPANILE_RANK", value_name = "NUMBER", default_value = "0",
          value_parser = |s: &str| flags::count(s, 0, 255), allow_hyphen_values = true)]
    pub(super) rank: u32,

    /// Another node that may be master; may be given often. Others are learned from the master.
    /// The port is 7045 unless given
    #[arg(long, env = "CAMPANILE_PEER", value_name = "HOST[:PORT]", value_delimiter = ',',
          value_parser = flags::target)]
    pub(super) peer: Vec<Target>,

    /// Let nobody be master without the votes of more than half of this node and its peers. Needs
    /// at least two --peer, the same nodes on all of them, and --state-dir for the votes
    #[arg(long, env = "CAMPANILE_QUORUM", value_parser = BoolishValueParser::new())]
    pub(super) quorum: bool,

    /// How long a master may be silent before a standby takes over; 100ms to 1d [default: three
    /// of its intervals, and at least 500ms]
    #[arg(long, env = "CAMPANILE_FAILOVER_AFTER", value_name = "TIME", value_parser = failover,
          allow_hyphen_values = true)]
    pub(super) failover_after: Option<Span>,
}

fn failover(text: &str) -> Result<Span, String> {
    units::span(text, Span::from_millis(100), Span::from_secs(86_400))
}

impl CandidateFlags {
    /// Whether any of them was given.
    pub(super) fn any(&self) -> Option<&'static str> {
        let given = [
            (self.rank != 0, "--rank"),
            (!self.peer.is_empty(), "--peer"),
            (self.quorum, "--quorum"),
            (self.failover_after.is_some(), "--failover-after"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
    }

    /// Whether they go together.
    ///
    /// # Errors
    /// Where they do not.
    pub(super) fn fit(&self, state_dir: Option<&Path>) -> Result<(), Failure> {
        if self.peer.len() > ElectionSettings::MAX_PEERS {
            let most = ElectionSettings::MAX_PEERS;
            return Err(Failure::input(format!("--peer: at most {most} of them are allowed")));
        }
        if self.quorum && self.peer.len() < 2 {
            let why = "--quorum: allowed with at least two --peer; of two, none may fail";
            return Err(Failure::input(why));
        }
        if self.quorum && state_dir.is_none() {
            let why = "--quorum: allowed with --state-dir only; a vote must outlive a restart";
            return Err(Failure::input(why));
        }
        Ok(())
    }

    /// The addresses of the peers, the best of each.
    ///
    /// # Errors
    /// Where one of them is not known.
    pub(super) fn peers(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
        let mut peers = Vec::new();
        for target in &self.peer {
            peers.extend(daemon::addresses("--peer", target, endpoint)?.first());
        }
        Ok(peers)
    }

    /// What the candidate is told.
    ///
    /// # Errors
    /// Where the state directory cannot be read.
    pub(super) fn settings(
        &self,
        master: MasterSettings,
        start: Start,
        masters: Vec<SocketAddr>,
        peers: Vec<SocketAddr>,
        state_dir: Option<&Path>,
    ) -> Result<CandidateSettings, Failure> {
        let election = ElectionSettings {
            // A master that knows of no other has nobody to meet: a slave that asks it at once
            // shall not find it still waiting, and ask again half a second later.
            jitter: start == Start::Standby || !peers.is_empty(),
            rank: Rank(u8::try_from(self.rank).unwrap_or(u8::MAX)),
            peers,
            quorum: self.quorum,
            failover_after: self.failover_after,
            start,
            ballot: ballot(state_dir)?,
            ..ElectionSettings::new(master.identity.id)
        };
        Ok(CandidateSettings { master, election, masters, not_before: built() })
    }
}

/// The date of the build: no right clock shows less.
fn built() -> Time<Shown> {
    let seconds = BUILT.parse::<i64>().unwrap_or(0);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000))
}
