//! The commands that show what a running daemon knows: tables for people, JSON and
//! comma-separated values for programs.

mod csv;
#[cfg(test)]
pub(super) mod documented;
mod line;
pub(super) mod members;
pub(super) mod text;
mod tracking;
mod whole;

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::flags;
use super::out::Out;
use super::place::{self, Place};
use crate::outlet::{Member, MemberStats, Named};
pub(super) use line::{Line, Refusal, understood};

/// Where the daemon is.
#[derive(Debug, Clone, Args)]
pub(super) struct Whom {
    /// The daemon's control socket [default: /run/campanile/campanile.sock, then
    /// $XDG_RUNTIME_DIR/campanile/campanile.sock]
    #[arg(long, env = "CAMPANILE_CONTROL", value_name = "PATH", value_parser = place::place)]
    pub(super) control: Option<Place>,
}

/// How a view is shown.
#[derive(Debug, Clone, Args)]
pub(super) struct Shape {
    #[command(flatten)]
    whom: Whom,

    /// Print JSON: times in seconds under names that end in _s, instants in nanoseconds under
    /// names that end in _ns, rates as ratios
    #[arg(long, conflicts_with = "csv")]
    json: bool,

    /// Print comma-separated values in the same units, without a heading; the columns are below
    #[arg(long, short)]
    csv: bool,

    /// Explain the columns and the signs below
    #[arg(long, short)]
    verbose: bool,
}

/// Show where this node's clock stands: state, offset, rate and bounds
#[derive(Debug, Args)]
#[command(after_help = csv::help("Examples:
  campanile tracking
      of the daemon of this machine
  campanile tracking --json --control ./trial.sock
      of another, for a program", csv::TRACKING))]
pub(super) struct TrackingArgs {
    #[command(flatten)]
    shape: Shape,
}

/// Show the members of the cluster, a line each
///
/// A master knows all of them; a slave knows itself and its master.
#[derive(Debug, Args)]
#[command(after_help = csv::help("Examples:
  campanile peers -v
      with an explanation of the columns and the signs", csv::PEERS))]
pub(super) struct PeersArgs {
    #[command(flatten)]
    shape: Shape,
}

/// Show what was measured of each member over the last 64 rounds
#[derive(Debug, Args)]
#[command(after_help = csv::help("Examples:
  campanile peerstats -c
      for a spreadsheet", csv::PEERSTATS))]
pub(super) struct PeerstatsArgs {
    #[command(flatten)]
    shape: Shape,
}

/// Show all that is known of one member
///
/// Where several have the name or the address that was given, it shows one of them and names the
/// others; -c has a line of each, of 17 at most.
#[derive(Debug, Args)]
#[command(after_help = csv::help("Examples:
  campanile peer rack-3
  campanile peer 10.0.0.3", &csv::of_peer()))]
pub(super) struct PeerArgs {
    /// Its name, its identity of 16 hex digits, or its address
    #[arg(value_name = "NAME", value_parser = peer_name)]
    name: String,

    #[command(flatten)]
    shape: Shape,
}

/// Show who is master, who may be, and how that came about
#[derive(Debug, Args)]
#[command(after_help = csv::help("Examples:
  campanile cluster", csv::CLUSTER))]
pub(super) struct ClusterArgs {
    #[command(flatten)]
    shape: Shape,
}

/// Show what was counted: datagrams, stamps, and drops by reason
#[derive(Debug, Args)]
#[command(after_help = csv::help("Examples:
  campanile stats --json", csv::STATS))]
pub(super) struct StatsArgs {
    #[command(flatten)]
    shape: Shape,
}

fn peer_name(text: &str) -> Result<String, String> {
    let typed = flags::name(text).map(|name| name.to_string());
    // An IPv6 address with its port is longer than a name.
    typed.or_else(|why| match text.parse::<std::net::SocketAddr>() {
        Ok(addr) => Ok(addr.to_string()),
        Err(_) => Err(why),
    })
}

/// `campanile tracking`.
///
/// # Errors
/// Where no daemon answers.
pub(super) fn tracking(args: &TrackingArgs) -> Result<(), Failure> {
    let value = Line::open(args.shape.whom.control.as_ref())?.get("tracking")?;
    if value.is_null() {
        return Err(Failure::failed("the daemon has no clock of its own to tell of"));
    }
    args.shape.show(value, csv::TRACKING, |value| {
        Ok(tracking::sheet(&understood(value)?) + args.shape.legend(tracking::LEGEND))
    })
}

/// `campanile peers`.
///
/// # Errors
/// Where no daemon answers.
pub(super) fn peers(args: &PeersArgs) -> Result<(), Failure> {
    let value = Line::open(args.shape.whom.control.as_ref())?.get("peers")?;
    args.shape.show(value, csv::PEERS, |value| {
        let mut all: Vec<Member> = understood(value)?;
        all.sort_by_key(members::order);
        let lines: String = all.iter().map(members::peers_line).collect();
        Ok(members::peers_heading() + &lines + args.shape.legend(members::PEERS_LEGEND))
    })
}

/// `campanile peerstats`.
///
/// # Errors
/// Where no daemon answers.
pub(super) fn peerstats(args: &PeerstatsArgs) -> Result<(), Failure> {
    let value = Line::open(args.shape.whom.control.as_ref())?.get("peerstats")?;
    args.shape.show(value, csv::PEERSTATS, |value| {
        let mut all: Vec<MemberStats> = understood(value)?;
        // The first is the node itself.
        let others = all.len().min(1);
        all[others..].sort_by(|a, b| a.node.node.cmp(&b.node.node));
        let lines: String = all.iter().map(members::peerstats_line).collect();
        let legend = args.shape.legend(members::PEERSTATS_LEGEND);
        Ok(members::peerstats_heading() + &lines + legend)
    })
}

/// `campanile peer`.
///
/// # Errors
/// Where no daemon answers, or it knows no such member.
pub(super) fn peer(args: &PeerArgs) -> Result<(), Failure> {
    let mut line = Line::open(args.shape.whom.control.as_ref())?;
    let mut answer = line.ask(json!({ "get": "peer", "name": args.name }))?;
    let value = json!({
        "peer": answer["peer"].take(), "peerstats": answer["peerstats"].take(),
        "others": answer["others"].take(), "meant": answer["meant"].take(),
    });
    if args.shape.csv {
        let mut lines = csv::peer(&value);
        for other in value["others"].as_array().into_iter().flatten() {
            lines += &csv::peer(&line.ask(json!({ "get": "peer", "name": other["id"] }))?);
        }
        return print(&lines);
    }
    args.shape.show(value, csv::PEERS, |mut value| {
        let member: Member = understood(value["peer"].take())?;
        let stats: MemberStats = understood(value["peerstats"].take())?;
        // A daemon from before it told of them knows of no others.
        let others: Option<Vec<Named>> = understood(value["others"].take())?;
        let meant = value["meant"].as_u64().unwrap_or(1);
        let others = members::others(&args.name, &others.unwrap_or_default(), meant);
        Ok(members::sheet(&member, &stats) + &others + args.shape.legend(members::PEER_LEGEND))
    })
}

/// `campanile cluster`.
///
/// # Errors
/// Where no daemon answers.
pub(super) fn cluster(args: &ClusterArgs) -> Result<(), Failure> {
    let value = Line::open(args.shape.whom.control.as_ref())?.get("cluster")?;
    args.shape.show(value, csv::CLUSTER, |value| {
        Ok(whole::cluster(&understood(value)?) + args.shape.legend(whole::CLUSTER_LEGEND))
    })
}

/// `campanile stats`.
///
/// # Errors
/// Where no daemon answers.
pub(super) fn stats(args: &StatsArgs) -> Result<(), Failure> {
    let value = Line::open(args.shape.whom.control.as_ref())?.get("stats")?;
    args.shape.show(value, csv::STATS, |value| {
        Ok(whole::stats(&understood(value)?) + args.shape.legend(whole::STATS_LEGEND))
    })
}

impl Shape {
    fn legend(&self, legend: &'static str) -> &'static str {
        if self.verbose { legend } else { "" }
    }

    /// Prints a view in the form that was asked for; `people` makes the one for people.
    fn show(
        &self,
        value: Value,
        columns: csv::Columns,
        people: impl FnOnce(Value) -> Result<String, Refusal>,
    ) -> Result<(), Failure> {
        if self.json {
            return print(&format!("{value}\n"));
        }
        if self.csv {
            return match &value {
                Value::Array(rows) => {
                    print(&rows.iter().map(|row| csv::line(row, columns)).collect::<String>())
                }
                one => print(&csv::line(one, columns)),
            };
        }
        print(&people(value)?)
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = Out::default();
    out.text(text);
    out.end()
}
