//! Whether a minority can turn the wheel.

use super::*;
use crate::proto::exchange::{Exchange, Source, Stamp};
use crate::time::Span;

const SLAVES: usize = 6;
const BURST: u32 = 4;
/// From then on the liars lie, seconds.
const THEN: f64 = 600.0;
const END: f64 = 1_500.0;

/// What the liars do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    None,
    /// Run 0.2 ppm fast.
    Rate,
    /// Give stamps that are wrong by up to 5 ms.
    Stamps,
    /// Have a crystal that wanders a hundred times as much.
    Crystal,
    /// Their packets take up to 0.5 ms more, one way.
    Congestion,
}

/// Chance of one kind, so that no lie changes any other draw.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (scattered(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

struct Slave {
    track: Track,
    chance: Chance,
    /// Its clock minus the truth, and its rate.
    offset: f64,
    rate: f64,
}

fn nanos(secs: f64) -> i64 {
    (secs * 1e9).round() as i64
}

/// The wheel's rate each second after [`THEN`] (it is the master's clock, which is perfect, minus
/// what the slaves make of it) and the wander the wheel reckons with, with `liars` liars.
fn run(lie: Lie, liars: usize, seed: u64) -> (Vec<f64>, f64) {
    let mut wheel = Flywheel::new();
    let mut slaves: Vec<Slave> = (0..SLAVES as u64)
        .map(|i| {
            let mut chance = Chance(seed * 1_000 + i);
            let (offset, rate) = (1e-2 * chance.uniform(), 5e-5 * (chance.uniform() - 0.5));
            Slave { track: Track::default(), chance, offset, rate }
        })
        .collect();
    let (mut rates, mut second) = (Vec::new(), 0.0);
    while second < END {
        for (i, slave) in slaves.iter_mut().enumerate() {
            let lie = if i < liars && second >= THEN { lie } else { Lie::None };
            slave.turn(lie, second == THEN);
            let begin = second + i as f64 * 0.15;
            (0..BURST).for_each(|n| slave.exchange(begin + f64::from(n) * 2e-3, lie, &mut wheel));
        }
        for (slave, id) in slaves.iter_mut().zip(1..) {
            wheel.ask(NodeId(id), &mut slave.track);
        }
        if let Some(turn) = wheel.judge() {
            slaves.iter_mut().for_each(|slave| turn.tell(&mut slave.track));
        }
        second += 1.0;
        if second > THEN {
            rates.push(wheel.home(Time::from_nanos(nanos(second))).rate);
        }
    }
    (rates, wheel.q)
}

impl Slave {
    /// A second passes.
    fn turn(&mut self, lie: Lie, begins: bool) {
        self.offset += self.rate;
        let wander = if lie == Lie::Crystal { 1e-7 } else { 1e-9 };
        self.rate += wander * self.chance.normal();
        if lie == Lie::Rate && begins {
            self.rate += 2e-7;
        }
    }

    fn exchange(&mut self, at: f64, lie: Lie, wheel: &mut Flywheel) {
        let offset = self.offset + self.rate * at.fract();
        let mut there = 50e-6 + 5e-6 * self.chance.exponential();
        let back = 50e-6 + 5e-6 * self.chance.exponential();
        let (more, scatter) = (self.chance.uniform(), self.chance.uniform() - 0.5);
        if lie == Lie::Congestion {
            there += 5e-4 * more;
        }
        let wrong = if lie == Lie::Stamps { 1e-2 * scatter } else { 0.0 };
        let kernel = |at: f64| Stamp { at: Time::from_nanos(nanos(at)), source: Source::Kernel };
        let t2 = at + there;
        let exchange = Exchange {
            t1: kernel(at),
            t2: Stamp { at: Time::from_nanos(nanos(t2 + offset + wrong)), source: Source::Kernel },
            t3: Stamp { at: Time::from_nanos(nanos(t2 + 2e-5 + offset)), source: Source::Kernel },
            t4: kernel(t2 + 2e-5 + back),
        };
        if exchange.round_trip().abs() < Span::from_millis(10) {
            self.track.observe(&exchange, wheel);
        }
    }
}

#[test]
fn a_minority_does_not_turn_the_wheel() {
    for seed in 1..=3 {
        let (honest, q) = run(Lie::None, 0, seed);
        for (lie, liars) in
            [(Lie::Rate, 2), (Lie::Stamps, 2), (Lie::Crystal, 1), (Lie::Congestion, 1)]
        {
            let (rates, with) = run(lie, liars, seed);
            let turned = rates.iter().zip(&honest).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(turned < 12e-9, "seed {seed}, {lie:?}: the wheel turned by {turned}");
            assert!(with <= 10.1 * q, "seed {seed}, {lie:?}: q went from {q:e} to {with:e}");
        }
    }
}

#[test]
fn of_many_slaves_always_the_same_are_heard() {
    let mut wheel = Flywheel::seeded(7);
    let mut tracks = vec![Track::default(); 6 * MOST_HEARD];
    let mut heard_of = |slots: std::ops::Range<usize>| -> Vec<usize> {
        for _ in 0..3 {
            slots.clone().for_each(|slot| wheel.ask(NodeId(slot as u64), &mut tracks[slot]));
            wheel.judge();
        }
        (0..tracks.len()).filter(|slot| wheel.hears(&tracks[*slot].witness)).collect()
    };
    assert_eq!(heard_of(0..MOST_HEARD).len(), MOST_HEARD, "all of a few");
    let many = heard_of(0..6 * MOST_HEARD);
    let near = 6 * MOST_HEARD / 8;
    assert!(many.len().abs_diff(near) < near / 10, "{} are heard", many.len());
    let some_left = heard_of(100..6 * MOST_HEARD - 100);
    assert!(some_left.iter().all(|slot| many.contains(slot)), "and no others");
    let most_left = heard_of(0..2 * MOST_HEARD);
    assert!(many.iter().filter(|slot| **slot < 2 * MOST_HEARD).all(|s| most_left.contains(s)));
}
