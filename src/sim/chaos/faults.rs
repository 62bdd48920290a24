//! What befalls a simulated LAN: kinds of faults, and how each is done to a world.

use super::super::link::{Mishap, Spell};
use super::super::machine::EPOCH;
use super::super::world::{Blow, Front, World};
use super::lies::Lie;
use crate::time::{Offset, Rate, Shown, Span, Time, True};

/// A set of nodes, one bit each.
pub(super) type Nodes = u64;
/// Every node.
pub(super) const ALL: Nodes = u64::MAX;

/// What a fault is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// The daemon is killed, and started again at the end.
    Kill,
    /// The daemon takes leave, and comes back at the end.
    Leave,
    /// The daemon dies and comes back every so often.
    Loop {
        /// From one start to the next.
        every: Span,
    },
    /// The machine goes down and boots at the end, with this on its clock.
    Reboot { shows: Time<Shown> },
    /// The daemon is stopped (SIGSTOP); the kernel goes on receiving for it.
    Stop,
    /// The virtual machine is paused; its counter goes on.
    Pause,
    /// The virtual machine is paused, and its counter with it.
    Suspend,
    /// The counter stands still; the daemon does not.
    Frozen,
    /// The counter jumps.
    Jump { by: Offset },
    /// The oscillator runs away for a while.
    Runaway { by: Rate },
    /// Nothing passes between these nodes and the others.
    Partition { side: Nodes },
    /// Nothing passes from these nodes to the others.
    OneWay { side: Nodes },
    /// So much is lost.
    Loss { on: Nodes, ratio: f64 },
    /// So much comes twice.
    Duplication { on: Nodes, ratio: f64 },
    /// So much is held back by so much, and overtaken.
    Reordering { on: Nodes, ratio: f64, by: Span },
    /// Everything takes a while longer, by chance.
    Delay { on: Nodes, up_to: Span },
    /// The node says of itself, or to its slaves, what is not so.
    Lies { lie: Lie },
    /// Nothing can be written to the state directory.
    DiskFull,
}

impl Kind {
    /// All there are, as reports name them.
    pub(super) const NAMES: [&'static str; 18] = [
        "kill",
        "leave",
        "restart_loop",
        "reboot",
        "stop",
        "pause",
        "suspend",
        "frozen_clock",
        "clock_jump",
        "runaway",
        "partition",
        "one_way",
        "loss",
        "duplication",
        "reordering",
        "delay",
        "lies",
        "disk_full",
    ];

    /// Its place in [`Kind::NAMES`].
    pub(super) fn index(&self) -> usize {
        match self {
            Kind::Kill => 0,
            Kind::Leave => 1,
            Kind::Loop { .. } => 2,
            Kind::Reboot { .. } => 3,
            Kind::Stop => 4,
            Kind::Pause => 5,
            Kind::Suspend => 6,
            Kind::Frozen => 7,
            Kind::Jump { .. } => 8,
            Kind::Runaway { .. } => 9,
            Kind::Partition { .. } => 10,
            Kind::OneWay { .. } => 11,
            Kind::Loss { .. } => 12,
            Kind::Duplication { .. } => 13,
            Kind::Reordering { .. } => 14,
            Kind::Delay { .. } => 15,
            Kind::Lies { .. } => 16,
            Kind::DiskFull => 17,
        }
    }

    /// Whether the node's own counter does what no quartz does.
    pub(super) fn bends_local(&self) -> bool {
        matches!(
            self,
            Kind::Suspend
                | Kind::Frozen
                | Kind::Jump { .. }
                | Kind::Runaway { .. }
                | Kind::Reboot { .. }
        )
    }
}

/// Delays of more hide for a while that a counter's rate has changed: 100 ppm are no more than they after
/// ten seconds.
const DROWNS: Span = Span::from_millis(1);

/// Whether either end of a link is in the set.
fn meets(on: Nodes, node: usize, master: usize) -> bool {
    [node, master].iter().any(|end| on >> end & 1 == 1)
}

/// A fault: what, to whom, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fault {
    pub(super) from: Time<True>,
    pub(super) until: Time<True>,
    /// The node it befalls; of a fault of the network the one it was drawn for.
    pub(super) node: usize,
    pub(super) kind: Kind,
}

impl Fault {
    pub(super) fn lasts(&self, t: Time<True>) -> bool {
        self.from <= t && t < self.until
    }

    /// Whether little or nothing of what `master` measures of `node` comes through meanwhile, of round
    /// trips that may last no longer than `max_rtt`.
    pub(super) fn hides(&self, node: usize, master: usize, max_rtt: Span) -> bool {
        match self.kind {
            Kind::Partition { .. } | Kind::OneWay { .. } => true,
            Kind::Stop | Kind::Pause => [node, master].contains(&self.node),
            Kind::Loss { on, .. } => meets(on, node, master),
            Kind::Delay { on, up_to } => meets(on, node, master) && up_to.times(2) > max_rtt,
            _ => false,
        }
    }

    /// Whether a rate that has changed drowns in what `master` measures of `node` meanwhile.
    pub(super) fn drowns(&self, node: usize, master: usize) -> bool {
        matches!(self.kind, Kind::Delay { on, up_to } if meets(on, node, master) && up_to > DROWNS)
    }

    /// Does it to a world that has not begun. Faults come in the order of their beginnings.
    pub(super) fn befall(&self, world: &mut World<'_>) {
        let Fault { from, until, node, kind } = *self;
        match kind {
            Kind::Kill => self.down(world, Blow::Kill),
            Kind::Leave => self.down(world, Blow::Stop),
            Kind::Loop { every } => {
                let mut at = from;
                while at < until {
                    world.plan_blow(at, node, Blow::Kill);
                    world.plan_blow(at + every.over(2), node, Blow::Start);
                    at = at + every;
                }
                world.plan_blow(until, node, Blow::Start);
            }
            Kind::Reboot { shows } => {
                world.plan_blow(from, node, Blow::Kill);
                let oscillator = world.machines[node].oscillator_mut();
                let booted = Time::from_nanos(20_000_000_000);
                let by = booted - oscillator.reading(until);
                oscillator.jump(until, by);
                world.plan_blow(until, node, Blow::Boot { shows });
                world.plan_blow(until, node, Blow::Start);
            }
            Kind::Stop => world.plan_blow(from, node, Blow::Pause { until, hears: true }),
            Kind::Pause => world.plan_blow(from, node, Blow::Pause { until, hears: false }),
            Kind::Suspend => {
                world.machines[node].oscillator_mut().freeze(from, until);
                world.plan_blow(from, node, Blow::Pause { until, hears: false });
            }
            Kind::Frozen => world.machines[node].oscillator_mut().freeze(from, until),
            Kind::Jump { by } => world.machines[node].oscillator_mut().jump(from, by),
            Kind::Runaway { by } => {
                let oscillator = world.machines[node].oscillator_mut();
                oscillator.drift(from, by);
                oscillator.drift(until, Rate::ZERO - by);
            }
            Kind::Lies { .. } | Kind::DiskFull => {}
            _ => self.weather(world),
        }
    }

    fn down(&self, world: &mut World<'_>, blow: Blow) {
        world.plan_blow(self.from, self.node, blow);
        world.plan_blow(self.until, self.node, Blow::Start);
    }

    fn weather(&self, world: &mut World<'_>) {
        let spell = Spell::calm(self.from, self.until);
        let cut = Spell { cut: true, ..spell };
        let mut front = |from, to, spell| world.fronts.push(Front { from, to, spell });
        let (on, spell) = match self.kind {
            Kind::Partition { side } => {
                front(side, !side, cut);
                return front(!side, side, cut);
            }
            Kind::OneWay { side } => return front(side, !side, cut),
            Kind::Loss { on, ratio } => (on, Spell { loss: ratio, ..spell }),
            Kind::Duplication { on, ratio } => (on, Spell { duplicate: ratio, ..spell }),
            Kind::Reordering { on, ratio, by } => {
                (on, Spell { hold: Some(Mishap { ratio, by }), ..spell })
            }
            Kind::Delay { on, up_to } => (on, Spell { up_to, ..spell }),
            _ => return,
        };
        front(on, ALL, spell);
        if on != ALL {
            front(!on, on, spell);
        }
    }
}

/// What a machine without a battery shows when it boots, and what one with a wrong date may.
pub(super) fn wrong_date(share: f64) -> Time<Shown> {
    let year = Offset::from_nanos(365 * 86_400 * 1_000_000_000);
    let years = |n: f64| Offset::from_secs_f64(year.as_secs_f64() * n);
    match share {
        s if s < 0.5 => Time::from_nanos(0),
        s => EPOCH + years((s - 0.75) * 40.0),
    }
}
