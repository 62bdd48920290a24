//! The systemd unit: what it gives away, judged by systemd's own measure.

#![expect(clippy::disallowed_methods, reason = "the environment says whether tests may be skipped")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Exposure as `systemd-analyze security` counts it: 0 nothing to 10 everything.
const MOST: f64 = 2.0;

fn unit() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/campanile.service")
}

#[test]
fn the_unit_exposes_little() {
    let mut command = Command::new("systemd-analyze");
    let Ok(output) = command.args(["security", "--offline=true"]).arg(unit()).output() else {
        assert!(env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "systemd-analyze is missing");
        return println!("skipped: no systemd-analyze here");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.contains("Overall exposure level"));
    let line = line.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    let after = line.split(':').nth(1).unwrap_or_default();
    let exposure: f64 = after.split_whitespace().next().unwrap().parse().expect("a number");
    println!("exposure {exposure}");
    assert!(exposure <= MOST, "{line}");
}

#[test]
fn the_unit_gives_one_right_to_an_ordinary_user_and_keeps_its_state_from_others() {
    let text = std::fs::read_to_string(unit()).unwrap();
    let all = |key: &str| -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    };
    for (key, value) in [
        ("User", "campanile"),
        ("AmbientCapabilities", "CAP_SYS_TIME"),
        ("CapabilityBoundingSet", "CAP_SYS_TIME"),
        ("NoNewPrivileges", "yes"),
        ("StateDirectory", "campanile"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(all(key), [value], "{key}");
    }
    // It must be able to do what it is for.
    assert!(!text.contains("\nProtectClock=yes"), "the clock is what it steers");
}
