//! Clusters below clusters: what error each tier of relays adds.
//!
//! A relay is a slave of the cluster above and the master of one below: one machine, one clock. What
//! it was told of cluster time last it hands on ([`Master::relay`]); its own average steers nothing.
//! Nothing comes back up, so a cluster is simulated after the one above it, with the relay's crystal
//! and with what the relay was told, and forgotten when those below it are done. All instants are on
//! one true time, so that a leaf can be held against the root.
//!
//! Of clusters without relays a sample may do: none knows of its neighbours, so the others are alike.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use hdrhistogram::Histogram;

use super::dice::{Dice, Purpose};
use super::link::{Link, Path};
use super::machine::{Boot, EPOCH, Machine, Maker};
use super::oscillator::Oscillator;
use super::run::{identity, master, slave};
use super::scenario::{Node, Scenario};
use super::world::{Witness, World};
use crate::clock::Target;
use crate::proto::{Core, Counters, Event, Input, Master, Output};
use crate::time::{Local, Map, Offset, Shown, Span, Time, True};
use crate::wire::Buffer;

/// A tier is given so long to come together before the next one starts, or is scored.
const SETTLES: Span = Span::from_secs(60);
/// Errors are looked at this often.
const LOOK: Span = Span::from_secs(1);
/// Seeds of clusters are spread by the golden ratio of 2^64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// No error is counted as more, in ns.
const MOST_ERROR: u64 = 60_000_000_000;

/// What to build and how to look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tiers {
    /// How many there are below the root, 1 to [`Tiers::MOST`].
    pub tiers: u32,
    /// Slaves of each master and of each relay.
    pub fan_out: u64,
    /// At most so many nodes of the lowest tier are simulated, whole clusters of them.
    pub leaves: u64,
    /// How long the errors are looked at.
    pub duration: Span,
    /// The length of a round.
    pub interval: Span,
    /// Polls that each slave gets in a round.
    pub burst: u8,
    /// What all chance is drawn from.
    pub seed: u64,
}

/// What a tier's nodes show.
#[derive(Debug, Default)]
pub struct Tier {
    /// Nodes that were simulated.
    pub simulated: u64,
    /// Against the cluster time that their own master, or their relay, hands out.
    pub own: Errors,
    /// Against the root's.
    pub root: Errors,
}

/// Simulates what is below one relay of the highest cluster, by the relay's number.
pub type Work<'a> = dyn Fn(&u64) -> Vec<Tier> + Sync + 'a;
/// Takes in what comes of that.
pub type Take<'a> = dyn FnMut(Vec<Tier>) + Send + 'a;

/// Errors of many nodes at many moments.
#[derive(Debug)]
pub struct Errors {
    magnitudes: Histogram<u64>,
    /// Of nanoseconds, so that the order of summing does not matter.
    squares: u128,
}

/// The highest cluster, simulated: what is to be known of it for the others.
#[derive(Debug)]
struct Summit {
    relays: Vec<Relay>,
    /// Cluster time minus the truth, look by look.
    root: Vec<Offset>,
    /// Those of the lowest relays whose clusters are simulated.
    chosen: BTreeSet<u64>,
}

/// A slave that has a cluster below it.
#[derive(Debug)]
struct Relay {
    oscillator: Oscillator,
    told: Arc<[Target]>,
}

impl Default for Tiers {
    /// Two tiers of ten, all of them, looked at for two minutes, in the daemon's everyday rounds.
    fn default() -> Self {
        Self {
            tiers: 2,
            fan_out: 10,
            leaves: u64::MAX,
            duration: Span::from_secs(120),
            interval: Span::from_secs(1),
            burst: 4,
            seed: 1,
        }
    }
}

impl Tiers {
    /// The most tiers.
    pub const MOST: u32 = 4;

    /// The least fan-out with which `tiers` tiers have `nodes` nodes in the lowest.
    pub fn fan_out(nodes: u64, tiers: u32) -> u64 {
        let enough = |fan_out: u64| fan_out.checked_pow(tiers).is_none_or(|all| all >= nodes);
        let near = (nodes as f64).powf(1.0 / f64::from(tiers)) as u64;
        (near.saturating_sub(2).max(1)..).find(|&fan_out| enough(fan_out)).unwrap_or(nodes)
    }

    /// Nodes of a tier, the first being 1.
    pub fn nodes(&self, tier: u32) -> u64 {
        self.fan_out.saturating_pow(tier)
    }

    /// Simulates all of them; what was seen, tier by tier from the first on. `on_all` is to do the work that
    /// it is given for each of the jobs, and to hand on what comes of it, in whatever order and on as
    /// many threads as it likes.
    pub fn simulate(&self, on_all: impl FnOnce(&[u64], &Work<'_>, &mut Take<'_>)) -> Vec<Tier> {
        let mut root = Vec::new();
        let (first, relays) = self.cluster(1, self.seed, None, &mut root);
        let summit = Summit { relays, root, chosen: self.choose() };
        let mut all = vec![first];
        all.extend(self.lower());
        let branches: Vec<_> = (0..summit.relays.len() as u64).collect();
        // Sums of whole numbers: who is done first does not matter.
        on_all(&branches, &|&index| self.branch(&summit, index), &mut |below| {
            all[1..].iter_mut().zip(&below).for_each(|(tier, more)| tier.add(more));
        });
        all
    }

    /// All clusters below the relay `index` of the highest: the tiers from the second on.
    fn branch(&self, summit: &Summit, index: u64) -> Vec<Tier> {
        let mut tiers: Vec<_> = self.lower().collect();
        self.descend(summit, 2, index, &summit.relays[index as usize], &mut tiers);
        tiers
    }

    /// The tiers from the second on, of which nothing was seen yet.
    fn lower(&self) -> impl Iterator<Item = Tier> + use<> {
        (2..=self.tiers).map(|_| Tier::default())
    }

    /// The cluster below `relay`, which is the `number`-th of its tier, and those below that.
    fn descend(&self, summit: &Summit, tier: u32, number: u64, relay: &Relay, into: &mut [Tier]) {
        if tier == self.tiers && !summit.chosen.contains(&number) {
            return;
        }
        let seed = self.seed ^ GOLDEN.wrapping_mul((u64::from(tier) << 32) + number + 1);
        let mut root = summit.root.clone();
        let (book, relays) = self.cluster(tier, seed, Some(relay), &mut root);
        into[tier as usize - 2].add(&book);
        for (index, relay) in relays.iter().enumerate() {
            self.descend(summit, tier + 1, number * self.fan_out + index as u64, relay, into);
        }
    }

    /// Which of the lowest relays have a cluster that is simulated.
    fn choose(&self) -> BTreeSet<u64> {
        let of = self.nodes(self.tiers - 1);
        let most = self.leaves.div_ceil(self.fan_out.max(1)).clamp(1, of);
        let mut dice = Dice::new(self.seed, Purpose::Tiers);
        let mut chosen = BTreeSet::new();
        // Floyd's sample: as likely as any other, without a list of all.
        for last in of - most..of {
            let drawn = (dice.uniform() * (last + 1) as f64) as u64;
            if !chosen.insert(drawn.min(last)) {
                chosen.insert(last);
            }
        }
        chosen
    }

    /// From when on errors are looked at.
    fn begins(&self) -> Time<True> {
        Time::from_nanos(0) + SETTLES.times(self.tiers)
    }

    fn scenario(&self, tier: u32) -> Scenario {
        let (base, jitter) = (Span::from_micros(50), Span::from_micros(20));
        let link = Link::even(Path { base, jitter, ..Path::default() });
        let starts = Some(SETTLES.times(tier - 1));
        let node = Node { link, starts, ..Node::default() };
        let mut scenario = Scenario::uniform("tiers", self.fan_out as usize, &node);
        scenario.duration = SETTLES.times(self.tiers) + self.duration;
        (scenario.interval, scenario.burst) = (self.interval, self.burst);
        scenario
    }

    /// Simulates one cluster of a tier, which the master of all or a relay leads. The errors of the
    /// root are made where it is the highest, else they are there.
    fn cluster(
        &self,
        tier: u32,
        seed: u64,
        relay: Option<&Relay>,
        root: &mut Vec<Offset>,
    ) -> (Tier, Vec<Relay>) {
        let scenario = self.scenario(tier);
        let told = relay.map(|relay| Arc::clone(&relay.told));
        let mut world = World::new(&scenario, seed, maker(&scenario, told.clone()));
        if let Some(relay) = relay {
            world.machines[0].run_on(relay.oscillator.clone());
        }
        let ear = Rc::new(RefCell::new(Ear::new(scenario.nodes.len())));
        if tier < self.tiers {
            world.witness = Some(ear.clone());
        }
        let mut book = Tier { simulated: self.fan_out, ..Tier::default() };
        let looks = self.duration.as_nanos() / LOOK.as_nanos();
        for look in 0..looks as usize {
            let t = self.begins() + LOOK.times(look as u32);
            world.run_until(t);
            world.said.clear();
            let own = match &told {
                Some(told) => handed(told, &world.machines[0], t),
                None => world.cluster.as_ref().map(|c| c.error(&world.machines[0], t)),
            };
            let Some(own) = own else { continue };
            if tier == 1 {
                root.push(own);
            }
            for machine in &world.machines[1..] {
                let error = machine.error(t);
                book.own.note(error - own);
                book.root.note(error - root.get(look).copied().unwrap_or(own));
            }
        }
        if tier == self.tiers {
            return (book, Vec::new());
        }
        let told = std::mem::take(&mut ear.borrow_mut().told);
        let machines = world.machines.iter().zip(told).skip(1);
        let relay = |(machine, told): (&Machine, Vec<Target>)| Relay {
            oscillator: machine.oscillator().clone(),
            told: told.into(),
        };
        (book, machines.map(relay).collect())
    }
}

/// The cluster time that a relay hands out, minus the truth.
fn handed(told: &[Target], machine: &Machine, t: Time<True>) -> Option<Offset> {
    let local = machine.local(t);
    let newest = told.partition_point(|target| target.map.at <= local).checked_sub(1)?;
    let reads = Time::<Shown>::from_nanos(told[newest].map.reading(local).as_nanos());
    Some(reads - EPOCH - Offset::from_nanos(t.as_nanos()))
}

fn maker(scenario: &Scenario, told: Option<Arc<[Target]>>) -> Maker<'_> {
    Box::new(move |boot: Boot| -> Box<dyn Core> {
        let identity = identity(scenario, &boot);
        if boot.node > 0 {
            return slave(scenario, boot, identity);
        }
        let settings = master(scenario, identity);
        let master = Master::new(boot.now, settings, boot.course, boot.seed);
        match &told {
            None => Box::new(master),
            Some(told) => {
                Box::new(Lower { master: master.relay(), told: Arc::clone(told), next: 0 })
            }
        }
    })
}

/// The half of a relay that is a master.
struct Lower {
    master: Master,
    told: Arc<[Target]>,
    next: usize,
}

impl Core for Lower {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        self.master.handle(now, input);
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        while let Some(target) = self.told.get(self.next).filter(|target| target.map.at <= now) {
            self.master.lead(*target);
            self.next += 1;
        }
        self.master.poll(now, buffer)
    }

    fn deadline(&self) -> Option<Time<Local>> {
        let next = self.told.get(self.next).map(|target| target.map.at);
        self.master.deadline().into_iter().chain(next).min()
    }

    fn done(&self) -> bool {
        self.master.done()
    }

    fn counters(&self) -> &Counters {
        self.master.counters()
    }
}

/// Hears what each slave is told of cluster time.
struct Ear {
    told: Vec<Vec<Target>>,
}

impl Ear {
    fn new(nodes: usize) -> Self {
        Self { told: vec![Vec::new(); nodes] }
    }
}

impl Witness for Ear {
    fn says(&mut self, t: Time<True>, node: usize, machine: &Machine, event: &Event) {
        let Event::Adjusted(adjusted) = event else { return };
        // It is told before the clock is steered by it.
        let reads = machine.shown(t) - adjusted.offset;
        let at = machine.local(t);
        let map = Map { at, reads: Time::from_nanos(reads.as_nanos()), rate: adjusted.rate };
        let (sigma, bound) = (adjusted.sigma, adjusted.bound);
        let until = at + Span::from_secs(10);
        self.told[node].push(Target { map, sigma, bound, doubt: bound, until });
    }
}

impl Tier {
    /// Takes in what was seen of others of this tier.
    fn add(&mut self, other: &Tier) {
        self.simulated += other.simulated;
        self.own.add(&other.own);
        self.root.add(&other.root);
    }
}

impl Default for Errors {
    fn default() -> Self {
        let magnitudes = Histogram::new_with_bounds(1, MOST_ERROR, 3).expect("good limits");
        Self { magnitudes, squares: 0 }
    }
}

impl Errors {
    fn note(&mut self, error: Offset) {
        let nanos = error.abs().as_nanos().min(MOST_ERROR);
        self.magnitudes.saturating_record(nanos);
        self.squares += u128::from(nanos).pow(2);
    }

    fn add(&mut self, other: &Errors) {
        self.magnitudes.add(&other.magnitudes).expect("the same limits");
        self.squares += other.squares;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.magnitudes.len()
    }

    /// The root of their mean square, in seconds; zero of none.
    pub fn rms_s(&self) -> f64 {
        (self.squares as f64 / self.count().max(1) as f64).sqrt() * 1e-9
    }

    /// So large a share of them is no greater; to three digits.
    pub fn quantile(&self, share: f64) -> Span {
        Span::from_nanos(self.magnitudes.value_at_quantile(share))
    }

    /// The greatest, to three digits.
    pub fn max(&self) -> Span {
        Span::from_nanos(self.magnitudes.max())
    }
}
