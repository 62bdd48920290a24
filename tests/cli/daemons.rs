//! Master and slave as people and programs see them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{assert_refused, campanile, run, stdout};

#[test]
fn master_and_slave_speak_json_in_seconds_and_end_in_order() {
    let pace = ["--json", "--report-interval", "400ms", "--listen", "127.0.0.1:0"];
    let mut master = campanile()
        .args(["master", "--name", "m", "--interval", "100ms", "--duration", "2s"])
        .args(pace)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(master.stdout.take().unwrap()).lines();
    let start: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
    assert_eq!((&start["event"], &start["node"]), (&"start".into(), &"m".into()));
    let slave = campanile()
        .args(["slave", "--name", "s", "--clock", "virtual:offset=+250ms,drift=-40ppm"])
        .args(["--duration", "1300ms", "--master", start["addr"].as_str().unwrap()])
        .args(pace)
        .output()
        .unwrap();
    let of_master: Vec<_> = told.map(|line| line.unwrap()).collect();
    assert!(master.wait().unwrap().success() && slave.status.success());
    assert!(slave.stderr.is_empty(), "{}", String::from_utf8_lossy(&slave.stderr));

    let master = Told::parse(of_master.iter().map(String::as_str));
    assert_eq!(master.one("joined")["node"], "s");
    assert_eq!(master.one("formed")["members"], 2);
    assert_eq!(master.one("left")["said_so"], true);
    assert!(master.all("round").len() >= 5 && master.all("slot").len() >= 5);
    assert!(master.all("slot").iter().all(|slot| slot["node"] == "s" && slot["reach"].is_u64()));
    for told in [master.all("slot"), master.all("round")] {
        let last = told.last().unwrap();
        let bounds = ["likely_bound_s", "bound_s"].map(|name| last[name].as_f64().unwrap());
        assert!(bounds.iter().all(|bound| 0.0 < *bound && *bound < 0.1), "{last}");
    }
    let stamps = &master.all("slot").last().unwrap()["stamps"];
    let counts = stamps.as_object().unwrap().values().map(|count| count.as_u64().unwrap());
    assert!(counts.sum::<u64>() > 20, "{stamps}");
    assert!(master.all("report").len() >= 3);
    let end = master.0.last().unwrap();
    assert_eq!(end["event"], "end");
    assert!(end["sent"].is_u64() && end["dropped"].is_object());
    let p99 = end["cluster"]["round_trip"]["p99_s"].as_f64().unwrap();
    assert!(0.0 < p99 && p99 < 0.01, "{end}");

    let slave = Told::parse(stdout(&slave).lines());
    assert_eq!(slave.one("following")["node"], "m");
    let by = slave.one("stepped")["by_s"].as_f64().unwrap();
    assert!((-0.26..-0.1).contains(&by), "half of 250 ms or all of it: {by}");
    let last = slave.all("adjusted").last().unwrap()["offset_s"].as_f64().unwrap();
    assert!(last.abs() < 1e-3, "{last}");
    assert!(slave.all("adjusted").iter().all(|a| a["offset_s"].is_f64() && a["rate"].is_f64()));
    let sigmas = |a: &Value| a["likely_bound_s"].as_f64().unwrap() / a["sigma_s"].as_f64().unwrap();
    assert!(slave.all("adjusted").iter().all(|a| (sigmas(a) - 5.0).abs() < 0.1));
    assert!(slave.all("course").iter().all(|c| c["raw_ns"].is_i64() && c["shown_ns"].is_i64()));
}

/// What a daemon told in JSON.
struct Told(Vec<Value>);

impl Told {
    fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["event"].is_string() && line["t_s"].is_number()));
        Self(lines)
    }

    fn all(&self, event: &str) -> Vec<&Value> {
        self.0.iter().filter(|line| line["event"] == event).collect()
    }

    fn one(&self, event: &str) -> &Value {
        let all = self.all(event);
        assert_eq!(all.len(), 1, "{event}: {:?}", self.0);
        all[0]
    }
}

#[test]
fn stamps_are_taken_by_whom_they_shall_be() {
    for (asked, allowed) in [("daemon", &["daemon"][..]), ("auto", &["kernel", "daemon"])] {
        let pace = ["--json", "--listen", "127.0.0.1:0", "--stamps", asked];
        let mut master = campanile()
            .args(["master", "--interval", "50ms", "--duration", "1500ms"])
            .args(pace)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(master.stdout.take().unwrap()).lines();
        let start: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
        assert_eq!(start["stamps"], asked);
        let args = ["slave", "--duration", "1s", "--master", start["addr"].as_str().unwrap()];
        let slave = run(&[&args[..], &pace].concat());
        let of_master: Vec<_> = told.map(|line| line.unwrap()).collect();
        assert!(master.wait().unwrap().success());
        let master = Told::parse(of_master.iter().map(String::as_str));
        for told in [&master, &Told::parse(stdout(&slave).lines())] {
            let end = told.one("end");
            for (main, way) in [("stamps_received", "received"), ("stamps_sent", "sent")] {
                assert!(allowed.contains(&end[main].as_str().unwrap()), "{asked}: {end}");
                let counts = &end["stamps"][way];
                let count = |by: &str| counts[by].as_u64().unwrap();
                assert!(count("daemon") + count("kernel") > 20, "{end}");
                assert!(asked != "daemon" || count("kernel") == 0, "{end}");
            }
        }
    }
}

#[test]
fn a_service_manager_hears_that_it_is_ready_that_it_lives_and_that_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut child = campanile()
        .args(["slave", "--listen", "127.0.0.1:0", "--duration", "2s", "--json"])
        .args(["--report-interval", "1h"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "600000")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|last: &String| last != "STOPPING=1") {
        let mut bytes = [0; 1024];
        let length = manager.recv(&mut bytes).unwrap();
        told.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(told[0], "READY=1");
    let fed = told.iter().filter(|state| state.starts_with("WATCHDOG=1\nSTATUS=")).count();
    assert!(fed >= 3, "a third of 600 ms, over 2 s: {told:?}");
}

#[test]
fn a_reference_that_nobody_is_is_said_once_there_is_a_cluster() {
    let mut master = campanile()
        .args(["master", "--name", "m", "--listen", "127.0.0.1:0", "--interval", "100ms"])
        .args(["--reference", "m,s,rack-9", "--json", "--duration", "2s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(master.stdout.take().unwrap()).lines();
    let start: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
    let to = start["addr"].as_str().unwrap();
    run(&["slave", "--name", "s", "--duration", "1s", "--master", to, "--listen", "127.0.0.1:0"]);
    let told: Vec<_> = told.map(|line| line.unwrap()).collect();
    assert!(master.wait().unwrap().success());
    let told = Told::parse(told.iter().map(String::as_str));
    let of_references = |told: &&&Value| told["text"].as_str().unwrap().contains("--reference");
    let warnings = told.all("warning");
    let warnings: Vec<_> = warnings.iter().filter(of_references).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0]["text"].as_str().unwrap().contains("rack-9: no member is called so"));
}

#[test]
fn a_lonely_master_says_so_once_and_goes_on() {
    let args = ["master", "--listen", "127.0.0.1:0", "--interval", "50ms", "--duration", "600ms"];
    let output = run(&[&args[..], &["--report-interval", "200ms"]].concat());
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("no slave can be reached").count(), 1, "{said}");
    assert!(said.contains("datagrams in"), "{said}");
    let quiet = run(&[&args[..], &["--quiet"]].concat());
    let said = String::from_utf8_lossy(&quiet.stderr);
    // That it is alone, and that it has no keys.
    assert_eq!(said.lines().count(), 2, "only what goes wrong: {said}");
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

#[test]
fn a_reader_of_the_output_that_is_stuck_stops_no_clock() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("m.sock");
    let mut master = campanile()
        .args(["master", "--listen", "127.0.0.1:0", "--interval", "50ms", "--json", "--verbose"])
        .arg("--control")
        .arg(&socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(master.stdout.take().unwrap());
    let mut first = String::new();
    told.read_line(&mut first).unwrap();
    let start: Value = serde_json::from_str(&first).unwrap();
    let mut slave = campanile()
        .args(["slave", "--listen", "127.0.0.1:0", "--control", "none", "--quiet"])
        .args(["--master", start["addr"].as_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // From here on nobody reads. A pipe holds 64 KiB, and a round says a kilobyte and more.
    let round = || {
        let asked = campanile().args(["tracking", "--json", "--control"]).arg(&socket).output();
        let tracking: Option<Value> = serde_json::from_slice(&asked.unwrap().stdout).ok();
        tracking.and_then(|tracking| tracking["round"].as_u64())
    };
    let since = Instant::now();
    while round().is_none_or(|round| round < 200) {
        assert!(since.elapsed() < Duration::from_secs(60), "the rounds stand still: {:?}", round());
        std::thread::sleep(Duration::from_millis(100));
    }
    let term = |process: &std::process::Child| {
        let pid = process.id().to_string();
        assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    };
    // It ends though nobody reads, and says with its exit code that not all was said.
    term(&master);
    let ended = master.wait().unwrap();
    term(&slave);
    slave.wait().unwrap();
    assert_eq!(ended.code(), Some(1));
    // What did come is whole lines.
    let lines: Vec<_> = told.lines().map(|line| line.unwrap()).collect();
    let whole = lines.iter().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
    assert!(lines.len() > 100 && whole + 1 >= lines.len(), "{whole} of {}", lines.len());
}

#[test]
fn a_master_that_cannot_be_found_keeps_nobody_from_looking_for_another() {
    // The second has no address that this slave could send from.
    let run = |masters: &str| {
        let args = ["slave", "-q", "--listen", "127.0.0.1:0", "--duration", "100ms", "--master"];
        run(&[&args[..], &[masters]].concat())
    };
    let both = run("127.0.0.1:9,[::1]:9");
    let told = String::from_utf8_lossy(&both.stderr).into_owned();
    assert!(both.status.success(), "{told}");
    assert!(told.contains("--master: [::1]:9 has no IPv4 address"), "{told}");
    let alone = run("[::1]:9");
    assert_eq!(alone.status.code(), Some(1));
}
