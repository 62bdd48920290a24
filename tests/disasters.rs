//! The real binary in five network namespaces on a bridge, two of them standbys, with keys: the
//! master is killed, cut off, and frozen. Judged from outside by the courses that `--json` prints
//! over the machine's raw counter. By hand, as root, with NS for a node's namespace:
//!
//! ```text
//! kill -9 PID
//! ip -n NS link set eth0 down; sleep 6; ip -n NS link set eth0 up
//! kill -STOP PID; sleep 6; kill -CONT PID
//! ```

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use campanile::time::{Raw, Span, Time};
use campanile::wire::{KeyId, Keyring, NodeId, cluster_line};
use common::daemon::Daemon;
use common::lan::Lan;
use common::{instants, raw_now, showed, sleep, width, within};

/// What a machine that is busy with other tests keeps; on an idle one it is a few microseconds,
/// see docs/election.md.
const TOGETHER: Span = Span::from_micros(500);
const CLOCKS: [&str; 5] = [
    "virtual:offset=+80ms,drift=+9ppm",
    "virtual:offset=-250ms,drift=+40ppm",
    "virtual:offset=+420ms,drift=-37ppm",
    "virtual:offset=-3ms,drift=-50ppm",
    "virtual:offset=+170ms,drift=+21ppm",
];
/// The first three may reign and hold the cluster's key, the last two their own.
const CANDIDATES: usize = 3;

/// Five nodes and where they live.
struct Site {
    lan: Lan,
    dir: PathBuf,
    nodes: Vec<Daemon>,
}

/// The key file of a node, whose id is written where the node will look for it.
fn give_key(dir: &Path, number: usize) -> PathBuf {
    let cluster = cluster_line(KeyId(1), &[7; 32]);
    let id = NodeId(0xa0 + number as u64);
    let line = match number {
        0..CANDIDATES => cluster,
        _ => Keyring::parse(&cluster).unwrap().node_line(KeyId(1), id).unwrap(),
    };
    let (state, file) = (dir.join(format!("state-{number}")), dir.join(format!("keys-{number}")));
    fs::create_dir(&state).unwrap();
    fs::write(state.join("node-id"), format!("{id}\n")).unwrap();
    common::write_secret(&file, &line);
    file
}

impl Site {
    fn new(lan: Lan, dir: &Path) -> Site {
        for number in 0..CLOCKS.len() {
            give_key(dir, number);
        }
        let mut site = Site { lan, dir: dir.to_owned(), nodes: Vec::new() };
        site.nodes = (0..CLOCKS.len()).map(|number| site.start(number, 0)).collect();
        site
    }

    /// Starts a node: the first is the master, which finds a living one when it comes back; the
    /// next two stand by.
    fn start(&self, number: usize, life: u8) -> Daemon {
        let role: &[&str] = match number {
            0 => &["master", "--interval", "250ms", "--peer", "10.45.0.2", "--peer", "10.45.0.3"],
            1 => &["slave", "--master", "10.45.0.1", "--standby", "--rank", "2"],
            2 => &["slave", "--master", "10.45.0.1", "--standby", "--rank", "1"],
            _ => &["slave", "--master", "10.45.0.1"],
        };
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", self.lan.node(number as u8), env!("CARGO_BIN_EXE_campanile")])
            .args(role)
            .args(["--json", "--name", &format!("node-{number}"), "--clock", CLOCKS[number]])
            .arg("--state-dir")
            .arg(self.dir.join(format!("state-{number}")))
            .arg("--key-file")
            .arg(self.dir.join(format!("keys-{number}")));
        Daemon::start(command, &self.dir, &format!("{number}-{life}"))
    }

    /// The greatest true spread between two raw instants, with or without one of the nodes.
    fn worst(&self, without: Option<usize>, from: Time<Raw>, to: Time<Raw>) -> Span {
        let nodes = self.nodes.iter().enumerate().filter(|(n, _)| Some(*n) != without);
        let courses: Vec<_> = nodes.map(|(_, node)| node.courses()).collect();
        assert!(courses.iter().all(|known| !known.is_empty()), "a node tells no course");
        let at = |at| width(&courses.iter().map(|known| showed(known, at)).collect::<Vec<_>>());
        instants(from, to).map(at).max().unwrap()
    }

    fn come_together(&self, what: &str) {
        let now = || self.worst(None, raw_now(), raw_now());
        assert!(within(30, || now() < TOGETHER), "{what}: {:?} apart", now());
    }

    /// Who reigns by what they have said last.
    fn masters(&self) -> Vec<usize> {
        let reigns = |node: &Daemon| {
            let events = node.events();
            let last = events.iter().rev().find_map(|event| match event["event"].as_str() {
                Some("elected" | "outbid") => Some(true),
                Some("yielded" | "standing_by" | "resigned") => Some(false),
                _ => None,
            });
            last.unwrap_or(false)
        };
        (0..CLOCKS.len()).filter(|&number| reigns(&self.nodes[number])).collect()
    }

    /// What the nodes have said of who is master, and what they have dropped: for who looks for why.
    fn tale(&self) -> String {
        const ABOUT: [&str; 14] = [
            "start",
            "claimed",
            "stood_back",
            "elected",
            "inherited",
            "outbid",
            "yielded",
            "standing_by",
            "resigned",
            "following",
            "master_silent",
            "master_left",
            "no_master",
            "restarted",
        ];
        let mut tale = String::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let events = node.events();
            let told = events.iter().filter(|e| ABOUT.contains(&e["event"].as_str().unwrap()));
            let told = told.map(|event| format!("  {event}\n")).collect::<String>();
            let report = events.iter().rev().find(|event| event["event"] == "report");
            let dropped = report.map_or(String::new(), |report| report["dropped"].to_string());
            tale += &format!("node-{number}: dropped {dropped}\n{told}");
        }
        tale
    }

    /// Waits until one of them reigns, and no other but `lost`, which cannot know; which.
    fn master(&self, lost: Option<usize>, what: &str) -> usize {
        let reign = || self.masters().into_iter().filter(|&n| Some(n) != lost).collect::<Vec<_>>();
        let one = within(15, || reign().len() == 1);
        assert!(one, "{what}: {:?} reign\n{}", reign(), self.tale());
        println!("{what}: node-{} reigns", reign()[0]);
        reign()[0]
    }

    /// Says how far all, or all but one, were apart since `from`, and holds them to it.
    fn judge(&self, what: &str, without: Option<usize>, from: Time<Raw>) {
        let spread = self.worst(without, from, raw_now());
        let whom = without.map_or("all".to_owned(), |node| format!("all but node-{node}"));
        println!("{what}: {whom} {spread:?} apart at worst");
        assert!(spread < TOGETHER, "{what}: {whom} {spread:?} apart");
    }
}

/// `cargo test --release --test disasters -- --nocapture` as root prints the figures.
#[test]
fn a_dead_a_cut_off_and_a_frozen_master_are_survived() {
    let lan = match Lan::new("d", CLOCKS.len() as u8) {
        Ok(lan) => lan,
        Err(why) => {
            assert!(std::env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "cannot run: {why}");
            println!("skipped: network namespaces need root and iproute2: {why}");
            return;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let mut site = Site::new(lan, dir.path());
    let began = within(10, || site.nodes.iter().all(|node| !node.courses().is_empty()));
    assert!(began, "{:?}", site.nodes.iter().map(Daemon::log).collect::<Vec<_>>());
    site.come_together("the start");
    sleep(15_000);
    let from = raw_now();
    sleep(5_000);
    site.judge("before", None, from);

    let from = raw_now();
    site.nodes[0].kill();
    site.master(Some(0), "kill -9");
    sleep(5_000);
    site.judge("kill -9", Some(0), from);
    site.nodes[0] = site.start(0, 1);
    assert!(within(10, || !site.nodes[0].courses().is_empty()), "{}", site.nodes[0].log());
    site.come_together("the return of a dead master");
    sleep(10_000);
    site.judge("kill -9 and return", Some(0), from);
    let master = site.master(None, "kill -9 and return");

    let from = raw_now();
    site.lan.link(master as u8, false);
    site.master(Some(master), "link down");
    sleep(5_000);
    site.judge("link down", None, from);
    let from = raw_now();
    site.lan.link(master as u8, true);
    sleep(10_000);
    site.judge("link up", None, from);
    let master = site.master(None, "link up");

    let from = raw_now();
    site.nodes[master].signal("STOP");
    site.master(Some(master), "SIGSTOP");
    sleep(5_000);
    site.judge("SIGSTOP", None, from);
    let from = raw_now();
    site.nodes[master].signal("CONT");
    sleep(10_000);
    site.judge("SIGCONT", None, from);
    site.master(None, "SIGCONT");
    for node in &site.nodes {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
}
