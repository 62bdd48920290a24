//! The command line: one file per command, and what they share.
//!
//! A command checks and opens all it needs before it begins anything, so that a bad flag, a port
//! in use or an unwritable file leaves nothing half done. It ends with 0 when done, 1 when it
//! failed, 2 when what it was given cannot be; then one line on standard error says what, where,
//! and what is allowed.

mod ballot;
mod budget;
mod candidate;
mod daemon;
mod demo;
mod failure;
mod flags;
mod generate;
mod identity;
mod journal;
mod keygen;
mod master;
mod out;
mod place;
mod record;
mod report;
mod roster;
mod service;
mod sim;
mod slave;
mod state;
mod trust;
mod usage;
mod views;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::Failure;

/// One time for a LAN that has none
///
/// A master asks each machine what its clock shows, averages the clocks that agree, and sends each
/// machine the correction it needs: the Berkeley algorithm. No clock outside is needed, and none
/// is believed more than the others.
#[derive(Debug, Parser)]
#[command(
    name = "campanile",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Begin with `campanile demo`: a master pulls five wrong clocks together before your eyes.

Times and rates carry a unit: 250ms, 10us, 1.5s, 2m, 1h, 40ppm, -50ppb.
Exit codes: 0 done, 1 failed, 2 bad usage or input."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Master(Box<master::MasterArgs>),
    Slave(Box<slave::SlaveArgs>),
    Sim(sim::SimArgs),
    Report(report::ReportArgs),
    Generate(generate::GenerateArgs),
    Keygen(keygen::KeygenArgs),
    Tracking(views::TrackingArgs),
    Peers(views::PeersArgs),
    Peerstats(views::PeerstatsArgs),
    Peer(views::PeerArgs),
    Cluster(views::ClusterArgs),
    Stats(views::StatsArgs),
}

/// Runs the command that `args`, the program's name first, ask for.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    let parsed = command().try_get_matches_from(&args);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => match cli.command.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => why.report(&format!("campanile {}", cli.command.name())),
        },
        Err(error) => refuse(&error, &args),
    }
}

/// The whole command line, as the help shows it.
fn command() -> clap::Command {
    // The names of the variables teach; their present values are nobody's business.
    let hidden = |arg: clap::Arg| arg.hide_env_values(true);
    Cli::command().mut_subcommands(|command| command.mut_args(hidden))
}

impl Command {
    fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => demo::run(args),
            Self::Master(args) => master::run(args),
            Self::Slave(args) => slave::run(args),
            Self::Sim(args) => sim::run(args),
            Self::Report(args) => report::run(args),
            Self::Generate(args) => generate::run(args, command()),
            Self::Keygen(args) => keygen::run(args),
            Self::Tracking(args) => views::tracking(args),
            Self::Peers(args) => views::peers(args),
            Self::Peerstats(args) => views::peerstats(args),
            Self::Peer(args) => views::peer(args),
            Self::Cluster(args) => views::cluster(args),
            Self::Stats(args) => views::stats(args),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Master(_) => "master",
            Self::Slave(_) => "slave",
            Self::Sim(_) => "sim",
            Self::Report(_) => "report",
            Self::Generate(_) => "generate",
            Self::Keygen(_) => "keygen",
            Self::Tracking(_) => "tracking",
            Self::Peers(_) => "peers",
            Self::Peerstats(_) => "peerstats",
            Self::Peer(_) => "peer",
            Self::Cluster(_) => "cluster",
            Self::Stats(_) => "stats",
        }
    }
}

/// Help and version as asked for; anything else in one line.
fn refuse(error: &clap::Error, args: &[OsString]) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
    let help = [DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand];
    if !error.use_stderr() || help.contains(&error.kind()) {
        // Nobody is left to complain to where this fails.
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let cli = command();
    let given = args.get(1).and_then(|name| cli.find_subcommand(name));
    let name = given.map_or("campanile".to_owned(), |c| format!("campanile {}", c.get_name()));
    let why = usage::complaint(error, given.unwrap_or(&cli), args);
    Failure::input(why).report(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_sound() {
        command().debug_assert();
    }
}
