//! Which master a slave follows, and how it finds one.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rand_chacha::rand_core::Rng;

use super::standbys::Standbys;
use super::{
    Drop, Event, Grant, Header, Local, Meeting, Name, NodeId, Pending, Receiver, Seat, Slave, Span,
    Term, Time, Who,
};
use crate::proto::title::{Obeyed, silence};
use crate::wire::{Admission, Announce, Claim, Leave, Request, Sighting, Verdict, Welcome};

/// Spacing of joins while nobody answers, first and at most; each is drawn within ±50 %.
const JOIN_FIRST: Span = Span::from_millis(500);
const JOIN_MOST: Span = Span::from_secs(8);
/// So many joins without an answer, and the slave says that there is no master.
const JOIN_PATIENCE: u32 = 4;
/// So many candidates are remembered beside those from the settings.
const MAX_CANDIDATES: usize = 16;
/// Joins whose welcome is still welcome.
const OPEN_JOINS: usize = 4;
/// Whoever speaks to us without having proven to be alive is asked to, this often at most.
const WONDER: Span = JOIN_FIRST;

/// What is known of the master that is obeyed, beyond its title.
#[derive(Debug, Clone)]
pub(super) struct Master {
    pub(super) who: Who,
    pub(super) silent: bool,
    /// Newest round applied in its present term; 0: none.
    pub(super) applied: u32,
    term: Term,
    /// When it last polled us.
    polled: Time<Local>,
    pub(super) standbys: Standbys,
}

/// Looking for a master.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) next: Option<Time<Local>>,
    pub(super) attempts: u32,
    /// Where the next join goes, if somebody said that a master is there.
    pub(super) hint: Option<SocketAddr>,
    /// Of joins without a welcome, newest last.
    open: VecDeque<u64>,
    /// When somebody may be asked again to prove that he is alive.
    wonder: Option<Time<Local>>,
    /// Where masters may be beside the places from the settings, as our master says.
    places: Vec<SocketAddr>,
    pub(super) said_none: bool,
    pub(super) said_refused: bool,
}

impl Search {
    /// A search that begins at `next`, or not at all.
    pub(super) fn new(next: Option<Time<Local>>) -> Self {
        Self {
            next,
            attempts: 0,
            hint: None,
            open: VecDeque::new(),
            wonder: None,
            places: Vec::new(),
            said_none: false,
            said_refused: false,
        }
    }
}

impl Slave {
    /// Whether a master may speak from there: one of the settings, or one that our master named.
    pub(super) fn admits(&self, from: SocketAddr) -> bool {
        let masters = &self.settings.masters;
        masters.is_empty() || masters.contains(&from) || self.search.places.contains(&from)
    }

    /// Decides by a datagram of a master whether it is obeyed, or answered at least.
    pub(super) fn meet(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        proves: bool,
    ) -> Result<Meeting, Drop> {
        let meeting = self.allegiance.meet(now, from, header, proves);
        match meeting {
            Meeting::Ours => {
                if let Some(master) = &mut self.master {
                    master.silent = false;
                    master.who.addr = from;
                    if master.term < header.term {
                        (master.term, master.applied) = (header.term, 0);
                    }
                }
            }
            Meeting::Change => self.follow(now, from, header),
            Meeting::Wait => {}
            Meeting::Foreign => return Err(Drop::NotOurMaster),
            Meeting::Stale => return Err(Drop::Stale),
        }
        Ok(meeting)
    }

    fn follow(&mut self, now: Time<Local>, from: SocketAddr, header: &Header) {
        // Until a welcome tells its name it is called by its address.
        let name = Name::nearest(&from.to_string());
        let who = Who { id: header.sender, name, addr: from };
        let term = header.term;
        let standbys = Standbys::default();
        self.master = Some(Master { who, silent: false, applied: 0, term, polled: now, standbys });
        self.search.said_none = false;
        self.search.said_refused = false;
        self.correction = None;
        self.awaited = None;
        // Whom we follow without having asked we ask all the same: the welcome tells its name.
        self.search.attempts = 0;
        self.search.hint = Some(from);
        self.search.next = Some(now);
    }

    fn announce(&mut self) {
        if let Some(who) = self.master.as_ref().map(|master| master.who.clone()) {
            self.tell(Event::Following(who));
        }
    }

    pub(super) fn on_welcome(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        welcome: &Welcome,
    ) -> Result<(), Drop> {
        let asked = self.search.open.iter().position(|&nonce| nonce == welcome.nonce);
        // An older join was not answered in time: what answers it now was held back, and may be of
        // a process that is gone.
        self.search.open.drain(..=asked.ok_or(Drop::Unasked)?);
        // It echoes what nobody could know before.
        self.gate.prove(now, from, header, Seat::UNKNOWN)?;
        match welcome.admission {
            Admission::Accepted => {}
            Admission::Full => {
                if !std::mem::replace(&mut self.search.said_refused, true) {
                    self.tell(Event::Refused(from));
                }
                return Err(Drop::Full);
            }
            Admission::Elsewhere(addr) => {
                self.seek(now, addr);
                return Ok(());
            }
            Admission::Challenged => {
                self.ask_for_admission(from, Receiver::sender_of(header), welcome.challenge);
                return Ok(());
            }
        }
        let meeting = self.meet(now, from, header, true)?;
        self.search.next = None;
        self.search.hint = None;
        self.search.attempts = 0;
        if meeting == Meeting::Wait {
            return Ok(());
        }
        self.allegiance.set_interval(welcome.interval);
        if let Some(master) = &mut self.master {
            master.who.name = welcome.name.clone();
        }
        self.announce();
        Ok(())
    }

    /// A poll came from our master.
    pub(super) fn note_poll(&mut self, now: Time<Local>) {
        if let Some(master) = &mut self.master {
            master.polled = now;
        }
    }

    /// A master says that it reigns, and who stands by.
    pub(super) fn on_announce(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        announce: &Announce,
    ) -> Result<(), Drop> {
        let follows = self.master.is_some();
        let known = self.allegiance.master().map(|master| (master.title, master.proven));
        match self.allegiance.clone().meet(now, from, header, false) {
            Meeting::Ours => {
                self.meet(now, from, header, false)?;
                self.allegiance.set_interval(announce.interval);
                let listed = announce.candidates.iter().flatten();
                listed.for_each(|candidate| self.learn(candidate.addr));
                if let Some(master) = &mut self.master {
                    master.standbys.take(announce);
                }
                // It reigns, but has not taken us in, or has let us go.
                let unproven = known.is_some_and(|(_, proven)| !proven);
                let patience = silence(announce.interval);
                let passed_over =
                    self.master.as_ref().is_some_and(|m| now.since(m.polled) >= patience);
                if (unproven || passed_over) && self.search.next.is_none() {
                    self.seek(now, from);
                }
            }
            // It may not know of us.
            Meeting::Change | Meeting::Wait => {
                if self.search.hint.is_none() && (follows || self.search.next.is_none()) {
                    self.seek(now, from);
                }
            }
            Meeting::Foreign => return Err(Drop::NotOurMaster),
            Meeting::Stale => return Err(Drop::Stale),
        }
        Ok(())
    }

    /// A candidate wants to know whether we hear a master.
    pub(super) fn on_claim(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        claim: Claim,
    ) -> Result<(), Drop> {
        if claim.request != Request::Ask {
            return Err(Drop::WrongRole);
        }
        let living = |m: &&Obeyed| m.proven && m.lives(now) && m.title.id != header.sender;
        let master = self.allegiance.master().filter(living).map(|m| Sighting {
            id: m.title.id,
            term: m.title.term,
            rank: m.title.rank,
            addr: Some(m.addr),
        });
        let verdict = if master.is_some() { Verdict::MasterLives } else { Verdict::NoVote };
        let term = self.allegiance.master().map_or(Term(0), |master| master.title.term);
        let grant = Grant { nonce: claim.nonce, term, verdict, remembers: false, master };
        self.queue(Pending::Grant(from, header.sender, grant));
        Ok(())
    }

    /// Another place where masters may be; beyond the limit the oldest is forgotten.
    fn learn(&mut self, addr: SocketAddr) {
        if self.settings.masters.contains(&addr) || self.search.places.contains(&addr) {
            return;
        }
        if self.search.places.len() == MAX_CANDIDATES {
            self.search.places.remove(0);
        }
        self.search.places.push(addr);
    }

    /// Somebody says that there is a master: asks there next, at once.
    pub(in crate::proto) fn seek(&mut self, now: Time<Local>, addr: SocketAddr) {
        self.learn(addr);
        self.search.hint = Some(addr);
        self.search.next = Some(now);
    }

    pub(super) fn on_leave(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        leave: Leave,
    ) -> Result<(), Drop> {
        self.allegiance.forget(header);
        self.ours(from, header)?;
        self.allegiance.end();
        if let Some(master) = self.master.take() {
            self.tell(Event::MasterLeft { who: master.who, reason: leave.reason });
        }
        self.look_again(now);
        Ok(())
    }

    /// Starts to look for a master, after a pause drawn so that many slaves do not ask at once.
    fn look_again(&mut self, now: Time<Local>) {
        if !(self.settings.masters.is_empty() && self.search.places.is_empty()) {
            self.search.attempts = 0;
            self.search.next = Some(now + self.around(JOIN_FIRST));
        }
    }

    pub(in crate::proto) fn ours(
        &self,
        from: SocketAddr,
        header: &Header,
    ) -> Result<&Obeyed, Drop> {
        let ours =
            |m: &&Obeyed| m.title.id == header.sender && m.boot == header.boot && m.addr == from;
        self.allegiance.master().filter(ours).ok_or(Drop::NotOurMaster)
    }

    /// Deadlines that have come.
    pub(super) fn decide(&mut self, now: Time<Local>) {
        if self.silence().is_some_and(|due| due <= now) {
            if let Some(master) = &mut self.master {
                master.silent = true;
                let who = master.who.clone();
                self.tell(Event::MasterSilent(who));
            }
            self.look_again(now);
        }
        if self.search.next.is_some_and(|due| due <= now) {
            self.join(now);
        }
    }

    /// Asks the next of the addresses for admission.
    fn join(&mut self, now: Time<Local>) {
        let attempts = self.search.attempts;
        let places = self.settings.masters.len() + self.search.places.len();
        let count = (places as u32).max(1);
        let turn = (attempts % count) as usize;
        let mut places = self.settings.masters.iter().chain(&self.search.places);
        let to = self.search.hint.take().or_else(|| places.nth(turn).copied());
        // Who was given no place asks whom it follows, until that tells its name.
        let master = || self.master.as_ref().map(|master| master.who.addr);
        let Some(to) = to.or_else(master) else {
            self.search.next = None;
            return;
        };
        let unled = self.master.as_ref().is_none_or(|master| master.silent);
        if unled && attempts >= JOIN_PATIENCE * count && !self.search.said_none {
            self.search.said_none = true;
            self.tell(Event::NoMaster);
        }
        self.search.attempts = attempts.saturating_add(1);
        let pause = JOIN_FIRST.times(1 << (attempts / count).min(4)).min(JOIN_MOST);
        self.search.next = Some(now + self.around(pause));
        self.ask_for_admission(to, NodeId::UNKNOWN.into(), 0);
    }

    fn ask_for_admission(&mut self, to: SocketAddr, receiver: Receiver, challenge: u64) {
        let nonce = self.rng.next_u64();
        if self.search.open.len() == OPEN_JOINS {
            self.search.open.pop_front();
        }
        self.search.open.push_back(nonce);
        self.queue(Pending::Join { to, receiver, nonce, challenge });
    }

    /// Something was dropped that a master may have sent who knows nothing of us, or whom we do
    /// not know: one that took over, one that we were restarted under, or one that has our address
    /// from a list. It is asked to prove that it lives; its answer makes us known to each other.
    pub(in crate::proto) fn wonder(&mut self, now: Time<Local>, from: SocketAddr, reason: Drop) {
        let may_be_ours = match reason {
            Drop::Unproven | Drop::OtherBoot => true,
            // Of a master that has but our address nothing can be unsealed with a node's key.
            Drop::Unsigned | Drop::UnknownKey => {
                let master = self.allegiance.master();
                self.settings.masters.is_empty() && master.is_none_or(|m| m.is_silent(now))
            }
            _ => false,
        };
        let early = self.search.wonder.is_some_and(|next| next > now);
        if may_be_ours && !early && self.gate.is_keyed() && self.admits(from) {
            self.search.wonder = Some(now + WONDER);
            self.ask_for_admission(from, NodeId::UNKNOWN.into(), 0);
        }
    }

    /// When the master's silence is to be noticed.
    pub(super) fn silence(&self) -> Option<Time<Local>> {
        self.master.as_ref().filter(|master| !master.silent)?;
        self.allegiance.master().map(|master| master.heard + silence(master.interval))
    }

    /// `span`, drawn evenly from a half to one and a half times its length.
    fn around(&mut self, span: Span) -> Span {
        let share = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        Span::from_secs_f64(span.as_secs_f64() * (0.5 + share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::settings::{Identity, SlaveSettings};
    use crate::proto::title::tests::{at, from, header};
    use crate::time::{Map, Rate};
    use crate::wire::{BootId, LeaveReason};

    /// A slave that has followed node 1 in term 3 since the beginning.
    fn settled() -> Slave {
        let identity = Identity { id: NodeId(9), boot: BootId(1), name: Name::nearest("slave") };
        let course = Map { at: at(0), reads: Time::from_nanos(0), rate: Rate::ZERO };
        let mut slave = Slave::new(at(0), SlaveSettings::new(identity), course, [7; 32]);
        assert_eq!(slave.meet(at(0), from(1), &header(1, 3), true), Ok(Meeting::Change));
        slave
    }

    /// Where the slave sends joins until a second after `now`.
    fn joins(slave: &mut Slave, now: i64) -> Vec<SocketAddr> {
        (0..20).for_each(|n| slave.decide(at(now + 50 * n)));
        let to = slave.pending.drain(..).filter_map(|pending| match pending {
            Pending::Join { to, .. } => Some(to),
            _ => None,
        });
        to.collect()
    }

    #[test]
    fn whoever_is_followed_is_asked_for_its_name_though_another_was_before() {
        let mut slave = settled();
        assert!(joins(&mut slave, 0).contains(&from(1)));
        slave.decide(at(4_000));
        assert!(slave.master.as_ref().is_some_and(|master| master.silent));
        slave.pending.clear();
        assert_eq!(slave.meet(at(5_000), from(2), &header(2, 4), true), Ok(Meeting::Change));
        let asked = joins(&mut slave, 5_000);
        assert!(!asked.is_empty() && asked.iter().all(|to| *to == from(2)), "{asked:?}");
    }

    const GOOD_BYE: Leave = Leave { reason: LeaveReason::Elsewhere, heir: NodeId::UNKNOWN };

    #[test]
    fn a_master_that_takes_leave_is_followed_by_whoever_comes() {
        let mut slave = settled();
        assert_eq!(slave.meet(at(90), from(2), &header(2, 1), true), Err(Drop::NotOurMaster));
        slave.on_leave(at(100), from(1), &header(1, 3), GOOD_BYE).unwrap();
        assert_eq!(slave.meet(at(110), from(2), &header(2, 1), true), Ok(Meeting::Change));
    }

    #[test]
    fn a_master_that_was_left_and_takes_leave_has_to_prove_itself_again() {
        for says_so in [false, true] {
            let mut slave = settled();
            assert_eq!(slave.meet(at(3_000), from(2), &header(2, 2), false), Ok(Meeting::Change));
            if says_so {
                let bye = slave.on_leave(at(3_050), from(1), &header(1, 3), GOOD_BYE);
                assert_eq!(bye, Err(Drop::NotOurMaster));
            }
            assert_eq!(slave.meet(at(3_100), from(1), &header(1, 3), false), Ok(Meeting::Change));
            let other = slave.meet(at(3_200), from(2), &header(2, 2), true);
            assert_eq!(other == Ok(Meeting::Change), says_so, "{other:?}");
        }
    }
}
