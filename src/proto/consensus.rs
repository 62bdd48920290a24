//! Who counts, and what those who count say on average. Pure functions of a list of opinions.
//!
//! Berkeley's rule (Gusella and Zatti, *The accuracy of the clock synchronization achieved by
//! TEMPO in Berkeley UNIX 4.3BSD*, 1989): average the clocks that lie within a tolerance of each
//! other. Here they are judged against the median of all, never against the master's clock, so
//! that a master with a bad clock loses like anybody else.

use super::settings::Average;
use crate::time::{Offset, Span};

/// The middle opinion; of an even number the mean of the two in the middle. `None` of none.
///
/// Less than half of the opinions, however far out, cannot move it beyond the others.
pub fn median(opinions: &[Offset]) -> Option<Offset> {
    let mut halves = opinions.to_vec();
    let middle = halves.len() / 2;
    if halves.is_empty() {
        return None;
    }
    let odd = halves.len() % 2 == 1;
    let (lower, &mut upper, _) = halves.select_nth_unstable(middle);
    if odd { Some(upper) } else { lower.iter().max().map(|lower| lower.midpoint(upper)) }
}

/// Whether more than half of `all` share a point with each other, of which `intervals` are those
/// that may: see [`agreeing`], which is asked only where `centre` is not such a point already.
pub fn majority(all: usize, centre: Offset, intervals: &[(Offset, Span)]) -> bool {
    let at_centre = intervals.iter().filter(|&&(opinion, bound)| within(opinion, centre, bound));
    2 * at_centre.count() > all || 2 * agreeing(intervals) > all
}

/// Whether `opinion` is no further than `tolerance` from `centre`.
pub fn within(opinion: Offset, centre: Offset, tolerance: Span) -> bool {
    (opinion - centre).abs() <= tolerance
}

/// The average of the opinions that count. `None` of none.
pub fn average(how: Average, opinions: &[Offset]) -> Option<Offset> {
    match how {
        Average::Plain => mean(opinions),
        // Its weights are the ensemble's own: see `weighted`.
        Average::Ensemble => mean(opinions),
        Average::Trimmed => {
            let mut sorted = opinions.to_vec();
            sorted.sort_unstable();
            // A third in all, the same number from either end: with n ≥ 3f + 1 members f liars
            // cannot take the result beyond the honest ones (Lundelius and Lynch, 1984).
            let cut = sorted.len().saturating_sub(1) / 3;
            mean(&sorted[cut..sorted.len() - cut])
        }
    }
}

fn mean(opinions: &[Offset]) -> Option<Offset> {
    let count = i128::try_from(opinions.len()).ok().filter(|&n| n > 0)?;
    let sum: i128 = opinions.iter().map(|o| i128::from(o.as_nanos())).sum();
    Some(Offset::from_nanos(sum.div_euclid(count) as i64))
}

/// One opinion and how much its clock is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighed {
    /// The opinion.
    pub opinion: Offset,
    /// Its weight, ≥ 0; only the ratios matter.
    pub weight: f64,
}

/// Least scale of disagreement, in ns: below it nobody is an outlier.
const LEAST_SCALE: f64 = 20.0;
/// From the median absolute deviation to a standard deviation, for normal noise.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Up to so many deviations an opinion counts in full, beyond the second not at all (Huber's
/// weight, cut off as Hampel does: *The influence curve and its role in robust estimation*, 1974).
const FULL: f64 = 2.0;
const NOTHING: f64 = 8.0;

/// The robust weighted average: `centre` + Σ w·h·(e − centre)/Σ w, where h falls from 1 to 0 with
/// the distance from the centre in units of the opinions' own spread, `scale` (see [`spread`]).
pub fn weighted(centre: Offset, scale: f64, opinions: &[Weighed]) -> Offset {
    let total: f64 = opinions.iter().map(|o| o.weight).sum();
    if total <= 0.0 {
        return centre;
    }
    let pulled = opinions.iter().map(|o| {
        let away = (o.opinion - centre).as_nanos() as f64;
        o.weight * hearing(away.abs() / scale.max(LEAST_SCALE)) * away
    });
    centre + Offset::from_nanos((pulled.sum::<f64>() / total).round() as i64)
}

/// The robust weighted mean of (value, weight), as [`weighted`] is that of opinions: what is far
/// from the median in units of the values' own spread loses its weight. Nothing of nothing, or
/// where no weight is positive.
pub fn robust_mean(values: &[(f64, f64)]) -> Option<f64> {
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let centre = middle(values.iter().map(|&(value, _)| value)).filter(|_| total > 0.0)?;
    let away = middle(values.iter().map(|&(value, _)| (value - centre).abs()))?;
    let scale = (MAD_TO_SIGMA * away).max(f64::MIN_POSITIVE);
    let pulled = values.iter().map(|&(value, weight)| {
        weight * hearing((value - centre).abs() / scale) * (value - centre)
    });
    Some(centre + pulled.sum::<f64>() / total)
}

/// The middle value, as [`median`] is that of opinions. O(n).
pub(super) fn middle(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let odd = values.len() % 2 == 1;
    let (lower, &mut upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let below = lower.iter().copied().max_by(f64::total_cmp).filter(|_| !odd);
    Some(below.map_or(upper, |lower| (lower + upper) / 2.0))
}

/// How much of its weight an opinion keeps that is `u` deviations out.
fn hearing(u: f64) -> f64 {
    match u {
        u if u < FULL => 1.0,
        u if u <= NOTHING => FULL / u,
        _ => 0.0,
    }
}

/// The opinions' robust standard deviation, in ns: 1.4826 times the median distance from `centre`.
pub fn spread(centre: Offset, opinions: &[Offset]) -> f64 {
    let away: Vec<_> = opinions.iter().map(|&o| (o - centre).abs().as_offset()).collect();
    let middle = median(&away).unwrap_or(Offset::ZERO).as_nanos() as f64;
    MAD_TO_SIGMA * middle.max(LEAST_SCALE)
}

/// Weights that add up to 1, none greater than `cap`; what is cut off goes to the others in
/// proportion. A cap below 1/n is raised to it.
pub fn capped(weights: &mut [f64], cap: f64) {
    let n = weights.len() as f64;
    if weights.iter().all(|w| *w <= 0.0) {
        weights.fill(1.0 / n.max(1.0));
    }
    let cap = cap.max(1.0 / n.max(1.0));
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    // The capped set only grows; each turn fixes one member more, and a few turns are enough.
    for _ in 0..8 {
        let (full, rest) = weights.iter().fold((0.0, 0.0), |(full, rest), &w| {
            if w >= cap { (full + cap, rest) } else { (full, rest + w) }
        });
        let scale = if rest > 0.0 { ((1.0 - full) / rest).max(0.0) } else { 1.0 };
        weights.iter_mut().for_each(|w| *w = if *w >= cap { cap } else { *w * scale });
        if weights.iter().all(|w| *w <= cap * (1.0 + 1e-12)) {
            return;
        }
    }
}

/// How many of the intervals `opinion ± bound` share a point, at most (Marzullo and Owicki,
/// *Maintaining the time in a distributed system*, 1985).
pub fn agreeing(intervals: &[(Offset, Span)]) -> usize {
    let mut edges: Vec<(Offset, i8)> = Vec::with_capacity(2 * intervals.len());
    for &(opinion, bound) in intervals {
        // Where edges coincide the beginnings come first: touching is agreeing.
        edges.push((opinion - bound.as_offset(), 0));
        edges.push((opinion + bound.as_offset(), 1));
    }
    edges.sort_unstable();
    let (mut open, mut most) = (0_usize, 0);
    for (_, edge) in edges {
        if edge == 0 {
            open += 1;
            most = most.max(open);
        } else {
            open = open.saturating_sub(1);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offsets(nanos: &[i64]) -> Vec<Offset> {
        nanos.iter().map(|&n| Offset::from_nanos(n)).collect()
    }

    #[test]
    fn a_minority_of_rates_far_out_has_no_say() {
        let honest = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (2.5, 1.0), (1.5, 1.0)];
        let mean = robust_mean(&honest).unwrap();
        assert!((mean - 2.0).abs() < 1e-9, "{mean}");
        let liars = [&honest[..], &[(200.0, 2.0), (200.0, 2.0)]].concat();
        let mean = robust_mean(&liars).unwrap();
        assert!((1.0..=3.0).contains(&mean), "{mean}");
        assert_eq!(robust_mean(&[]), None);
        assert_eq!(robust_mean(&[(1.0, 0.0)]), None);
    }

    #[test]
    fn small_cases() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&offsets(&[5])), Some(Offset::from_nanos(5)));
        assert_eq!(median(&offsets(&[9, 1])), Some(Offset::from_nanos(5)));
        assert_eq!(median(&offsets(&[9, 1, 2])), Some(Offset::from_nanos(2)));
        assert_eq!(average(Average::Plain, &offsets(&[-1, 0, 4])), Some(Offset::from_nanos(1)));
        let trimmed = average(Average::Trimmed, &offsets(&[-900, 1, 3, 900]));
        assert_eq!(trimmed, Some(Offset::from_nanos(2)));
        assert_eq!(average(Average::Trimmed, &offsets(&[7])), Some(Offset::from_nanos(7)));
        assert_eq!(average(Average::Plain, &[]), None);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let far = offsets(&[i64::MAX, i64::MAX, i64::MIN]);
        assert!(average(Average::Plain, &far).is_some());
        assert!(!within(far[0], far[2], Span::from_secs(1)));
    }

    #[test]
    fn an_outlier_has_no_pull_and_a_good_clock_has_most() {
        let of = |nanos: i64, weight| Weighed { opinion: Offset::from_nanos(nanos), weight };
        let all = [of(-100, 1.0), of(0, 1.0), of(100, 2.0), of(5_000_000, 1.0)];
        let centre = Offset::ZERO;
        let scale = spread(centre, &all.map(|o| o.opinion));
        // The mean of the three with their weights, over the weight of all four.
        assert_eq!(weighted(centre, scale, &all), Offset::from_nanos(20));
        assert_eq!(weighted(centre, scale, &[]), centre);
    }

    #[test]
    fn no_weight_above_the_cap_and_all_together_one() {
        let mut weights = [100.0, 1.0, 1.0, 1.0, 1.0];
        capped(&mut weights, 0.4);
        assert!((weights[0] - 0.4).abs() < 1e-9, "{weights:?}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{weights:?}");
        let mut none = [0.0, 0.0];
        capped(&mut none, 0.4);
        assert_eq!(none, [0.5, 0.5]);
    }

    #[test]
    fn agreement_is_the_most_that_share_a_point() {
        let of = |o: i64, b: u64| (Offset::from_nanos(o), Span::from_nanos(b));
        assert_eq!(agreeing(&[of(0, 10), of(15, 5), of(-40, 5), of(8, 1)]), 2);
        assert_eq!(agreeing(&[of(0, 10), of(5, 10), of(9, 10)]), 3);
        assert_eq!(agreeing(&[]), 0);
        let apart = [of(0, 10), of(15, 5), of(-40, 5), of(8, 1)];
        assert!(majority(3, Offset::from_nanos(10), &apart), "they share the centre");
        assert!(majority(3, Offset::from_nanos(-100), &apart), "they share another point");
        assert!(!majority(4, Offset::from_nanos(10), &apart));
    }

    fn how() -> impl Strategy<Value = Average> {
        prop_oneof![Just(Average::Plain), Just(Average::Trimmed)]
    }

    proptest! {
        #[test]
        fn the_order_of_the_members_is_nothing(
            how in how(),
            mut nanos in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..40),
            by in 0usize..40,
        ) {
            let before = offsets(&nanos);
            let turn = by % nanos.len();
            nanos.rotate_left(turn);
            let after = offsets(&nanos);
            prop_assert_eq!(median(&before), median(&after));
            prop_assert_eq!(average(how, &before), average(how, &after));
        }

        #[test]
        fn moving_everybody_moves_the_result_by_as_much(
            how in how(),
            nanos in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..40),
            by in -1_000_000_000_000i64..1_000_000_000_000,
        ) {
            let there = offsets(&nanos);
            let moved: Vec<_> = there.iter().map(|&o| o + Offset::from_nanos(by)).collect();
            let by = Offset::from_nanos(by);
            prop_assert_eq!(median(&moved), median(&there).map(|m| m + by));
            prop_assert_eq!(average(how, &moved), average(how, &there).map(|m| m + by));
        }

        #[test]
        fn a_minority_of_outliers_cannot_move_it(
            how in how(),
            honest in prop::collection::vec(-1_000i64..1_000, 3..20),
            lies in prop::collection::vec(any::<i64>(), 0..20),
        ) {
            let liars = lies.len().min(honest.len() - 1);
            let mut all = offsets(&honest);
            all.extend(offsets(&lies[..liars]));
            let centre = median(&all).unwrap();
            let tolerance = Span::from_nanos(10_000);
            let counted: Vec<_> =
                all.iter().copied().filter(|&o| within(o, centre, tolerance)).collect();
            let average = average(how, &counted).unwrap();
            prop_assert!(centre.abs() <= Span::from_nanos(1_000));
            // Whoever lies within the tolerance can pull by as much as that, and no further.
            prop_assert!(average.abs() <= Span::from_nanos(11_000));
        }
    }
}
