//! What to simulate: nodes, their clocks and networks, and what befalls them. Plain data.

use super::link::{Link, Mishap};
use super::oscillator::Sway;
use super::shown::ClockKind;
use crate::clock::Limits;
use crate::proto::{Average, MasterSettings, Source};
use crate::time::{Offset, Rate, Span};
use crate::units::show_span;

/// A value that is given, or drawn anew for each seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw<T> {
    /// Exactly this.
    Exactly(T),
    /// Uniform within ± this.
    Within(T),
}

/// How a node's stamps are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StampNoise {
    /// The mean of an exponential delay between wire and stamp: a receive stamp is late and a
    /// transmit stamp early, as a kernel's are.
    pub jitter: Span,
    /// Uniform ± this on every stamp: a clock that lies at random.
    pub scatter: Span,
    /// Single stamps that are too early by exactly so much.
    pub early: Option<Mishap>,
}

/// How a node's daemon is driven.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Driver {
    /// From a datagram's arrival until the daemon is awake and handles it.
    pub turnaround: Span,
    /// The mean of an exponential wait on top of it.
    pub turnaround_jitter: Span,
    /// A timer is late by a uniform 0 … so much.
    pub timer_late: Span,
    /// From the daemon's sending until the datagram leaves.
    pub send_delay: Span,
    /// Who stamps. [`Source::Daemon`]: reading by reading, with all its delays; the others stamp
    /// the moments of arrival and departure, and report the latter afterwards.
    pub stamps: Source,
    /// How the stamps are wrong.
    pub noise: StampNoise,
}

impl Default for Driver {
    /// Perfect kernel stamps, a daemon awake after 20 µs, timers up to a millisecond late.
    fn default() -> Self {
        Self {
            turnaround: Span::from_micros(20),
            turnaround_jitter: Span::ZERO,
            timer_late: Span::from_millis(1),
            send_delay: Span::ZERO,
            stamps: Source::Kernel,
            noise: StampNoise::default(),
        }
    }
}

/// One machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What people call it.
    pub name: String,
    /// What it shows at the beginning, minus the truth.
    pub offset: Draw<Offset>,
    /// Its oscillator's rate at the beginning.
    pub rate: Draw<Rate>,
    /// The deviation by which its rate moves each second.
    pub wander: Rate,
    /// A periodic swing of its rate.
    pub sway: Option<Sway>,
    /// Which clock it shows.
    pub shows: ClockKind,
    /// Its network: `forth` comes from the master (from a node named before it), `back` goes there.
    pub link: Link,
    /// How its daemon is driven.
    pub driver: Driver,
    /// Its clock is not to be trusted: it is left out of the score.
    pub faulty: bool,
    /// When its daemon starts, from the beginning; `None`: only by an [`What::Start`].
    pub starts: Option<Span>,
    /// It may be master, with this rank; the first node begins as one in any case.
    pub rank: Option<u8>,
}

/// A direction of a node's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the node.
    Forth,
    /// From the node.
    Back,
    /// Both.
    Both,
}

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// Its oscillator jumps, and what it shows with it.
    Jump(Offset),
    /// Its oscillator runs so much faster from now on.
    Drift(Rate),
    /// Its stamps are wrong by a uniform ± this from now on.
    Scatter(Span),
    /// Its packets take longer.
    Delay {
        /// Which of them.
        way: Way,
        /// By this,
        add: Span,
        /// and a further uniform 0 … this.
        up_to: Span,
        /// For how long; `None`: for good.
        lasts: Option<Span>,
    },
    /// Its packets are lost.
    Cut {
        /// Which of them.
        way: Way,
        /// For how long; `None`: for good.
        lasts: Option<Span>,
    },
    /// The packets between it and another node are lost, either way.
    Apart {
        /// The other node's index.
        from: usize,
        /// For how long; `None`: for good.
        lasts: Option<Span>,
    },
    /// Its daemon is killed; its clock runs on.
    Kill,
    /// Its daemon is told to end, and takes leave.
    Stop,
    /// Its daemon starts, if it does not run.
    Start,
}

/// Something that happens during the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incident {
    /// From the beginning.
    pub at: Span,
    /// The node's index; 0 is the master.
    pub node: usize,
    /// What happens to it.
    pub what: What,
}

/// A simulated LAN. The first node is the master.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// How long it lasts.
    pub duration: Span,
    /// The beginning that is left out of the steady state.
    pub warm_up: Span,
    /// The length of a round.
    pub interval: Span,
    /// Polls a slave gets each round.
    pub burst: u8,
    /// Greatest distance from the others' median at which a clock still counts.
    pub tolerance: Span,
    /// Exchanges that took longer are not used.
    pub max_rtt: Span,
    /// How clocks are averaged.
    pub average: Average,
    /// A master needs the votes of a majority of the nodes that have a rank.
    pub quorum: bool,
    /// What may be done to the clocks.
    pub limits: Limits,
    /// The machines.
    pub nodes: Vec<Node>,
    /// What happens.
    pub incidents: Vec<Incident>,
}

impl Scenario {
    /// The greatest number of nodes.
    pub const MAX_NODES: usize = 100_001;
    /// The longest run.
    pub const MAX_DURATION: Span = Span::from_secs(10_000_000);

    /// The same scenario over another length: what happens at half time still does, and the
    /// warm-up takes half of the whole at most.
    pub fn lasting(mut self, duration: Span) -> Self {
        let ratio = duration.as_secs_f64() / self.duration.as_secs_f64();
        for incident in &mut self.incidents {
            incident.at = Span::from_secs_f64(incident.at.as_secs_f64() * ratio);
        }
        self.duration = duration;
        self.warm_up = self.warm_up.min(duration.over(2));
        self
    }

    /// Whether its master is a candidate among others; otherwise it is alone and for good.
    pub(super) fn has_candidates(&self) -> bool {
        self.nodes.iter().any(|node| node.rank.is_some())
    }

    /// Those that may be master.
    pub(super) fn candidates(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&node| node == 0 || self.nodes[node].rank.is_some())
    }

    /// Whether the scenario can be run.
    ///
    /// # Errors
    /// One line: the first thing that is out of its range, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let nodes = self.nodes.len();
        let range = MasterSettings::MIN_INTERVAL..=MasterSettings::MAX_INTERVAL;
        demand((1..=Self::MAX_NODES).contains(&nodes), || {
            format!("{nodes} nodes: 1 to {} are allowed", Self::MAX_NODES)
        })?;
        demand(range.contains(&self.interval), || {
            format!("interval {}: 50ms to 1h are allowed", show_span(self.interval))
        })?;
        demand((1..=MasterSettings::MAX_BURST).contains(&self.burst), || {
            format!("burst {}: 1 to {} are allowed", self.burst, MasterSettings::MAX_BURST)
        })?;
        demand((Span::from_secs(1)..=Self::MAX_DURATION).contains(&self.duration), || {
            let most = show_span(Self::MAX_DURATION);
            format!("duration {}: 1s to {most} are allowed", show_span(self.duration))
        })?;
        demand(self.warm_up < self.duration, || {
            format!("warm-up {}: it must end before the run does", show_span(self.warm_up))
        })?;
        for incident in &self.incidents {
            demand(incident.node < nodes, || {
                format!("an incident names node {}: there are {nodes}", incident.node + 1)
            })?;
        }
        self.nodes.iter().try_for_each(Node::check)
    }
}

impl Node {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let paths = [self.link.forth, self.link.back];
        let ratios = paths.iter().flat_map(|path| {
            let mishaps = [path.tail, path.hold, self.driver.noise.early];
            let of = mishaps.into_iter().flatten().map(|mishap| mishap.ratio);
            [path.loss, path.duplicate].into_iter().chain(of)
        });
        for ratio in ratios {
            demand((0.0..=1.0).contains(&ratio), || {
                format!("{name}: a share of {ratio}: 0 % to 100 % are allowed")
            })?;
        }
        for queue in paths.iter().filter_map(|path| path.queue) {
            demand(queue.every > 0, || format!("{name}: a queue of every 0 packets"))?;
        }
        let (Draw::Exactly(rate) | Draw::Within(rate)) = self.rate;
        let rates = [rate, self.wander, self.sway.map_or(Rate::ZERO, |sway| sway.amplitude)];
        demand(rates.iter().all(|rate| rate.abs() <= Rate::from_ppm(10_000.0)), || {
            format!("{name}: no more than 10 000 ppm are allowed for a rate")
        })?;
        demand(self.sway.is_none_or(|sway| sway.period >= Span::from_secs(2)), || {
            format!("{name}: a rate sways with a period of 2 s or more")
        })
    }
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
