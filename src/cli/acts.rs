//! The commands that want something of a running daemon: wait for it, judge it, change it.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::config::{self, Verdict};
use super::failure::Failure;
use super::flags;
use super::out::Out;
use super::views::{Line, Refusal, Whom, understood};
use crate::outlet::Tracking;
use crate::report::{human, human_offset};
use crate::time::{Offset, Span};

/// How often a daemon is asked while it is waited for: four times a round, within limits.
const OFTEN: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_millis(250);

/// Wait until this node shows cluster time
///
/// Ends with 0 once it does, within a round of it, and with 1 and the reason when the time is up.
/// A daemon that is not there yet is waited for too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile waitsync
      until the clock is synchronised, a minute at most
  campanile waitsync --within 50us --timeout 5m && start-the-experiment
      until it is surely good enough")]
pub(super) struct WaitsyncArgs {
    /// Wait until the clock is within this of cluster time, by its statistical bound: five
    /// standard deviations, what remains to be slewed, and 15 ppm of the time since the last
    /// correction, which is 15 us a second; 1us to 1m [default: any synchronised]
    #[arg(long, env = "CAMPANILE_WITHIN", value_name = "TIME", value_parser = flags::limit,
          allow_hyphen_values = true)]
    within: Option<Span>,

    /// Give up after this time; 100ms to 3650d
    #[arg(long, env = "CAMPANILE_TIMEOUT", value_name = "TIME", default_value = "60s",
          value_parser = flags::duration, allow_hyphen_values = true)]
    timeout: Span,

    #[command(flatten)]
    whom: Whom,
}

/// Judge this node's clock for a monitoring system
///
/// Prints one line with performance data and ends as monitoring plugins do: 0 OK, 1 WARNING,
/// 2 CRITICAL, 3 UNKNOWN where no daemon answers or a flag is wrong. What is judged is the
/// statistical bound: five standard deviations, what remains to be slewed, and 15 ppm of the time
/// since the last correction. A clock that is not synchronised is a WARNING at least, and CRITICAL
/// where nothing is known of cluster time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile check --warn 100us --crit 1ms")]
pub(super) struct CheckArgs {
    /// WARNING beyond this; 1us to 1m
    #[arg(long, env = "CAMPANILE_WARN", value_name = "TIME", default_value = "100us",
          value_parser = flags::limit, allow_hyphen_values = true)]
    warn: Span,

    /// CRITICAL beyond this, which is not less than --warn; 1us to 1m
    #[arg(long, env = "CAMPANILE_CRIT", value_name = "TIME", default_value = "1ms",
          value_parser = flags::limit, allow_hyphen_values = true)]
    crit: Span,

    #[command(flatten)]
    whom: Whom,
}

/// Step this node's clock to cluster time now, instead of slewing
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile makestep
      as root or the daemon's user; whoever times things here will notice")]
pub(super) struct MakestepArgs {
    #[command(flatten)]
    whom: Whom,
}

/// End this master's reign in order
///
/// Its slaves are told, and follow another master or run on at the rate that they have learned.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile resign
      as root or the daemon's user, before the machine goes down for maintenance")]
pub(super) struct ResignArgs {
    #[command(flatten)]
    whom: Whom,
}

/// Let the daemon reopen and reread its files, as SIGHUP does
///
/// It begins a new interval log (--report) and reads its keys anew (--key-file). Its configuration
/// file it reads at the start only: restart it for that.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile reload
      as root or the daemon's user")]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    whom: Whom,
}

/// Check a configuration file, as master and slave would read it
///
/// The values, whether they go together, the key file and the state directory, with what the
/// environment sets besides, as at a start. Addresses, names of hosts, the report and the right to
/// set the clock are tried at a start only. A file with a section for one role, or with none, may
/// be for that role alone; the line says so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  campanile validate trial.toml
  CAMPANILE_CLOCK=system CAMPANILE_STATE_DIR=/var/lib/campanile \\
      campanile validate /etc/campanile/campanile.toml
      with what campanile.service sets")]
pub(super) struct ValidateArgs {
    /// The file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "whoever waits for a daemon waits by its own clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "nothing else is done meanwhile")]
fn sleep(pause: Duration) {
    thread::sleep(pause);
}

/// `campanile waitsync`.
///
/// # Errors
/// Where the time is up, or the daemon does not want to answer.
pub(super) fn waitsync(args: &WaitsyncArgs) -> Result<(), Failure> {
    let began = now();
    let timeout = Duration::from_nanos(args.timeout.as_nanos());
    let mut line = None;
    loop {
        let left = timeout.saturating_sub(now().duration_since(began));
        let (why, pause) = match look(&args.whom, &mut line, left) {
            Ok(tracking) => match missing(&tracking, args.within) {
                None => return Ok(()),
                Some(why) => {
                    let quarter = Duration::try_from_secs_f64(tracking.interval_s / 4.0);
                    (why, quarter.unwrap_or(SELDOM).clamp(OFTEN, SELDOM))
                }
            },
            Err(Refusal::Away(why)) => {
                line = None;
                (why, OFTEN * 10)
            }
            Err(Refusal::Refused(why)) => return Err(Failure::failed(why)),
        };
        let left = timeout.saturating_sub(now().duration_since(began));
        if left.is_zero() {
            return Err(Failure::failed(format!("not within {}: {why}", human(args.timeout))));
        }
        sleep(pause.min(left));
    }
}

/// Asks once more, over the same line where there is one, and waits for an answer at most so long.
fn look(whom: &Whom, line: &mut Option<Line>, patience: Duration) -> Result<Tracking, Refusal> {
    let line = match line {
        Some(line) => line,
        None => line.insert(Line::open(whom.control.as_ref())?),
    };
    line.hurry(patience)?;
    understood(line.get("tracking")?)
}

/// What is still missing until a clock is as good as it shall be.
fn missing(tracking: &Tracking, within: Option<Span>) -> Option<String> {
    if tracking.state != "synchronised" {
        return Some(format!("the node is {}", tracking.state));
    }
    let within = within?;
    let error = Span::from_secs_f64(tracking.bound_statistical_s.unwrap_or(f64::INFINITY));
    (error > within).then(|| format!("the clock is within {} of cluster time", human(error)))
}

/// `campanile check`.
///
/// # Errors
/// The exit code of the verdict, where that is not 0.
pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    if args.crit < args.warn {
        return Err(Failure::input("--crit is less than --warn; allowed is as much or more"));
    }
    let (code, line) = match look(&args.whom, &mut None, Duration::MAX) {
        Ok(tracking) => judged(&tracking, args.warn, args.crit),
        Err(refusal) => (3, refusal.text().to_owned()),
    };
    let verdict = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][usize::from(code)];
    let mut out = Out::default();
    out.text(&format!("CAMPANILE {verdict} - {line}\n"));
    out.end()?;
    if code == 0 { Ok(()) } else { Err(Failure::Said(code)) }
}

/// The verdict on a clock, and the line that says it.
fn judged(tracking: &Tracking, warn: Span, crit: Span) -> (u8, String) {
    let (Some(offset), Some(error)) = (tracking.offset_s, tracking.bound_statistical_s) else {
        return (2, format!("{}, {}: cluster time is not known", tracking.role, tracking.state));
    };
    let span = Span::from_secs_f64(error);
    let code = match span {
        span if span > crit => 2,
        span if span > warn => 1,
        _ => u8::from(tracking.state != "synchronised"),
    };
    let (warn, crit) = (warn.as_secs_f64(), crit.as_secs_f64());
    let hard = tracking.bound_hard_s.unwrap_or(0.0);
    let line = format!(
        "{}, {}: offset {}, within {} of cluster time | error={error:.9}s;{warn};{crit};0 \
         offset={offset:.9}s hard={hard:.9}s",
        tracking.role,
        tracking.state,
        human_offset(Offset::from_secs_f64(offset)),
        human(span),
    );
    (code, line)
}

/// `campanile makestep`.
///
/// # Errors
/// Where the daemon does not answer or does not want to.
pub(super) fn makestep(args: &MakestepArgs) -> Result<(), Failure> {
    let answer = told(&args.whom, "makestep")?;
    let by = answer["makestep"]["by_s"].as_f64().unwrap_or(0.0);
    say(&format!("the clock is stepped by {}\n", human_offset(Offset::from_secs_f64(by))))
}

/// `campanile resign`.
///
/// # Errors
/// Where the daemon does not answer or does not want to.
pub(super) fn resign(args: &ResignArgs) -> Result<(), Failure> {
    told(&args.whom, "resign")?;
    say("the reign is over\n")
}

/// `campanile reload`.
///
/// # Errors
/// Where the daemon does not answer or does not want to.
pub(super) fn reload(args: &ReloadArgs) -> Result<(), Failure> {
    told(&args.whom, "reload")?;
    say("the daemon reloads\n")
}

fn told(whom: &Whom, action: &str) -> Result<Value, Failure> {
    Ok(Line::open(whom.control.as_ref())?.ask(json!({ "do": action }))?)
}

/// `campanile validate`.
///
/// # Errors
/// The first thing that is wrong with the file.
pub(super) fn validate(args: &ValidateArgs) -> Result<(), Failure> {
    let Verdict { settings, unfit } = config::validate(&args.file, &super::command())?;
    let order = unfit.map_or_else(
        || "all in order".to_owned(),
        |(role, why)| format!("in order, but not for campanile {role}: {why}"),
    );
    say(&format!("{}: {settings} settings, {order}\n", args.file.display()))
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = Out::default();
    out.text(text);
    out.end()
}
