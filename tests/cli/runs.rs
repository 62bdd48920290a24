//! Commands that run to their end: help, demo, sim, report.

use serde_json::Value;

use crate::{assert_refused, commands, run, stdout};

#[test]
fn help_teaches_and_ends_well() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("campanile demo"));
    for command in commands() {
        let command = command.as_str();
        let output = run(&[command, "--help"]);
        assert!(output.status.success() && output.stderr.is_empty());
        let help = stdout(&output);
        assert!(help.contains("Examples:"), "{command}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{command}");
        // Each flag that takes a time, a rate or a count states its range or its default.
        for flag in help.lines().filter(|line| line.trim_start().starts_with("--")) {
            let flag = flag.trim().trim_start_matches("--");
            let flag = flag.split([' ', '=']).next().unwrap();
            // Those say what this one run is for.
            let of_this_run = [
                "list", "table", "seeds", "minutes", "nodes", "tiers", "leaves", "write", "json",
                "csv", "verbose", "id", "node",
            ];
            if !of_this_run.contains(&flag) {
                let variable = format!("CAMPANILE_{}", flag.replace('-', "_").to_uppercase());
                assert!(help.contains(&variable), "{command} --{flag}: {variable}");
            }
        }
    }
    assert!(stdout(&run(&["--version"])).starts_with("campanile "));
    assert_eq!(run(&[]).status.code(), Some(2));
}

#[test]
fn the_demo_keeps_its_contract() {
    let args = ["demo", "--slaves", "3", "--rounds", "6", "--interval", "100ms", "--seed", "11"];
    let output = run(&[&args[..], &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    assert_eq!(told["rounds"], 6);
    assert_eq!(told["seed"], 11);
    assert!(told["stepped"].as_u64().unwrap() >= 1);
    let secs = |name: &str| told[name].as_f64().unwrap_or_else(|| panic!("{name}: {told}"));
    assert!(secs("spread_start_s") > 10e-3, "{told}");
    assert!(secs("spread_end_s") < 100e-6, "{told}");
    assert!(0.0 < secs("rtt_p50_s") && secs("rtt_p50_s") <= secs("rtt_p99_s"), "{told}");
    assert!(secs("rtt_p99_s") < 10e-3, "{told}");
    assert_eq!(told["nodes"].as_array().unwrap().len(), 4);
}

#[test]
fn the_demo_tells_people_and_writes_a_log_that_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("demo.hlog");
    let log = log.to_str().unwrap();
    let output =
        run(&["demo", "--slaves", "2", "--rounds", "5", "--interval", "100ms", "--report", log]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = stdout(&output);
    assert!(!told.contains('\u{1b}'), "escapes without a terminal: {told}");
    for part in ["Seed ", "round  5 of 5:", "3 clocks that were", "round trip", "slave-2"] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
    let read = run(&["report", log, "--json"]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let read: Value = serde_json::from_str(stdout(&read)).unwrap();
    assert!(read["cluster"]["round_trip"]["count"].as_u64().unwrap() > 10, "{read}");
    assert!(stdout(&run(&["report", log])).contains("slave-1"));
}

#[test]
fn a_demo_that_does_not_succeed_says_so() {
    let output = run(&[
        "demo",
        "--slaves",
        "1",
        "--rounds",
        "1",
        "--interval",
        "50ms",
        "--offset-range",
        "1h",
        "--seed",
        "3",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.lines().count() == 1 && said.contains("still"), "{said}");
}

#[test]
fn a_simulation_repeats_to_the_byte() {
    let args = ["sim", "quiet", "--seed", "1", "--duration", "2m", "--json"];
    let (first, second) = (run(&args), run(&args));
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(first.stdout, second.stdout);
    let told: Value = serde_json::from_str(stdout(&first)).unwrap();
    for name in [
        "spread_rms_s",
        "spread_p50_s",
        "spread_p99_s",
        "spread_max_s",
        "settled_below_100us_s",
        "wander_s",
        "steps",
        "packets",
    ] {
        assert!(told[name].is_number(), "{name}: {told}");
    }
    let other = run(&["sim", "quiet", "--seed", "2", "--duration", "2m", "--json"]);
    assert_ne!(first.stdout, other.stdout);
}

#[test]
fn a_falseticker_is_named() {
    let told = run(&["sim", "falsetick", "--duration", "4m"]);
    assert!(told.status.success());
    assert!(stdout(&told).contains("node6 was not counted from"), "{}", stdout(&told));
    assert!(stdout(&run(&["sim", "--list"])).lines().count() >= 7);
}

#[test]
fn a_scenario_that_is_none_gets_one_line() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "nodes = 3 = 4", "[[unknown]]\n", "duration = \"5\"\n", "\u{1b}[2J"] {
        let path = dir.path().join("lan.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let output = run(&["sim", path, "--duration", "1s"]);
        assert_refused(&output, 2, &[path]);
    }
}

#[test]
fn a_log_that_is_none_gets_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.hlog");
    let demo = run(&[
        "demo",
        "--slaves",
        "1",
        "--rounds",
        "3",
        "--interval",
        "50ms",
        "--report",
        whole.to_str().unwrap(),
    ]);
    assert!(whole.exists(), "{}", String::from_utf8_lossy(&demo.stderr));
    let whole = std::fs::read(whole).unwrap();
    // Damaged in the middle; cut off at the end is another matter.
    let mut damaged = whole.clone();
    let at = whole.windows(4).position(|four| four == b"HIST").unwrap();
    damaged[at + 20] = b'!';
    for bytes in [&damaged[..], b"", b"\x7fELF\x02\x01", b"time,value\n1,2\n", &[0xff; 4096][..]] {
        let path = dir.path().join("odd.hlog");
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap();
        assert_refused(&run(&["report", path]), 2, &[path]);
        assert_refused(&run(&["report", path, "--json"]), 2, &[path]);
    }
}
