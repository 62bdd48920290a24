//! The election: which of the candidates reigns, as a state machine without I/O.
//!
//! Nothing is replicated but one number, the term. A candidate stands by, asks whether anything
//! speaks against it, collects votes where a quorum is wanted, or reigns. Time is its own Local
//! only. `docs/election.md` says what is promised, what is kept on disk, and why.

mod asking;
mod peers;
mod reign;
mod settings;
mod votes;

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use self::asking::Asking;
use self::peers::Peers;
pub use self::settings::{Ballot, ElectionSettings, Start};
use super::event::{Cause, Event, Surrender, Who};
use super::title::{Obeyed, Title, silence};
use crate::time::{Local, Span, Time};
use crate::wire::{Announce, BootId, Claim, Grant, Header, Message, Name, NodeId, Request, Term};

/// How long answers to a claim are waited for.
const ASK_PATIENCE: Span = Span::from_millis(100);
/// The first time, when nobody may be up yet, it is longer…
const START_PATIENCE: Span = Span::from_secs(1);
/// …and the claim is repeated so often.
const REPEAT: Span = Span::from_millis(250);
/// Each better candidate is given so much longer to go ahead: enough for its answers to come.
const STAGGER: Span = Span::from_millis(150);
/// How long a candidate that gave way waits before it looks after itself again.
const GIVE_WAY: Span = Span::from_millis(300);
/// A standby that never had a master waits so long for one.
const STANDBY_PATIENCE: Span = Span::from_secs(10);
/// How often in one vacancy the same better candidate is given way to, and how often a worse one
/// is refused: a better candidate with a broken disk must not keep the others out for ever.
const COURTESY: u8 = 2;

/// What the election asks of the node that it is part of.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Send this.
    Send {
        /// To where.
        to: SocketAddr,
        /// To whom; [`NodeId::UNKNOWN`] where only the address is known.
        receiver: NodeId,
        /// What.
        message: Message,
    },
    /// Write this down, and answer with [`Election::kept`].
    Keep(Ballot),
    /// Reign in this term: from now on, or on in a higher one.
    Reign(Term),
    /// Reign no more; there is a master at this address, if any.
    Follow(Option<SocketAddr>),
    /// Something worth telling people.
    Tell(Event),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    /// Follows a master, or waits for one.
    Standby,
    /// Asks whether anything speaks against it.
    Asking(Asking),
    /// Collects votes.
    Voting(votes::Voting),
    /// The master.
    Reigning { term: Term },
    /// Was told to end.
    Ended,
}

/// One candidate's part in the election.
#[derive(Debug, Clone)]
pub struct Election {
    settings: ElectionSettings,
    rng: ChaCha8Rng,
    state: State,
    memory: votes::Memory,
    /// The highest term that is known to be in use.
    seen: Term,
    peers: Peers,
    /// The master that this node obeys as a standby.
    master: Option<Obeyed>,
    /// Not before then does it ask for the mastership.
    wait: Time<Local>,
    jitter: Span,
    /// Attempts in this vacancy.
    attempts: u8,
    /// Why it would ask.
    cause: Cause,
    reign: reign::Reign,
    acts: VecDeque<Act>,
    fit: bool,
    said_unfit: bool,
}

impl Election {
    /// A candidate at its start. `seed` feeds the nonces and the jitter.
    pub fn new(now: Time<Local>, settings: ElectionSettings, seed: [u8; 32]) -> Self {
        let wait = match settings.start {
            Start::Master => now,
            Start::Standby => now + STANDBY_PATIENCE,
        };
        let mut election = Self {
            rng: ChaCha8Rng::from_seed(seed),
            state: State::Standby,
            memory: votes::Memory::new(now, &settings),
            seen: Term(0),
            peers: Peers::new(&settings.peers),
            master: None,
            wait,
            jitter: Span::ZERO,
            attempts: 0,
            cause: Cause::Started,
            reign: reign::Reign::new(now),
            acts: VecDeque::new(),
            fit: true,
            said_unfit: false,
            settings,
        };
        election.seen = election.memory.ballot.term;
        election.draw();
        election
    }

    /// A message of the election came.
    pub fn hear(&mut self, now: Time<Local>, from: SocketAddr, header: &Header, said: &Message) {
        if self.state == State::Ended {
            return;
        }
        match said {
            Message::Claim(claim) => self.on_claim(now, from, header, claim),
            Message::Grant(grant) => self.on_grant(now, from, header, grant),
            Message::Announce(announce) => self.on_announce(now, from, header, announce),
            _ => {}
        }
    }

    /// Which master this node obeys as a standby, and when it was last heard.
    pub fn observe(&mut self, now: Time<Local>, master: Option<&Obeyed>) {
        let known = self.master.map(|master| master.title.id);
        if let Some(master) = master {
            self.seen = self.seen.max(master.title.term);
            self.peers.enrol(master.addr, master.title.id, master.title.rank);
            if known != Some(master.title.id) {
                self.settle(now);
            }
        }
        self.master = master.copied();
    }

    /// There is a master to follow: the vacancy is over.
    fn settle(&mut self, now: Time<Local>) {
        if matches!(self.state, State::Asking(_) | State::Voting(_)) {
            self.state = State::Standby;
        }
        self.wait = now;
        self.attempts = 0;
        self.cause = Cause::Silence;
        self.peers.forget_courtesies();
        self.draw();
    }

    /// The master that was obeyed took leave, and named an heir or nobody.
    pub fn left(&mut self, now: Time<Local>, heir: NodeId, interval: Span) {
        if self.state != State::Standby {
            return;
        }
        self.master = None;
        self.cause = Cause::Resigned;
        self.attempts = 0;
        if heir == self.settings.id && self.may_claim(now) {
            // The one who could object has asked for it; the others may not know of it yet.
            self.acts.push_back(Act::Tell(Event::Claimed { term: self.next(), why: self.cause }));
            self.proceed(now, self.next());
        } else if heir == NodeId::UNKNOWN {
            self.wait = now;
        } else {
            self.wait = now + interval;
        }
    }

    /// A master that this node cannot follow, for its roster is full or it does not answer, was
    /// seen alive.
    fn see_life(&mut self, now: Time<Local>, interval: Span) {
        self.wait = self.wait.max(now + self.failover(interval));
    }

    /// The best candidates, for those who follow.
    pub fn candidates(&self) -> impl Iterator<Item = crate::wire::Candidate> + '_ {
        self.peers.known()
    }

    /// Those to whom a master announces itself: all candidates, known by name or not.
    pub fn court(&self) -> Vec<(NodeId, SocketAddr)> {
        self.peers.iter().map(|peer| (peer.id, peer.addr)).collect()
    }

    /// Some slaves that may be asked whether they hear a master.
    pub fn set_witnesses(&mut self, witnesses: Vec<(NodeId, SocketAddr)>) {
        self.peers.set_witnesses(witnesses);
    }

    /// A node stands by, as a reply of its says.
    pub fn enrol(&mut self, addr: SocketAddr, id: NodeId, rank: crate::wire::Rank) {
        self.peers.enrol(addr, id, rank);
    }

    /// Whether the node's clock may be imposed on others at all.
    pub fn set_fit(&mut self, fit: bool) {
        self.fit = fit;
        self.said_unfit &= !fit;
    }

    /// The node ends.
    pub fn stop(&mut self) {
        self.state = State::Ended;
        self.acts.clear();
    }

    /// Decides what is due, and gives the next thing to do. `None`: nothing until
    /// [`Election::deadline`].
    pub fn poll(&mut self, now: Time<Local>) -> Option<Act> {
        if self.acts.is_empty() && self.deadline().is_some_and(|due| due <= now) {
            self.decide(now);
        }
        self.acts.pop_front()
    }

    /// When to poll next if nothing else happens before.
    pub fn deadline(&self) -> Option<Time<Local>> {
        let own = match &self.state {
            State::Standby => Some(self.due()),
            State::Asking(asking) => Some(asking.deadline()),
            State::Voting(voting) => Some(voting.deadline()),
            State::Reigning { .. } => self.lease_end(),
            State::Ended => return None,
        };
        own.into_iter().chain(self.memory.deadline()).min()
    }

    /// The term in which this node reigns.
    pub fn reigns(&self) -> Option<Term> {
        match self.state {
            State::Reigning { term } => Some(term),
            _ => None,
        }
    }

    /// The highest term that this node knows of.
    pub fn seen(&self) -> Term {
        self.seen.max(self.memory.ballot.term)
    }

    /// What this node has promised, and shall find again after a restart.
    pub fn ballot(&self) -> Ballot {
        self.memory.ballot
    }

    /// Feeds `hasher` with all that decides what this candidate will do, but for its chance. For
    /// those who search all courses that an election can take.
    pub fn fingerprint(&self, hasher: &mut impl Hasher) {
        (&self.state, &self.memory, self.seen, &self.peers, self.master).hash(hasher);
        (self.wait, self.jitter, self.attempts, self.cause, &self.reign, self.fit).hash(hasher);
    }

    fn decide(&mut self, now: Time<Local>) {
        if self.memory.deadline().is_some_and(|due| due <= now) {
            self.enquire(now);
            return;
        }
        match &self.state {
            State::Standby => self.ask(now),
            State::Asking(_) => self.ask_on(now),
            State::Voting(_) => self.vote_on(now),
            State::Reigning { .. } => self.lose_majority(now),
            State::Ended => {}
        }
    }

    fn failover(&self, interval: Span) -> Span {
        self.settings.failover_after.unwrap_or_else(|| silence(interval))
    }

    /// When a standby asks for the mastership if nothing is heard until then: the best first, each
    /// other a moment later.
    fn due(&self) -> Time<Local> {
        let silent = self.master.map(|master| master.heard + self.failover(master.interval));
        let lost = self.master.map(|master| master.title.id);
        let before = self.peers.before(self.settings.rank, self.settings.id, lost);
        silent.map_or(self.wait, |at| at.max(self.wait)) + STAGGER.times(before) + self.jitter
    }

    fn next(&self) -> Term {
        let ballot = self.memory.ballot;
        // A term that nobody else has used may be asked for again: who is cut off for long does
        // not come back with one that is far ahead.
        if ballot.vote == Some(self.settings.id) && self.seen < ballot.term {
            return ballot.term;
        }
        Term(self.seen().0.saturating_add(1))
    }

    fn may_claim(&mut self, now: Time<Local>) -> bool {
        if self.fit {
            return true;
        }
        if !std::mem::replace(&mut self.said_unfit, true) {
            self.acts.push_back(Act::Tell(Event::Unfit));
        }
        self.wait = now + STANDBY_PATIENCE;
        false
    }

    /// Leaves it to others for so long at least.
    fn stand_back(&mut self, now: Time<Local>, span: Span) {
        self.state = State::Standby;
        self.wait = self.wait.max(now + span);
        self.draw();
    }

    /// Two of one rank shall not keep meeting.
    fn draw(&mut self) {
        let share = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        let most = if self.settings.jitter { STAGGER.over(5) } else { Span::ZERO };
        self.jitter = Span::from_secs_f64(most.as_secs_f64() * share);
    }

    fn send(&mut self, to: SocketAddr, receiver: NodeId, message: Message) {
        self.acts.push_back(Act::Send { to, receiver, message });
    }
}

/// Somebody of whom only id and address are known.
fn who(id: NodeId, addr: SocketAddr) -> Who {
    Who { id, name: Name::nearest(&addr.to_string()), addr }
}
