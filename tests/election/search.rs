//! Every course of events to a given depth.

use std::collections::HashMap;

use campanile::time::Span;

use crate::world::{Action, World};

/// What a search went through, or what it found.
pub struct Search {
    pub depth: u8,
    /// Of so many states, one is also run on fairly, to see that a master comes to be.
    pub sample: u64,
    pub within: Span,
    pub states: u64,
    pub steps: u64,
    pub settled: u64,
    /// States, and how much depth was left when they were last gone on from.
    seen: HashMap<u64, u8>,
    path: Vec<Action>,
}

impl Search {
    pub fn new(depth: u8, sample: u64, within: Span) -> Self {
        let seen = HashMap::new();
        Self { depth, sample, within, states: 0, steps: 0, settled: 0, seen, path: Vec::new() }
    }

    /// Goes through everything.
    ///
    /// # Errors
    /// What broke, and the actions that led there.
    pub fn run(&mut self, world: &World) -> Result<(), String> {
        self.visit(world, self.depth).map_err(|why| format!("{why} after {:?}", self.path))
    }

    fn visit(&mut self, world: &World, left: u8) -> Result<(), String> {
        let fingerprint = world.fingerprint();
        match self.seen.insert(fingerprint, left) {
            Some(before) if before >= left => {
                self.seen.insert(fingerprint, before);
                return Ok(());
            }
            Some(_) => {}
            None => {
                self.states += 1;
                if fingerprint.is_multiple_of(self.sample) {
                    self.settle(world)?;
                }
            }
        }
        if left == 0 {
            return Ok(());
        }
        for action in world.actions() {
            let mut next = world.clone();
            self.path.push(action);
            self.steps += 1;
            next.act(action)?;
            self.visit(&next, left - 1)?;
            self.path.pop();
        }
        Ok(())
    }

    fn settle(&mut self, world: &World) -> Result<(), String> {
        self.settled += 1;
        let mut world = world.clone();
        world.fair(self.within)?;
        world.settled().map(drop).map_err(|why| format!("{why} a fair {:?}", self.within))
    }
}
