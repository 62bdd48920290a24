//! A scenario from a TOML file.

use serde::Deserialize;
use toml::Spanned;

use super::link::{Mishap, Path, Queue};
use super::oscillator::Sway;
use super::quantity::{In, Share};
use super::scenario::{Draw, Incident, Node, Scenario, Way, What};
use crate::proto::{Average, Source};
use crate::time::{Offset, Rate, Span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    duration: Option<In<Span>>,
    warm_up: Option<In<Span>>,
    interval: Option<In<Span>>,
    burst: Option<u8>,
    tolerance: Option<In<Span>>,
    max_rtt: Option<In<Span>>,
    average: Option<Averaging>,
    max_slew: Option<In<Rate>>,
    step_threshold: Option<In<Span>>,
    slaves: Option<Spanned<usize>>,
    #[serde(default)]
    clock: ClockTable,
    #[serde(default)]
    link: LinkTable,
    #[serde(default)]
    driver: DriverTable,
    #[serde(default)]
    node: Vec<Spanned<NodeTable>>,
    #[serde(default)]
    incident: Vec<Spanned<IncidentTable>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Averaging {
    Plain,
    Trimmed,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ClockTable {
    offset: Option<In<Draw<Offset>>>,
    rate: Option<In<Draw<Rate>>>,
    wander: Option<In<Rate>>,
    sway: Option<SwayTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwayTable {
    amplitude: In<Rate>,
    period: In<Span>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LinkTable {
    base: Option<In<Span>>,
    jitter: Option<In<Span>>,
    gauss: Option<In<Span>>,
    queue: Option<QueueTable>,
    tail: Option<MishapTable>,
    hold: Option<MishapTable>,
    loss: Option<In<Share>>,
    duplicate: Option<In<Share>>,
    forth: Option<Box<LinkTable>>,
    back: Option<Box<LinkTable>>,
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DriverTable {
    turnaround: Option<In<Span>>,
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
struct NodeTable {
    number: usize,
    name: Option<String>,
    #[serde(default)]
    faulty: bool,
    starts: Option<In<Span>>,
    #[serde(default)]
    clock: ClockTable,
    #[serde(default)]
    link: LinkTable,
    #[serde(default)]
    driver: DriverTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentTable {
    at: In<Span>,
    node: usize,
    jump: Option<In<Offset>>,
    drift: Option<In<Rate>>,
    delay: Option<DelayTable>,
    cut: Option<CutTable>,
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

/// What is wrong, and which bytes of the file it is about.
type Fault = (String, Option<std::ops::Range<usize>>);

impl Scenario {
    /// A scenario from a file. What is not set is as in a plain cluster: an hour, a warm-up of
    /// 10 min, a master and five slaves, a round each second with a burst of four; clocks within
    /// ±50 ms and ±50 ppm whose rates wander by 1 ppb a second; a network without delay.
    ///
    /// ```
    /// let scenario = campanile::sim::Scenario::from_toml(r#"
    ///     name = "two rooms"
    ///     duration = "30m"
    ///     slaves = 7
    ///     clock = { offset = "±100ms", rate = "±20ppm", wander = "1ppb" }
    ///
    ///     [link]                        # of every slave, both ways
    ///     base = "50us"
    ///     jitter = "20us"               # mean of an exponential
    ///     back = { loss = "2%" }        # from the slaves only
    ///
    ///     [[node]]                      # 1 is the master
    ///     number = 8
    ///     faulty = true                 # left out of the score
    ///     clock = { rate = "400ppm" }
    ///
    ///     [[incident]]
    ///     at = "15m"
    ///     node = 8
    ///     jump = "500ms"                # or: drift, delay, cut, daemon = "kill", "stop", "start"
    /// "#)?;
    /// assert_eq!(scenario.nodes.len(), 8);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// One line: where (line and column), what, and what is allowed. Unknown keys are refused.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let parsed = toml::from_str::<File>(text);
        let scenario = parsed
            .map_err(|error| (error.message().to_owned(), error.span()))
            .and_then(File::scenario)
            .and_then(|scenario| match scenario.check() {
                Ok(()) => Ok(scenario),
                Err(error) => Err((error, None)),
            });
        scenario.map_err(|(what, span)| {
            let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
            match span {
                Some(span) => format!("{}: {what}", place(text, span.start)),
                None => what,
            }
        })
    }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    format!("line {line}, column {}", before[line_start..].chars().count() + 1)
}

impl File {
    fn scenario(self) -> Result<Scenario, Fault> {
        let slaves = match &self.slaves {
            Some(slaves) if *slaves.get_ref() >= Scenario::MAX_NODES => {
                let most = Scenario::MAX_NODES - 1;
                return Err((format!("allowed is 0 to {most} slaves"), Some(slaves.span())));
            }
            slaves => slaves.as_ref().map_or(5, |slaves| *slaves.get_ref()),
        };
        let mut every = Node::default();
        self.clock.apply(&mut every);
        self.link.apply(&mut every);
        self.driver.apply(&mut every);
        let mut scenario = Scenario::uniform(&self.name, slaves, &every);
        let limits = &mut scenario.limits;
        set(&mut limits.max_slew, self.max_slew);
        limits.step_threshold = self.step_threshold.map_or(limits.step_threshold, |s| Some(s.0));
        set(&mut scenario.interval, self.interval);
        set(&mut scenario.tolerance, self.tolerance);
        set(&mut scenario.max_rtt, self.max_rtt);
        scenario.burst = self.burst.unwrap_or(scenario.burst);
        scenario.average = match self.average {
            Some(Averaging::Plain) => Average::Plain,
            Some(Averaging::Trimmed) => Average::Trimmed,
            None => scenario.average,
        };
        scenario = scenario.lasting(self.duration.map_or(Span::from_secs(3_600), |d| d.0));
        set(&mut scenario.warm_up, self.warm_up);
        for table in self.node {
            let span = table.span();
            table.into_inner().apply(&mut scenario).map_err(|error| (error, Some(span)))?;
        }
        for table in self.incident {
            let span = table.span();
            let incident = table.into_inner().incident(&scenario);
            scenario.incidents.push(incident.map_err(|error| (error, Some(span)))?);
        }
        Ok(scenario)
    }
}

fn set<T>(place: &mut T, value: Option<In<T>>) {
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
    fn apply(self, scenario: &mut Scenario) -> Result<(), String> {
        let index = index(scenario, self.number)?;
        let node = &mut scenario.nodes[index];
        node.name = self.name.unwrap_or_else(|| node.name.clone());
        node.faulty = self.faulty;
        node.starts = self.starts.map_or(node.starts, |starts| Some(starts.0));
        self.clock.apply(node);
        self.link.apply(node);
        self.driver.apply(node);
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
    }
}

impl LinkTable {
    fn apply(&self, node: &mut Node) {
        for path in [&mut node.link.forth, &mut node.link.back] {
            self.apply_to(path);
        }
        if let Some(forth) = &self.forth {
            forth.apply_to(&mut node.link.forth);
        }
        if let Some(back) = &self.back {
            back.apply_to(&mut node.link.back);
        }
    }

    fn apply_to(&self, path: &mut Path) {
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
    fn apply(&self, node: &mut Node) {
        let driver = &mut node.driver;
        set(&mut driver.turnaround, self.turnaround);
        set(&mut driver.timer_late, self.timer_late);
        set(&mut driver.send_delay, self.send_delay);
        set(&mut driver.noise.jitter, self.stamp_jitter);
        set(&mut driver.noise.scatter, self.stamp_scatter);
        driver.noise.early = self.stamp_early.as_ref().map(MishapTable::mishap);
        driver.stamps = match self.stamps {
            Some(Stamping::Daemon) => Source::Daemon,
            Some(Stamping::Kernel) => Source::Kernel,
            Some(Stamping::Hardware) => Source::Hardware,
            None => driver.stamps,
        };
    }
}

impl IncidentTable {
    fn incident(self, scenario: &Scenario) -> Result<Incident, String> {
        let mut happens = Vec::new();
        happens.extend(self.jump.map(|by| What::Jump(by.0)));
        happens.extend(self.drift.map(|rate| What::Drift(rate.0)));
        happens.extend(self.delay.map(|delay| What::Delay {
            way: delay.way.into(),
            add: delay.add.map_or(Span::ZERO, |add| add.0),
            up_to: delay.up_to.map_or(Span::ZERO, |up_to| up_to.0),
            lasts: delay.lasts.map(|lasts| lasts.0),
        }));
        happens.extend(self.cut.map(|cut| What::Cut {
            way: cut.way.into(),
            lasts: cut.lasts.map(|lasts| lasts.0),
        }));
        happens.extend(self.daemon.map(|daemon| match daemon {
            Daemon::Kill => What::Kill,
            Daemon::Stop => What::Stop,
            Daemon::Start => What::Start,
        }));
        let [what] = happens[..] else {
            return Err("an incident is one of jump, drift, delay, cut, daemon".to_owned());
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
