//! The real binary as a process of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use campanile::time::{Map, Rate, Raw, Shown, Time};
use serde_json::Value;

use super::within;

/// A campanile process, killed when dropped. What it says is kept in files.
pub struct Daemon {
    child: Child,
    out: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command`; `name` names its files in `dir`.
    pub fn start(mut command: Command, dir: &Path, name: &str) -> Daemon {
        let file = |kind: &str| dir.join(format!("{name}.{kind}"));
        let (out, log) = (file("out"), file("log"));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap());
        Daemon { child: command.spawn().unwrap(), out, log }
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The events that `--json` has printed.
    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.out).unwrap();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        whole.lines().map(parse).collect()
    }

    /// Whether `--json` has printed this event, about `node` where one is given.
    pub fn told(&self, event: &str, node: Option<&str>) -> bool {
        let events = self.events();
        events.iter().any(|e| e["event"] == event && node.is_none_or(|node| e["node"] == node))
    }

    /// The courses of its clock over the machine's raw counter.
    pub fn courses(&self) -> Vec<Map<Raw, Shown>> {
        let events = self.events();
        let courses = events.iter().filter(|e| e["event"] == "course").map(|course| Map {
            at: Time::from_nanos(course["raw_ns"].as_i64().unwrap()),
            reads: Time::from_nanos(course["shown_ns"].as_i64().unwrap()),
            rate: Rate::from_ppb(course["rate_ppb"].as_f64().unwrap()),
        });
        courses.collect()
    }

    /// The exit code of one that has ended; none while it runs, or where a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().and_then(|status| status.code())
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal by its name, such as STOP.
    pub fn signal(&self, name: &str) {
        let (name, pid) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([&name, &pid]).status().unwrap().success());
    }

    /// Sends SIGTERM and waits for the end; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = within(5, || self.child.try_wait().unwrap().is_some());
        assert!(ended, "it does not end at SIGTERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
