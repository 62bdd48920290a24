//! Named scenarios of one slave and a perfect master. The spread of the two is the slave's error.

use super::link::{Link, Mishap, Path};
use super::oscillator::Sway;
use super::scenario::{Draw, Incident, Node, Scenario, Way, What};
use crate::time::{Offset, Rate, Span};

/// When something happens.
const THEN: Span = Span::from_secs(3_000);

/// The pair of this name.
pub(super) fn pair(name: &str) -> Option<Scenario> {
    let kind = name.strip_prefix("pair-")?;
    let slave = Node {
        offset: Draw::Within(Offset::from_nanos(10_000_000)),
        rate: Draw::Within(Rate::from_ppm(20.0)),
        link: link(kind)?,
        ..Node::default()
    };
    let mut scenario = Scenario::uniform(name, 1, &slave);
    scenario.duration = Span::from_secs(6_000);
    scenario.warm_up = Span::from_secs(2_000);
    let master = &mut scenario.nodes[0];
    master.offset = Draw::Exactly(Offset::ZERO);
    master.rate = Draw::Exactly(Rate::ZERO);
    master.wander = Rate::ZERO;
    let slave = &mut scenario.nodes[1];
    match kind {
        "sway" => {
            let (amplitude, period) = (Rate::from_ppm(1.0), Span::from_secs(3_600));
            slave.sway = Some(Sway { amplitude, period });
        }
        "stamps" => {
            let early = Mishap { ratio: 0.01, by: Span::from_micros(100) };
            slave.driver.noise.early = Some(early);
        }
        _ => {}
    }
    scenario.incidents =
        incident(kind).map(|what| Incident { at: THEN, node: 1, what }).into_iter().collect();
    Some(scenario)
}

fn link(kind: &str) -> Option<Link> {
    let tail = |ratio, micros| Some(Mishap { ratio, by: Span::from_micros(micros) });
    let path = match kind {
        "quiet" | "sway" | "route" | "jam" | "step" | "mute" | "stamps" | "longer" | "drift" => {
            path(20, 3)
        }
        "office" => path(50, 20),
        "bursts" => Path { tail: tail(0.1, 300), ..path(20, 5) },
        "queue" => return Some(Link { forth: path(20, 3), back: path(20, 100) }),
        "wide" => path(100, 100),
        "loss" => Path { loss: 0.15, ..path(20, 5) },
        "gauss" => Path { gauss: Span::from_micros(5), ..path(40, 0) },
        _ => return None,
    };
    Some(Link::even(path))
}

fn incident(kind: &str) -> Option<What> {
    let (add, up_to) = (Span::ZERO, Span::ZERO);
    let minutes = |n: u64| Some(Span::from_secs(60 * n));
    let micros = Span::from_micros;
    Some(match kind {
        "route" => What::Delay { way: Way::Forth, add: micros(40), up_to, lasts: minutes(50) },
        "jam" => What::Delay { way: Way::Forth, add, up_to: micros(500), lasts: minutes(5) },
        "step" => What::Jump(Offset::from_nanos(1_000_000)),
        "mute" => What::Cut { way: Way::Both, lasts: minutes(5) },
        "longer" => What::Delay { way: Way::Both, add: micros(15), up_to, lasts: None },
        "drift" => What::Drift(Rate::from_ppm(2.0)),
        _ => return None,
    })
}

fn path(base: u64, jitter: u64) -> Path {
    let (base, jitter) = (Span::from_micros(base), Span::from_micros(jitter));
    Path { base, jitter, ..Path::default() }
}
