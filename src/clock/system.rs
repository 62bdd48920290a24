//! The machine's system clock, steered through the kernel.

use std::{fmt, io};

use super::{Adjustment, Clock, ClockError, KernelRate, Oscillator, Pair, Quality};
use crate::os::{self, Timex};
use crate::time::{Local, Map, Offset, Rate, Shown, Span, Time};

/// The kernel, as far as its clock goes. The tests put a model in its place.
pub(crate) trait Kernel: Send {
    /// `clock_adjtime(CLOCK_REALTIME)`.
    fn adjust(&mut self, request: &mut Timex) -> io::Result<()>;
    /// Whether the clock may be set; asking changes nothing.
    fn allowed(&mut self) -> io::Result<()>;
    /// The raw counter and the system clock, read together.
    fn pair(&mut self) -> Pair;
    /// How long the machine has been suspended since it booted.
    fn suspended(&mut self) -> Span;
}

/// The kernel of this machine.
struct ThisKernel;

impl Kernel for ThisKernel {
    fn adjust(&mut self, request: &mut Timex) -> io::Result<()> {
        os::clock_adjtime(request)
    }
    fn allowed(&mut self) -> io::Result<()> {
        os::adjtime_allowed()
    }
    fn pair(&mut self) -> Pair {
        Pair::take()
    }
    fn suspended(&mut self) -> Span {
        os::suspended()
    }
}

/// Something else has its hands on the system clock too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interference {
    /// The clock is elsewhere than its course says: it was set, or slewed by `adjtime`.
    Moved {
        /// Positive: forward.
        by: Offset,
    },
    /// The rate is another than the one set.
    Rate {
        /// What this program set, or found at the start.
        set: Rate,
        /// What the kernel says now.
        found: Rate,
    },
    /// The kernel's own control loop was switched on or off, or a leap second was announced.
    Status {
        /// The kernel's status word (`STA_…`, adjtimex(2)).
        found: i32,
    },
}

impl fmt::Display for Interference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved { by } => {
                write!(f, "the system clock was moved by {:+.6} s", by.as_secs_f64())
            }
            Self::Rate { set, found } => write!(
                f,
                "the system clock's rate was changed from {:+.3} to {:+.3} ppm",
                set.as_ppm(),
                found.as_ppm()
            ),
            Self::Status { found } => {
                write!(f, "the kernel's clock status was changed to {found:#06x}")
            }
        }
    }
}

/// What steers the clock besides tick and frequency: the kernel's loops, pulses per second, leap
/// seconds. `STA_UNSYNC` is not among them, because the kernel sets it by itself when the error
/// bound has grown beyond 16 s or the clock was set.
const CONTROL: i32 = libc::STA_PLL
    | libc::STA_FLL
    | libc::STA_PPSFREQ
    | libc::STA_PPSTIME
    | libc::STA_FREQHOLD
    | libc::STA_INS
    | libc::STA_DEL;

/// The largest error the kernel takes, 16 s in µs; from there on it calls itself unsynchronised.
const MAX_MICROS: u64 = 16_000_000;

/// A departure from the course that reading noise and the kernel's rounding explain: 50 µs and
/// 5 ppm of the time since the course was read.
const NOISE: Span = Span::from_micros(50);
const NOISE_RATE: Rate = Rate::from_ppm(5.0);

/// A machine that was suspended for longer than this since the last look has slept: then the
/// kernel itself has moved the clock. Shorter may be a process that was held up between readings.
const NAP: Span = Span::from_millis(10);

/// `CLOCK_REALTIME` of this machine as a clock to steer, against Local = `CLOCK_MONOTONIC_RAW`.
///
/// - Rates go through `ADJ_TICK` and `ADJ_FREQUENCY` ([`KernelRate`]): ±10 % in steps of 0.015
///   ppb; what is beyond is clamped. Changes of rate are continuous.
/// - Steps go through `ADJ_SETOFFSET`, exact to the nanosecond, atomically with the new rate.
/// - [`publish`](Clock::publish) keeps `STA_UNSYNC`, `maxerror` and `esterror` true. While
///   `STA_UNSYNC` is clear the kernel also copies the time to the hardware clock every 11 minutes.
/// - [`map`](Clock::map) reads both clocks each time, so that no error of the kernel's arithmetic
///   adds up.
///
/// Before its first change it clears what another program may have left running (an offset in the
/// kernel's loop, a rest of `adjtime`). When it is dropped nothing is reset: the last rate stays.
/// What something else does to the clock is told by [`interference`](Clock::interference), but not
/// before this program has steered the clock: until then it may do what it likes.
pub struct SystemClock {
    kernel: Box<dyn Kernel>,
    /// What the kernel is expected to say: as set, or as found.
    expected: Setting,
    /// The clock as last read, at the rate as last known.
    course: Map<Local, Shown>,
    /// Of the pair of readings behind `course`.
    width: Span,
    suspended: Span,
    taken_over: bool,
    /// This program has set a rate or a step.
    steered: bool,
    found_synchronised: bool,
    interference: Option<Interference>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setting {
    rate: KernelRate,
    control: i32,
}

impl Setting {
    fn of(state: &Timex) -> Self {
        let rate = KernelRate { tick: state.tick, freq: state.freq };
        Self { rate, control: state.status & CONTROL }
    }
}

impl SystemClock {
    /// Opens the system clock of this machine. Nothing is changed yet.
    ///
    /// # Errors
    /// Where this process may not set the clock, or the kernel has no `clock_adjtime`.
    pub fn open() -> Result<Self, ClockError> {
        Self::over(Box::new(ThisKernel))
    }

    pub(crate) fn over(mut kernel: Box<dyn Kernel>) -> Result<Self, ClockError> {
        kernel.allowed().map_err(not_allowed)?;
        let mut state = Timex::default();
        kernel.adjust(&mut state).map_err(|error| refused("reading the clock's state", error))?;
        let expected = Setting::of(&state);
        let (pair, suspended) = (kernel.pair(), kernel.suspended());
        Ok(Self {
            kernel,
            expected,
            course: course(&pair, expected.rate),
            width: pair.width,
            suspended,
            taken_over: false,
            steered: false,
            found_synchronised: state.status & libc::STA_UNSYNC == 0,
            interference: None,
        })
    }

    /// Whether the kernel called its clock synchronised when this program came: another daemon
    /// keeps it, or one kept it (this program's last run, say) until at most nine hours ago.
    pub fn found_synchronised(&self) -> bool {
        self.found_synchronised
    }

    /// Reads the clock and compares it with what it should be.
    fn inspect(&mut self) -> io::Result<()> {
        let mut state = Timex::default();
        let read = self.kernel.adjust(&mut state);
        let found = if read.is_ok() { Setting::of(&state) } else { self.expected };
        let (pair, suspended) = (self.kernel.pair(), self.kernel.suspended());
        let slept = suspended - self.suspended > NAP;
        let now = course(&pair, found.rate);
        let elapsed = now.at - self.course.at;
        let by = now.reads - self.course.reading(now.at);
        let noise = NOISE + NOISE_RATE.gain_over(elapsed).abs() + pair.width + self.width;
        let set = self.expected;
        let noticed = if !found.rate.is_about(set.rate) {
            Some(Interference::Rate { set: set.rate.rate(), found: found.rate.rate() })
        } else if found.control != set.control {
            Some(Interference::Status { found: state.status })
        } else if by.abs() > noise && !slept {
            Some(Interference::Moved { by })
        } else {
            None
        };
        self.interference = self.interference.or(noticed.filter(|_| self.steered));
        self.taken_over &= found.control == 0;
        (self.expected, self.course, self.width) = (found, now, pair.width);
        self.suspended = suspended;
        read
    }

    /// Stops whatever else moves the clock in the kernel: the rest of an offset that a loop works
    /// off, which goes on even when the loop is switched off, and the rest of an `adjtime`.
    fn take_over(&mut self) -> io::Result<()> {
        let loop_on = libc::STA_PLL | libc::STA_UNSYNC;
        for (modes, status) in [
            (libc::ADJ_OFFSET | libc::ADJ_STATUS, loop_on),
            (libc::ADJ_OFFSET_SINGLESHOT, 0),
            (libc::ADJ_STATUS, libc::STA_UNSYNC),
        ] {
            self.kernel.adjust(&mut Timex { modes, status, offset: 0, ..Timex::default() })?;
        }
        self.taken_over = true;
        Ok(())
    }

    fn set(&mut self, rate: Rate, step: Option<Offset>) -> io::Result<()> {
        self.inspect()?;
        if !self.taken_over {
            self.take_over()?;
        }
        let rate = KernelRate::nearest(rate);
        let mut request = Timex {
            modes: libc::ADJ_TICK | libc::ADJ_FREQUENCY,
            tick: rate.tick,
            freq: rate.freq,
            ..Timex::default()
        };
        if let Some(by) = step {
            // The kernel forgets its error bounds at a step: unsynchronised until told otherwise.
            request.modes |= libc::ADJ_SETOFFSET | libc::ADJ_NANO | libc::ADJ_STATUS;
            request.status = libc::STA_UNSYNC;
            request.jump_secs = by.as_nanos().div_euclid(1_000_000_000);
            request.jump_nanos = by.as_nanos().rem_euclid(1_000_000_000);
        }
        let result = self.kernel.adjust(&mut request);
        if result.is_ok() {
            self.expected = Setting::of(&request);
            self.steered = true;
        }
        let pair = self.kernel.pair();
        (self.course, self.width) = (course(&pair, self.expected.rate), pair.width);
        result
    }
}

impl Clock for SystemClock {
    /// Reads the clocks itself, at the instant of the call: the anchor is that, not `now`.
    fn map(&mut self, _now: Time<Local>) -> Map<Local, Shown> {
        // Where the state cannot be read any more, what was set last still stands.
        let _ = self.inspect();
        self.course
    }

    /// The map returned has the rate that the kernel was given, to its resolution and range.
    fn steer(
        &mut self,
        _now: Time<Local>,
        adjustment: Adjustment,
    ) -> Result<Map<Local, Shown>, ClockError> {
        let (rate, step) = match adjustment {
            Adjustment::Run { rate } => (rate, None),
            Adjustment::Step { by, rate } => (rate, Some(by)),
        };
        self.set(rate, step).map_err(|error| refused("steering it", error))?;
        Ok(self.course)
    }

    fn publish(&mut self, quality: Quality) -> Result<(), ClockError> {
        let publish = |clock: &mut Self| {
            clock.inspect()?;
            let mut request = Timex {
                modes: libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR,
                status: if quality.synchronised { 0 } else { libc::STA_UNSYNC },
                maxerror: micros(quality.max_error),
                esterror: micros(quality.estimated_error),
                ..Timex::default()
            };
            clock.kernel.adjust(&mut request)?;
            clock.expected = Setting::of(&request);
            Ok(())
        };
        publish(self).map_err(|error| refused("publishing its quality", error))
    }

    /// Looks at the clock first.
    fn interference(&mut self) -> Option<Interference> {
        // A state that cannot be read is told by the next change, which fails too.
        let _ = self.inspect();
        self.interference.take()
    }

    fn name(&self) -> &'static str {
        "system"
    }
}

fn course(pair: &Pair, rate: KernelRate) -> Map<Local, Shown> {
    let at = Oscillator::plain().local_at(pair.raw);
    Map { at, reads: pair.real, rate: rate.rate() }
}

/// Whole µs, rounded up: an error is never understated.
fn micros(span: Span) -> i64 {
    span.as_nanos().div_ceil(1_000).min(MAX_MICROS) as i64
}

fn refused(what: &str, error: io::Error) -> ClockError {
    ClockError::new(format!("system clock: {what} failed: {error}"))
}

fn not_allowed(error: io::Error) -> ClockError {
    ClockError::new(match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "system clock: this process may not set CLOCK_REALTIME; allowed: root, or a process \
             with CAP_SYS_TIME outside of containers and user namespaces, or a virtual clock"
                .to_string()
        }
        _ => format!("system clock: clock_adjtime(CLOCK_REALTIME) does not work here: {error}"),
    })
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
