//! The tables of a scenario file, and what they set.

use serde::Deserialize;

use super::link::{Link, Mishap, Path, Queue};
use super::oscillator::Sway;
use super::quantity::{In, Share};
use super::scenario::{Draw, Driver, Incident, Node, Scenario, Way, What};
use super::shown::ClockKind;
use crate::proto::Source;
use crate::time::{Offset, Rate, Span};

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Averaging {
    Plain,
    Trimmed,
    Ensemble,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockTable {
    offset: Option<In<Draw<Offset>>>,
    rate: Option<In<Draw<Rate>>>,
    wander: Option<In<Rate>>,
    sway: Option<SwayTable>,
    shows: Option<Showing>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Showing {
    Virtual,
    Kernel,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwayTable {
    amplitude: In<Rate>,
    period: In<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PathTable {
    base: Option<In<Span>>,
    jitter: Option<In<Span>>,
    gauss: Option<In<Span>>,
    queue: Option<QueueTable>,
    tail: Option<MishapTable>,
    hold: Option<MishapTable>,
    loss: Option<In<Share>>,
    duplicate: Option<In<Share>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueTable {
    every: u32,
    length: u32,
    wait: In<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MishapTable {
    share: In<Share>,
    by: In<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DriverTable {
    turnaround: Option<In<Span>>,
    turnaround_jitter: Option<In<Span>>,
    timer_late: Option<In<Span>>,
    send_delay: Option<In<Span>>,
    stamps: Option<Stamping>,
    stamp_jitter: Option<In<Span>>,
    stamp_scatter: Option<In<Span>>,
    stamp_early: Option<MishapTable>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Stamping {
    Daemon,
    Kernel,
    Hardware,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeTable {
    number: usize,
    name: Option<String>,
    #[serde(default)]
    faulty: bool,
    starts: Option<In<Span>>,
    rank: Option<u8>,
    clock: Option<ClockTable>,
    link: Option<PathTable>,
    forth: Option<PathTable>,
    back: Option<PathTable>,
    driver: Option<DriverTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentTable {
    at: In<Span>,
    node: usize,
    jump: Option<In<Offset>>,
    drift: Option<In<Rate>>,
    scatter: Option<In<Span>>,
    delay: Option<DelayTable>,
    cut: Option<CutTable>,
    apart: Option<ApartTable>,
    daemon: Option<Daemon>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DelayTable {
    #[serde(default)]
    way: Direction,
    add: Option<In<Span>>,
    up_to: Option<In<Span>>,
    lasts: Option<In<Span>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CutTable {
    #[serde(default)]
    way: Direction,
    lasts: Option<In<Span>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApartTable {
    from: usize,
    lasts: Option<In<Span>>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Forth,
    Back,
    #[default]
    Both,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Daemon {
    Kill,
    Stop,
    Start,
}

/// What can be set for all nodes and for one.
pub(super) struct OfNode {
    pub(super) clock: Option<ClockTable>,
    pub(super) link: Option<PathTable>,
    pub(super) forth: Option<PathTable>,
    pub(super) back: Option<PathTable>,
    pub(super) driver: Option<DriverTable>,
}

pub(super) fn set<T>(place: &mut T, value: Option<In<T>>) {
    if let Some(In(value)) = value {
        *place = value;
    }
}

/// The index of the node with this number, which counts from 1.
fn index(scenario: &Scenario, number: usize) -> Result<usize, String> {
    let nodes = scenario.nodes.len();
    let index = number.checked_sub(1).filter(|&index| index < nodes);
    index.ok_or_else(|| format!("there is no node {number}, only 1 (the master) to {nodes}"))
}

impl NodeTable {
    pub(super) fn apply(self, scenario: &mut Scenario) -> Result<(), String> {
        let index = index(scenario, self.number)?;
        let node = &mut scenario.nodes[index];
        node.name = self.name.unwrap_or_else(|| node.name.clone());
        node.faulty = self.faulty;
        node.rank = self.rank.or(node.rank);
        node.starts = self.starts.map_or(node.starts, |starts| Some(starts.0));
        let own = OfNode {
            clock: self.clock,
            link: self.link,
            forth: self.forth,
            back: self.back,
            driver: self.driver,
        };
        own.apply(node);
        Ok(())
    }
}

impl ClockTable {
    fn apply(&self, node: &mut Node) {
        set(&mut node.offset, self.offset);
        set(&mut node.rate, self.rate);
        set(&mut node.wander, self.wander);
        if let Some(sway) = &self.sway {
            node.sway = Some(Sway { amplitude: sway.amplitude.0, period: sway.period.0 });
        }
        node.shows = match self.shows {
            Some(Showing::Virtual) => ClockKind::Virtual,
            Some(Showing::Kernel) => ClockKind::Kernel,
            None => node.shows,
        };
    }
}

impl OfNode {
    pub(super) fn apply(self, node: &mut Node) {
        let Link { forth, back } = &mut node.link;
        if let Some(link) = &self.link {
            link.apply(forth);
            link.apply(back);
        }
        if let Some(path) = self.forth {
            path.apply(forth);
        }
        if let Some(path) = self.back {
            path.apply(back);
        }
        if let Some(clock) = self.clock {
            clock.apply(node);
        }
        if let Some(driver) = self.driver {
            driver.apply(&mut node.driver);
        }
    }
}

impl PathTable {
    fn apply(&self, path: &mut Path) {
        set(&mut path.base, self.base);
        set(&mut path.jitter, self.jitter);
        set(&mut path.gauss, self.gauss);
        path.loss = self.loss.map_or(path.loss, |loss| loss.0.0);
        path.duplicate = self.duplicate.map_or(path.duplicate, |duplicate| duplicate.0.0);
        if let Some(queue) = &self.queue {
            let QueueTable { every, length, wait } = *queue;
            path.queue = Some(Queue { every, length, wait: wait.0 });
        }
        path.tail = self.tail.as_ref().map(MishapTable::mishap).or(path.tail);
        path.hold = self.hold.as_ref().map(MishapTable::mishap).or(path.hold);
    }
}

impl MishapTable {
    fn mishap(&self) -> Mishap {
        Mishap { ratio: self.share.0.0, by: self.by.0 }
    }
}

impl DriverTable {
    fn apply(&self, driver: &mut Driver) {
        set(&mut driver.turnaround, self.turnaround);
        set(&mut driver.turnaround_jitter, self.turnaround_jitter);
        set(&mut driver.timer_late, self.timer_late);
        set(&mut driver.send_delay, self.send_delay);
        set(&mut driver.noise.jitter, self.stamp_jitter);
        set(&mut driver.noise.scatter, self.stamp_scatter);
        let early = self.stamp_early.as_ref().map(MishapTable::mishap);
        driver.noise.early = early.or(driver.noise.early);
        driver.stamps = match self.stamps {
            Some(Stamping::Daemon) => Source::Daemon,
            Some(Stamping::Kernel) => Source::Kernel,
            Some(Stamping::Hardware) => Source::Hardware,
            None => driver.stamps,
        };
    }
}

impl IncidentTable {
    pub(super) fn incident(self, scenario: &Scenario) -> Result<Incident, String> {
        let mut happens = Vec::new();
        happens.extend(self.jump.map(|by| What::Jump(by.0)));
        happens.extend(self.drift.map(|rate| What::Drift(rate.0)));
        happens.extend(self.scatter.map(|by| What::Scatter(by.0)));
        happens.extend(self.delay.map(|delay| What::Delay {
            way: delay.way.into(),
            add: delay.add.map_or(Span::ZERO, |add| add.0),
            up_to: delay.up_to.map_or(Span::ZERO, |up_to| up_to.0),
            lasts: delay.lasts.map(|lasts| lasts.0),
        }));
        happens.extend(
            self.cut.map(|cut| What::Cut {
                way: cut.way.into(),
                lasts: cut.lasts.map(|lasts| lasts.0),
            }),
        );
        if let Some(apart) = self.apart {
            let from = index(scenario, apart.from)?;
            happens.push(What::Apart { from, lasts: apart.lasts.map(|lasts| lasts.0) });
        }
        happens.extend(self.daemon.map(|daemon| match daemon {
            Daemon::Kill => What::Kill,
            Daemon::Stop => What::Stop,
            Daemon::Start => What::Start,
        }));
        let [what] = happens[..] else {
            return Err(
                "an incident is one of jump, drift, scatter, delay, cut, apart, daemon".to_owned()
            );
        };
        Ok(Incident { at: self.at.0, node: index(scenario, self.node)?, what })
    }
}

impl From<Direction> for Way {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Forth => Way::Forth,
            Direction::Back => Way::Back,
            Direction::Both => Way::Both,
        }
    }
}
