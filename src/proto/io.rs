//! The core's surface: what goes in, what comes out, and who calls when.
//!
//! A driver owns the sockets, the clock and the timer. It hands everything that happens to
//! [`Core::handle`], then drains [`Core::poll`] until that returns `None`, then sleeps until
//! [`Core::deadline`]. Calling `poll` too early or too often is harmless. Handling only records;
//! only a deadline that has come decides. The same loop serves sockets, the simulator and fuzzing.

use std::net::SocketAddr;

use super::election::Ballot;
use super::event::Event;
use super::exchange::Stamp;
use super::status::{Contender, Page, RosterSize, Tracking};
use super::{Counters, Source};
use crate::clock::{Adjustment, Quality};
use crate::time::{Local, Map, Shown, Time};
use crate::wire::{Buffer, Keyring};

/// Names one sent datagram whose transmit time matters, so that a better reading of it can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a driver tells a core.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// When it arrived, and who says so.
        at: Stamp<Local>,
        /// What it holds; anything at all.
        bytes: &'a [u8],
    },
    /// The kernel or the card tells when an earlier datagram left. May be late, may never come.
    Sent {
        /// Which datagram.
        token: Token,
        /// When it left, and who says so.
        at: Stamp<Local>,
    },
    /// The clock's course after a [`Output::Steer`] was carried out, as the clock reports it.
    Steered {
        /// From now on.
        map: Map<Local, Shown>,
    },
    /// The addresses behind the configured names, resolved anew.
    Addresses(&'a [SocketAddr]),
    /// The driver does (or does not) deliver [`Input::Sent`] for datagrams that carry a token.
    TransmitStamps(bool),
    /// What became of an [`Output::Keep`]. May be late; may never come.
    Kept {
        /// What was to be kept.
        ballot: Ballot,
        /// It is safe now; else it could not be written.
        written: bool,
    },
    /// Other keys from now on.
    Keys(&'a Keyring),
    /// An operator wants something of the node.
    Order(Order),
    /// End in order: take leave, then report [`Core::done`].
    Stop,
}

/// What an operator may ask of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Step the clock by all that is still to be worked off, now.
    MakeStep,
    /// Master: end the reign in order.
    Resign,
}

/// What a core asks of its driver.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send the buffer's datagram now: the core has just written the present moment into it.
    Send {
        /// To where.
        to: SocketAddr,
        /// Set where a better reading of the transmit time would help.
        token: Option<Token>,
    },
    /// Change the clock's course, and answer with [`Input::Steered`].
    Steer(Adjustment),
    /// Tell the clock's other readers how good it is.
    Publish(Quality),
    /// Write this down so that it is found again after a restart, whole or not at all, and answer
    /// with [`Input::Kept`]. The newest counts. A driver that keeps nothing answers at once.
    Keep(Ballot),
    /// Something worth printing, counting or recording.
    Event(Event),
}

/// A node's protocol logic without I/O: a master or a slave.
pub trait Core {
    /// Takes note of something that happened. `now` is the present on Local and must not run
    /// backwards between calls.
    fn handle(&mut self, now: Time<Local>, input: Input<'_>);

    /// Decides what is due at `now` and gives the next thing to do, writing a datagram into
    /// `buffer` where that is [`Output::Send`]. Read the clock anew for each call: `now` becomes
    /// the transmit time of what is sent, unless the kernel's is handed over later. `None`: nothing until
    /// [`Core::deadline`].
    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output>;

    /// When to call [`Core::poll`] next if nothing else happens before; `None`: never.
    fn deadline(&self) -> Option<Time<Local>>;

    /// Tells which datagrams will be handed over next, so that memory which they need can be read
    /// together. Nothing changes by that.
    fn foresee(&self, datagrams: &mut dyn Iterator<Item = &[u8]>) {
        let _ = datagrams;
    }

    /// Whether it answers nothing that comes with something that must leave at once: where the kernel
    /// stamps datagrams it may be handed them some milliseconds later.
    fn is_patient(&self) -> bool {
        false
    }

    /// Whether the core has ended after [`Input::Stop`] and wants no further call.
    fn done(&self) -> bool;

    /// What came in, went out and was dropped so far.
    fn counters(&self) -> &Counters;

    /// Where the node's own clock stands at `now`; none of a core that has none to tell of.
    fn tracking(&self, now: Time<Local>) -> Option<Tracking> {
        let _ = now;
        None
    }

    /// Those that may be master, as far as this node knows; 33 at most.
    fn contenders(&self) -> Vec<Contender> {
        Vec::new()
    }

    /// What is known of the members at `now`, from place `from` on, `most` of them at most: 0 at
    /// first, then where the last page says.
    fn peers(&self, now: Time<Local>, from: u32, most: usize) -> Page {
        let _ = (now, from, most);
        Page::default()
    }

    /// How many slaves a master has, and may have; none of a core that is no master.
    fn roster(&self) -> Option<RosterSize> {
        None
    }

    /// How many entries stand in tables and queues, all together: what an observer watches to see
    /// that nothing grows without end.
    fn held(&self) -> usize {
        0
    }
}

impl Source {
    pub(super) const fn number(self) -> u8 {
        match self {
            Source::Daemon => 0,
            Source::Kernel => 1,
            Source::Hardware => 2,
        }
    }

    /// The source behind a number that decoding has found to be at most 2.
    pub(super) const fn from_number(number: u8) -> Self {
        match number {
            0 => Source::Daemon,
            1 => Source::Kernel,
            _ => Source::Hardware,
        }
    }
}
