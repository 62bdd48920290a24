//! How a command ends when it does not end well.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command gave up, in one line: what, where, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It failed at run time: exit code 1.
    Failed(String),
    /// It was asked for something that cannot be: exit code 2.
    Input(String),
    /// All was said on standard output; this is the exit code that goes with it.
    Said(u8),
    /// Whoever read our output has gone. Nobody is left to complain to: exit code 0.
    ReaderGone,
}

impl Failure {
    /// A failure at run time.
    pub(super) fn failed(why: impl Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// Bad input.
    pub(super) fn input(why: impl Display) -> Self {
        Self::Input(why.to_string())
    }

    /// What is wrong, in one line.
    pub(super) fn text(&self) -> &str {
        match self {
            Failure::Failed(why) | Failure::Input(why) => why,
            Failure::Said(_) => "it was said already",
            Failure::ReaderGone => "nobody reads the output any more",
        }
    }

    /// Says it on standard error in one line, and gives the exit code.
    pub(super) fn report(&self, command: &str) -> ExitCode {
        self.report_as(command, 2)
    }

    /// The same, where another exit code than 2 stands for bad input.
    pub(super) fn report_as(&self, command: &str, misuse: u8) -> ExitCode {
        match self {
            Self::Failed(why) => say(command, why, 1),
            Self::Input(why) => say(command, why, misuse),
            Self::Said(code) => ExitCode::from(*code),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

fn say(command: &str, why: &str, code: u8) -> ExitCode {
    // Nowhere is left to complain that standard error is closed.
    let _ = writeln!(io::stderr(), "{command}: {}", one_line(why));
    ExitCode::from(code)
}

/// `text` on one line, without what a terminal would obey: it may quote what somebody typed.
pub(super) fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let spaced: String = text.chars().map(clean).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_quoted_stays_one_line() {
        assert_eq!(one_line("a\n  b\x1b[2J\tc"), "a b [2J c");
    }
}
