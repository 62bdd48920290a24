//! The bound that a node publishes is true, whatever network and clocks do.

use campanile::sim::{Scenario, run};
use campanile::time::Span;

/// The bounds' violations in a shortened run, and their median over that of the error.
fn violations(name: &str, seed: u64) -> u64 {
    let mut scenario = Scenario::named(name).unwrap().lasting(Span::from_secs(1_800));
    scenario.warm_up = Span::from_secs(60);
    let bounds = run(&scenario, seed, &mut |_| {}).bounds.expect("slaves publish bounds");
    println!(
        "{name}, seed {seed}: {} of {} violated, median {:.1} µs, of the error {:.3} µs",
        bounds.violations,
        bounds.checks,
        bounds.p50_s * 1e6,
        bounds.error_p50_s * 1e6
    );
    assert!(bounds.checks > 1_000);
    assert!(bounds.p50_s < 1e-3, "{name}: a bound of {} s says nothing", bounds.p50_s);
    bounds.violations
}

#[test]
fn the_bound_holds_on_every_network() {
    for name in ["quiet", "busy", "bursty", "lossy", "warm", "badmaster", "daemon", "system"] {
        assert_eq!(violations(name, 1), 0, "{name}");
    }
}

#[test]
fn the_bound_holds_when_one_way_is_slow_and_nothing_shows_it() {
    for name in ["pair-queue", "pair-route", "pair-jam", "pair-longer", "pair-gauss"] {
        assert_eq!(violations(name, 1), 0, "{name}");
    }
}

#[test]
fn the_bound_holds_through_silence_and_a_change_of_rate() {
    for seed in 1..=2 {
        for name in ["pair-mute", "pair-drift", "pair-sway"] {
            assert_eq!(violations(name, seed), 0, "{name}, seed {seed}");
        }
    }
}
