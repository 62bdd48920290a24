//! What somebody without a key can do: nothing.

use std::collections::BTreeSet;

use campanile::proto::Drop;
use campanile::time::{Map, Offset, Rate, Span, Time};
use campanile::wire::{
    Adjust, BootId, Buffer, Datagram, Header, Join, LEN, Leave, LeaveReason, Message, Name, NodeId,
    Poll, Rank, Reject, Standing, Term, Voice,
};

use crate::table::{MASTER, Seat, Seen, Table, addr, cluster_key, node_key, sealer};

const ADJUST: u8 = 6;
const SLAVES: [i64; 3] = [12, -7, 31];

/// Slaves with a key of their own each, but for the last, which has the cluster's.
fn cluster() -> Table {
    let seat = |(node, ahead_ms): (u64, i64)| Seat {
        ahead_ms,
        keys: if node < 4 { node_key(1, 7, node) } else { cluster_key(1, 7) },
    };
    let seats: Vec<_> = (2..).zip(SLAVES).map(seat).collect();
    Table::new(cluster_key(1, 7), &seats)
}

/// Runs a cluster while `attack` does something at each datagram that arrives, and asserts that
/// no clock ever had another course than without.
fn unmoved(attack: &mut dyn FnMut(&mut Table, &Seen)) -> Table {
    let mut calm = cluster();
    calm.run(Span::from_secs(30));
    assert!(calm.spread(&[0, 1, 2, 3]) < Span::from_micros(1), "it works when left in peace");
    assert!(calm.nodes.iter().all(|node| node.dropped_in_all() == 0), "and drops nothing");
    let mut attacked = cluster();
    attacked.run_with(Span::from_secs(30), attack);
    for (node, (attacked, calm)) in attacked.courses().iter().zip(calm.courses()).enumerate() {
        assert!(calm.len() > 10, "node {node} was steered");
        assert_eq!(*attacked, calm, "the clock of node {node} took another course");
    }
    for node in &attacked.nodes {
        println!("{}: {:?}", node.addr, node.drops());
    }
    attacked
}

/// What was dropped for any other reason than these.
fn others(table: &Table, reasons: &[Drop]) -> u64 {
    let expected = |node: &crate::table::Node| -> u64 {
        reasons.iter().map(|&reason| node.dropped(reason)).sum()
    };
    table.nodes.iter().map(|node| node.dropped_in_all() - expected(node)).sum()
}

fn dropped(table: &Table, reason: Drop) -> u64 {
    table.nodes.iter().map(|node| node.dropped(reason)).sum()
}

/// A datagram of each type that would do harm if it were believed, in `like`'s name.
fn temptations(table: &Table, like: &Seen) -> Vec<Datagram> {
    let outline = Datagram::outline(&like.bytes).unwrap().0;
    let header = Header { sequence: outline.sequence + 1_000_000, ..outline };
    let now = table.now.as_nanos();
    let adjust = Adjust {
        round: 4_000_000_000,
        standing: Standing::Counted,
        map: Map {
            at: Time::from_nanos(now),
            reads: Time::from_nanos(now + 1_000_000_000),
            rate: Rate::ZERO,
        },
        delta: Offset::from_nanos(1_000_000_000),
        sigma: Span::ZERO,
        bound: Span::ZERO,
        lasts: Span::from_secs(10),
        interval: Span::from_secs(1),
        members: 3,
        counted: 3,
        spread: Span::ZERO,
        round_trip: None,
    };
    let name = Name::new("mallory").unwrap();
    let saved_rate = Some(Rate::from_ppm(400.0));
    let join = Join { nonce: 1, name, saved_rate, standby: false, challenge: 0 };
    let messages = [
        Message::Leave(Leave { reason: LeaveReason::Shutdown, heir: NodeId::UNKNOWN }),
        Message::Adjust(adjust),
        Message::Poll(Poll { nonce: 7, round: 4_000_000_000, index: 0, burst: 1 }),
        Message::Join(join),
    ];
    messages.map(|message| Datagram { header, message }).into()
}

fn encoded(datagram: &Datagram) -> Buffer {
    let mut bytes = [0; LEN];
    datagram.encode(&mut bytes);
    bytes
}

#[test]
fn forgeries_without_a_key_are_unsigned() {
    let mut sent = 0;
    let table = unmoved(&mut |table, seen| {
        for forged in temptations(table, seen) {
            sent += 1;
            table.inject(seen.from, seen.to, &encoded(&forged));
        }
    });
    assert_eq!(dropped(&table, Drop::Unsigned), sent);
    assert_eq!(others(&table, &[Drop::Unsigned]), 0);
}

#[test]
fn forgeries_with_another_key_are_told_by_number_and_by_code() {
    let (mut guessed, mut foreign) = (sealer(cluster_key(1, 8)), sealer(cluster_key(2, 7)));
    let mut sent = 0;
    let table = unmoved(&mut |table, seen| {
        for forged in temptations(table, seen) {
            let voice = if seen.from == addr(1) { Voice::Master } else { Voice::Slave };
            for sealer in [&mut guessed, &mut foreign] {
                let mut bytes = encoded(&forged);
                // Even for the right process of the receiver.
                sealer.seal(&mut bytes, voice, BootId(1));
                table.inject(seen.from, seen.to, &bytes);
            }
            sent += 1;
        }
    });
    assert_eq!(dropped(&table, Drop::BadMac), sent, "the number of our key, another secret");
    assert_eq!(dropped(&table, Drop::UnknownKey), sent, "our secret, but another number");
    assert_eq!(others(&table, &[Drop::BadMac, Drop::UnknownKey]), 0);
}

#[test]
fn what_is_sent_again_is_replayed() {
    const JOIN: u8 = 1;
    const WELCOME: u8 = 2;
    let (mut again, mut late) = (0, 0);
    let table = unmoved(&mut |table, seen| {
        if [JOIN, WELCOME].contains(&seen.kind()) {
            return;
        }
        again += 1;
        table.inject(seen.from, seen.to, &seen.bytes);
        // And something of long ago, which the window has left behind.
        let old = table.tape.iter().find(|old| old.kind() == seen.kind() && old.to == seen.to);
        if let Some(old) = old.cloned() {
            late += 1;
            table.inject(old.from, old.to, &old.bytes);
        }
    });
    assert!(again > 500);
    assert_eq!(dropped(&table, Drop::Replayed), again + late);
    assert_eq!(others(&table, &[Drop::Replayed]), 0);
}

#[test]
fn recorded_joins_and_welcomes_start_nothing() {
    let table = unmoved(&mut |table, seen| {
        let handshake: Vec<_> = table.tape.iter().filter(|old| old.kind() <= 2).cloned().collect();
        // A while later, and one of them each time.
        let old = &handshake[seen.bytes[47] as usize % handshake.len()];
        table.inject(old.from, old.to, &old.bytes);
    });
    assert!(dropped(&table, Drop::Unasked) > 50, "welcomes that nobody asked for");
    let events = &table.nodes[MASTER].events;
    let restarted = events.iter().any(|e| matches!(e, campanile::proto::Event::Restarted(_)));
    assert!(!restarted, "{events:?}");
}

#[test]
fn what_is_sent_back_is_our_own() {
    let mut sent = 0;
    let table = unmoved(&mut |table, seen| {
        sent += 1;
        table.inject(seen.to, seen.from, &seen.bytes);
    });
    assert_eq!(dropped(&table, Drop::Own), sent);
    assert_eq!(others(&table, &[Drop::Own]), 0);
}

#[test]
fn what_is_cut_off_is_too_short() {
    let mut sent = 0;
    let table = unmoved(&mut |table, seen| {
        // What is left of it without its trailer, its body, and nearly all.
        for len in [LEN - 24, 40, LEN - 1, 0] {
            sent += 1;
            table.inject(seen.from, seen.to, &seen.bytes[..len]);
        }
    });
    assert_eq!(dropped(&table, Drop::Rejected(Reject::Length)), sent);
    assert_eq!(others(&table, &[Drop::Rejected(Reject::Length)]), 0);
}

#[test]
fn no_single_bit_can_be_changed() {
    let mut sent = 0;
    let mut tried = BTreeSet::new();
    let table = unmoved(&mut |table, seen| {
        // Each bit of one datagram of every type and direction.
        if !tried.insert((seen.from, seen.to, seen.kind())) {
            return;
        }
        for bit in 0..LEN * 8 {
            let mut bytes = seen.bytes;
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            sent += 1;
            table.inject(seen.from, seen.to, &bytes);
        }
    });
    assert!(tried.len() >= 15, "joins, welcomes, polls, replies and adjusts of three: {tried:?}");
    let told = [
        Drop::Rejected(Reject::Magic),
        Drop::Rejected(Reject::Version),
        Drop::Rejected(Reject::Field),
        Drop::Own,
        Drop::NotForUs,
        Drop::Unsigned,
        Drop::UnknownKey,
        Drop::BadMac,
    ];
    assert!(told.iter().all(|&reason| dropped(&table, reason) > 0));
    let in_all: u64 = told.iter().map(|&reason| dropped(&table, reason)).sum();
    assert_eq!(in_all, sent, "each is dropped, and for one of these reasons");
}

#[test]
fn a_term_or_a_sender_that_is_altered_breaks_the_seal() {
    let mut sent = 0;
    let table = unmoved(&mut |table, seen| {
        let mut term = seen.bytes;
        term[31] ^= 3;
        let mut sender = seen.bytes;
        sender[15] ^= 0x10;
        for bytes in [term, sender] {
            sent += 1;
            table.inject(seen.from, seen.to, &bytes);
        }
    });
    // A slave's word in another's name: no key of ours is for it, unless we have the cluster's.
    let told = [Drop::BadMac, Drop::UnknownKey];
    assert_eq!(told.iter().map(|&reason| dropped(&table, reason)).sum::<u64>(), sent);
    assert!(dropped(&table, Drop::BadMac) > sent / 2);
}

#[test]
fn a_term_that_is_past_is_stale_even_under_a_good_seal() {
    let mut keys = sealer(cluster_key(1, 7));
    let mut sent = 0;
    let table = unmoved(&mut |table, seen| {
        // Few: so many of them leave the genuine ones behind in the window, which is no attack
        // that anybody without the key could make.
        if seen.kind() != ADJUST || sent == 20 {
            return;
        }
        let Ok(mut datagram) = Datagram::decode(&seen.bytes) else { panic!("it decodes") };
        datagram.header.term = Term(0);
        datagram.header.rank = Rank(200);
        datagram.header.sequence += 1_000_000_000;
        if let Message::Adjust(adjust) = &mut datagram.message {
            adjust.round += 1_000;
            adjust.map.reads = adjust.map.reads + Offset::from_nanos(1_000_000);
        }
        let mut bytes = encoded(&datagram);
        keys.seal(&mut bytes, Voice::Master, BootId(1));
        sent += 1;
        table.inject(seen.from, seen.to, &bytes);
    });
    assert_eq!((sent, dropped(&table, Drop::Stale)), (20, 20));
    assert_eq!(others(&table, &[Drop::Stale]), 0);
}

#[test]
fn a_cluster_with_keys_and_one_without_do_not_hear_each_other() {
    let keyless = Seat { ahead_ms: 5, keys: Default::default() };
    let mut table = Table::new(cluster_key(1, 7), &[keyless]);
    table.run(Span::from_secs(30));
    assert!(table.nodes[MASTER].dropped(Drop::Unsigned) > 3);
    let keyed = Seat { ahead_ms: 5, keys: cluster_key(1, 7) };
    let mut table = Table::new(Default::default(), &[keyed]);
    table.run(Span::from_secs(30));
    assert!(table.nodes[MASTER].dropped(Drop::UnknownKey) > 3);
    assert_eq!(table.nodes[1].courses.len(), 0);
}
