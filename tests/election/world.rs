//! Three candidates and what lies between them, with every choice in the hands of the caller.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;

use campanile::proto::{Election, ElectionSettings, Motion, Vow};
use campanile::time::{Local, Offset, Span, Time};
use campanile::wire::{BootId, Header, Message, NodeId, Rank, Term};

pub const NODES: usize = 3;

/// What is made wrong on purpose, to see that the search finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// The disk is empty after each crash.
    ForgetfulDisk,
    /// Writes are reported as done when they are only asked for.
    LyingDisk,
    /// A reader takes every statement of a vote for a vote for itself.
    RefusalCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub quorum: bool,
    pub flaw: Flaw,
    /// Datagrams under way at most; of more the oldest is lost. Nothing must arrive, ever, so that
    /// any of them may be lost as well.
    pub air: usize,
    pub crashes: u8,
    pub pauses: u8,
    pub copies: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Deliver(usize),
    Copy(usize),
    /// The node's next deadline comes.
    Timer(usize),
    /// What the node has written reaches the disk.
    Write(usize),
    /// The process dies and starts anew.
    Crash(usize),
    /// The process sleeps for longer than any deadline.
    Pause(usize),
    /// The node ends in order.
    Stop(usize),
}

#[derive(Clone)]
pub struct Node {
    pub election: Election,
    pub now: Time<Local>,
    /// On disk for good, and on the way there.
    disk: Vow,
    writing: Option<Vow>,
    boot: u32,
    /// What the node was told last: the term in which it leads.
    pub leads: Option<Term>,
    pub highest: Term,
    pub stopped: bool,
    /// What decides what it will do, as of its present.
    print: u64,
}

#[derive(Clone, PartialEq)]
pub struct Flight {
    from: usize,
    to: usize,
    boot: u32,
    message: Message,
}

#[derive(Clone)]
pub struct World {
    pub rules: Rules,
    pub nodes: Vec<Rc<Node>>,
    pub air: Vec<Flight>,
    /// Who was ever made master of a term.
    pub reigns: Vec<(Term, usize)>,
    crashes: u8,
    pauses: u8,
    copies: u8,
    /// Who got the last datagram.
    landed: usize,
}

pub fn addr(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], 7045))
}

fn id(node: usize) -> NodeId {
    NodeId(node as u64 + 1)
}

fn owner(addr: SocketAddr) -> Option<usize> {
    (0..NODES).find(|&node| self::addr(node) == addr)
}

fn settings(rules: Rules, node: usize, boot: u32, vow: Vow) -> ElectionSettings {
    let peers = (0..NODES).filter(|&other| other != node).map(addr).collect();
    ElectionSettings {
        rank: Rank(0),
        peers,
        quorum: rules.quorum.then_some(0),
        vow,
        jitter: false,
        ..ElectionSettings::new(id(node), BootId(boot))
    }
}

impl World {
    pub fn new(rules: Rules) -> Self {
        let begin = Time::from_nanos(1_000_000_000_000);
        let nodes = (0..NODES).map(|node| {
            let settings = settings(rules, node, 1, Vow::default());
            Node {
                election: Election::new(begin, settings, [0; 32]),
                now: begin,
                disk: Vow::default(),
                writing: None,
                boot: 1,
                leads: None,
                highest: Term(0),
                stopped: false,
                print: 0,
            }
        });
        let (crashes, pauses, copies) = (rules.crashes, rules.pauses, rules.copies);
        let nodes = nodes.map(Rc::new).collect();
        Self {
            rules,
            nodes,
            air: Vec::new(),
            reigns: Vec::new(),
            crashes,
            pauses,
            copies,
            landed: 0,
        }
    }

    /// All that may happen next.
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for flight in 0..self.air.len() {
            actions.push(Action::Deliver(flight));
            if self.copies > 0 {
                actions.push(Action::Copy(flight));
            }
        }
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| !node.stopped) {
            actions.push(Action::Timer(index));
            if node.writing.is_some() {
                actions.push(Action::Write(index));
            }
            if self.crashes > 0 {
                actions.push(Action::Crash(index));
            }
            if self.pauses > 0 {
                actions.push(Action::Pause(index));
            }
        }
        actions
    }

    /// Carries an action out.
    ///
    /// # Errors
    /// The property that it broke.
    pub fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Deliver(flight) => {
                let flight = self.air.remove(flight);
                self.deliver(&flight);
            }
            Action::Copy(flight) => {
                self.copies -= 1;
                let flight = self.air[flight].clone();
                self.deliver(&flight);
            }
            Action::Timer(node) => {
                let node = Rc::make_mut(&mut self.nodes[node]);
                node.now = node.election.deadline().unwrap_or(node.now).max(node.now);
            }
            Action::Write(node) => self.write(node),
            Action::Crash(node) => self.crash(node),
            Action::Pause(node) => {
                self.pauses -= 1;
                let node = Rc::make_mut(&mut self.nodes[node]);
                node.now = node.now + Span::from_secs(60);
            }
            Action::Stop(node) => {
                let node = Rc::make_mut(&mut self.nodes[node]);
                node.election.stop(node.now);
                node.stopped = true;
            }
        }
        let touched = match action {
            Action::Deliver(_) | Action::Copy(_) => self.landed,
            Action::Timer(n) | Action::Write(n) | Action::Crash(n) => n,
            Action::Pause(n) | Action::Stop(n) => n,
        };
        self.drain(touched)
    }

    fn deliver(&mut self, flight: &Flight) {
        self.landed = flight.to;
        let mut message = flight.message.clone();
        let node = Rc::make_mut(&mut self.nodes[flight.to]);
        if self.rules.flaw == Flaw::RefusalCounts
            && let Message::Grant(grant) = &mut message
        {
            grant.term = node.election.vow().term;
            grant.to = id(flight.to);
        }
        let header = Header {
            sender: id(flight.from),
            receiver: id(flight.to),
            boot: BootId(flight.boot),
            term: Term(0),
            rank: Rank(0),
            sequence: 1,
        };
        node.election.hear(node.now, addr(flight.from), &header, &message);
    }

    fn write(&mut self, node: usize) {
        let node = Rc::make_mut(&mut self.nodes[node]);
        if let Some(vow) = node.writing.take() {
            node.disk = vow;
            node.election.persisted(node.now, vow);
        }
    }

    fn crash(&mut self, index: usize) {
        self.crashes -= 1;
        let rules = self.rules;
        let node = Rc::make_mut(&mut self.nodes[index]);
        if rules.flaw == Flaw::ForgetfulDisk {
            node.disk = Vow::default();
        }
        node.boot += 1;
        node.writing = None;
        node.leads = None;
        let settings = settings(rules, index, node.boot, node.disk);
        node.election = Election::new(node.now, settings, [0; 32]);
    }

    /// Lets a node do what it wants to, and looks at what it does.
    fn drain(&mut self, index: usize) -> Result<(), String> {
        let rules = self.rules;
        for _ in 0..100 {
            let node = Rc::make_mut(&mut self.nodes[index]);
            let Some(motion) = node.election.poll(node.now) else {
                return self.rested(index);
            };
            match motion {
                Motion::Send { to, message, .. } => {
                    let flight = Flight {
                        from: index,
                        to: owner(to).unwrap_or(index),
                        boot: node.boot,
                        message,
                    };
                    if !self.air.contains(&flight) {
                        self.air.push(flight);
                    }
                    if self.air.len() > rules.air {
                        self.air.remove(0);
                    }
                }
                Motion::Persist(vow) => {
                    node.writing = Some(vow);
                    if rules.flaw == Flaw::LyingDisk {
                        node.election.persisted(node.now, vow);
                    }
                }
                Motion::Lead(term) => {
                    node.leads = Some(term);
                    if !self.reigns.contains(&(term, index)) {
                        self.reigns.push((term, index));
                    }
                }
                Motion::Follow(_) | Motion::Hold => node.leads = None,
                Motion::Notice(_) => {}
            }
        }
        Err(format!("node {index} does not come to rest"))
    }

    fn rested(&mut self, index: usize) -> Result<(), String> {
        let node = Rc::make_mut(&mut self.nodes[index]);
        let mut state = DefaultHasher::new();
        node.election.digest(node.now, &mut state);
        (node.disk, node.writing, node.boot, node.leads, node.stopped).hash(&mut state);
        node.print = state.finish();
        let quorum = self.rules.quorum;
        let term = node.election.vow().term;
        // Without a quorum nothing waits for the disk, so a crash may lose the newest.
        if quorum && term < node.highest.min(node.disk.term)
            || node.election.vow().term < node.disk.term
        {
            return Err(format!("node {index}: its term went back to {}", term.0));
        }
        node.highest = term;
        if node.leads.is_some_and(|told| node.election.leads(node.now) != Some(told)) {
            return Err(format!("node {index} leads without knowing"));
        }
        if node.leads.is_none() && node.election.leads(node.now).is_some() {
            return Err(format!("node {index} thinks that it leads and was not told to"));
        }
        if quorum {
            let twice = self.reigns.iter().enumerate().find_map(|(n, &(term, who))| {
                let other = self.reigns[n + 1..].iter().find(|r| r.0 == term && r.1 != who)?;
                Some(format!("nodes {who} and {} both lead in term {}", other.1, term.0))
            });
            twice.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// What decides all that may happen from here on.
    pub fn fingerprint(&self) -> u64 {
        let mut state = DefaultHasher::new();
        self.nodes.iter().for_each(|node| node.print.hash(&mut state));
        let mut air: Vec<u64> = self.air.iter().map(|flight| self.of_flight(flight)).collect();
        air.sort_unstable();
        let mut reigns = self.reigns.clone();
        reigns.sort_unstable();
        (air, reigns, self.crashes, self.pauses, self.copies).hash(&mut state);
        state.finish()
    }

    pub fn dump(&self) {
        for n in &self.nodes {
            println!(
                "  {:?} leads {:?} disk {:?} writing {:?}",
                n.election.show(n.now),
                n.leads,
                n.disk,
                n.writing
            );
        }
    }

    fn of_flight(&self, flight: &Flight) -> u64 {
        let mut state = DefaultHasher::new();
        (flight.from, flight.to, flight.boot).hash(&mut state);
        // Times count from the present of whose Local they are on.
        let (from, to) = (self.nodes[flight.from].now, self.nodes[flight.to].now);
        let origin = |now: Time<Local>| Offset::from_nanos(now.as_nanos());
        match flight.message.clone() {
            Message::Claim(mut claim) => {
                claim.sent = claim.sent - origin(from);
                (1, claim).hash(&mut state);
            }
            Message::Grant(mut grant) => {
                grant.echo = grant.echo - origin(to);
                (2, grant).hash(&mut state);
            }
            Message::Announce(mut announce) => {
                announce.sent = announce.sent - origin(from);
                (3, announce).hash(&mut state);
            }
            _ => {}
        }
        state.finish()
    }

    /// Lets time pass as it does where nothing is lost: everything arrives, every deadline is
    /// kept, every write succeeds.
    ///
    /// # Errors
    /// The property that broke.
    pub fn fair(&mut self, span: Span) -> Result<(), String> {
        self.rules.air = 1_000;
        let mut left = span;
        loop {
            for _ in 0..10_000 {
                if let Some(node) = (0..NODES).find(|&node| self.nodes[node].writing.is_some()) {
                    self.act(Action::Write(node))?;
                } else if !self.air.is_empty() {
                    self.act(Action::Deliver(0))?;
                } else {
                    break;
                }
            }
            if !self.air.is_empty() {
                return Err("the talk never ends".to_owned());
            }
            let running = self.nodes.iter().filter(|node| !node.stopped);
            let next = running.filter_map(|n| Some(n.election.deadline()?.since(n.now))).min();
            let pause = next.unwrap_or(left).min(left);
            left = left - pause;
            for node in &mut self.nodes {
                let node = Rc::make_mut(node);
                node.now = node.now + pause;
            }
            (0..NODES).try_for_each(|node| self.drain(node))?;
            if left == Span::ZERO {
                return Ok(());
            }
        }
    }

    /// One leads, and all others that run follow it.
    ///
    /// # Errors
    /// What is otherwise.
    pub fn settled(&self) -> Result<usize, String> {
        let leading: Vec<usize> = (0..NODES).filter(|&n| self.nodes[n].leads.is_some()).collect();
        let [leader] = leading[..] else { return Err(format!("masters: {leading:?}")) };
        for (index, node) in self.nodes.iter().enumerate() {
            let follows = node.election.follows().map(|l| (l.rule.2, Some(l.rule.0)));
            let right = Some((id(leader), self.nodes[leader].leads));
            if index != leader && !node.stopped && follows != right {
                return Err(format!("node {index} follows {follows:?}, not {right:?}"));
            }
        }
        Ok(leader)
    }
}
