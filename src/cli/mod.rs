//! The command line: one file per command, and what they share.
//!
//! A command checks and opens all it needs before it begins anything, so that a bad flag, a port
//! in use or an unwritable file leaves nothing half done. It ends with 0 when done, 1 when it
//! failed, 2 when what it was given cannot be; then one line on standard error says what, where,
//! and what is allowed. `check` alone ends with 3 then, as monitoring plugins do.

mod acts;
mod ballot;
mod budget;
mod candidate;
mod config;
mod courier;
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
mod top;
mod trust;
mod usage;
mod views;
mod words;

use std::ffi::OsString;
use std::path::Path;
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
    Top(top::TopArgs),
    Waitsync(acts::WaitsyncArgs),
    Check(acts::CheckArgs),
    Makestep(acts::MakestepArgs),
    Resign(acts::ResignArgs),
    Reload(acts::ReloadArgs),
    Validate(acts::ValidateArgs),
}

/// Runs the command that `args`, the program's name first, ask for.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let whole = command();
    let (args, config) = match config::complete(args.into_iter().collect(), &whole) {
        Ok(completed) => completed,
        Err(why) => return why.report("campanile"),
    };
    let parsed = whole.clone().try_get_matches_from(&args);
    let parsed = parsed.and_then(|m| Cli::from_arg_matches(&m).map(|cli| (m, cli)));
    let (matches, cli) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error, &args, config.as_ref()),
    };
    let done = match matches.subcommand() {
        Some((name, of)) if config::is_asked_for(of) => show_config(&whole, name, of),
        Some(("keygen", of)) => keygen::check(of).and_then(|()| cli.command.run()),
        _ => cli.command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let name = cli.command.name();
            why.report_as(&format!("campanile {name}"), misuse(name))
        }
    }
}

/// Judges the text of a configuration file: how many settings it has. The files that it names, and whether
/// a daemon could start with it, are looked at by `campanile validate` alone. `name` is what errors call it.
///
/// # Errors
/// One line: `NAME:LINE:COLUMN`, what is wrong there first, and what is allowed.
pub fn validate_config(text: &str, name: &Path) -> Result<usize, String> {
    config::validate_text(text, name, &command()).map_err(|why| why.text().to_owned())
}

/// Whether the daemon that `matches` ask for would get as far as the network.
fn check_start(matches: &clap::ArgMatches) -> Result<(), Failure> {
    match Cli::from_arg_matches(matches).map_err(Failure::input)?.command {
        Command::Master(args) => args.check(),
        Command::Slave(args) => args.check(),
        _ => Ok(()),
    }
}

/// `--print-config`.
fn show_config(whole: &clap::Command, name: &str, of: &clap::ArgMatches) -> Result<(), Failure> {
    let mut out = out::Out::default();
    if let Some(command) = whole.find_subcommand(name) {
        out.text(&config::effective(command, of));
    }
    out.end()
}

/// The whole command line, as the help shows it.
fn command() -> clap::Command {
    // The names of the variables teach; their present values are nobody's business.
    let hidden = |arg: clap::Arg| arg.hide_env_values(true);
    // As the tables: what is wider is hard to read, and to quote.
    Cli::command().max_term_width(80).mut_subcommands(|command| command.mut_args(hidden))
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
            Self::Top(args) => top::run(args),
            Self::Waitsync(args) => acts::waitsync(args),
            Self::Check(args) => acts::check(args),
            Self::Makestep(args) => acts::makestep(args),
            Self::Resign(args) => acts::resign(args),
            Self::Reload(args) => acts::reload(args),
            Self::Validate(args) => acts::validate(args),
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
            Self::Top(_) => "top",
            Self::Waitsync(_) => "waitsync",
            Self::Check(_) => "check",
            Self::Makestep(_) => "makestep",
            Self::Resign(_) => "resign",
            Self::Reload(_) => "reload",
            Self::Validate(_) => "validate",
        }
    }
}

/// Help and version as asked for; anything else in one line.
fn refuse(error: &clap::Error, args: &[OsString], config: Option<&config::Config>) -> ExitCode {
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
    let why = config::complaint(error, given.unwrap_or(&cli), args, config);
    Failure::input(why).report_as(&name, misuse(given.map_or("", clap::Command::get_name)))
}

/// The exit code of bad usage. To a monitoring system 2 would be CRITICAL, of a clock that was never
/// looked at.
fn misuse(command: &str) -> u8 {
    if command == "check" { 3 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_sound() {
        command().debug_assert();
    }
}
