//! What deserves a mark: outliers, and changes of master.

use super::super::history::{Happening, History, Point};
use super::super::log::{OFFSET, ROUND_TRIP};
use crate::time::{Offset, Shown, Span, Time};

/// Intervals that a course needs before any can be called unusual.
const FEW: usize = 12;
/// Most outliers that are marked: the worst.
const MAX_OUTLIERS: usize = 200;

/// Kinds of events that tell of a change of master.
const FAILOVER: &[&str] = &[
    "claimed",
    "elected",
    "following",
    "master_left",
    "master_silent",
    "no_master",
    "outbid",
    "resigned",
    "stood_back",
    "yielded",
];

/// An interval whose greatest value is unusual.
#[derive(Debug, Clone)]
pub(super) struct Outlier {
    pub(super) metric: &'static str,
    pub(super) subject: String,
    pub(super) at: Time<Shown>,
    /// How large the greatest was.
    pub(super) size: Span,
    /// The same with its sign, where that is known.
    pub(super) signed: Option<Offset>,
    /// What would still have been usual.
    pub(super) fence: Span,
}

/// What deserves a mark.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) outliers: Vec<Outlier>,
    pub(super) failovers: Vec<Happening>,
    pub(super) others: Vec<Happening>,
    /// How often the master was another one than before.
    pub(super) turns: usize,
}

impl Marks {
    pub(super) fn of(history: &History) -> Self {
        let mut outliers = Vec::new();
        for course in &history.courses {
            // Of the cluster's offsets the member's own course tells whose they are.
            let twice = course.metric == OFFSET && super::charts::is_cluster(&course.subject);
            let Some(fence) = fence(&course.points).filter(|_| !twice) else { continue };
            let beyond = course.points.iter().filter(|point| point.max > fence);
            outliers.extend(beyond.map(|point| Outlier {
                metric: if course.metric == OFFSET { OFFSET } else { ROUND_TRIP },
                subject: course.subject.clone(),
                at: point.at(),
                size: point.max,
                signed: point.extent.map(|extent| {
                    let far = extent.greatest.abs() >= extent.least.abs();
                    if far { extent.greatest } else { extent.least }
                }),
                fence,
            }));
        }
        outliers.sort_by_key(|outlier| {
            let times = outlier.size.as_nanos() as f64 / outlier.fence.as_nanos().max(1) as f64;
            std::cmp::Reverse((times * 1e3) as u64)
        });
        outliers.truncate(MAX_OUTLIERS);
        let is_failover = |event: &&Happening| FAILOVER.contains(&event.kind.as_str());
        let (failovers, others) = history.events.iter().partition::<Vec<_>, _>(is_failover);
        let owned = |events: Vec<&Happening>| events.into_iter().cloned().collect();
        let masters = failovers.iter().filter_map(|event| event.master.as_deref());
        let masters: Vec<_> = masters.collect();
        let turns = masters.windows(2).filter(|two| two[0] != two[1]).count();
        Self { outliers, failovers: owned(failovers), others: owned(others), turns }
    }
}

/// What is usual at most: Tukey's outer fence, three times the distance between the quartiles
/// above the upper one.
fn fence(points: &[Point]) -> Option<Span> {
    let mut sizes: Vec<_> = points.iter().map(|point| point.max).collect();
    sizes.sort_unstable();
    let [low, high] = [1, 3].map(|quarter| sizes.get(sizes.len() * quarter / 4));
    let (low, high) = low.zip(high).filter(|_| sizes.len() >= FEW)?;
    Some(*high + (*high - *low).times(3))
}
