//! A master without slaves says so once and goes on; slaves without a master coast.

use campanile::sim::{Incident, Scenario, What, run};
use campanile::time::Span;

#[test]
fn a_lone_master_says_so_once_and_leaves_its_clock_alone() {
    let mut scenario = Scenario::named("quiet").unwrap();
    scenario.nodes.truncate(1);
    let outcome = run(&scenario, 1, &mut |_| {});
    let words: Vec<_> = outcome.events.iter().map(|e| e.event).collect();
    assert_eq!(words, ["alone"]);
    assert_eq!((outcome.steps, outcome.packets), (0, 0));
}

#[test]
fn slaves_of_a_dead_master_coast_and_are_together_when_it_returns() {
    for seed in 1..=3 {
        let mut scenario = Scenario::named("quiet").unwrap();
        let at = |secs, what| Incident { at: Span::from_secs(secs), node: 0, what };
        scenario.incidents = vec![at(1_800, What::Kill), at(1_860, What::Start)];
        let outcome = run(&scenario, seed, &mut |_| {});
        let max = outcome.spread_max_s * 1e6;
        println!("seed {seed}: max {max:.3} µs");
        assert!(max < 100.0, "seed {seed}: max {max} µs");
        let of_slaves = |event| {
            let late = outcome.events.iter().filter(|e| e.at_s > 1_800.0 && e.node != "node1");
            late.filter(|e| e.event == event).count()
        };
        assert_eq!(of_slaves("master_silent"), 5, "seed {seed}");
        assert_eq!(of_slaves("holdover"), 5, "seed {seed}");
        assert_eq!(of_slaves("following"), 5, "seed {seed}");
        assert_eq!(of_slaves("stepped"), 0, "seed {seed}");
        assert!(outcome.members.iter().all(|m| m.error_end_s.abs() < 2e-6), "seed {seed}");
    }
}
