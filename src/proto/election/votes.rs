//! Votes, where a quorum is wanted, and the memory that they need.
//!
//! A vote is on disk before it is given, and one's own before others are asked for theirs. Who
//! finds no memory at its start gives none until it has learned a term that is no lower than any
//! it may have voted in.

use super::{
    Act, Ballot, Cause, Claim, Election, ElectionSettings, Event, GIVE_WAY, Grant, Header, Local,
    Message, NodeId, REPEAT, Request, Rng, STAGGER, SocketAddr, Span, State, Term, Time,
};
use crate::wire::Verdict;

/// How long votes are collected before the term is left to another.
const PATIENCE: Span = Span::from_millis(1_500);
/// How long a candidate waits for its own disk before it lets others go ahead.
const DISK_PATIENCE: Span = Span::from_secs(2);
/// How often who has no memory asks for the term.
const ENQUIRY: Span = Span::from_secs(1);

/// Collecting votes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Voting {
    pub(super) nonce: u64,
    pub(super) term: Term,
    /// Our own vote is on disk, and the others were asked.
    asked: bool,
    again: Time<Local>,
    until: Time<Local>,
    votes: Vec<SocketAddr>,
}

impl Voting {
    pub(super) fn deadline(&self) -> Time<Local> {
        if self.asked { self.again.min(self.until) } else { self.until }
    }
}

/// A vote that is given once it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Owed {
    to: SocketAddr,
    receiver: NodeId,
    nonce: u64,
    ballot: Ballot,
}

/// What a candidate has promised, and how much of it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    pub(super) ballot: Ballot,
    durable: Ballot,
    /// A write is under way.
    busy: bool,
    owed: Option<Owed>,
    /// Set while it is not known what was promised before the restart.
    lost: Option<Lost>,
    said_failed: bool,
}

/// Finding out what may have been promised before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lost {
    nonce: u64,
    next: Time<Local>,
    floor: Term,
    /// Who has told its term, and whether it remembers its own votes.
    told: Vec<(SocketAddr, bool)>,
    said: bool,
}

impl Memory {
    pub(super) fn new(now: Time<Local>, settings: &ElectionSettings) -> Self {
        let lost = settings.quorum && settings.ballot.is_none();
        let ballot = settings.ballot.unwrap_or_default();
        let unknown =
            || Lost { nonce: 0, next: now, floor: Term(0), told: Vec::new(), said: false };
        Self {
            ballot,
            durable: ballot,
            busy: false,
            owed: None,
            lost: lost.then(unknown),
            said_failed: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        self.lost.as_ref().map(|lost| lost.next)
    }
}

impl Election {
    pub(super) fn remembers(&self) -> bool {
        self.memory.lost.is_none()
    }

    /// Writes the promise down, unless a write is under way; then it is written after that.
    pub(super) fn keep(&mut self) {
        if !self.memory.busy && self.memory.durable != self.memory.ballot {
            self.memory.busy = true;
            self.acts.push_back(Act::Keep(self.memory.ballot));
        }
    }

    /// A promise is on disk for good, or could not be written.
    pub fn kept(&mut self, now: Time<Local>, ballot: Ballot, written: bool) {
        self.memory.busy = false;
        if !written {
            self.memory.owed = None;
            if !std::mem::replace(&mut self.memory.said_failed, true) {
                self.acts.push_back(Act::Tell(Event::Unkept));
            }
            if matches!(self.state, State::Voting(_)) {
                self.stand_back(now, DISK_PATIENCE);
            }
            return;
        }
        self.memory.said_failed = false;
        if ballot.term >= self.memory.durable.term {
            self.memory.durable = ballot;
        }
        if let Some(owed) = self.memory.owed.take_if(|owed| owed.ballot == ballot) {
            self.answer(owed.to, owed.receiver, owed.nonce, Verdict::Granted, None);
        }
        self.canvass(now);
        self.keep();
    }

    /// Votes for itself and, once that is on disk, asks for the others' votes.
    pub(super) fn collect(&mut self, now: Time<Local>, term: Term) {
        if !self.remembers() {
            self.stand_back(now, ENQUIRY);
            return;
        }
        let nonce = self.rng.next_u64();
        let until = now + DISK_PATIENCE;
        let votes = Vec::new();
        self.state =
            State::Voting(Voting { nonce, term, asked: false, again: until, until, votes });
        self.memory.ballot = Ballot { term, vote: Some(self.settings.id) };
        self.keep();
        self.canvass(now);
    }

    /// Asks for votes as soon as our own is safe.
    fn canvass(&mut self, now: Time<Local>) {
        let durable = self.memory.durable;
        let before = self.peers.before(self.settings.rank, self.settings.id, None);
        let jitter = self.jitter;
        let State::Voting(voting) = &mut self.state else { return };
        let ours = Ballot { term: voting.term, vote: Some(self.settings.id) };
        if voting.asked || durable != ours || self.memory.ballot != ours {
            return;
        }
        voting.asked = true;
        voting.again = now + REPEAT;
        voting.until = now + PATIENCE + STAGGER.times(before) + jitter;
        if self.settings.needed() == 0 {
            let term = voting.term;
            self.win(now, term, 1);
            return;
        }
        self.request_votes();
    }

    fn request_votes(&mut self) {
        let State::Voting(voting) = &self.state else { return };
        let claim = Claim { nonce: voting.nonce, term: voting.term, request: Request::Vote };
        let open = self.peers.iter().filter(|p| p.configured && !voting.votes.contains(&p.addr));
        let open: Vec<_> = open.map(|peer| (peer.addr, peer.id)).collect();
        for (to, receiver) in open {
            self.send(to, receiver, Message::Claim(claim));
        }
    }

    /// A deadline of the collecting has come.
    pub(super) fn vote_on(&mut self, now: Time<Local>) {
        let State::Voting(voting) = &mut self.state else { return };
        if voting.until <= now {
            self.stand_back(now, GIVE_WAY);
            return;
        }
        voting.again = now + REPEAT;
        self.request_votes();
    }

    /// Somebody wants our vote.
    pub(super) fn on_vote(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        claim: &Claim,
    ) {
        let voter = self.peers.at(from).is_some_and(|peer| peer.configured);
        let refusal = if !self.settings.quorum || !voter {
            Some((Verdict::NoVote, None))
        } else if let Some(master) = self.living(now, header.sender) {
            Some((Verdict::MasterLives, Some(master)))
        } else if !self.remembers() {
            Some((Verdict::Forgotten, None))
        } else {
            let ballot = self.memory.ballot;
            let again = ballot.term == claim.term && ballot.vote == Some(header.sender);
            let free = ballot.term == claim.term && ballot.vote.is_none();
            let spent = claim.term < ballot.term || claim.term == ballot.term && !again && !free;
            spent.then_some((Verdict::Spent, None))
        };
        if let Some((verdict, master)) = refusal {
            self.answer(from, header.sender, claim.nonce, verdict, master);
            return;
        }
        let ballot = Ballot { term: claim.term, vote: Some(header.sender) };
        if matches!(self.state, State::Asking(_) | State::Voting(_)) {
            self.stand_back(now, GIVE_WAY);
        }
        self.wait = self.wait.max(now + PATIENCE);
        self.memory.ballot = ballot;
        let (to, receiver, nonce) = (from, header.sender, claim.nonce);
        if self.memory.durable == ballot {
            self.answer(to, receiver, nonce, Verdict::Granted, None);
        } else {
            self.memory.owed = Some(Owed { to, receiver, nonce, ballot });
            self.keep();
        }
    }

    /// An answer to our request for a vote.
    pub(super) fn on_ballot(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        grant: &Grant,
    ) {
        let needed = self.settings.needed();
        let State::Voting(voting) = &mut self.state else { return };
        match grant.verdict {
            Verdict::Granted if self.settings.peers.contains(&from) => {
                if !voting.votes.contains(&from) {
                    voting.votes.push(from);
                }
                let (term, votes) = (voting.term, voting.votes.len());
                if votes >= needed {
                    self.win(now, term, votes as u32 + 1);
                }
            }
            Verdict::MasterLives => self.found_alive(now, from, header, grant),
            Verdict::Spent => self.seen = self.seen.max(grant.term),
            _ => {}
        }
    }

    /// Asks the others for the term, while it is not known what was promised before.
    pub(super) fn enquire(&mut self, now: Time<Local>) {
        let fresh = self.rng.next_u64();
        let Some(lost) = &mut self.memory.lost else { return };
        if lost.nonce == 0 {
            lost.nonce = fresh.max(1);
        } else if !std::mem::replace(&mut lost.said, true) {
            self.acts.push_back(Act::Tell(Event::Forgetful));
        }
        lost.next = now + ENQUIRY;
        let claim = Claim { nonce: lost.nonce, term: Term(0), request: Request::Ask };
        let voters: Vec<_> =
            self.peers.iter().filter(|p| p.configured).map(|p| (p.addr, p.id)).collect();
        for (to, receiver) in voters {
            self.send(to, receiver, Message::Claim(claim));
        }
        self.relearn(now);
    }

    /// Takes in the answer to an enquiry, if it is one.
    pub(super) fn learn(&mut self, now: Time<Local>, from: SocketAddr, grant: &Grant) -> bool {
        let voter = self.settings.peers.contains(&from);
        let Some(lost) = &mut self.memory.lost else { return false };
        if lost.nonce != grant.nonce || !voter {
            return false;
        }
        lost.floor = lost.floor.max(grant.term);
        lost.told.retain(|&(addr, _)| addr != from);
        lost.told.push((from, grant.remembers));
        self.relearn(now);
        true
    }

    /// A candidate may have won with our forgotten vote and `needed − 1` others. Once all but so
    /// many of the others have told their terms, one of those who chose it is among them; the
    /// others' word counts only as far as they remember. Or else it takes the word of all.
    fn relearn(&mut self, now: Time<Local>) {
        let (others, needed) = (self.settings.peers.len(), self.settings.needed());
        let Some(lost) = &self.memory.lost else { return };
        let sure = lost.told.iter().filter(|(_, remembers)| *remembers).count();
        let enough = others - needed.saturating_sub(1).min(others);
        if sure < enough.max(1) && lost.told.len() < others {
            return;
        }
        let term = lost.floor;
        self.memory.lost = None;
        self.seen = self.seen.max(term);
        self.memory.ballot = self.memory.ballot.max_term(term);
        self.cause = Cause::Started;
        self.wait = self.wait.max(now);
        self.keep();
    }
}

impl Ballot {
    /// At least this term, with no vote left in it: whom it went to is not known.
    fn max_term(self, term: Term) -> Self {
        // Nobody: an id that no node has.
        if term > self.term { Self { term, vote: Some(NodeId::UNKNOWN) } } else { self }
    }
}
