//! Relays below relays: each tier adds its own error and no more.

use campanile::sim::{Tier, Tiers};
use campanile::time::Span;

/// All tiers of a small tree.
fn simulate(tiers: &Tiers) -> Vec<Tier> {
    tiers.simulate(|branches, work, take| branches.iter().map(work).for_each(take))
}

#[test]
fn errors_add_up_like_independent_ones_from_tier_to_tier() {
    let tiers = Tiers { tiers: 3, fan_out: 5, duration: Span::from_secs(60), ..Tiers::default() };
    let all = simulate(&tiers);
    let simulated: Vec<_> = all.iter().map(|tier| tier.simulated).collect();
    assert_eq!(simulated, [5, 25, 125]);
    let mut squares = 0.0;
    for (depth, tier) in (1..).zip(&all) {
        let (own, root) = (tier.own.rms_s(), tier.root.rms_s());
        println!("seed {}, tier {depth}: own {own:.3e} s, root {root:.3e} s", tiers.seed);
        assert_eq!(tier.own.count(), tier.simulated * 60, "each second of each node");
        assert!(own < 2e-6, "tier {depth} is not together: {own} s");
        // Were a relay's own average in it, or were what it was told handed on wrongly, this would
        // grow without end.
        squares += own * own;
        let independent = f64::sqrt(squares);
        assert!((0.5..1.5).contains(&(root / independent)), "tier {depth}: {root} s");
    }
}

#[test]
fn a_sample_is_of_whole_clusters_and_the_same_each_time() {
    let duration = Span::from_secs(5);
    let tiers = Tiers { fan_out: 6, leaves: 7, duration, seed: 7, ..Tiers::default() };
    let (one, two) = (simulate(&tiers), simulate(&tiers));
    assert_eq!((one[0].simulated, one[1].simulated), (6, 12));
    assert_eq!(one[1].root.rms_s(), two[1].root.rms_s());
    let fan_outs = [(1_000_000, 3), (1_000_000, 2), (1_000_001, 3), (2, 2), (9, 1)]
        .map(|(nodes, tiers)| Tiers::fan_out(nodes, tiers));
    assert_eq!(fan_outs, [100, 1_000, 101, 2, 9]);
}
