//! Who joins late is pulled in; nobody is pulled out.

use campanile::sim::{Draw, Scenario, run};
use campanile::time::{Offset, Span};

#[test]
fn a_joiner_ten_milliseconds_off_moves_nobody() {
    for seed in 1..=3 {
        let mut scenario = Scenario::named("quiet").unwrap();
        scenario.nodes[5].offset = Draw::Exactly(Offset::from_nanos(10_000_000));
        scenario.nodes[5].starts = None;
        let without = run(&scenario, seed, &mut |_| {});
        scenario.nodes[5].starts = Some(Span::from_secs(1_800));
        let with = run(&scenario, seed, &mut |_| {});
        assert!(with.events.iter().any(|e| {
            e.event == "joined" && e.about.as_deref() == Some("node6") && e.at_s > 1_800.0
        }));
        // The means of the five are the same until then, and nearly so after.
        let moved = |from: usize, to: usize| {
            let (a, b) = (&with.mean_s[from..to], &without.mean_s[from..to]);
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        // A minute: disciplines slew, so a cluster time that jumped would show only in time.
        println!("seed {seed}: moved by {:.3} µs in a minute", 1e6 * moved(1_200, 1_260));
        assert_eq!(moved(0, 1_200), 0.0, "seed {seed}: nothing happens before its cause");
        assert!(moved(1_200, 1_260) < 0.1e-6, "seed {seed}: it moved the others");
        for node in &with.members[..5] {
            assert!(node.error_max_s < 20e-6, "seed {seed}: {node:?}");
        }
        let joiner = &with.members[5];
        assert!(joiner.error_end_s.abs() < 3e-6, "seed {seed}: {joiner:?}");
    }
}
