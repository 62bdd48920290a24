//! What a master does for those who may succeed it: it announces itself, and hands its table on.

use std::net::SocketAddr;

use super::{Leave, LeaveReason, Local, Master, NodeId, Pending, Place, Standing, Time};
use crate::proto::event::Who;
use crate::proto::settings::Average;
use crate::time::{Offset, Span};
use crate::wire::{Announce, BootId, Candidate, Entry};

/// So often a slave is told at first who the candidates are, round by round…
const BRIEFINGS: u8 = 3;
/// …and then each so many rounds.
const BRIEF_EVERY: u32 = 8;
/// Lines of the table that a standby gets each round.
const LINES: usize = 4;
/// A round that comes so late shows that we slept.
const SLEPT_INTERVALS: u32 = 2;
/// Where so much waits to be said, who has left is not told of as well.
const MOST_PENDING: usize = 1_024;
/// More candidates are not announced.
const MAX_CANDIDATES: usize = 15;

impl Master {
    /// Those to whom each round is announced, whether they are members or not.
    pub(in crate::proto) fn set_court(&mut self, court: Vec<(NodeId, SocketAddr)>) {
        self.court = court;
    }

    /// How many members follow this master and count, itself included.
    pub(in crate::proto) fn size(&self) -> u32 {
        self.size
    }

    /// When they were counted.
    pub(in crate::proto) fn counted(&self) -> Time<Local> {
        self.counted
    }

    pub(in crate::proto) fn interval(&self) -> Span {
        self.settings.interval
    }

    /// Members that stand by and can be reached.
    pub(in crate::proto) fn standbys(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.roster.standbys().filter(|member| member.reach != 0).filter_map(|member| {
            let rank = member.standby?;
            Some(Candidate { id: member.who.id, rank, addr: member.who.addr })
        })
    }

    /// The best of the standbys that answered in its last slot.
    pub(in crate::proto) fn heir(&self) -> Option<Who> {
        let here = self.company().filter(|(_, member)| member.reach & 1 == 1 && member.loyal);
        let ranked = here.filter_map(|(_, m)| m.standby.map(|rank| ((rank, m.who.id), m)));
        ranked.max_by_key(|(order, _)| *order).map(|(_, member)| member.who.clone())
    }

    /// Once a round: the other candidates hear of us, and of how many follow us and count.
    pub(super) fn hold_court(&mut self, now: Time<Local>, mut following: u32) {
        if now.since(self.counted) > self.settings.interval.times(SLEPT_INTERVALS) {
            // We slept: whom they follow by now is to be seen.
            self.roster.iter_mut().for_each(|member| member.loyal = false);
            following = 0;
        }
        self.counted = now;
        self.size = 1 + following;
        self.proclaim();
    }

    /// Announces this master to the other candidates.
    pub(in crate::proto) fn proclaim(&mut self) {
        for (receiver, to) in self.court.clone() {
            self.pending.push_back(Pending::Announce { to, receiver, page: self.round });
        }
    }

    /// What a member is told beyond its adjust, at the close of its slot.
    pub(super) fn brief(&mut self, place: Place) {
        let round = self.round;
        let courtly = !self.court.is_empty();
        let lines = self.lines().min(LINES);
        let Some(member) = self.roster.get_mut(place) else { return };
        let (to, receiver) = (member.who.addr, member.who.id);
        let due = member.briefed < BRIEFINGS || round % BRIEF_EVERY == place.slot % BRIEF_EVERY;
        let stands_by = member.standby.is_some();
        if courtly && due && !stands_by {
            // One page after the other, however many others are told meanwhile.
            let page = u32::from(member.briefed) + round / BRIEF_EVERY;
            member.briefed = member.briefed.saturating_add(1).min(BRIEFINGS);
            self.pending.push_back(Pending::Announce { to, receiver, page });
        }
        if stands_by {
            for _ in 0..lines {
                self.pending.push_back(Pending::NextEntry { place });
            }
        }
    }

    /// The announcement with this page of the standbys, counted on from the first again after the last.
    pub(super) fn announce(&self, page: u32) -> Announce {
        let listed: Vec<_> = self.standbys().take(MAX_CANDIDATES).collect();
        let pages = listed.len().div_ceil(Announce::LISTED).max(1);
        let first = page as usize % pages * Announce::LISTED;
        let mut candidates = [None; Announce::LISTED];
        for (place, candidate) in candidates.iter_mut().zip(&listed[first..]) {
            *place = Some(*candidate);
        }
        Announce {
            round: self.round,
            size: self.size,
            interval: self.settings.interval,
            tolerance: self.settings.tolerance,
            max_rtt: self.settings.max_rtt,
            age: self.ensemble.age(),
            burst: self.settings.burst,
            average: match self.settings.average {
                Average::Plain => 0,
                Average::Trimmed => 1,
                Average::Ensemble => 2,
            },
            first: first as u8,
            total: listed.len() as u8,
            candidates,
        }
    }

    /// Lines of the table: the members that have answered, and ourselves.
    fn lines(&self) -> usize {
        self.roster.known() + 1
    }

    /// Tells all standbys that a member has left: a line that is not renewed they keep for some turns of the
    /// table. That long they do where very many leave at once.
    pub(super) fn tell_standbys(&mut self, who: &Who, boot: BootId) {
        if self.pending.len() >= MOST_PENDING {
            return;
        }
        let standbys = self.standbys().take(MAX_CANDIDATES);
        let places: Vec<_> = standbys.filter_map(|one| self.roster.by_id(one.id)).collect();
        for place in places {
            let entry = Entry::departed(self.round, who.id, boot, who.name.clone());
            self.pending.push_back(Pending::Entry { place, entry: Box::new(entry) });
        }
    }

    /// The next line for a standby, and to whom it goes.
    pub(super) fn next_entry(&mut self, now: Time<Local>, place: Place) -> Option<(Who, Entry)> {
        let total = self.lines();
        let member = self.roster.get_mut(place)?;
        let index = member.line as usize % total;
        member.line = index as u32 + 1;
        let to = member.who.clone();
        let line = (index as u16, u16::try_from(total).unwrap_or(u16::MAX));
        let mut of = self.roster.iter().filter(|(_, m)| m.known).map(|(place, _)| place);
        let of: Option<Place> = of.nth(index);
        let entry = match of {
            Some(of) => self.entry_of(now, of, line)?,
            None => self.own_entry(now, line)?,
        };
        Some((to, entry))
    }

    fn entry_of(&self, now: Time<Local>, place: Place, line: (u16, u16)) -> Option<Entry> {
        let member = self.roster.get(place)?;
        let estimate = member.track.estimate(now, &self.wheel)?;
        let map = self.ensemble.for_slave(&estimate)?;
        let share = self.ensemble.share(member.who.id);
        let standing = if share.is_some() { member.standing } else { Standing::Spare };
        let rate = map.rate.reversed();
        Some(Entry {
            round: self.round,
            id: member.who.id,
            boot: member.boot,
            addr: Some(member.who.addr),
            listed: member.listed,
            standing,
            index: line.0,
            total: line.1,
            at: map.reads,
            phase: Offset::from_nanos(map.at.as_nanos().saturating_sub(map.reads.as_nanos())),
            rate,
            learned: share.map_or(rate, |share| share.rate),
            age: share.map_or(Span::ZERO, |share| share.age),
            deviation: share.map_or(Span::ZERO, |share| share.deviation),
            sigma: estimate.sigma,
            rate_sigma: estimate.rate_sigma,
            name: member.who.name.clone(),
        })
    }

    fn own_entry(&self, now: Time<Local>, line: (u16, u16)) -> Option<Entry> {
        let identity = &self.settings.identity;
        let map = self.ensemble.for_master(&self.wheel.map(now))?;
        let share = self.ensemble.share(identity.id)?;
        Some(Entry {
            round: self.round,
            id: identity.id,
            boot: identity.boot,
            addr: None,
            listed: false,
            standing: self.standing,
            index: line.0,
            total: line.1,
            at: map.reads,
            phase: Offset::from_nanos(map.at.as_nanos().saturating_sub(map.reads.as_nanos())),
            rate: map.rate.reversed(),
            learned: share.rate,
            age: share.age,
            deviation: share.deviation,
            sigma: Span::ZERO,
            rate_sigma: crate::time::Rate::ZERO,
            name: identity.name.clone(),
        })
    }

    /// Takes leave of all members but `except`, and names the one that takes over.
    pub(super) fn say_good_bye(&mut self, reason: LeaveReason, except: Option<SocketAddr>) {
        let heir = match reason {
            LeaveReason::Shutdown => self.heir().map_or(NodeId::UNKNOWN, |who| who.id),
            LeaveReason::Elsewhere => NodeId::UNKNOWN,
        };
        let leave = Leave { reason, heir };
        let members = self.roster.iter().map(|(_, member)| member).filter(|member| member.known);
        let members = members.filter(|member| Some(member.who.addr) != except);
        let mut members: Vec<_> = members.map(|m| (m.who.id, m.who.addr)).collect();
        // The heir first.
        members.sort_by_key(|(id, _)| *id != heir);
        for (receiver, to) in members {
            self.pending.push_back(Pending::Leave { to, receiver, leave });
        }
    }
}
