//! `campanile slave`: answers, and applies what the master sends.

use std::net::SocketAddr;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::ballot::keep;
use super::candidate::CandidateFlags;
use super::config::ConfigFlags;
use super::daemon::{self, Plan};
use super::failure::Failure;
use super::flags::{self, NodeFlags, OutputFlags, Target};
use super::identity::identity;
use super::journal::Role;
use super::state::saved_rate;
use super::trust::{KeySource, KeyUser, TrustFlags};
use crate::net::Endpoint;
use crate::proto::{Candidate, Identity, MasterSettings, Slave, SlaveSettings, Start, Trust};
use crate::wire::DEFAULT_PORT;

/// Follow a master: answer its polls and apply its corrections
///
/// While no master answers, the clock runs on at the rate it has learned.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile slave --master rack-1
      join the master on rack-1, with a virtual clock that serves nobody: a trial
  campanile slave --master rack-1 --master rack-2 --clock system \\
      --state-dir /var/lib/campanile
      keep this machine's clock; where rack-1 does not answer, ask rack-2
  campanile slave --master rack-1 --clock virtual:offset=+250ms,drift=-40ppm
      start wrong on purpose, and watch it being put right
  campanile slave --master rack-1 --standby --rank 2 --clock system
      follow rack-1, and take its place when it dies
  campanile slave
      ask nobody, wait on port 7045 and obey whoever polls, as is done by
      campanile master --slave HOST

Each flag can also stand in a file (--config) and in the environment, as
CAMPANILE_MASTER=rack-1,rack-2 does.
Ctrl-C ends it in order: the master is told, the last report is written.")]
pub(super) struct SlaveArgs {
    /// A master to join, the best first; may be given often. The port is 7045 unless given. Only
    /// these are obeyed; with none, whoever polls is
    #[arg(long, env = "CAMPANILE_MASTER", value_name = "HOST[:PORT]", value_delimiter = ',',
          value_parser = flags::target)]
    master: Vec<Target>,

    /// Where to listen; 0.0.0.0 instead where there is no IPv6 [default: [::] and any free port;
    /// port 7045 without --master, and with --standby]
    #[arg(long, env = "CAMPANILE_LISTEN", value_name = "ADDR:PORT", value_parser = flags::listen)]
    listen: Option<SocketAddr>,

    /// Take the master's place when it dies or resigns. The other slaves learn of this node from
    /// their master, and this node keeps what it needs to go on without a step
    #[arg(long, env = "CAMPANILE_STANDBY", value_parser = BoolishValueParser::new())]
    standby: bool,

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

/// Runs a slave until it is told to end.
///
/// # Errors
/// Where it cannot start as asked, or cannot go on.
pub(super) fn run(args: &SlaveArgs) -> Result<(), Failure> {
    args.fit()?;
    let identity = identity(&args.node)?;
    let stays = args.node.state_dir.is_some();
    let user = KeyUser { role: args.keys_role(), id: identity.id, stays };
    let trust = args.trust.trust(&user)?;
    let port = if args.master.is_empty() || args.standby { DEFAULT_PORT } else { 0 };
    let endpoint = daemon::bind(args.listen, port, &args.node)?;
    let peers = !args.candidate.peer.is_empty();
    let masters = daemon::some_addresses("--master", &args.master, &endpoint, peers)?;
    if args.standby {
        let source = args.trust.source(user);
        return stand_by(args, &identity, endpoint, masters, (trust, source));
    }
    let (masters, lacks) = masters;
    let settings = SlaveSettings {
        masters,
        saved_rate: saved_rate(args.node.state_dir.as_deref())?,
        limits: args.node.limits(),
        trust: trust.clone(),
        ..SlaveSettings::new(identity.clone())
    };
    let plan = Plan {
        role: Role::Slave,
        identity: &identity,
        node: &args.node,
        output: &args.output,
        keys: trust.keys,
        key_source: args.trust.source(user),
        endpoint,
        names: args.master.iter().map(Target::to_string).collect(),
        lacks,
        slaves: 0,
        references: &[],
        keep: None,
    };
    daemon::run(plan, |now, course, seed| Slave::new(now, settings, course, seed))
}

impl SlaveArgs {
    fn fit(&self) -> Result<(), Failure> {
        self.node.fit()?;
        match self.candidate.any().filter(|_| !self.standby) {
            Some(flag) => Err(Failure::input(format!("{flag}: allowed with --standby only"))),
            None => self.candidate.fit(self.node.state_dir.as_deref()),
        }
    }

    /// Who may become master needs a master's keys.
    fn keys_role(&self) -> Role {
        if self.standby { Role::Master } else { Role::Slave }
    }

    /// Whether a start would get as far as the network.
    ///
    /// # Errors
    /// Where the flags do not go together, or a file that they name does not serve.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.fit()?;
        daemon::check_files(&self.node, &self.trust, self.keys_role())
    }
}

/// Runs a slave that may become master.
fn stand_by(
    args: &SlaveArgs,
    identity: &Identity,
    endpoint: Endpoint,
    (mut masters, lacks): (Vec<SocketAddr>, Vec<String>),
    (trust, key_source): (Trust, Option<KeySource>),
) -> Result<(), Failure> {
    let dir = args.node.state_dir.as_deref();
    let peers = args.candidate.peers(&endpoint)?;
    masters.extend(&peers);
    let master = MasterSettings {
        saved_rate: saved_rate(dir)?,
        limits: args.node.limits(),
        trust: trust.clone(),
        ..MasterSettings::new(identity.clone())
    };
    let slaves = master.max_slaves;
    let settings = args.candidate.settings(master, Start::Standby, masters, peers, dir)?;
    let names = args.master.iter().chain(&args.candidate.peer);
    let plan = Plan {
        role: Role::Slave,
        identity,
        node: &args.node,
        output: &args.output,
        keys: trust.keys,
        key_source,
        endpoint,
        names: names.map(Target::to_string).collect(),
        lacks,
        slaves,
        references: &[],
        keep: dir.map(keep),
    };
    daemon::run(plan, |now, course, seed| Candidate::new(now, settings, course, seed))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::clock::Limits;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SlaveArgs,
    }

    #[test]
    fn the_help_states_the_defaults_of_the_discipline() {
        assert_eq!(Line::parse_from(["slave"]).args.node.limits(), Limits::default());
    }
}
