//! A master's death, its absence, and a partition disturb nobody's time.

use campanile::sim::{Handover, Happened, Incident, Outcome, Scenario, What, run};
use campanile::time::Span;

fn play(name: &str, seed: u64) -> Outcome {
    run(&Scenario::named(name).unwrap(), seed, &mut |_| {})
}

fn show(seed: u64, change: &Handover) {
    println!(
        "seed {seed}: {} after {:.3} s; spread {:.3} µs, alone {:.3}, until a minute after {:.3}; \
         jump {:.0} ns",
        change.to,
        change.gap_s.unwrap_or(f64::NAN),
        change.spread_before_p99_s * 1e6,
        change.spread_alone_max_s * 1e6,
        change.spread_gap_max_s * 1e6,
        change.jump_s.unwrap_or(f64::NAN) * 1e9
    );
}

#[test]
fn a_standby_goes_on_without_a_step() {
    for seed in 1..=5 {
        let outcome = play("failover", seed);
        let [change] = &outcome.handovers[..] else { panic!("{:?}", outcome.handovers) };
        show(seed, change);
        assert_eq!((change.from.as_deref(), change.why), (Some("node1"), "silence"));
        assert!(change.gap_s.unwrap() <= 3.5, "three intervals and half a second");
        let worse = change.spread_gap_max_s - change.spread_before_p99_s;
        assert!(worse <= 1e-6, "the spread grew by {worse} s");
        assert!(change.jump_s.unwrap() < 0.2e-6, "a jump of {:?} s", change.jump_s);
        assert_eq!(change.steps, 0);
    }
}

#[test]
fn a_minute_without_a_master_is_hardly_felt() {
    for seed in 1..=3 {
        let outcome = play("holdover", seed);
        let [change] = &outcome.handovers[..] else { panic!("{:?}", outcome.handovers) };
        show(seed, change);
        assert!(change.elected_s - change.last_sign_s > 59.0, "it is a minute");
        let worse = change.spread_alone_max_s - change.spread_before_p99_s;
        assert!(worse <= 1e-6, "the spread grew by {worse} s");
        assert_eq!(change.steps, 0);
        assert_eq!(outcome.bounds.unwrap().violations, 0);
    }
}

#[test]
fn after_a_partition_the_minority_moves_by_slewing() {
    let outcome = play("partition", 1);
    let named = |event: &str, node: &str| {
        outcome.events.iter().any(|e| e.event == event && e.node == node && e.at_s > 1_800.0)
    };
    assert!(named("elected", "node3"), "the majority has no master");
    assert!(named("out_of_sight", "node1"), "the minority does not say what it cannot see");
    assert!(named("yielded", "node1") && !named("yielded", "node3"), "the majority yields");
    let stepped = outcome.events.iter().find(|e| e.event == "stepped" && e.at_s > 10.0);
    assert!(stepped.is_none(), "{stepped:?}");
    assert_eq!(outcome.bounds.unwrap().violations, 0);
    for member in &outcome.members {
        let end = member.error_end_s - outcome.members[3].error_end_s;
        assert!(end.abs() < 2e-6, "{} ends {end} s from the majority", member.node);
    }
    // The isolated standby claims the higher term, but has nobody: the rest goes on as it was.
    let mut scenario = Scenario::named("partition").unwrap();
    scenario.incidents.retain(|incident| incident.node == 0);
    scenario.nodes[2].rank = None;
    scenario.nodes[0].rank = Some(1);
    scenario.nodes[1].rank = Some(2);
    for incident in &mut scenario.incidents {
        incident.node = 1;
    }
    let lasts = scenario.incidents[0].what;
    let What::Apart { lasts, .. } = lasts else { panic!("{lasts:?}") };
    let at = scenario.incidents[0].at;
    let what = What::Apart { from: 0, lasts };
    scenario.incidents.push(Incident { at, node: 1, what });
    let outcome = run(&scenario, 1, &mut |_| {});
    let said = |event: &str, node: &str| {
        outcome.events.iter().any(|e| e.event == event && e.node == node && e.at_s > 1_800.0)
    };
    assert!(said("elected", "node2"), "{:?}", outcome.events.last());
    assert!(said("outbid", "node1") && said("yielded", "node2"), "the one outbids the many");
    assert!(
        outcome
            .events
            .iter()
            .all(|e| e.event != "following" || e.at_s < 1_800.0 || e.node == "node2"),
        "a slave went over"
    );
}

#[test]
fn who_took_leave_is_no_member_of_the_next_master() {
    let mut scenario = Scenario::named("failover").unwrap();
    scenario.duration = Span::from_secs(660);
    let leave = |secs, node| Incident { at: Span::from_secs(secs), node, what: What::Stop };
    // Two slaves, then the master.
    scenario.incidents = vec![leave(620, 4), leave(620, 5), leave(622, 0)];
    let outcome = run(&scenario, 1, &mut |_| {});
    let [change] = &outcome.handovers[..] else { panic!("{:?}", outcome.handovers) };
    assert_eq!(change.why, "resigned");
    let lost = |e: &&Happened| ["unreachable", "out_of_sight"].contains(&e.event);
    assert_eq!(outcome.events.iter().find(lost), None);
}
