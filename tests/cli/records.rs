//! What a run leaves behind: interval logs that survive rotation, a kill and a full disk, and the
//! page that is drawn of them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use campanile::report::read;
use serde_json::Value;

use crate::{PROGRAM, assert_refused, campanile, run, stdout};

/// A master that keeps a log, and a slave: killed when dropped.
struct Pair {
    master: Child,
    slave: Child,
    told: PathBuf,
}

impl Pair {
    /// `program` with `log` as its report, ten rounds a second.
    fn start(mut program: Command, dir: &Path, log: &Path) -> Self {
        let told = dir.join("told");
        let mut master = program
            .args(["master", "--name", "tower", "--listen", "127.0.0.1:0", "--interval", "100ms"])
            .args(["--json", "--report-interval", "200ms", "--duration", "20s", "--report"])
            .arg(log)
            .stdout(File::create(&told).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut addr = None;
        wait("the master to start", || {
            addr = lines(&told).first().map(|line| line["addr"].as_str().unwrap().to_owned());
            addr.is_some() || master.try_wait().unwrap().is_some()
        });
        let slave = campanile()
            .args(["slave", "--name", "s", "--master", &addr.unwrap(), "--quiet"])
            .args(["--clock", "virtual:offset=+90ms", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { master, slave, told }
    }

    fn signal(&self, signal: &str) {
        let pid = self.master.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// The exchanges in all `report` events so far.
    fn reported(&self) -> u64 {
        let lines = lines(&self.told);
        let reports = lines.iter().filter(|line| line["event"] == "report");
        reports.map(|line| line["cluster"]["round_trip"]["count"].as_u64().unwrap()).sum()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for child in [&mut self.master, &mut self.slave] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(15);
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn exchanges(log: &Path) -> u64 {
    let log = read(log).unwrap_or_else(|why| panic!("{why}"));
    log.report().cluster.round_trip.count
}

#[test]
fn a_log_rotates_at_sighup_and_nothing_falls_between() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("run.hlog");
    let mut pair = Pair::start(campanile(), dir.path(), &log);
    wait("an interval", || pair.reported() > 0);
    // As logrotate does it: the file is moved, then the daemon is told.
    let moved = dir.path().join("run.hlog-20261125");
    fs::rename(&log, &moved).unwrap();
    pair.signal("-HUP");
    wait("a new file", || log.exists());
    let before = pair.reported();
    wait("another interval", || pair.reported() > before + 8);
    // And where nobody has moved it, the daemon does.
    pair.signal("-HUP");
    let aside = dir.path().join("run.hlog.1");
    wait("the second file aside", || aside.exists());
    let before = pair.reported();
    wait("another interval", || pair.reported() > before + 8);
    pair.signal("-TERM");
    assert!(pair.master.wait().unwrap().success());
    let end = lines(&pair.told).pop().unwrap();
    let all = [&moved, &aside, &log].map(|path| exchanges(path));
    assert!(all.iter().all(|count| *count > 0), "{all:?}");
    assert_eq!(end["cluster"]["round_trip"]["count"].as_u64(), Some(all.iter().sum()), "{all:?}");

    let paths = [&log, &moved, &aside].map(|path| path.to_str().unwrap());
    let merged = run(&[&["report"], &paths[..], &["--json"]].concat());
    let merged: Value = serde_json::from_str(stdout(&merged)).unwrap();
    assert_eq!(merged["cluster"]["round_trip"]["count"].as_u64(), Some(all.iter().sum()));
    assert_eq!(merged["files"].as_array().unwrap().len(), 3);
}

#[test]
fn a_killed_daemon_loses_the_open_interval_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("run.hlog");
    let pair = Pair::start(campanile(), dir.path(), &log);
    wait("three intervals", || {
        lines(&pair.told).iter().filter(|l| l["event"] == "report").count() >= 3
            && pair.reported() > 0
    });
    pair.signal("-KILL");
    let reported = pair.reported();
    assert!(exchanges(&log) >= reported && reported > 0, "{} of {reported}", exchanges(&log));
}

#[test]
fn a_full_disk_is_said_and_costs_nothing_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("run.hlog");
    // Files that may not grow beyond 8 KiB stand for the disk; what it prints goes through a pipe.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let args = ["--listen", "127.0.0.1:0", "--interval", "50ms", "--report-interval", "100ms"];
    let mut master = Command::new("sh")
        .args(["-c", script, PROGRAM, "master", "--json", "--duration", "20s"])
        .args(args)
        .arg("--report")
        .arg(&log)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(master.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&told.next().unwrap().unwrap()).unwrap() };
    let addr = next()["addr"].as_str().unwrap().to_owned();
    let slave = campanile()
        .args(["slave", "--master", &addr, "--duration", "20s", "--quiet"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pair = Pair { master, slave, told: dir.path().join("told") };
    let (mut written, mut warning) = (0, None);
    while warning.is_none() {
        let line = next();
        match line["event"].as_str().unwrap() {
            "report" => written += line["cluster"]["round_trip"]["count"].as_u64().unwrap(),
            "warning" => {
                let text = line["text"].as_str().filter(|text| text.contains("run.hlog"));
                warning = text.map(str::to_owned);
            }
            event => assert_ne!(event, "end", "8 KiB were enough"),
        }
    }
    let warning = warning.unwrap();
    assert!(warning.contains("run.hlog: cannot write it: File too large"), "{warning}");
    assert_eq!(exchanges(&log), written, "what was written before is whole");
    // It goes on, and says at its end that something is missing.
    pair.signal("-TERM");
    let end = loop {
        let line = next();
        if line["event"] == "end" {
            break line;
        }
    };
    assert_eq!(pair.master.wait().unwrap().code(), Some(1));
    // A last short interval may have found room; the one that was too much has not.
    let all = end["cluster"]["round_trip"]["count"].as_u64().unwrap();
    assert!((written..all).contains(&exchanges(&log)), "{} of {all}", exchanges(&log));
}

#[test]
fn a_log_cut_off_counts_up_to_there_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let log = demo_log(dir.path());
    let whole = fs::read(&log).unwrap();
    fs::write(&log, &whole[..whole.len() - 20]).unwrap();
    let path = log.to_str().unwrap();
    for args in [&["report", path][..], &["report", path, "--json"]] {
        let output = run(args);
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(path) && said.contains("cut off"), "{said}");
        assert!(stdout(&output).contains("slave-1"), "{}", stdout(&output));
    }
}

fn demo_log(dir: &Path) -> PathBuf {
    let log = dir.join("demo.hlog");
    let args = ["demo", "--slaves", "2", "--rounds", "5", "--interval", "100ms", "--report"];
    let output = run(&[&args[..], &[log.to_str().unwrap()]].concat());
    assert!(log.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    log
}

#[test]
fn a_log_is_read_from_standard_input_and_a_compressed_one_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let log = demo_log(dir.path());
    let path = log.to_str().unwrap();
    let counted = |told: &[u8]| -> u64 {
        let told: Value = serde_json::from_slice(told).unwrap();
        told["cluster"]["round_trip"]["count"].as_u64().unwrap()
    };
    let read = |args: &[&str]| {
        let mut command = campanile();
        let output = command.arg("report").args(args).stdin(File::open(&log).unwrap()).output();
        output.unwrap()
    };
    let plain = counted(&read(&[path, "--json"]).stdout);
    assert_eq!(counted(&read(&["-", "--json"]).stdout), plain);
    assert_eq!(counted(&read(&["-", path, "--json"]).stdout), 2 * plain);

    let packed = dir.path().join("demo.hlog.2.gz");
    fs::write(&packed, b"\x1f\x8b\x08\0\0\0\0\0\0\x03not for us").unwrap();
    let packed = packed.to_str().unwrap();
    let said = [packed, "it is compressed", "zcat FILE | campanile report -"];
    assert_refused(&run(&["report", packed]), 2, &said);
    assert_refused(&run(&["report", "-"]), 2, &["standard input", "without anything"]);
}

#[test]
fn a_page_is_drawn_beside_the_log_and_never_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = demo_log(dir.path());
    let path = log.to_str().unwrap();
    let html = dir.path().join("page.html");
    for _ in 0..2 {
        let output = run(&["report", path, "--html", html.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(stdout(&output).contains("page.html: written"), "{}", stdout(&output));
    }
    let text = fs::read_to_string(&html).unwrap();
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n"));
    assert!(text.contains("<svg") && text.contains("slave-2"));
    assert_eq!(stdout(&run(&["report", path, "--html", "-"])), text);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing half written is left");

    let before = fs::read(&log).unwrap();
    assert_refused(&run(&["report", path, "--html", path]), 2, &["--html", path, "that is a log"]);
    assert_eq!(fs::read(&log).unwrap(), before);
    let nowhere = dir.path().join("no/page.html");
    let nowhere = nowhere.to_str().unwrap();
    assert_refused(&run(&["report", path, "--html", nowhere]), 1, &[nowhere, "No such file"]);
    assert_refused(&run(&["report", path, "--html", "/dev/full"]), 1, &["/dev/full", "No space"]);
}
