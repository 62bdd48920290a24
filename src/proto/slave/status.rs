//! What a slave tells of itself and its master when it is asked.

use super::{Local, Slave, Span, Time, Who};
use crate::proto::status::{Page, Peer, Relation, Role, State, Summary, Tracking};
use crate::time::Rate;
use crate::wire::Standing;

impl Slave {
    pub(super) fn track(&self, now: Time<Local>) -> Tracking {
        let identity = &self.settings.identity;
        let target = self.steering.newest();
        let master = self.master.as_ref();
        let obeyed = self.obeyed();
        let newest = self.newest.as_ref();
        let summary = newest.map(|adjusted| Summary {
            members: adjusted.members,
            counted: adjusted.counted,
            spread: adjusted.spread,
        });
        Tracking {
            role: Role::Slave,
            state: self.state(),
            id: identity.id,
            name: identity.name.clone(),
            master: master.map(|master| master.who.clone()),
            term: obeyed.map(|master| master.title.term),
            interval: obeyed.map_or(Span::from_secs(1), |master| master.interval),
            round: newest.map(|adjusted| adjusted.round),
            updated: target.map(|target| target.map.at),
            until: target.map(|target| target.until),
            cluster: target.map(|target| target.map.reading(now)),
            remaining: target.map(|_| self.steering.remaining(now)),
            rate: self.steering.rate(),
            sigma: target.map(|target| target.sigma),
            likely_bound: self.steering.likely_bound(now),
            bound: self.steering.bound(now),
            round_trip: None,
            standing: newest.map(|adjusted| adjusted.standing),
            summary,
            steps: self.steering.steps(),
            references: 0,
        }
    }

    fn state(&self) -> State {
        let deaf = self.master.as_ref().is_none_or(|master| master.silent);
        if self.steering.holds_over() {
            State::Holdover
        } else if deaf {
            State::Searching
        } else if self.steering.newest().is_none() {
            State::Forming
        } else {
            State::Synchronised
        }
    }

    /// Place 0 is our own, place 1 the master's.
    pub(super) fn page(&self, now: Time<Local>, from: u32, most: usize) -> Page {
        let own = std::iter::once_with(|| self.own(now));
        let all = own.chain(self.superior()).skip(from as usize);
        let mut page = Page { peers: all.collect(), next: None };
        if page.peers.len() > most {
            page.peers.truncate(most);
            page.next = Some(from.saturating_add(most as u32));
        }
        page
    }

    fn own(&self, now: Time<Local>) -> Peer {
        let identity = &self.settings.identity;
        let addr = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        let target = self.steering.newest();
        Peer {
            who: Who { id: identity.id, name: identity.name.clone(), addr },
            relation: Relation::Own,
            standing: self.newest.as_ref().map_or(Standing::Spare, |adjusted| adjusted.standing),
            variable: false,
            reach: u8::MAX,
            heard: Some(now),
            offset: target.map(|_| -self.steering.remaining(now)),
            sigma: target.map(|target| target.sigma),
            bound: self.steering.bound(now),
            rate: self.steering.rate().map(Rate::reversed),
            skew: None,
            round_trip: None,
            weight: None,
            stamps: None,
            authenticated: true,
            steps: self.steering.steps(),
        }
    }

    fn superior(&self) -> Option<Peer> {
        let master = self.master.as_ref()?;
        Some(Peer {
            who: master.who.clone(),
            relation: Relation::Master,
            // Whether its clock counts is its own affair; it is followed all the same.
            standing: Standing::Spare,
            variable: false,
            reach: if master.silent { 0 } else { u8::MAX },
            heard: self.obeyed().map(|master| master.heard),
            offset: None,
            sigma: None,
            bound: None,
            rate: None,
            skew: None,
            round_trip: None,
            weight: None,
            stamps: None,
            authenticated: self.gate.is_keyed(),
            steps: 0,
        })
    }
}
