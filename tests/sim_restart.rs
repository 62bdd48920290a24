//! A slave that is killed and started again disturbs nobody, and neither does one that goes.

use campanile::sim::{Incident, Outcome, Scenario, Way, What, run};
use campanile::time::Span;

fn with(incidents: &[(u64, What)], seed: u64) -> Outcome {
    let mut scenario = Scenario::named("quiet").unwrap();
    scenario.incidents = incidents
        .iter()
        .map(|&(at, what)| Incident { at: Span::from_secs(at), node: 3, what })
        .collect();
    run(&scenario, seed, &mut |_| {})
}

fn said(outcome: &Outcome, event: &str, after: f64) -> usize {
    let about = |e: &&campanile::sim::Happened| e.about.as_deref() == Some("node4");
    outcome.events.iter().filter(about).filter(|e| e.event == event && e.at_s >= after).count()
}

#[test]
fn a_restarted_slave_is_noticed_and_disturbs_nobody() {
    for seed in 1..=3 {
        let plain = with(&[], seed);
        for pause in [1, 30] {
            let restart = [(1_800, What::Kill), (1_800 + pause, What::Start)];
            let outcome = with(&restart, seed);
            let max = outcome.spread_max_s * 1e6;
            println!("seed {seed}, pause {pause} s: max {max:.3} µs");
            assert_eq!(said(&outcome, "restarted", 1_800.0), 1, "seed {seed}");
            assert!(max < 20.0, "seed {seed}, pause {pause} s: max {max} µs");
            assert!(outcome.wander_s < 2.0 * plain.wander_s + 1e-6, "seed {seed}: {outcome:?}");
            for node in outcome.members.iter().filter(|m| m.node != "node4") {
                assert!(node.error_max_s < 10e-6, "seed {seed}, pause {pause} s: {node:?}");
            }
            let late = outcome.events.iter().find(|e| e.event == "stepped" && e.at_s > 10.0);
            assert!(late.is_none(), "seed {seed}, pause {pause} s: {late:?}");
        }
    }
}

#[test]
fn a_slave_that_dies_or_leaves_is_missed_and_the_rest_stay_together() {
    let plain = with(&[], 1);
    let left = with(&[(1_800, What::Stop)], 1);
    assert_eq!(said(&left, "left", 1_800.0), 1);
    let died = with(&[(1_800, What::Kill)], 1);
    assert_eq!(said(&died, "unreachable", 1_800.0), 1);
    for outcome in [left, died] {
        assert!(outcome.spread_rms_s < 1.2 * plain.spread_rms_s, "{}", outcome.spread_rms_s);
        assert!(outcome.spread_max_s < 1.5 * plain.spread_max_s, "{}", outcome.spread_max_s);
    }
}

#[test]
fn a_good_clock_is_not_stepped_by_a_way_that_is_held_up_when_its_daemon_comes_back() {
    for (way, seed) in [(Way::Forth, 1), (Way::Back, 2), (Way::Forth, 3)] {
        let lasts = Some(Span::from_secs(3));
        let held_up = What::Delay { way, add: Span::from_millis(3), up_to: Span::ZERO, lasts };
        let restart = [(1_800, What::Kill), (1_801, What::Start), (1_801, held_up)];
        let outcome = with(&restart, seed);
        let step = outcome.events.iter().find(|e| e.event == "stepped" && e.at_s > 10.0);
        assert!(step.is_none(), "seed {seed}: {step:?}");
        for member in &outcome.members {
            let most = if member.node == "node4" { 1_500e-6 } else { 10e-6 };
            assert!(member.error_max_s < most, "seed {seed}: {member:?}");
        }
    }
}
