//! Who comes, who goes, who came back as somebody else.

use std::net::SocketAddr;

use super::rounds::next_beat;
use super::{
    Admission, Drop, Due, Event, Header, Local, Master, Member, Pending, Place, Receiver, Reply,
    Seat, Span, Time,
};
use crate::proto::event::Who;
use crate::proto::steering::RATE_BELIEVED;
use crate::proto::track::Track;
use crate::time::Rate;
use crate::wire::{BootId, Join, Name, NodeId};

/// A slave that has never answered is dropped after so many slots: its join was forged, or it is
/// behind a wall.
const PROBES: u16 = 8;
/// Joiners beyond so many that have not answered a poll yet have to ask again…
const PENDING: usize = 256;
/// …but for so large a part of a roster: each waits half a round for its poll on average, and all
/// of a large cluster may start within seconds.
const PENDING_PART: usize = 8;
/// One of many joiners is polled within this, however long a round is.
const CROWD_WAITS: Span = Span::from_secs(1);
/// A slave that was known is forgotten after so many silent slots.
const FORGET_AFTER: u16 = 600;
/// One late datagram of an earlier boot is nothing; the third says that somebody is there.
const TWIN_AFTER: u8 = 3;

impl Master {
    /// Takes in a slave from the command line, of which only the address is known.
    pub(super) fn list(&mut self, now: Time<Local>, addr: SocketAddr) {
        if self.roster.by_addr(addr).is_some() {
            return;
        }
        let who = Who { id: NodeId::UNKNOWN, name: Name::nearest(&addr.to_string()), addr };
        if let Some(place) = self.roster.add(Member::new(who, BootId(0), true)) {
            self.give_slot(now, place);
        }
    }

    pub(super) fn on_join(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        join: &Join,
    ) -> Result<(), Drop> {
        if !self.gate.answers(now, from, header, join.challenge) {
            // It costs an answer and nothing else: not even that it asked is kept.
            self.gate.charge(now, from);
            self.welcome(now, from, header, join, Admission::Challenged);
            return Ok(());
        }
        let place = self.roster.by_id(header.sender).or_else(|| self.place_at(from));
        if place.is_some_and(|place| self.is_twin(place, from, header)) {
            return Err(Drop::Twin);
        }
        self.gate.prove(now, from, header, Seat::UNKNOWN)?;
        let admission = match place {
            Some(place) => {
                self.rejoin(place, from, header, join);
                Admission::Accepted
            }
            None if self.roster.unanswered() >= self.most_unanswered() => {
                return Err(Drop::Pending);
            }
            None => self.admit(now, from, header, join),
        };
        self.welcome(now, from, header, join, admission);
        if admission == Admission::Full { Err(Drop::Full) } else { Ok(()) }
    }

    fn welcome(
        &mut self,
        now: Time<Local>,
        to: SocketAddr,
        header: &Header,
        join: &Join,
        admission: Admission,
    ) {
        let challenge = match admission {
            Admission::Challenged => self.gate.challenge(now, to, header),
            _ => 0,
        };
        let (nonce, receiver) = (join.nonce, Receiver::sender_of(header));
        self.pending.push_back(Pending::Welcome { to, receiver, nonce, admission, challenge });
    }

    /// The place of a sender that is not known by its id, where its address is all we have. What is
    /// sealed proves an id and never an address: there it takes a place of the list that is not taken.
    pub(super) fn place_at(&self, from: SocketAddr) -> Option<Place> {
        let place = self.roster.by_addr(from)?;
        let member = self.roster.get(place)?;
        let vacant = member.listed && (member.who.id == NodeId::UNKNOWN || member.reach == 0);
        (vacant || !self.gate.is_keyed()).then_some(place)
    }

    fn most_unanswered(&self) -> usize {
        PENDING.max(self.settings.max_slaves / PENDING_PART)
    }

    fn admit(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        join: &Join,
    ) -> Admission {
        let who = Who { id: header.sender, name: join.name.clone(), addr: from };
        let mut member = Member::new(who, header.boot, false);
        let rate = believed(join.saved_rate);
        member.saved = rate.into();
        member.track = Track::new(self.prior(rate));
        match self.roster.add(member) {
            Some(place) => {
                // It is announced when it answers: until then it may be forged.
                self.give_first_slot(now, place);
                Admission::Accepted
            }
            None => {
                if !std::mem::replace(&mut self.said.full, true) {
                    self.tell(Event::RosterFull);
                }
                Admission::Full
            }
        }
    }

    /// Whether this is the other one of two nodes with one identity: an earlier boot, back while
    /// the newer one still answers. Two clocks must not pass for one, so the newer one stays.
    pub(super) fn is_twin(&mut self, place: Place, from: SocketAddr, header: &Header) -> bool {
        let Some(member) = self.roster.get_mut(place) else { return false };
        let back = member.who.id == header.sender && member.former.contains(header.boot);
        if !back || member.reach == 0 {
            return false;
        }
        member.returns = member.returns.saturating_add(1);
        if member.returns == TWIN_AFTER {
            let who = Box::new(member.who.clone());
            self.tell(Event::Twins { who, other: from });
        }
        true
    }

    /// Whether the sender answers a poll that was sent to another place than that of its identity,
    /// whose owner lives: both were given by address, and carry one identity.
    pub(super) fn is_listed_twin(&mut self, place: Place, from: SocketAddr, nonce: u64) -> bool {
        if self.roster.is_asked(place, nonce) {
            return false;
        }
        let Some(other) = self.roster.by_addr(from).filter(|&other| other != place) else {
            return false;
        };
        if !self.roster.is_asked(other, nonce) {
            return false;
        }
        let Some(member) = self.roster.get_mut(place).filter(|m| m.reach != 0) else {
            return false;
        };
        member.returns = member.returns.saturating_add(1);
        if member.returns == TWIN_AFTER {
            let who = Box::new(member.who.clone());
            self.tell(Event::Twins { who, other: from });
        }
        true
    }

    /// A join of somebody who has a place: its welcome was lost, it restarted, or it moved. While it
    /// answers from one address another is believed when a reply comes from there, not before.
    fn rejoin(&mut self, place: Place, from: SocketAddr, header: &Header, join: &Join) {
        self.roster.rename(place, &join.name);
        let Some(member) = self.roster.get(place) else { return };
        let (addr, lost) = (member.who.addr, !member.known || member.polled && member.reach == 0);
        let same = member.who.id == header.sender && member.boot == header.boot;
        if !same && addr == from {
            self.restart(place, header, join.saved_rate);
        } else if addr != from && (lost || !same) {
            // A restarted process has a new port more often than not; and who was asked there and does not
            // answer, but is heard from here, is here.
            self.relocate(place, from);
            if !same {
                self.restart(place, header, join.saved_rate);
            }
        }
    }

    /// Notes what a reply to an open poll proves: who it is, that it lives, and from where.
    pub(super) fn recognise(
        &mut self,
        now: Time<Local>,
        place: Place,
        from: SocketAddr,
        header: &Header,
        reply: &Reply,
    ) {
        let own = self.settings.identity.id;
        let Some(member) = self.roster.get(place) else { return };
        let addr = member.who.addr;
        let same = member.who.id == header.sender && member.boot == header.boot;
        if !same || addr != from {
            self.use_replies(now);
        }
        if !same {
            // The rate of cluster time against its Local, turned round, is near its own.
            let rate = (reply.applied > 0).then_some(reply.rate);
            self.restart(place, header, rate);
        }
        if addr != from {
            self.relocate(place, from);
        }
        let first = self.roster.answered(place);
        self.roster.set_standby(place, reply.standby.then_some(header.rank));
        let Some(member) = self.roster.get_mut(place) else { return };
        member.replied = true;
        member.loyal = reply.obeys == own;
        let back = std::mem::take(&mut member.missed);
        if first || back {
            let who = member.who.clone();
            self.tell(if first { Event::Joined(who) } else { Event::Reachable(who) });
        }
        self.said.alone = false;
    }

    fn restart(&mut self, place: Place, header: &Header, rate: Option<Rate>) {
        // Another machine's crystal says nothing of this one's.
        let before = self.roster.get(place).filter(|member| member.who.id == header.sender);
        let before = before.and_then(|member| member.saved.get());
        let rate = believed(rate).or(before);
        let prior = self.prior(rate);
        self.roster.identify(place, header.sender);
        let Some(member) = self.roster.get_mut(place) else { return };
        member.saved = rate.into();
        member.reboot(header.boot, prior);
        if member.known {
            let who = member.who.clone();
            self.tell(Event::Restarted(who));
        }
    }

    /// What a slave remembers is cluster time against its Local; a track starts from its Local
    /// against ours, and needs what we know of cluster time for that.
    fn prior(&self, saved: Option<Rate>) -> Option<Rate> {
        let own = self.steering.learned()?;
        saved.map(|rate| own.on_top_of(rate.reversed()))
    }

    fn relocate(&mut self, place: Place, addr: SocketAddr) {
        let Some(from) = self.roster.get(place).map(|m| m.who.addr) else { return };
        self.roster.relocate(place, addr);
        if let Some(member) = self.roster.get(place).filter(|m| m.known) {
            let who = Box::new(member.who.clone());
            self.tell(Event::Moved { who, from });
        }
    }

    pub(super) fn on_leave(&mut self, header: &Header) -> Result<(), Drop> {
        let place = self.roster.by_id(header.sender).ok_or(Drop::Stranger)?;
        if self.roster.get(place).is_some_and(|member| member.boot != header.boot) {
            return Err(Drop::Stale);
        }
        self.part(place, true);
        Ok(())
    }

    /// Drops a slave whose silence has lasted long enough.
    pub(super) fn forget(&mut self, place: Place) -> bool {
        let Some(member) = self.roster.get(place) else { return true };
        let limit = if member.known { FORGET_AFTER } else { PROBES };
        if member.listed || member.silent < limit {
            return false;
        }
        self.part(place, false);
        true
    }

    fn part(&mut self, place: Place, said_so: bool) {
        let listed = self.roster.get(place).is_some_and(|member| member.listed);
        if listed {
            // It stays on the list, and is polled in case it comes back.
            if let Some(member) = self.roster.get_mut(place) {
                let boot = member.boot;
                member.reboot(boot, None);
                member.reach = 0;
                let who = member.who.clone();
                self.roster.unlearn(place);
                self.tell_standbys(&who, boot);
                self.tell(Event::Left { who, said_so });
            }
        } else if let Some(member) = self.roster.remove(place) {
            self.said.full = false;
            if member.known {
                self.tell_standbys(&member.who, member.boot);
                self.tell(Event::Left { who: member.who, said_so });
            }
        }
    }

    /// A member's first slot: in this round if its moment is still to come, else in the next.
    pub(in crate::proto) fn give_slot(&mut self, now: Time<Local>, place: Place) {
        let at = self.beat(now, place);
        self.agenda.add(at, Due::Poll { place, index: 0 });
    }

    /// As [`Master::give_slot`], but where many have joined and none has been polled yet within a
    /// second: rounds may be long, and who has not answered keeps others from joining.
    fn give_first_slot(&mut self, now: Time<Local>, place: Place) {
        let at = self.beat(now, place);
        let crowded = self.roster.unanswered() > PENDING / 2;
        let soon = now + Span::from_secs_f64(CROWD_WAITS.as_secs_f64() * spread(place));
        let at = if crowded { at.min(soon) } else { at };
        self.agenda.add(at, Due::Poll { place, index: 0 });
    }

    /// As [`Master::give_slot`], but within the first quarter of the round: who had a master until
    /// now has waited long enough.
    pub(super) fn hasten_slot(&mut self, now: Time<Local>, place: Place) {
        let phase = self.phase(place);
        if let Some(member) = self.roster.get_mut(place) {
            member.nominal = Some(now + phase).into();
            self.agenda.add(now + phase.over(4), Due::Poll { place, index: 0 });
        }
    }

    /// When the slot of `place` begins next. Always the same moment of a round, so that those who
    /// were polled late together do not stay together.
    pub(super) fn beat(&self, now: Time<Local>, place: Place) -> Time<Local> {
        let first = self.born + self.phase(place);
        if first > now { first } else { next_beat(first, self.settings.interval, now) }
    }

    /// Where in the round a slot begins: multiples of the golden ratio spread any number of them
    /// evenly without knowing how many will come.
    fn phase(&self, place: Place) -> Span {
        let room = self.settings.interval - self.slot_length();
        Span::from_secs_f64(room.as_secs_f64() * spread(place))
    }
}

/// The rate that a slave remembers. One that it cannot have learned is as good as none: cut to what may be, it
/// would be wrong and yet believed to 2 ppm.
fn believed(rate: Option<Rate>) -> Option<Rate> {
    rate.filter(|rate| rate.abs() <= RATE_BELIEVED)
}

/// A number from 0 to 1 for each slot, evenly spread.
fn spread(place: Place) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    (f64::from(place.slot) * GOLDEN).fract()
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
