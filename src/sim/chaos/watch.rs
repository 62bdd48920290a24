//! Watches a world while disasters happen, and checks the invariants.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::super::bounds::ClusterTime;
use super::super::dice::{Dice, Purpose};
use super::super::machine::Machine;
use super::super::world::{BACKLOG, Witness, owner};
use super::LOOK;
use super::faults::Kind;
use super::plan::Plan;
use super::rules::Invariant;
use crate::clock::{Adjustment, Quality};
use crate::proto::{Event, LEARNED, LEARNED_AFTER};
use crate::time::{Local, Map, Offset, Rate, Shown, Span, Time, True};
use crate::wire::{BootId, Buffer, Datagram, Header, Message, NodeId, Rank, Term};

/// What a reader of the clock adds to a published bound for its age.
const GROWTH: Rate = Rate::from_ppm(15.0);
/// Cluster time that was formed anew moves for so many rounds.
const FORMING: u32 = 8;
/// The greatest rate of cluster time against a Local, ppm, that a slave follows.
const RATE_LIMIT: Rate = Rate::from_ppm(1_001.0);
/// The same for a master, which shows its own cluster's time however bad its crystal is.
const MASTER_RATE_LIMIT: Rate = Rate::from_ppm(2_010.0);

/// A broken invariant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) at: Time<True>,
    pub(super) node: usize,
    pub(super) invariant: Invariant,
    pub(super) what: String,
}

/// So many closed rounds of a master are remembered: a delta may be late.
const REMEMBERED: usize = 64;

/// The master that a delta came from.
#[derive(Debug, Clone, Copy)]
struct Followed {
    id: NodeId,
    boot: BootId,
    claim: (Term, Rank, NodeId),
    round: u32,
    /// The node that sent it.
    node: usize,
    interval: Span,
    /// The cluster time that it tells of, where that had been formed for long enough.
    cluster: Option<ClusterTime>,
    heard: Time<True>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    at: Time<True>,
    local: Time<Local>,
    shown: Time<Shown>,
    /// Its counter has jumped back, and the daemon waits for it.
    behind: bool,
}

/// What is known of one node.
#[derive(Debug, Clone, Default)]
struct Of {
    updates: u32,
    /// Updates of the present master, and the first of them.
    learned: u32,
    began: Option<Time<True>>,
    /// Survives restarts, unless the disk is full.
    saved: Option<Rate>,
    rate: Option<Rate>,
    /// The delta that is just being handed over.
    offered: Option<(Header, u32, usize, Span)>,
    followed: Option<Followed>,
    quality: Option<(Time<True>, Quality)>,
    look: Option<Look>,
    stepped: Offset,
    /// As a master: cluster time as the last rounds left it, and how many this daemon has closed.
    rounds: VecDeque<(u32, ClusterTime)>,
    closed: u32,
    /// Datagrams of the second that runs.
    sent: u32,
}

/// Checks a run.
pub(super) struct Watch<'a> {
    pub(super) plan: &'a Plan,
    dice: Dice,
    pub(super) now: Time<True>,
    of: Vec<Of>,
    /// Who told deltas in which term.
    reigns: BTreeMap<Term, NodeId>,
    pub(super) checks: [u64; Invariant::ALL.len()],
    pub(super) found: Option<Found>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(plan: &'a Plan, seed: u64) -> Self {
        Self {
            plan,
            dice: Dice::new(seed, Purpose::Lies),
            now: Time::from_nanos(0),
            of: vec![Of::default(); plan.scenario.nodes.len()],
            reigns: BTreeMap::new(),
            checks: [0; Invariant::ALL.len()],
            found: None,
        }
    }

    /// The rate that a node finds in its state directory.
    pub(super) fn saved(&self, node: usize) -> Option<Rate> {
        self.of[node].saved
    }

    /// Counts a check; the first that fails is kept.
    pub(super) fn check(
        &mut self,
        node: usize,
        invariant: Invariant,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        let place = Invariant::ALL.iter().position(|&one| one == invariant);
        self.checks[place.expect("ALL has all")] += 1;
        if !holds && self.found.is_none() {
            self.found = Some(Found { at: self.now, node, invariant, what: what() });
        }
    }

    /// Under a quorum a term has one master.
    fn reigns(&mut self, node: usize, header: &Header) {
        if !self.plan.scenario.quorum {
            return;
        }
        let first = *self.reigns.entry(header.term).or_insert(header.sender);
        self.check(node, Invariant::OneMaster, first == header.sender, || {
            format!("{:?} has two masters, {first:?} and {:?}", header.term, header.sender)
        });
    }

    /// A look at what everybody shows, each [`LOOK`].
    pub(super) fn look(&mut self, machines: &[Machine], t: Time<True>) {
        self.now = t;
        for (node, machine) in machines.iter().enumerate() {
            let (local, shown) = (machine.local(t), machine.shown(t));
            let look = Look { at: t, local, shown, behind: machine.is_behind(t) };
            if let Some(before) = self.of[node].look.replace(look) {
                let stepped = std::mem::take(&mut self.of[node].stepped);
                self.course(node, before, look, stepped);
                if stepped != Offset::ZERO {
                    self.look_at_step(machines, node, t, stepped);
                }
            }
        }
    }

    /// Between two looks a clock has grown, within what slewing allows.
    fn course(&mut self, node: usize, before: Look, after: Look, stepped: Offset) {
        let elapsed = after.local - before.local;
        let jumped = self.faults(node).any(|fault| {
            let bends = matches!(fault.kind, Kind::Jump { .. } | Kind::Reboot { .. });
            let instants = [fault.from, fault.until];
            bends && instants.iter().any(|&at| before.at <= at && at <= after.at)
        });
        if jumped || before.behind || after.behind {
            return;
        }
        let grown = after.shown - before.shown - stepped;
        let standing = elapsed == Offset::ZERO;
        self.check(node, Invariant::Monotonic, grown > Offset::ZERO || standing, || {
            format!("it showed {grown:?} more after {elapsed:?} of its counter")
        });
        let limit = if self.of[node].rounds.is_empty() { RATE_LIMIT } else { MASTER_RATE_LIMIT };
        let most = self.plan.scenario.limits.max_slew.abs() + limit;
        let slack = most.gain_over(elapsed).abs() + Span::from_nanos(100);
        self.check(node, Invariant::Slew, (grown - elapsed).abs() <= slack, || {
            format!("it gained {:?} in {elapsed:?} of its counter", grown - elapsed)
        });
    }

    /// A look at bounds, memory and traffic, once a second.
    pub(super) fn look_closely(&mut self, machines: &[Machine], t: Time<True>) {
        let nodes = machines.len();
        let scenario = &self.plan.scenario;
        let rounds = (1.0 / scenario.interval.as_secs_f64()).ceil() as usize + 1;
        let most = 64 + 4 * nodes * rounds * (usize::from(scenario.burst) + 3);
        for (node, machine) in machines.iter().enumerate() {
            self.look_at_bound(machines, node, t);
            let sent = std::mem::take(&mut self.of[node].sent) as usize;
            let most = most + if self.catches_up(node, t) { BACKLOG as usize } else { 0 };
            self.check(node, Invariant::Traffic, sent <= most, || {
                format!("{sent} datagrams in a second, at most {most} were expected")
            });
            if let Some(core) = &machine.core {
                let held = core.held();
                let most = 256 + 64 * nodes;
                self.check(node, Invariant::Memory, held <= most, || {
                    format!("{held} entries in its tables and queues")
                });
            }
        }
    }

    /// A clock that was `stepped` since the last look was off by more than the threshold, by the truth.
    fn look_at_step(&mut self, machines: &[Machine], node: usize, t: Time<True>, stepped: Offset) {
        let limits = self.plan.scenario.limits;
        let Some(threshold) = limits.step_threshold else { return };
        let Some(off) = self.distance(machines, node, t) else { return };
        let slewed = limits.max_slew.gain_over(LOOK.as_offset()).abs();
        let before = (off - stepped).abs();
        self.check(node, Invariant::Step, before + slewed > threshold, || {
            format!("it was {before:?} from cluster time, and was stepped by {stepped:?}")
        });
    }

    /// How far a node is from the cluster time that it was told of, where that can be judged: neither its
    /// counter nor its master's is bent.
    fn distance(&self, machines: &[Machine], node: usize, t: Time<True>) -> Option<Offset> {
        let followed = self.of[node].followed?;
        let cluster = followed.cluster?;
        // Of two with one identity one is told of the other's clock.
        let bent = self.is_bent(node, followed.node, cluster.began(), t);
        if bent || !self.is_healthy(machines, node) {
            return None;
        }
        Some(machines[node].error(t) - cluster.error(&machines[followed.node], t))
    }

    fn look_at_bound(&mut self, machines: &[Machine], node: usize, t: Time<True>) {
        let Some((since, quality)) = self.of[node].quality else { return };
        let Some(error) = self.distance(machines, node, t).map(Offset::abs) else { return };
        let age = t.since(since);
        let growth = if self.is_served(node, since, t) {
            GROWTH
        } else {
            GROWTH + self.plan.scenario.limits.max_slew.abs()
        };
        let bound = quality.max_error + growth.gain_over(age.as_offset()).abs();
        self.check(node, Invariant::Bound, error <= bound, || {
            format!("{error:?} from cluster time, its bound is {bound:?}, {age:?} old")
        });
    }

    /// How far from cluster time each healthy node is: the obeyed master's, where all obey one.
    pub(super) fn distances(
        &self,
        machines: &[Machine],
        t: Time<True>,
    ) -> Option<Vec<(usize, Offset)>> {
        let master = self.master(machines)?;
        let (_, cluster) = self.of[master].rounds.back()?;
        let truth = cluster.error(&machines[master], t);
        let healthy = (0..machines.len()).filter(|&node| self.is_healthy(machines, node));
        Some(healthy.map(|node| (node, machines[node].error(t) - truth)).collect())
    }

    /// The master that closed a round last, of those that run.
    fn master(&self, machines: &[Machine]) -> Option<usize> {
        let masters = (0..machines.len())
            .filter(|&node| !self.of[node].rounds.is_empty() && machines[node].core.is_some());
        masters.max_by_key(|&node| self.of[node].rounds.back().map(|(_, cluster)| cluster.began()))
    }

    fn is_healthy(&self, machines: &[Machine], node: usize) -> bool {
        let is_twin = self.plan.twins.is_some_and(|(a, b)| node == a || node == b);
        machines[node].core.is_some() && !is_twin
    }

    /// Whose last master is not `master`, if anybody's.
    pub(super) fn astray(&self, machines: &[Machine]) -> Option<usize> {
        let master = self.master(machines)?;
        (0..machines.len())
            .filter(|&node| node != master && self.is_healthy(machines, node))
            .find(|&node| self.of[node].followed.is_none_or(|followed| followed.node != master))
    }

    fn applied(&mut self, node: usize) {
        let Some((header, round, sender, interval)) = self.of[node].offered.take() else {
            return self.check(node, Invariant::OneMaster, false, || {
                "it applied a delta that nobody had sent".to_owned()
            });
        };
        let claim = (header.term, header.rank, header.sender);
        let (id, boot, heard) = (header.sender, header.boot, self.now);
        // The average that it is about was made at the end of the round before.
        let formed = self.of[sender].closed >= FORMING;
        let rounds = self.of[sender].rounds.iter().rev();
        let told = rounds.filter(|_| formed).find(|(number, _)| *number < round);
        let cluster = told.map(|&(_, cluster)| cluster);
        let new = Followed { id, boot, claim, round, node: sender, interval, cluster, heard };
        let old = self.of[node].followed.replace(new);
        let Some(old) = old else { return };
        if (old.id, old.boot) == (id, boot) {
            let newer = claim > old.claim || claim == old.claim && round > old.round;
            self.check(node, Invariant::OneMaster, newer, || {
                format!("round {round} of {:?} after {} of {:?}", claim.0, old.round, old.claim.0)
            });
            return;
        }
        // A timer may be late by a millisecond, and oscillators differ.
        let patience = Span::from_secs_f64(2.9 * old.interval.as_secs_f64());
        let silent = self.now.since(old.heard) >= patience;
        let allowed = claim > old.claim || silent || old.id == id;
        self.check(node, Invariant::OneMaster, allowed, || {
            format!("it follows {:?} while {:?} is still heard", claim, old.claim)
        });
    }

    fn closed(&mut self, node: usize, round: u32, cluster: ClusterTime) {
        let of = &mut self.of[node];
        if of.rounds.len() == REMEMBERED {
            of.rounds.pop_front();
        }
        of.rounds.push_back((round, cluster));
        of.followed = None;
        of.closed = of.closed.saturating_add(1);
    }

    /// An update of a node's own course: what it may do to its clock follows from it.
    fn updated(&mut self, node: usize, rate: Rate) {
        let full = self.is_full(node);
        let of = &mut self.of[node];
        of.updates = of.updates.saturating_add(1);
        of.rate = Some(rate);
        of.learned = of.learned.saturating_add(1);
        let age = self.now.since(*of.began.get_or_insert(self.now));
        if of.learned >= LEARNED && age >= LEARNED_AFTER && !full {
            of.saved = Some(rate);
        }
    }
}

impl Witness for Watch<'_> {
    fn boots(&mut self, t: Time<True>, node: usize) {
        self.now = t;
        let of = &mut self.of[node];
        let (saved, look, stepped, sent) = (of.saved, of.look, of.stepped, of.sent);
        *of = Of { saved, look, stepped, sent, ..Of::default() };
    }

    fn sends(&mut self, t: Time<True>, node: usize, bytes: &mut Buffer) {
        self.now = t;
        self.of[node].sent += 1;
        let lies = self.plan.faults.iter().filter(|f| f.node == node && f.lasts(t));
        for fault in lies {
            if let Kind::Lies { lie } = fault.kind {
                lie.tell(&mut self.dice, bytes);
            }
        }
    }

    fn delivers(&mut self, t: Time<True>, node: usize, from: SocketAddr, bytes: &Buffer) {
        self.now = t;
        self.of[node].offered = None;
        let Ok(datagram) = Datagram::decode(&bytes[..]) else { return };
        let header = datagram.header;
        match datagram.message {
            Message::Adjust(adjust) => {
                let Some(sender) = owner(from) else { return };
                self.reigns(sender, &header);
                self.of[node].offered = Some((header, adjust.round, sender, adjust.interval));
            }
            Message::Leave(_) => {
                let left = self.of[node].followed.filter(|f| f.id == header.sender);
                if let Some(left) = left {
                    // Who has left binds nobody.
                    let claim = (Term(0), Rank(0), NodeId::UNKNOWN);
                    self.of[node].followed = Some(Followed { claim, ..left });
                }
                return;
            }
            Message::Poll(_) => {}
            // Anything else may be a slave's word, or a refusal.
            _ => return,
        }
        if let Some(followed) = &mut self.of[node].followed
            && followed.id == header.sender
        {
            followed.heard = t;
        }
    }

    fn says(&mut self, t: Time<True>, node: usize, machine: &Machine, event: &Event) {
        self.now = t;
        match event {
            Event::Adjusted(adjusted) => {
                self.applied(node);
                self.updated(node, adjusted.rate);
            }
            Event::Following(_) => (self.of[node].learned, self.of[node].began) = (0, None),
            Event::Round(round) => {
                self.closed(node, round.number, ClusterTime::new(node, machine, t, round));
                self.updated(node, round.rate);
            }
            _ => {}
        }
    }

    fn steers(
        &mut self,
        t: Time<True>,
        node: usize,
        adjustment: &Adjustment,
        before: Map<Local, Shown>,
        after: Map<Local, Shown>,
    ) {
        self.now = t;
        let (limits, updates) = (self.plan.scenario.limits, self.of[node].updates);
        let moved = after.reads - before.reading(after.at);
        if let Adjustment::Step { by, .. } = *adjustment {
            self.of[node].stepped = self.of[node].stepped + moved;
            let beyond = limits.step_threshold.is_some_and(|least| by.abs() > least);
            let allowed = (1..=limits.step_updates).contains(&updates) && beyond;
            self.check(node, Invariant::Step, allowed, || {
                format!("a step of {by:?} at update {updates}")
            });
            return;
        }
        self.check(node, Invariant::Step, moved.abs() <= Span::from_nanos(1), || {
            format!("a change of course moved it by {moved:?}")
        });
        if let (Adjustment::Run { rate }, Some(target)) = (*adjustment, self.of[node].rate) {
            let slew = target.reversed().on_top_of(rate);
            let most = limits.max_slew + Rate::from_ppb(2.0);
            self.check(node, Invariant::Slew, slew.abs() <= most, || {
                format!("it slews by {slew:?}, {:?} are allowed", limits.max_slew)
            });
        }
    }

    fn keeps(&mut self, t: Time<True>, node: usize) -> bool {
        self.now = t;
        !self.is_full(node)
    }

    fn publishes(&mut self, t: Time<True>, node: usize, quality: Quality) {
        self.of[node].quality = Some((t, quality));
    }
}
