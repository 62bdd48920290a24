//! Standard output that may go away, and log lines on standard error.

use std::io::{self, Write};

use serde::Serialize;

use super::courier::{Courier, Stream, broken};
use super::failure::Failure;
use crate::time::Span;

/// Standard output. The first error ends it: what is written after that is dropped.
#[derive(Debug, Default)]
pub(super) struct Out {
    failure: Option<Failure>,
    courier: Option<Courier>,
}

impl Out {
    /// That of a daemon: no reader holds it up.
    pub(super) fn unhurried() -> Self {
        // Where no thread is to be had it writes by itself, as everybody else.
        Self { failure: None, courier: Courier::hire().ok() }
    }

    /// Writes `text` as it is.
    pub(super) fn text(&mut self, text: &str) {
        if self.failure.is_some() || text.is_empty() {
            return;
        }
        if let Some(courier) = &self.courier {
            return courier.send(Stream::Output, text.to_owned());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        self.failure = written.err().as_ref().map(broken);
    }

    /// Writes `value` as JSON on a line of its own.
    pub(super) fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => self.text(&(line + "\n")),
            Err(error) => {
                self.failure.get_or_insert(Failure::failed(format!("cannot write JSON: {error}")));
            }
        }
    }

    /// A line of the log on standard error: how long after the start, and what happened.
    pub(super) fn log(&mut self, since: Span, what: &str) {
        let line = format!("{:>10.3} s  {what}\n", since.as_secs_f64());
        match &self.courier {
            Some(courier) => courier.send(Stream::Error, line),
            // A daemon goes on without a log.
            None => drop(io::stderr().write_all(line.as_bytes())),
        }
    }

    /// How many lines a reader that was too slow has missed since this was asked.
    pub(super) fn left_out(&self) -> u64 {
        self.courier.as_ref().map_or(0, Courier::left_out)
    }

    /// Why nothing can be written any more; none while all is well.
    pub(super) fn failure(&self) -> Option<Failure> {
        let theirs = || self.courier.as_ref().and_then(Courier::failure);
        self.failure.clone().or_else(theirs)
    }

    /// The end of a command that has written all it had to say.
    ///
    /// # Errors
    /// Where something could not be written.
    pub(super) fn end(self) -> Result<(), Failure> {
        let all_said = self.courier.as_ref().map_or(Ok(()), Courier::farewell);
        self.failure.map_or(all_said, Err)
    }
}
