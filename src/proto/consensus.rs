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
    let mut sorted = opinions.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        Some(upper)
    } else {
        Some(sorted[sorted.len() / 2 - 1].midpoint(upper))
    }
}

/// Whether `opinion` is no further than `tolerance` from `centre`.
pub fn within(opinion: Offset, centre: Offset, tolerance: Span) -> bool {
    (opinion - centre).abs() <= tolerance
}

/// The average of the opinions that count. `None` of none.
pub fn average(how: Average, opinions: &[Offset]) -> Option<Offset> {
    match how {
        Average::Plain => mean(opinions),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offsets(nanos: &[i64]) -> Vec<Offset> {
        nanos.iter().map(|&n| Offset::from_nanos(n)).collect()
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
            prop_assert!(centre.abs() < Span::from_nanos(1_000));
            // Whoever lies within the tolerance can pull by as much as that, and no further.
            prop_assert!(average.abs() <= Span::from_nanos(11_000));
        }
    }
}
