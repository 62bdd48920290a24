//! Standard output that may go away, and log lines on standard error.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::failure::Failure;
use crate::time::Span;

/// Standard output. The first error ends it: what is written after that is dropped.
#[derive(Debug, Default)]
pub(super) struct Out {
    failure: Option<Failure>,
}

impl Out {
    /// Writes `text` as it is.
    pub(super) fn text(&mut self, text: &str) {
        if self.failure.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        self.failure = written.err().map(|error| match error.kind() {
            // As with `campanile … | head`: who reads has seen enough.
            ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::failed(format!("cannot write to standard output: {error}")),
        });
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

    /// Why nothing can be written any more; none while all is well.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The end of a command that has written all it had to say.
    ///
    /// # Errors
    /// Where something could not be written.
    pub(super) fn end(self) -> Result<(), Failure> {
        self.failure.map_or(Ok(()), Err)
    }
}

/// A line of the log on standard error: how long after the start, and what happened.
pub(super) fn log(since: Span, what: &str) {
    // A daemon goes on without a log.
    let _ = writeln!(io::stderr(), "{:>10.3} s  {what}", since.as_secs_f64());
}
