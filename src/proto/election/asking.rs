//! Asking whether anything speaks against a claim, and answering those who ask.
//!
//! A question binds nobody and raises no term, so that who is cut off for long, or hears nobody
//! while all others do, disturbs no one.

use super::{
    ASK_PATIENCE, Act, COURTESY, Cause, Claim, Election, Event, GIVE_WAY, Grant, Header, Local,
    Message, NodeId, REPEAT, Request, Rng, START_PATIENCE, SocketAddr, State, Term, Time, who,
};
use crate::wire::{Sighting, Verdict};

/// An open question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asking {
    pub(super) nonce: u64,
    pub(super) term: Term,
    again: Time<Local>,
    until: Time<Local>,
    /// Who was asked, and has not answered yet.
    open: Vec<SocketAddr>,
    /// Candidates from the settings that have nothing against it.
    agreed: Vec<SocketAddr>,
}

impl Asking {
    pub(super) fn deadline(&self) -> Time<Local> {
        self.again.min(self.until)
    }
}

impl Election {
    /// Nothing was heard for long: asks all who may know better.
    pub(super) fn ask(&mut self, now: Time<Local>) {
        if !self.may_claim(now) {
            return;
        }
        let term = self.next();
        let first = self.cause == Cause::Started && self.attempts == 0;
        self.attempts = self.attempts.saturating_add(1);
        let lost = self.master.map(|master| master.addr);
        let open = self.peers.iter().map(|peer| peer.addr).filter(|&addr| Some(addr) != lost);
        let open = open.chain(self.peers.witnesses().iter().map(|&(_, addr)| addr)).collect();
        let patience = if first { START_PATIENCE } else { ASK_PATIENCE };
        let nonce = self.rng.next_u64();
        let (again, until) = (now + REPEAT, now + patience);
        let asking = Asking { nonce, term, again, until, open, agreed: Vec::new() };
        if !asking.open.is_empty() {
            self.acts.push_back(Act::Tell(Event::Claimed { term, why: self.cause }));
        }
        self.state = State::Asking(asking);
        self.put_question(nonce, term);
        self.conclude(now);
    }

    fn put_question(&mut self, nonce: u64, term: Term) {
        let message = Message::Claim(Claim { nonce, term, request: Request::Ask });
        let candidates = self.peers.iter().map(|peer| (peer.id, peer.addr));
        let asked: Vec<_> = candidates.chain(self.peers.witnesses().iter().copied()).collect();
        for (receiver, to) in asked {
            self.send(to, receiver, message.clone());
        }
    }

    /// A deadline of the question has come.
    pub(super) fn ask_on(&mut self, now: Time<Local>) {
        let State::Asking(asking) = &mut self.state else { return };
        if asking.until <= now {
            asking.open.clear();
            self.conclude(now);
            return;
        }
        asking.again = now + REPEAT;
        let (nonce, term) = (asking.nonce, asking.term);
        self.put_question(nonce, term);
    }

    /// Goes on where all have answered, or enough.
    fn conclude(&mut self, now: Time<Local>) {
        let State::Asking(asking) = &self.state else { return };
        let (term, agreed) = (asking.term, asking.agreed.len());
        if self.settings.quorum {
            if agreed >= self.settings.needed() && asking.open.is_empty() {
                self.proceed(now, term);
            } else if asking.open.is_empty() {
                self.stand_back(now, GIVE_WAY);
            }
        } else if asking.open.is_empty() {
            self.proceed(now, term);
        }
    }

    /// Nothing speaks against it.
    pub(super) fn proceed(&mut self, now: Time<Local>, term: Term) {
        // What was learned while the others were asked may have raised it.
        let term = term.max(self.next());
        if self.settings.quorum { self.collect(now, term) } else { self.win(now, term, 0) }
    }

    pub(super) fn on_claim(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        claim: &Claim,
    ) {
        let voter = self.peers.at(from).is_some_and(|peer| peer.configured);
        if voter || !self.settings.quorum {
            self.peers.enrol(from, header.sender, header.rank);
        }
        match claim.request {
            Request::Ask => {
                let (verdict, master) = self.verdict(now, from, header, claim);
                self.answer(from, header.sender, claim.nonce, verdict, master);
            }
            Request::Vote => self.on_vote(now, from, header, claim),
        }
    }

    fn verdict(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        claim: &Claim,
    ) -> (Verdict, Option<Sighting>) {
        if let Some(master) = self.living(now, header.sender) {
            return (Verdict::MasterLives, Some(master));
        }
        let verdict = if self.remembers() { Verdict::Granted } else { Verdict::Forgotten };
        // With term 0 it only wants to know the term.
        if claim.term == Term(0) {
            return (verdict, None);
        }
        let better = (header.rank, header.sender) > (self.settings.rank, self.settings.id);
        let asking = matches!(self.state, State::Asking(_));
        let Some(peer) = self.peers.at(from).filter(|peer| peer.courtesies < COURTESY) else {
            return (verdict, None);
        };
        if better {
            peer.courtesies += 1;
            if asking {
                self.stand_back(now, GIVE_WAY);
            } else if self.state == State::Standby {
                self.wait = self.wait.max(now + GIVE_WAY);
            }
            return (verdict, None);
        }
        // It heard the master a moment before we did, and so missed it first: that is no merit.
        let roused = self.state == State::Standby && self.wait <= now && self.remembers();
        let contends = asking || roused && self.may_claim(now);
        if !contends {
            return (verdict, None);
        }
        if let Some(peer) = self.peers.at(from) {
            peer.courtesies += 1;
        }
        if !asking {
            self.ask(now);
        }
        (Verdict::Outranked, None)
    }

    /// The master that speaks against a claim of `asker`: ourselves, or one that we hear.
    pub(super) fn living(&self, now: Time<Local>, asker: NodeId) -> Option<Sighting> {
        if let State::Reigning { term } = self.state {
            let (id, rank) = (self.settings.id, self.settings.rank);
            return Some(Sighting { id, term, rank, addr: None });
        }
        let master = self.master.filter(|m| m.lives(now) && m.title.id != asker)?;
        let title = master.title;
        Some(Sighting { id: title.id, term: title.term, rank: title.rank, addr: Some(master.addr) })
    }

    pub(super) fn answer(
        &mut self,
        to: SocketAddr,
        receiver: NodeId,
        nonce: u64,
        verdict: Verdict,
        master: Option<Sighting>,
    ) {
        let (term, remembers) = (self.seen(), self.remembers());
        let grant = Grant { nonce, term, verdict, remembers, master };
        self.send(to, receiver, Message::Grant(grant));
    }

    pub(super) fn on_grant(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        grant: &Grant,
    ) {
        if self.learn(now, from, grant) {
            return;
        }
        if let State::Voting(voting) = &self.state
            && voting.nonce == grant.nonce
        {
            self.on_ballot(now, from, header, grant);
            return;
        }
        let State::Asking(asking) = &mut self.state else { return };
        if asking.nonce != grant.nonce {
            return;
        }
        asking.open.retain(|&addr| addr != from);
        match grant.verdict {
            Verdict::MasterLives => self.found_alive(now, from, header, grant),
            Verdict::Outranked => self.stand_back(now, GIVE_WAY),
            Verdict::Granted => {
                let configured = self.settings.peers.contains(&from);
                if configured && !asking.agreed.contains(&from) {
                    asking.agreed.push(from);
                }
                self.seen = self.seen.max(grant.term);
                self.conclude(now);
            }
            Verdict::Spent | Verdict::Forgotten | Verdict::NoVote => self.conclude(now),
        }
    }

    /// Somebody hears a master that we do not.
    pub(super) fn found_alive(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        grant: &Grant,
    ) {
        let Some(master) = grant.master.filter(|m| m.id != self.settings.id) else { return };
        let addr = master.addr.unwrap_or(from);
        self.seen = self.seen.max(master.term);
        let (by, master) = (who(header.sender, from), who(master.id, addr));
        let (by, master) = (Box::new(by), Box::new(master));
        self.acts.push_back(Act::Tell(Event::StoodBack { by, master }));
        self.acts.push_back(Act::Follow(Some(addr)));
        let interval = self.master.map_or(crate::time::Span::from_secs(1), |m| m.interval);
        let patience = self.failover(interval);
        self.stand_back(now, patience);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ElectionSettings, Obeyed, Span, Title};
    use super::*;
    use crate::wire::{BootId, Rank};

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    /// What a candidate of rank 2, whose master of a round a second was last heard at 0, does about
    /// a question that another of `rank` puts to it `millis` later.
    fn asked(rank: u8, millis: i64) -> Vec<Act> {
        let peers = vec![addr(2)];
        let settings = ElectionSettings {
            rank: Rank(2),
            peers,
            jitter: false,
            ..ElectionSettings::new(NodeId(20))
        };
        let start = Time::from_nanos(0);
        let mut election = Election::new(start, settings, [7; 32]);
        let title = Title { term: Term(1), rank: Rank(9), id: NodeId(90) };
        let interval = Span::from_secs(1);
        let (boot, heard) = (BootId(1), start);
        let master = Obeyed { title, boot, addr: addr(9), interval, heard, proven: true };
        election.observe(start, Some(&master));
        let now = Time::from_nanos(millis * 1_000_000);
        let claim = Claim { nonce: 5, term: Term(2), request: Request::Ask };
        let header = Header {
            sender: NodeId(10),
            receiver: NodeId(20),
            boot: BootId(3),
            term: Term(1),
            rank: Rank(rank),
            sequence: 1,
        };
        election.hear(now, addr(2), &header, &Message::Claim(claim));
        std::iter::from_fn(|| election.poll(now)).collect()
    }

    fn verdicts(acts: &[Act]) -> Vec<Verdict> {
        let verdict = |act: &Act| match act {
            Act::Send { message: Message::Grant(grant), .. } => Some(grant.verdict),
            _ => None,
        };
        acts.iter().filter_map(verdict).collect()
    }

    fn asks(acts: &[Act]) -> bool {
        let asks = |act: &Act| matches!(act, Act::Send { message: Message::Claim(_), to, .. } if *to == addr(2));
        acts.iter().any(asks)
    }

    #[test]
    fn the_better_of_two_asks_as_soon_as_the_other_has_missed_the_master() {
        let early = asked(1, 1_200);
        assert!(verdicts(&early) == [Verdict::MasterLives] && !asks(&early), "{early:?}");
        let late = asked(1, 2_200);
        assert!(verdicts(&late) == [Verdict::Outranked] && asks(&late), "{late:?}");
        let better = asked(3, 2_200);
        assert!(verdicts(&better) == [Verdict::Granted] && !asks(&better), "{better:?}");
    }
}
