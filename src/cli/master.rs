//! `campanile master`: polls, averages, corrects.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use super::ballot::keep;
use super::candidate::CandidateFlags;
use super::config::ConfigFlags;
use super::daemon::{self, Plan};
use super::failure::Failure;
use super::flags::{self, NodeFlags, OutputFlags, Target};
use super::identity::identity;
use super::journal::Role;
use super::state::saved_rate;
use super::trust::{KeyUser, TrustFlags};
use crate::proto::{self, Candidate, Identity, MasterSettings, Start};
use crate::time::Span;
use crate::wire::{DEFAULT_PORT, Name};

/// Keep the clocks of a LAN together: poll them, average them, send each its correction
///
/// Slaves join by themselves (campanile slave --master HOST) or are polled by list (--slave). The
/// master's own clock is one of those that are averaged, without privilege: cluster time is what
/// the clocks agree on, and has no outside reference.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile master
      wait on port 7045 for slaves, with a virtual clock that serves nobody: a trial
  campanile master --clock system --state-dir /var/lib/campanile
      keep this machine's clock, and those of all who join
  campanile master --slave rack-1 --slave rack-2:7046 --interval 250ms \\
      --report lan.hlog
      poll two slaves by list, four times a second, and keep the histograms
  campanile master --peer rack-2 --rank 2
      share the mastership with rack-2: one of them reigns, the other stands by

Each flag can also stand in a file (--config) and in the environment, as
CAMPANILE_INTERVAL=250ms does.
Ctrl-C ends it in order: the slaves are told, the last report is written.")]
pub(super) struct MasterArgs {
    /// Where to listen; 0.0.0.0 instead where there is no IPv6 [default: [::]:7045]
    #[arg(long, env = "CAMPANILE_LISTEN", value_name = "ADDR:PORT", value_parser = flags::listen)]
    listen: Option<SocketAddr>,

    /// A slave to poll that does not join by itself; may be given often. The port is 7045 unless
    /// given
    #[arg(long, env = "CAMPANILE_SLAVE", value_name = "HOST[:PORT]", value_delimiter = ',',
          value_parser = flags::target)]
    slave: Vec<Target>,

    /// The length of a round: each slave is polled and corrected once in it; 50ms to 1h
    #[arg(long, env = "CAMPANILE_INTERVAL", value_name = "TIME", default_value = "1s",
          value_parser = flags::interval, allow_hyphen_values = true)]
    interval: Span,

    /// Polls in a row that each slave gets in a round, of which the best count; 1 to 16
    #[arg(long, env = "CAMPANILE_BURST", value_name = "COUNT", default_value = "4",
          value_parser = flags::burst, allow_hyphen_values = true)]
    burst: u8,

    /// A clock whose crystal forecasts a cluster time further from the median of the others' is a
    /// falseticker: it is corrected, but not counted in the average; 1us to 1m
    #[arg(long, env = "CAMPANILE_TOLERANCE", value_name = "TIME", default_value = "10ms",
          value_parser = flags::limit, allow_hyphen_values = true)]
    tolerance: Span,

    /// Exchanges that took longer are counted and not used; 1us to 1m
    #[arg(long, env = "CAMPANILE_MAX_RTT", value_name = "TIME", default_value = "10ms",
          value_parser = flags::limit, allow_hyphen_values = true)]
    max_rtt: Span,

    /// How the clocks within the tolerance are averaged
    #[arg(long, env = "CAMPANILE_AVERAGE", value_name = "HOW", default_value = "ensemble")]
    average: Average,

    /// A member that has a good outside source, by its name (this master's own too); cluster time
    /// leans to what it shows by up to 0.05 ppm; may be given often
    #[arg(long, env = "CAMPANILE_REFERENCE", value_name = "NAME", value_delimiter = ',',
          value_parser = flags::name_in_list)]
    reference: Vec<Name>,

    /// The most slaves to take; who else asks is refused; 1 to 1000000
    #[arg(long, env = "CAMPANILE_MAX_SLAVES", value_name = "COUNT", default_value = "1000",
          value_parser = |s: &str| flags::count(s, 1, 1_000_000), allow_hyphen_values = true)]
    max_slaves: u32,

    #[command(flatten)]
    candidate: CandidateFlags,

    #[command(flatten)]
    node: NodeFlags,

    #[command(flatten)]
    trust: TrustFlags,

    #[command(flatten)]
    output: OutputFlags,

    /// Read before anything else is: see `config::complete`.
    #[command(flatten)]
    _config: ConfigFlags,
}

/// The values of --average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Average {
    /// The plain mean
    Plain,
    /// The mean without the third that is furthest out, on either side alike
    Trimmed,
    /// By weight: steady clocks count for more, newcomers for little at first
    Ensemble,
}

/// Runs a master until it is told to end.
///
/// # Errors
/// Where it cannot start as asked, or cannot go on.
pub(super) fn run(args: &MasterArgs) -> Result<(), Failure> {
    args.fit()?;
    let identity = identity(&args.node)?;
    let stays = args.node.state_dir.is_some();
    let user = KeyUser { role: Role::Master, id: identity.id, stays };
    let trust = args.trust.trust(&user)?;
    let endpoint = daemon::bind(args.listen, DEFAULT_PORT, &args.node)?;
    let mut slaves = Vec::new();
    for target in &args.slave {
        // One address of each: the others are other ways to the same node.
        slaves.extend(daemon::addresses("--slave", target, &endpoint)?.first());
    }
    let settings = MasterSettings {
        saved_rate: saved_rate(args.node.state_dir.as_deref())?,
        trust: trust.clone(),
        ..args.settings(identity.clone(), slaves)
    };
    let dir = args.node.state_dir.as_deref();
    let peers = args.candidate.peers(&endpoint)?;
    let slots = settings.max_slaves;
    let settings = args.candidate.settings(settings, Start::Master, peers.clone(), peers, dir)?;
    let plan = Plan {
        role: Role::Master,
        identity: &identity,
        node: &args.node,
        output: &args.output,
        keys: trust.keys,
        key_source: args.trust.source(user),
        endpoint,
        names: args.candidate.peer.iter().map(Target::to_string).collect(),
        lacks: Vec::new(),
        slaves: slots,
        references: &args.reference,
        keep: dir.map(keep),
    };
    daemon::run(plan, |now, course, seed| Candidate::new(now, settings, course, seed))
}

impl MasterArgs {
    fn fit(&self) -> Result<(), Failure> {
        self.node.fit()?;
        self.candidate.fit(self.node.state_dir.as_deref())
    }

    /// Whether a start would get as far as the network.
    ///
    /// # Errors
    /// Where the flags do not go together, or a file that they name does not serve.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.fit()?;
        daemon::check_files(&self.node, &self.trust, Role::Master)
    }

    fn settings(&self, identity: Identity, slaves: Vec<SocketAddr>) -> MasterSettings {
        MasterSettings {
            interval: self.interval,
            burst: self.burst,
            tolerance: self.tolerance,
            max_rtt: self.max_rtt,
            average: match self.average {
                Average::Plain => proto::Average::Plain,
                Average::Trimmed => proto::Average::Trimmed,
                Average::Ensemble => proto::Average::Ensemble,
            },
            limits: self.node.limits(),
            max_slaves: self.max_slaves as usize,
            slaves,
            references: self.reference.clone(),
            ..MasterSettings::new(identity)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::wire::{BootId, NodeId};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: MasterArgs,
    }

    #[test]
    fn the_help_states_the_defaults_of_the_core() {
        let name = Name::new("x").unwrap();
        let identity = Identity { id: NodeId(1), boot: BootId(2), name };
        let typed = Line::parse_from(["master"]).args.settings(identity.clone(), Vec::new());
        assert_eq!(typed, MasterSettings::new(identity));
    }
}
