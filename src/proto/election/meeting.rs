//! Whom one meets: masters that announce themselves, rivals, and what third parties tell.

use super::{
    Announce, Claim, Election, Header, Leader, Local, Message, Motion, NodeId, Notice, Reign,
    Request, Role, Rule, SocketAddr, Term, Time, Vow, Why,
};
use crate::wire::Candidate;

impl Election {
    pub(super) fn on_announce(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        announce: &Announce,
    ) {
        let rule = (announce.term, announce.rank, announce.leader);
        let old = self.ended.is_some_and(|ended| ended.2 == rule.2 && rule.0 <= ended.0);
        if old {
            return;
        }
        self.learn(announce.term);
        if announce.leader == self.settings.id {
            // An echo of a reign that we do not remember; the term is learned.
            return;
        }
        if header.sender != announce.leader || announce.addr.is_some() {
            self.on_hearsay(now, announce, rule);
            return;
        }
        self.candidates.enrol(from, header.sender, header.rank);
        let leader = Leader {
            rule,
            addr: from,
            boot: header.boot,
            interval: announce.interval,
            reachable: announce.reachable,
        };
        match announce.reign {
            Reign::Holds => self.meet(now, leader, announce),
            Reign::Ends(heir) => self.on_resignation(now, leader, heir),
        }
    }

    /// A master speaks for itself.
    fn meet(&mut self, now: Time<Local>, leader: Leader, announce: &Announce) {
        match self.role {
            Role::Leading { term } => {
                let ours = (term, self.settings.rank, self.settings.id);
                if self.settings.quorum.is_some() {
                    if leader.rule > ours {
                        self.obey(now, leader, announce);
                    } else {
                        self.announce_to(now, leader.addr, leader.rule.2);
                    }
                } else {
                    self.settle(now, ours, leader, announce);
                }
            }
            // Its master is alive, and the other does not know: it is told where that one is.
            Role::Following { leader: own, .. }
                if own.rule.2 != leader.rule.2
                    && own.rule >= leader.rule
                    && now < self.patience =>
            {
                self.point_to_leader(now, leader.addr, leader.rule.2);
            }
            _ => self.obey(now, leader, announce),
        }
    }

    /// Without a quorum two masters met. The one with fewer members yields, so that fewer clocks
    /// move; the other goes on in a term above both, so that every slave follows it.
    fn settle(&mut self, now: Time<Local>, ours: Rule, leader: Leader, announce: &Announce) {
        let better = (self.members, ours) > (leader.reachable, leader.rule);
        if !better && leader.rule > ours {
            self.obey(now, leader, announce);
            return;
        }
        if better && leader.rule > ours {
            self.raise(now, leader.rule.0);
        }
        if better {
            self.motions.push_back(Motion::Notice(Notice::Prevailed(leader.rule.2)));
        }
        // Where we are not the better one it learns from this that it must raise its term.
        self.announce_to(now, leader.addr, leader.rule.2);
    }

    fn raise(&mut self, now: Time<Local>, above: Term) {
        let term = Term(above.max(self.vow.term).0.saturating_add(1));
        self.win(now, term);
    }

    fn obey(&mut self, now: Time<Local>, leader: Leader, announce: &Announce) {
        self.follow(now, leader);
        for candidate in announce.listed.into_iter().flatten() {
            if self.settings.quorum.is_none() && candidate.id != self.settings.id {
                self.candidates.listed(candidate);
            }
        }
        if self.settings.quorum.is_some() {
            // Who leads has its majority: nobody else can get this term from us.
            self.promise(Vow { term: leader.rule.0, to: Some(leader.rule.2) });
        }
        self.owe(now, leader.addr, leader.rule.2, announce.sent);
    }

    /// A third party tells of a master. That changes nobody's role: it is a reason to wait, and to
    /// speak with that master itself.
    fn on_hearsay(&mut self, now: Time<Local>, announce: &Announce, rule: Rule) {
        let Some(addr) = announce.addr else { return };
        // It is spoken to with the next beat, not at once: two who each take the other for the
        // master would send us to and fro between them without an end.
        if self.settings.quorum.is_none() {
            self.candidates.listed(Candidate { id: rule.2, rank: rule.1, addr });
        }
        match self.role {
            Role::Leading { term } => {
                if self.settings.quorum.is_some() && rule.0 > term {
                    self.stand_down(now, Why::Outranked);
                }
                return;
            }
            Role::Following { leader, .. } if leader.rule >= rule && now < self.patience => return,
            _ => {}
        }
        let patience = now - announce.age + self.settings.failover_after;
        if patience <= now {
            return;
        }
        if let Role::Claiming { .. } = self.role {
            self.role = Role::Listening;
        }
        self.patience = self.patience.max(patience);
    }

    /// A master ends in order.
    fn on_resignation(&mut self, now: Time<Local>, leader: Leader, heir: NodeId) {
        self.ended = Some(leader.rule);
        match self.role {
            Role::Leading { .. } | Role::Ended => return,
            Role::Following { leader: own, .. } if own.rule.2 != leader.rule.2 => return,
            _ => {}
        }
        self.lose(leader);
        if self.vow.to == Some(leader.rule.2) {
            // It acts no more, so nobody has a claim to our vote.
            self.bound = now;
        }
        if heir == self.settings.id && self.fit {
            self.patience = now;
            if self.settings.quorum.is_none() {
                // Named by the master itself: nobody can object.
                self.win(now, Term(self.vow.term.0.saturating_add(1)));
            }
        } else {
            self.patience = now + self.settings.window().times(2);
        }
    }

    pub(super) fn on_claim(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        claim: &Claim,
    ) {
        self.candidates.enrol(from, header.sender, header.rank);
        match claim.request {
            Request::Bid if self.settings.quorum.is_some() => self.vote(now, from, header, claim),
            Request::Bid => self.on_bid(now, from, header, claim.term),
            Request::Enquiry => {
                self.on_enquiry(now, from, header);
                if self.settings.quorum.is_some() {
                    self.learn(claim.term);
                }
            }
        }
    }

    /// Without a quorum: somebody found no master and wants to be it.
    fn on_bid(&mut self, now: Time<Local>, from: SocketAddr, header: &Header, term: Term) {
        let wait = self.settings.window().times(2);
        match self.role {
            Role::Leading { .. } => self.announce_to(now, from, header.sender),
            Role::Following { leader, .. } if leader.rule.2 == header.sender => {
                self.lose(leader);
                self.patience = now;
                self.leave_it(now, wait);
            }
            Role::Following { .. } if now < self.patience => {
                self.point_to_leader(now, from, header.sender);
            }
            Role::Claiming { term: own, .. }
                if (own, self.settings.rank, self.settings.id)
                    > (term, header.rank, header.sender) =>
            {
                self.ask(now, from, header.sender, Request::Bid, own);
            }
            Role::Ended => {}
            _ => self.leave_it(now, wait),
        }
    }

    fn on_enquiry(&mut self, now: Time<Local>, from: SocketAddr, header: &Header) {
        match self.role {
            Role::Leading { .. } => self.announce_to(now, from, header.sender),
            Role::Following { leader, .. } if leader.rule.2 != header.sender => {
                self.point_to_leader(now, from, header.sender);
            }
            // Our master asks who leads: it was restarted, and does not know any more.
            Role::Following { leader, .. }
                if leader.boot != header.boot && self.settings.quorum.is_none() =>
            {
                self.lose(leader);
                self.patience = now + self.settings.window();
            }
            _ => {}
        }
    }

    pub(super) fn announce_to(&mut self, now: Time<Local>, to: SocketAddr, receiver: NodeId) {
        let message = Message::Announce(self.announce(now, Reign::Holds, 0));
        self.motions.push_back(Motion::Send { to, receiver, message });
    }

    /// Says where our master is, and how long ago we heard it.
    pub(super) fn point_to_leader(&mut self, now: Time<Local>, to: SocketAddr, receiver: NodeId) {
        let Role::Following { leader, heard } = self.role else { return };
        let announce = Announce {
            leader: leader.rule.2,
            term: leader.rule.0,
            rank: leader.rule.1,
            reign: Reign::Holds,
            addr: Some(leader.addr),
            interval: leader.interval,
            age: now.since(heard),
            sent: now.sent_away(),
            reachable: leader.reachable,
            candidates: 0,
            index: 0,
            listed: [None; Announce::LISTED],
        };
        let message = Message::Announce(announce);
        self.motions.push_back(Motion::Send { to, receiver, message });
    }
}
