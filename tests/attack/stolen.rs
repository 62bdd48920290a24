//! One slave's key is stolen: that slave's clock is the thief's, and no other.

use campanile::proto::{Drop, Event};
use campanile::time::{Offset, Span, Time};
use campanile::wire::{BootId, Datagram, LEN, Message, NodeId, Voice};

use crate::table::{MASTER, Seat, Table, addr, cluster_key, node_key, sealer};

const REPLY: u8 = 5;
const THIEF: u64 = 4;

/// Slave 2 has its own key alone, slave 3 that of the cluster, and 4's was stolen.
fn cluster() -> Table {
    let keys = [node_key(1, 7, 2), cluster_key(1, 7), node_key(1, 7, THIEF)];
    let seats: Vec<_> =
        [12, -7, 3].into_iter().zip(keys).map(|(ahead_ms, keys)| Seat { ahead_ms, keys }).collect();
    Table::new(cluster_key(1, 7), &seats)
}

#[test]
fn a_stolen_key_can_lie_about_its_own_clock_and_is_not_listened_to() {
    let mut stolen = sealer(node_key(1, 7, THIEF));
    let mut table = cluster();
    table.run(Span::from_secs(20));
    let (before, true_at) = (table.shows(MASTER), table.now);
    // The thief answers in its name: its clock has gone ahead by 20 ms, and shows ten seconds more.
    let mut lies = 0;
    table.nodes.pop();
    let mut sequence = 1_000_000;
    table.run_with(Span::from_secs(30), &mut |table, seen| {
        if seen.to != addr(4) || seen.kind() != 4 {
            return;
        }
        let like = table.tape.iter().rev().find(|s| s.kind() == REPLY && s.from == addr(4));
        let Some(Ok(mut datagram)) = like.map(|like| Datagram::decode(&like.bytes)) else { return };
        let Ok(poll) = Datagram::decode(&seen.bytes) else { return };
        let (Message::Reply(reply), Message::Poll(poll)) = (&mut datagram.message, poll.message)
        else {
            return;
        };
        let now = Time::from_nanos(table.now.as_nanos() + 20_000_000);
        (reply.nonce, reply.t2, reply.t3, reply.correction) = (poll.nonce, now, now, None);
        reply.map.at = now;
        reply.map.reads = table.shows(MASTER) + Offset::from_nanos(10_000_000_000);
        sequence += 1;
        datagram.header.sequence = sequence;
        let mut bytes = [0; LEN];
        datagram.encode(&mut bytes);
        stolen.seal(&mut bytes, Voice::Slave, BootId(1));
        lies += 1;
        table.inject(addr(4), addr(1), &bytes);
    });
    assert!(lies > 100);
    let master = &table.nodes[MASTER];
    assert_eq!(master.dropped_in_all(), 0, "they are believed to be its own: {:?}", master.drops());
    let told = |e: &Event| match e {
        Event::Falseticker { who, .. } | Event::LocalStepped { who, .. } => who.id == NodeId(THIEF),
        _ => false,
    };
    println!("{:?}", master.events.iter().filter(|e| told(e)).collect::<Vec<_>>());
    assert!(master.count(told) > 0, "it is found out");
    assert!(table.spread(&[0, 1, 2]) < Span::from_micros(1));
    let gone = (table.shows(MASTER) - before) - (table.now - true_at);
    assert!(gone.abs() < Span::from_micros(1), "cluster time went {gone:?} astray");
}

#[test]
fn a_stolen_key_does_not_pose_as_the_master() {
    let mut stolen = sealer(node_key(1, 7, THIEF));
    let mut calm = cluster();
    calm.run(Span::from_secs(30));
    let mut table = cluster();
    let mut sent = [0; 3];
    table.run_with(Span::from_secs(30), &mut |table, seen| {
        // Whatever the master said to slaves 2 and 3, a little later and with other words.
        if seen.from != addr(1) || seen.to == addr(4) || seen.kind() <= 2 {
            return;
        }
        let Ok(mut datagram) = Datagram::decode(&seen.bytes) else { panic!("it decodes") };
        datagram.header.sequence += 1_000;
        if let Message::Adjust(adjust) = &mut datagram.message {
            adjust.round += 1;
            adjust.map.reads = adjust.map.reads + Offset::from_nanos(1_000_000_000);
        }
        // As the master: the key of the receiver would be needed.
        let mut bytes = [0; LEN];
        datagram.encode(&mut bytes);
        stolen.seal(&mut bytes, Voice::Master, BootId(1));
        table.inject(seen.from, seen.to, &bytes);
        sent[0] += 1;
        // Sealed for the thief itself, and addressed anew afterwards.
        datagram.header.receiver = NodeId(THIEF);
        datagram.encode(&mut bytes);
        stolen.seal(&mut bytes, Voice::Master, BootId(1));
        bytes[16..24].copy_from_slice(&seen.bytes[16..24]);
        table.inject(seen.from, seen.to, &bytes);
        sent[1] += 1;
        // In its own name, but as a master.
        datagram.header.receiver = NodeId(0);
        datagram.header.sender = NodeId(THIEF);
        datagram.encode(&mut bytes);
        stolen.seal(&mut bytes, Voice::Slave, BootId(1));
        table.inject(seen.from, seen.to, &bytes);
        sent[2] += 1;
    });
    assert_eq!(table.courses(), calm.courses());
    assert!(sent[0] > 100);
    let (second, third) = (&table.nodes[1], &table.nodes[2]);
    println!("{:?}\n{:?}", second.drops(), third.drops());
    for slave in [second, third] {
        assert!(slave.dropped(Drop::Unsigned) > 50, "it cannot seal as the master at all");
        assert!(slave.dropped(Drop::BadMac) > 50, "its seal is not good for another receiver");
    }
    assert!(second.dropped(Drop::UnknownKey) > 50, "a slave has no key for other slaves' words");
    assert!(third.dropped(Drop::NotEntitled) > 50, "with one, it sees that a slave spoke");
}

#[test]
fn a_stolen_key_does_not_pose_as_another_slave() {
    let mut stolen = sealer(node_key(1, 7, THIEF));
    let mut calm = cluster();
    calm.run(Span::from_secs(30));
    let mut table = cluster();
    let mut sent = 0;
    table.run_with(Span::from_secs(30), &mut |table, seen| {
        // It sees the polls of others, answers first, in its own name and from their address.
        if seen.kind() != REPLY || seen.from == addr(4) {
            return;
        }
        let Ok(mut datagram) = Datagram::decode(&seen.bytes) else { panic!("it decodes") };
        datagram.header.sequence += 1_000;
        datagram.header.sender = NodeId(THIEF);
        if let Message::Reply(reply) = &mut datagram.message {
            reply.map.reads = reply.map.reads + Offset::from_nanos(1_000_000_000);
        }
        let mut bytes = [0; LEN];
        datagram.encode(&mut bytes);
        stolen.seal(&mut bytes, Voice::Slave, BootId(1));
        // In the other's name the seal does not fit.
        bytes[8..16].copy_from_slice(&seen.bytes[8..16]);
        table.inject(seen.from, seen.to, &bytes);
        sent += 1;
    });
    assert!(sent > 100);
    assert_eq!(table.courses(), calm.courses());
    assert_eq!(table.nodes[MASTER].dropped(Drop::BadMac), sent);
}

#[test]
fn a_stolen_key_does_not_take_another_slaves_place_with_its_open_poll() {
    let mut stolen = sealer(node_key(1, 7, THIEF));
    let mut table = cluster();
    table.run(Span::from_secs(10));
    let mut sent = 0;
    table.run_with(Span::from_secs(10), &mut |table, seen| {
        // The poll has just arrived at slave 2; the thief's answer to it is there first.
        if seen.kind() != 4 || seen.to != addr(2) || sent == 20 {
            return;
        }
        let like = table.tape.iter().rev().find(|s| s.kind() == REPLY && s.from == addr(4));
        let Some(Ok(mut datagram)) = like.map(|like| Datagram::decode(&like.bytes)) else { return };
        datagram.header.sequence += 1_000 + sent;
        if let Message::Reply(reply) = &mut datagram.message {
            reply.nonce = u64::from_be_bytes(*seen.bytes[40..].first_chunk().unwrap());
        }
        let mut bytes = [0; LEN];
        datagram.encode(&mut bytes);
        stolen.seal(&mut bytes, Voice::Slave, BootId(1));
        table.inject(addr(2), addr(1), &bytes);
        sent += 1;
    });
    let master = &table.nodes[MASTER];
    println!("{:?}", master.drops());
    // Who answers a poll to another place than its own, while its own answers too, is two: that is
    // said, once, and the poll stays open for the one that it was for.
    assert_eq!((sent, master.dropped(Drop::Twin)), (20, 20));
    assert_eq!(master.dropped_in_all(), 20, "what slave 2 answered itself counts");
    let twins = |e: &Event| matches!(e, Event::Twins { who, .. } if who.id == NodeId(THIEF));
    assert_eq!(master.count(twins), 1);
    assert_eq!(master.count(|e| matches!(e, Event::Restarted(_))), 0);
    assert!(table.spread(&[0, 1, 2]) < Span::from_micros(1));
}
