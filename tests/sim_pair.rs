//! What befalls the clock of one slave, seeds with which an estimator has gone astray among others.

use campanile::sim::{Outcome, Scenario, run};

/// When it happens, in seconds.
const THEN: f64 = 3_000.0;

fn runs(name: &str, seeds: &[u64]) -> impl Iterator<Item = (u64, Outcome)> {
    let scenario = Scenario::named(name).unwrap();
    seeds.iter().map(move |&seed| (seed, run(&scenario, seed, &mut |_| {})))
}

#[test]
fn a_rate_that_jumps_is_followed_and_is_no_step() {
    for (seed, outcome) in runs("pair-drift", &[1, 9, 15, 119, 122]) {
        let max = outcome.spread_max_s * 1e6;
        println!("seed {seed}: max {max:.2} µs");
        assert!(max < 13.0, "seed {seed}: max {max} µs");
        let settled = outcome.settled_below_2us_s.map(|at| at - THEN);
        assert!(settled.is_some_and(|after| after < 60.0), "seed {seed}: {settled:?}");
        let steps = outcome.events.iter().filter(|e| e.event == "local_stepped").count();
        assert!(steps <= 1, "seed {seed}: {steps} steps");
    }
}

#[test]
fn a_step_is_found_and_slewed_away_within_ten_seconds() {
    for (seed, outcome) in runs("pair-step", &[1, 11, 17]) {
        let found: Vec<_> = outcome.events.iter().filter(|e| e.event == "local_stepped").collect();
        let [found] = found[..] else { panic!("seed {seed}: {found:?}") };
        assert!((0.0..1.1).contains(&(found.at_s - THEN)), "seed {seed}: {found:?}");
        let by = found.by_s.unwrap() * 1e3;
        assert!((by - 1.0).abs() < 0.01, "seed {seed}: {by} ms");
        let settled = outcome.settled_below_2us_s.map(|at| at - THEN);
        assert!(settled.is_some_and(|after| after < 10.0), "seed {seed}: {settled:?}");
    }
}

#[test]
fn a_young_track_that_went_astray_finds_back() {
    let scenario = Scenario::named("busy").unwrap();
    for seed in [1, 115] {
        let outcome = run(&scenario, seed, &mut |_| {});
        let rms = outcome.spread_rms_s * 1e6;
        println!("busy, seed {seed}: RMS {rms:.2} µs");
        assert!(rms < 1.5, "seed {seed}: RMS {rms} µs");
    }
}
