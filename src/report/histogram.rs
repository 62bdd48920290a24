//! What was measured how often: spans, and offsets as size and side.

use std::fmt;

use hdrhistogram::{Counter, Histogram};
use serde::Serialize;

use crate::time::{Offset, Span};

/// The greatest value a histogram tells apart; a greater one is recorded as this and counted.
pub const GREATEST: Span = Span::from_secs(100);

/// Significant decimal digits of the cluster's histograms: values are right within 0.1 %.
pub const CLUSTER_DIGITS: u8 = 3;

/// Significant decimal digits of one slave's histograms: values are right within 0.8 %.
pub const SUBJECT_DIGITS: u8 = 2;

/// A histogram of spans from 0 to [`GREATEST`], counted in counters of type `C`.
///
/// Its memory is taken once and never grows: with [`SUBJECT_DIGITS`] 3 968 counters, 15.5 KiB of
/// `u32`; with [`CLUSTER_DIGITS`] 28 672 counters, 224 KiB of `u64`. A counter that is full stays
/// full: a `u32` after 4·10⁹ values of one size, three years of 40 a second.
#[derive(Clone)]
pub struct Magnitudes<C: Counter> {
    histogram: Histogram<C>,
    clamped: u64,
}

impl<C: Counter> Magnitudes<C> {
    /// An empty histogram of `digits` significant decimal digits.
    ///
    /// # Panics
    /// If `digits` is above 5.
    pub fn new(digits: u8) -> Self {
        let histogram = Histogram::new_with_bounds(1, GREATEST.as_nanos(), digits)
            .expect("the bounds are constant, and at most 5 digits are representable");
        Self { histogram, clamped: 0 }
    }

    /// Records one span; beyond [`GREATEST`] it counts as that, and in [`Magnitudes::clamped`].
    pub fn record(&mut self, span: Span) {
        self.clamped += u64::from(span > GREATEST);
        self.histogram.saturating_record(span.min(GREATEST).as_nanos());
    }

    /// Records what another of as many digits has.
    pub(super) fn add(&mut self, other: &Self) {
        self.clamped += other.clamped;
        self.histogram.add(&other.histogram).expect("both have the same bounds");
    }

    /// How many spans were recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How many of them were beyond [`GREATEST`].
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.histogram.reset();
        self.clamped = 0;
    }

    /// The memory its counters take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.histogram.distinct_values() * size_of::<C>()
    }

    pub(super) fn histogram(&self) -> &Histogram<C> {
        &self.histogram
    }
}

/// Without the thousands of counters.
impl<C: Counter> fmt::Debug for Magnitudes<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = Span::from_nanos(self.histogram.max());
        write!(f, "{} spans up to {max:?}", self.count())
    }
}

/// How many offsets were on which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Signs {
    /// Offsets above zero: that clock was ahead.
    pub ahead: u64,
    /// Offsets below zero: that clock was behind.
    pub behind: u64,
    /// Offsets of exactly zero nanoseconds.
    pub zero: u64,
}

impl Signs {
    /// All of them together.
    pub fn count(self) -> u64 {
        self.ahead.saturating_add(self.behind).saturating_add(self.zero)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.ahead = self.ahead.saturating_add(other.ahead);
        self.behind = self.behind.saturating_add(other.behind);
        self.zero = self.zero.saturating_add(other.zero);
    }
}

/// Between what two ends some offsets lay, and what they were on average; with their signs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// The one furthest behind, or least ahead.
    pub least: Offset,
    /// The one furthest ahead, or least behind.
    pub greatest: Offset,
    /// Their mean.
    pub mean: Offset,
    /// How many they were; never zero.
    pub count: u64,
}

impl Extent {
    /// The extent of one offset.
    pub fn of(offset: Offset) -> Self {
        Self { least: offset, greatest: offset, mean: offset, count: 1 }
    }

    /// The extent of both together.
    pub fn with(self, other: Self) -> Self {
        let count = self.count.saturating_add(other.count).max(1);
        // A running mean: no sum that could overflow.
        let share = other.count as f64 / count as f64;
        let way = (other.mean - self.mean).as_nanos() as f64 * share;
        Self {
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            mean: self.mean + Offset::from_nanos(way.round() as i64),
            count,
        }
    }
}

/// A histogram of the sizes of offsets, a count of their sides, and their extent.
#[derive(Debug, Clone)]
pub struct Offsets<C: Counter> {
    sizes: Magnitudes<C>,
    signs: Signs,
    least: Offset,
    greatest: Offset,
    /// In nanoseconds: 2⁶³ of them for each of 2⁶⁴ offsets would fit.
    sum: i128,
}

impl<C: Counter> Offsets<C> {
    /// An empty one of `digits` significant decimal digits.
    ///
    /// # Panics
    /// If `digits` is above 5.
    pub fn new(digits: u8) -> Self {
        Self {
            sizes: Magnitudes::new(digits),
            signs: Signs::default(),
            least: Offset::ZERO,
            greatest: Offset::ZERO,
            sum: 0,
        }
    }

    /// Records one offset: its size as [`Magnitudes::record`] does, and its side.
    pub fn record(&mut self, offset: Offset) {
        let is_first = self.sizes.count() == 0;
        self.least = if is_first { offset } else { self.least.min(offset) };
        self.greatest = if is_first { offset } else { self.greatest.max(offset) };
        self.sum = self.sum.saturating_add(offset.as_nanos().into());
        self.sizes.record(offset.abs());
        match offset.as_nanos() {
            1.. => self.signs.ahead += 1,
            0 => self.signs.zero += 1,
            _ => self.signs.behind += 1,
        }
    }

    /// Records what another of as many digits has.
    pub(super) fn add(&mut self, other: &Self) {
        let ends = |own: &Self| own.extent().map(|extent| (extent.least, extent.greatest));
        if let Some((least, greatest)) = ends(other) {
            let (from, to) = ends(self).unwrap_or((least, greatest));
            (self.least, self.greatest) = (from.min(least), to.max(greatest));
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.sizes.add(&other.sizes);
        self.signs.add(other.signs);
    }

    /// The sizes.
    pub fn sizes(&self) -> &Magnitudes<C> {
        &self.sizes
    }

    /// The sides.
    pub fn signs(&self) -> Signs {
        self.signs
    }

    /// Their extent; none where there are none.
    pub fn extent(&self) -> Option<Extent> {
        let count = self.sizes.count();
        // A mean lies between its ends, so it fits.
        let mean = self.sum.checked_div(count.into())? as i64;
        let (least, greatest) = (self.least, self.greatest);
        Some(Extent { least, greatest, mean: Offset::from_nanos(mean), count })
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.sizes.clear();
        self.signs = Signs::default();
        self.sum = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_as_documented_and_does_not_grow() {
        let mut small = Magnitudes::<u32>::new(SUBJECT_DIGITS);
        let large = Magnitudes::<u64>::new(CLUSTER_DIGITS);
        assert_eq!(small.memory_bytes(), 3_968 * 4);
        assert_eq!(large.memory_bytes(), 28_672 * 8);
        for span in [Span::ZERO, Span::from_nanos(1), GREATEST, Span::MAX] {
            small.record(span);
        }
        assert_eq!(small.memory_bytes(), 3_968 * 4);
        assert_eq!((small.count(), small.clamped()), (4, 1));
    }

    #[test]
    fn an_offset_keeps_its_side() {
        let mut offsets = Offsets::<u32>::new(SUBJECT_DIGITS);
        for nanos in [i64::MIN, -5, 0, 7, 9, i64::MAX] {
            offsets.record(Offset::from_nanos(nanos));
        }
        assert_eq!(offsets.signs(), Signs { ahead: 3, behind: 2, zero: 1 });
        assert_eq!(offsets.signs().count(), offsets.sizes().count());
        assert_eq!(offsets.sizes().clamped(), 2);
        let extent = offsets.extent().unwrap();
        assert_eq!(extent.least, Offset::from_nanos(i64::MIN));
        assert_eq!(extent.greatest, Offset::from_nanos(i64::MAX));
        assert_eq!((extent.mean, extent.count), (Offset::from_nanos(1), 6));
        offsets.clear();
        assert_eq!((offsets.signs().count(), offsets.sizes().clamped()), (0, 0));
        assert_eq!(offsets.extent(), None);
        offsets.record(Offset::from_nanos(-7));
        assert_eq!(offsets.extent(), Some(Extent::of(Offset::from_nanos(-7))));
    }

    #[test]
    fn extents_add_up() {
        let extent = |nanos: &[i64]| {
            let each = nanos.iter().map(|n| Extent::of(Offset::from_nanos(*n)));
            each.reduce(Extent::with).unwrap()
        };
        assert_eq!(extent(&[-10, 40]).with(extent(&[30])), extent(&[-10, 40, 30]));
        assert_eq!(extent(&[-10, 40, 30]).mean, Offset::from_nanos(20));
        let offsets = |nanos: &[i64]| {
            let mut offsets = Offsets::<u64>::new(CLUSTER_DIGITS);
            nanos.iter().for_each(|n| offsets.record(Offset::from_nanos(*n)));
            offsets
        };
        let wider = (vec![3], vec![-40, 30]);
        let within = (vec![-10, 40], vec![30]);
        for (one, other) in [wider, within, (vec![7], vec![]), (vec![], vec![-7, -9])] {
            let mut both = offsets(&one);
            both.add(&offsets(&other));
            assert_eq!(both.extent(), offsets(&[one, other].concat()).extent());
        }
    }
}
