//! What comes out: a line for people, a line for programs.

use std::fmt;
use std::fs;

use super::slaves::{Plan, Played};

/// What it was measured on.
pub fn machine(cores: usize) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "# {}, {cores} cores, Linux {}, load {}",
        model.map_or("unknown processor", |(_, name)| name),
        kernel.trim(),
        load.split(' ').next().unwrap_or("?")
    )
}

/// One size.
pub struct Row {
    slaves: usize,
    interval: f64,
    sealed: bool,
    all_in: f64,
    corrected: f64,
    storm_p99: f64,
    late: [f64; 3],
    exchanges: u64,
    seconds: f64,
    missed: u64,
    unpolled: u64,
    drops: u64,
    busy: f64,
    own: f64,
    /// Of the bare loop before and after.
    bares: [f64; 2],
    each: f64,
    stats: String,
}

impl Row {
    /// As wide as a terminal.
    pub const HEADING: &str = "slaves round mac exch/s us/exch bare ratio core   late p99   max miss drop  B/slave all in";

    pub fn new(plan: &Plan, played: &Played, bares: [Played; 2]) -> Self {
        let late = [0.5, 0.99, 1.0].map(|q| millis(&played.late, q));
        Self {
            slaves: plan.slaves,
            interval: plan.interval as f64 * 1e-3,
            sealed: plan.sealed,
            all_in: played.all_in,
            corrected: played.corrected,
            storm_p99: millis(&played.storm, 0.99),
            late,
            exchanges: played.polls,
            seconds: played.seconds,
            missed: played.missed,
            unpolled: played.unpolled,
            drops: played.drops,
            busy: played.cpu / played.seconds,
            own: micros_each(played),
            bares: bares.map(|bare| micros_each(&bare)),
            each: played.resident.saturating_sub(played.base) as f64 / plan.slaves as f64,
            stats: played.stats.clone(),
        }
    }

    /// Whether everybody was polled at all; how well is for whoever reads the figures.
    pub fn is_sound(&self) -> bool {
        self.unpolled == 0 && self.exchanges > 0
    }

    fn bare(&self) -> f64 {
        self.bares.iter().sum::<f64>() / self.bares.len() as f64
    }

    /// What the daemon costs, in terms of the bare loop.
    pub fn ratio(&self) -> f64 {
        self.own / self.bare()
    }

    pub fn json(&self) -> String {
        format!(
            "{{\"slaves\":{},\"mac\":{},\"interval_s\":{},\"exchanges\":{},\"seconds_s\":{:.3},\"cpu_per_exchange_s\":{:.4e},\
             \"bare_cpu_per_exchange_s\":{:.4e},\"bare_before_cpu_per_exchange_s\":{:.4e},\
             \"bare_after_cpu_per_exchange_s\":{:.4e},\"ratio\":{:.3},\"core_share\":{:.3},\
             \"late_p50_s\":{:.6},\"late_p99_s\":{:.6},\"late_max_s\":{:.6},\
             \"rounds_missed\":{},\"unpolled\":{},\"kernel_drops\":{},\"bytes_per_slave\":{:.0},\
             \"all_in_s\":{:.2},\"corrected_s\":{:.2},\"storm_late_p99_s\":{:.6},\"stats\":{}}}",
            self.slaves,
            self.sealed,
            self.interval,
            self.exchanges,
            self.seconds,
            self.own * 1e-6,
            self.bare() * 1e-6,
            self.bares[0] * 1e-6,
            self.bares[1] * 1e-6,
            self.ratio(),
            self.busy,
            self.late[0] * 1e-3,
            self.late[1] * 1e-3,
            self.late[2] * 1e-3,
            self.missed,
            self.unpolled,
            self.drops,
            self.each,
            self.all_in,
            self.corrected,
            self.storm_p99 * 1e-3,
            self.stats,
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>6}{:>5}s {:<3}{:>7.0}{:>8.2}{:>5.1}{:>6.2}{:>4.0}%{:>9.1}ms{:>4.0}ms{:>5}{:>5}{:>9.0}{:>6.1}s",
            self.slaves,
            self.interval,
            if self.sealed { "on" } else { "off" },
            self.exchanges as f64 / self.seconds,
            self.own,
            self.bare(),
            self.ratio(),
            self.busy * 100.0,
            self.late[1],
            self.late[2],
            self.missed,
            self.drops,
            self.each,
            self.all_in,
        )
    }
}

/// Of several runs.
pub fn summary(mut ratios: Vec<f64>) -> String {
    ratios.sort_unstable_by(f64::total_cmp);
    let (n, middle) = (ratios.len(), ratios.len() / 2);
    let median =
        if n % 2 == 1 { ratios[middle] } else { (ratios[middle - 1] + ratios[middle]) / 2.0 };
    format!("# of {n} runs: median ratio {median:.2} ({:.2} to {:.2})", ratios[0], ratios[n - 1])
}

fn micros_each(played: &Played) -> f64 {
    played.cpu / played.polls.max(1) as f64 * 1e6
}

fn millis(sorted: &[i64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).ceil() as usize;
    sorted.get(at).map_or(f64::NAN, |&nanos| nanos as f64 * 1e-6)
}
