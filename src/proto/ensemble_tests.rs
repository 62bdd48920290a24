use super::*;

const TOLERANCE: Span = Span::from_millis(10);

/// The members' Locals at second `t`, but for the jitter all in step with the wheel.
fn readings(t: i64, ahead: impl Fn(u64) -> Offset) -> (Time<Wheel>, Vec<Reading>) {
    let at = Time::from_nanos(1_800_000_000_000_000_000 + t * 1_000_000_000);
    let reading = |n: u64| Reading {
        id: NodeId(n),
        offset: ahead(n),
        rate: Rate::ZERO,
        rate_sigma: Rate::from_ppb(if n == 1 { 0.0 } else { 10.0 }),
        bound: Span::from_micros(50),
        shown: Time::from_nanos(at.as_nanos()),
        saved: Rate::ZERO,
        reference: false,
    };
    (at, (1..=5).map(reading).collect())
}

fn ensemble(rounds: i64) -> Ensemble {
    let mut ensemble = Ensemble::new(Average::Ensemble, TOLERANCE);
    for t in 0..rounds {
        let (at, readings) = readings(t, |_| Offset::ZERO);
        ensemble.round(at, &readings);
    }
    ensemble
}

#[test]
fn a_clock_at_the_edge_of_the_tolerance_does_not_flap() {
    let mut ensemble = ensemble(100);
    let mut standings = Vec::new();
    for t in 100..500 {
        // To and fro, by a little more than the tolerance in one round and a little less in another.
        let far =
            TOLERANCE.as_offset() + Offset::from_nanos(if t % 3 == 0 { 9_000 } else { -9_000 });
        let ahead = |n| if n == 5 && t % 2 == 0 { far } else { Offset::ZERO };
        let (at, readings) = readings(t, ahead);
        let verdicts = ensemble.round(at, &readings);
        assert!(verdicts[..4].iter().all(|v| v.standing == Standing::Counted), "second {t}");
        standings.push(verdicts[4].standing);
    }
    let turns = standings.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(standings.contains(&Standing::Falseticker), "it was beyond the tolerance");
    assert!(turns <= 1, "it went in and out {turns} times");
    // Once it has calmed down it counts again.
    for t in 500..520 {
        let (at, readings) = readings(t, |_| Offset::ZERO);
        let verdicts = ensemble.round(at, &readings);
        assert_eq!(verdicts[4].standing == Standing::Counted, t >= 507, "second {t}");
    }
}

#[test]
fn cluster_time_that_runs_as_no_crystal_does_is_called_back() {
    for ppm in [-1_100.0, 250.0] {
        let mut ensemble = ensemble(100);
        let wrong = Rate::from_ppm(ppm);
        ensemble.cluster = ensemble.cluster.map(|map| Map { rate: wrong, ..map });
        for seat in 0..5 {
            ensemble.members.at_mut(seat).rate = Rate::ZERO - wrong;
        }
        let (at, readings) = readings(100, |_| Offset::ZERO);
        ensemble.round(at, &readings);
        let rate = ensemble.cluster().unwrap().rate;
        assert!(rate.abs() < Rate::from_ppb(1.0), "{ppm} ppm: {rate:?}");
    }
}

#[test]
fn a_clock_that_was_far_off_and_came_back_counts_like_the_others_again() {
    let mut ensemble = ensemble(100);
    let mut weight = 0.0;
    for t in 100..1_400 {
        // A tenth of a microsecond to and fro, each at times of its own.
        let noise = |n: u64| Offset::from_nanos(if t % (n as i64 + 2) == 0 { 100 } else { -50 });
        let gone = Span::from_millis(700).as_offset();
        let ahead = |n| if n == 5 && t < 160 { gone } else { noise(n) };
        let (at, readings) = readings(t, ahead);
        let verdicts = ensemble.round(at, &readings);
        if t == 101 || t == 161 {
            assert_eq!(verdicts[4].standing, Standing::Falseticker, "it jumped");
        }
        weight = verdicts[4].weight;
    }
    assert!((0.1..0.3).contains(&weight), "it weighs {weight:.4}");
}

/// Rounds in which the wheel, and nobody else, runs ever slower, by `pull` a second; `own` is what a
/// member's crystal runs beside that. The offsets follow the rates.
fn pulled(pull: Rate, seconds: i64, own: impl Fn(u64, i64) -> Rate) -> Ensemble {
    let mut ensemble = ensemble(100);
    let mut offsets = [Offset::ZERO; 6];
    for t in 0..seconds {
        let rate = |n: u64| Rate::from_ppb(pull.as_ppb() * t as f64) + own(n, t);
        let (at, mut readings) = readings(100 + t, |n| offsets[n as usize]);
        for reading in &mut readings {
            reading.rate = rate(reading.id.0);
            let mean = reading.rate + Rate::from_ppb(pull.as_ppb() / 2.0);
            let offset = &mut offsets[reading.id.0 as usize];
            *offset = *offset + mean.gain_over(Span::from_secs(1).as_offset());
        }
        ensemble.round(at, &readings);
    }
    ensemble
}

#[test]
fn cluster_time_follows_the_crystals_and_not_a_wheel_that_is_pulled() {
    // A minute of it is twelve times what cluster time may change by against the crystals.
    let pull = Rate::from_ppb(20.0);
    let ensemble = pulled(pull, 600, |_, _| Rate::ZERO);
    let behind = Rate::from_ppb(20.0 * 600.0) - ensemble.cluster().unwrap().rate;
    assert!(behind.abs() < Rate::from_ppb(20.0 * 1.1 * TAU_RATE), "{behind:?} behind");
    for n in 1..=5 {
        let share = ensemble.share(NodeId(n)).unwrap();
        assert!(share.rate.abs() < Rate::from_ppb(1.0), "{n} is said to run at {:?}", share.rate);
        assert!(share.phase.abs() < Span::from_nanos(50), "{n} is {:?} off", share.phase);
    }
}

#[test]
fn a_crystal_that_jumps_is_told_from_the_wheel_that_is_pulled() {
    let jump = Rate::from_ppm(10.0);
    let own = |n, t| if n == 3 && t >= 150 { jump } else { Rate::ZERO };
    let ensemble = pulled(Rate::from_ppb(60.0), 160, own);
    for n in 1..=5 {
        let apart = ensemble.share(NodeId(n)).unwrap().rate - own(n, 160);
        assert!(apart.abs() < Rate::from_ppm(0.1), "{n} is said to run {apart:?} off");
    }
}
