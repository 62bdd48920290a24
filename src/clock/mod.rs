//! What a node shows: clocks that may be steered, and the pure discipline that steers them.

mod carry;
mod discipline;
mod kernel_rate;
mod local;
mod system;
mod virtual_clock;

pub use carry::{Carrier, Pair};
pub use discipline::{Discipline, Limits, Target};
pub use kernel_rate::KernelRate;
pub use local::Oscillator;
pub use system::{Interference, SystemClock};
pub use virtual_clock::VirtualClock;

use std::fmt;

use crate::time::{Local, Map, Offset, Rate, Shown, Span, Time};

/// What the discipline wants of a clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Adjustment {
    /// Run at `rate` against Local from now on, continuously.
    Run {
        /// Shown against Local.
        rate: Rate,
    },
    /// Step now, then run at `rate`.
    Step {
        /// Positive: forward.
        by: Offset,
        /// Shown against Local.
        rate: Rate,
    },
}

/// How good a clock is, for others on the machine who read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// It follows a cluster time that is not expired.
    pub synchronised: bool,
    /// One standard deviation of its offset from cluster time.
    pub estimated_error: Span,
    /// The hard bound of its offset from cluster time.
    pub max_error: Span,
}

/// A clock could not be opened, read or steered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockError(String);

impl ClockError {
    /// An error whose text says in one line what, where, and what is allowed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClockError {}

/// A clock that a node shows to its users and may steer.
pub trait Clock {
    /// The present course: what it shows, and the rate at which it was told to run.
    fn map(&mut self, now: Time<Local>) -> Map<Local, Shown>;

    /// Carries an adjustment out and returns the course from then on.
    ///
    /// # Errors
    /// Where the operating system refuses; the clock then runs on as before.
    fn steer(
        &mut self,
        now: Time<Local>,
        adjustment: Adjustment,
    ) -> Result<Map<Local, Shown>, ClockError>;

    /// Tells the clock's other readers how good it is. A clock that has none does nothing.
    ///
    /// # Errors
    /// Where the operating system refuses.
    fn publish(&mut self, quality: Quality) -> Result<(), ClockError> {
        let _ = quality;
        Ok(())
    }

    /// What something else did to the clock since the last call, where that is noticed by now. A
    /// clock that nobody else can reach has nothing to tell.
    fn interference(&mut self) -> Option<Interference> {
        None
    }

    /// What it is called on the command line.
    fn name(&self) -> &'static str;
}
