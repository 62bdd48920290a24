//! The command line, as the real program: what it prints, and how it ends.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_campanile");

/// The program without what the tester's own environment sets.
fn campanile() -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAMPANILE_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    campanile().args(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Asserts that the program refused with `code` and one line on standard error that holds all of
/// `parts`, and printed nothing.
fn assert_refused(output: &Output, code: i32, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("campanile"), "{said}");
    assert_eq!(stdout(output), "", "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

/// A nonsense value for every flag that takes one: command, flag, value, what the line must say.
const NONSENSE: &[(&str, &str, &str, &str)] = &[
    ("master", "--listen", "here", "ADDR:PORT"),
    ("master", "--listen", "0.0.0.0", "ADDR:PORT"),
    ("master", "--listen", "[::]:70450", "ADDR:PORT"),
    ("master", "--slave", "a b", "HOST:PORT"),
    ("master", "--slave", "rack-1:0", "1 to 65535"),
    ("master", "--slave", "", "HOST:PORT"),
    ("master", "--interval", "5", "needs a unit"),
    ("master", "--interval", "49ms", "50ms to 1h"),
    ("master", "--interval", "-1s", "50ms to 1h"),
    ("master", "--interval", "fast", "50ms to 1h"),
    ("master", "--burst", "17", "1 to 16"),
    ("master", "--burst", "-1", "1 to 16"),
    ("master", "--tolerance", "10", "needs a unit"),
    ("master", "--max-rtt", "10ppm", "no unit `ppm`"),
    ("master", "--average", "median", "plain, trimmed"),
    ("master", "--max-slaves", "0", "1 to 10000"),
    ("master", "--clock", "sundial", "virtual"),
    ("master", "--clock", "virtual:offset=250", "needs a unit"),
    ("master", "--clock", "virtual:drift=40ms", "no unit `ms`"),
    ("master", "--clock", "virtual:colour=red", "virtual:offset=+250ms,drift=-40ppm"),
    ("master", "--clock", "system:offset=1s", "allowed is system"),
    ("master", "--step-threshold", "1", "or never"),
    ("master", "--step-updates", "many", "whole number"),
    ("master", "--max-slew", "500", "needs a unit"),
    ("master", "--max-slew", "0ppm", "1ppm to 50000ppm"),
    ("master", "--name", "\u{1b}[2J", "1 to 32 bytes"),
    ("master", "--report-interval", "1ms", "100ms to 1d"),
    ("master", "--duration", "forever", "100ms to 3650d"),
    ("slave", "--master", "host:port:port", "HOST:PORT"),
    ("slave", "--master", "[::1", "HOST:PORT"),
    ("slave", "--listen", "7045", "ADDR:PORT"),
    ("slave", "--clock", "", "allowed is system"),
    ("slave", "--step-threshold", "2d", "1us to 1d"),
    ("slave", "--max-slew", "-1ppm", "1ppm to 50000ppm"),
    ("demo", "--slaves", "65", "1 to 64"),
    ("demo", "--rounds", "0", "1 to 100000"),
    ("demo", "--interval", "1ms", "50ms to 1h"),
    ("demo", "--seed", "-1", "whole number"),
    ("demo", "--offset-range", "2h", "0s to 1h"),
    ("demo", "--drift-range", "-5ppm", "0ppm to 400ppm"),
    ("sim", "--seed", "lucky", "whole number"),
    ("sim", "--duration", "3600", "needs a unit"),
    ("sim", "--interval", "0s", "50ms to 1h"),
    ("sim", "--burst", "0", "1 to 16"),
];

#[test]
fn a_nonsense_value_gets_one_line_that_names_flag_value_and_what_is_allowed() {
    for &(command, flag, value, allowed) in NONSENSE {
        let shown: String = value.chars().filter(|c| !c.is_control()).collect();
        assert_refused(&run(&[command, flag, value]), 2, &[command, flag, shown.trim(), allowed]);
    }
}

#[test]
fn a_nonsense_value_in_the_environment_is_named_after_its_variable() {
    let output = campanile().env("CAMPANILE_INTERVAL", "5").arg("master").output().unwrap();
    assert_refused(&output, 2, &["CAMPANILE_INTERVAL=5", "needs a unit", "50ms to 1h"]);
    let output = campanile().env("CAMPANILE_JSON", "perhaps").arg("demo").output().unwrap();
    assert_refused(&output, 2, &["CAMPANILE_JSON=perhaps"]);
}

#[test]
fn bad_usage_gets_one_line() {
    for (args, parts) in [
        (&["mister"][..], &["mister", "demo, master, slave, sim, report"][..]),
        (&["master", "--slaves", "3"], &["--slaves", "--slave"]),
        (&["master", "--interval"], &["--interval", "needs a value"]),
        (&["master", "--interval", "1s", "--interval", "2s"], &["--interval", "once"]),
        (&["master", "--json=maybe"], &["--json"]),
        (&["master", "surplus"], &["surplus"]),
        (&["report"], &["FILE.hlog"]),
        (&["sim"], &["quiet", "FILE.toml"]),
        (&["sim", "nosuch"], &["nosuch", "quiet, busy"]),
        (&["sim", "missing/lan.toml"], &["missing/lan.toml", "No such file"]),
        (&["report", "missing.hlog"], &["missing.hlog", "No such file"]),
    ] {
        assert_refused(&run(args), 2, parts);
    }
}

#[test]
fn what_is_in_the_way_gets_one_line_and_leaves_nothing_half_done() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("run.hlog");
    let log = log.to_str().unwrap();
    let free = "127.0.0.1:0";
    for (args, parts) in [
        (&["master", "--listen", &addr, "--report", log][..], &["--listen", &addr, "in use"][..]),
        (&["slave", "--listen", &addr, "--report", log], &["--listen", &addr, "in use"]),
        (&["master", "--listen", "192.0.2.1:7045"], &["192.0.2.1", "not an address"]),
        (
            &["slave", "--master", "no-such-host.invalid", "--report", log],
            &["no-such-host.invalid"],
        ),
        (&["master", "--listen", free, "--slave", "no-such-host.invalid"], &["--slave"]),
        (&["master", "--listen", free, "--slave", "[::1]:7045"], &["::1", "no IPv4 address"]),
        (
            &["master", "--listen", free, "--report", "/nonexistent/x.hlog"],
            &["/nonexistent/x.hlog"],
        ),
        (&["demo", "--report", "/nonexistent/x.hlog"], &["/nonexistent/x.hlog"]),
        (
            &["slave", "--listen", free, "--state-dir", "/dev/null/x"],
            &["--state-dir", "/dev/null/x"],
        ),
    ] {
        assert_refused(&run(args), 1, parts);
    }
    assert!(!Path::new(log).exists(), "a refused start touched the report file");
}

#[test]
fn the_system_clock_needs_the_right_to_set_it() {
    if !has_capability_to_set_the_clock() {
        return assert_refused(&system_clock(campanile()), 1, &["--clock system"]);
    }
    // Never without the bounding set emptied: with the right, this would steer this machine.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups"]);
    let copy = reachable_copy();
    command.arg(copy.as_os_str());
    if Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: no setpriv here to give the right up with");
        return;
    }
    let output = system_clock(command);
    assert_refused(&output, 1, &["--clock system"]);
}

/// A copy of the program where any user may run it: the build's directory may be closed.
fn reachable_copy() -> tempfile::TempPath {
    use std::os::unix::fs::PermissionsExt;
    let copy = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    std::fs::copy(PROGRAM, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

fn system_clock(mut command: Command) -> Output {
    let args = ["slave", "--clock", "system", "--listen", "127.0.0.1:0", "--duration", "100ms"];
    command.args(args).output().unwrap()
}

fn has_capability_to_set_the_clock() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> 25 & 1 == 1
}

#[test]
fn help_teaches_and_ends_well() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("campanile demo"));
    for command in ["demo", "master", "slave", "sim", "report"] {
        let output = run(&[command, "--help"]);
        assert!(output.status.success() && output.stderr.is_empty());
        let help = stdout(&output);
        assert!(help.contains("Examples:"), "{command}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}");
        // Each flag that takes a time, a rate or a count states its range or its default.
        for flag in help.lines().filter(|line| line.trim_start().starts_with("--")) {
            let flag = flag.trim().trim_start_matches("--");
            let flag = flag.split([' ', '=']).next().unwrap();
            if flag != "list" {
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
        if !output.status.success() {
            assert_refused(&output, 2, &[path]);
        } else {
            assert_eq!(text, "", "this is no scenario");
        }
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
    let cut = &whole[..whole.len() - 20];
    for bytes in [cut, b"", b"\x7fELF\x02\x01", b"time,value\n1,2\n", &[0xff; 4096][..]] {
        let path = dir.path().join("odd.hlog");
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap();
        assert_refused(&run(&["report", path]), 2, &[path]);
        assert_refused(&run(&["report", path, "--json"]), 2, &[path]);
    }
}

#[test]
fn a_master_speaks_json_in_seconds_and_ends_in_order() {
    let output = run(&[
        "master",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--duration",
        "700ms",
        "--interval",
        "100ms",
        "--report-interval",
        "200ms",
        "--name",
        "m",
    ]);
    assert!(output.status.success() && output.stderr.is_empty());
    let lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["event"].is_string() && line["t_s"].is_number()));
    let of = |name: &str| lines.iter().filter(|line| line["event"] == name).collect::<Vec<_>>();
    assert_eq!(lines[0]["event"], "start");
    assert_eq!(lines[0]["node"], "m");
    assert!(of("course").iter().all(|line| line["raw_ns"].is_i64() && line["shown_ns"].is_i64()));
    assert_eq!(of("alone").len(), 1, "said once: {lines:?}");
    assert!(of("round").len() >= 4 && of("report").len() >= 2);
    let end = lines.last().unwrap();
    assert_eq!(end["event"], "end");
    assert!(end["sent"].is_u64() && end["dropped"].is_object());
}

#[test]
fn an_identity_lasts_where_there_is_a_place_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let id = |extra: &[&str]| {
        let args = ["slave", "--listen", "127.0.0.1:0", "--duration", "100ms", "--json"];
        let output = run(&[&args[..], extra].concat());
        let first: Value = serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
        first["id"].as_str().unwrap().to_owned()
    };
    let kept = ["--state-dir", state.to_str().unwrap()];
    let first = id(&kept);
    assert_eq!(first.len(), 16);
    assert_eq!(id(&kept), first);
    assert_ne!(id(&[]), id(&[]));
    std::fs::write(state.join("node-id"), "not an id").unwrap();
    let output = run(&[&["slave", "--listen", "127.0.0.1:0"][..], &kept].concat());
    assert_refused(&output, 2, &["--state-dir", "16 hex digits"]);
}

#[test]
fn whoever_stops_reading_ends_it_quietly() {
    for args in [
        &["master", "--listen", "127.0.0.1:0", "--json", "--interval", "50ms"][..],
        &["demo", "--rounds", "100000", "--interval", "50ms"],
    ] {
        let mut child =
            campanile().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{args:?} goes on without a reader");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
