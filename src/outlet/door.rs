//! Ways in: a listening socket, and what is spoken behind it.

use std::io::{self, Read, Write};

use mio::event::Source;
use mio::{Registry, Token};

use super::Ledger;
use crate::net::{Scene, Wish};

/// A connection.
pub trait Line: Read + Write + Source + Send {}

impl<T: Read + Write + Source + Send> Line for T {}

/// A listening socket.
pub trait Door: Send {
    /// Watches it for callers.
    ///
    /// # Errors
    /// Where the operating system refuses.
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()>;

    /// The next caller, and how to talk to it.
    ///
    /// # Errors
    /// `WouldBlock` where nobody waits.
    fn accept(&mut self) -> io::Result<(Box<dyn Line>, Box<dyn Talk>)>;
}

/// What is spoken on one connection.
pub trait Talk: Send {
    /// Looks for a request at the beginning of what was heard. It is called again with more.
    fn listen(&mut self, heard: &[u8]) -> Heard;
}

/// What was found in what was heard.
pub enum Heard {
    /// No whole request yet.
    More,
    /// The first so many bytes are a request, and this is its answer.
    Request(usize, Box<dyn Answer>),
    /// Nothing sensible can follow: this is said, and the line is closed.
    Nonsense(String),
}

/// What an answer is made from.
pub struct House<'a> {
    /// The node.
    pub scene: &'a Scene<'a>,
    /// What its events told.
    pub ledger: &'a Ledger,
}

/// An answer in the making.
pub trait Answer: Send {
    /// Appends the next piece to `out`: some members' worth, so that it takes a fraction of a
    /// millisecond.
    fn write(&mut self, house: &House<'_>, out: &mut Vec<u8>) -> Step;
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to come.
    More,
    /// That was all.
    Done,
    /// That was all, and the node shall do this.
    Wish(Wish),
    /// That was all, and the line is closed once it is sent.
    Close,
}
