//! Disasters drawn from seeds: whatever happens, the promises are kept. `campanile sim chaos` runs
//! more of the same, and longer.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use campanile::sim::{Disaster, Invariant, disaster, fault_names};
use campanile::time::Span;

const SEEDS: u64 = 60;
/// Each of these found something that was mended since: cluster time that ran away with its master and
/// never came back, bounds that limits led astray which were nearer to each other than the way is long,
/// and bounds of those who did not follow their master, or were too sure of a rate.
const ONCE_BROKEN: [u64; 12] = [356, 360, 378, 558, 584, 608, 727, 770, 790, 792, 821, 852];
const LENGTH: Span = Span::from_secs(8 * 60);
/// These did only after a quarter of an hour: queues that were taken for a step, a flywheel that the first
/// packet after a long silence turned, a restless clock that was taken for noisy stamps, a second reign of
/// which no round was heard, a wrong word that every start of a track repeated, a former master that was
/// polled elsewhere, a delta that was overtaken while its master was found again, good clocks that were
/// stepped by a long exchange beside a short one or by an old one, a floor of less than nothing, a track
/// that heard no exchange any more since the first short one after a storm, a master that was left for a lower
/// one while it was heard, a second opinion that won by what it said of a storm, and a successor that read
/// its predecessor's table by a map that it held against it.
const LATER_BROKEN: [u64; 14] =
    [34, 89, 135, 420, 646, 796, 1556, 1625, 1900, 2276, 2928, 3221, 3475, 3839];
const LONGER: Span = Span::from_secs(30 * 60);

fn all() -> Vec<Disaster> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut runs = Vec::new();
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let short = (1..=SEEDS).chain(ONCE_BROKEN).map(|seed| (seed, LENGTH));
            let long = LATER_BROKEN.map(|seed| (seed, LONGER));
            let Some((seed, length)) = long.into_iter().chain(short).nth(turn) else { return runs };
            runs.push(disaster(seed, length));
        }
    };
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

#[test]
fn disasters_of_every_kind_break_no_promise() {
    let runs = all();
    let broken: Vec<_> = runs.iter().filter(|run| run.broken.is_some()).collect();
    for run in &broken {
        let minutes = run.duration_s / 60.0;
        let again = format!("campanile sim chaos --seed {} --minutes {minutes}", run.seed);
        println!("seed {}: {:?}\n  {again}", run.seed, run.broken);
    }
    assert!(broken.is_empty(), "{} of {} seeds", broken.len(), runs.len());
    // And it had teeth: everything was tried, and everything was looked at.
    for name in fault_names() {
        let times: u64 = runs.iter().map(|run| run.faults[name]).sum();
        assert!(times >= 3, "{name} befell only {times} times");
    }
    for invariant in Invariant::ALL {
        let checks: u64 = runs.iter().map(|run| run.checks[invariant.name()]).sum();
        assert!(checks >= SEEDS, "{invariant:?} was checked {checks} times");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed: &str| {
        let args = ["sim", "chaos", "--seed", seed, "--minutes", "6", "--json"];
        let output = Command::new(env!("CARGO_BIN_EXE_campanile")).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(run("5"), run("5"));
    assert_ne!(run("5"), run("6"));
}
