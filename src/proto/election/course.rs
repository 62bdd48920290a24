//! The course of an election: silence, claims, reigns and their ends.

use super::{
    Announce, Claim, Election, Leader, Local, Message, Motion, NodeId, Notice, Reign, Request, Rng,
    Role, SocketAddr, Span, Term, Time, Vow, Why,
};
use crate::wire::Candidate;

impl Election {
    /// Whether `now` is so long after a deadline of our own that we must have slept.
    pub(super) fn overslept(&self, now: Time<Local>) -> bool {
        self.deadline().is_some_and(|due| now > due + self.settings.slack())
    }

    /// First of all at every turn: who slept listens before it acts, since a world may have gone
    /// by in the meantime.
    pub(super) fn wake(&mut self, now: Time<Local>) {
        let leads = matches!(self.role, Role::Leading { .. });
        if leads && self.lease_end() <= now {
            self.stand_down(now, Why::Minority);
            return;
        }
        if !self.overslept(now) {
            return;
        }
        match self.role {
            Role::Leading { .. } => self.stand_down(now, Why::Overslept),
            Role::Claiming { .. } => self.role = Role::Listening,
            Role::Listening | Role::Following { .. } | Role::Ended => {}
        }
        self.patience = self.patience.max(now + self.settings.listen());
        self.beat = now;
    }

    /// When to claim if nobody leads until then: the best standby first, the others a step later
    /// each.
    pub(super) fn due(&self) -> Time<Local> {
        if self.candidates.is_empty() {
            return self.patience;
        }
        let lost = self.lost.map(|rule| rule.2);
        let before = self.candidates.before(self.settings.rank, self.settings.id, lost);
        let due = self.patience + self.settings.window().times(before) + self.jitter;
        if self.settings.quorum.is_some() { due.max(self.bound) } else { due }
    }

    /// Deadlines that have come.
    pub(super) fn decide(&mut self, now: Time<Local>) {
        match self.role {
            Role::Listening if self.due() <= now => self.claim(now),
            Role::Listening if self.beat <= now => {
                self.ask_all(now, Request::Enquiry, self.vow.term.max(self.seen));
                self.beat = now + self.settings.listen().over(4);
            }
            Role::Following { leader, .. } if self.due() <= now => {
                self.lose(leader);
                self.claim(now);
            }
            Role::Claiming { until, .. } if until <= now => self.count(now),
            Role::Leading { term } if self.beat <= now => {
                self.broadcast(now, Reign::Holds);
                if self.vow.term > term {
                    self.bid_if_ready(now);
                }
                let next = self.beat + self.settings.interval;
                self.beat = if next > now { next } else { now + self.settings.interval };
            }
            _ => {}
        }
    }

    pub(super) fn lose(&mut self, leader: Leader) {
        self.lost = Some(leader.rule);
        self.role = Role::Listening;
        self.motions.push_back(Motion::Notice(Notice::Lost(leader.rule.2)));
    }

    fn claim(&mut self, now: Time<Local>) {
        if !self.fit {
            if !std::mem::replace(&mut self.said_unfit, true) {
                self.motions.push_back(Motion::Notice(Notice::Unfit));
            }
            self.leave_it(now, self.settings.listen());
            return;
        }
        self.said_unfit = false;
        let term = self.next_term();
        if self.candidates.is_empty() {
            self.win(now, term);
            return;
        }
        self.draw_jitter();
        let until = now + self.settings.window();
        let quorum = self.settings.quorum.is_some();
        self.role = Role::Claiming { term, asked: !quorum, until };
        if quorum {
            self.promise(Vow { term, to: Some(self.settings.id) });
            self.bid_if_ready(now);
        } else {
            self.ask_all(now, Request::Bid, term);
        }
    }

    /// The time for objections is over.
    fn count(&mut self, now: Time<Local>) {
        let Role::Claiming { term, .. } = self.role else { return };
        if self.settings.quorum.is_none() {
            self.win(now, term);
        } else {
            self.leave_it(now, self.settings.window().times(2));
        }
    }

    /// Leaves it to others to lead, for so long at least.
    pub(super) fn leave_it(&mut self, now: Time<Local>, span: Span) {
        self.role = Role::Listening;
        self.patience = self.patience.max(now + span);
        self.draw_jitter();
    }

    fn next_term(&self) -> Term {
        let Vow { term, to } = self.vow;
        if to == Some(self.settings.id) && self.seen < term {
            // Nobody else has used the term: asking again costs nothing, and who is cut off for
            // long does not come back with a term that is far ahead.
            return term;
        }
        Term(term.max(self.seen).0.saturating_add(1))
    }

    pub(super) fn win(&mut self, now: Time<Local>, term: Term) {
        self.role = Role::Leading { term };
        self.beat = now;
        self.lost = None;
        if self.settings.quorum.is_none() {
            self.promise(Vow { term, to: None });
        }
        self.motions.push_back(Motion::Lead(term));
    }

    pub(super) fn stand_down(&mut self, now: Time<Local>, why: Why) {
        self.role = Role::Listening;
        self.patience = now + self.settings.listen();
        self.beat = now;
        self.draw_jitter();
        self.motions.push_back(Motion::Notice(Notice::StoodDown(why)));
        self.motions.push_back(Motion::Hold);
    }

    pub(super) fn follow(&mut self, now: Time<Local>, leader: Leader) {
        let before = self.follows().copied();
        if let Role::Leading { .. } = self.role {
            self.motions.push_back(Motion::Notice(Notice::StoodDown(Why::Outranked)));
        }
        self.role = Role::Following { leader, heard: now };
        self.patience = now + self.settings.failover_after;
        self.lost = None;
        if before.map(|b| b.rule.2) != Some(leader.rule.2) {
            self.draw_jitter();
        }
        if before.map(|b| (b.rule, b.addr, b.boot)) != Some((leader.rule, leader.addr, leader.boot))
        {
            self.motions.push_back(Motion::Follow(leader));
        }
    }

    fn draw_jitter_span(&mut self) -> Span {
        let share = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        Span::from_secs_f64(self.settings.window().over(2).as_secs_f64() * share)
    }

    pub(super) fn draw_jitter(&mut self) {
        if self.settings.jitter {
            self.jitter = self.draw_jitter_span();
        }
    }

    /// Asks every other candidate.
    pub(super) fn ask_all(&mut self, now: Time<Local>, request: Request, term: Term) {
        for (to, receiver) in self.addressees() {
            self.ask(now, to, receiver, request, term);
        }
    }

    pub(super) fn ask(
        &mut self,
        now: Time<Local>,
        to: SocketAddr,
        receiver: NodeId,
        request: Request,
        term: Term,
    ) {
        let message = Message::Claim(Claim { request, term, sent: now.sent_away() });
        self.motions.push_back(Motion::Send { to, receiver, message });
    }

    fn addressees(&self) -> Vec<(SocketAddr, NodeId)> {
        self.candidates.iter().map(|peer| (peer.addr, peer.id)).collect()
    }

    /// Announces to every other candidate.
    pub(super) fn broadcast(&mut self, now: Time<Local>, reign: Reign) {
        let page = self.next_page();
        let message = self.announce(now, reign, page);
        for (to, receiver) in self.addressees() {
            let message = Message::Announce(message);
            self.motions.push_back(Motion::Send { to, receiver, message });
        }
    }

    fn standbys(&self) -> Vec<Candidate> {
        let known = self.candidates.iter().filter(|p| p.answered.is_some());
        known.map(|p| Candidate { id: p.id, rank: p.rank, addr: p.addr }).collect()
    }

    /// The number of the first entry of the next announcement.
    pub(super) fn next_page(&mut self) -> u8 {
        let page = self.page;
        let next = page.saturating_add(Announce::LISTED as u8);
        self.page = if usize::from(next) < self.standbys().len() { next } else { 0 };
        page
    }

    pub(super) fn announce(&self, now: Time<Local>, reign: Reign, index: u8) -> Announce {
        let term = match self.role {
            Role::Leading { term } => term,
            _ => self.vow.term,
        };
        let standbys = self.standbys();
        let listed = [0, 1].map(|n| standbys.get(usize::from(index) + n).copied());
        Announce {
            leader: self.settings.id,
            term,
            rank: self.settings.rank,
            reign,
            addr: None,
            interval: self.settings.interval,
            age: Span::ZERO,
            sent: now.sent_away(),
            reachable: self.members,
            candidates: standbys.len() as u8,
            index,
            listed,
        }
    }
}
