//! Recordings of earlier processes of either side, and keys that are replaced.

use campanile::proto::{Drop, Event};
use campanile::time::Span;
use campanile::wire::{KeyId, Keyring, cluster_line};

use crate::table::{MASTER, Seat, Seen, Table, addr, cluster_key, node_key};

fn seats() -> [Seat; 2] {
    [(2, 12), (3, -7)].map(|(node, ahead_ms)| Seat { ahead_ms, keys: node_key(1, 7, node) })
}

fn settled() -> Table {
    let mut table = Table::new(cluster_key(1, 7), &seats());
    table.run(Span::from_secs(20));
    assert!(table.spread(&[0, 1, 2]) < Span::from_micros(1));
    table
}

/// Runs on while all that was recorded so far is played again, some at each datagram.
fn play(table: &mut Table, tape: &[Seen], to: &dyn Fn(&Seen) -> bool, span: Span) -> u64 {
    let tape: Vec<_> = tape.iter().filter(|seen| to(seen)).collect();
    let mut played = 0;
    table.run_with(span, &mut |table, _| {
        for _ in 0..4 {
            let old = tape[played as usize % tape.len()];
            played += 1;
            table.inject(old.from, old.to, &old.bytes);
        }
    });
    assert!(played as usize > tape.len(), "all of it was played");
    played
}

#[test]
fn a_restarted_slave_believes_nothing_that_its_former_process_was_told() {
    let run = |attack: bool| {
        let mut table = settled();
        let tape = table.tape.clone();
        table.nodes[1] = table.slave(2, Seat { ahead_ms: 40, ..seats()[0].clone() }, 2);
        let mut played = 0;
        if attack {
            played = play(&mut table, &tape, &|seen| seen.to == addr(2), Span::from_secs(20));
        } else {
            table.run(Span::from_secs(20));
        }
        (table, played)
    };
    let ((calm, _), (attacked, played)) = (run(false), run(true));
    assert_eq!(attacked.courses(), calm.courses());
    let slave = &attacked.nodes[1];
    println!("{:?}", slave.drops());
    // But for welcomes, which nobody asked for, and which are sealed for the former process too.
    // Something genuine was on its way when the slave was restarted.
    assert!((played..played + 4).contains(&slave.dropped(Drop::OtherBoot)));
    assert_eq!(attacked.nodes[MASTER].count(|e| matches!(e, Event::Restarted(_))), 1);
}

#[test]
fn a_restarted_slaves_former_process_cannot_be_brought_back() {
    let mut table = settled();
    let tape = table.tape.clone();
    table.nodes[1] = table.slave(2, Seat { ahead_ms: 40, ..seats()[0].clone() }, 2);
    table.run(Span::from_secs(1));
    play(&mut table, &tape, &|seen| seen.from == addr(2), Span::from_secs(20));
    let master = &table.nodes[MASTER];
    println!("{:?}", master.drops());
    assert!(master.dropped(Drop::Replayed) > 500);
    assert_eq!(master.count(|e| matches!(e, Event::Restarted(_))), 1, "once, and it stays so");
    assert!(table.spread(&[0, 1, 2]) < Span::from_micros(1));
}

#[test]
fn a_restarted_masters_former_process_cannot_be_brought_back() {
    let run = |attack: bool| {
        let mut table = settled();
        let tape = table.tape.clone();
        table.nodes[MASTER] = table.master(cluster_key(1, 7), 2);
        // Until the slaves have noticed and joined it.
        table.run(Span::from_secs(15));
        let followed = |e: &Event| matches!(e, Event::Following(_));
        let before: Vec<_> = [1, 2].map(|n| table.nodes[n].count(followed)).into();
        if attack {
            play(&mut table, &tape, &|seen| seen.from == addr(1), Span::from_secs(20));
            for (node, before) in [1, 2].into_iter().zip(before) {
                println!("{:?}", table.nodes[node].drops());
                assert!(table.nodes[node].dropped(Drop::Replayed) > 500);
                assert_eq!(table.nodes[node].count(followed), before, "it follows nobody else");
            }
        } else {
            table.run(Span::from_secs(20));
        }
        table
    };
    let (calm, attacked) = (run(false), run(true));
    assert_eq!(attacked.courses(), calm.courses());
    assert!(attacked.spread(&[0, 1, 2]) < Span::from_micros(1));
}

#[test]
fn silence_brings_no_former_process_back() {
    let mut table = settled();
    table.nodes[1] = table.slave(2, Seat { ahead_ms: 40, ..seats()[0].clone() }, 2);
    table.run(Span::from_secs(20));
    let tape = table.tape.clone();
    // The new process dies, or the attacker has cut it off; that of before is played for longer
    // than anybody of its identity has to be silent for.
    table.nodes.remove(1);
    let before = table.nodes[MASTER].events.len();
    let former = |seen: &Seen| seen.from == addr(2) && seen.bytes[24..28] == [0, 0, 0, 1];
    play(&mut table, &tape, &former, Span::from_secs(60));
    let master = &table.nodes[MASTER];
    println!("{:?}", master.drops());
    assert!(master.dropped(Drop::Replayed) > 500);
    let back = |e: &Event| {
        matches!(
            e,
            Event::Restarted(_) | Event::Reachable(_) | Event::Joined(_) | Event::Moved { .. }
        )
    };
    assert_eq!(master.events[before..].iter().filter(|e| back(e)).count(), 0, "it came back");
}

#[test]
fn a_welcome_that_was_held_back_is_worth_nothing_after_a_newer_one() {
    const WELCOME: u8 = 2;
    let mut table = Table::new(cluster_key(1, 7), &seats());
    // The first master's welcomes never arrive. It dies, and the next one is joined.
    table.held_back = |seen| seen.kind() == WELCOME;
    table.run(Span::from_millis(1_200));
    table.held_back = |_| false;
    let held: Vec<_> = table.tape.iter().filter(|seen| seen.kind() == WELCOME).cloned().collect();
    assert!(held.len() >= 4, "{} were held back", held.len());
    table.nodes[MASTER] = table.master(cluster_key(1, 7), 2);
    table.run(Span::from_secs(20));
    let followed = |e: &Event| matches!(e, Event::Following(_));
    let before = [1, 2].map(|n| table.nodes[n].count(followed));
    for welcome in &held {
        table.inject(welcome.from, welcome.to, &welcome.bytes);
    }
    table.run(Span::from_secs(20));
    for node in [1, 2] {
        let slave = &table.nodes[node];
        println!("{:?}", slave.drops());
        assert_eq!(slave.dropped(Drop::Unasked), held.len() as u64 / 2);
        assert_eq!(slave.count(followed), before[node - 1], "it follows who is gone");
        assert_eq!(slave.dropped(Drop::Replayed), 0, "and does not hear who lives");
    }
    assert!(table.spread(&[0, 1, 2]) < Span::from_micros(1));
}

#[test]
fn what_slaves_told_a_former_master_is_worth_nothing_to_the_next() {
    let mut table = settled();
    let tape = table.tape.clone();
    table.nodes[MASTER] = table.master(cluster_key(1, 7), 2);
    // The slaves have not noticed yet: whatever makes it poll now comes from the tape.
    for old in tape.iter().filter(|seen| seen.to == addr(1)) {
        table.inject(old.from, old.to, &old.bytes);
    }
    let master = &table.nodes[MASTER];
    println!("{:?}", master.drops());
    assert!(master.dropped(Drop::OtherBoot) > 100);
    assert_eq!(master.events, vec![], "nobody has joined");
    table.run(Span::from_secs(20));
    assert!(table.spread(&[0, 1, 2]) < Span::from_micros(1));
}

#[test]
fn keys_are_replaced_without_losing_a_round() {
    let ring = |ids: &[u32]| {
        let lines = ids.iter().map(|&id| cluster_line(KeyId(id), &[id as u8; 32]).to_string());
        Keyring::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap()
    };
    let seat = |ahead_ms| Seat { ahead_ms, keys: ring(&[1]) };
    let seats = [seat(12), seat(-7)];
    let mut calm = Table::new(ring(&[1]), &seats);
    calm.run(Span::from_secs(50));
    let mut table = Table::new(ring(&[1]), &seats);
    // The new key is known everywhere, then used everywhere, then the old one is forgotten; node
    // by node, a second and a half apart.
    table.run(Span::from_secs(20));
    for ids in [&[1, 2][..], &[2, 1], &[2]] {
        for node in [2, MASTER, 1] {
            table.keys(node, &ring(ids));
            table.run(Span::from_millis(1_500));
        }
    }
    table.run(Span::from_millis(50_000 - 20_000 - 9 * 1_500));
    assert!(table.nodes.iter().all(|node| node.dropped_in_all() == 0), "nothing is lost");
    assert_eq!(table.courses(), calm.courses(), "nobody notices");
}
