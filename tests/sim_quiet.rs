//! On an idle network six wrong clocks agree, and stay so.

use campanile::sim::{Scenario, run};

#[test]
fn six_clocks_agree_to_a_microsecond() {
    for seed in 1..=3 {
        let outcome = run(&Scenario::named("quiet").unwrap(), seed, &mut |_| {});
        let (rms, p99) = (outcome.spread_rms_s * 1e6, outcome.spread_p99_s * 1e6);
        println!("seed {seed}: rms {rms:.3} µs, p99 {p99:.3} µs");
        assert!(rms < 1.0, "seed {seed}: rms {rms} µs");
        assert!(p99 < 3.0 * rms, "seed {seed}: p99 {p99} µs");
        let max = outcome.spread_max_s * 1e6;
        assert!(max < 5.0 * rms, "seed {seed}: max {max} µs");
        let settled = outcome.settled_below_100us_s.expect("it settles");
        assert!(settled < 15.0, "seed {seed}: below 100 µs after {settled} s");
        assert_eq!(outcome.lost, 0);
        assert!(outcome.falsetickers.is_empty(), "seed {seed}: {:?}", outcome.falsetickers);
        for step in outcome.events.iter().filter(|e| e.event == "stepped") {
            assert!(step.at_s < 6.0, "seed {seed}: steps belong to the start: {step:?}");
        }
    }
}

#[test]
fn no_clock_is_believed_more_than_the_others() {
    // The cluster runs at the mean of the clocks' rates: none pulls it to its own.
    let mut scenario = Scenario::named("quiet").unwrap();
    for (node, ppm) in scenario.nodes.iter_mut().zip([40.0, -10.0, 5.0, 12.0, -20.0, 3.0]) {
        node.rate = campanile::sim::Draw::Exactly(campanile::time::Rate::from_ppm(ppm));
    }
    let outcome = run(&scenario, 1, &mut |_| {});
    let ppm = outcome.cluster_rate * 1e6;
    assert!((ppm - 5.0).abs() < 3.0, "cluster rate {ppm} ppm, the mean is 5 and the master's 40");
}
