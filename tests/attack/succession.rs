//! Standbys with keys: who was restarted is heard by those who knew the process before.

use campanile::proto::Event;
use campanile::time::Span;

use crate::table::{Table, addr, cluster_key};

/// Which of the nodes reigns by what it has said.
fn masters(table: &Table) -> Vec<u16> {
    let reigns = |events: &[Event]| {
        events.iter().rev().find_map(|event| match event {
            Event::Elected { .. } | Event::Outbid { .. } => Some(true),
            Event::Yielded { .. } | Event::StandingBy { .. } => Some(false),
            _ => None,
        })
    };
    let nodes = table.nodes.iter().filter(|node| reigns(&node.events) == Some(true));
    nodes.map(|node| node.addr.port()).collect()
}

#[test]
fn a_candidate_that_was_restarted_does_not_reign_beside_the_next_master() {
    let mut table = Table::empty();
    let keys = cluster_key(1, 7);
    for (number, rank) in [(1, 3), (2, 2), (3, 1)] {
        let candidate = table.candidate(number, rank, number == 1, keys.clone(), 1);
        table.nodes.push(candidate);
    }
    table.run(Span::from_secs(20));
    assert_eq!(masters(&table), [1]);
    // The first dies and comes back as another process; then the second dies.
    table.nodes.remove(0);
    table.run(Span::from_secs(10));
    assert_eq!(masters(&table), [2]);
    // It has the least rank by now, so that the third goes first, which knew its former process.
    let back = table.candidate(1, 0, true, keys, 2);
    table.nodes.push(back);
    table.run(Span::from_secs(10));
    assert_eq!(masters(&table), [2], "who comes back stands by");
    table.nodes.retain(|node| node.addr != addr(2));
    table.run(Span::from_secs(10));
    assert_eq!(masters(&table), [3]);
    for node in &table.nodes {
        println!("{}: {:?}", node.addr, node.drops());
    }
    assert!(table.spread(&[0, 1]) < Span::from_micros(5));
}
