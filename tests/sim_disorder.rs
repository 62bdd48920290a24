//! Datagrams that come twice, or after those that were sent later, do no harm.

use campanile::sim::{Mishap, Scenario, run};
use campanile::time::Span;

/// The spread with packets that come twice, are held back, or are lost.
fn rms(duplicate: f64, hold: Option<Mishap>, loss: f64, seed: u64) -> f64 {
    let mut scenario = Scenario::named("quiet").unwrap();
    for node in &mut scenario.nodes {
        for path in [&mut node.link.forth, &mut node.link.back] {
            path.duplicate = duplicate;
            path.hold = hold;
            path.loss = loss;
        }
    }
    let outcome = run(&scenario, seed, &mut |_| {});
    let label = format!("{duplicate} twice, {hold:?} held, {loss} lost, seed {seed}");
    println!("{label}: rms {:.3} µs", outcome.spread_rms_s * 1e6);
    assert!(outcome.falsetickers.is_empty(), "{label}: {:?}", outcome.falsetickers);
    let late = outcome.events.iter().find(|e| e.event == "stepped" && e.at_s > 10.0);
    assert!(late.is_none(), "{label}: {late:?}");
    outcome.spread_rms_s
}

#[test]
fn a_tenth_that_comes_twice_is_harmless() {
    for seed in 1..=2 {
        assert!(rms(0.1, None, 0.0, seed) < 1.3 * rms(0.0, None, 0.0, seed), "seed {seed}");
    }
}

#[test]
fn a_tenth_that_comes_late_costs_no_more_than_its_loss_would() {
    // 3 ms: behind the rest of the burst. 300 ms: behind the round's adjust. 1.5 s: in another
    // round.
    for millis in [3, 300, 1_500] {
        let hold = Some(Mishap { ratio: 0.1, by: Span::from_millis(millis) });
        assert!(rms(0.0, hold, 0.0, 1) < 1.6 * rms(0.0, None, 0.1, 1), "{millis} ms");
    }
}
