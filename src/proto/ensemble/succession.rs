//! Cluster time goes on under another master.

use super::{
    Average, Cluster, Ensemble, Map, Member, NodeId, Offset, PROBATION, Rate, Span, Standing, Time,
    VARIANCE_LEAST, WARM_UP_ROUNDS, Wheel,
};

/// A member that was handed on stays for so many rounds without being read.
const GRACE_ROUNDS: u32 = 3;

/// A member's part in the ensemble, against cluster time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::proto) struct Share {
    /// Its Local minus cluster time.
    pub(in crate::proto) phase: Offset,
    /// The rate of its Local against cluster time, as it was learned.
    pub(in crate::proto) rate: Rate,
    /// Its usual distance from the others' opinion.
    pub(in crate::proto) deviation: Span,
    /// How long it has been a member in good standing.
    pub(in crate::proto) age: Span,
    pub(in crate::proto) standing: Standing,
}

impl Ensemble {
    /// An ensemble that goes on from `cluster`, formed `age` before its anchor, with the members as
    /// they stood at the anchor.
    pub(in crate::proto) fn resume(
        average: Average,
        tolerance: Span,
        cluster: Map<Wheel, Cluster>,
        age: Span,
        shares: impl Iterator<Item = (NodeId, Share)>,
    ) -> Self {
        let rounds = WARM_UP_ROUNDS + 1;
        let member = |(id, share): (NodeId, Share)| {
            let outside = share.standing == Standing::Falseticker;
            let member = Member {
                phase: share.phase,
                rate: share.rate,
                variance: share.deviation.as_secs_f64().powi(2).max(VARIANCE_LEAST),
                probation: if outside { PROBATION } else { 0 },
                joined: cluster.at - share.age,
                seen: cluster.at,
                local: Time::from_nanos(cluster.reads.as_nanos()) + share.phase,
                round: rounds + GRACE_ROUNDS,
            };
            (id, member)
        };
        let mut resumed = Self {
            cluster: Some(cluster),
            rounds,
            started: cluster.at - age,
            ..Self::new(average, tolerance)
        };
        resumed.members.extend(shares.map(member));
        resumed
    }

    /// How long ago cluster time was formed, by its newest round.
    pub(in crate::proto) fn age(&self) -> Span {
        self.cluster.map_or(Span::ZERO, |cluster| cluster.at.since(self.started))
    }

    /// A member's part: the rate it has learned, its deviation, its age. The phase is that of the
    /// newest round.
    pub(in crate::proto) fn share(&self, id: NodeId) -> Option<Share> {
        let (member, cluster) = (self.members.get(&id)?, self.cluster?);
        let outside = member.probation > 0;
        Some(Share {
            // It stands where it was while no majority agrees.
            phase: member.phase + member.rate.gain_over(cluster.at - member.seen),
            rate: member.rate,
            deviation: Span::from_secs_f64(member.variance.max(0.0).sqrt()),
            age: cluster.at.since(member.joined),
            standing: if outside { Standing::Falseticker } else { Standing::Counted },
        })
    }
}
