//! Masters and slaves on real sockets of the loopback interface.

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

mod common;

use std::path::Path;
use std::process::Command;

use campanile::net::resolve;
use campanile::proto::{Event, MasterSettings, SlaveSettings};
use campanile::time::Span;
use common::daemon::Daemon;
use common::{Running, Wrong, brisk, identity, raw_now, sleep, spread, within, worst_spread};

/// Some tens of microseconds on an idle machine; this leaves room for one that is not.
const TOGETHER: Span = Span::from_millis(1);

const WRONG: [Wrong; 5] = [
    Wrong { offset_ms: 120, drift_ppm: 12.0 },
    Wrong { offset_ms: -500, drift_ppm: 50.0 },
    Wrong { offset_ms: 500, drift_ppm: -50.0 },
    Wrong { offset_ms: -33, drift_ppm: -21.0 },
    Wrong { offset_ms: 310, drift_ppm: 37.0 },
];

/// Half a second apart is not wrong but how these clocks start.
fn patient(settings: MasterSettings) -> MasterSettings {
    MasterSettings { tolerance: Span::from_secs(2), ..settings }
}

fn follower(number: u64, master: &Running) -> SlaveSettings {
    SlaveSettings { masters: vec![master.addr], ..SlaveSettings::new(identity(number, 1)) }
}

fn all<'a>(master: &'a Running, slaves: &'a [Running]) -> Vec<&'a Running> {
    std::iter::once(master).chain(slaves).collect()
}

/// Waits until the nodes agree, then watches for `secs` whether they stay together.
fn come_and_stay_together(nodes: &[&Running], secs: u64) {
    let apart = spread(nodes, raw_now());
    assert!(apart > Span::from_millis(100), "they start apart, not {apart:?}");
    let met = within(20, || spread(nodes, raw_now()) < TOGETHER);
    assert!(met, "still {:?} apart", spread(nodes, raw_now()));
    // Those that meet by chance part again, while the rates are still being learned.
    sleep(2_000);
    let from = raw_now();
    sleep(secs * 1_000);
    let worst = worst_spread(nodes, from);
    println!("worst spread over {secs} s: {worst:?}");
    assert!(worst < TOGETHER, "{worst:?} apart");
}

#[test]
fn clocks_half_a_second_apart_come_and_stay_together() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        if std::net::UdpSocket::bind(listen).is_err() {
            println!("not tested: {listen}");
            continue;
        }
        let master = Running::master(listen, patient(brisk(1)), WRONG[0]);
        let slaves: Vec<_> = (2..)
            .zip(&WRONG[1..])
            .map(|(number, wrong)| Running::slave(listen, follower(number, &master), *wrong))
            .collect();
        come_and_stay_together(&all(&master, &slaves), 3);
        let net = master.watch.seen().net;
        println!("{listen}: {net:?}");
        assert_eq!(net.send_errors + net.receive_errors + net.truncated, 0);
    }
}

#[test]
fn listed_slaves_need_not_join_and_a_dead_one_does_not_touch_the_others() {
    let slaves: Vec<_> = [2, 3]
        .map(|number| {
            let settings = SlaveSettings::new(identity(number, 1));
            Running::slave("127.0.0.1:0", settings, WRONG[number as usize])
        })
        .into();
    // Nobody listens; the wrong family; refused without a right that nobody asked for.
    let dead = ["127.0.0.1:9", "[2001:db8::1]:9", "255.255.255.255:9"];
    let settings = MasterSettings {
        slaves: dead
            .map(|addr| addr.parse().unwrap())
            .into_iter()
            .chain(slaves.iter().map(|slave| slave.addr))
            .collect(),
        ..patient(brisk(1))
    };
    let master = Running::master("127.0.0.1:0", settings, WRONG[0]);
    come_and_stay_together(&all(&master, &slaves), 2);
    assert_eq!(master.watch.count(|e| matches!(e, Event::Joined(_))), 2);
    assert!(master.watch.seen().net.send_errors > 0);
    let lost = |e: &Event| match e {
        Event::Unreachable(who) | Event::Left { who, .. } => {
            slaves.iter().any(|slave| slave.addr == who.addr)
        }
        _ => false,
    };
    assert_eq!(master.watch.count(lost), 0);
}

#[test]
fn a_leave_a_death_and_a_return_are_told_apart() {
    let settings = MasterSettings { interval: Span::from_millis(100), ..patient(brisk(1)) };
    let master = Running::master("127.0.0.1:0", settings, WRONG[0]);
    let mut polite = Running::slave("127.0.0.1:0", follower(2, &master), WRONG[1]);
    let mut mortal = Running::mortal("127.0.0.1:0", follower(3, &master), WRONG[2]);
    let told = |name: &str, kind: fn(&Event) -> bool| {
        let found = within(10, || master.watch.count(kind) > 0);
        assert!(found, "{name}: {:?}", master.watch.count(|_| true));
    };
    assert!(within(10, || master.watch.count(|e| matches!(e, Event::Joined(_))) == 2));

    polite.stop();
    told("left", |e| matches!(e, Event::Left { who, said_so: true } if who.id.0 == 2));
    mortal.stop();
    told("unreachable", |e| matches!(e, Event::Unreachable(who) if who.id.0 == 3));
    let lost = |e: &Event| matches!(e, Event::Left { who, .. } if who.id.0 == 3);
    assert_eq!(master.watch.count(lost), 0, "a dead slave has not left");

    // It comes back from another port, since the kernel chooses.
    let mut settings = follower(3, &master);
    settings.identity.boot.0 = 2;
    let _back = Running::slave("127.0.0.1:0", settings, WRONG[3]);
    told("restarted", |e| matches!(e, Event::Restarted(who) if who.id.0 == 3));
    told("moved", |e| matches!(e, Event::Moved { who, .. } if who.id.0 == 3));
    assert_eq!(master.watch.count(|e| matches!(e, Event::Joined(_))), 2, "it was never new");
}

#[test]
fn a_slave_notices_that_its_master_takes_leave() {
    let mut master = Running::master("127.0.0.1:0", brisk(1), WRONG[0]);
    let slave = Running::slave("127.0.0.1:0", follower(2, &master), WRONG[1]);
    assert!(within(10, || slave.watch.count(|e| matches!(e, Event::Adjusted(_))) > 2));
    master.stop();
    assert!(master.watch.seen().finished);
    assert!(within(5, || slave.watch.count(|e| matches!(e, Event::MasterLeft { .. })) == 1));
}

#[test]
fn a_master_on_all_addresses_is_found_by_name() {
    let master = Running::master("[::]:0", patient(brisk(1)), WRONG[0]);
    let target = format!("localhost:{}", master.addr.port());
    let settings = SlaveSettings {
        masters: resolve(&target, 9).unwrap(),
        ..SlaveSettings::new(identity(2, 1))
    };
    let slaves = [Running::slave("[::]:0", settings, WRONG[1])];
    come_and_stay_together(&all(&master, &slaves), 1);
}

fn process(dir: &Path, name: &str, arguments: &[&str]) -> Daemon {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.args(arguments).args(["--name", name, "--state-dir"]).arg(dir.join(name));
    Daemon::start(command, dir, name)
}

#[test]
fn the_log_of_a_real_master_says_who_came_who_died_and_who_left() {
    let dir = tempfile::tempdir().unwrap();
    let listen = ["master", "--listen", "127.0.0.1:0", "--interval", "100ms"];
    let mut master = process(dir.path(), "tower", &listen);
    let line = "master tower on ";
    assert!(within(10, || master.log().contains(line)), "{}", master.log());
    let log = master.log();
    let addr = log.split(line).nth(1).unwrap().split(',').next().unwrap();
    let slave = ["slave", "--master", addr];
    let says = |master: &Daemon, words: &str| {
        assert!(within(15, || master.log().contains(words)), "no '{words}' in {}", master.log());
    };

    let mut crypt = process(dir.path(), "crypt", &slave);
    let mut nave = process(dir.path(), "nave", &slave);
    says(&master, "slave crypt joined");
    says(&master, "slave nave joined");
    crypt.kill();
    says(&master, "slave crypt went silent");
    let _crypt = process(dir.path(), "crypt", &slave);
    says(&master, "slave crypt restarted");
    assert_eq!(nave.terminate(), Some(0));
    says(&master, "slave nave left");
    assert_eq!(master.terminate(), Some(0));
}
