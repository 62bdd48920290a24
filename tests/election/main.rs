//! Courses that an election of two or three candidates can take: loss, duplication and reordering of
//! messages, partitions, timeouts in any order, crashes, restarts with and without the disk, disks
//! that are slow or fail. Over the very code that the daemon runs.
//!
//! A search that finds nothing may be a bad search; so it must also find the flaws that are
//! planted here. `docs/election.md` names the properties.

mod search;
mod world;

use search::{Found, explore, wander};
use world::{Budget, Flaw, World};

const TROUBLE: Budget = Budget { crashes: 2, lost_disks: 1, duplicates: 2, disk_faults: 1 };

fn check(found: &Found, least: usize) {
    println!("{found}");
    assert_eq!(found.violation, None, "{found}");
    assert!(found.states >= least, "the search is too small: {found}");
    assert!(found.reigns > 0 && found.healed > 20, "{found}");
}

#[test]
fn with_a_quorum_no_term_has_two_masters_and_no_vote_is_given_twice() {
    let start = World::new(3, true, TROUBLE, None);
    check(&explore(&start, 40, 2, 101), 10_000);
    check(&wander(&start, 2_000, 90, 1), 100_000);
}

#[test]
fn without_a_quorum_two_and_three_candidates_come_together_from_wherever_they_are() {
    for nodes in [2, 3] {
        let start = World::new(nodes, false, TROUBLE, None);
        check(&explore(&start, 30, 2, 53), 2_000);
        check(&wander(&start, 1_000, 60, 2), 50_000);
    }
}

/// What is found where a flaw is planted.
fn planted(flaw: Flaw, quorum: bool, budget: Budget) -> Found {
    let start = World::new(3, quorum, budget, Some(flaw));
    let near = explore(&start, 40, 2, 101);
    let found = if near.violation.is_some() { near } else { wander(&start, 40_000, 90, 3) };
    println!("{flaw:?}: {found}");
    found
}

#[test]
fn a_vote_that_is_given_before_it_is_on_disk_is_found() {
    let budget = Budget { crashes: 1, ..Budget::NONE };
    let found = planted(Flaw::VotesBeforeDisk, true, budget);
    assert!(found.violation.is_some(), "{found}");
}

#[test]
fn a_candidate_that_votes_without_its_memory_is_found() {
    let budget = Budget { crashes: 1, lost_disks: 1, ..Budget::NONE };
    let found = planted(Flaw::VotesWithoutMemory, true, budget);
    assert!(found.violation.is_some(), "{found}");
}

#[test]
fn a_candidate_that_miscounts_the_votes_it_needs_is_found() {
    let found = planted(Flaw::NeedsNobody, true, Budget::NONE);
    assert!(found.violation.is_some(), "{found}");
}

#[test]
fn a_master_that_never_yields_is_found() {
    let found = planted(Flaw::NeverYields, false, Budget::NONE);
    assert!(found.violation.is_some(), "{found}");
}
