//! A world made of sockets: one thread and one mio loop drive a core that knows neither.
//!
//! An [`Endpoint`] is a bound UDP socket. A [`Node`] owns one, with a core, a clock and the
//! oscillator under it; [`Node::run`] hands the core what arrives, carries out what it asks for,
//! and tells an [`Observer`] what happened. Nothing is decided here but when to look again.
//!
//! Readiness is edge-triggered: a socket is read until it would block, but no more than a
//! bounded number of datagrams at one turn; then whatever is due is done, and the loop comes back
//! without waiting. So a flood delays the rounds by a turn at most. Nothing is allocated and
//! nothing is printed per datagram.
//!
//! What a kernel may lack is asked for and done without: its timestamps, its count of lost
//! datagrams, IPv6, a larger buffer. Nothing depends on epoll: build with
//! `RUSTFLAGS='--cfg mio_unsupported_force_poll_poll'` to try mio's poll(2) backend.

mod ending;
mod endpoint;
mod error;
mod gather;
mod guest;
mod hands;
mod hope;
mod keeper;
mod names;
mod node;
mod observer;
mod signals;
mod stamps;
mod transmit;

pub use ending::{Ended, Stopper};
pub use endpoint::Endpoint;
pub use error::NetError;
pub use guest::{Guest, Scene, Wish};
pub use keeper::Keep;
pub use names::resolve;
pub use node::Node;
pub use observer::{Moment, NetStats, Observer};
pub use signals::Signals;
pub use stamps::{Missing, Wanted};
