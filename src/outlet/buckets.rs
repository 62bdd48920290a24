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

/// How many edges lie below 2ⁿ⁻¹ ns, the least span that has n bits. One more at most lies below any
/// other that has as many: no edge is less than twice the one before.
const BELOW: [u8; 65] = {
    let mut below = [0; 65];
    let mut bits = 1;
    while bits <= 64 {
        let least = 1 << (bits - 1);
        let mut n = 0;
        while n < EDGES.len() && EDGES[n].as_nanos() < least {
            n += 1;
        }
        below[bits] = n as u8;
        bits += 1;
    }
    below
};

/// How many edges lie below a span.
fn edges_below(span: Span) -> usize {
    let bits = u64::BITS - span.as_nanos().leading_zeros();
    let surely = usize::from(BELOW[bits as usize]);
    surely + usize::from(EDGES.get(surely).is_some_and(|edge| *edge < span))
}

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
        self.counts[edges_below(span)] += 1;
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

    #[test]
    fn no_span_is_put_into_a_bucket_beside_its_own() {
        let edges = EDGES.iter().map(|edge| edge.as_nanos());
        let powers = (0..64).map(|bits| 1_u64 << bits);
        let near = |nanos: u64| nanos.saturating_sub(2)..=nanos.saturating_add(2);
        for nanos in edges.chain(powers).flat_map(near) {
            let span = Span::from_nanos(nanos);
            let expected = EDGES.iter().filter(|edge| **edge < span).count();
            assert_eq!(edges_below(span), expected, "{nanos} ns");
        }
    }
}
