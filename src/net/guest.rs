//! Who else is served from a node's loop: somebody who reads of the node, never before the node's
//! own work.

use std::io;
use std::net::SocketAddr;

use mio::event::Event as Readiness;
use mio::{Registry, Token};

use super::{Moment, NetStats};
use crate::proto::{Core, Event, Order};
use crate::time::{Local, Time};

/// A node as a guest sees it. Nothing of it is made before it is asked for.
pub struct Scene<'a> {
    /// The present.
    pub moment: Moment,
    /// The core, to be asked with [`Core::tracking`], [`Core::peers`] and [`Core::counters`].
    pub core: &'a dyn Core,
    /// What the sockets count.
    pub net: &'a NetStats,
    /// What the clock is called on the command line.
    pub clock: &'static str,
    /// Where the node listens.
    pub addr: SocketAddr,
}

/// What a guest wants of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To be handed to the core.
    Order(Order),
    /// What SIGHUP means: reopen and read anew what is written to and read from.
    Reload,
}

/// Somebody who is served from a node's loop, on its thread. Each call delays the node, so each
/// does a bounded piece of work, a fraction of a millisecond, and none waits.
pub trait Guest {
    /// The node begins. Sockets are registered with tokens from `first` on.
    ///
    /// # Errors
    /// Where the operating system refuses; the node then does not begin.
    fn enter(&mut self, registry: &Registry, first: Token) -> io::Result<()>;

    /// Something is announced about one of its sockets. To be noted, and done in
    /// [`Guest::serve`].
    fn announced(&mut self, readiness: &Readiness);

    /// Something happened in the core.
    fn event(&mut self, moment: &Moment, event: &Event);

    /// Tells which events come next, so that memory which they need can be read together: one after the
    /// other each would wait for its own.
    fn foresee(&self, events: &[(Moment, Event)]) {
        let _ = events;
    }

    /// Whether a piece of work waits that needs no announcement.
    fn waits(&self) -> bool;

    /// When [`Guest::serve`] is to be called if nothing is announced before.
    fn deadline(&self) -> Option<Time<Local>>;

    /// Does one piece of work.
    fn serve(&mut self, scene: &Scene<'_>) -> Option<Wish>;
}
