//! A keyed cluster on the table: no socket, no clock, every datagram in the attacker's hands.

use std::net::SocketAddr;

use campanile::clock::Adjustment;
use campanile::proto::{
    Candidate, CandidateSettings, Core, Drop, ElectionSettings, Event, Identity, Input, Master,
    MasterSettings, Output, Slave, SlaveSettings, Stamp, Start, Trust,
};
use campanile::time::{Local, Map, Offset, Rate, Shown, Span, Time};
use campanile::wire::{BootId, Buffer, Keyring, LEN, Name, NodeId, Rank};

pub use crate::common::keys::{cluster_key, node_key, sealer};

pub const ONE_WAY: Span = Span::from_micros(50);
pub const MASTER: usize = 0;

/// A datagram that was seen on its way.
#[derive(Clone)]
pub struct Seen {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Buffer,
}

impl Seen {
    pub fn kind(&self) -> u8 {
        self.bytes[3]
    }
}

pub struct Node {
    core: Box<dyn Core>,
    pub addr: SocketAddr,
    course: Map<Local, Shown>,
    /// Every course its clock ever had.
    pub courses: Vec<Map<Local, Shown>>,
    pub events: Vec<Event>,
}

impl Node {
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.core.counters().dropped(reason)
    }

    pub fn dropped_in_all(&self) -> u64 {
        self.core.counters().dropped_in_all()
    }

    pub fn drops(&self) -> Vec<(&'static str, u64)> {
        self.core.counters().drops().map(|(reason, count)| (reason.name(), count)).collect()
    }

    pub fn count(&self, which: fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| which(event)).count()
    }
}

/// Who is at the table: the master is node 1 at port 1, slaves are 2, 3, …
pub struct Table {
    pub now: Time<Local>,
    pub nodes: Vec<Node>,
    air: Vec<(Time<Local>, Seen)>,
    /// What the attacker on the path lets nobody have. It is on the tape all the same.
    pub held_back: fn(&Seen) -> bool,
    /// All that was ever sent.
    pub tape: Vec<Seen>,
}

pub fn addr(node: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], node))
}

pub fn identity(node: u64, boot: u32) -> Identity {
    let name = Name::new(&format!("node-{node}")).unwrap();
    Identity { id: NodeId(node), boot: BootId(boot), name }
}

fn trust(keys: Keyring) -> Trust {
    Trust { keys, source_rate: Trust::MOST_SOURCE_RATE, ..Trust::default() }
}

fn course(now: Time<Local>, ahead_ms: i64) -> Map<Local, Shown> {
    let reads = Time::from_nanos(now.as_nanos()) + Offset::from_nanos(ahead_ms * 1_000_000);
    Map { at: now, reads, rate: Rate::ZERO }
}

/// A slave's clock, and its keys.
#[derive(Clone)]
pub struct Seat {
    pub ahead_ms: i64,
    pub keys: Keyring,
}

impl Table {
    /// Nobody is there yet.
    pub fn empty() -> Self {
        let now = Time::from_nanos(1_000_000_000_000);
        let (nodes, air, tape) = (Vec::new(), Vec::new(), Vec::new());
        Self { now, nodes, air, held_back: |_| false, tape }
    }

    pub fn new(keys: Keyring, seats: &[Seat]) -> Self {
        let mut table = Self::empty();
        table.nodes.push(table.master(keys, 1));
        for (number, seat) in (2..).zip(seats) {
            table.nodes.push(table.slave(number, seat.clone(), 1));
        }
        table
    }

    pub fn master(&self, keys: Keyring, boot: u32) -> Node {
        let settings =
            MasterSettings { trust: trust(keys), ..MasterSettings::new(identity(1, boot)) };
        let course = course(self.now, 0);
        let core = Master::new(self.now, settings, course, [boot as u8; 32]);
        Node { core: Box::new(core), addr: addr(1), course, courses: vec![], events: vec![] }
    }

    /// One of three who may be master, at ports 1, 2 and 3, with the cluster's key; it begins as
    /// one or stands by, and bears the master's silence for so long.
    pub fn candidate(
        &self,
        number: u16,
        rank: u8,
        first: bool,
        failover_after: Option<Span>,
        boot: u32,
    ) -> Node {
        let others: Vec<_> = (1..=3).filter(|&n| n != number).map(addr).collect();
        let identity = identity(number.into(), boot);
        let election = ElectionSettings {
            rank: Rank(rank),
            peers: if first { others.clone() } else { Vec::new() },
            start: if first { Start::Master } else { Start::Standby },
            failover_after,
            ..ElectionSettings::new(identity.id)
        };
        let master =
            MasterSettings { trust: trust(cluster_key(1, 7)), ..MasterSettings::new(identity) };
        let masters = if first { others } else { vec![addr(1)] };
        let not_before = Time::from_nanos(0);
        let settings = CandidateSettings { master, election, masters, not_before };
        let course = course(self.now, number.into());
        let seed = [number as u8 ^ (boot as u8) << 4; 32];
        let core = Candidate::new(self.now, settings, course, seed);
        Node { core: Box::new(core), addr: addr(number), course, courses: vec![], events: vec![] }
    }

    pub fn slave(&self, number: u16, seat: Seat, boot: u32) -> Node {
        let settings = SlaveSettings {
            masters: vec![addr(1)],
            trust: trust(seat.keys),
            ..SlaveSettings::new(identity(number.into(), boot))
        };
        let course = course(self.now, seat.ahead_ms);
        let seed = [number as u8 ^ boot as u8; 32];
        let core = Slave::new(self.now, settings, course, seed);
        Node { core: Box::new(core), addr: addr(number), course, courses: vec![], events: vec![] }
    }

    /// Puts a datagram of the attacker's into the air; it arrives at once, after the others.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.hear(from, to, bytes);
        self.drain();
    }

    fn hear(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let now = self.now;
        if let Some(node) = self.nodes.iter_mut().find(|node| node.addr == to) {
            node.core.handle(now, Input::Datagram { from, at: Stamp::daemon(now), bytes });
        }
    }

    pub fn keys(&mut self, node: usize, keys: &Keyring) {
        self.nodes[node].core.handle(self.now, Input::Keys(keys));
    }

    /// Runs for a while; `tap` sees each datagram when it has arrived.
    pub fn run_with(&mut self, span: Span, tap: &mut dyn FnMut(&mut Table, &Seen)) {
        let end = self.now + span;
        loop {
            self.drain();
            let deadlines = self.nodes.iter().filter_map(|node| node.core.deadline());
            let landings = self.air.iter().map(|flight| flight.0);
            let next = deadlines.chain(landings).min().map_or(end, |next| next.max(self.now));
            if next >= end {
                self.now = end;
                return;
            }
            self.now = next;
            let (landed, air) = std::mem::take(&mut self.air)
                .into_iter()
                .partition(|flight: &(Time<Local>, Seen)| flight.0 <= next);
            self.air = air;
            let landed: Vec<_> = landed;
            for (_, seen) in landed {
                if (self.held_back)(&seen) {
                    continue;
                }
                self.hear(seen.from, seen.to, &seen.bytes);
                self.drain();
                tap(self, &seen);
            }
        }
    }

    pub fn run(&mut self, span: Span) {
        self.run_with(span, &mut |_, _| {});
    }

    fn drain(&mut self) {
        let (now, mut buffer) = (self.now, [0; LEN]);
        for node in &mut self.nodes {
            while let Some(output) = node.core.poll(now, &mut buffer) {
                match output {
                    Output::Send { to, .. } => {
                        let seen = Seen { from: node.addr, to, bytes: buffer };
                        self.tape.push(seen.clone());
                        self.air.push((now + ONE_WAY, seen));
                    }
                    Output::Event(event) => node.events.push(event),
                    Output::Publish(_) => {}
                    Output::Keep(ballot) => {
                        node.core.handle(now, Input::Kept { ballot, written: true });
                    }
                    Output::Steer(adjustment) => {
                        let here = node.course.anchored_at(now);
                        node.course = match adjustment {
                            Adjustment::Run { rate } => Map { rate, ..here },
                            Adjustment::Step { by, rate } => {
                                Map { reads: here.reads + by, rate, ..here }
                            }
                        };
                        node.courses.push(node.course);
                        node.core.handle(now, Input::Steered { map: node.course });
                    }
                }
            }
        }
    }

    /// What a node shows now.
    pub fn shows(&self, node: usize) -> Time<Shown> {
        self.nodes[node].course.reading(self.now)
    }

    /// Greatest minus least of what these nodes show.
    pub fn spread(&self, nodes: &[usize]) -> Span {
        let shown: Vec<_> = nodes.iter().map(|&node| self.shows(node)).collect();
        shown.iter().max().unwrap().since(*shown.iter().min().unwrap())
    }

    pub fn courses(&self) -> Vec<Vec<Map<Local, Shown>>> {
        self.nodes.iter().map(|node| node.courses.clone()).collect()
    }
}
