//! Four weeks with a round every 64 s: nothing wears out.

use campanile::sim::{Node, Scenario, run};
use campanile::time::Span;

#[test]
fn four_weeks_wear_nothing_out() {
    let quiet = Scenario::named("quiet").unwrap();
    // Three machines: the simulated oscillators alone take 80 MB each.
    let node = Node { name: String::new(), ..quiet.nodes[1].clone() };
    let mut scenario = Scenario::uniform("weeks", 2, &node);
    scenario.duration = Span::from_secs(28 * 86_400);
    scenario.warm_up = Span::from_secs(86_400);
    scenario.interval = Span::from_secs(64);
    let outcome = run(&scenario, 1, &mut |_| {});
    // A clock that wanders 1 ppb per √s goes 0.3 µs astray in 64 s by itself.
    let (rms, max) = (outcome.spread_rms_s * 1e6, outcome.spread_max_s * 1e6);
    println!("RMS {rms:.3} µs, max {max:.3} µs, {} exchanges", outcome.exchanges);
    assert!(outcome.exchanges > 300_000, "{}", outcome.exchanges);
    assert!(rms.is_finite() && rms < 3.0, "RMS {rms} µs");
    assert!(max < 20.0, "max {max} µs");
    let bounds = outcome.bounds.expect("there are slaves");
    assert_eq!(bounds.violations, 0);
    // It neither collapses nor grows: a one-way delay, and 15 ppm of growth over half a round.
    assert!((100e-6..1e-3).contains(&bounds.p50_s), "{bounds:?}");
    assert!(outcome.events.iter().all(|e| e.event != "local_stepped" && e.event != "hold"));
}
