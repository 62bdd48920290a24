//! The election: every course of events among three candidates to a stated depth, and what people
//! notice of it in time.

mod search;
mod world;

use campanile::time::Span;
use search::Search;
use world::{Action, Flaw, Rules, World};

const QUORUM: Rules =
    Rules { quorum: true, flaw: Flaw::None, air: 4, crashes: 1, pauses: 2, copies: 1 };
const FREE: Rules = Rules { quorum: false, ..QUORUM };

/// A master and two standbys, nothing under way.
fn steady(rules: Rules) -> World {
    let mut world = World::new(rules);
    world.fair(Span::from_secs(10)).expect("no property breaks where nothing is lost");
    world.rules = rules;
    world.settled().expect("a master after 10 s");
    world
}

/// The standbys have lost sight of the master, and both want to lead.
fn rivals(rules: Rules) -> World {
    let mut world = steady(rules);
    let leader = world.settled().unwrap();
    for node in (0..world::NODES).filter(|&node| node != leader) {
        world.act(Action::Timer(node)).unwrap();
        if rules.quorum {
            world.act(Action::Write(node)).unwrap();
        }
    }
    world
}

/// Tries every course of events from `world` on, to the depth, and prints how much that was.
fn search(name: &str, world: &World, depth: u8) {
    let mut search = Search::new(depth, 64, Span::from_secs(20));
    let found = search.run(world);
    println!(
        "{name}, depth {depth}: {} states, {} steps, {} of them followed until a master was found",
        search.states, search.steps, search.settled
    );
    assert_eq!(found, Ok(()), "{name}");
}

/// How many events deep; every further one costs some six times as long.
const DEPTH: u8 = 5;

#[test]
fn under_a_quorum_no_course_of_events_breaks_a_promise() {
    search("a cold start", &World::new(QUORUM), DEPTH);
    search("a steady cluster", &steady(QUORUM), DEPTH);
    search("two rivals", &rivals(QUORUM), DEPTH);
}

#[test]
fn without_a_quorum_no_course_of_events_breaks_a_promise() {
    search("a cold start", &World::new(FREE), DEPTH);
    search("a steady cluster", &steady(FREE), DEPTH);
    search("two rivals", &rivals(FREE), DEPTH);
}

/// The search would not be worth its time if it could not fail.
#[test]
fn a_disk_that_forgets_a_vow_is_found_out() {
    let rules = Rules { flaw: Flaw::ForgetfulDisk, copies: 0, ..QUORUM };
    let found = |depth| Search::new(depth, u64::MAX, Span::ZERO).run(&rivals(rules));
    assert!((5..=9).any(|depth| found(depth).is_err()));
}
