//! Runs a scenario and scores it.

use super::bounds::BoundsBook;
use super::machine::{Boot, Maker};
use super::outcome::Outcome;
use super::presence::Presence;
use super::record::Record;
use super::scenario::Scenario;
use super::score::{Sample, Score};
use super::world::{World, address};
use crate::proto::{
    Candidate, CandidateSettings, Core, ElectionSettings, Identity, Master, MasterSettings, Slave,
    SlaveSettings, Start,
};
use crate::time::{Span, Time, True};
use crate::wire::{BootId, Name, Rank};

/// The truth is looked at this often.
const LOOK: Span = Span::from_millis(100);
/// A run beyond this many looks is looked at less often.
const MAX_LOOKS: u64 = 200_000;

/// The published bounds are looked at this often.
const BOUNDS_EVERY: Span = Span::from_secs(1);

/// Runs `scenario` with `seed`, and tells `progress` now and then which share of it is done. The
/// outcome depends on nothing but the scenario and the seed.
///
/// # Panics
/// Where [`Scenario::check`] fails, or where a core never comes to rest.
pub fn run(scenario: &Scenario, seed: u64, progress: &mut dyn FnMut(f64)) -> Outcome {
    scenario.check().unwrap_or_else(|error| panic!("scenario {}: {error}", scenario.name));
    let mut world = World::new(scenario, seed, maker(scenario));
    let mut score = Score::new(scenario.warm_up, scenario.nodes.len());
    let mut record = Record::new(scenario);
    let looks = (scenario.duration.as_nanos() / LOOK.as_nanos()).min(MAX_LOOKS);
    let step = Span::from_nanos(scenario.duration.as_nanos() / looks);
    let presence = Presence::new(scenario);
    let mut t = Time::from_nanos(0);
    let (mut bounds, mut bounds_due) = (BoundsBook::default(), t + scenario.warm_up);
    for look in 0..=looks {
        world.run_until(t);
        for said in std::mem::take(&mut world.said) {
            record.take(&world, said);
        }
        let samples: Vec<Sample> = presence.samples(&world.machines, t).collect();
        score.sample(t, &samples);
        record.look(t, &samples);
        if t >= bounds_due {
            bounds_due = bounds_due + BOUNDS_EVERY;
            look_at_bounds(&mut bounds, scenario, &world, &samples, t);
        }
        if look % (looks / 100).max(1) == 0 {
            progress(look as f64 / looks as f64);
        }
        t = t + step;
    }
    record.outcome(scenario, seed, &world, score, bounds)
}

/// The slaves' published bounds against their distance from cluster time.
fn look_at_bounds(
    book: &mut BoundsBook,
    scenario: &Scenario,
    world: &World<'_>,
    samples: &[Sample],
    t: Time<True>,
) {
    let Some(cluster) = &world.cluster else { return };
    let (master, cluster) = (cluster.node, cluster.error(&world.machines[cluster.node], t));
    for (index, (machine, sample)) in world.machines.iter().zip(samples).enumerate() {
        if index == master {
            continue;
        }
        if let Some((since, quality)) = machine.quality.filter(|_| sample.counts) {
            let age = t.since(since);
            // Until the next adjust nobody can know of a jump of the clock itself.
            if machine.jumped(since, t) && age <= scenario.interval.times(2) {
                book.leave_out();
                continue;
            }
            book.look(age, quality.max_error, (sample.error - cluster).abs());
        }
    }
}

/// Makes the daemons: the first node is the master, and all others know its address. Of the other
/// candidates they learn from it.
fn maker(scenario: &Scenario) -> Maker<'_> {
    Box::new(|boot: Boot| -> Box<dyn Core> {
        let identity = identity(scenario, &boot);
        if boot.node == 0 && !scenario.has_candidates() {
            let settings = master(scenario, identity);
            Box::new(Master::new(boot.now, settings, boot.course, boot.seed))
        } else if boot.node == 0 || scenario.nodes[boot.node].rank.is_some() {
            Box::new(Candidate::new(
                boot.now,
                candidate(scenario, &boot, identity),
                boot.course,
                boot.seed,
            ))
        } else {
            slave(scenario, boot, identity)
        }
    })
}

pub(super) fn identity(scenario: &Scenario, boot: &Boot) -> Identity {
    let name = Name::nearest(&scenario.nodes[boot.node].name);
    Identity { id: boot.id, boot: BootId(boot.number), name }
}

/// A slave of the first node.
pub(super) fn slave(scenario: &Scenario, boot: Boot, identity: Identity) -> Box<dyn Core> {
    let settings = SlaveSettings {
        masters: vec![address(0)],
        limits: scenario.limits,
        ..SlaveSettings::new(identity)
    };
    Box::new(Slave::new(boot.now, settings, boot.course, boot.seed))
}

pub(super) fn master(scenario: &Scenario, identity: Identity) -> MasterSettings {
    MasterSettings {
        interval: scenario.interval,
        burst: scenario.burst,
        tolerance: scenario.tolerance,
        max_rtt: scenario.max_rtt,
        average: scenario.average,
        limits: scenario.limits,
        max_slaves: scenario.nodes.len(),
        ..MasterSettings::new(identity)
    }
}

/// The first node begins as master, the others stand by. With a quorum each knows all.
pub(super) fn candidate(scenario: &Scenario, boot: &Boot, identity: Identity) -> CandidateSettings {
    let first = boot.node == 0;
    let ranked = |index: usize| index == 0 || scenario.nodes[index].rank.is_some();
    let others = (0..scenario.nodes.len()).filter(|&i| i != boot.node && ranked(i)).map(address);
    let peers: Vec<_> = if scenario.quorum { others.collect() } else { Vec::new() };
    let masters = if first { peers.clone() } else { vec![address(0)] };
    let election = ElectionSettings {
        rank: Rank(scenario.nodes[boot.node].rank.unwrap_or(0)),
        peers,
        quorum: scenario.quorum,
        start: if first { Start::Master } else { Start::Standby },
        // A disk that was never written to is one that nobody has voted with yet.
        ballot: Some(boot.ballot.unwrap_or_default()),
        ..ElectionSettings::new(identity.id)
    };
    let not_before = Time::from_nanos(0);
    CandidateSettings { master: master(scenario, identity), election, masters, not_before }
}
