//! The flags that several commands share, and the types of their values.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::place::{self, Place};
use crate::clock::Limits;
use crate::net::Wanted;
use crate::proto::MasterSettings;
use crate::time::{Offset, Rate, Span};
use crate::units;
use crate::wire::Name;

const MINUTE: Span = Span::from_secs(60);

const DAY: Span = Span::from_secs(86_400);

/// The clock a node shows and steers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ClockChoice {
    /// One of our own making, which starts wrong by what is given.
    Virtual {
        /// Its start against the system clock, positive ahead.
        offset: Offset,
        /// Its rate while nobody corrects it, positive fast.
        drift: Rate,
    },
    /// The clock of this machine.
    System,
}

/// Where another node is: a host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target(String);

impl Target {
    /// As it was typed.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a clock may be stepped rather than slewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepThreshold(pub(super) Option<Span>);

/// The values of --stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Stamps {
    /// The kernel's where it gives them, else the daemon's own
    Auto,
    /// The kernel's; end where it gives none
    Kernel,
    /// The daemon's own readings only
    Daemon,
}

impl Stamps {
    pub(super) fn wanted(self) -> Wanted {
        match self {
            Stamps::Auto => Wanted::Best,
            Stamps::Kernel => Wanted::Kernel,
            Stamps::Daemon => Wanted::Daemon,
        }
    }

    /// As it is typed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Stamps::Auto => "auto",
            Stamps::Kernel => "kernel",
            Stamps::Daemon => "daemon",
        }
    }
}

/// What a node is and what may be done to its clock.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Clock and node")]
pub(super) struct NodeFlags {
    /// The clock to show and to steer: `virtual`, which may start wrong for a trial, as in
    /// virtual:offset=+250ms,drift=-40ppm; or `system`, the clock of this machine, which needs
    /// root or CAP_SYS_TIME
    #[arg(long, env = "CAMPANILE_CLOCK", value_name = "CLOCK", default_value = "virtual",
          value_parser = clock)]
    pub(super) clock: ClockChoice,

    /// Go on where something else steers the system clock too, from wherever that has put it; else
    /// the node says so, leaves the clock alone and ends
    #[arg(long, env = "CAMPANILE_SHARE_CLOCK", value_parser = BoolishValueParser::new())]
    pub(super) share_clock: bool,

    /// A clock surely further off than this is stepped, but only in the first --step-updates
    /// updates; else it is slewed; 1us to 1d, or `never`
    #[arg(long, env = "CAMPANILE_STEP_THRESHOLD", value_name = "TIME", default_value = "1ms",
          value_parser = step_threshold, allow_hyphen_values = true)]
    pub(super) step_threshold: StepThreshold,

    /// How many updates from the start may step the clock; 0 to 1000000
    #[arg(long, env = "CAMPANILE_STEP_UPDATES", value_name = "COUNT", default_value = "3",
          value_parser = |s: &str| count(s, 0, 1_000_000), allow_hyphen_values = true)]
    pub(super) step_updates: u32,

    /// How fast an offset is worked off by running faster or slower, on top of the clock's own
    /// rate; 1ppm to 50000ppm
    #[arg(long, env = "CAMPANILE_MAX_SLEW", value_name = "RATE", default_value = "500ppm",
          value_parser = max_slew, allow_hyphen_values = true)]
    pub(super) max_slew: Rate,

    /// Who reads the clock when a datagram leaves and arrives: the kernel is some ten times as
    /// exact as the daemon, but not every kernel and driver does
    #[arg(long, env = "CAMPANILE_STAMPS", value_name = "WHO", default_value = "auto")]
    pub(super) stamps: Stamps,

    /// What people call this node; 1 to 32 bytes [default: the host name]
    #[arg(long, env = "CAMPANILE_NAME", value_name = "NAME", value_parser = name)]
    pub(super) name: Option<Name>,

    /// Keep this node's identity and the rate it has learned over restarts, in the files node-id
    /// and drift of this directory [default: a new identity and an unknown rate at each start]
    #[arg(long, env = "CAMPANILE_STATE_DIR", value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,

    /// Where to serve campanile tracking, peers and the like: the path of a Unix socket, or
    /// `none` [default: /run/campanile/campanile.sock; where that is not ours, campanile.sock in
    /// --state-dir or in $XDG_RUNTIME_DIR/campanile]
    #[arg(long, env = "CAMPANILE_CONTROL", value_name = "PATH", value_parser = place::place)]
    pub(super) control: Option<Place>,

    /// Serve metrics for Prometheus at http://ADDR:PORT/metrics, to whoever can reach that
    #[arg(long, env = "CAMPANILE_METRICS", value_name = "ADDR:PORT", value_parser = metrics)]
    pub(super) metrics: Option<SocketAddr>,
}

impl NodeFlags {
    /// Whether they go together.
    ///
    /// # Errors
    /// Where they do not.
    pub(super) fn fit(&self) -> Result<(), Failure> {
        if self.share_clock && self.clock != ClockChoice::System {
            let why = "--share-clock: allowed with --clock system only; nothing else can steer a \
                       virtual clock";
            return Err(Failure::input(why));
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_slew: self.max_slew,
            step_threshold: self.step_threshold.0,
            step_updates: self.step_updates,
        }
    }
}

/// What is told while a node runs, and for how long it does.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputFlags {
    /// Write the histograms of each report interval into this file, an HdrHistogram interval log;
    /// an earlier log there is kept as FILE.1, or with the next number that is free. SIGHUP begins
    /// a new one
    #[arg(long, env = "CAMPANILE_REPORT", value_name = "FILE.hlog")]
    pub(super) report: Option<PathBuf>,

    /// How often to print and write a report; 100ms to 1d
    #[arg(long, env = "CAMPANILE_REPORT_INTERVAL", value_name = "TIME", default_value = "10s",
          value_parser = |s: &str| units::span(s, Span::from_millis(100), DAY),
          allow_hyphen_values = true)]
    pub(super) report_interval: Span,

    /// End after this time; 100ms to 3650d [default: run until interrupted]
    #[arg(long, env = "CAMPANILE_DURATION", value_name = "TIME", value_parser = duration,
          allow_hyphen_values = true)]
    pub(super) duration: Option<Span>,

    /// Print one JSON object a line, and nothing else, on standard output: times in seconds under
    /// names that end in _s, instants in nanoseconds under names that end in _ns
    #[arg(long, env = "CAMPANILE_JSON", value_parser = BoolishValueParser::new())]
    pub(super) json: bool,

    /// Say only what goes wrong, and the last report
    #[arg(long, short, env = "CAMPANILE_QUIET", value_parser = BoolishValueParser::new())]
    pub(super) quiet: bool,

    /// Say what happens in each round, with --json each exchange too; wins over --quiet
    #[arg(long, short, env = "CAMPANILE_VERBOSE", value_parser = BoolishValueParser::new())]
    pub(super) verbose: bool,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// What goes wrong, and the last report.
    Quiet,
    /// What happens, and each report.
    Usual,
    /// Each round too.
    Verbose,
}

impl OutputFlags {
    pub(super) fn detail(&self) -> Detail {
        match (self.verbose, self.quiet) {
            (true, _) => Detail::Verbose,
            (false, true) => Detail::Quiet,
            (false, false) => Detail::Usual,
        }
    }
}

/// Parses `virtual[:offset=OFFSET,drift=RATE]` or `system`.
fn clock(text: &str) -> Result<ClockChoice, String> {
    let (kind, settings) = text.split_once(':').map_or((text, None), |(k, s)| (k, Some(s)));
    let allowed = "allowed is system, or virtual with an offset and a drift if it shall start \
                   wrong, as in virtual:offset=+250ms,drift=-40ppm";
    let (mut offset, mut drift) = (None, None);
    match (kind, settings) {
        ("system", None) => return Ok(ClockChoice::System),
        ("virtual", _) => {}
        _ => return Err(allowed.to_owned()),
    }
    for setting in settings.into_iter().flat_map(|all| all.split(',')) {
        let said = |why: String| format!("{setting}: {why}");
        match setting.split_once('=') {
            Some(("offset", value)) if offset.is_none() => {
                offset = Some(units::offset(value, DAY).map_err(said)?);
            }
            Some(("drift", value)) if drift.is_none() => {
                drift = Some(units::rate(value, -MAX_DRIFT, MAX_DRIFT).map_err(said)?);
            }
            _ => return Err(allowed.to_owned()),
        }
    }
    let (offset, drift) = (offset.unwrap_or_default(), drift.unwrap_or_default());
    Ok(ClockChoice::Virtual { offset, drift })
}

/// The worst drift a virtual clock may be given.
const MAX_DRIFT: Rate = Rate::from_ppm(10_000.0);

fn step_threshold(text: &str) -> Result<StepThreshold, String> {
    if text == "never" {
        return Ok(StepThreshold(None));
    }
    let span = units::span(text, Span::from_micros(1), DAY);
    span.map(|span| StepThreshold(Some(span))).map_err(|why| format!("{why}, or never"))
}

fn max_slew(text: &str) -> Result<Rate, String> {
    units::rate(text, Rate::from_ppm(1.0), Rate::from_ppm(50_000.0))
}

pub(super) fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|_| {
        format!(
            "allowed is 1 to {} bytes without control characters, and no blanks at the ends",
            Name::MAX
        )
    })
}

/// A whole number from `least` to `most`.
pub(super) fn count(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let within = |n: &u32| (least..=most).contains(n);
    let allowed = || format!("allowed is a whole number from {least} to {most}");
    text.parse().ok().filter(within).ok_or_else(allowed)
}

/// How long something runs.
pub(super) fn duration(text: &str) -> Result<Span, String> {
    units::span(text, Span::from_millis(100), DAY.times(3_650))
}

/// The length of a round; `least` to an hour.
pub(super) fn interval(text: &str) -> Result<Span, String> {
    units::span(text, MasterSettings::MIN_INTERVAL, MasterSettings::MAX_INTERVAL)
}

/// A limit on a measured time, from a microsecond to a minute.
pub(super) fn limit(text: &str) -> Result<Span, String> {
    units::span(text, Span::from_micros(1), MINUTE)
}

/// Parses `ADDR:PORT`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "allowed is ADDR:PORT with a numeric address, as in 0.0.0.0:7045 or [::]:7045".to_owned()
    })
}

/// Parses `ADDR:PORT` for metrics.
fn metrics(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "allowed is ADDR:PORT with a numeric address, as in 127.0.0.1:9745 or [::]:9745".to_owned()
    })
}

/// One of the names in a list, which people write with a blank after the comma.
pub(super) fn name_in_list(text: &str) -> Result<Name, String> {
    name(text.trim())
}

/// Parses `HOST[:PORT]`, one perhaps of a list; whether the host exists is found out later.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let text = text.trim();
    let allowed = || {
        "allowed is HOST or HOST:PORT, as in rack-3, 10.0.0.3:7045 or [fe80::1]:7045, with a port \
         from 1 to 65535"
            .to_owned()
    };
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address without brackets, hence without a port.
        Some((front, _)) if front.contains(':') && !text.starts_with('[') => (text, None),
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let is_v6 =
        |h: &str| h.split('%').next().is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    let host_fits = match inner {
        Some(inner) => is_v6(inner),
        None if host.contains(':') => is_v6(host),
        None => is_host_name(host),
    };
    let port_fits = port.is_none_or(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
    if host_fits && port_fits { Ok(Target(text.to_owned())) } else { Err(allowed()) }
}

/// Letters, digits, dots, hyphens and underscores, as in names and in IPv4 addresses.
fn is_host_name(host: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=253).contains(&host.len()) && !host.starts_with('-') && host.chars().all(allowed)
}

/// Polls in a row.
pub(super) fn burst(text: &str) -> Result<u8, String> {
    let most = u32::from(MasterSettings::MAX_BURST);
    // It fits: the greatest burst is one byte.
    count(text, 1, most).map(|burst| burst as u8)
}

/// A seed: any number of 64 bits.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("allowed is a whole number from 0 to {}", u64::MAX))
}
