//! What a master costs that has many slaves: the real daemon, real sockets, made-up slaves.
//!
//! This process plays the slaves, each with an address (127.x.y.z) and a virtual clock of its own,
//! on one core; the daemon runs on another. In the same run a bare loop takes the daemon's place,
//! which moves the same datagrams with the same system calls and does nothing else: what the
//! daemon costs beyond that is its own. It runs before the daemon and after it, for what a system
//! call costs changes while others use the processor.
//!
//! See bench/README.md for how to run it and what the figures mean.

mod bare;
mod chrony;
mod figures;
mod master;
mod slaves;
mod wire;

use std::process::ExitCode;

use figures::Row;
use slaves::{Plan, Play};

/// Exchanges a second, unless told otherwise.
const RATE: usize = 10_000;

/// What is measured.
struct Args {
    slaves: Vec<usize>,
    /// Of a round, in milliseconds; none: so that there are [`RATE`] exchanges a second.
    interval: Option<u64>,
    seconds: u64,
    /// Within so many seconds all slaves ask for admission.
    join: f64,
    /// Without seals, with them.
    sealed: Vec<bool>,
    /// Rounds between the last slave's first correction and the measurement.
    settle: u32,
    /// How often each is measured.
    times: usize,
    /// chronyd is measured instead.
    chronyd: bool,
}

impl Args {
    /// `cargo bench --bench load -- [--slaves N]… [--interval MS] [--seconds S] [--join S]
    /// [--mac on|off] [--settle ROUNDS] [--times N] [--chronyd]`. With the tests, where there is no `--bench`, once at smoke size.
    fn parse() -> Result<Self, String> {
        let mut given = std::env::args().skip(1);
        let (slaves, sealed) = (Vec::new(), vec![false, true]);
        let mut args = Self {
            slaves,
            interval: None,
            seconds: 20,
            join: 10.0,
            sealed,
            settle: 3,
            times: 1,
            chronyd: false,
        };
        let mut measured = false;
        while let Some(arg) = given.next() {
            let mut value = || given.next().ok_or(format!("{arg} needs a value"));
            let bad = |e: &dyn std::fmt::Display| format!("{arg}: {e}");
            match arg.as_str() {
                "--bench" => measured = true,
                "--slaves" => args.slaves.push(value()?.parse().map_err(|e| bad(&e))?),
                "--interval" => args.interval = Some(value()?.parse().map_err(|e| bad(&e))?),
                "--seconds" => args.seconds = value()?.parse().map_err(|e| bad(&e))?,
                "--join" => args.join = value()?.parse().map_err(|e| bad(&e))?,
                "--settle" => args.settle = value()?.parse().map_err(|e| bad(&e))?,
                "--chronyd" => args.chronyd = true,
                "--times" => args.times = value()?.parse().map_err(|e| bad(&e))?,
                "--mac" => {
                    args.sealed = match value()?.as_str() {
                        "on" => vec![true],
                        "off" => vec![false],
                        other => return Err(format!("--mac {other}: on or off")),
                    }
                }
                // What cargo and its friends pass to every target.
                _ => {}
            }
        }
        if args.slaves.is_empty() {
            args.slaves = vec![1_000, 10_000, 100_000];
        }
        if !measured {
            (args.slaves, args.seconds, args.join) = (vec![200], 3, 0.5);
            args.interval = Some(1_000);
        }
        args.checked()
    }

    fn checked(mut self) -> Result<Self, String> {
        if let Some(n) = self.slaves.iter().find(|n| !(1..=1_000_000).contains(*n)) {
            return Err(format!("--slaves {n}: 1 to 1000000"));
        }
        if let Some(n) = self.interval.filter(|n| !(100..=60_000).contains(n)) {
            return Err(format!("--interval {n}: 100 to 60000 milliseconds"));
        }
        if !(1..=100).contains(&self.times) {
            return Err(format!("--times {}: 1 to 100", self.times));
        }
        if !(1..=1_000).contains(&self.settle) {
            return Err(format!("--settle {}: 1 to 1000", self.settle));
        }
        self.seconds = self.seconds.clamp(1, 3_600);
        self.join = self.join.clamp(0.1, 3_600.0);
        Ok(self)
    }

    fn plans(&self) -> impl Iterator<Item = Plan> + '_ {
        let sizes = move |sealed| self.slaves.iter().map(move |&slaves| (slaves, sealed));
        self.sealed.iter().copied().flat_map(sizes).map(|(slaves, sealed)| {
            let even = (slaves * 1_000 / RATE).clamp(100, 60_000) as u64;
            let interval = self.interval.unwrap_or(even);
            // Each slave is seen in two rounds at least.
            let seconds = self.seconds.max(2 * interval / 1_000 + 1);
            let Self { join, settle, .. } = *self;
            Plan { slaves, interval, seconds, join, settle, sealed }
        })
    }
}

fn main() -> ExitCode {
    if let Some(plan) = bare::Plan::from_args() {
        return done(bare::run(&plan));
    }
    if let Some(addr) = chrony::bare_from_args() {
        return done(chrony::run_bare(addr));
    }
    done(Args::parse().and_then(|args| measure(&args)))
}

fn done(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("load: {text}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<(), String> {
    let cores = master::cores();
    println!("{}", figures::machine(cores.len()));
    if args.chronyd {
        master::pin_self(cores.first().copied())?;
        println!("{}", chrony::measure(args.seconds, cores.last().copied())?);
        return Ok(());
    }
    println!("{}", Row::HEADING);
    let mut good = true;
    for plan in args.plans() {
        let mut ratios = Vec::with_capacity(args.times);
        for _ in 0..args.times {
            let row = once(&plan, &cores)?;
            good &= row.is_sound();
            println!("{row}");
            println!("{}", row.json());
            ratios.push(row.ratio());
        }
        if args.times > 1 {
            println!("{}", figures::summary(ratios));
        }
    }
    if good { Ok(()) } else { Err("not every slave was polled, or not every round".to_owned()) }
}

/// The bare loop, the daemon, and the bare loop again.
fn once(plan: &Plan, cores: &[usize]) -> Result<Row, String> {
    master::pin_self(cores.first().copied())?;
    let core = cores.last().copied();
    let bare = |rate| {
        let subject = master::Subject::bare(rate, core)?;
        Play::new(plan, &subject)?.run_bare()
    };
    let before = bare(plan.polls_per_second())?;
    let daemon = master::Subject::daemon(plan, core)?;
    let played = Play::new(plan, &daemon)?.run()?;
    drop(daemon);
    // It moves no more than the daemon did.
    let after = bare(played.polls_per_second())?;
    Ok(Row::new(plan, &played, [before, after]))
}
