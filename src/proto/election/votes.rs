//! Votes: what is promised, when it may be said, and when it suffices.

use super::{
    Claim, Election, Grant, Header, Local, Message, Motion, NodeId, Owed, Request, Role,
    SocketAddr, Term, Time, Vow,
};

impl Election {
    /// Promises something. With a quorum nothing that rests on it leaves before it is on disk.
    pub(super) fn promise(&mut self, vow: Vow) {
        if vow == self.vow || vow.term < self.vow.term {
            return;
        }
        self.vow = vow;
        self.motions.push_back(Motion::Persist(vow));
    }

    /// Takes note of a term that somebody else has made use of.
    pub(super) fn learn(&mut self, term: Term) {
        if self.settings.quorum.is_some() {
            self.seen = self.seen.max(term);
        } else {
            self.promise(Vow { term, to: None });
        }
    }

    /// Owes somebody a statement of our vow; it leaves when the vow is on disk.
    pub(super) fn owe(
        &mut self,
        now: Time<Local>,
        to: SocketAddr,
        receiver: NodeId,
        echo: Time<crate::time::Remote>,
    ) {
        let owed = Owed { to, receiver, echo };
        if self.settings.quorum.is_none() || self.durable == self.vow {
            self.state_vow(now, owed);
        } else {
            // The newest to each: there are no more of them than candidates.
            self.owed.retain(|other| other.to != to);
            self.owed.push(owed);
        }
    }

    pub(super) fn state_vow(&mut self, now: Time<Local>, owed: Owed) {
        let Owed { to, receiver, echo } = owed;
        let leader = self.follows().map(|leader| leader.rule.2);
        let with = if self.settings.quorum.is_some() { self.vow.to } else { leader };
        if self.settings.quorum.is_some() && with == Some(receiver) {
            // Whom it is said to may act on it for a while, so nobody else gets it meanwhile.
            self.bound = self.bound.max(now + self.settings.failover_after);
        }
        let grant = Grant { term: self.vow.term, to: with.unwrap_or(NodeId::UNKNOWN), echo };
        self.motions.push_back(Motion::Send { to, receiver, message: Message::Grant(grant) });
    }

    /// Sends the bids for the term that our vow is ours for, once it is on disk.
    pub(super) fn bid_if_ready(&mut self, now: Time<Local>) {
        let ours = self.vow.to == Some(self.settings.id) && self.durable == self.vow;
        match &mut self.role {
            Role::Claiming { term, asked, until } if ours && *term == self.vow.term && !*asked => {
                *asked = true;
                *until = now + self.settings.window();
                self.ask_all(now, Request::Bid, self.vow.term);
            }
            Role::Leading { term } if ours && self.vow.term > *term => {
                self.ask_all(now, Request::Bid, self.vow.term);
            }
            _ => {}
        }
    }

    /// With a quorum: somebody asks for our vote.
    pub(super) fn vote(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        claim: &Claim,
    ) {
        let candidate = header.sender;
        self.learn(claim.term);
        if self.leads(now).is_some() {
            self.announce_to(now, from, candidate);
            return;
        }
        let free = now >= self.bound || self.vow.to == Some(candidate);
        if claim.term > self.vow.term {
            if !free {
                self.point_to_leader(now, from, candidate);
                return;
            }
            self.promise(Vow { term: claim.term, to: Some(candidate) });
            if self.follows().is_none_or(|leader| leader.rule.2 != candidate) {
                self.leave_it(now, self.settings.failover_after);
            }
        }
        self.owe(now, from, candidate, claim.sent);
    }

    /// A candidate says with whom its vote is.
    pub(super) fn on_grant(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        grant: &Grant,
    ) {
        let own = self.settings.id;
        let Some(peer) = self.candidates.enrol(from, header.sender, header.rank) else { return };
        if grant.term >= peer.vote.0 {
            peer.vote = (grant.term, grant.to);
        }
        if grant.to == own {
            let echo = grant.echo.back_home().min(now);
            peer.answered = Some(peer.answered.map_or(echo, |before| before.max(echo)));
        }
        if self.settings.quorum.is_none() {
            return;
        }
        if grant.to != own {
            self.learn(grant.term);
            self.raise_by_vote(now);
        }
        self.win_if_granted(now);
    }

    /// A voter has promised a higher term: it cannot vote for our reign any more, but for the next.
    /// The reign goes on meanwhile.
    fn raise_by_vote(&mut self, now: Time<Local>) {
        let Role::Leading { .. } = self.role else { return };
        if self.seen >= self.vow.term {
            let term = Term(self.seen.max(self.vow.term).0.saturating_add(1));
            self.promise(Vow { term, to: Some(self.settings.id) });
            self.bid_if_ready(now);
        }
    }

    fn win_if_granted(&mut self, now: Time<Local>) {
        let Some(quorum) = self.settings.quorum else { return };
        let vote = (self.vow.term, self.settings.id);
        let ours = self.vow.to == Some(self.settings.id) && self.durable == self.vow;
        let given = self.candidates.iter().filter(|peer| peer.vote == vote).count() as u8 + 1;
        if !ours || given < quorum {
            return;
        }
        match self.role {
            Role::Claiming { term, .. } if term == vote.0 => self.win(now, term),
            Role::Leading { term } if vote.0 > term => self.win(now, vote.0),
            _ => {}
        }
    }

    /// Until when the votes allow a master to act: so long after the latest moment at which enough
    /// of them were asked for.
    pub(super) fn lease_end(&self) -> Time<Local> {
        let others = self.settings.quorum.map_or(0, |quorum| usize::from(quorum) - 1);
        if others == 0 {
            return Time::from_nanos(i64::MAX);
        }
        let mut asked: Vec<_> = self.candidates.iter().filter_map(|peer| peer.answered).collect();
        asked.sort_unstable_by(|a, b| b.cmp(a));
        let never = Time::from_nanos(i64::MIN);
        asked.get(others - 1).map_or(never, |&at| at + self.settings.lease())
    }
}
