//! The fuzz targets, with their seeds and with mutations of them: what `tests/fuzz/run` does for
//! hours with coverage to guide it, this does for seconds with an ordinary toolchain.
//!
//! `CAMPANILE_FUZZ_SEED` draws other mutations than those of seed 1, `CAMPANILE_FUZZ_RUNS` more of
//! them than the few that a test has time for.

#![allow(clippy::disallowed_methods, reason = "a test may read its environment")]

#[path = "fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use targets::{TARGETS, Target};

/// Mutations of each target.
const RUNS: u64 = 6_000;
/// No input is longer, in bytes.
const LONGEST: usize = 4096;
/// All seeds together, in bytes: what is found by millions of runs belongs elsewhere.
const MOST_SEEDS: usize = 200 << 10;

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// Below `limit`, which is not 0.
fn below(dice: &mut ChaCha8Rng, limit: usize) -> usize {
    (dice.next_u64() % limit as u64) as usize
}

/// One small change, of those that fuzzers are known to find things with.
fn mutate(input: &mut Vec<u8>, others: &[(PathBuf, Vec<u8>)], dice: &mut ChaCha8Rng) {
    const TELLING: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'-', b'9', b'['];
    let at = below(dice, input.len() + 1);
    let some = 1 + below(dice, 32);
    match dice.next_u32() % 7 {
        0 if at < input.len() => input[at] ^= 1 << (dice.next_u32() % 8),
        1 if at < input.len() => input[at] = TELLING[below(dice, TELLING.len())],
        2 => input.truncate(at),
        3 => drop(input.drain(at..input.len().min(at + some))),
        4 => {
            let mut noise = vec![0; some];
            dice.fill_bytes(&mut noise);
            input.splice(at..at, noise);
        }
        5 => {
            let again = input[at..input.len().min(at + some)].to_vec();
            input.splice(at..at, again);
        }
        _ => {
            let (_, other) = &others[below(dice, others.len())];
            input.truncate(at);
            input.extend_from_slice(&other[below(dice, other.len() + 1)..]);
        }
    }
    input.truncate(LONGEST);
}

/// Whether the target keeps its promises; where not, the input is kept for whoever looks for why.
fn holds(name: &str, target: Target, input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
        fs::write(&kept, input).unwrap();
        panic!("{name}: {what}; the input is in {}", kept.display());
    }
}

#[test]
fn the_seeds_and_what_is_near_them_break_no_promise() {
    let seed = number("CAMPANILE_FUZZ_SEED", 1);
    let runs = number("CAMPANILE_FUZZ_RUNS", RUNS);
    println!("CAMPANILE_FUZZ_SEED={seed} CAMPANILE_FUZZ_RUNS={runs}");
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for (path, input) in &seeds {
            holds(name, target, input, &path.display().to_string());
        }
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        for run in 0..runs {
            let mut input = seeds[below(&mut dice, seeds.len())].1.clone();
            for _ in 0..=dice.next_u32() % 6 {
                mutate(&mut input, &seeds, &mut dice);
            }
            holds(name, target, &input, &format!("mutation {run} of seed {seed}"));
        }
    }
}

#[test]
fn the_seeds_are_small() {
    let all: usize = TARGETS.iter().flat_map(|(name, _)| seeds(name)).map(|(_, s)| s.len()).sum();
    assert!(all < MOST_SEEDS, "{all} bytes");
}
