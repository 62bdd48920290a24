//! Which nodes count in the score, and when.

use super::machine::Machine;
use super::scenario::{Node, Scenario, Way, What};
use super::score::Sample;
use crate::time::{Span, Time, True};

/// A node whose daemon starts during the run counts from so much later.
const GRACE: Span = Span::from_secs(30);

pub(super) struct Presence(Vec<OfNode>);

struct OfNode {
    healthy: bool,
    /// Its daemon runs from beginning to end.
    throughout: bool,
    counts: Vec<(Time<True>, Time<True>)>,
}

impl Presence {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let nodes = scenario.nodes.iter().enumerate();
        Self(nodes.map(|(index, node)| OfNode::new(scenario, index, node)).collect())
    }

    pub(super) fn samples<'a>(
        &'a self,
        machines: &'a [Machine],
        t: Time<True>,
    ) -> impl Iterator<Item = Sample> + 'a {
        self.0.iter().zip(machines).map(move |(node, machine)| Sample {
            error: machine.error(t),
            oscillator: machine.gain(t),
            counts: node.healthy && node.counts.iter().any(|&(from, to)| from <= t && t < to),
            steadfast: node.healthy && node.throughout,
        })
    }
}

impl OfNode {
    fn new(scenario: &Scenario, index: usize, node: &Node) -> Self {
        let begin = Time::from_nanos(0);
        let changes = changes(scenario, index, node);
        let mut counts: Vec<(Time<True>, Time<True>)> = Vec::new();
        let mut up = false;
        for &(at, starts) in &changes {
            let grace = if at == Span::ZERO { Span::ZERO } else { GRACE };
            match (up, starts) {
                (false, true) => counts.push((begin + at + grace, begin + Span::MAX)),
                (true, false) => counts.last_mut().expect("it is up").1 = begin + at,
                _ => {}
            }
            up = starts;
        }
        Self { healthy: !node.faulty, throughout: changes == [(Span::ZERO, true)], counts }
    }
}

/// When the node's daemon starts (true) and ends (false).
fn changes(scenario: &Scenario, index: usize, node: &Node) -> Vec<(Span, bool)> {
    let incidents = scenario.incidents.iter().filter(|incident| incident.node == index);
    let changes = incidents.filter_map(|incident| match incident.what {
        What::Start => Some((incident.at, true)),
        What::Kill | What::Stop => Some((incident.at, false)),
        // Who is cut off for good is not of the cluster any more.
        What::Cut { way: Way::Both, lasts: None } => Some((incident.at, false)),
        _ => None,
    });
    let mut changes: Vec<_> = node.starts.iter().map(|&at| (at, true)).chain(changes).collect();
    changes.sort();
    changes
}
