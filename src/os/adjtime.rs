//! `clock_adjtime(CLOCK_REALTIME)`: the kernel's state of the system clock, read and changed.

use std::io;
use std::mem::MaybeUninit;

/// What of the kernel's `struct timex` this program reads and writes (adjtimex(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Timex {
    /// Which fields to change (`ADJ_…`); 0 only reads, and everybody may.
    pub modes: u32,
    /// `ADJ_OFFSET`: what the kernel's own loop has still to work off.
    pub offset: i64,
    /// `ADJ_FREQUENCY`: in 2⁻¹⁶ ppm, within ±500 ppm.
    pub freq: i64,
    /// `ADJ_MAXERROR`, in µs. The kernel adds 500 µs a second by itself.
    pub maxerror: i64,
    /// `ADJ_ESTERROR`, in µs.
    pub esterror: i64,
    /// `ADJ_STATUS`: the `STA_…` bits.
    pub status: i32,
    /// `ADJ_TICK`: µs the clock moves in 1/100 s; 10 000 is nominal, 9 000 … 11 000 allowed.
    pub tick: i64,
    /// `ADJ_SETOFFSET`: whole seconds to jump.
    pub jump_secs: i64,
    /// `ADJ_SETOFFSET | ADJ_NANO`: and nanoseconds, 0 … 999 999 999.
    pub jump_nanos: i64,
}

/// Changes what `request.modes` names and fills `request` with the state afterwards. With
/// `modes` 0 it only reads.
///
/// # Errors
/// `EPERM` without the right, `EINVAL` for a value out of range (then nothing was changed),
/// `ENOSYS` where a sandbox has no such call.
pub(crate) fn clock_adjtime(request: &mut Timex) -> io::Result<()> {
    // SAFETY: a timex is integers (and padding) only; all zero is a valid one.
    let mut raw: libc::timex = unsafe { MaybeUninit::zeroed().assume_init() };
    raw.modes = request.modes;
    raw.offset = request.offset as _;
    raw.freq = request.freq as _;
    raw.maxerror = request.maxerror as _;
    raw.esterror = request.esterror as _;
    raw.status = request.status;
    raw.tick = request.tick as _;
    raw.time.tv_sec = request.jump_secs as _;
    raw.time.tv_usec = request.jump_nanos as _;
    // SAFETY: `raw` is a live, initialised timex, which the kernel reads and writes in place.
    super::checked(unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, &mut raw) })?;
    *request = Timex {
        modes: 0,
        offset: raw.offset as _,
        freq: raw.freq as _,
        maxerror: raw.maxerror as _,
        esterror: raw.esterror as _,
        status: raw.status,
        tick: raw.tick as _,
        jump_secs: 0,
        jump_nanos: 0,
    };
    Ok(())
}

/// Asks the kernel whether this process may change the system clock, without changing it.
///
/// The question is a change that the kernel refuses to everybody: a tick of 0, far outside its
/// range. It looks at the right first and at the values next, and carries out nothing of a call
/// it refuses, so the answer is `EPERM` without the right and `EINVAL` with it. Unlike the mask
/// of capabilities this also sees user namespaces and sandboxes.
///
/// # Errors
/// The kernel's own refusal, `EPERM` as a rule.
pub(crate) fn adjtime_allowed() -> io::Result<()> {
    if !super::capability_sys_time() {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    let refused_anyway = Timex { modes: libc::ADJ_TICK, tick: 0, ..Timex::default() };
    match clock_adjtime(&mut { refused_anyway }) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(io::Error::other("the kernel took a tick of 0: this is no Linux")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Only the reading form is called here: a test never touches the clock of its machine.
    #[test]
    fn the_state_of_the_clock_is_read() {
        let mut state = Timex::default();
        match clock_adjtime(&mut state) {
            Ok(()) => {
                assert!((9_000..=11_000).contains(&state.tick), "{state:?}");
                assert!(state.freq.abs() <= 500 << 16, "{state:?}");
            }
            Err(error) => println!("not tested: clock_adjtime is refused here: {error}"),
        }
    }
}
