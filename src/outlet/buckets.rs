//! A coarse histogram that never grows: what a live view and a scrape can afford.

use crate::time::Span;

/// Upper edges: 1, 2 and 5 of every decade from 1 µs to 10 s.
const EDGES: [Span; 22] = {
    let mut edges = [Span::ZERO; 22];
    let mut decade = 1;
    let mut i = 0;
    while i < 22 {
        let step = [1, 2, 5][i % 3];
        edges[i] = Span::from_micros(step * decade);
        if i % 3 == 2 {
            decade *= 10;
        }
        i += 1;
    }
    edges
};

/// Counts of spans by size, their number and their sum.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    /// One more than the edges: the last is for all that is beyond.
    counts: [u64; EDGES.len() + 1],
    sum_s: f64,
}

impl Buckets {
    /// Counts one span.
    pub fn record(&mut self, span: Span) {
        self.counts[EDGES.partition_point(|edge| *edge < span)] += 1;
        self.sum_s += span.as_secs_f64();
    }

    /// Upper edge and count of each bucket; the last has no edge. Counts are not cumulative.
    pub fn each(&self) -> impl Iterator<Item = (Option<Span>, u64)> + '_ {
        EDGES.iter().map(|edge| Some(*edge)).chain([None]).zip(self.counts)
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all, in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_falls_into_the_bucket_that_ends_at_or_above_it() {
        let mut buckets = Buckets::default();
        for micros in [0, 1, 2, 3, 5, 10_000_000, 10_000_001] {
            buckets.record(Span::from_micros(micros));
        }
        let filled: Vec<_> = buckets.each().filter(|(_, count)| *count > 0).collect();
        let edge = |micros| Some(Span::from_micros(micros));
        assert_eq!(
            filled,
            [(edge(1), 2), (edge(2), 1), (edge(5), 2), (edge(10_000_000), 1), (None, 1)]
        );
        assert_eq!(buckets.count(), 7);
        assert!((buckets.sum_s() - 20.000_012).abs() < 1e-9);
    }
}
