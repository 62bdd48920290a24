//! Candidates, their disks, and the datagrams between them, one step at a time.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;

use campanile::proto::election::Act;
use campanile::proto::{Allegiance, Ballot, Election, ElectionSettings, Meeting, Start};
use campanile::time::{Local, Span, Time};
use campanile::wire::{
    Announce, BootId, Claim, Grant, Header, Message, NodeId, Rank, Request, Term, Verdict,
};

/// A master's round.
pub const INTERVAL: Span = Span::from_secs(1);
/// Datagrams on their way; what would be more is lost.
const IN_FLIGHT: usize = 6;

/// A flaw that the search must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// What is to be kept is called safe before it is.
    VotesBeforeDisk,
    /// Who finds no memory acts as if there had never been any.
    VotesWithoutMemory,
    /// Node 2 needs nobody's vote but its own.
    NeedsNobody,
    /// Node 1, once master, hears of no other.
    NeverYields,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    pub lost_disks: u8,
    pub duplicates: u8,
    pub disk_faults: u8,
}

impl Budget {
    pub const NONE: Budget = Budget { crashes: 0, lost_disks: 0, duplicates: 0, disk_faults: 0 };
}

/// Something that may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Deliver(usize),
    Duplicate(usize),
    Lose(usize),
    Timeout(usize),
    Announce(usize),
    Crash(usize),
    Restart(usize, bool),
    Kept(usize, bool),
    /// Nothing reaches this node or comes from it any more; whoever was cut off before is back.
    Cut(usize),
    /// Nobody is cut off any more.
    Mend,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Datagram {
    from: usize,
    to: usize,
    header: Header,
    message: Message,
    print: u64,
}

#[derive(Debug, Clone)]
pub struct Node {
    election: Option<Election>,
    allegiance: Allegiance,
    pub now: Time<Local>,
    boot: u32,
    disk: Option<Ballot>,
    keeping: Option<Ballot>,
    /// When it was last let announce itself.
    said: Option<Time<Local>>,
    /// What the node is like, as a number; 0: not worked out.
    print: Cell<u64>,
}

/// What has been seen so far, for the properties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Ghost {
    /// Who won a term.
    won: BTreeMap<Term, NodeId>,
    /// To whom a voter gave its vote of a term.
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// Nonces of requests for votes: what grants them is a vote, what grants a question is none.
    requests: BTreeSet<u64>,
    /// The highest term that a node has promised.
    promised: BTreeMap<NodeId, Term>,
}

#[derive(Debug, Clone)]
pub struct World {
    pub nodes: Vec<Rc<Node>>,
    net: Vec<Rc<Datagram>>,
    quorum: bool,
    budget: Budget,
    flaw: Option<Flaw>,
    cut: Option<usize>,
    ghost: Ghost,
    pub broken: Option<String>,
}

pub fn addr(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], 7045))
}

fn id(node: usize) -> NodeId {
    NodeId(node as u64 + 1)
}

fn settings(node: usize, nodes: usize, quorum: bool, ballot: Option<Ballot>) -> ElectionSettings {
    ElectionSettings {
        rank: Rank(9 - node as u8),
        peers: (0..nodes).filter(|&other| other != node && nodes > 1).map(addr).collect(),
        quorum,
        start: Start::Master,
        ballot,
        jitter: false,
        ..ElectionSettings::new(id(node))
    }
}

impl Node {
    fn new(node: usize, nodes: usize, quorum: bool) -> Self {
        let now = Time::from_nanos(0);
        // Their first start: nobody has voted yet, and all know it.
        let told = settings(node, nodes, quorum, Some(Ballot::default()));
        Self {
            election: Some(Election::new(now, told, [node as u8; 32])),
            allegiance: Allegiance::default(),
            now,
            boot: 1,
            disk: Some(Ballot::default()),
            keeping: None,
            said: None,
            print: Cell::new(0),
        }
    }

    pub fn reigns(&self) -> Option<Term> {
        self.election.as_ref().and_then(Election::reigns)
    }

    pub fn is_up(&self) -> bool {
        self.election.is_some()
    }

    pub fn obeys(&self) -> Option<NodeId> {
        self.allegiance.master().map(|master| master.title.id)
    }

    pub fn deadline(&self) -> Option<Time<Local>> {
        self.election.as_ref().and_then(Election::deadline)
    }

    pub fn keeps(&self) -> bool {
        self.keeping.is_some()
    }

    fn print(&self) -> u64 {
        if self.print.get() == 0 {
            let mut hasher = DefaultHasher::new();
            if let Some(election) = &self.election {
                election.fingerprint(&mut hasher);
            }
            (&self.allegiance, self.now, self.boot, self.disk, self.keeping).hash(&mut hasher);
            (self.said, self.election.is_some()).hash(&mut hasher);
            self.print.set(hasher.finish().max(1));
        }
        self.print.get()
    }
}

impl World {
    pub fn new(nodes: usize, quorum: bool, budget: Budget, flaw: Option<Flaw>) -> Self {
        let made = (0..nodes).map(|node| {
            let alone = flaw == Some(Flaw::NeedsNobody) && node == 2;
            Rc::new(Node::new(node, if alone { 1 } else { nodes }, quorum))
        });
        Self {
            nodes: made.collect(),
            net: Vec::new(),
            quorum,
            budget,
            flaw,
            cut: None,
            ghost: Ghost::default(),
            broken: None,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.net.len()
    }

    pub fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.nodes.iter().for_each(|node| node.print().hash(&mut hasher));
        self.net.iter().for_each(|datagram| datagram.print.hash(&mut hasher));
        (self.budget, self.cut, &self.ghost).hash(&mut hasher);
        hasher.finish()
    }

    /// What happens if nothing goes wrong: the oldest datagram arrives, disks finish, who is down
    /// comes back, and whoever's time comes first does what is due.
    pub fn ordinary(&self) -> Step {
        if !self.net.is_empty() {
            return Step::Deliver(0);
        }
        if let Some(node) = (0..self.nodes.len()).find(|&node| self.nodes[node].keeps()) {
            return Step::Kept(node, true);
        }
        if let Some(node) = (0..self.nodes.len()).find(|&node| !self.nodes[node].is_up()) {
            return Step::Restart(node, true);
        }
        let due = |node: usize| {
            let own = &self.nodes[node];
            let next = own.said.map_or(own.now, |said| said + INTERVAL);
            let announces = own.reigns().is_some().then_some((next, Step::Announce(node)));
            let acts = own.deadline().map(|at| (at, Step::Timeout(node)));
            [announces, acts].into_iter().flatten().min_by_key(|(at, _)| *at)
        };
        let first = (0..self.nodes.len()).filter_map(due).min_by_key(|(at, _)| *at);
        first.map_or(Step::Mend, |(_, step)| step)
    }

    /// All that may happen next.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let others = (0..self.nodes.len()).filter(|&node| self.cut != Some(node));
        steps.extend(others.map(Step::Cut));
        steps.extend(self.cut.map(|_| Step::Mend));
        for index in 0..self.net.len() {
            steps.push(Step::Deliver(index));
            steps.push(Step::Lose(index));
            if self.budget.duplicates > 0 {
                steps.push(Step::Duplicate(index));
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if !node.is_up() {
                steps.push(Step::Restart(index, true));
                if self.budget.lost_disks > 0 {
                    steps.push(Step::Restart(index, false));
                }
                continue;
            }
            if node.deadline().is_some() {
                steps.push(Step::Timeout(index));
            }
            if node.reigns().is_some() {
                steps.push(Step::Announce(index));
            }
            if self.budget.crashes > 0 {
                steps.push(Step::Crash(index));
            }
            if node.keeps() {
                steps.push(Step::Kept(index, true));
                if self.budget.disk_faults > 0 {
                    steps.push(Step::Kept(index, false));
                }
            }
        }
        steps
    }

    pub fn take(&mut self, step: Step) {
        match step {
            Step::Deliver(index) => {
                let datagram = self.net.remove(index);
                self.deliver(&datagram);
            }
            Step::Duplicate(index) => {
                self.budget.duplicates -= 1;
                let datagram = Rc::clone(&self.net[index]);
                self.deliver(&datagram);
            }
            Step::Lose(index) => {
                self.net.remove(index);
            }
            Step::Timeout(node) => {
                let due = self.nodes[node].deadline().expect("it has a deadline");
                self.advance(node, due);
            }
            Step::Announce(node) => self.announce(node),
            Step::Crash(node) => {
                self.budget.crashes -= 1;
                self.change(node, |node| {
                    node.election = None;
                    node.allegiance = Allegiance::default();
                    node.keeping = None;
                });
            }
            Step::Restart(node, disk) => self.restart(node, disk),
            Step::Kept(node, written) => self.kept(node, written),
            Step::Cut(node) => {
                self.cut = Some(node);
                self.net.retain(|datagram| datagram.from != node && datagram.to != node);
            }
            Step::Mend => self.cut = None,
        }
    }

    fn change(&mut self, node: usize, change: impl FnOnce(&mut Node)) {
        let node = Rc::make_mut(&mut self.nodes[node]);
        change(node);
        node.print.set(0);
    }

    /// Lets a node's clock run until `now`, and lets it do what is due.
    pub fn advance(&mut self, node: usize, now: Time<Local>) {
        self.change(node, |node| node.now = node.now.max(now));
        self.drain(node);
    }

    fn restart(&mut self, node: usize, disk: bool) {
        self.budget.lost_disks -= u8::from(!disk);
        let (nodes, quorum, flaw) = (self.nodes.len(), self.quorum, self.flaw);
        self.change(node, |own| {
            if !disk {
                own.disk = None;
            }
            let naive = flaw == Some(Flaw::VotesWithoutMemory);
            let ballot = own.disk.or(naive.then(Ballot::default));
            let told = settings(node, nodes, quorum, ballot);
            own.boot += 1;
            own.said = None;
            own.election = Some(Election::new(own.now, told, [own.boot as u8 * 16; 32]));
        });
        if !disk {
            self.ghost.promised.remove(&id(node));
        } else if self.quorum {
            let promised = self.ghost.promised.get(&id(node)).copied().unwrap_or(Term(0));
            let found = self.nodes[node].election.as_ref().map_or(Term(0), |e| e.ballot().term);
            self.demand(found >= promised, || format!("node {node} went back to {found:?}"));
        }
        self.drain(node);
    }

    pub fn kept(&mut self, node: usize, written: bool) {
        self.budget.disk_faults -= u8::from(!written);
        self.change(node, |node| {
            let Some(ballot) = node.keeping.take() else { return };
            if written {
                node.disk = Some(ballot);
            }
            let now = node.now;
            if let Some(election) = &mut node.election {
                election.kept(now, ballot, written);
            }
        });
        self.drain(node);
    }

    /// What the master's core does each round: its clock runs on to the next one.
    pub fn announce(&mut self, node: usize) {
        self.change(node, |node| {
            let next = node.said.map_or(node.now, |said| said + INTERVAL);
            node.now = node.now.max(next);
            node.said = Some(node.now);
        });
        self.drain(node);
        self.say(node);
    }

    /// Announces a master now.
    pub fn say(&mut self, node: usize) {
        let Some(term) = self.nodes[node].reigns() else { return };
        let message = Message::Announce(Announce {
            round: 1,
            size: 1,
            interval: INTERVAL,
            tolerance: Span::ZERO,
            max_rtt: Span::ZERO,
            age: Span::ZERO,
            burst: 1,
            average: 0,
            first: 0,
            total: 0,
            candidates: [None; Announce::LISTED],
        });
        for to in (0..self.nodes.len()).filter(|&to| to != node) {
            self.send(node, to, term, message.clone());
        }
    }

    fn send(&mut self, from: usize, to: usize, term: Term, message: Message) {
        if self.net.len() >= IN_FLIGHT || self.cut == Some(from) || self.cut == Some(to) {
            return;
        }
        let header = Header {
            sender: id(from),
            receiver: NodeId::UNKNOWN,
            boot: BootId(self.nodes[from].boot),
            term,
            rank: Rank(9 - from as u8),
            sequence: 0,
        };
        let mut hasher = DefaultHasher::new();
        format!("{from} {to} {header:?} {message:?}").hash(&mut hasher);
        let print = hasher.finish();
        self.net.push(Rc::new(Datagram { from, to, header, message, print }));
    }

    /// Brings a datagram to whom it is for.
    fn deliver(&mut self, datagram: &Datagram) {
        let Datagram { from, to, header, message, .. } = datagram;
        let flaw = self.flaw;
        let mut answers = None;
        self.change(*to, |node| {
            let now = node.now;
            let Some(election) = &mut node.election else { return };
            let reigns = election.reigns();
            let announced = matches!(message, Message::Announce(_));
            if announced && reigns.is_none() {
                // Stands for the adjusts and welcomes of the round too.
                let met = node.allegiance.meet(now, addr(*from), header, true);
                node.allegiance.set_interval(INTERVAL);
                if matches!(met, Meeting::Ours | Meeting::Change) {
                    answers = Some(header.term);
                }
                election.observe(now, node.allegiance.master());
            }
            if flaw == Some(Flaw::NeverYields) && *to == 0 && reigns.is_some() && announced {
                return;
            }
            election.hear(now, addr(*from), header, message);
        });
        if let Some(term) = answers {
            let asker = *from;
            // The reply to the next poll: it shows whom the standby follows.
            if self.nodes[asker].reigns() == Some(term) {
                self.change(asker, |node| {
                    let now = node.now;
                    if let Some(election) = &mut node.election {
                        election.support(now, addr(*to), term);
                    }
                });
            }
        }
        self.drain(*to);
    }

    /// Carries out what a candidate asks for.
    fn drain(&mut self, node: usize) {
        for _ in 0..1_000 {
            let mut act = None;
            self.change(node, |node| {
                let now = node.now;
                if let Some(election) = &mut node.election {
                    let follows = election.reigns().is_none();
                    if follows {
                        election.observe(now, node.allegiance.master());
                    }
                    act = election.poll(now);
                }
            });
            let Some(act) = act else { return };
            self.carry_out(node, act);
        }
        self.broken = Some(format!("node {node} does not come to rest"));
    }

    fn carry_out(&mut self, node: usize, act: Act) {
        match act {
            Act::Send { to, message, .. } => {
                let to = (0..self.nodes.len()).find(|&other| addr(other) == to);
                self.note_vote(node, to, &message);
                let seen = self.nodes[node].election.as_ref().map_or(Term(0), Election::seen);
                if let Some(to) = to {
                    self.send(node, to, seen, message);
                }
            }
            Act::Keep(ballot) => {
                self.change(node, |node| node.keeping = Some(ballot));
                if self.flaw == Some(Flaw::VotesBeforeDisk) {
                    self.change(node, |node| {
                        let now = node.now;
                        if let Some(election) = &mut node.election {
                            election.kept(now, ballot, true);
                        }
                    });
                }
            }
            Act::Reign(term) => {
                let taken = self.ghost.won.insert(term, id(node)).filter(|&by| by != id(node));
                let quorum = self.quorum;
                self.demand(taken.is_none() || !quorum, || {
                    format!("{taken:?} and node {node} are both master of {term:?}")
                });
                self.change(node, |node| node.allegiance = Allegiance::default());
            }
            Act::Follow(_) | Act::Tell(_) => {}
        }
    }

    fn note_vote(&mut self, node: usize, to: Option<usize>, message: &Message) {
        if !self.quorum {
            return;
        }
        let given = match message {
            Message::Claim(Claim { request: Request::Vote, term, nonce }) => {
                self.ghost.requests.insert(*nonce);
                Some((*term, id(node)))
            }
            Message::Grant(Grant { verdict: Verdict::Granted, nonce, .. })
                if self.ghost.requests.contains(nonce) =>
            {
                let ballot = self.nodes[node].election.as_ref().map(Election::ballot);
                let to = to.map(id);
                ballot
                    .filter(|b| b.vote == to && b.vote.is_some())
                    .zip(to)
                    .map(|(b, to)| (b.term, to))
            }
            _ => None,
        };
        let Some((term, to)) = given else { return };
        let before = self.ghost.votes.insert((id(node), term), to).filter(|&before| before != to);
        self.demand(before.is_none(), || format!("node {node} has two votes in {term:?}"));
        let promised = self.ghost.promised.entry(id(node)).or_default();
        *promised = (*promised).max(term);
    }

    fn demand(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(otherwise());
        }
    }

    /// All are up, no disk is busy, and nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.budget = Budget::NONE;
        self.cut = None;
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_up() {
                self.restart(node, true);
            }
            if self.nodes[node].keeps() {
                self.kept(node, true);
            }
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.nodes.iter().enumerate() {
            writeln!(
                f,
                "  node {index}: up {}, reigns {:?}, obeys {:?}, keeping {:?}",
                node.is_up(),
                node.reigns(),
                node.obeys(),
                node.keeping
            )?;
        }
        writeln!(f, "  {:?}", self.ghost)
    }
}
