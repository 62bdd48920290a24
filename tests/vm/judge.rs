//! Who judges the guests' clocks: the host's clock, read at both ends of each question.

use std::time::Instant;

use campanile::time::{Offset, Span};

use crate::machine::{Machine, Reading};

/// All clocks at about the same instant: medians of many readings, which err by some 10 µs where
/// single ones err by 50.
#[derive(Debug, Clone)]
pub struct Look {
    /// Of each guest's clock against the host's, which counts from somewhere.
    pub offsets: Vec<Offset>,
    /// What each clock was stepped by, counted from somewhere.
    steps: Vec<Offset>,
    /// How far the difference of two offsets may be wrong at worst: a guest read its clock at some
    /// time between question and answer, and the offset supposes the middle.
    pub doubt: Span,
}

/// Readings of each clock in a look.
const TURNS: usize = 50;

impl Look {
    /// Asks each guest once a turn. `epoch` is where the host's clock counts from.
    ///
    /// # Panics
    /// Where a guest does not answer in any of the turns.
    pub fn at(machines: &[Machine], epoch: Instant) -> Self {
        let turn = |_| machines.iter().map(Machine::ask).collect::<Option<Vec<_>>>();
        let turns: Vec<_> = (0..TURNS).filter_map(turn).collect();
        assert!(!turns.is_empty(), "a guest is silent");
        let guests = 0..machines.len();
        let of = |guest: usize| turns.iter().map(move |turn| &turn[guest]);
        let moved = |reading: &Reading| reading.real - reading.monotonic;
        Self {
            offsets: guests.clone().map(|i| median(of(i).map(|r| offset(r, epoch)))).collect(),
            steps: guests.clone().map(|i| median(of(i).map(moved))).collect(),
            doubt: guests.map(|i| median(of(i).map(round_trip))).max().unwrap(),
        }
    }

    /// Greatest − least of the clocks, as measured.
    pub fn spread(&self) -> Span {
        let (least, most) = (self.offsets.iter().min(), self.offsets.iter().max());
        (*most.unwrap() - *least.unwrap()).abs()
    }

    /// What the clocks are apart at least, whatever the round trips did.
    pub fn surely_apart(&self) -> Span {
        self.spread() - self.doubt
    }

    /// The greatest step of a clock between `earlier` and this look.
    pub fn stepped_since(&self, earlier: &Look) -> Span {
        let steps = self.steps.iter().zip(&earlier.steps).map(|(now, then)| (*now - *then).abs());
        steps.max().unwrap()
    }
}

fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

fn round_trip(reading: &Reading) -> Span {
    Span::from_nanos((reading.answered - reading.asked).as_nanos() as u64)
}

fn offset(reading: &Reading, epoch: Instant) -> Offset {
    let middle = reading.asked + (reading.answered - reading.asked) / 2;
    reading.real - Offset::from_nanos((middle - epoch).as_nanos() as i64)
}
