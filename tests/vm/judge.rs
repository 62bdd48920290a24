//! Who judges the guests' clocks: the host's clock, asked at both ends of each question.

use std::time::{Duration, Instant};

use crate::machine::{Machine, Reading};

/// Compares the guests' clocks.
pub struct Judge<'a> {
    machines: &'a [Machine],
    started: Instant,
}

/// What one look at the clocks found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub offsets: Vec<i64>,
    pub round_trips: Vec<Duration>,
    pub spread: i64,
    pub steps: Vec<i64>,
}

impl<'a> Judge<'a> {
    pub fn new(machines: &'a [Machine]) -> Self {
        Self { machines, started: Instant::now() }
    }

    fn ahead(&self, reading: &Reading) -> i64 {
        let middle = reading.asked + (reading.answered - reading.asked) / 2;
        reading.real - (middle - self.started).as_nanos() as i64
    }

    /// Of 50 turns in which each guest is asked once, that with the least round trips.
    pub fn judge(&self) -> Verdict {
        let turn = |_| {
            let read: Option<Vec<Reading>> = self.machines.iter().map(Machine::ask).collect();
            let read = read?;
            let worst = read.iter().map(|r| r.answered - r.asked).max().unwrap();
            Some((worst, read))
        };
        let (_, best) = (0..50).filter_map(turn).min_by_key(|(worst, _)| *worst).unwrap();
        let offsets: Vec<_> = best.iter().map(|r| self.ahead(r)).collect();
        let spread = offsets.iter().max().unwrap() - offsets.iter().min().unwrap();
        let round_trips = best.iter().map(|r| r.answered - r.asked).collect();
        let steps = best.iter().map(|r| r.real - r.monotonic).collect();
        Verdict { offsets, round_trips, spread, steps }
    }
}
