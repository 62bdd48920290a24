//! Standbys with keys: who was restarted is heard by those who knew the process before.

use campanile::proto::Event;
use campanile::time::Span;

use crate::table::{Table, addr};

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

/// The third takes over from the second, `patience` after it was last heard, and knew the first's
/// former process.
fn succeed(patience: Span) -> Table {
    let mut table = Table::empty();
    for (number, rank) in [(1, 3), (2, 2), (3, 1)] {
        let patience = (number == 3).then_some(patience);
        let candidate = table.candidate(number, rank, number == 1, patience, 1);
        table.nodes.push(candidate);
    }
    table.run(Span::from_secs(20));
    // The first dies and comes back as another process; then the second dies.
    table.nodes.remove(0);
    table.run(Span::from_secs(10));
    let heir = masters(&table);
    assert_eq!(heir.len(), 1, "{heir:?} reign");
    let back = table.candidate(1, 0, true, None, 2);
    table.nodes.push(back);
    table.run(Span::from_secs(10));
    assert_eq!(masters(&table), heir, "who comes back stands by");
    table.nodes.retain(|node| node.addr != addr(heir[0]));
    table.run(Span::from_secs(10));
    table
}

#[test]
fn a_candidate_that_was_restarted_does_not_reign_beside_the_next_master() {
    // Whichever of the two asks first, and by how much.
    for millis in (2_000..4_000).step_by(50) {
        let table = succeed(Span::from_millis(millis));
        let masters = masters(&table);
        assert_eq!(masters.len(), 1, "{millis} ms: {masters:?} reign");
        assert!(table.spread(&[0, 1]) < Span::from_micros(5), "{millis} ms");
    }
}
