//! What is drawn from a seed: nodes, clocks, network, and a schedule of faults.

use super::super::dice::{Dice, Purpose};
use super::super::link::{Link, Mishap, Path};
use super::super::machine::EPOCH;
use super::super::oscillator::Sway;
use super::super::scenario::{Draw, Driver, Node, Scenario, StampNoise};
use super::super::shown::ClockKind;
use super::faults::{ALL, Fault, Kind, Nodes, wrong_date};
use super::lies::Lie;
use crate::clock::Limits;
use crate::proto::{Average, Source};
use crate::time::{Offset, Rate, Span, Time, True};

/// The most machines that are drawn.
const MOST_NODES: usize = 12;
/// Nothing befalls anybody in the beginning, so that there is a cluster to befall.
const CALM: Span = Span::from_secs(30);
/// At the end nothing befalls anybody either, so that the healthy can come together…
const CALM_END: Span = Span::from_secs(360);

/// A LAN and its disasters.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) scenario: Scenario,
    /// In the order of their beginnings.
    pub(super) faults: Vec<Fault>,
    /// The second of them carries the identity of the first.
    pub(super) twins: Option<(usize, usize)>,
}

impl Plan {
    /// All that `seed` says of a run of this length.
    pub(super) fn draw(seed: u64, length: Span) -> Self {
        let mut dice = Dice::new(seed, Purpose::Chaos);
        let mut scenario = scenario(&mut dice, length);
        let nodes = scenario.nodes.len();
        let twins = (nodes > 4 && dice.happens(0.15)).then_some((nodes - 2, nodes - 1));
        let faults = schedule(&mut dice, &scenario, length);
        candidates(&mut dice, &mut scenario);
        Self { scenario, faults, twins }
    }

    /// What was drawn, for people: the LAN, and what befell whom when.
    pub(super) fn story(&self) -> Vec<String> {
        let of = &self.scenario;
        let network = of.nodes[0].link.forth;
        let standbys = of.nodes.iter().filter(|node| node.rank.is_some()).count();
        let lan = format!(
            "{} nodes, {standbys} standing by{}, interval {:?}, burst {}, {:?}, slew {:?}, steps {:?}, way {:?} + {:?}, lost {}",
            of.nodes.len(),
            if of.quorum { " under quorum" } else { "" },
            of.interval,
            of.burst,
            of.average,
            of.limits.max_slew,
            of.limits.step_threshold,
            network.base,
            network.jitter,
            network.loss,
        );
        let secs = |t: Time<True>| (t - Time::from_nanos(0)).as_secs_f64();
        let twins = self.twins.map(|(one, other)| {
            format!("{} carries the identity of {}", of.nodes[other].name, of.nodes[one].name)
        });
        let faults = self.faults.iter().map(|fault| {
            let (from, until, name) =
                (secs(fault.from), secs(fault.until), &of.nodes[fault.node].name);
            format!("{from:>8.1} s to {until:>8.1} s: {name}: {:?}", fault.kind)
        });
        std::iter::once(lan).chain(twins).chain(faults).collect()
    }

    /// How far apart the network alone may keep clocks: what nobody can measure, and noise.
    pub(super) fn unmeasurable(&self) -> Span {
        let of = |node: &Node| {
            let (forth, back) = (node.link.forth, node.link.back);
            let asymmetry = (forth.base.as_offset() - back.base.as_offset()).abs().over(2);
            let turn = node.driver.turnaround_jitter + node.driver.send_delay;
            asymmetry + forth.jitter + back.jitter + turn
        };
        self.scenario.nodes.iter().map(of).max().unwrap_or(Span::ZERO)
    }
}

fn scenario(dice: &mut Dice, length: Span) -> Scenario {
    let count = 3 + dice.below(MOST_NODES - 2);
    let (network, wander) = (path(dice), Rate::from_ppb(0.3 + 5.0 * dice.uniform().powi(3)));
    let daemon = dice.happens(0.3);
    let far = Offset::from_secs_f64([0.005, 0.05, 1.0, 1_000.0][dice.below(4)]);
    let nodes = (0..count).map(|n| node(dice, n, network, wander, daemon, far)).collect();
    let limits = Limits {
        max_slew: Rate::from_ppm([200.0, 500.0, 500.0, 2_000.0][dice.below(4)]),
        step_threshold: (!dice.happens(0.15)).then_some(Span::from_millis(1)),
        ..Limits::default()
    };
    Scenario {
        name: "chaos".to_owned(),
        duration: length,
        warm_up: Span::ZERO,
        interval: Span::from_millis([250, 500, 1_000, 1_000, 2_000][dice.below(5)]),
        burst: [1, 2, 4, 4][dice.below(4)],
        tolerance: Span::from_millis(10),
        max_rtt: Span::from_millis([10, 10, 50][dice.below(3)]),
        average: [Average::Plain, Average::Trimmed, Average::Ensemble, Average::Ensemble]
            [dice.below(4)],
        limits,
        quorum: false,
        nodes,
        incidents: Vec::new(),
    }
}

fn path(dice: &mut Dice) -> Path {
    let micros = |most: f64, dice: &mut Dice| Span::from_secs_f64(most * 1e-6 * dice.uniform());
    Path {
        base: Span::from_micros(10) + micros(150.0, dice),
        jitter: Span::from_micros(1) + micros(60.0, dice),
        loss: if dice.happens(0.5) { 0.1 * dice.uniform() } else { 0.0 },
        duplicate: if dice.happens(0.3) { 0.05 * dice.uniform() } else { 0.0 },
        hold: dice.happens(0.3).then(|| Mishap { ratio: 0.03, by: Span::from_millis(8) }),
        ..Path::default()
    }
}

fn node(
    dice: &mut Dice,
    number: usize,
    network: Path,
    wander: Rate,
    daemon: bool,
    far: Offset,
) -> Node {
    let lopsided = Span::from_secs_f64(40e-6 * dice.uniform().powi(4));
    let link = Link { forth: network, back: Path { base: network.base + lopsided, ..network } };
    let worst = dice.happens(0.1);
    let date = dice.happens(0.08).then(|| wrong_date(dice.uniform()) - EPOCH);
    let noise = Span::from_nanos(dice.below(800) as u64);
    let driver = Driver {
        turnaround: Span::from_micros(10 + dice.below(60) as u64),
        turnaround_jitter: if daemon { Span::from_micros(15) } else { Span::ZERO },
        send_delay: if daemon { Span::from_micros(3) } else { Span::ZERO },
        stamps: if daemon { Source::Daemon } else { Source::Kernel },
        noise: StampNoise { jitter: noise, ..StampNoise::default() },
        ..Driver::default()
    };
    Node {
        name: format!("node{}", number + 1),
        offset: date.map_or(Draw::Within(far), Draw::Exactly),
        rate: Draw::Within(Rate::from_ppm(if worst { 200.0 } else { 60.0 })),
        wander: if worst { Rate::from_ppb(wander.as_ppb() * 30.0) } else { wander },
        sway: dice
            .happens(0.2)
            .then(|| Sway { amplitude: Rate::from_ppm(0.5), period: Span::from_secs(600) }),
        shows: if dice.happens(0.3) { ClockKind::Kernel } else { ClockKind::Virtual },
        link,
        driver,
        starts: Some(if dice.happens(0.2) {
            Span::from_secs(dice.below(60) as u64)
        } else {
            Span::from_millis(dice.below(3_000) as u64)
        }),
        ..Node::default()
    }
}

/// In half of the LANs others stand by the master, and where two do they may need a majority.
fn candidates(dice: &mut Dice, scenario: &mut Scenario) {
    if scenario.nodes.len() < 5 || dice.happens(0.5) {
        return;
    }
    // The last two may be of one identity, which is nobody to vote for.
    let standbys = 1 + dice.below(2);
    for node in 1..=standbys {
        scenario.nodes[node].rank = Some(node as u8);
    }
    scenario.quorum = standbys == 2 && dice.happens(0.5);
}

/// When the last fault is over, at the latest.
fn quiet_from(length: Span) -> Span {
    (length - CALM_END).max(length.over(3))
}

fn schedule(dice: &mut Dice, scenario: &Scenario, length: Span) -> Vec<Fault> {
    let room = quiet_from(length) - CALM;
    // One a minute and a half, about, and three at least.
    let count = 3 + (room.as_secs_f64() / 90.0 * (0.5 + dice.uniform())) as usize;
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..count {
        let from = Time::from_nanos(0) + CALM + share(room, 0.9 * dice.uniform());
        let left = quiet_from(length) - (from - Time::from_nanos(0)).ahead();
        let lasts = Span::from_secs_f64(2.0 + 120.0 * dice.uniform().powi(2)).min(left);
        if dice.happens(0.1) {
            storm(dice, scenario, from, lasts, &mut faults);
            continue;
        }
        // The master is worth a fault more often than any other.
        let nodes = scenario.nodes.len();
        let node = if dice.happens(0.25) { 0 } else { dice.below(nodes) };
        let kind = kind(dice, node, nodes);
        faults.push(Fault { from, until: from + lasts, node, kind });
    }
    faults.sort_by_key(|fault| (fault.from, fault.node));
    apart(faults)
}

/// A node is down, away or paused for one reason at a time; else the faults would undo each other.
fn apart(faults: Vec<Fault>) -> Vec<Fault> {
    let alone = |kind: &Kind| kind.index() <= 9;
    let mut kept: Vec<Fault> = Vec::new();
    for fault in faults {
        let clash = |other: &&Fault| {
            let near = fault.from <= other.until + Span::from_secs(5);
            other.node == fault.node && alone(&other.kind) && near
        };
        if alone(&fault.kind) && kept.iter().any(|other| clash(&other)) {
            continue;
        }
        kept.push(fault);
    }
    kept
}

/// Many come and go at once.
fn storm(
    dice: &mut Dice,
    scenario: &Scenario,
    from: Time<True>,
    lasts: Span,
    faults: &mut Vec<Fault>,
) {
    let leave = dice.happens(0.5);
    for node in 1..scenario.nodes.len() {
        if dice.happens(0.7) {
            let from = from + share(Span::from_secs(2), dice.uniform());
            let until = from + share(lasts, 0.5 + 0.5 * dice.uniform());
            let kind = if leave { Kind::Leave } else { Kind::Kill };
            faults.push(Fault { from, until, node, kind });
        }
    }
}

fn kind(dice: &mut Dice, node: usize, nodes: usize) -> Kind {
    let some = |dice: &mut Dice| -> Nodes { (dice.number() & ((1 << nodes) - 1)) | 1 << node };
    let on = if dice.happens(0.4) { ALL } else { 1 << node };
    let seconds = |most: f64, dice: &mut Dice| Offset::from_secs_f64(most * dice.within());
    match dice.below(18) {
        0 => Kind::Kill,
        1 => Kind::Leave,
        2 => Kind::Loop { every: Span::from_millis(200 + dice.below(6_000) as u64) },
        3 => {
            let right = EPOCH + seconds(2.0, dice);
            let wrong = wrong_date(dice.uniform());
            Kind::Reboot { shows: if dice.happens(0.5) { wrong } else { right } }
        }
        4 => Kind::Stop,
        5 => Kind::Pause,
        6 => Kind::Suspend,
        7 => Kind::Frozen,
        8 => {
            let by = [0.000_3, 0.002, 0.05, 2.0][dice.below(4)];
            Kind::Jump { by: seconds(by, dice) }
        }
        9 => Kind::Runaway {
            by: Rate::from_ppm([2.0, 30.0, 300.0, 2_000.0][dice.below(4)] * dice.within()),
        },
        10 => Kind::Partition { side: some(dice) },
        11 => Kind::OneWay { side: some(dice) },
        12 => Kind::Loss { on, ratio: 0.2 + 0.75 * dice.uniform() },
        13 => Kind::Duplication { on, ratio: 0.2 + 0.8 * dice.uniform() },
        14 => Kind::Reordering {
            on,
            ratio: 0.5 * dice.uniform(),
            by: Span::from_millis([1, 20, 1_500, 20_000][dice.below(4)]),
        },
        15 => Kind::Delay { on, up_to: Span::from_millis([1, 5, 30, 3_000][dice.below(4)]) },
        16 => Kind::Lies { lie: lie(dice, node) },
        _ => Kind::DiskFull,
    }
}

fn lie(dice: &mut Dice, node: usize) -> Lie {
    let up_to = Span::from_secs_f64([0.000_5, 0.02, 5.0][dice.below(3)]);
    match dice.below(3) {
        _ if node == 0 => Lie::Deltas { up_to: Span::from_secs_f64(0.1 + 10.0 * dice.uniform()) },
        0 => Lie::Stamps { up_to },
        1 => Lie::Shown { by: Offset::from_secs_f64(up_to.as_secs_f64() * dice.within()) },
        _ => Lie::Nonsense,
    }
}

fn share(span: Span, share: f64) -> Span {
    Span::from_secs_f64(span.as_secs_f64() * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_can_be_run_and_every_kind_of_fault_is_drawn() {
        let mut drawn = [0; Kind::NAMES.len()];
        for seed in 0..400 {
            let length = Span::from_secs(60 * (6 + seed % 60));
            let plan = Plan::draw(seed, length);
            assert_eq!(plan.scenario.check(), Ok(()), "seed {seed}");
            let quiet = Time::from_nanos(0) + quiet_from(length);
            for fault in &plan.faults {
                assert!(fault.from < fault.until && fault.until <= quiet + CALM, "{fault:?}");
                assert!(fault.node < plan.scenario.nodes.len(), "{fault:?}");
                drawn[fault.kind.index()] += 1;
            }
            assert!(plan.faults.is_sorted_by_key(|fault| fault.from));
        }
        assert!(drawn.iter().all(|&n| n > 50), "{drawn:?} of {:?}", Kind::NAMES);
    }
}
