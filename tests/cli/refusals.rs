//! What cannot be is refused in one line, before anything is begun.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};

use crate::{PROGRAM, assert_refused, campanile, commands, run, stdout};

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
    ("master", "--max-slaves", "0", "1 to 1000000"),
    ("master", "--clock", "sundial", "virtual"),
    ("master", "--clock", "virtual:offset=250", "needs a unit"),
    ("master", "--clock", "virtual:drift=40ms", "no unit `ms`"),
    ("master", "--clock", "virtual:colour=red", "virtual:offset=+250ms,drift=-40ppm"),
    ("master", "--clock", "system:offset=1s", "allowed is system"),
    ("master", "--stamps", "card", "auto, kernel, daemon"),
    ("master", "--step-threshold", "1", "or never"),
    ("master", "--step-updates", "many", "whole number"),
    ("master", "--max-slew", "500", "needs a unit"),
    ("master", "--max-slew", "0ppm", "1ppm to 50000ppm"),
    ("master", "--name", "\u{1b}[2J", "1 to 32 bytes"),
    ("master", "--reference", "\u{1b}[2J", "1 to 32 bytes"),
    ("master", "--report-interval", "1ms", "100ms to 1d"),
    ("master", "--duration", "forever", "100ms to 3650d"),
    ("master", "--allow", "10.0.0.0/33", "10.0.0.0/8"),
    ("master", "--source-rate", "0", "1 to 1000000"),
    ("slave", "--allow", "everywhere", "10.0.0.0/8"),
    ("slave", "--source-rate", "-1", "1 to 1000000"),
    ("keygen", "--id", "0", "1 to 4294967295"),
    ("keygen", "--node", "rack-1", "16 hex digits"),
    ("slave", "--master", "host:port:port", "HOST:PORT"),
    ("slave", "--master", "[::1", "HOST:PORT"),
    ("slave", "--listen", "7045", "ADDR:PORT"),
    ("slave", "--clock", "", "allowed is system"),
    ("slave", "--stamps", "", "auto, kernel, daemon"),
    ("slave", "--step-threshold", "2d", "1us to 1d"),
    ("slave", "--max-slew", "-1ppm", "1ppm to 50000ppm"),
    ("slave", "--step-updates", "-1", "0 to 1000000"),
    ("slave", "--name", "a name that is far too long for a name", "1 to 32 bytes"),
    ("slave", "--report-interval", "10", "needs a unit"),
    ("slave", "--duration", "1e3s", "not a time"),
    ("master", "--rank", "256", "0 to 255"),
    ("master", "--rank", "best", "whole number"),
    ("master", "--peer", "rack-1:0", "1 to 65535"),
    ("master", "--failover-after", "3", "needs a unit"),
    ("master", "--failover-after", "1ms", "100ms to 1d"),
    ("slave", "--rank", "256", "0 to 255"),
    ("slave", "--rank", "best", "whole number"),
    ("slave", "--peer", "rack-1:0", "1 to 65535"),
    ("slave", "--failover-after", "3", "needs a unit"),
    ("slave", "--failover-after", "1ms", "100ms to 1d"),
    ("master", "--control", "", "path of a socket, or none"),
    ("slave", "--control", "", "path of a socket, or none"),
    ("master", "--metrics", "9745", "ADDR:PORT"),
    ("master", "--metrics", "localhost:9745", "numeric address"),
    ("slave", "--metrics", "0.0.0.0:97450", "ADDR:PORT"),
    ("waitsync", "--within", "50", "needs a unit"),
    ("waitsync", "--timeout", "soon", "100ms to 3650d"),
    ("check", "--warn", "100", "needs a unit"),
    ("check", "--crit", "1ppm", "no unit `ppm`"),
    ("tracking", "--control", "", "path of a socket, or none"),
    ("peers", "--control", "", "path of a socket, or none"),
    ("peerstats", "--control", "", "path of a socket, or none"),
    ("cluster", "--control", "", "path of a socket, or none"),
    ("stats", "--control", "", "path of a socket, or none"),
    ("peer", "--control", "", "path of a socket, or none"),
    ("top", "--control", "", "path of a socket, or none"),
    ("top", "--every", "1", "needs a unit"),
    ("top", "--every", "10ms", "100ms to 1h"),
    ("waitsync", "--control", "", "path of a socket, or none"),
    ("check", "--control", "", "path of a socket, or none"),
    ("makestep", "--control", "", "path of a socket, or none"),
    ("resign", "--control", "", "path of a socket, or none"),
    ("reload", "--control", "", "path of a socket, or none"),
    ("sim", "--seeds", "5..1", "FIRST..LAST"),
    ("sim", "--minutes", "5", "6 to 1440"),
    ("sim", "--nodes", "1", "2 to 10000000"),
    ("sim", "--tiers", "5", "1 to 4"),
    ("sim", "--leaves", "0", "1 to 10000000"),
    ("sim", "--minutes", "-1", "6 to 1440"),
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
        // To a monitoring system 2 would be CRITICAL.
        let code = if command == "check" { 3 } else { 2 };
        assert_refused(
            &run(&[command, flag, value]),
            code,
            &[command, flag, shown.trim(), allowed],
        );
    }
}

#[test]
fn no_flag_is_left_out() {
    for command in commands() {
        let command = command.as_str();
        let help = run(&[command, "-h"]);
        let flags = stdout(&help).lines().filter_map(|line| line.split_once("--"));
        // Any path might be meant; where it cannot be, that is found out when it is opened.
        let takes_path = |flag: &str| {
            ["--key-file", "--report", "--state-dir", "--write", "--html", "--config"]
                .contains(&flag)
        };
        let with_value = flags.filter_map(|(_, flag)| flag.split_once(" <"));
        for flag in with_value.map(|(flag, _)| format!("--{flag}")) {
            let tried = NONSENSE.iter().any(|row| (row.0, row.1) == (command, flag.as_str()));
            assert!(tried || takes_path(&flag), "{command} {flag} is not tried");
        }
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
        (&["mister"][..], &["mister", "did you mean master?"][..]),
        (&["xyzzy"], &["xyzzy", "demo, master, slave, sim, report"]),
        (&["sources", "-v"], &["sources", "chronyc", "campanile peers"]),
        (&["sourcestat"], &["sourcestat:", "chronyc calls sourcestats", "campanile peerstats"]),
        (&["clutser"], &["did you mean cluster?"]),
        (&["master", "--master", "x"], &["--master", "no such flag here", "campanile slave has"]),
        (&["slave", "--interval", "1s"], &["--interval:", "campanile master has"]),
        (&["master", "--intervall", "1s"], &["--intervall", "did you mean --interval?"]),
        (&["master", "--slaves", "3"], &["--slaves", "--slave"]),
        (&["master", "--interval"], &["--interval", "needs a value"]),
        (&["master", "--interval", "1s", "--interval", "2s"], &["--interval", "once"]),
        (&["master", "--json=maybe"], &["--json=maybe", "takes no value"]),
        (&["master", "surplus"], &["surplus"]),
        (&["slave", "--rank", "2"], &["--rank", "--standby"]),
        (&["slave", "--quorum"], &["--quorum", "--standby"]),
        (&["master", "--quorum", "--peer", "127.0.0.1:1"], &["--quorum", "two --peer"]),
        (
            &["master", "--quorum", "--peer", "127.0.0.1:1,127.0.0.1:2"],
            &["--quorum", "--state-dir"],
        ),
        (&["slave", "--share-clock"], &["--share-clock", "--clock system"]),
        (&["report"], &["FILE.hlog"]),
        (&["peer"], &["NAME"]),
        (&["peers", "--json", "-c"], &["--json", "not allowed together", "--csv"]),
        (&["validate"], &["FILE.toml"]),
        (&["validate", "missing.toml"], &["missing.toml", "No such file"]),
        (&["master", "--config", "missing.toml"], &["--config missing.toml", "No such file"]),
        (&["sim"], &["quiet", "FILE.toml"]),
        (&["sim", "quiet", "--table"], &["SCENARIO", "not allowed together", "--table"]),
        (&["sim", "quiet", "--seeds", "1..2"], &["--seeds is not for quiet", "allowed is"]),
        (&["sim", "quiet", "--tiers", "2"], &["--tiers is not for quiet", "sim tiers --tiers"]),
        (&["sim", "tiers", "--tiers", "1"], &["1000000 nodes in 1 tiers", "a greater --tiers"]),
        (&["sim", "quiet", "--write", "x.md"], &["not allowed together", "--write"]),
        (&["sim", "--seeds", "1..2"], &["which scenario?"]),
        (&["sim", "nosuch"], &["nosuch", "quiet, busy"]),
        (&["sim", "missing/lan.toml"], &["missing/lan.toml", "No such file"]),
        (&["report", "missing.hlog"], &["missing.hlog", "No such file"]),
    ] {
        assert_refused(&run(args), 2, parts);
    }
    for args in [&["check", "--warn", "2ms", "--crit", "1ms"][..], &["check", "--crit", "--warn"]] {
        assert_refused(&run(args), 3, &["--crit"]);
    }
}

#[test]
fn what_is_in_the_way_gets_one_line_and_leaves_nothing_half_done() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = holder.local_addr().unwrap().to_string();
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
        (
            &["master", "--listen", free, "--control", "none", "--metrics", &held, "--report", log],
            &["--metrics", &held, "in use"],
        ),
        (&["demo", "--report", "/nonexistent/x.hlog"], &["/nonexistent/x.hlog"]),
        (
            &["slave", "--listen", free, "--state-dir", "/dev/null/x"],
            &["--state-dir", "/dev/null/x"],
        ),
    ] {
        assert_refused(&run(args), 1, parts);
    }
    assert_refused(
        &run(&["slave", "--listen", free, "--control", "/nonexistent/x", "--report", log]),
        1,
        &["--control", "/nonexistent/x"],
    );
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
