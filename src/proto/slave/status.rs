//! What a slave tells of itself and its master when it is asked.

use super::{Local, Slave, Span, Time};
use crate::proto::status::{Page, Peer, Relation, Role, State, Summary, Tracking};
use crate::wire::Standing;

impl Slave {
    pub(super) fn track(&self, now: Time<Local>) -> Tracking {
        let master = self.master.as_ref();
        let obeyed = self.obeyed();
        let newest = self.newest.as_ref();
        let summary = newest.map(|adjusted| Summary {
            members: adjusted.members,
            counted: adjusted.counted,
            spread: adjusted.spread,
        });
        let identity = &self.settings.identity;
        Tracking {
            master: master.map(|master| master.who.clone()),
            term: obeyed.map(|master| master.title.term),
            interval: obeyed.map_or(Span::from_secs(1), |master| master.interval),
            round: newest.map(|adjusted| adjusted.round),
            round_trip: newest.and_then(|adjusted| adjusted.round_trip),
            standing: newest.map(|adjusted| adjusted.standing),
            summary,
            ..Tracking::own(now, identity, &self.steering, Role::Slave, self.state())
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
        let standing = self.newest.as_ref().map_or(Standing::Spare, |adjusted| adjusted.standing);
        Peer::own(now, &self.settings.identity, &self.steering, standing, None)
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
            round_trip: self.newest.and_then(|adjusted| adjusted.round_trip),
            weight: None,
            stamps: None,
            authenticated: self.gate.is_keyed(),
            steps: 0,
        })
    }
}
