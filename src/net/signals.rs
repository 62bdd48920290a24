//! Signals as events of the loop.

use std::io::{self, Read};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

use super::NetError;

/// Whether a node listens to signals: SIGTERM and SIGINT end it in order, SIGHUP is handed to the
/// observer. Dropped, the handlers do nothing any more.
#[derive(Debug)]
pub struct Signals {
    end: Option<Line>,
    hangup: Option<Line>,
}

/// The readable end of a pipe that a signal's handler writes to.
#[derive(Debug)]
struct Line {
    reader: UnixStream,
    handlers: Vec<SigId>,
}

impl Signals {
    /// Listens to none: for nodes that are one of several in a process.
    pub const fn none() -> Self {
        Self { end: None, hangup: None }
    }

    /// Catches SIGTERM, SIGINT and SIGHUP from now on.
    ///
    /// # Errors
    /// [`NetError::System`] where the operating system refuses.
    pub fn catch() -> Result<Self, NetError> {
        let line = |signals: &[i32]| {
            Line::new(signals).map_err(|error| NetError::system("cannot catch signals", &error))
        };
        Ok(Self { end: Some(line(&[SIGTERM, SIGINT])?), hangup: Some(line(&[SIGHUP])?) })
    }

    pub(super) fn register(
        &mut self,
        registry: &Registry,
        end: Token,
        hangup: Token,
    ) -> io::Result<()> {
        for (line, token) in [(&mut self.end, end), (&mut self.hangup, hangup)] {
            if let Some(line) = line {
                registry.register(&mut line.reader, token, Interest::READABLE)?;
            }
        }
        Ok(())
    }

    /// Whether SIGTERM or SIGINT came since the last look.
    pub(super) fn ended(&mut self) -> bool {
        self.end.as_mut().is_some_and(Line::drain)
    }

    /// Whether SIGHUP came since the last look.
    pub(super) fn hung_up(&mut self) -> bool {
        self.hangup.as_mut().is_some_and(Line::drain)
    }
}

impl Line {
    fn new(signals: &[i32]) -> io::Result<Self> {
        let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let mut line = Line { reader: UnixStream::from_std(reader), handlers: Vec::new() };
        for &signal in signals {
            line.handlers.push(pipe::register(signal, writer.try_clone()?)?);
        }
        Ok(line)
    }

    /// Reads until it would block, so that readiness is announced anew.
    fn drain(&mut self) -> bool {
        let mut came = false;
        let mut bytes = [0; 16];
        loop {
            match self.reader.read(&mut bytes) {
                Ok(1..) => came = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return came,
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for &handler in &self.handlers {
            unregister(handler);
        }
    }
}
