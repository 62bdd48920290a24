//! The three things measured of one subject: round trip, offset and one-way noise.

use hdrhistogram::Counter;

use super::histogram::{Magnitudes, Offsets};
use super::table::{OffsetSummary, Row, Summary};
use crate::time::{Offset, Span};

/// The measurements of one slave, or of the cluster, over one stretch of time.
#[derive(Debug, Clone)]
pub struct Metrics<C: Counter> {
    round_trip: Magnitudes<C>,
    offset: Offsets<C>,
    noise: Magnitudes<C>,
}

impl<C: Counter> Metrics<C> {
    /// Nothing measured yet, with histograms of `digits` significant decimal digits.
    ///
    /// # Panics
    /// If `digits` is above 5.
    pub fn new(digits: u8) -> Self {
        Self {
            round_trip: Magnitudes::new(digits),
            offset: Offsets::new(digits),
            noise: Magnitudes::new(digits),
        }
    }

    /// Records one exchange: its round trip, and what it took one way beyond the least.
    pub fn record_exchange(&mut self, round_trip: Span, noise: Span) {
        self.round_trip.record(round_trip);
        self.noise.record(noise);
    }

    /// Records one offset against cluster time, positive ahead.
    pub fn record_offset(&mut self, offset: Offset) {
        self.offset.record(offset);
    }

    /// Records what others of as many digits have.
    pub(super) fn add(&mut self, other: &Self) {
        self.round_trip.add(&other.round_trip);
        self.offset.add(&other.offset);
        self.noise.add(&other.noise);
    }

    /// Round trips.
    pub fn round_trip(&self) -> &Magnitudes<C> {
        &self.round_trip
    }

    /// Offsets against cluster time.
    pub fn offset(&self) -> &Offsets<C> {
        &self.offset
    }

    /// One-way noise.
    pub fn noise(&self) -> &Magnitudes<C> {
        &self.noise
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.round_trip.count() == 0 && self.offset.sizes().count() == 0
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.round_trip.clear();
        self.offset.clear();
        self.noise.clear();
    }

    /// The memory of its three histograms in bytes: 46.5 KiB for a slave, 672 KiB for the cluster.
    pub fn memory_bytes(&self) -> usize {
        self.round_trip.memory_bytes()
            + self.offset.sizes().memory_bytes()
            + self.noise.memory_bytes()
    }

    pub(super) fn row(&self, name: &str, left: bool) -> Row {
        Row {
            name: name.to_owned(),
            left,
            round_trip: Summary::of(self.round_trip.histogram(), self.round_trip.clamped()),
            offset: OffsetSummary {
                size: Summary::of(self.offset.sizes().histogram(), self.offset.sizes().clamped()),
                signs: self.offset.signs(),
            },
            noise: Summary::of(self.noise.histogram(), self.noise.clamped()),
        }
    }
}
