//! How much of what happens on the network is worth a line of the log.

use crate::time::Span;

/// Lines a second that are always there.
const COST: Span = Span::from_millis(50);
/// And as many as in ten seconds at once.
const BURST: Span = Span::from_secs(10);

/// Twenty lines a second and two hundred at once: whoever joins and leaves without end shall not
/// fill a disk. What is beyond is counted.
#[derive(Debug, Default)]
pub(super) struct Budget {
    paid: Span,
    left_out: u64,
}

impl Budget {
    /// Whether a line may be written `age` after the start.
    pub(super) fn allows(&mut self, age: Span) -> bool {
        let paid = self.paid.max(age);
        if paid - age >= BURST {
            self.left_out += 1;
            return false;
        }
        self.paid = paid + COST;
        true
    }

    /// How many lines were left out since this was asked.
    pub(super) fn left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_events_costs_few_lines_and_a_calm_time_pays_them_back() {
        let mut budget = Budget::default();
        let at = |secs| Span::from_secs(secs);
        assert_eq!((0..5_000).filter(|_| budget.allows(at(1))).count(), 200);
        assert_eq!(budget.left_out(), 4_800);
        assert_eq!(budget.left_out(), 0);
        assert_eq!((0..5_000).filter(|_| budget.allows(at(3))).count(), 40);
        assert_eq!((0..5_000).filter(|_| budget.allows(at(3_600))).count(), 200);
    }
}
