//! Disasters: a LAN, its clocks, its network and a schedule of faults are drawn from a seed, the
//! real core runs in it, and what must always hold is checked all the time.
//!
//! `docs/chaos.md` says what is drawn and what is checked, with all exceptions.

mod excuse;
mod faults;
mod lies;
mod plan;
mod rules;
mod watch;

#[cfg(test)]
mod members;
#[cfg(test)]
mod mutants;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use serde::Serialize;

use self::faults::Kind;
use self::plan::Plan;
pub use self::rules::Invariant;
use self::watch::{Found, Watch};
use super::machine::{Boot, Machine};
use super::run::candidate;
use super::world::{World, address};
use crate::proto::{Candidate, Core, Identity, Master, Slave, SlaveSettings};
use crate::time::{Offset, Span, Time, True};
use crate::wire::{BootId, Name};

/// What everybody shows is looked at this often,
const LOOK: Span = Span::from_millis(100);
/// and bounds, tables and traffic this often.
const CLOSE_LOOK: u32 = 10;
/// The healthy come together within so much after the last fault, and so many rounds…
const SETTLE: Span = Span::from_secs(120);
const SETTLE_ROUNDS: u32 = 40;
/// …under one master, but for so many changes that take no longer than this, and so many rounds…
const CHANGES: u32 = 3;
const CHANGING: Span = Span::from_secs(3);
const CHANGING_ROUNDS: u32 = 3;
/// …to so much of cluster time, and what the network hides…
const NEAR: Span = Span::from_micros(100);
/// …unless they are further away than can be slewed; then they move at so much of the limit, and
/// the last of it, which is not worked off at the limit, takes so much longer.
const PACE: f64 = 0.7;
const TAIL: Span = Span::from_secs(25);

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disaster {
    /// The seed.
    pub seed: u64,
    /// How long the run was to last, in true time.
    pub duration_s: f64,
    /// Machines, the master included.
    pub nodes: usize,
    /// How many faults of each kind were drawn.
    pub faults: BTreeMap<&'static str, u64>,
    /// How often each invariant was checked.
    pub checks: BTreeMap<&'static str, u64>,
    /// Datagrams that were sent.
    pub packets: u64,
    /// The invariant that broke first, and ended the run.
    pub broken: Option<Broken>,
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// When, in true time since the beginning.
    pub at_s: f64,
    /// Whose.
    pub node: String,
    /// What was seen.
    pub what: String,
    /// What had been drawn: the LAN, and what was to befall whom.
    pub story: Vec<String>,
}

impl Disaster {
    /// The shortest run: shorter ones leave no time to come together.
    pub const SHORTEST: Span = Span::from_secs(6 * 60);
    /// The longest run.
    pub const LONGEST: Span = Span::from_secs(86_400);
}

/// The names of all kinds of faults, as they stand in [`Disaster::faults`].
pub fn fault_names() -> &'static [&'static str] {
    &Kind::NAMES
}

/// Draws a LAN and its disasters from `seed` and runs them for `length`, or until an invariant is
/// broken. What comes of it depends on the two alone.
///
/// # Panics
/// Where `length` is not within [`Disaster::SHORTEST`] … [`Disaster::LONGEST`]. A panic of a core
/// is a broken invariant and no panic.
pub fn disaster(seed: u64, length: Span) -> Disaster {
    run(seed, length, &|_, core| core)
}

/// Puts something around a node's core.
type Wrap<'a> = &'a dyn Fn(Boot, Box<dyn Core>) -> Box<dyn Core>;

fn run(seed: u64, length: Span, wrap: Wrap<'_>) -> Disaster {
    assert!((Disaster::SHORTEST..=Disaster::LONGEST).contains(&length), "{length:?}");
    run_plan(&Plan::draw(seed, length), seed, length, wrap, &mut |_, _| {})
}

/// Somebody who looks on.
type Onlooker<'a> = &'a mut dyn FnMut(&[Machine], Time<True>);

fn run_plan(
    plan: &Plan,
    seed: u64,
    length: Span,
    wrap: Wrap<'_>,
    onlooker: Onlooker<'_>,
) -> Disaster {
    let watch = Rc::new(RefCell::new(Watch::new(plan, seed)));
    let live = || live(plan, seed, length, &watch, wrap, onlooker);
    let packets = catch_unwind(AssertUnwindSafe(live));
    let panic = packets.as_ref().err().map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
    });
    let mut watch = watch.borrow_mut();
    let holds = panic.is_none();
    watch.check(0, Invariant::NoPanic, holds, || panic.unwrap_or_default());
    let mut faults: BTreeMap<_, _> = Kind::NAMES.into_iter().map(|name| (name, 0)).collect();
    for fault in &plan.faults {
        *faults.get_mut(Kind::NAMES[fault.kind.index()]).expect("all are there") += 1;
    }
    let broken = watch.found.take().map(|found| broken(plan, found));
    Disaster {
        seed,
        duration_s: length.as_secs_f64(),
        nodes: plan.scenario.nodes.len(),
        faults,
        checks: Invariant::ALL.iter().map(|one| one.name()).zip(watch.checks).collect(),
        packets: packets.unwrap_or(0),
        broken,
    }
}

fn broken(plan: &Plan, found: Found) -> Broken {
    Broken {
        invariant: found.invariant,
        at_s: (found.at - Time::from_nanos(0)).as_secs_f64(),
        node: plan.scenario.nodes[found.node].name.clone(),
        what: found.what,
        story: plan.story(),
    }
}

/// Lets everything happen; how many datagrams were sent.
fn live<'a>(
    plan: &'a Plan,
    seed: u64,
    length: Span,
    watch: &Rc<RefCell<Watch<'a>>>,
    wrap: Wrap<'a>,
    onlooker: Onlooker<'_>,
) -> u64 {
    let saved = watch.clone();
    let make = move |boot: Boot| wrap(boot, core(plan, &saved.borrow(), boot));
    let mut world = World::new(&plan.scenario, seed, Box::new(make));
    world.witness = Some(watch.clone());
    if let Some((one, other)) = plan.twins {
        world.machines[other].be_like(one);
    }
    plan.faults.iter().for_each(|fault| fault.befall(&mut world));
    let begin = Time::from_nanos(0);
    let last = plan.faults.iter().map(|fault| fault.until).max().unwrap_or(begin);
    let settled = last + SETTLE + plan.scenario.interval.times(SETTLE_ROUNDS);
    let mut after = Aftermath { last, settled, distances: BTreeMap::new(), astray: None, times: 0 };
    let (mut t, mut looks) = (begin, 0);
    while t <= begin + length && watch.borrow().found.is_none() {
        world.run_until(t);
        let mut watch = watch.borrow_mut();
        watch.look(&world.machines, t);
        onlooker(&world.machines, t);
        if looks % CLOSE_LOOK == 0 {
            watch.look_closely(&world.machines, t);
            after.look(plan, &mut watch, &world.machines, t);
        }
        world.said.clear();
        looks += 1;
        t = t + LOOK;
    }
    world.traffic.sent
}

/// What is asked of the healthy after the last fault.
struct Aftermath {
    last: Time<True>,
    settled: Time<True>,
    /// From cluster time, when the last fault was over.
    distances: BTreeMap<usize, Span>,
    /// Since when somebody follows another master than the rest, and how often that has been.
    astray: Option<Time<True>>,
    times: u32,
}

impl Aftermath {
    fn look(&mut self, plan: &Plan, watch: &mut Watch<'_>, machines: &[Machine], t: Time<True>) {
        if t < self.last {
            return;
        }
        let distances = watch.distances(machines, t);
        if t < self.settled {
            // The farthest of the whole time of grace: who starts anew is stepped at once.
            for (node, distance) in distances.into_iter().flatten() {
                let most = self.distances.entry(node).or_default();
                *most = distance.abs().max(*most);
            }
            return;
        }
        let Some(distances) = distances else {
            return watch.check(0, Invariant::Together, false, || "nobody is master".to_owned());
        };
        let astray = watch.astray(machines);
        let lost = astray.filter(|_| self.lasts(plan, t));
        self.astray = astray.and(self.astray.or(Some(t)));
        watch.check(lost.unwrap_or(0), Invariant::Together, lost.is_none(), || {
            "it follows another master, or none".to_owned()
        });
        let near = NEAR + plan.unmeasurable();
        for (node, distance) in distances {
            let allowed = near.max(self.left(plan, node, t));
            self.judge(watch, node, distance, allowed);
        }
    }

    /// Whether somebody has been astray for too long, or too often: where datagrams are lost a quorum
    /// may be out of sight for once, and another master is chosen.
    fn lasts(&mut self, plan: &Plan, t: Time<True>) -> bool {
        let Some(since) = self.astray else {
            self.times += 1;
            return self.times > CHANGES;
        };
        t.since(since) > CHANGING + plan.scenario.interval.times(CHANGING_ROUNDS)
    }

    /// What a node that was too far away for now may still have to go.
    fn left(&self, plan: &Plan, node: usize, t: Time<True>) -> Span {
        let from = self.distances.get(&node).copied().unwrap_or(Span::ZERO);
        let slewing = t.since(self.settled + TAIL).as_secs_f64();
        let gone = slewing * PACE * plan.scenario.limits.max_slew.as_ratio();
        from - Span::from_secs_f64(gone)
    }

    fn judge(&self, watch: &mut Watch<'_>, node: usize, distance: Offset, allowed: Span) {
        watch.check(node, Invariant::Together, distance.abs() <= allowed, || {
            format!("{distance:?} from cluster time, {allowed:?} are allowed")
        });
    }
}

/// The daemon that a machine starts: the first begins as master, those with a rank stand by, and all
/// know the addresses of these.
fn core(plan: &Plan, watch: &Watch<'_>, boot: Boot) -> Box<dyn Core> {
    let scenario = &plan.scenario;
    let identity = Identity {
        id: boot.id,
        boot: BootId(((boot.node as u32) << 16) + boot.number),
        name: Name::nearest(&scenario.nodes[boot.node].name),
    };
    let saved_rate = watch.saved(boot.node);
    let others = scenario.candidates().filter(|&node| node != boot.node).map(address);
    if scenario.candidates().any(|node| node == boot.node) {
        let mut settings = candidate(scenario, &boot, identity);
        settings.master.saved_rate = saved_rate;
        if !scenario.has_candidates() {
            let Boot { now, course, seed, .. } = boot;
            return Box::new(Master::new(now, settings.master, course, seed));
        }
        settings.masters = others.collect();
        settings.election.peers = settings.masters.clone();
        return Box::new(Candidate::new(boot.now, settings, boot.course, boot.seed));
    }
    let settings = SlaveSettings {
        masters: others.collect(),
        limits: scenario.limits,
        saved_rate,
        ..SlaveSettings::new(identity)
    };
    Box::new(Slave::new(boot.now, settings, boot.course, boot.seed))
}
