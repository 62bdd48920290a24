//! What a master tells of itself and its members when it is asked.

use super::{
    Agenda, Census, Closing, Ensemble, Event, Gate, Local, Master, Member, Place, Roster, Span,
    Standing, Time, Who,
};
use crate::proto::event::DEVIATIONS;
use crate::proto::status::{
    Contender, Page, Peer, Relation, Role, RosterSize, State, Summary, Tracking,
};
use crate::proto::track::Finding;

/// Standbys that are told of.
const MOST_STANDBYS: usize = 32;

/// A slot either has a deadline in the agenda or waits for its last replies, and takes less there.
const DEADLINE: usize = Agenda::EACH;
const _: () = assert!(Closing::EACH <= DEADLINE);

/// Bytes that a slave takes in a master's tables.
const EACH: usize = Roster::EACH + DEADLINE + Ensemble::EACH + Census::EACH + Gate::EACH;

impl Master {
    pub(super) fn track(&self, now: Time<Local>) -> Tracking {
        let summary = self.summary.map(|round| Summary {
            members: round.members,
            counted: round.counted,
            spread: round.spread,
        });
        let identity = &self.settings.identity;
        Tracking {
            term: Some(self.settings.term),
            interval: self.settings.interval,
            round: self.summary.map(|round| round.number),
            round_trip: self.middle_round_trip(),
            standing: Some(self.standing),
            summary,
            references: self.settings.references.len(),
            ..Tracking::own(now, identity, &self.steering, Role::Master, self.state())
        }
    }

    pub(super) fn roster_size(&self) -> RosterSize {
        RosterSize { slaves: self.roster.len(), most: self.settings.max_slaves, each: EACH }
    }

    fn state(&self) -> State {
        if self.steering.holds_over() {
            State::Holdover
        } else if self.company().next().is_none() {
            State::Alone
        } else if self.steering.newest().is_none() {
            State::Forming
        } else if self.ensemble.held() {
            State::Hold
        } else {
            State::Synchronised
        }
    }

    /// O(n), of thousands some ten microseconds.
    fn middle_round_trip(&self) -> Option<Span> {
        let mut all: Vec<_> = self.company().filter_map(|(_, m)| m.least.get()).collect();
        let middle = all.len() / 2;
        (!all.is_empty()).then(|| *all.select_nth_unstable(middle).1)
    }

    /// Place 0 is our own, place n + 1 the roster's slot n.
    pub(super) fn page(&self, now: Time<Local>, from: u32, most: usize) -> Page {
        let mut page = Page::default();
        if from == 0 && most > 0 {
            page.peers.push(self.own(now));
        }
        for (place, member) in self.roster.from(from.saturating_sub(1)) {
            if page.peers.len() >= most {
                page.next = Some(place.slot + 1);
                break;
            }
            page.peers.push(self.peer(now, place, member));
        }
        page
    }

    /// Ourselves, and of the members the first that stand by.
    pub(super) fn contending(&self) -> Vec<Contender> {
        let who = self.settings.identity.who();
        let own = Contender { who, reigns: true, rank: self.settings.rank };
        let others = self.roster.iter().filter_map(|(_, member)| {
            let rank = member.standby?;
            Some(Contender { who: member.who.clone(), reigns: false, rank })
        });
        std::iter::once(own).chain(others.take(MOST_STANDBYS)).collect()
    }

    fn own(&self, now: Time<Local>) -> Peer {
        let identity = &self.settings.identity;
        Peer::own(now, identity, &self.steering, self.standing, Some(self.weight))
    }

    fn peer(&self, now: Time<Local>, place: Place, member: &Member) -> Peer {
        let estimate = member.track.estimate(now, &self.wheel);
        let offset = self.offset_of(now, place);
        let cluster = self.ensemble.cluster().map(|map| map.rate);
        let sigma = estimate.map(|estimate| estimate.sigma);
        let tolerance = self.settings.tolerance;
        Peer {
            who: member.who.clone(),
            relation: Relation::Member,
            standing: member.standing,
            variable: sigma.is_some_and(|sigma| sigma.times(DEVIATIONS) > tolerance),
            reach: member.reach,
            heard: member.heard.get(),
            offset,
            sigma: offset.and(sigma),
            bound: offset.and(estimate).map(|estimate| estimate.bound),
            rate: estimate.zip(cluster).map(|(e, rate)| e.wheel_rate.on_top_of(rate.reversed())),
            skew: estimate.map(|estimate| estimate.rate_sigma),
            round_trip: member.least.get(),
            weight: (member.standing != Standing::Spare).then_some(member.weight.into()),
            stamps: member.heard.get().map(|_| member.stamps.by_source().main()),
            authenticated: self.gate.is_keyed(),
            steps: member.said().map_or(0, |said| said.steps),
        }
    }
}

/// What is worth telling of what an exchange was found to be.
pub(super) fn found(who: &Who, finding: Finding) -> Option<Event> {
    let who = || who.clone();
    match finding {
        Finding::Used | Finding::Doubted | Finding::Started => None,
        Finding::Stepped(by) => Some(Event::LocalStepped { who: who(), by }),
        Finding::PathChanged(by) => Some(Event::PathChanged { who: who(), by, one_way: false }),
        Finding::OneWayChanged(by) => Some(Event::PathChanged { who: who(), by, one_way: true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slave_takes_less_than_a_kibibyte() {
        let parts = [
            ("roster", Roster::EACH),
            ("deadline", DEADLINE),
            ("ensemble", Ensemble::EACH),
            ("census", Census::EACH),
            ("gate", Gate::EACH),
        ];
        let sum: usize = parts.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(sum, EACH, "what stats says");
        assert!(sum < 1_024, "{sum} bytes: {parts:?}");
    }
}
