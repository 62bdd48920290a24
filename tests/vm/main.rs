//! The whole daemon on real kernels whose clocks may be set: three small virtual machines that
//! start hours and days apart keep their system clocks together, and are judged from outside.
//!
//! `prepare` says what that takes. Where the machines cannot be had the test is skipped and says
//! why; with `CAMPANILE_REQUIRE_ALL` in the environment it fails instead.

#![allow(clippy::disallowed_methods, reason = "whoever judges clocks has one of his own")]

mod answers;
mod judge;
mod kernel;
mod lab;
mod machine;
mod wire;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use campanile::time::Span;
use lab::Lab;

/// What the guests boot from.
///
/// # Errors
/// Why it cannot be had here.
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

#[test]
fn the_clocks_of_three_kernels_are_kept_together() {
    let dir = match prepared() {
        Ok(dir) => dir,
        Err(why) => {
            assert!(env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "cannot run: {why}");
            return println!("skipped: {why}");
        }
    };
    let lab = Lab::boot(&dir);
    lab.is_apart();
    lab.refuses_whoever_may_not_set_the_clock();
    lab.start();
    lab.meets(Duration::from_secs(60));
    lab.stays_together("quiet", 15, Span::from_micros(250));
    lab.kernels_are_synchronised();
    lab.disturb("delay 2ms 0.5ms loss 5%");
    lab.stays_together("delay 2 ms ± 0.5 ms, loss 5 %", 20, Span::from_micros(500));
    lab.kernels_are_synchronised();
    lab.calm();
    lab.outlives_a_restart();
    lab.kernels_are_synchronised();
    lab.has_never_stepped_since_it_met();
    lab.has_suspected_nobody();
    lab.leaves_its_clock_to_another_hand();
    lab.shares_its_clock_where_it_may();
}

/// Not a test: what a guest runs to answer the host.
#[test]
#[ignore = "runs inside the guests"]
fn inside_a_guest() {
    answers::serve();
}
