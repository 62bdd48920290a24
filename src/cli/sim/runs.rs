//! The runs that the table is made of: which there are, and doing them on all processors.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::workers::{Progress, on_all};
use crate::sim::{Draw, Outcome, Scenario, run};
use crate::time::{Offset, Span};

/// How a named scenario is changed, to be held against itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// As it is.
    None,
    /// The faulty nodes are not there.
    WithoutFaulty,
    /// Nothing happens to anyone.
    WithoutIncidents,
    /// What happens does so at the very start.
    FromTheStart,
    /// Whoever starts late does not start at all.
    WithoutLate,
    /// Whoever starts late is as far off to the other side.
    LateBehind,
}

/// A run but for its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case {
    pub(super) scenario: &'static str,
    pub(super) change: Change,
    pub(super) burst: u8,
}

impl Case {
    pub(super) const fn of(scenario: &'static str, burst: u8) -> Self {
        Self { scenario, change: Change::None, burst }
    }

    pub(super) const fn changed(scenario: &'static str, change: Change, burst: u8) -> Self {
        Self { scenario, change, burst }
    }

    fn scenario(self, lasting: Option<Span>) -> Scenario {
        let mut scenario = Scenario::named(self.scenario).expect("the table names what there is");
        scenario.burst = self.burst;
        if let Some(duration) = lasting {
            scenario = scenario.lasting(duration);
            scenario.warm_up = duration.over(4);
        }
        let is_late = |start: Option<_>| start.is_none_or(|at| at > Span::ZERO);
        match self.change {
            Change::None => {}
            Change::WithoutFaulty => {
                scenario.nodes.retain(|node| !node.faulty);
                let nodes = scenario.nodes.len();
                scenario.incidents.retain(|incident| incident.node < nodes);
            }
            Change::WithoutIncidents => scenario.incidents.clear(),
            Change::FromTheStart => {
                scenario.incidents.iter_mut().for_each(|incident| incident.at = Span::ZERO);
            }
            Change::WithoutLate => scenario.nodes.retain(|node| !is_late(node.starts)),
            Change::LateBehind => {
                for node in scenario.nodes.iter_mut().filter(|node| is_late(node.starts)) {
                    if let Draw::Exactly(offset) = &mut node.offset {
                        *offset = Offset::ZERO - *offset;
                    }
                }
            }
        }
        scenario
    }
}

/// What came of the runs.
#[derive(Debug)]
pub(super) struct Runs {
    outcomes: BTreeMap<(Case, u64), Outcome>,
    /// The seeds that medians are taken over.
    pub(super) seeds: RangeInclusive<u64>,
    /// The seeds that bounds are looked at with.
    pub(super) bound_seeds: RangeInclusive<u64>,
}

impl Runs {
    /// Runs `cases` with each of `seeds`, and those `bounded` with four times as many seeds, on
    /// all processors, each over another length where that is `lasting`. `progress` is told how
    /// many of how many runs are done.
    pub(super) fn new(
        cases: &[Case],
        bounded: &[Case],
        seeds: RangeInclusive<u64>,
        lasting: Option<Span>,
        progress: Progress<'_>,
    ) -> Self {
        let bound_seeds = four_times(&seeds);
        let all = cases.iter().flat_map(|&case| seeds.clone().map(move |seed| (case, seed)));
        let more =
            bounded.iter().flat_map(|&case| bound_seeds.clone().map(move |seed| (case, seed)));
        let outcomes = in_parallel(all.chain(more).collect(), lasting, progress);
        Self { outcomes, seeds, bound_seeds }
    }

    /// The outcomes of a case with the seeds that medians are taken over.
    pub(super) fn of(&self, case: Case) -> impl Iterator<Item = &Outcome> {
        self.with(case, &self.seeds)
    }

    /// The outcomes of a case with the seeds that bounds are looked at with.
    pub(super) fn bounded(&self, case: Case) -> impl Iterator<Item = &Outcome> {
        self.with(case, &self.bound_seeds)
    }

    /// The outcomes of two cases, seed by seed.
    pub(super) fn both(
        &self,
        one: Case,
        other: Case,
    ) -> impl Iterator<Item = (&Outcome, &Outcome)> {
        self.of(one).zip(self.of(other))
    }

    fn with(&self, case: Case, seeds: &RangeInclusive<u64>) -> impl Iterator<Item = &Outcome> {
        let range = (case, *seeds.start())..=(case, *seeds.end());
        self.outcomes.range(range).map(|(_, outcome)| outcome)
    }
}

/// The seeds and three times as many after them.
fn four_times(seeds: &RangeInclusive<u64>) -> RangeInclusive<u64> {
    let count = (seeds.end() - seeds.start()).saturating_add(1);
    *seeds.start()..=seeds.end().saturating_add(count.saturating_mul(3))
}

fn in_parallel(
    mut jobs: Vec<(Case, u64)>,
    lasting: Option<Span>,
    progress: Progress<'_>,
) -> BTreeMap<(Case, u64), Outcome> {
    jobs.sort();
    jobs.dedup();
    let mut outcomes = BTreeMap::new();
    let work = |&(case, seed): &(Case, u64)| {
        let mut outcome = run(&case.scenario(lasting), seed, &mut |_| {});
        outcome.events = Vec::new();
        ((case, seed), outcome)
    };
    on_all(&jobs, work, |(job, outcome)| drop(outcomes.insert(job, outcome)), progress);
    outcomes
}

/// The middle of `values`, or the mean of the two in the middle; none where there is no value.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let upper = *values.get(count / 2)?;
    Some(if count % 2 == 1 { upper } else { (values[count / 2 - 1] + upper) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        // What never came to rest is the last.
        assert_eq!(median([f64::INFINITY, 1.0, f64::INFINITY].into_iter()), Some(f64::INFINITY));
    }

    #[test]
    fn bounds_are_looked_at_with_four_times_as_many_seeds() {
        assert_eq!(four_times(&(1..=5)), 1..=20);
        assert_eq!(four_times(&(7..=7)), 7..=10);
    }

    #[test]
    fn a_change_takes_away_what_it_says() {
        let nodes = |scenario, change| {
            let changed = Case::changed(scenario, change, 4).scenario(None);
            assert_eq!(changed.check(), Ok(()));
            (changed.nodes.len(), changed.incidents.len())
        };
        assert_eq!(nodes("liars-rate", Change::None), (7, 2));
        assert_eq!(nodes("liars-rate", Change::WithoutFaulty), (5, 0));
        assert_eq!(nodes("liars-rate", Change::WithoutIncidents), (7, 0));
        assert_eq!(nodes("joiner", Change::WithoutLate), (5, 0));
        let behind = Case::changed("joiner", Change::LateBehind, 4).scenario(None);
        assert_eq!(behind.nodes[5].offset, Draw::Exactly(Offset::from_nanos(-10_000_000)));
    }
}
