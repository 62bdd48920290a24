//! All courses that depart from the ordinary one a few times, and long ones drawn by chance; and from
//! some of the states straight on without further trouble.
//!
//! Breadth first alone does not get far enough: an election takes some twenty steps. So the courses
//! are counted by how often they depart from what happens if nothing goes wrong, as in
//! delay-bounded scheduling (Emmi, Qadeer and Rakamaric, *POPL* 2011): all with so many departures
//! are followed, wherever in the course those are.

use std::collections::{HashMap, HashSet};
use std::fmt;

use campanile::time::Span;

use crate::world::{INTERVAL, Step, World};

/// From wherever they are, the candidates must agree within this.
const TOGETHER: Span = Span::from_secs(15);

/// What a search has found.
#[derive(Default)]
pub struct Found {
    pub states: usize,
    /// States in which somebody reigns.
    pub reigns: usize,
    /// States from which the candidates were let come together.
    pub healed: usize,
    pub violation: Option<String>,
    pub path: Vec<Step>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} states, {} with a master, {} healed; {:?} after {:?}",
            self.states, self.reigns, self.healed, self.violation, self.path
        )
    }
}

/// A search under way.
struct Search {
    /// For each state the most steps and departures it was left with.
    seen: HashMap<u64, (u32, u32)>,
    heal_every: usize,
    found: Found,
}

/// Follows all courses of `length` steps from `start` that depart from the ordinary at most
/// `departures` times. From one in `heal_every` states everything is let go well.
pub fn explore(start: &World, length: u32, departures: u32, heal_every: usize) -> Found {
    let mut search = Search { seen: HashMap::new(), heal_every, found: Found::default() };
    search.follow(start, length, departures, &mut Vec::new());
    search.found
}

impl Search {
    fn follow(&mut self, world: &World, left: u32, departures: u32, path: &mut Vec<Step>) -> bool {
        if left == 0 {
            return true;
        }
        let ordinary = world.ordinary();
        let mut steps = vec![ordinary];
        if departures > 0 {
            steps.extend(world.steps().into_iter().filter(|step| *step != ordinary));
        }
        for step in steps {
            let left_over = departures - u32::from(step != ordinary);
            let mut next = world.clone();
            next.take(step);
            path.push(step);
            if !self.visit(&next, left - 1, left_over, path) {
                return false;
            }
            path.pop();
        }
        true
    }

    fn visit(&mut self, next: &World, left: u32, departures: u32, path: &mut Vec<Step>) -> bool {
        let known = self.seen.get(&next.print()).copied();
        if known.is_some_and(|(steps, more)| steps >= left && more >= departures) {
            return true;
        }
        self.seen.insert(next.print(), (left, departures));
        if known.is_none() {
            self.found.states += 1;
            self.found.reigns += usize::from(next.nodes.iter().any(|n| n.reigns().is_some()));
        }
        let due = known.is_none() && self.found.states.is_multiple_of(self.heal_every);
        if let Err(broken) = judge(next, due, &mut self.found.healed) {
            self.found.violation = Some(broken);
            self.found.path = path.clone();
            return false;
        }
        self.follow(next, left, departures, path)
    }
}

fn judge(world: &World, heal: bool, healed: &mut usize) -> Result<(), String> {
    if let Some(broken) = &world.broken {
        return Err(broken.clone());
    }
    if heal {
        *healed += 1;
        come_together(world.clone())?;
    }
    Ok(())
}

/// `walks` courses of `length` steps that are drawn from `seed`: most steps are the ordinary ones.
pub fn wander(start: &World, walks: u32, length: u32, seed: u64) -> Found {
    let mut chance = Chance(seed);
    let mut found = Found::default();
    for walk in 0..walks {
        let mut world = start.clone();
        let mut path = Vec::new();
        for _ in 0..length {
            let steps = world.steps();
            let step = match chance.below(8) {
                0 if !steps.is_empty() => steps[chance.below(steps.len())],
                _ => world.ordinary(),
            };
            world.take(step);
            path.push(step);
            found.states += 1;
            found.reigns += usize::from(world.nodes.iter().any(|n| n.reigns().is_some()));
            if world.broken.is_some() {
                break;
            }
        }
        if let Err(broken) = judge(&world, walk % 4 == 0, &mut found.healed) {
            return Found { violation: Some(broken), path, ..found };
        }
    }
    found
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % most as u64) as usize
    }
}

/// Lets everything run as it should: datagrams arrive at once, clocks run alike, masters announce
/// themselves once a round.
fn come_together(mut world: World) -> Result<(), String> {
    world.heal();
    settle(&mut world);
    let tick = Span::from_millis(50);
    let rounds = INTERVAL.as_nanos() / tick.as_nanos();
    for turn in 0..TOGETHER.as_nanos() / tick.as_nanos() {
        for node in 0..world.nodes.len() {
            let now = world.nodes[node].now + tick;
            world.advance(node, now);
            settle(&mut world);
            if turn % rounds == node as u64 {
                world.say(node);
                settle(&mut world);
            }
        }
        if let Some(broken) = world.broken {
            return Err(broken);
        }
    }
    let masters = world.nodes.iter().filter(|node| node.reigns().is_some()).count();
    if masters != 1 {
        return Err(format!("{masters} masters {TOGETHER:?} after all is well:\n{world}"));
    }
    let led: Vec<_> = world.nodes.iter().filter(|node| node.reigns().is_none()).collect();
    let obeyed: HashSet<_> = led.iter().filter_map(|node| node.obeys()).collect();
    if obeyed.len() != 1 || led.iter().any(|node| node.obeys().is_none()) {
        return Err(format!("not all obey the one master:\n{world}"));
    }
    Ok(())
}

fn settle(world: &mut World) {
    for _ in 0..200 {
        if world.in_flight() > 0 {
            world.take(Step::Deliver(0));
            continue;
        }
        let Some(node) = (0..world.nodes.len()).find(|&n| world.nodes[n].keeps()) else { return };
        world.kept(node, true);
    }
}
