//! Serves whoever comes in, one piece of work at a time.

use std::io;
use std::ops::Range;

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
/// Readers there may be at once behind a door; whoever comes then takes the place of one that wants
/// nothing, or is turned away. Each door has its own, so that a crowd at one keeps nobody from
/// another.
const SEATS: usize = 32;

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

/// Places of those behind a door.
fn seats(door: usize) -> Range<usize> {
    door * SEATS..(door + 1) * SEATS
}

struct Entrance {
    door: Box<dyn Door>,
    /// Somebody may be waiting.
    knocked: bool,
}

impl Outlet {
    /// One without a door, which keeps `ledger`.
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            doors: Vec::new(),
            visitors: Vec::new(),
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
            self.visitors.resize_with(self.doors.len() * SEATS, || None);
        }
    }

    /// Readers that found no place.
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    fn let_in(&mut self, now: Time<Local>) {
        let Some(which) = self.doors.iter().position(|entrance| entrance.knocked) else {
            return;
        };
        let entrance = &mut self.doors[which];
        let Ok((line, talk)) = entrance.door.accept() else {
            // Nobody is there; or there is no descriptor left, and the next knock is a new try.
            entrance.knocked = false;
            return;
        };
        let free = seats(which).find(|seat| self.visitors[*seat].is_none());
        let free = free.or_else(|| self.make_room(which, now));
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

    /// The place of whoever has wanted nothing for longest, of those behind a door.
    fn make_room(&mut self, door: usize, now: Time<Local>) -> Option<usize> {
        let idle =
            |place: usize| self.visitors[place].as_ref()?.makes_room(now).map(|idle| (idle, place));
        let (_, place) = seats(door).filter_map(idle).max()?;
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
        let all = self.visitors.len();
        (1..=all).map(|n| (self.turn + n) % all).find(wants)
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

    fn foresee(&self, events: &[(Moment, Event)]) {
        let slots = events.iter().filter(|(_, event)| matches!(event, Event::Slot(_)));
        std::hint::black_box(self.ledger.touch(slots.count()));
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
