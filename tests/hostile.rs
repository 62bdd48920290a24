//! What strangers send: floods and forgeries.

#![allow(clippy::disallowed_methods, reason = "whoever watches real daemons waits by the clock")]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use campanile::proto::{Drop, Event, SlaveSettings};
use campanile::time::{Map, Offset, Rate, Span, Time};
use campanile::wire::{
    Adjust, BootId, Datagram, Header, LEN, Leave, LeaveReason, Message, NodeId, Poll, Rank,
    Standing, Term,
};
use common::reply::reply;
use common::{Running, Wrong, brisk, identity, raw_now, sleep, spread, within, worst_spread};

const TOGETHER: Span = Span::from_millis(1);

/// A master and two slaves that agree. Their names are `1`, `2` and `3`.
fn cluster() -> (Running, [Running; 2]) {
    let master = Running::master("127.0.0.1:0", brisk(1), Wrong { offset_ms: 0, drift_ppm: 5.0 });
    let slaves = [(2, 4, 30.0), (3, -3, -30.0)].map(|(number, offset_ms, drift_ppm)| {
        let settings =
            SlaveSettings { masters: vec![master.addr], ..SlaveSettings::new(identity(number, 1)) };
        Running::slave("127.0.0.1:0", settings, Wrong { offset_ms, drift_ppm })
    });
    {
        let nodes = [&master, &slaves[0], &slaves[1]];
        assert!(within(20, || spread(&nodes, raw_now()) < TOGETHER));
    }
    // And until the rates are learned.
    sleep(3_000);
    (master, slaves)
}

/// A generator for bytes that nobody has chosen (xorshift64*).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// Sends 100 000 random datagrams a second until told to end; returns how many it was. Half have
/// any length, half the right one, and half of these a right beginning.
fn flood(to: SocketAddr, end: &AtomicBool) -> u64 {
    const PER_MS: u64 = 100;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut noise = Noise(7);
    let mut bytes = [0u8; 2 * LEN];
    let (start, mut sent) = (Instant::now(), 0u64);
    while !end.load(Ordering::Relaxed) {
        if sent >= start.elapsed().as_millis() as u64 * PER_MS {
            std::thread::sleep(Duration::from_micros(500));
            continue;
        }
        noise.fill(&mut bytes);
        let choice = noise.next();
        let len = if choice & 1 == 0 { LEN } else { (choice >> 8) as usize % bytes.len() };
        if choice & 2 == 0 {
            bytes[..4].copy_from_slice(&[0xca, 0x4d, 1, (choice >> 16) as u8 % 8]);
            bytes[4..8].fill(0);
        }
        // What the kernel does not take is part of a flood.
        let _ = socket.send_to(&bytes[..len], to);
        sent += 1;
    }
    sent
}

/// Resident memory of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_flood_costs_neither_rounds_nor_slaves_nor_memory() {
    const SECS: u64 = 4;
    let (master, slaves) = cluster();
    let nodes = [&master, &slaves[0], &slaves[1]];
    let end = Arc::new(AtomicBool::new(false));
    let (memory, rounds) = (resident(), master.watch.rounds());
    let before = master.watch.seen().counters.received;
    let flooder = {
        let (to, end) = (master.addr, Arc::clone(&end));
        std::thread::spawn(move || flood(to, &end))
    };
    let from = raw_now();
    sleep(SECS * 1_000);
    let rounds = master.watch.rounds() - rounds;
    let grown = resident().saturating_sub(memory);
    end.store(true, Ordering::Relaxed);
    let sent = flooder.join().unwrap();
    let worst = worst_spread(&nodes, from);
    sleep(300);

    let (counters, net) = {
        let seen = master.watch.seen();
        (seen.counters.clone(), seen.net)
    };
    println!(
        "{} datagrams a second, {} taken in, {} lost in the kernel, {rounds} rounds, \
         {worst:?} apart at worst, {} KiB more memory",
        sent / SECS,
        counters.received - before,
        net.overflowed,
        grown / 1024
    );
    println!("{:?}\n{net:?}", counters.drops().map(|(d, n)| (d.name(), n)).collect::<Vec<_>>());
    assert!(rounds as u64 >= SECS * 4 - 2, "{rounds} rounds in {SECS} s");
    let lost = |e: &Event| matches!(e, Event::Left { .. } | Event::Unreachable(_) | Event::Alone);
    assert_eq!(master.watch.count(lost), 0);
    assert!(worst < Span::from_millis(2), "{worst:?} apart");
    assert!(grown < 4 << 20, "{grown} bytes more");
    // Each datagram of the flood is accounted for: dropped for a reason, or lost in the kernel.
    assert!(counters.dropped_in_all() + net.overflowed >= sent * 99 / 100);
    assert!(counters.drops().count() >= 4);
}

fn header(sender: u64, receiver: u64, boot: u32, sequence: u64) -> Header {
    Header {
        sender: NodeId(sender),
        receiver: NodeId(receiver),
        boot: BootId(boot),
        term: Term(1),
        rank: Rank(0),
        sequence,
    }
}

/// A reply as a slave would send it, to a poll that nobody sent: its clock a minute ahead.
fn invented_reply(nonce: u64) -> Message {
    let now = Time::from_nanos(raw_now().as_nanos() + 60_000_000_000);
    Message::Reply(reply(nonce, now, Time::from_nanos(now.as_nanos())))
}

/// An adjust that would move a clock by a second.
fn tempting_adjust(slave: &Running, round: u32) -> Message {
    let now = raw_now();
    let reads = slave.watch.showed(now).as_nanos() + 1_000_000_000;
    Message::Adjust(Adjust {
        round,
        standing: Standing::Counted,
        map: Map {
            at: Time::from_nanos(now.as_nanos()),
            reads: Time::from_nanos(reads),
            rate: Rate::ZERO,
        },
        delta: Offset::from_nanos(1_000_000_000),
        sigma: Span::ZERO,
        bound: Span::ZERO,
        lasts: Span::from_secs(10),
        interval: Span::from_millis(250),
        members: 3,
        counted: 3,
        spread: Span::ZERO,
        round_trip: None,
    })
}

#[test]
fn well_formed_forgeries_move_no_clock() {
    let (master, slaves) = cluster();
    let nodes = [&master, &slaves[0], &slaves[1]];
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = raw_now();
    let mut noise = Noise(3);
    for sequence in 1..=300u64 {
        let send = |header: Header, message: Message, to: &Running| {
            let mut bytes = [0; LEN];
            Datagram { header, message }.encode(&mut bytes);
            stranger.send_to(&bytes, to.addr).unwrap();
        };
        let round = 1_000_000 + sequence as u32;
        // In a slave's name, with a guessed nonce; and in nobody's.
        send(header(2, 1, 1, sequence), invented_reply(noise.next()), &master);
        send(header(99, 1, 1, sequence), invented_reply(noise.next()), &master);
        // In a slave's name, but it does not know the boot nonce.
        let leave = Message::Leave(Leave { reason: LeaveReason::Shutdown, heir: NodeId::UNKNOWN });
        send(header(3, 1, 77, sequence), leave.clone(), &master);
        // In the master's name and in another's, from an address that is not the master's.
        for (sender, slave) in [(1, &slaves[0]), (98, &slaves[1])] {
            let receiver = if sender == 1 { 2 } else { 3 };
            let poll = Poll { nonce: noise.next(), round, index: 0, burst: 1 };
            send(header(sender, receiver, 1, sequence), Message::Poll(poll), slave);
            let adjust = tempting_adjust(slave, round);
            send(header(sender, receiver, 1, sequence), adjust, slave);
            send(header(sender, receiver, 1, sequence), leave.clone(), slave);
        }
        sleep(5);
    }
    sleep(1_500);
    let worst = worst_spread(&nodes, from);
    println!("{worst:?} apart at worst");
    assert!(worst < TOGETHER, "{worst:?} apart");
    for (node, reason) in [
        (&master, Drop::Unasked),
        (&master, Drop::Stranger),
        (&master, Drop::Stale),
        (&slaves[0], Drop::NotOurMaster),
        (&slaves[1], Drop::NotOurMaster),
    ] {
        let dropped = node.watch.seen().counters.dropped(reason);
        assert!(dropped >= 300, "{}: {dropped}", reason.name());
    }
    for slave in &slaves {
        let lost = |e: &Event| matches!(e, Event::MasterLeft { .. } | Event::MasterSilent(_));
        assert_eq!(slave.watch.count(lost), 0);
    }
    assert_eq!(master.watch.count(|e| matches!(e, Event::Left { .. })), 0);
}
