//! A world made of a seed: an agenda in true time, machines, and the networks between them.
//!
//! The loop around a core is the one that `proto` asks of every driver, here with events for
//! sockets and true time for the kernel's timer.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use super::bounds::ClusterTime;
use super::dice::{Dice, Purpose};
use super::link::{Direction, Spell};
use super::machine::{Machine, Maker, Pause};
use super::scenario::{Scenario, Way, What};
use crate::clock::{Adjustment, Quality};
use crate::proto::{Core, Event, Input, Output, Source, Stamp, Token};
use crate::time::{Local, Map, Shown, Span, Time, True};
use crate::wire::{Buffer, DEFAULT_PORT, LEN};

/// A core that wants more turns than this without a pause will never come to rest.
const PATIENCE: u32 = 100_000;
/// Datagrams that a kernel keeps for a daemon that does not run: 208 KiB, as Linux counts.
pub(super) const BACKLOG: u32 = 256;

/// Sees all that happens, while it happens; what it does not care about it leaves as it is.
pub(super) trait Witness {
    /// A daemon starts.
    fn boots(&mut self, _t: Time<True>, _node: usize) {}
    /// A core has sent a datagram, which may still be changed.
    fn sends(&mut self, _t: Time<True>, _node: usize, _bytes: &mut Buffer) {}
    /// A core is about to be given a datagram.
    fn delivers(&mut self, _t: Time<True>, _node: usize, _from: SocketAddr, _bytes: &Buffer) {}
    /// A core tells of an event.
    fn says(&mut self, _t: Time<True>, _node: usize, _machine: &Machine, _event: &Event) {}
    /// A core has changed the course of its clock.
    fn steers(
        &mut self,
        _t: Time<True>,
        _node: usize,
        _adjustment: &Adjustment,
        _before: Map<Local, Shown>,
        _after: Map<Local, Shown>,
    ) {
    }
    /// A core tells how good its clock is.
    fn publishes(&mut self, _t: Time<True>, _node: usize, _quality: Quality) {}
    /// A core wants something kept; whether that can be.
    fn keeps(&mut self, _t: Time<True>, _node: usize) -> bool {
        true
    }
}

/// What befalls a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Blow {
    /// Its daemon is killed.
    Kill,
    /// Its daemon is told to end.
    Stop,
    /// Its daemon starts, if it does not run.
    Start,
    /// It boots, with this on its clock.
    Boot { shows: Time<Shown> },
    /// It does not run for a while; its kernel may go on receiving.
    Pause { until: Time<True>, hears: bool },
}

/// What befalls packets from some nodes (a bit each) to some others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) spell: Spell,
}

enum Happening {
    Arrival { from: SocketAddr, bytes: Box<Buffer> },
    Received { from: SocketAddr, at: Stamp<Local>, bytes: Box<Buffer> },
    Departed { token: Token, at: Stamp<Local> },
    Timer,
    Blow(Blow),
    Wake,
}

struct Entry {
    at: Time<True>,
    /// Orders what happens at one instant: first planned, first done.
    sequence: u64,
    node: usize,
    happening: Happening,
}

impl Entry {
    fn key(&self) -> (Time<True>, u64) {
        (self.at, self.sequence)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// What a core said, and when.
pub(super) struct Said {
    pub(super) at: Time<True>,
    pub(super) node: usize,
    pub(super) event: Event,
}

/// What the networks carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Traffic {
    pub(super) sent: u64,
    pub(super) lost: u64,
}

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    make: Maker<'a>,
    seed: u64,
    now: Time<True>,
    agenda: BinaryHeap<Reverse<Entry>>,
    planned: u64,
    pub(super) machines: Vec<Machine>,
    directions: BTreeMap<(usize, usize), Direction>,
    pub(super) said: Vec<Said>,
    pub(super) cluster: Option<ClusterTime>,
    /// Who reigns, by the newest that was elected; the first node where nobody ever was.
    pub(super) master: usize,
    pub(super) traffic: Traffic,
    /// Weather that is no scenario's. To be set before the world begins.
    pub(super) fronts: Vec<Front>,
    pub(super) witness: Option<Rc<RefCell<dyn Witness + 'a>>>,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, seed: u64, make: Maker<'a>) -> Self {
        let machines = (0..scenario.nodes.len()).map(|i| Machine::new(scenario, i, seed));
        let mut world = Self {
            scenario,
            make,
            seed,
            now: Time::from_nanos(0),
            agenda: BinaryHeap::new(),
            planned: 0,
            machines: machines.collect(),
            directions: BTreeMap::new(),
            said: Vec::new(),
            cluster: None,
            master: 0,
            traffic: Traffic::default(),
            fronts: Vec::new(),
            witness: None,
        };
        for (index, node) in scenario.nodes.iter().enumerate() {
            if let Some(starts) = node.starts {
                world.plan_blow(Time::from_nanos(0) + starts, index, Blow::Start);
            }
        }
        for incident in &scenario.incidents {
            let blow = match incident.what {
                What::Kill => Blow::Kill,
                What::Stop => Blow::Stop,
                What::Start => Blow::Start,
                What::Jump(_)
                | What::Drift(_)
                | What::Scatter(_)
                | What::Delay { .. }
                | What::Cut { .. }
                | What::Apart { .. } => continue,
            };
            world.plan_blow(Time::from_nanos(0) + incident.at, incident.node, blow);
        }
        world
    }

    /// Lets everything happen that is due until `end`, which included.
    pub(super) fn run_until(&mut self, end: Time<True>) {
        while let Some(Reverse(next)) = self.agenda.peek()
            && next.at <= end
        {
            let Reverse(entry) = self.agenda.pop().expect("peeked");
            self.now = entry.at;
            self.happen(entry.node, entry.happening);
        }
        self.now = end;
    }

    /// What is to befall a machine at `at`.
    pub(super) fn plan_blow(&mut self, at: Time<True>, node: usize, blow: Blow) {
        self.plan(at, node, Happening::Blow(blow));
    }

    fn plan(&mut self, at: Time<True>, node: usize, happening: Happening) {
        self.planned += 1;
        self.agenda.push(Reverse(Entry { at, sequence: self.planned, node, happening }));
    }

    fn witness(&self, told: impl FnOnce(&mut dyn Witness)) {
        if let Some(witness) = &self.witness {
            told(&mut *witness.borrow_mut());
        }
    }

    /// What happens to a machine that is paused waits, or is lost; else it is given back.
    fn unless_paused(&mut self, node: usize, happening: Happening) -> Option<Happening> {
        let now = self.now;
        let daemon = self.machines[node].driver.stamps == Source::Daemon;
        let Some(pause) = self.machines[node].paused(now) else { return Some(happening) };
        let until = pause.until;
        let waits = match happening {
            Happening::Arrival { .. } if pause.hears && pause.backlog < BACKLOG => {
                pause.backlog += 1;
                return Some(happening);
            }
            Happening::Arrival { .. } => {
                self.traffic.lost += 1;
                return None;
            }
            Happening::Received { from, mut at, bytes } => {
                if daemon {
                    at.at = self.machines[node].local(until);
                }
                Happening::Received { from, at, bytes }
            }
            // All that is due is done when it wakes.
            Happening::Timer => return None,
            Happening::Blow(Blow::Start | Blow::Stop) | Happening::Departed { .. } => happening,
            Happening::Blow(_) | Happening::Wake => return Some(happening),
        };
        self.plan(until, node, waits);
        None
    }

    fn strike(&mut self, node: usize, blow: Blow) {
        let machine = &mut self.machines[node];
        match blow {
            Blow::Start if machine.core.is_none() => {
                if let Some(witness) = &self.witness {
                    witness.borrow_mut().boots(self.now, node);
                }
                machine.start(self.now, &self.make);
                let stamps = machine.driver.stamps != Source::Daemon;
                self.tell(node, Input::TransmitStamps(stamps));
            }
            Blow::Start => {}
            Blow::Kill => machine.kill(),
            Blow::Stop => self.tell(node, Input::Stop),
            Blow::Boot { shows } => machine.boot(self.now, shows),
            Blow::Pause { until, hears } => {
                machine.pause(Pause { until, hears, backlog: 0 });
                self.plan(until, node, Happening::Wake);
            }
        }
    }

    fn happen(&mut self, node: usize, happening: Happening) {
        let Some(happening) = self.unless_paused(node, happening) else { return };
        let machine = &mut self.machines[node];
        match happening {
            Happening::Blow(blow) => self.strike(node, blow),
            Happening::Wake => {
                machine.wake();
                self.turn(node);
            }
            // One that was set anew in the meantime rings at another time.
            Happening::Timer if machine.rings(self.now) => self.turn(node),
            Happening::Timer => {}
            Happening::Arrival { from, bytes } => {
                let (at, seen) = machine.received(self.now);
                self.plan(seen, node, Happening::Received { from, at, bytes });
            }
            Happening::Received { from, at, bytes } => {
                self.witness(|witness| witness.delivers(self.now, node, from, &bytes));
                self.tell(node, Input::Datagram { from, at, bytes: &bytes[..] });
            }
            Happening::Departed { token, at } => self.tell(node, Input::Sent { token, at }),
        }
    }

    fn tell(&mut self, node: usize, input: Input<'_>) {
        let machine = &mut self.machines[node];
        let now = machine.present(self.now);
        if let Some(core) = &mut machine.core {
            core.handle(now, input);
            self.turn(node);
        }
    }

    /// Drains a core and sets its timer.
    fn turn(&mut self, node: usize) {
        let now = self.machines[node].present(self.now);
        let Some(mut core) = self.machines[node].core.take() else { return };
        let mut buffer = [0; LEN];
        let mut patience = PATIENCE;
        while let Some(output) = core.poll(now, &mut buffer) {
            self.carry_out(node, now, core.as_mut(), output, &mut buffer);
            patience -= 1;
            assert!(patience > 0, "the core of node {node} does not come to rest at {now:?}");
        }
        let machine = &mut self.machines[node];
        if core.done() {
            machine.kill();
            return;
        }
        let due = core.deadline();
        machine.core = Some(core);
        if let Some(at) = machine.set_timer(self.now, due) {
            self.plan(at, node, Happening::Timer);
        }
    }

    fn carry_out(
        &mut self,
        node: usize,
        now: Time<Local>,
        core: &mut dyn Core,
        output: Output,
        buffer: &mut Buffer,
    ) {
        match output {
            Output::Send { to, token } => {
                self.witness(|witness| witness.sends(self.now, node, buffer));
                self.send(node, to, token, buffer);
            }
            Output::Steer(adjustment) => {
                let before = self.machines[node].course(now);
                let map = self.machines[node].steer(now, adjustment);
                self.witness(|witness| witness.steers(self.now, node, &adjustment, before, map));
                core.handle(now, Input::Steered { map });
            }
            Output::Publish(quality) => {
                self.witness(|witness| witness.publishes(self.now, node, quality));
                self.machines[node].quality = Some((self.now, quality));
            }
            Output::Keep(ballot) => {
                let written = self
                    .witness
                    .as_ref()
                    .is_none_or(|witness| witness.borrow_mut().keeps(self.now, node));
                if written {
                    self.machines[node].ballot = Some(ballot);
                }
                core.handle(now, Input::Kept { ballot, written });
            }
            Output::Event(event) => {
                let machine = &self.machines[node];
                self.witness(|witness| witness.says(self.now, node, machine, &event));
                if let Event::Elected { .. } = &event {
                    self.master = node;
                }
                if let Event::Round(round) = &event
                    && node == self.master
                {
                    self.cluster =
                        Some(ClusterTime::new(node, &self.machines[node], self.now, round));
                }
                self.said.push(Said { at: self.now, node, event });
            }
        }
    }

    fn send(&mut self, node: usize, to: SocketAddr, token: Option<Token>, buffer: &Buffer) {
        let leaves = self.now + self.machines[node].driver.send_delay;
        if let Some(token) = token
            && let Some((at, known)) = self.machines[node].sent(leaves)
        {
            self.plan(known, node, Happening::Departed { token, at });
        }
        self.traffic.sent += 1;
        let delays = match owner(to).filter(|&to| to < self.machines.len() && to != node) {
            Some(to) => self.direction(node, to).carry(leaves).map(|d| (to, d)).collect(),
            None => Vec::new(),
        };
        if delays.is_empty() {
            self.traffic.lost += 1;
        } else {
            self.machines[node].heard = Some(leaves);
        }
        for (to, delay) in delays {
            let bytes = Box::new(*buffer);
            self.plan(leaves + delay, to, Happening::Arrival { from: address(node), bytes });
        }
    }

    fn direction(&mut self, from: usize, to: usize) -> &mut Direction {
        self.directions.entry((from, to)).or_insert_with(|| {
            let (node, way) = if from < to { (to, Way::Forth) } else { (from, Way::Back) };
            let link = self.scenario.nodes[node].link;
            let path = if way == Way::Forth { link.forth } else { link.back };
            let mut direction = Direction::new(path, Dice::new(self.seed, Purpose::Path(from, to)));
            for (node, way) in [(to, Way::Forth), (from, Way::Back)] {
                spells(self.scenario, node, way).for_each(|spell| direction.add(spell));
            }
            partings(self.scenario, from, to).for_each(|spell| direction.add(spell));
            let has = |nodes: u64, node: usize| node < 64 && nodes & 1 << node != 0;
            let fronts = self.fronts.iter().filter(|f| has(f.from, from) && has(f.to, to));
            fronts.for_each(|front| direction.add(front.spell));
            direction
        })
    }
}

/// What befalls the packets to (`Forth`) or from (`Back`) a node.
fn spells(scenario: &Scenario, node: usize, way: Way) -> impl Iterator<Item = Spell> + '_ {
    let of_node = scenario.incidents.iter().filter(move |i| i.node == node);
    of_node.filter_map(move |incident| {
        let (on, add, up_to, lasts, cut) = match incident.what {
            What::Delay { way, add, up_to, lasts } => (way, add, up_to, lasts, false),
            What::Cut { way, lasts } => (way, Span::ZERO, Span::ZERO, lasts, true),
            _ => return None,
        };
        let from = Time::from_nanos(0) + incident.at;
        let until = from + lasts.unwrap_or(Span::MAX);
        (on == way || on == Way::Both).then_some(Spell {
            add,
            up_to,
            cut,
            ..Spell::calm(from, until)
        })
    })
}

/// When nothing passes between two nodes.
fn partings(scenario: &Scenario, one: usize, two: usize) -> impl Iterator<Item = Spell> + '_ {
    scenario.incidents.iter().filter_map(move |incident| {
        let What::Apart { from, lasts } = incident.what else { return None };
        let pair = (incident.node, from);
        (pair == (one, two) || pair == (two, one)).then(|| {
            let from = Time::from_nanos(0) + incident.at;
            let until = from + lasts.unwrap_or(Span::MAX);
            Spell { cut: true, ..Spell::calm(from, until) }
        })
    })
}

/// Where a node is reached: 10.0.0.1 is the first.
pub(super) fn address(node: usize) -> SocketAddr {
    let ip = Ipv4Addr::from_bits(u32::from_be_bytes([10, 0, 0, 1]) + node as u32);
    SocketAddr::from((ip, DEFAULT_PORT))
}

/// Who is reached there.
pub(super) fn owner(addr: SocketAddr) -> Option<usize> {
    let SocketAddr::V4(v4) = addr else { return None };
    let index = v4.ip().to_bits().checked_sub(u32::from_be_bytes([10, 0, 0, 1]))?;
    (v4.port() == DEFAULT_PORT).then_some(index as usize)
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
