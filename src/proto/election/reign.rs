//! Reigning: winning, meeting other masters, losing the majority.

use super::{
    Act, Announce, Ballot, BootId, Cause, Election, Event, Header, Local, NodeId, SocketAddr, Span,
    State, Surrender, Term, Time, Title, who,
};

/// A count of members that is older than so many rounds is none.
const STALE_INTERVALS: u32 = 2;
/// Rivals that are remembered in one reign.
const MAX_RIVALS: usize = 16;

/// What belongs to one reign.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reign {
    began: Time<Local>,
    interval: Span,
    /// Members that follow us and count, and when they were counted.
    size: u32,
    counted: Time<Local>,
    /// The rivals that were outbid for having fewer members: once each, so that two masters who
    /// count differently come to an end.
    outbid: Vec<(NodeId, BootId)>,
}

impl Reign {
    pub(super) fn new(now: Time<Local>) -> Self {
        Self { began: now, interval: Span::from_secs(1), size: 1, counted: now, outbid: Vec::new() }
    }
}

impl Election {
    pub(super) fn win(&mut self, now: Time<Local>, term: Term, votes: u32) {
        self.state = State::Reigning { term };
        self.seen = self.seen.max(term);
        let interval = self.master.map_or(self.reign.interval, |master| master.interval);
        self.reign = Reign { interval, ..Reign::new(now) };
        self.master = None;
        self.attempts = 0;
        if !self.settings.quorum {
            self.memory.ballot = Ballot { term, vote: None };
            self.keep();
        }
        self.acts.push_back(Act::Reign(term));
        self.acts.push_back(Act::Tell(Event::Elected { term, votes, why: self.cause }));
    }

    /// How many members follow this master and count, when they were counted, and the length of its
    /// rounds.
    pub fn set_size(&mut self, size: u32, counted: Time<Local>, interval: Span) {
        self.reign.size = size.max(1);
        self.reign.counted = counted;
        self.reign.interval = interval;
    }

    /// A datagram of a candidate that follows a master of this term came.
    pub fn support(&mut self, now: Time<Local>, from: SocketAddr, term: Term) {
        if let Some(peer) = self.peers.at(from).filter(|peer| peer.configured) {
            peer.support = Some((term, now));
        }
    }

    /// With a quorum: until when enough candidates have been heard.
    pub(super) fn lease_end(&self) -> Option<Time<Local>> {
        let State::Reigning { term } = self.state else { return None };
        let needed = self.settings.needed();
        if !self.settings.quorum || needed == 0 {
            return None;
        }
        let heard = self.peers.iter().filter_map(|peer| peer.support);
        let mut heard: Vec<_> = heard.filter(|(of, _)| *of == term).map(|(_, at)| at).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        let last = heard.get(needed - 1).copied().unwrap_or(self.reign.began);
        Some(last.max(self.reign.began) + self.failover(self.reign.interval))
    }

    pub(super) fn lose_majority(&mut self, now: Time<Local>) {
        if let State::Reigning { term } = self.state {
            self.retire(now, term, Surrender::Minority, None);
        }
    }

    fn retire(
        &mut self,
        now: Time<Local>,
        term: Term,
        why: Surrender,
        to: Option<(NodeId, SocketAddr)>,
    ) {
        self.cause = Cause::Silence;
        self.wait = now;
        let patience = self.failover(self.reign.interval);
        self.stand_back(now, patience);
        let to = to.map(|(id, addr)| who(id, addr));
        let addr = to.as_ref().map(|to| to.addr);
        self.acts.push_back(Act::Tell(Event::Yielded { term, to, why }));
        self.acts.push_back(Act::Follow(addr));
    }

    pub(super) fn on_announce(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        announce: &Announce,
    ) {
        let title = Title::of(header);
        self.seen = self.seen.max(title.term);
        let voter = self.peers.at(from).is_some_and(|peer| peer.configured);
        if voter || !self.settings.quorum {
            self.peers.enrol(from, header.sender, header.rank);
        }
        for candidate in announce.candidates.into_iter().flatten() {
            let known = self.peers.known().any(|peer| peer.id == candidate.id);
            let may = !self.settings.quorum || self.settings.peers.contains(&candidate.addr);
            if candidate.id != self.settings.id && !known && may {
                self.peers.enrol(candidate.addr, candidate.id, candidate.rank);
            }
        }
        match self.state {
            State::Reigning { term } => self.meet(now, from, header, announce, term),
            State::Asking(_) | State::Voting(_) => {
                self.acts.push_back(Act::Follow(Some(from)));
                let patience = self.failover(announce.interval);
                self.stand_back(now, patience);
            }
            State::Standby => {
                self.see_life(now, announce.interval);
                if self.master.is_none() {
                    self.acts.push_back(Act::Follow(Some(from)));
                }
            }
            State::Ended => {}
        }
    }

    /// Two masters have met. The lower title yields, unless it has more members: then it takes a
    /// higher term, so that the minority moves.
    fn meet(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        announce: &Announce,
        term: Term,
    ) {
        let (theirs, settings) = (Title::of(header), &self.settings);
        let ours = Title { term, rank: settings.rank, id: settings.id };
        if theirs <= ours {
            return;
        }
        // Who slept through its rounds does not know who follows it still.
        let slept = now.since(self.reign.counted) > self.reign.interval.times(STALE_INTERVALS);
        let size = if slept { 1 } else { self.reign.size };
        let rival = (header.sender, header.boot);
        let spent = self.reign.outbid.contains(&rival) || self.reign.outbid.len() >= MAX_RIVALS;
        if settings.quorum || spent || size <= announce.size {
            self.retire(now, term, Surrender::Outranked, Some((theirs.id, from)));
            return;
        }
        self.reign.outbid.push(rival);
        let term = Term(theirs.term.0.saturating_add(1));
        self.state = State::Reigning { term };
        self.seen = self.seen.max(term);
        self.memory.ballot = Ballot { term, vote: None };
        self.keep();
        let rival = who(theirs.id, from);
        self.acts.push_back(Act::Reign(term));
        let than = announce.size;
        self.acts.push_back(Act::Tell(Event::Outbid { rival, term, size, than }));
    }
}
