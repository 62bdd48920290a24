//! How far apart real daemons on a real kernel are, by the truth: two clusters of six network
//! namespaces side by side, one with the kernel's timestamps, one with the daemon's own; once on
//! an idle machine, once on a busy one.
//!
//! All clocks are virtual, wrong by some amount and drifting, and all stand on the machine's one
//! raw counter; `--json` tells what each shows over it. So what they show at one and the same
//! instant is known exactly, whatever the daemons believe.

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use campanile::report::{human, human_offset};
use campanile::time::{Map, Offset, Raw, Shown, Span, Time};
use clap::Parser;
use common::daemon::Daemon;
use common::lan::{Lan, address};
use common::{instants, raw_now, showed, sleep, width, within};
use serde_json::Value;

/// Clocks wrong by up to half a second and 50 ppm, the master's first.
const CLOCKS: [&str; 6] = [
    "virtual:offset=+80ms,drift=+9ppm",
    "virtual:offset=-250ms,drift=+40ppm",
    "virtual:offset=+420ms,drift=-37ppm",
    "virtual:offset=-3ms,drift=-50ppm",
    "virtual:offset=+170ms,drift=+50ppm",
    "virtual:offset=-500ms,drift=+21ppm",
];
const STAMPS: [&str; 2] = ["kernel", "daemon"];

/// True spread of six daemons in network namespaces (needs root and iproute2)
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench spread --")]
struct Flags {
    /// How long a fresh cluster may settle before it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    settle: u64,

    /// How long it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    measure: u64,

    /// The masters' --interval
    #[arg(long, value_name = "TIME", default_value = "1s")]
    interval: String,

    /// Leave out the busy half
    #[arg(long)]
    idle_only: bool,

    /// Leave out the idle half
    #[arg(long, conflicts_with = "idle_only")]
    busy_only: bool,

    /// What cargo bench passes, and cargo test does not
    #[arg(long, hide = true)]
    bench: bool,
}

impl Flags {
    /// For `cargo test`: only that it works.
    fn smoke() -> Self {
        let interval = "100ms".into();
        Self { settle: 4, measure: 1, interval, idle_only: false, busy_only: false, bench: false }
    }
}

fn main() {
    let flags =
        if std::env::args().any(|arg| arg == "--bench") { Flags::parse() } else { Flags::smoke() };
    let lans = STAMPS.map(|stamps| Lan::new(&format!("-{stamps}"), CLOCKS.len() as u8));
    let lans = match lans {
        [Ok(kernel), Ok(daemon)] => [kernel, daemon],
        [Err(why), _] | [_, Err(why)] => {
            let why = format!("network namespaces need root and iproute2: {why}");
            assert!(std::env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "cannot run: {why}");
            return println!("skipped: {why}");
        }
    };
    println!("true spread of {} clocks, all figures of one and the same time\n", CLOCKS.len());
    println!("machine  stamps       p50        p99        max   round trip p50        p99");
    let mut notes = Vec::new();
    let left_out = |busy: bool| if busy { flags.idle_only } else { flags.busy_only };
    for busy in [false, true].into_iter().filter(|&busy| !left_out(busy)) {
        let work = if busy { Work::start() } else { Work::none() };
        notes.extend(measure(&lans, &flags, if busy { "busy" } else { "idle" }));
        work.end();
    }
    println!("\n{}", notes.join("\n"));
}

/// Both clusters, fresh, side by side: prints a row of each and returns what explains it.
fn measure(lans: &[Lan; 2], flags: &Flags, load: &str) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory for what they tell");
    let mut clusters: Vec<_> =
        (0..2).map(|i| Cluster::start(&lans[i], STAMPS[i], dir.path(), &flags.interval)).collect();
    let begun = within(30, || clusters.iter().all(Cluster::has_begun));
    assert!(begun, "a node does not begin:\n{}", clusters[0].said());
    sleep(flags.settle * 1_000);
    let from = raw_now();
    sleep(flags.measure * 1_000);
    let to = raw_now();
    let others = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let figures: Vec<_> = clusters.iter_mut().map(|cluster| cluster.judge(from, to)).collect();
    for figure in &figures {
        println!("{load:8} {figure}");
        assert!(figure.spread[1] < Span::from_millis(5), "they never met: {:?}", figure.spread);
    }
    let load_average = others.split(' ').next().unwrap_or_default();
    let mut notes =
        vec![format!("{load}: {load_average} processes wanted to run in the last minute")];
    notes.extend(figures.iter().map(|figure| format!("{load}, {}", figure.explained())));
    notes
}

/// A master and its slaves, real processes.
struct Cluster {
    stamps: &'static str,
    nodes: Vec<Daemon>,
}

impl Cluster {
    fn start(lan: &Lan, stamps: &'static str, dir: &Path, interval: &str) -> Self {
        let start = |number: u8| {
            let master = address(0).to_string();
            let role = match number {
                0 => ["master", "--interval", interval],
                _ => ["slave", "--master", &master],
            };
            let mut command = Command::new("ip");
            command
                .args(["netns", "exec", lan.node(number), env!("CARGO_BIN_EXE_campanile")])
                .args(role)
                .args(["--json", "--stamps", stamps, "--name", &format!("node-{number}")])
                .args(["--clock", CLOCKS[number as usize]]);
            Daemon::start(command, dir, &format!("{stamps}-{number}"))
        };
        Self { stamps, nodes: (0..CLOCKS.len() as u8).map(start).collect() }
    }

    fn has_begun(&self) -> bool {
        self.nodes.iter().all(|node| !node.courses().is_empty())
    }

    fn said(&self) -> String {
        self.nodes.iter().map(Daemon::log).collect()
    }

    /// Ends it, and says how far apart its clocks were between two raw instants.
    fn judge(&mut self, from: Time<Raw>, to: Time<Raw>) -> Figures {
        assert_eq!(self.nodes[0].terminate(), Some(0), "{}", self.said());
        let courses: Vec<_> = self.nodes.iter().map(Daemon::courses).collect();
        let mut spreads: Vec<_> =
            instants(from, to).map(|at| width(&shown(&courses, at))).collect();
        spreads.sort_unstable();
        let at = |share: f64| spreads[((spreads.len() - 1) as f64 * share) as usize];
        let nodes = (0..courses.len()).map(|node| scatter(&courses, node, from, to)).collect();
        let end = self.nodes[0].events().pop().expect("the last report");
        let spread = [at(0.5), at(0.99), at(1.0)];
        Figures { stamps: self.stamps, spread, nodes, end }
    }
}

fn shown(courses: &[Vec<Map<Raw, Shown>>], at: Time<Raw>) -> Vec<Time<Shown>> {
    courses.iter().map(|known| showed(known, at)).collect()
}

/// Mean and standard deviation of a node's clock against the middle of all.
fn scatter(
    courses: &[Vec<Map<Raw, Shown>>],
    node: usize,
    from: Time<Raw>,
    to: Time<Raw>,
) -> (Offset, Span) {
    let off = |at| {
        let all = shown(courses, at);
        let against = |other: &Time<Shown>| (all[node] - *other).as_secs_f64();
        all.iter().map(against).sum::<f64>() / all.len() as f64
    };
    let offs: Vec<f64> = instants(from, to).map(off).collect();
    let mean = offs.iter().sum::<f64>() / offs.len() as f64;
    let variance = offs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / offs.len() as f64;
    (Offset::from_secs_f64(mean), Span::from_secs_f64(variance.sqrt()))
}

/// What was found of a cluster.
struct Figures {
    stamps: &'static str,
    /// p50, p99 and the greatest.
    spread: [Span; 3],
    nodes: Vec<(Offset, Span)>,
    /// The master's last report.
    end: Value,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let trip = |name: &str| {
            let secs = self.end["cluster"]["round_trip"][name].as_f64();
            secs.map_or("-".into(), |secs| human(Span::from_secs_f64(secs)))
        };
        let [p50, p99, max] = self.spread.map(human);
        let (half, most) = (trip("p50_s"), trip("p99_s"));
        write!(f, "{:7} {p50:>10} {p99:>10} {max:>10} {half:>16} {most:>10}", self.stamps)
    }
}

impl Figures {
    /// Each node's share: a constant one is an asymmetry of its path, a changing one is noise.
    fn explained(&self) -> String {
        let node =
            |(mean, sd): &(Offset, Span)| format!("{} ± {}", human_offset(*mean), human(*sd));
        let nodes: Vec<_> = self.nodes.iter().map(node).collect();
        format!(
            "{}: against the mean of all, the master first: {}; the master's stamps: {}",
            self.stamps,
            nodes.join(", "),
            self.end["stamps"]
        )
    }
}

/// Other work on every core.
struct Work {
    over: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Work {
    fn none() -> Self {
        Self { over: Arc::default(), workers: Vec::new() }
    }

    fn start() -> Self {
        let over = Arc::<AtomicBool>::default();
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let worker = |_| {
            let over = Arc::clone(&over);
            thread::spawn(move || toil(&over))
        };
        Self { workers: (0..cores).map(worker).collect(), over }
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.join().expect("it only calculates");
        }
    }
}

/// Calculates, and sweeps the caches as it goes.
fn toil(over: &AtomicBool) {
    let mut table = vec![1u64; 1 << 19];
    while !over.load(Ordering::Relaxed) {
        for i in 0..table.len() {
            let from = table[i].wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i as u64);
            table[i] = table[(from >> 40) as usize % (1 << 19)] ^ from;
        }
        black_box(&table);
    }
}
