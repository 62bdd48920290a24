//! A clock that jumps is out of the average at once, is named, and takes nobody with it.

use campanile::sim::{Scenario, run};

const JUMP_S: f64 = 1_800.0;

#[test]
fn a_clock_that_jumps_is_out_within_three_rounds_and_takes_nobody_along() {
    for seed in 1..=3 {
        let scenario = Scenario::named("falsetick").unwrap();
        let with = run(&scenario, seed, &mut |_| {});
        let without = run(&Scenario { incidents: Vec::new(), ..scenario }, seed, &mut |_| {});
        let (rms, honest) = (with.spread_rms_s * 1e6, without.spread_rms_s * 1e6);
        println!("seed {seed}: rms {rms:.3} µs, {honest:.3} µs without the jump");
        let named: Vec<_> = with.falsetickers.iter().filter(|f| f.from_s >= JUMP_S).collect();
        assert!(!named.is_empty(), "seed {seed}: nobody is named");
        assert!(named[0].from_s < JUMP_S + 3.0, "seed {seed}: {:?}", named[0]);
        assert!(named.iter().all(|f| f.node == "node6"), "seed {seed}: {named:?}");
        assert!((named[0].by_s.abs() - 0.5).abs() < 0.5, "seed {seed}: {:?}", named[0]);
        assert!(without.falsetickers.iter().all(|f| f.from_s < JUMP_S));
        assert!(rms < 1.1 * honest, "seed {seed}: {rms} µs, {honest} µs without the jump");
        assert!(with.spread_max_s < 1.2 * without.spread_max_s, "seed {seed}: a jolt");
    }
}

#[test]
fn a_corrected_falseticker_is_still_corrected() {
    let scenario = Scenario::named("falsetick").unwrap();
    // Half a second at 500 ppm takes 1 000 s: at the end it is back, without a step.
    let outcome = run(&scenario, 1, &mut |_| {});
    let liar = outcome.members.iter().find(|m| m.node == "node6").unwrap();
    println!("{liar:?}");
    assert!(liar.error_max_s > 0.4, "it did jump");
    let late = outcome.events.iter().find(|e| e.event == "stepped" && e.at_s > 10.0);
    assert!(late.is_none(), "{late:?}");
    assert!(liar.error_end_s.abs() < 20e-6, "it ends {} s off", liar.error_end_s);
}
