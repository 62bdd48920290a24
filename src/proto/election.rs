//! The election: which of the candidates leads, as a state machine without I/O.
//!
//! A candidate listens, follows, claims or leads. Time is its own Local only; nothing is
//! replicated but one number, the term. `docs/election.md` says what is promised and why.

mod candidates;
mod course;
mod meeting;
mod settings;
mod votes;

use std::collections::VecDeque;
use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use self::candidates::Candidates;
pub use self::settings::{ElectionSettings, Vow};
use crate::time::{Local, Span, Time};
use crate::wire::{
    Announce, BootId, Claim, Grant, Header, Message, NodeId, Rank, Reign, Request, Term,
};

/// What decides between two masters: the higher one is followed.
pub type Rule = (Term, Rank, NodeId);

/// A master as one of its candidates knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leader {
    /// Term, rank and identity.
    pub rule: Rule,
    /// Where it is reached.
    pub addr: SocketAddr,
    /// Its boot nonce.
    pub boot: BootId,
    /// Its interval.
    pub interval: Span,
    /// How many members it reaches.
    pub reachable: u32,
}

/// What the election asks of the node it is part of.
#[derive(Debug, Clone, PartialEq)]
pub enum Motion {
    /// Send this.
    Send {
        /// To where.
        to: SocketAddr,
        /// To whom; [`NodeId::UNKNOWN`] where only the address is known.
        receiver: NodeId,
        /// What.
        message: Message,
    },
    /// Write this to disk, and answer with [`Election::persisted`] when it is there for good.
    Persist(Vow),
    /// Lead in this term: from now on, or on in a higher one.
    Lead(Term),
    /// Follow this master; lead no more.
    Follow(Leader),
    /// Lead no more, and follow nobody: hold.
    Hold,
    /// Something worth telling people.
    Notice(Notice),
}

/// What an election tells people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// The master went silent, ended or restarted; one of its standbys takes over.
    Lost(NodeId),
    /// Two masters met, and this one goes on.
    Prevailed(NodeId),
    /// This master leads no more.
    StoodDown(Why),
    /// The clock shows a date before that of the build: this node claims nothing.
    Unfit,
}

/// Why a master leads no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Another master has the higher claim, or more members.
    Outranked,
    /// It does not see the majority any more.
    Minority,
    /// It slept, and others may have acted in the meantime.
    Overslept,
    /// Its clock shows a date before that of the build.
    Unfit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    /// Knows of no master that it could follow.
    Listening,
    /// A standby.
    Following { leader: Leader, heard: Time<Local> },
    /// Bids for a term. `asked`: the bids have left.
    Claiming { term: Term, asked: bool, until: Time<Local> },
    /// The master.
    Leading { term: Term },
    /// Was told to end.
    Ended,
}

/// One candidate's part in the election.
#[derive(Debug, Clone)]
pub struct Election {
    settings: ElectionSettings,
    rng: ChaCha8Rng,
    role: Role,
    /// What we promised, and as much of it as is on disk.
    vow: Vow,
    durable: Vow,
    /// The highest term that somebody else has made use of.
    seen: Term,
    candidates: Candidates,
    /// Until then it is left to others to lead.
    patience: Time<Local>,
    jitter: Span,
    /// Until then our vote is with whom it is.
    bound: Time<Local>,
    /// When to announce, or to enquire, again.
    beat: Time<Local>,
    /// Statements of our vow that wait for the disk.
    owed: Vec<Owed>,
    motions: VecDeque<Motion>,
    /// The master before: it does not count among those who may take over.
    lost: Option<Rule>,
    /// The last master that said it ends: what still comes in its name is old.
    ended: Option<Rule>,
    members: u32,
    fit: bool,
    said_unfit: bool,
    page: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Owed {
    to: SocketAddr,
    receiver: NodeId,
    echo: Time<crate::time::Remote>,
}

impl Election {
    /// A candidate at its start. With no peers it leads as soon as it is polled; otherwise it
    /// listens first. `seed` feeds the jitter.
    pub fn new(now: Time<Local>, settings: ElectionSettings, seed: [u8; 32]) -> Self {
        let settings = settings.within_limits();
        let candidates = Candidates::new(&settings.peers);
        let vow = settings.vow;
        let mut election = Self {
            rng: ChaCha8Rng::from_seed(seed),
            role: Role::Listening,
            vow,
            durable: vow,
            seen: Term(0),
            patience: if candidates.is_empty() { now } else { now + settings.listen() },
            candidates,
            jitter: Span::ZERO,
            // Whom we heard before we restarted we have forgotten.
            bound: now + settings.failover_after,
            beat: now,
            owed: Vec::new(),
            motions: VecDeque::new(),
            lost: None,
            ended: None,
            members: 1,
            fit: true,
            said_unfit: false,
            page: 0,
            settings,
        };
        election.draw_jitter();
        election
    }

    /// A message of the election came.
    pub fn hear(&mut self, now: Time<Local>, from: SocketAddr, header: &Header, said: &Message) {
        self.wake(now);
        let stranger = self.settings.quorum.is_some() && !self.settings.peers.contains(&from);
        if stranger || header.sender == self.settings.id || self.role == Role::Ended {
            return;
        }
        match said {
            Message::Claim(claim) => self.on_claim(now, from, header, claim),
            Message::Grant(grant) => self.on_grant(now, from, header, grant),
            Message::Announce(announce) => self.on_announce(now, from, header, announce),
            _ => {}
        }
    }

    /// Any other datagram of a master came: a sign of life.
    pub fn sign(&mut self, now: Time<Local>, from: SocketAddr, header: &Header) {
        self.wake(now);
        let patience = now + self.settings.failover_after;
        match &mut self.role {
            Role::Following { leader, heard }
                if leader.rule.2 == header.sender && leader.boot == header.boot =>
            {
                *heard = now;
                self.patience = self.patience.max(patience);
            }
            Role::Ended => {}
            // It may not know of us; with the next beat it will.
            _ if self.settings.quorum.is_none() && header.sender != self.settings.id => {
                self.candidates.enrol(from, header.sender, header.rank);
            }
            _ => {}
        }
    }

    /// A vow is on disk for good.
    pub fn persisted(&mut self, now: Time<Local>, vow: Vow) {
        self.wake(now);
        if vow.term >= self.durable.term {
            self.durable = vow;
        }
        if self.durable == self.vow {
            for owed in std::mem::take(&mut self.owed) {
                self.state_vow(now, owed);
            }
            self.bid_if_ready(now);
        }
    }

    /// How many members the node reaches as a master, itself included: answered within the time
    /// that a master may be silent.
    pub fn company(&mut self, members: u32) {
        self.members = members.max(1);
    }

    /// Whether the node's clock may be imposed on others at all.
    pub fn fit(&mut self, now: Time<Local>, fit: bool) {
        self.fit = fit;
        if !fit && matches!(self.role, Role::Leading { .. }) {
            self.stand_down(now, Why::Unfit);
        }
    }

    /// A candidate took leave: it does not stand by any more.
    pub fn left(&mut self, id: NodeId) {
        self.candidates.leave(id);
    }

    /// The node ends in order; as a master it hands over to the best of its standbys.
    pub fn stop(&mut self, now: Time<Local>) {
        if let Role::Leading { .. } = self.role {
            let since = now - self.settings.failover_after;
            let heir = self.candidates.best(since).unwrap_or(NodeId::UNKNOWN);
            self.broadcast(now, Reign::Ends(heir));
        }
        self.role = Role::Ended;
    }

    /// Decides what is due, and gives the next thing to do. `None`: nothing until
    /// [`Election::deadline`].
    pub fn poll(&mut self, now: Time<Local>) -> Option<Motion> {
        self.wake(now);
        if self.motions.is_empty() {
            self.decide(now);
        }
        self.motions.pop_front()
    }

    /// When to poll next if nothing else happens before.
    pub fn deadline(&self) -> Option<Time<Local>> {
        match self.role {
            Role::Listening => Some(self.due().min(self.beat)),
            Role::Following { .. } => Some(self.due()),
            Role::Claiming { until, .. } => Some(until),
            Role::Leading { .. } => Some(self.beat.min(self.lease_end())),
            Role::Ended => None,
        }
    }

    /// The term in which this node may act as master at `now`; ask before each delta, since a
    /// process may have slept between two instructions.
    pub fn leads(&self, now: Time<Local>) -> Option<Term> {
        match self.role {
            Role::Leading { term } if !self.overslept(now) && now < self.lease_end() => Some(term),
            _ => None,
        }
    }

    /// The master that this node stands by for.
    pub fn follows(&self) -> Option<&Leader> {
        match &self.role {
            Role::Following { leader, .. } => Some(leader),
            _ => None,
        }
    }

    /// What this node has promised: its term never goes back.
    pub fn vow(&self) -> Vow {
        self.vow
    }

    /// What slaves are told: where this master is, and a page of the candidates. The pages come in
    /// turn. Nothing where it does not lead.
    pub fn announcement(&mut self, now: Time<Local>) -> Option<Announce> {
        self.leads(now)?;
        let page = self.next_page();
        Some(self.announce(now, Reign::Holds, page))
    }

    #[doc(hidden)]
    pub fn show(&self, now: Time<Local>) -> String {
        let f = |t: Time<Local>| (t - now).as_secs_f64();
        let votes: Vec<_> =
            self.candidates.iter().map(|p| (p.id.0, p.vote.0.0, p.vote.1.0)).collect();
        format!(
            "{:?} vow {:?} dur {:?} seen {:?} pat {:.2} due {:.2} bound {:.2} votes {votes:?}",
            self.role,
            self.vow,
            self.durable,
            self.seen,
            f(self.patience),
            f(self.due()),
            f(self.bound)
        )
    }

    /// Feeds `state` with all that decides what this candidate will do, with times counted from
    /// `now`: equal for two that will behave alike but for their jitter. For exhaustive search.
    pub fn digest(&self, now: Time<Local>, state: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        let from = |time: Time<Local>| (time - now).as_nanos();
        match self.role {
            Role::Following { leader, heard } => (1, leader, from(heard)).hash(state),
            Role::Claiming { term, asked, until } => (2, term, asked, from(until)).hash(state),
            role => (3, role).hash(state),
        }
        (self.vow, self.durable, self.seen, &self.owed, self.lost, self.ended).hash(state);
        (from(self.patience).max(-1), self.jitter, from(self.bound).max(-1)).hash(state);
        (from(self.beat).max(-1), self.members, self.fit, self.page).hash(state);
        self.candidates.digest(from, state);
    }
}
