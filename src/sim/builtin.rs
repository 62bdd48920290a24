//! The scenarios that have a name.

use super::link::{Link, Path, Queue};
use super::oscillator::Sway;
use super::scenario::{Draw, Driver, Incident, Node, Scenario, What};
use crate::clock::Limits;
use crate::proto::Average;
use crate::time::{Offset, Rate, Span};

const HOUR: Span = Span::from_secs(3_600);
const HALF: Span = Span::from_secs(1_800);
/// What quartz does: its rate moves by about this much each second.
const WANDER: Rate = Rate::from_ppb(1.0);

/// Name and one line about it, in the order of tables.
const NAMED: [(&str, &str); 7] = [
    ("quiet", "an idle switch: 50 µs one way, 5 µs of jitter"),
    ("busy", "a loaded network: 100 µs of jitter"),
    ("bursty", "ten of every sixty packets in a direction queue for 2 ms more"),
    ("lossy", "a fifth of the packets is lost, each way"),
    ("warm", "oscillators that wander ten times as much as usual"),
    ("falsetick", "one clock runs 400 ppm fast and jumps by half a second at half time"),
    ("badmaster", "the master's own oscillator wanders a hundred times as much as usual"),
];

impl Default for Node {
    /// An unnamed healthy machine with a quartz clock on a perfect network.
    fn default() -> Self {
        Self {
            name: String::new(),
            offset: Draw::Within(Offset::from_nanos(50_000_000)),
            rate: Draw::Within(Rate::from_ppm(50.0)),
            wander: WANDER,
            sway: None::<Sway>,
            link: Link::default(),
            driver: Driver::default(),
            faulty: false,
            starts: Some(Span::ZERO),
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
            duration: HOUR,
            warm_up: Span::from_secs(600),
            interval: Span::from_secs(1),
            burst: 4,
            tolerance: Span::from_millis(10),
            max_rtt: Span::from_millis(10),
            average: Average::default(),
            limits: Limits::default(),
            nodes: (1..=slaves + 1).map(named).collect(),
            incidents: Vec::new(),
        }
    }

    /// The scenario of this name; none where there is none.
    pub fn named(name: &str) -> Option<Self> {
        let path = match name {
            "quiet" => jittery(5),
            "busy" => jittery(100),
            "bursty" => Path { queue: Some(QUEUE), ..jittery(10) },
            "lossy" => Path { loss: 0.2, ..jittery(20) },
            "warm" | "falsetick" | "badmaster" => jittery(20),
            _ => return None,
        };
        let wander = if name == "warm" { Rate::from_ppb(10.0) } else { WANDER };
        let node = Node { link: Link::even(path), wander, ..Node::default() };
        let mut scenario = Self::uniform(name, 5, &node);
        match name {
            "falsetick" => {
                let liar = &mut scenario.nodes[5];
                liar.rate = Draw::Exactly(Rate::from_ppm(400.0));
                liar.faulty = true;
                let jump = What::Jump(Offset::from_nanos(500_000_000));
                scenario.incidents.push(Incident { at: HALF, node: 5, what: jump });
            }
            "badmaster" => scenario.nodes[0].wander = Rate::from_ppb(100.0),
            _ => {}
        }
        Some(scenario)
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

const QUEUE: Queue = Queue { every: 60, length: 10, wait: Span::from_millis(2) };

fn jittery(micros: u64) -> Path {
    Path { base: Span::from_micros(50), jitter: Span::from_micros(micros), ..Path::default() }
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
