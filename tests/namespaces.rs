//! The real binary in six network namespaces on a bridge: a master and five slaves, some of which
//! die. Judged from outside by the courses that `--json` prints over the machine's raw counter.

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

mod common;

use std::path::Path;
use std::process::Command;

use campanile::time::{Raw, Span, Time};
use common::daemon::Daemon;
use common::lan::Lan;
use common::{instants, raw_now, showed, sleep, width, within};

const TOGETHER: Span = Span::from_millis(1);
const CLOCKS: [&str; 6] = [
    "virtual:offset=+80ms,drift=+9ppm",
    "virtual:offset=-250ms,drift=+40ppm",
    "virtual:offset=+420ms,drift=-37ppm",
    "virtual:offset=-3ms,drift=-50ppm",
    "virtual:offset=+170ms,drift=+50ppm",
    "virtual:offset=-500ms,drift=+21ppm",
];

/// Starts node `number` of the LAN: 0 is the master. `life` tells its starts apart.
fn start(lan: &Lan, dir: &Path, number: u8, life: u8) -> Daemon {
    let role: &[&str] = match number {
        0 => &["master", "--interval", "250ms"],
        _ => &["slave", "--master", "10.45.0.1"],
    };
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", lan.node(number), env!("CARGO_BIN_EXE_campanile")])
        .args(role)
        .args(["--json", "--name", &format!("node-{number}")])
        .args(["--clock", CLOCKS[number as usize]])
        .arg("--state-dir")
        .arg(dir.join(format!("state-{number}")));
    Daemon::start(command, dir, &format!("{number}-{life}"))
}

/// The greatest true spread between two raw instants.
fn worst(nodes: &[&Daemon], from: Time<Raw>, to: Time<Raw>) -> Span {
    let courses: Vec<_> = nodes.iter().map(|node| node.courses()).collect();
    assert!(courses.iter().all(|known| !known.is_empty()), "a node tells no course");
    let at = |at| width(&courses.iter().map(|known| showed(known, at)).collect::<Vec<_>>());
    instants(from, to).map(at).max().unwrap()
}

fn spread_now(nodes: &[&Daemon]) -> Span {
    let now = raw_now();
    worst(nodes, now, now)
}

fn unavailable(why: &str) {
    assert!(std::env::var_os("CAMPANILE_REQUIRE_ALL").is_none(), "cannot run: {why}");
    println!("skipped: {why}");
}

#[test]
fn deaths_and_returns_leave_the_rest_together() {
    let lan = match Lan::new("", 6) {
        Ok(lan) => lan,
        Err(why) => {
            return unavailable(&format!("network namespaces need root and iproute2: {why}"));
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let mut nodes: Vec<_> = (0..6).map(|n| start(&lan, dir.path(), n, 0)).collect();
    let began = within(10, || nodes.iter().all(|node| !node.courses().is_empty()));
    assert!(began, "{:?}", nodes.iter().map(Daemon::log).collect::<Vec<_>>());
    let everybody: Vec<_> = nodes.iter().collect();
    assert!(spread_now(&everybody) > Span::from_millis(100), "they start apart");
    let met = within(30, || spread_now(&everybody) < TOGETHER);
    assert!(met, "still {:?} apart", spread_now(&everybody));
    sleep(2_000);

    let from = raw_now();
    for number in [4, 5] {
        nodes[number].kill();
    }
    for name in ["node-4", "node-5"] {
        let noticed = within(10, || nodes[0].told("unreachable", Some(name)));
        assert!(noticed, "the master says nothing of the death of {name}");
    }
    nodes[4] = start(&lan, dir.path(), 4, 1);
    assert!(within(10, || nodes[0].told("restarted", Some("node-4"))), "a return unnoticed");
    let with_it: Vec<_> = nodes[..5].iter().collect();
    assert!(within(20, || spread_now(&with_it) < TOGETHER), "{:?} apart", spread_now(&with_it));
    let rest = worst(&with_it[..4], from, raw_now());
    println!("the rest, from before the deaths to after the return: {rest:?} apart at worst");
    assert!(rest < TOGETHER, "{rest:?} apart");

    assert_eq!(nodes[1].terminate(), Some(0));
    assert!(within(5, || nodes[0].told("left", Some("node-1"))), "a leave unnoticed");
    assert_eq!(nodes[0].terminate(), Some(0));
    assert!(within(5, || nodes[2].told("master_left", None)), "the master's leave unnoticed");
    let last = nodes[0].events().pop().unwrap();
    assert_eq!(last["event"], "end", "the last report is written: {last}");
    println!("stamps: {} received, {} sent", last["stamps_received"], last["stamps_sent"]);
}
