//! What can go wrong with sockets and names.

use std::fmt;
use std::io;

use crate::clock::{ClockError, Interference};

/// The network, a name or the clock failed; the text is one line: what, where, what is allowed.
#[derive(Debug, Clone, PartialEq)]
pub enum NetError {
    /// A host name or address that cannot be used: bad input.
    Name(String),
    /// An address that cannot be listened on.
    Bind(String),
    /// The machinery of sockets, signals or the event loop failed.
    System(String),
    /// The kernel's timestamps were wanted and cannot be had.
    Stamps(String),
    /// The clock could not be steered any more.
    Clock(ClockError),
    /// Something else steers the clock too, and that is not allowed.
    Shared(Interference),
}

impl NetError {
    /// Whether what was asked for is at fault (exit code 2), not its doing (exit code 1).
    pub const fn is_input(&self) -> bool {
        matches!(self, NetError::Name(_))
    }

    pub(super) fn system(what: &str, error: &io::Error) -> Self {
        Self::System(format!("{what}: {error}"))
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetError::Name(text)
            | NetError::Bind(text)
            | NetError::System(text)
            | NetError::Stamps(text) => f.write_str(text),
            NetError::Clock(error) => error.fmt(f),
            NetError::Shared(found) => write!(f, "{found}, and not by this program"),
        }
    }
}

impl std::error::Error for NetError {}
