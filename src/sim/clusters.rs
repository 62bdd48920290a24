//! Named scenarios of a whole cluster.

use super::catalogue::WANDER;
use super::link::{Link, Path, Queue};
use super::scenario::{Draw, Driver, Incident, Node, Scenario, StampNoise, Way, What};
use super::shown::ClockKind;
use crate::proto::Source;
use crate::time::{Offset, Rate, Span};

const HALF: Span = Span::from_secs(1_800);
const QUEUE: Queue = Queue { every: 60, length: 10, wait: Span::from_millis(2) };

/// The cluster of this name.
pub(super) fn cluster(name: &str) -> Option<Scenario> {
    let path = match name {
        "busy" => jittery(100),
        "bursty" => Path { queue: Some(QUEUE), ..jittery(10) },
        "lossy" => Path { loss: 0.2, ..jittery(20) },
        "warm" | "falsetick" | "badmaster" | "failover" => jittery(20),
        "quiet" | "holdover" | "partition" | "ensemble" | "liars-rate" | "liars-time"
        | "joiner" => jittery(5),
        "stamps" | "daemon" | "system" => jittery(5),
        _ => return None,
    };
    let slaves = match name {
        "ensemble" => 4,
        "liars-rate" | "liars-time" | "partition" => 6,
        _ => 5,
    };
    let node = Node { link: Link::even(path), ..Node::default() };
    let mut scenario = Scenario::uniform(name, slaves, &node);
    arrange(&mut scenario);
    Some(scenario)
}

/// What makes the scenario of this name a special one.
fn arrange(scenario: &mut Scenario) {
    let nodes = &mut scenario.nodes;
    let mut at_half = |node, what| scenario.incidents.push(Incident { at: HALF, node, what });
    match scenario.name.as_str() {
        "warm" => nodes.iter_mut().for_each(|n| n.wander = Rate::from_ppb(10.0)),
        "falsetick" => {
            nodes[5].rate = Draw::Exactly(Rate::from_ppm(400.0));
            nodes[5].faulty = true;
            at_half(5, What::Jump(Offset::from_nanos(500_000_000)));
        }
        "badmaster" => nodes[0].wander = Rate::from_ppb(WANDER.as_ppb() * 100.0),
        "failover" => {
            for (node, rank) in nodes.iter_mut().zip([3, 2, 1]) {
                node.rank = Some(rank);
            }
            at_half(0, What::Cut { way: Way::Both, lasts: None });
        }
        "holdover" => {
            nodes[0].rank = Some(0);
            at_half(0, What::Kill);
            let at = HALF + Span::from_secs(60);
            scenario.incidents.push(Incident { at, node: 0, what: What::Start });
        }
        "partition" => {
            nodes[0].rank = Some(2);
            nodes[2].rank = Some(1);
            let lasts = Some(Span::from_secs(600));
            for (node, from) in (0..2).flat_map(|node| (2..7).map(move |from| (node, from))) {
                at_half(node, What::Apart { from, lasts });
            }
        }
        "ensemble" => scenario.duration = Span::from_secs(4 * 3_600),
        "liars-rate" => {
            for liar in [5, 6] {
                nodes[liar].faulty = true;
                at_half(liar, What::Drift(Rate::from_ppm(0.2)));
            }
        }
        "liars-time" => {
            for liar in [5, 6] {
                nodes[liar].faulty = true;
                at_half(liar, What::Scatter(Span::from_millis(5)));
            }
        }
        "joiner" => {
            nodes[5].offset = Draw::Exactly(Offset::from_nanos(10_000_000));
            nodes[5].starts = Some(HALF);
        }
        "stamps" => {
            let noise = StampNoise { jitter: Span::from_nanos(350), ..StampNoise::default() };
            nodes.iter_mut().for_each(|n| n.driver.noise = noise);
        }
        "daemon" => {
            let driver = Driver {
                turnaround_jitter: Span::from_micros(20),
                send_delay: Span::from_micros(3),
                stamps: Source::Daemon,
                ..Driver::default()
            };
            nodes.iter_mut().for_each(|n| n.driver = driver);
        }
        "system" => nodes.iter_mut().for_each(|n| n.shows = ClockKind::Kernel),
        _ => {}
    }
}

fn jittery(micros: u64) -> Path {
    let jitter = Span::from_micros(micros);
    Path { base: Span::from_micros(50), jitter, ..Path::default() }
}
