//! Which master a slave follows, and how it finds one.

use std::net::SocketAddr;

use rand_chacha::rand_core::Rng;

use super::{
    Drop, Event, Header, Local, Name, NodeId, Pending, Rank, Slave, Span, Term, Time, Who,
};
use crate::wire::{Admission, BootId, Leave, Welcome};

/// Spacing of joins while nobody answers, first and at most; each is drawn within ±50 %.
const JOIN_FIRST: Span = Span::from_millis(500);
const JOIN_MOST: Span = Span::from_secs(8);
/// So many joins without an answer, and the slave says that there is no master.
const JOIN_PATIENCE: u32 = 4;
/// A master that was not heard for so many of its intervals is silent.
const SILENT_INTERVALS: u32 = 3;
const SILENT_LEAST: Span = Span::from_millis(500);

/// The master that is obeyed.
#[derive(Debug, Clone)]
pub(super) struct Master {
    pub(super) who: Who,
    pub(super) boot: BootId,
    pub(super) claim: Claim,
    pub(super) interval: Span,
    pub(super) heard: Time<Local>,
    pub(super) silent: bool,
    /// Newest round applied; 0: none.
    pub(super) applied: u32,
}

/// What decides between two masters: the higher one is followed.
pub(super) type Claim = (Term, Rank, NodeId);

/// Looking for a master.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) next: Option<Time<Local>>,
    pub(super) attempts: u32,
    pub(super) nonce: u64,
    pub(super) said_none: bool,
    pub(super) said_refused: bool,
}

impl Search {
    /// A search that begins at `next`, or not at all.
    pub(super) fn new(next: Option<Time<Local>>) -> Self {
        Self { next, attempts: 0, nonce: 0, said_none: false, said_refused: false }
    }
}

impl Slave {
    /// Makes sure that we follow the sender, or says that we do not.
    pub(super) fn obey(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
    ) -> Result<(), Drop> {
        let claim = (header.term, header.rank, header.sender);
        if let Some(master) = &mut self.master {
            if master.who.id == header.sender && master.boot == header.boot {
                master.heard = now;
                master.silent = false;
                master.claim = claim;
                master.who.addr = from;
                return Ok(());
            }
            // The same process restarted, at the same address or under the same id.
            let restarted = master.who.id == header.sender || master.who.addr == from;
            if !restarted && !master.silent && claim <= master.claim {
                return Err(Drop::NotOurMaster);
            }
        }
        self.follow(now, from, header);
        Ok(())
    }

    fn follow(&mut self, now: Time<Local>, from: SocketAddr, header: &Header) {
        // Until a welcome tells its name it is called by its address.
        let name = Name::nearest(&from.to_string());
        let who = Who { id: header.sender, name, addr: from };
        self.master = Some(Master {
            who,
            boot: header.boot,
            claim: (header.term, header.rank, header.sender),
            interval: Span::from_secs(1),
            heard: now,
            silent: false,
            applied: 0,
        });
        self.search.said_none = false;
        self.search.said_refused = false;
        self.correction = None;
        self.awaited = None;
        // Whom we follow without having asked we ask all the same: the welcome tells its name.
        if self.search.next.is_none() {
            self.announce();
        }
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
        if self.search.next.is_none() || welcome.nonce != self.search.nonce {
            return Err(Drop::Unasked);
        }
        if welcome.admission == Admission::Full {
            if !std::mem::replace(&mut self.search.said_refused, true) {
                self.tell(Event::Refused(from));
            }
            return Err(Drop::Full);
        }
        self.obey(now, from, header)?;
        self.search.next = None;
        self.search.attempts = 0;
        if let Some(master) = &mut self.master {
            master.who.name = welcome.name.clone();
            master.interval = welcome.interval;
        }
        self.announce();
        Ok(())
    }

    pub(super) fn on_leave(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        leave: Leave,
    ) -> Result<(), Drop> {
        self.ours(from, header)?;
        if let Some(master) = self.master.take() {
            self.tell(Event::MasterLeft { who: master.who, reason: leave.reason });
        }
        self.look_again(now);
        Ok(())
    }

    /// Starts to look for a master, after a pause drawn so that many slaves do not ask at once.
    fn look_again(&mut self, now: Time<Local>) {
        if !self.settings.masters.is_empty() {
            self.search.attempts = 0;
            self.search.next = Some(now + self.around(JOIN_FIRST));
        }
    }

    pub(super) fn ours(&self, from: SocketAddr, header: &Header) -> Result<&Master, Drop> {
        self.master
            .as_ref()
            .filter(|m| m.who.id == header.sender && m.boot == header.boot && m.who.addr == from)
            .ok_or(Drop::NotOurMaster)
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

    /// Asks the next of the configured addresses for admission.
    fn join(&mut self, now: Time<Local>) {
        let attempts = self.search.attempts;
        let count = self.settings.masters.len() as u32;
        let Some(&to) = self.settings.masters.get((attempts % count.max(1)) as usize) else {
            self.search.next = None;
            return;
        };
        if attempts >= JOIN_PATIENCE * count && !self.search.said_none {
            self.search.said_none = true;
            self.tell(Event::NoMaster);
        }
        self.search.attempts = attempts.saturating_add(1);
        self.search.nonce = self.rng.next_u64();
        let pause = JOIN_FIRST.times(1 << (attempts / count).min(4)).min(JOIN_MOST);
        self.search.next = Some(now + self.around(pause));
        self.pending.push_back(Pending::Join(to));
    }

    /// When the master's silence is to be noticed.
    pub(super) fn silence(&self) -> Option<Time<Local>> {
        let master = self.master.as_ref().filter(|master| !master.silent)?;
        Some(master.heard + master.interval.times(SILENT_INTERVALS).max(SILENT_LEAST))
    }

    /// `span`, drawn evenly from a half to one and a half times its length.
    fn around(&mut self, span: Span) -> Span {
        let share = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        Span::from_secs_f64(span.as_secs_f64() * (0.5 + share))
    }
}
