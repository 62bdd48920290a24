//! The whole daemon on real kernels whose clocks may be set: three small virtual machines, hours
//! and days apart, keep their system clocks together, and are judged from outside.
//!
//! Needs root once, to install QEMU (see `prepare`). Where the machines cannot be had the test is
//! skipped and says why; with `CAMPANILE_REQUIRE_ALL` set in the environment it fails instead.

mod answers;
mod judge;
mod machine;
mod wire;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use judge::{Judge, Verdict};
use machine::Machine;
use wire::free_port;

/// What the guests call the three nodes: the first is the master, the others are its slaves.
const DATES: [&str; 3] = ["2026-03-01T12:00:00", "2026-03-01T07:30:00", "2026-03-04T01:00:00"];

/// Boots the guests, or says why that is impossible here.
struct Lab {
    machines: Vec<Machine>,
    started: Instant,
}

impl Lab {
    fn say(&self, text: impl AsRef<str>) {
        eprintln!("{:6.1} s  {}", self.started.elapsed().as_secs_f64(), text.as_ref());
    }
}

/// What the guests boot from; `Err` says why it cannot be had.
fn prepared() -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/prepare");
    let programs = [PathBuf::from(env!("CARGO_BIN_EXE_campanile")), env::current_exe().unwrap()];
    let ran = Command::new("sh").arg(script).arg(&dir).args(programs).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    match ran.status.code() {
        Some(0) => Ok(dir),
        Some(3) => Err(said.lines().last().unwrap_or("for no reason told").to_owned()),
        _ => panic!("tests/vm/prepare failed ({}):\n{said}", ran.status),
    }
}

fn boot(dir: &Path) -> Lab {
    let started = Instant::now();
    let wire = free_port();
    let boot = |(i, date): (usize, &&str)| Machine::boot(dir, i as u8 + 1, date, wire);
    let machines: Vec<_> = DATES.iter().enumerate().map(boot).collect();
    for machine in &machines {
        machine.wait_until_up(Duration::from_secs(90));
    }
    let lab = Lab { machines, started };
    lab.say("three guests are up");
    lab
}

#[test]
fn system_clocks_of_three_kernels_are_kept_together() {
    let dir = match prepared() {
        Ok(dir) => dir,
        Err(why) if env::var_os("CAMPANILE_REQUIRE_ALL").is_some() => panic!("required: {why}"),
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let lab = boot(&dir);
    let judge = Judge::new(&lab.machines);
    for _ in 0..5 {
        let verdict = judge.judge();
        lab.say(format!("{verdict:?}"));
        sleep(Duration::from_millis(500));
    }
    lab.say(lab.machines[0].run("cat /sys/devices/system/clocksource/clocksource0/*_clocksource; adjtimex; lsmod; ip a; ping -c 3 10.0.0.2; id; tc qdisc"));
    let _ = Verdict::default();
}

/// Not a test: what a guest runs to answer the host.
#[test]
#[ignore = "runs inside the guests"]
fn inside_a_guest() {
    answers::serve();
}
