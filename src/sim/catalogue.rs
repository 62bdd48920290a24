//! The scenarios that have a name.

use super::clusters::cluster;
use super::link::Link;
use super::pairs::pair;
use super::scenario::{Draw, Driver, Node, Scenario};
use super::shown::ClockKind;
use crate::clock::Limits;
use crate::proto::Average;
use crate::time::{Offset, Rate, Span};

/// What quartz does: its rate moves by about this much each second.
pub(super) const WANDER: Rate = Rate::from_ppb(1.0);

/// Name and one line about it, in the order of tables.
const NAMED: [(&str, &str); 32] = [
    ("quiet", "an idle switch: 50 µs one way, 5 µs of jitter"),
    ("busy", "a loaded network: 100 µs of jitter"),
    ("bursty", "ten of every sixty packets in a direction queue for 2 ms more"),
    ("lossy", "a fifth of the packets is lost, each way"),
    ("warm", "oscillators that wander ten times as much as usual"),
    ("falsetick", "one clock runs 400 ppm fast and jumps by half a second at half time"),
    ("badmaster", "the master's own oscillator wanders a hundred times as much as usual"),
    ("failover", "the master is cut off for good at half time; two others stand by"),
    ("holdover", "quiet; the master is killed at half time and started again after 60 s"),
    ("partition", "quiet; two of seven, the master one of them, are cut off for ten minutes"),
    ("ensemble", "five equal clocks on an idle network for four hours"),
    ("liars-rate", "two of seven begin to run 0.2 ppm fast at half time"),
    ("liars-time", "two of seven begin to give stamps that are up to 5 ms wrong at half time"),
    ("joiner", "a sixth, 10 ms off, joins at half time"),
    ("stamps", "quiet, with the noise of a kernel's stamps"),
    ("daemon", "quiet, where only the daemon itself can read the clock"),
    ("system", "quiet, on system clocks with the granularity of a kernel's"),
    ("pair-quiet", "one slave of a perfect master: 20 µs one way, 3 µs of jitter"),
    ("pair-office", "50 µs one way, 20 µs of jitter"),
    ("pair-bursts", "a tenth of the packets takes 300 µs more"),
    ("pair-queue", "one way 3 µs, the other 100 µs of jitter"),
    ("pair-wide", "100 µs one way, 100 µs of jitter"),
    ("pair-sway", "quiet, and the slave's rate swings by ±1 ppm an hour"),
    ("pair-loss", "15 % lost each way"),
    ("pair-gauss", "normal delays, 40 ± 5 µs"),
    ("pair-route", "one way gets 40 µs longer for 50 min"),
    ("pair-jam", "one way takes up to 0.5 ms more for 5 min"),
    ("pair-step", "the slave's clock jumps by 1 ms"),
    ("pair-mute", "5 min without packets"),
    ("pair-stamps", "one of the slave's stamps in a hundred is 100 µs too early"),
    ("pair-longer", "both ways get 15 µs longer for good"),
    ("pair-drift", "the slave's rate jumps by 2 ppm"),
];

impl Default for Node {
    /// An unnamed healthy machine with a quartz clock on a perfect network.
    fn default() -> Self {
        Self {
            name: String::new(),
            offset: Draw::Within(Offset::from_nanos(50_000_000)),
            rate: Draw::Within(Rate::from_ppm(50.0)),
            wander: WANDER,
            sway: None,
            shows: ClockKind::Virtual,
            link: Link::default(),
            driver: Driver::default(),
            faulty: false,
            starts: Some(Span::ZERO),
            rank: None,
        }
    }
}

impl Scenario {
    /// An hour of one master and `slaves` slaves that are all like `node`; they are called
    /// `node1` (the master), `node2`, …
    pub fn uniform(name: &str, slaves: usize, node: &Node) -> Self {
        let named = |n: usize| Node { name: format!("node{n}"), ..node.clone() };
        Self {
            name: name.to_owned(),
            duration: Span::from_secs(3_600),
            warm_up: Span::from_secs(600),
            interval: Span::from_secs(1),
            burst: 4,
            tolerance: Span::from_millis(10),
            max_rtt: Span::from_millis(10),
            average: Average::default(),
            quorum: false,
            limits: Limits::default(),
            nodes: (1..=slaves + 1).map(named).collect(),
            incidents: Vec::new(),
        }
    }

    /// The scenario of this name; none where there is none.
    pub fn named(name: &str) -> Option<Self> {
        cluster(name).or_else(|| pair(name))
    }

    /// The names of the built-in scenarios.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.into_iter().map(|(name, _)| name)
    }

    /// The names of the built-in scenarios, each with a line about it.
    pub fn catalogue() -> impl Iterator<Item = (&'static str, &'static str)> {
        NAMED.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_scenario_that_can_be_run() {
        for name in Scenario::names() {
            let scenario = Scenario::named(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(scenario.name, name);
            assert_eq!(scenario.check(), Ok(()));
        }
        assert!(Scenario::named("nonsense").is_none());
    }
}
