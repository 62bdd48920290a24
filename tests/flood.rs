//! Floods, while five slaves run with keys. Apart from other tests, which take memory too.

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use campanile::proto::{Event, MasterSettings, SlaveSettings, Trust};
use campanile::time::{Span, Time};
use campanile::wire::{BootId, Buffer, Datagram, Header, LEN, Message, NodeId, Rank, Term, Voice};

use common::keys::{cluster_key, node_key, sealer};
use common::reply::reply;
use common::{Running, Wrong, brisk, identity, raw_now, sleep, within, worst_spread};

const SLAVES: u64 = 5;

/// What a flood is made of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Bytes that nobody has chosen, of the right length.
    Random,
    /// A reply as a slave sends it, but not sealed.
    Unsigned,
    /// The same, sealed with another secret under the number of our key.
    BadMac,
}

fn template(kind: Kind) -> Buffer {
    let message = Message::Reply(reply(1, Time::from_nanos(0), Time::from_nanos(0)));
    let header = Header {
        sender: NodeId(2),
        receiver: NodeId(1),
        boot: BootId(1),
        term: Term(1),
        rank: Rank(0),
        sequence: 1_000_000,
    };
    let mut bytes = [0; LEN];
    Datagram { header, message }.encode(&mut bytes);
    match kind {
        Kind::Random => (0u8..).zip(&mut bytes).for_each(|(n, byte)| *byte = n.wrapping_mul(151)),
        Kind::Unsigned => {}
        Kind::BadMac => sealer(cluster_key(1, 8)).seal(&mut bytes, Voice::Slave, BootId(1)),
    }
    bytes
}

/// Sends `per_ms` a millisecond, from a new port now and then, until told to end; how many it was.
fn flood(to: SocketAddr, kind: Kind, per_ms: u64, end: &AtomicBool) -> u64 {
    let mut bytes = template(kind);
    let sockets: Vec<_> = (0..16).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let (start, mut sent) = (Instant::now(), 0u64);
    while !end.load(Ordering::Relaxed) {
        let due = start.elapsed().as_micros() as u64 * per_ms / 1_000;
        if sent >= due {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        // The nonce differs, as do the bytes that nobody has chosen.
        bytes[40..48].copy_from_slice(&sent.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
        let _ = sockets[(sent >> 12) as usize % sockets.len()].send_to(&bytes, to);
        sent += 1;
    }
    sent
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

fn trust(keys: campanile::wire::Keyring) -> Trust {
    Trust { keys, ..Trust::default() }
}

fn cluster() -> Vec<Running> {
    let settings = MasterSettings { trust: trust(cluster_key(1, 7)), ..brisk(1) };
    let mut nodes =
        vec![Running::master("127.0.0.1:0", settings, Wrong { offset_ms: 0, drift_ppm: 5.0 })];
    for number in 2..2 + SLAVES {
        let settings = SlaveSettings {
            masters: vec![nodes[0].addr],
            trust: trust(node_key(1, 7, number)),
            ..SlaveSettings::new(identity(number, 1))
        };
        let side = number as i64 - 4;
        let wrong = Wrong { offset_ms: side, drift_ppm: side as f64 * 12.0 };
        nodes.push(Running::slave("127.0.0.1:0", settings, wrong));
    }
    let all: Vec<_> = nodes.iter().collect();
    let joined = |e: &Event| matches!(e, Event::Joined(_));
    assert!(within(30, || all[0].watch.count(joined) == SLAVES as usize));
    assert!(within(30, || worst_spread(&all, raw_now()) < Span::from_millis(1)));
    sleep(5_000);
    nodes
}

/// Floods a running cluster with each kind for so long; `strict` holds the figures to the limits.
fn flooded(secs: u64, per_ms: u64, strict: bool) {
    let nodes = cluster();
    let all: Vec<_> = nodes.iter().collect();
    let master = all[0];
    let from = raw_now();
    sleep(secs * 1_000);
    let calm = worst_spread(&all, from);
    println!("without a flood {calm:?} apart at worst");
    for kind in [Kind::Random, Kind::Unsigned, Kind::BadMac] {
        // The watchers keep all that happens: their growth is not the daemon's.
        let end = Arc::new(AtomicBool::new(false));
        let flooder = {
            let (to, end) = (master.addr, Arc::clone(&end));
            std::thread::spawn(move || flood(to, kind, per_ms, &end))
        };
        sleep(500);
        let (memory, rounds) = (resident(), master.watch.rounds());
        let before = master.watch.seen().counters.clone();
        let from = raw_now();
        sleep(secs * 1_000);
        let rounds = master.watch.rounds() - rounds;
        let grown = resident().saturating_sub(memory);
        let worst = worst_spread(&all, from);
        end.store(true, Ordering::Relaxed);
        let sent = flooder.join().unwrap();
        let seen = master.watch.seen();
        let drops: Vec<_> = seen
            .counters
            .drops()
            .map(|(reason, count)| (reason.name(), count - before.dropped(reason)))
            .filter(|(_, count)| *count > 0)
            .collect();
        println!(
            "{kind:?}: {} a second, {rounds} rounds in {secs} s, {worst:?} apart at worst, \
             {} KiB more memory, {drops:?}, {} lost in the kernel in all",
            sent * 1_000 / (secs * 1_000 + 500),
            grown / 1024,
            seen.net.overflowed
        );
        assert!(rounds as u64 >= secs * 4 - 2, "{rounds} rounds");
        assert!(grown < 1 << 20, "{grown} bytes more");
        let most = if strict { calm + calm } else { Span::from_millis(5) };
        assert!(worst <= most, "{worst:?} apart, {calm:?} without a flood");
    }
    let lost = |e: &Event| matches!(e, Event::Left { .. } | Event::Unreachable(_) | Event::Alone);
    assert_eq!(master.watch.count(lost), 0);
}

#[test]
fn a_flood_of_each_kind_costs_neither_rounds_nor_memory() {
    flooded(3, 50, false);
}

/// `cargo test --release --test flood -- --ignored --nocapture`
#[test]
#[ignore = "two minutes of 200 000 datagrams a second: wants a machine of its own"]
fn two_hundred_thousand_a_second_for_half_a_minute() {
    flooded(30, 200, true);
}
