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

fn search(name: &str, world: &World, depth: u8) -> Result<(), String> {
    let begin = std::time::Instant::now();
    let mut search = Search::new(depth, 64, Span::from_secs(20));
    let found = search.run(world);
    println!(
        "{name} depth {depth}: {} states, {} steps, {} settled, {:?}",
        search.states,
        search.steps,
        search.settled,
        begin.elapsed()
    );
    found
}

#[test]
fn trial() {
    for depth in 5..=7 {
        search("quorum cold", &World::new(QUORUM), depth).unwrap();
        search("quorum steady", &steady(QUORUM), depth).unwrap();
        search("quorum rivals", &rivals(QUORUM), depth).unwrap();
        search("free cold", &World::new(FREE), depth).unwrap();
        search("free steady", &steady(FREE), depth).unwrap();
        search("free rivals", &rivals(FREE), depth).unwrap();
    }
}

#[test]
fn lying() {
    let mut world = rivals(Rules { flaw: Flaw::LyingDisk, copies: 0, ..QUORUM });
    for a in [
        Action::Deliver(1),
        Action::Timer(0),
        Action::Deliver(3),
        Action::Deliver(3),
        Action::Deliver(2),
        Action::Deliver(3),
        Action::Crash(2),
    ] {
        world.act(a).unwrap();
        println!("{a:?}");
        world.dump();
    }
    for _ in 0..12 {
        world.fair(Span::from_millis(2000)).unwrap();
        println!("---");
        world.dump();
    }
}

#[test]
fn flaws() {
    for flaw in [Flaw::ForgetfulDisk, Flaw::LyingDisk, Flaw::RefusalCounts] {
        for depth in 5..=10 {
            let found = Search::new(depth, u64::MAX, Span::ZERO).run(&rivals(Rules {
                flaw,
                copies: 0,
                ..QUORUM
            }));
            println!("{flaw:?} {depth} {found:?}");
            if found.is_err() {
                break;
            }
        }
    }
}
