//! A candidate: a node that is a master or stands by, by what the election says.
//!
//! It is a [`Slave`] that may become a [`Master`] and back; what is the node's own (its clock, its
//! chance, its counters) goes along. Messages of the election are the election's, lines of the
//! master's table are kept here, all others are for the role.

mod hearing;
mod inheritance;

use std::collections::VecDeque;
use std::net::SocketAddr;

use self::inheritance::Inheritance;
use super::counters::{Counters, Drop};
use super::election::{Act, Election, ElectionSettings};
use super::event::Event;
use super::exchange::Stamp;
use super::gate::{Gate, Opened, Receiver};
use super::io::{Core, Input, Order, Output};
use super::master::Master;
use super::settings::{MasterSettings, SlaveSettings};
use super::slave::Slave;
use super::status::{self, Contender, Page, RosterSize, Tracking};
use crate::time::{Local, Map, Shown, Time};
use crate::wire::{Buffer, Header, LeaveReason, Message, NodeId, Term};

/// What a candidate is told.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidateSettings {
    /// What it does as a master. What its predecessor did goes before: interval, burst, tolerance,
    /// greatest round trip and average are inherited.
    pub master: MasterSettings,
    /// Its part in the election.
    pub election: ElectionSettings,
    /// Where masters may be. Only they, and those that they name, are obeyed; with none, whoever
    /// polls is.
    pub masters: Vec<SocketAddr>,
    /// A clock that shows less than this is wrong, and imposed on nobody: the build's date.
    pub not_before: Time<Shown>,
}

#[derive(Debug)]
enum Role {
    Standby(Box<Slave>),
    Master(Box<Master>),
}

/// A candidate's protocol logic.
#[derive(Debug)]
pub struct Candidate {
    settings: CandidateSettings,
    /// None only while it changes.
    role: Option<Role>,
    election: Election,
    inheritance: Inheritance,
    /// Set while a master takes leave of its members; then it follows whoever is there.
    abdicates: Option<Option<SocketAddr>>,
    pending: VecDeque<Pending>,
    standing_by: Option<(NodeId, Term)>,
    stopping: bool,
}

#[derive(Debug)]
enum Pending {
    Output(Output),
    Send(SocketAddr, Receiver, Message),
}

impl Candidate {
    /// A candidate whose own clock runs on `course`. `seed` is all the randomness it ever uses;
    /// draw it from the operating system, or nonces can be guessed.
    pub fn new(
        now: Time<Local>,
        settings: CandidateSettings,
        course: Map<Local, Shown>,
        seed: [u8; 32],
    ) -> Self {
        // The election's chance is another than the role's.
        let other = seed.map(|byte| byte ^ 0x5A);
        let slave = Box::new(Slave::new(now, settings.slave(), course, seed));
        Self {
            election: Election::new(now, settings.election.clone(), other),
            role: Some(Role::Standby(slave)),
            inheritance: Inheritance::default(),
            abdicates: None,
            pending: VecDeque::new(),
            standing_by: None,
            stopping: false,
            settings,
        }
    }

    /// The term in which it reigns; none where it stands by.
    pub fn reigns(&self) -> Option<Term> {
        self.election.reigns()
    }

    /// The master that it obeys as a standby.
    pub fn obeys(&self) -> Option<NodeId> {
        match self.role() {
            Role::Standby(slave) => slave.obeyed().map(|master| master.title.id),
            Role::Master(_) => None,
        }
    }

    fn role(&self) -> &Role {
        self.role.as_ref().expect("the role is back before anybody looks")
    }

    fn role_mut(&mut self) -> &mut Role {
        self.role.as_mut().expect("the role is back before anybody looks")
    }

    fn receive(&mut self, now: Time<Local>, from: SocketAddr, at: Stamp<Local>, bytes: &[u8]) {
        let (gate, counters) = self.books();
        counters.received += 1;
        let opened = gate.open(now, from, bytes);
        let taken = opened.and_then(|opened| self.sort(now, from, at, &opened));
        let Err(reason) = taken else { return };
        let (gate, counters) = self.books();
        counters.drop(reason);
        gate.charge(now, from);
        if let Role::Standby(slave) = self.role_mut() {
            slave.wonder(now, from, reason);
        }
    }

    fn books(&mut self) -> (&mut Gate, &mut Counters) {
        match self.role_mut() {
            Role::Standby(slave) => slave.books(),
            Role::Master(master) => master.books(),
        }
    }

    /// Gives a datagram to whom it is for.
    fn sort(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        at: Stamp<Local>,
        opened: &Opened,
    ) -> Result<(), Drop> {
        let datagram = &opened.datagram;
        let header = &datagram.header;
        match &datagram.message {
            Message::Claim(_) | Message::Grant(_) | Message::Announce(_) => {
                self.on_election(now, from, at, opened)
            }
            Message::Entry(entry) => match self.role() {
                Role::Standby(slave) => {
                    slave.ours(from, header)?;
                    if self.inheritance.note(from, header, entry) {
                        self.call_witnesses();
                    }
                    Ok(())
                }
                Role::Master(_) => Err(Drop::WrongRole),
            },
            Message::Join(join) if self.standby().is_some() => {
                self.books().0.charge(now, from);
                self.redirect(from, header, join)
            }
            Message::Leave(leave) if self.standby().is_some() => {
                let interval = self.obeyed(from, header)?;
                self.take(now, from, at, datagram)?;
                // Who follows another goes on as a member.
                if leave.reason == LeaveReason::Shutdown {
                    self.inheritance.forget(header.sender);
                    self.call_witnesses();
                }
                self.election.left(now, leave.heir, interval);
                Ok(())
            }
            _ => self.take(now, from, at, datagram),
        }
    }

    fn standby(&self) -> Option<&Slave> {
        match self.role() {
            Role::Standby(slave) => Some(slave),
            Role::Master(_) => None,
        }
    }

    fn obeyed(&self, from: SocketAddr, header: &Header) -> Result<crate::time::Span, Drop> {
        let slave = self.standby().ok_or(Drop::WrongRole)?;
        slave.ours(from, header).map(|master| master.interval)
    }

    /// Who may have heard a master when ours is silent.
    fn call_witnesses(&mut self) {
        let witnesses = self.inheritance.witnesses(self.settings.election.id);
        self.election.set_witnesses(witnesses);
    }

    /// Whom a master announces itself to.
    fn call_court(&mut self) {
        let court = self.election.court();
        if let Role::Master(master) = self.role_mut() {
            master.set_court(court);
        }
    }

    /// Lets the election know how things are with the role.
    fn observe(&mut self, now: Time<Local>) {
        let not_before = self.settings.not_before;
        let role = self.role.as_mut().expect("the role is back before anybody looks");
        match role {
            Role::Standby(slave) => {
                self.election.set_fit(slave.shown(now) >= not_before);
                // Who only talks keeps nobody from claiming.
                let proven = slave.obeyed().filter(|master| master.proven);
                self.election.observe(now, proven);
                let title = slave.obeyed().filter(|m| m.proven).map(|m| (m.title.id, m.title.term));
                if self.standing_by != title && slave.has_said_all() {
                    self.standing_by = title;
                    if let (Some(who), Some(_)) = (slave.followed(), title) {
                        let (who, rank) = (who.clone(), self.settings.election.rank);
                        let event = Output::Event(Event::StandingBy { who, rank });
                        self.pending.push_back(Pending::Output(event));
                    }
                }
            }
            Role::Master(master) => {
                self.election.set_size(master.size(), master.counted(), master.interval());
            }
        }
    }

    fn carry_out(&mut self, now: Time<Local>, act: Act) {
        match act {
            Act::Send { to, receiver, message } => {
                self.pending.push_back(Pending::Send(to, receiver.into(), message));
            }
            Act::Keep(ballot) => self.pending.push_back(Pending::Output(Output::Keep(ballot))),
            Act::Tell(mut event) => {
                self.inheritance.name(&mut event);
                self.pending.push_back(Pending::Output(Output::Event(event)));
            }
            Act::Reign(term) => self.reign(now, term),
            Act::Follow(addr) => match self.role_mut() {
                Role::Standby(slave) => {
                    if let Some(addr) = addr {
                        slave.seek(now, addr);
                    }
                }
                Role::Master(master) => {
                    master.abdicate(now, addr);
                    self.abdicates = Some(addr);
                }
            },
        }
    }

    fn reign(&mut self, now: Time<Local>, term: Term) {
        let role = self.role.take().expect("the role is back before anybody looks");
        let mut master = match role {
            Role::Master(mut master) => {
                master.set_term(term);
                master
            }
            Role::Standby(slave) => {
                let settings = self.inheritance.settings(&self.settings.master);
                let settings =
                    MasterSettings { term, rank: self.settings.election.rank, ..settings };
                let will = self.inheritance.will(now);
                Box::new(Master::succeed(now, settings, slave.into_parts(), &will))
            }
        };
        self.standing_by = None;
        master.set_court(self.election.court());
        master.proclaim();
        self.role = Some(Role::Master(master));
    }

    /// Becomes a standby once all members have been told.
    fn step_down(&mut self, now: Time<Local>, addr: Option<SocketAddr>) {
        let role = self.role.take().expect("the role is back before anybody looks");
        let slave = match role {
            Role::Standby(slave) => slave,
            Role::Master(master) => {
                self.inheritance = Inheritance::default();
                let resumed = Slave::resume(now, self.settings.slave(), master.into_parts());
                let mut slave = Box::new(resumed);
                if let Some(addr) = addr {
                    slave.seek(now, addr);
                }
                slave
            }
        };
        self.role = Some(Role::Standby(slave));
    }

    fn stop(&mut self, now: Time<Local>) {
        self.stopping = true;
        if let (Role::Master(master), Some(term)) = (self.role(), self.election.reigns()) {
            let event = Output::Event(Event::Resigned { term, heir: master.heir() });
            self.pending.push_back(Pending::Output(event));
        }
        self.election.stop();
        self.inner().handle(now, Input::Stop);
    }

    fn outer(&self) -> &dyn Core {
        match self.role() {
            Role::Standby(slave) => slave.as_ref(),
            Role::Master(master) => master.as_ref(),
        }
    }

    fn inner(&mut self) -> &mut dyn Core {
        match self.role_mut() {
            Role::Standby(slave) => slave.as_mut(),
            Role::Master(master) => master.as_mut(),
        }
    }

    fn send(
        &mut self,
        to: SocketAddr,
        receiver: Receiver,
        message: Message,
        buffer: &mut Buffer,
    ) -> Output {
        let seen = self.election.seen();
        match self.role_mut() {
            Role::Standby(slave) => slave.send_for_candidate(receiver, message, to, seen, buffer),
            Role::Master(master) => master.send(to, receiver, message, buffer),
        }
    }
}

impl CandidateSettings {
    fn slave(&self) -> SlaveSettings {
        SlaveSettings {
            identity: self.master.identity.clone(),
            masters: self.masters.clone(),
            limits: self.master.limits,
            saved_rate: self.master.saved_rate,
            standby: Some(self.election.rank),
            trust: self.master.trust.clone(),
        }
    }
}

impl Core for Candidate {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        match input {
            Input::Datagram { from, at, bytes } if !self.stopping && self.abdicates.is_none() => {
                self.receive(now, from, at, bytes);
            }
            Input::Datagram { .. } => {}
            Input::Kept { ballot, written } => self.election.kept(now, ballot, written),
            Input::Stop if !self.stopping => self.stop(now),
            Input::Stop => {}
            Input::Addresses(addresses) => {
                if !self.settings.masters.is_empty() && !addresses.is_empty() {
                    self.settings.masters = addresses.to_vec();
                }
                self.inner().handle(now, input);
            }
            Input::Order(Order::Resign) => {
                if self.election.reigns().is_some() && !self.stopping {
                    self.stop(now);
                }
            }
            Input::Sent { .. }
            | Input::Steered { .. }
            | Input::TransmitStamps(_)
            | Input::Keys(_)
            | Input::Order(Order::MakeStep) => {
                self.inner().handle(now, input);
            }
        }
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        loop {
            match self.pending.pop_front() {
                Some(Pending::Output(output)) => return Some(output),
                Some(Pending::Send(to, receiver, message)) => {
                    return Some(self.send(to, receiver, message, buffer));
                }
                None => {}
            }
            if self.stopping {
                return self.inner().poll(now, buffer);
            }
            if let Some(addr) = self.abdicates {
                if let Some(output) = self.inner().poll(now, buffer) {
                    return Some(output);
                }
                self.abdicates = None;
                self.step_down(now, addr);
                continue;
            }
            self.observe(now);
            if let Some(act) = self.election.poll(now) {
                self.carry_out(now, act);
                continue;
            }
            if self.pending.is_empty() {
                let output = self.inner().poll(now, buffer);
                if output.is_some() || self.pending.is_empty() {
                    return output;
                }
            }
        }
    }

    fn deadline(&self) -> Option<Time<Local>> {
        self.outer().deadline().into_iter().chain(self.election.deadline()).min()
    }

    fn foresee(&self, datagrams: &mut dyn Iterator<Item = &[u8]>) {
        self.outer().foresee(datagrams);
    }

    fn is_patient(&self) -> bool {
        self.outer().is_patient()
    }

    fn done(&self) -> bool {
        self.stopping && self.pending.is_empty() && self.outer().done()
    }

    fn counters(&self) -> &Counters {
        self.outer().counters()
    }

    fn tracking(&self, now: Time<Local>) -> Option<Tracking> {
        let tracking = self.outer().tracking(now)?;
        let role = match self.role() {
            Role::Standby(_) => status::Role::Standby,
            Role::Master(_) => status::Role::Master,
        };
        Some(Tracking { role, ..tracking })
    }

    fn contenders(&self) -> Vec<Contender> {
        let Role::Standby(slave) = self.role() else { return self.outer().contenders() };
        let who = self.settings.master.identity.who();
        let own = Contender { who, reigns: false, rank: self.settings.election.rank };
        slave.contenders().into_iter().chain([own]).collect()
    }

    fn peers(&self, now: Time<Local>, from: u32, most: usize) -> Page {
        self.outer().peers(now, from, most)
    }

    fn roster(&self) -> Option<RosterSize> {
        self.outer().roster()
    }
}
