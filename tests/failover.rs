//! The real binary: a master that is killed, one that is ended in order, and one that comes back.
//! Judged from outside by the courses that `--json` prints over the machine's raw counter.

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

mod common;

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use campanile::time::{Raw, Span, Time};
use common::daemon::Daemon;
use common::{instants, raw_now, showed, sleep, width, within};

const TOGETHER: Span = Span::from_millis(1);

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a node; `life` tells its starts apart.
fn start(dir: &Path, name: &str, life: u8, clock: &str, args: &[&str]) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.args(args).args(["--json", "--name", name, "--clock", clock]);
    Daemon::start(command, dir, &format!("{name}-{life}"))
}

fn worst(nodes: &[&Daemon], from: Time<Raw>, to: Time<Raw>) -> Span {
    let courses: Vec<_> = nodes.iter().map(|node| node.courses()).collect();
    let at = |at| width(&courses.iter().map(|known| showed(known, at)).collect::<Vec<_>>());
    instants(from, to).map(at).max().unwrap()
}

fn are_together(nodes: &[&Daemon]) -> bool {
    let now = raw_now();
    nodes.iter().all(|node| !node.courses().is_empty()) && worst(nodes, now, now) < TOGETHER
}

fn steps(nodes: &[&Daemon]) -> usize {
    nodes.iter().flat_map(|n| n.events()).filter(|event| event["event"] == "stepped").count()
}

#[test]
fn standbys_take_over_from_a_killed_and_from_an_ended_master() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let at: Vec<_> = (0..3).map(|_| format!("127.0.0.1:{}", free_port())).collect();
    let state = |name: &str| dir.join(name).display().to_string();
    let (first, second, third) = (state("first"), state("second"), state("third"));
    let master = ["master", "--listen", &at[0], "--rank", "3", "--interval", "250ms"];
    let master = [&master[..], &["--max-rtt", "50ms", "--state-dir", &first]].concat();
    let standby = |listen, rank, state| {
        let role = ["slave", "--standby", "--listen", listen, "--rank", rank];
        [&role[..], &["--master", &at[0], "--state-dir", state]].concat()
    };
    let mut a = start(dir, "a", 0, "virtual:offset=+80ms,drift=+9ppm", &master);
    let (two, one) = (standby(&at[1], "2", &second), standby(&at[2], "1", &third));
    let mut b = start(dir, "b", 0, "virtual:offset=-250ms,drift=+40ppm", &two);
    let c = start(dir, "c", 0, "virtual:offset=+20ms,drift=-37ppm", &one);
    let plain = ["slave", "--master", &at[0], "--listen", "127.0.0.1:0"];
    let d = start(dir, "d", 0, "virtual:offset=-3ms,drift=-50ppm", &plain);
    let e = start(dir, "e", 0, "virtual:offset=+170ms,drift=+21ppm", &plain);

    assert!(within(10, || b.told("standing_by", Some("a"))), "{}", b.log());
    assert!(within(30, || are_together(&[&a, &b, &c, &d, &e])), "they do not meet");
    sleep(4_000);

    let before = steps(&[&b, &c, &d, &e]);
    let from = raw_now();
    a.kill();
    let elected = within(5, || b.told("elected", None));
    let took = raw_now() - from;
    println!("elected {took:?} after the master was killed");
    assert!(elected, "the better standby does not take over: {:?}", b.events().last());
    assert!(!c.told("elected", None), "the other takes over too");
    for node in [&c, &d, &e] {
        let follows = || node.events().iter().filter(|e| e["event"] == "following").count() > 1;
        assert!(within(5, follows), "{:?}", node.events().last());
    }
    assert!(b.told("inherited", None), "it begins anew");
    sleep(3_000);

    // The old one comes back, and finds the new one.
    a = start(dir, "a", 1, "virtual:offset=+80ms,drift=+9ppm", &master);
    assert!(within(10, || a.told("standing_by", None)), "{:?}", a.events().last());
    let rest = worst(&[&b, &c, &d, &e], from, raw_now());
    println!("the rest, from the death to the return: {rest:?} apart at worst");
    assert!(rest < TOGETHER, "{rest:?} apart");
    assert_eq!(steps(&[&b, &c, &d, &e]), before, "a step");
    assert!(within(20, || are_together(&[&a, &b, &c, &d, &e])), "it does not come to the rest");

    // And takes over again, at once, where the new one ends in order: it has the higher rank.
    sleep(2_000);
    let from = raw_now();
    assert_eq!(b.terminate(), Some(0));
    assert!(b.told("resigned", None), "it says nothing");
    let heir = |node: &Daemon| {
        node.events().iter().any(|e| e["event"] == "elected" && e["why"] == "resigned")
    };
    assert!(within(3, || heir(&a)), "{:?}", a.events().last());
    sleep(2_000);
    let rest = worst(&[&a, &c, &d, &e], from, raw_now());
    println!("the rest, from the resignation: {rest:?} apart at worst");
    assert!(rest < TOGETHER, "{rest:?} apart");
}
