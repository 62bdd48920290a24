//! Serves whoever comes in, one piece of work at a time.

use std::io;

use mio::event::Event as Readiness;
use mio::{Registry, Token};

use super::Ledger;
use super::door::{Door, House};
use super::visitor::{Outcome, Visitor};
use crate::net::{Guest, Moment, Scene, Wish};
use crate::proto::Event;
use crate::time::{Local, Time};

/// Doors there may be.
const MOST_DOORS: usize = 4;
/// Readers there may be at once; whoever comes then takes the place of one that wants nothing, or
/// is turned away.
pub(super) const MOST_VISITORS: usize = 32;

/// What others read of a node.
pub struct Outlet {
    ledger: Ledger,
    doors: Vec<Entrance>,
    visitors: Vec<Option<Visitor>>,
    registry: Option<Registry>,
    first: usize,
    /// Whose turn it is.
    turn: usize,
    turned_away: u64,
}

struct Entrance {
    door: Box<dyn Door>,
    /// Somebody may be waiting.
    knocked: bool,
}

impl Outlet {
    /// One without a door, which keeps `ledger`.
    pub fn new(ledger: Ledger) -> Self {
        let visitors = (0..MOST_VISITORS).map(|_| None).collect();
        Self {
            ledger,
            doors: Vec::new(),
            visitors,
            registry: None,
            first: 0,
            turn: 0,
            turned_away: 0,
        }
    }

    /// Opens a door, before the node runs. More than four are not opened.
    pub fn open(&mut self, door: Box<dyn Door>) {
        if self.doors.len() < MOST_DOORS {
            self.doors.push(Entrance { door, knocked: true });
        }
    }

    /// Readers that found no place.
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    fn let_in(&mut self, now: Time<Local>) {
        let Some(entrance) = self.doors.iter_mut().find(|entrance| entrance.knocked) else {
            return;
        };
        let Ok((line, talk)) = entrance.door.accept() else {
            // Nobody is there; or there is no descriptor left, and the next knock is a new try.
            entrance.knocked = false;
            return;
        };
        let free = self.visitors.iter().position(Option::is_none).or_else(|| self.make_room(now));
        let (Some(place), Some(registry)) = (free, &self.registry) else {
            self.turned_away += 1;
            return;
        };
        let mut visitor = Visitor::new(line, talk, now);
        let token = Token(self.first + MOST_DOORS + place);
        if visitor.register(registry, token).is_ok() {
            self.visitors[place] = Some(visitor);
        }
    }

    /// The place of whoever has wanted nothing for longest.
    fn make_room(&mut self, now: Time<Local>) -> Option<usize> {
        let idle = |(place, visitor): (usize, &Option<Visitor>)| {
            visitor.as_ref()?.makes_room(now).map(|idle| (idle, place))
        };
        let (_, place) = self.visitors.iter().enumerate().filter_map(idle).max()?;
        self.dismiss(place);
        Some(place)
    }

    fn dismiss(&mut self, place: usize) {
        if let (Some(mut visitor), Some(registry)) = (self.visitors[place].take(), &self.registry) {
            visitor.leave(registry);
        }
    }

    /// The next visitor in turn with whom something is to be done.
    fn next(&self, now: Time<Local>) -> Option<usize> {
        let wants = |place: &usize| {
            let visitor = self.visitors[*place].as_ref();
            visitor.is_some_and(|visitor| visitor.waits() || visitor.deadline() <= now)
        };
        (1..=MOST_VISITORS).map(|n| (self.turn + n) % MOST_VISITORS).find(wants)
    }
}

impl Guest for Outlet {
    fn enter(&mut self, registry: &Registry, first: Token) -> io::Result<()> {
        self.first = first.0;
        for (entrance, n) in self.doors.iter_mut().zip(self.first..) {
            entrance.door.register(registry, Token(n))?;
        }
        self.registry = Some(registry.try_clone()?);
        Ok(())
    }

    fn announced(&mut self, readiness: &Readiness) {
        let place = readiness.token().0.saturating_sub(self.first);
        if let Some(entrance) = self.doors.get_mut(place) {
            entrance.knocked = true;
        } else if let Some(place) = place.checked_sub(MOST_DOORS)
            && let Some(Some(visitor)) = self.visitors.get_mut(place)
        {
            visitor.announced(readiness);
        }
    }

    fn event(&mut self, moment: &Moment, event: &Event) {
        self.ledger.note(moment.local, event);
    }

    fn waits(&self) -> bool {
        self.doors.iter().any(|entrance| entrance.knocked)
            || self.visitors.iter().flatten().any(Visitor::waits)
    }

    fn deadline(&self) -> Option<Time<Local>> {
        self.visitors.iter().flatten().map(Visitor::deadline).min()
    }

    fn serve(&mut self, scene: &Scene<'_>) -> Option<Wish> {
        let now = scene.moment.local;
        self.let_in(now);
        let place = self.next(now)?;
        self.turn = place;
        let house = House { scene, ledger: &self.ledger };
        match self.visitors[place].as_mut()?.serve(&house) {
            Outcome::Stays => None,
            Outcome::Goes => {
                self.dismiss(place);
                None
            }
            Outcome::Wish(wish) => Some(wish),
        }
    }
}
