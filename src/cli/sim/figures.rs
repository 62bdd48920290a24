//! The table's figures, and which of them miss what they shall be.

use serde::Serialize;

use super::peers::{self, CLUSTERS, EVENTS, Error, PAIRS};
use super::runs::{Case, Change, Runs, median};
use crate::sim::{Outcome, Scenario, slope};

/// Seconds after a joiner's start in which cluster time is watched.
const WATCHED: usize = 60;
/// When something happens in a scenario of a pair.
const THEN: f64 = 3_000.0;

/// All that the table says, in seconds and plain ratios.
#[derive(Debug, Serialize)]
pub(super) struct Accuracy {
    pub(super) version: &'static str,
    /// First and last of the seeds that medians are taken over.
    pub(super) seeds: [u64; 2],
    /// First and last of the seeds that bounds were looked at with.
    pub(super) bound_seeds: [u64; 2],
    pub(super) clusters: Vec<ClusterRow>,
    pub(super) pairs: Vec<PairRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) ensemble: Vec<Claim>,
    pub(super) bounds: Vec<BoundRow>,
    /// What is not as it shall be.
    pub(super) missed: Vec<Claim>,
}

/// A figure that is held against another.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Claim {
    pub(super) about: String,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    /// The median over the seeds.
    pub(super) figure: Option<f64>,
    /// The greatest of the seeds.
    pub(super) worst: Option<f64>,
    /// The figure is this at most.
    pub(super) most: f64,
    pub(super) met: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// It must be met.
    Limit,
    /// It is what we want.
    Aim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    Seconds,
    /// A rate in seconds a second.
    Rate,
    Ratio,
    Count,
}

/// Medians over the seeds of a cluster's spread.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Spread {
    pub(super) rms_s: f64,
    /// The greatest of the seeds; at burst 4 of those that bounds were looked at with.
    pub(super) rms_worst_s: f64,
    pub(super) p99_s: f64,
    pub(super) max_s: f64,
    /// None: never for good.
    pub(super) settled_below_100us_s: Option<f64>,
    pub(super) settled_below_2us_s: Option<f64>,
    pub(super) wander_s: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct ClusterRow {
    pub(super) scenario: &'static str,
    pub(super) burst_1: Spread,
    pub(super) burst_4: Spread,
    pub(super) claims: Vec<Claim>,
}

#[derive(Debug, Serialize)]
pub(super) struct PairRow {
    pub(super) scenario: &'static str,
    /// RMS and maximum.
    pub(super) burst_1_s: [f64; 2],
    pub(super) burst_4_s: [f64; 2],
    /// The same of what the slave shows against cluster time as the master has it.
    pub(super) estimate_1_s: [f64; 2],
    pub(super) estimate_4_s: [f64; 2],
    pub(super) claims: Vec<Claim>,
}

#[derive(Debug, Serialize)]
pub(super) struct EventRow {
    pub(super) scenario: &'static str,
    pub(super) max_s: f64,
    /// The greatest of the seeds that bounds were looked at with.
    pub(super) max_worst_s: f64,
    /// How long after the event it was below 2 µs for good; none: never, or never was above.
    pub(super) recovered_s: Option<f64>,
    /// The same of the worst seed.
    pub(super) recovered_worst_s: Option<f64>,
    pub(super) claims: Vec<Claim>,
}

#[derive(Debug, Serialize)]
pub(super) struct BoundRow {
    pub(super) scenario: &'static str,
    pub(super) checks: u64,
    pub(super) violations: u64,
    /// Not looked at: the clock itself had jumped since the bound was published.
    pub(super) left_out: u64,
    pub(super) bound_p50_s: f64,
    pub(super) error_p50_s: f64,
    /// Median of bound/error.
    pub(super) tightness_p50: f64,
}

/// The cases that medians are taken of.
pub(super) fn cases() -> Vec<Case> {
    let clusters = CLUSTERS.iter().map(|cluster| cluster.scenario);
    let pairs = PAIRS.iter().map(|pair| pair.scenario);
    let twice = clusters.chain(pairs).flat_map(|name| [Case::of(name, 1), Case::of(name, 4)]);
    let events = EVENTS.iter().map(|&(name, _)| Case::of(name, 4));
    let ensemble = [
        Case::of("ensemble", 4),
        Case::of("liars-rate", 4),
        Case::changed("liars-rate", Change::WithoutFaulty, 4),
        Case::changed("liars-rate", Change::WithoutIncidents, 4),
        Case::changed("liars-rate", Change::FromTheStart, 4),
        Case::of("liars-time", 4),
        Case::changed("liars-time", Change::WithoutFaulty, 4),
        Case::changed("liars-time", Change::WithoutIncidents, 4),
        Case::changed("liars-time", Change::FromTheStart, 4),
        Case::of("joiner", 4),
        Case::changed("joiner", Change::LateBehind, 4),
        Case::changed("joiner", Change::WithoutLate, 4),
    ];
    twice.chain(events).chain(ensemble).collect()
}

/// The cases whose bounds are looked at.
pub(super) fn bounded() -> Vec<Case> {
    Scenario::names().map(|name| Case::of(name, 4)).collect()
}

impl Accuracy {
    pub(super) fn new(runs: &Runs) -> Self {
        let clusters: Vec<_> = CLUSTERS.iter().map(|of| cluster(runs, of)).collect();
        let pairs: Vec<_> = PAIRS.iter().map(|of| pair(runs, of)).collect();
        let events: Vec<_> = EVENTS.iter().map(|&(name, most)| event(runs, name, most)).collect();
        let ensemble = ensemble(runs);
        let bounds: Vec<_> = bounded().into_iter().map(|case| bound(runs, case)).collect();
        let claims = clusters.iter().flat_map(|row| &row.claims);
        let claims = claims.chain(pairs.iter().flat_map(|row| &row.claims));
        let claims = claims.chain(events.iter().flat_map(|row| &row.claims)).chain(&ensemble);
        let broken = bounds.iter().filter(|row| row.violations > 0).map(|row| {
            let about = format!("{}: bounds that were broken", row.scenario);
            let count = row.violations as f64;
            Claim::new(about, Kind::Limit, Unit::Count, [count].into_iter(), 0.0)
        });
        let missed = claims.filter(|claim| !claim.met).cloned().chain(broken).collect();
        let ends = |seeds: &std::ops::RangeInclusive<u64>| [*seeds.start(), *seeds.end()];
        Self {
            version: env!("CARGO_PKG_VERSION"),
            seeds: ends(&runs.seeds),
            bound_seeds: ends(&runs.bound_seeds),
            clusters,
            pairs,
            events,
            ensemble,
            bounds,
            missed,
        }
    }
}

impl Claim {
    fn new(
        about: String,
        kind: Kind,
        unit: Unit,
        values: impl Iterator<Item = f64>,
        most: f64,
    ) -> Self {
        let values: Vec<f64> = values.collect();
        let figure = median(values.iter().copied()).filter(|figure| figure.is_finite());
        let worst = values.into_iter().reduce(f64::max).filter(|worst| worst.is_finite());
        let met = figure.is_some_and(|figure| figure <= most);
        Self { about, kind, unit, figure, worst, most, met }
    }
}

fn middle(runs: &Runs, case: Case, of: impl Fn(&Outcome) -> f64) -> f64 {
    median(runs.of(case).map(of)).expect("there is a seed")
}

/// The greatest over all seeds there are.
fn worst(runs: &Runs, case: Case, of: impl Fn(&Outcome) -> f64) -> f64 {
    runs.bounded(case).map(of).fold(0.0, f64::max)
}

fn spread(runs: &Runs, case: Case) -> Spread {
    let settled = |of: fn(&Outcome) -> Option<f64>| {
        Some(middle(runs, case, |o| of(o).unwrap_or(f64::INFINITY))).filter(|at| at.is_finite())
    };
    Spread {
        rms_s: middle(runs, case, |o| o.spread_rms_s),
        rms_worst_s: worst(runs, case, |o| o.spread_rms_s),
        p99_s: middle(runs, case, |o| o.spread_p99_s),
        max_s: middle(runs, case, |o| o.spread_max_s),
        settled_below_100us_s: settled(|o| o.settled_below_100us_s),
        settled_below_2us_s: settled(|o| o.settled_below_2us_s),
        wander_s: middle(runs, case, |o| o.wander_s),
    }
}

fn cluster(runs: &Runs, of: &peers::Cluster) -> ClusterRow {
    let name = of.scenario;
    let mut claims = Vec::new();
    let mut hold = |burst: u8, what: &str, kind, unit, value: fn(&Outcome) -> f64, most| {
        let values = runs.of(Case::of(name, burst)).map(value);
        let about = format!("{name}, burst {burst}: {what}");
        claims.push(Claim::new(about, kind, unit, values, most));
    };
    for (burst, kind, most) in
        [(1, Kind::Limit, of.limit_1), (4, Kind::Limit, of.limit_4), (4, Kind::Aim, of.aim_4)]
    {
        if let Some(most) = most {
            hold(burst, "RMS", kind, Unit::Seconds, |o| o.spread_rms_s, most);
        }
    }
    let [p99, max] = peers::SHAPE;
    for burst in [1, 4] {
        let (kind, unit) = (Kind::Limit, Unit::Ratio);
        hold(burst, "p99/RMS", kind, unit, |o| o.spread_p99_s / o.spread_rms_s, p99);
        hold(burst, "max/RMS", kind, unit, |o| o.spread_max_s / o.spread_rms_s, max);
    }
    for (burst, most) in of.wander.into_iter().flat_map(|[one, four]| [(1, one), (4, four)]) {
        hold(burst, "wander", Kind::Limit, Unit::Seconds, |o| o.wander_s, most);
    }
    if let Some([first, second]) = of.settled {
        let (kind, unit) = (Kind::Limit, Unit::Seconds);
        let below_100us: fn(&Outcome) -> f64 = |o| o.settled_below_100us_s.unwrap_or(f64::INFINITY);
        let below_2us: fn(&Outcome) -> f64 = |o| o.settled_below_2us_s.unwrap_or(f64::INFINITY);
        hold(4, "below 100 µs after", kind, unit, below_100us, first);
        hold(4, "below 2 µs after", kind, unit, below_2us, second);
    }
    let [burst_1, burst_4] = [1, 4].map(|burst| spread(runs, Case::of(name, burst)));
    ClusterRow { scenario: name, burst_1, burst_4, claims }
}

/// One figure of a run.
type Figure = fn(&Outcome) -> f64;

fn pair(runs: &Runs, of: &peers::Pair) -> PairRow {
    let name = of.scenario;
    let mut claims = Vec::new();
    let mut hold = |burst: u8, [rms, max]: Error| {
        let figures: [(_, Figure, _); 2] =
            [("RMS", |o| o.spread_rms_s, rms), ("max", |o| o.spread_max_s, max)];
        let of_estimate: [(_, Figure, _); 2] = [
            ("RMS against cluster time", |o| estimate(o)[0], rms),
            ("max against cluster time", |o| estimate(o)[1], max),
        ];
        for (what, value, prototype) in figures.into_iter().chain(of_estimate) {
            let Some(prototype) = prototype else { continue };
            let values = runs.of(Case::of(name, burst)).map(value);
            let about = format!("{name}, burst {burst}: {what}");
            let most = prototype * peers::OF_PROTOTYPE;
            claims.push(Claim::new(about, Kind::Limit, Unit::Seconds, values, most));
        }
    };
    hold(1, of.prototype_1);
    hold(4, of.prototype_4);
    let [burst_1_s, burst_4_s] = [1, 4].map(|burst| {
        let case = Case::of(name, burst);
        [middle(runs, case, |o| o.spread_rms_s), middle(runs, case, |o| o.spread_max_s)]
    });
    let [estimate_1_s, estimate_4_s] = [1, 4].map(|burst| {
        let case = Case::of(name, burst);
        [0, 1].map(|which| middle(runs, case, |o| estimate(o)[which]))
    });
    PairRow { scenario: name, burst_1_s, burst_4_s, estimate_1_s, estimate_4_s, claims }
}

/// RMS and maximum of what the slave shows against cluster time as the master has it.
fn estimate(outcome: &Outcome) -> [f64; 2] {
    let error = outcome.bounds.map(|bounds| [bounds.error_rms_s, bounds.error_max_s]);
    error.unwrap_or([f64::INFINITY; 2])
}

fn event(runs: &Runs, name: &'static str, prototype: Option<f64>) -> EventRow {
    let case = Case::of(name, 4);
    let claims = prototype.into_iter().map(|prototype| {
        let values = runs.of(case).map(|o| o.spread_max_s);
        let (about, most) = (format!("{name}: max"), prototype * peers::OF_PROTOTYPE);
        Claim::new(about, Kind::Limit, Unit::Seconds, values, most)
    });
    let claims = claims.collect();
    let settled = |o: &Outcome| o.settled_below_2us_s.unwrap_or(f64::INFINITY);
    let recovered =
        |below: f64| Some(below - THEN).filter(|after| after.is_finite() && *after > 0.0);
    EventRow {
        scenario: name,
        max_s: middle(runs, case, |o| o.spread_max_s),
        max_worst_s: worst(runs, case, |o| o.spread_max_s),
        recovered_s: recovered(middle(runs, case, settled)),
        recovered_worst_s: recovered(worst(runs, case, settled)),
        claims,
    }
}

fn ensemble(runs: &Runs) -> Vec<Claim> {
    let limit = |about: &str, unit, values: Vec<f64>, most| {
        Claim::new(about.to_owned(), Kind::Limit, unit, values.into_iter(), most)
    };
    let of_best = runs.of(Case::of("ensemble", 4)).map(|o| {
        let at = o.stability.iter().find(|s| s.tau_s == 100.0);
        at.and_then(|s| Some(s.allan_deviation / s.best_oscillator?)).unwrap_or(f64::INFINITY)
    });
    let about = "ensemble: ADEV of cluster time over 100 s / that of the best clock";
    let mut claims = vec![limit(about, Unit::Ratio, of_best.collect(), peers::ADEV_OF_BEST)];
    for name in ["liars-rate", "liars-time"] {
        let with = Case::of(name, 4);
        let without = Case::changed(name, Change::WithoutFaulty, 4);
        let ratio = runs.both(with, without).map(|(a, b)| a.spread_rms_s / b.spread_rms_s);
        let about = format!("{name}: the others' RMS / that without the two");
        claims.push(limit(&about, Unit::Ratio, ratio.collect(), peers::WITH_LIARS));
        let honest = Case::changed(name, Change::WithoutIncidents, 4);
        let shift = runs.both(with, honest).map(|(a, b)| rate_shift(a, b));
        let about = format!("{name}: shift of the rate of cluster time");
        claims.push(limit(&about, Unit::Rate, shift.collect(), peers::LIARS_RATE));
        let beyond = runs.of(Case::changed(name, Change::FromTheStart, 4)).map(beyond_the_honest);
        let about = format!("{name} from the start: rate beyond the honest clocks' range");
        claims.push(limit(&about, Unit::Rate, beyond.collect(), peers::LIARS_RATE));
    }
    let without = Case::changed("joiner", Change::WithoutLate, 4);
    for (by, change) in [("+10 ms", Change::None), ("-10 ms", Change::LateBehind)] {
        let joined = Case::changed("joiner", change, 4);
        let moved = runs.both(joined, without).map(|(a, b)| moved(a, b));
        let about = format!("joiner {by} off: cluster time moves by");
        claims.push(limit(&about, Unit::Seconds, moved.collect(), peers::JOINER));
    }
    claims
}

/// How far the rate of cluster time is outside the range of the honest members' oscillators; zero
/// inside it.
fn beyond_the_honest(outcome: &Outcome) -> f64 {
    let rates = outcome.members.iter().filter_map(|member| member.oscillator_rate);
    let (least, greatest) = rates.fold((f64::MAX, f64::MIN), |(a, b), r| (a.min(r), b.max(r)));
    (outcome.cluster_rate - greatest).max(least - outcome.cluster_rate).max(0.0)
}

/// How much more the mean's rate changes from the second 20 min to the third than in the other run.
fn rate_shift(with: &Outcome, without: &Outcome) -> f64 {
    let apart: Vec<f64> = apart(with, without).collect();
    let (before, after) = apart.split_at(apart.len() * 2 / 5);
    (slope(&after[after.len() / 3..]) - slope(before)).abs()
}

/// How far the mean got from that of the other run within a minute after half time.
fn moved(with: &Outcome, without: &Outcome) -> f64 {
    let to_the_end = (with.duration_s / 2.0) as usize;
    let apart: Vec<f64> = apart(with, without).collect();
    let then = apart.len() - 1 - to_the_end;
    apart[then..].iter().take(WATCHED).map(|d| (d - apart[then - 1]).abs()).fold(0.0, f64::max)
}

/// The mean of what the healthy nodes show in one run minus that in the other, each second.
fn apart(with: &Outcome, without: &Outcome) -> impl Iterator<Item = f64> {
    with.mean_s.iter().zip(&without.mean_s).map(|(a, b)| a - b)
}

fn bound(runs: &Runs, case: Case) -> BoundRow {
    let all = || runs.bounded(case).filter_map(|outcome| outcome.bounds);
    let middle = |of: fn(&crate::sim::Bounds) -> f64| {
        median(all().map(|bounds| of(&bounds))).unwrap_or(f64::INFINITY)
    };
    BoundRow {
        scenario: case.scenario,
        checks: all().map(|bounds| bounds.checks).sum(),
        violations: all().map(|bounds| bounds.violations).sum(),
        left_out: all().map(|bounds| bounds.left_out).sum(),
        bound_p50_s: middle(|bounds| bounds.p50_s),
        error_p50_s: middle(|bounds| bounds.error_p50_s),
        tightness_p50: middle(|bounds| bounds.tightness_p50),
    }
}
