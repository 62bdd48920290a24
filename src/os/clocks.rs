//! The kernel's clocks, read.

use crate::time::{Raw, Scale, Shown, Span, Time};

/// Nanoseconds of a `timespec`, saturating: a clock may be set centuries ahead.
pub(super) fn nanos(at: libc::timespec) -> i64 {
    let seconds: i64 = at.tv_sec as _;
    let fraction: i64 = at.tv_nsec as _;
    seconds.saturating_mul(1_000_000_000).saturating_add(fraction)
}

#[expect(clippy::disallowed_methods, reason = "the door through which time comes in")]
fn read<S: Scale>(clock: libc::clockid_t) -> Time<S> {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `at` is a live timespec for the kernel to write to.
    let result = unsafe { libc::clock_gettime(clock, &mut at) };
    // All clocks used exist since Linux 2.6.39, and the pointer is good: nothing is left to fail.
    debug_assert_eq!(result, 0);
    Time::from_nanos(nanos(at))
}

/// The machine's own counter, which nobody steers: `CLOCK_MONOTONIC_RAW`. It stands still while
/// the machine is suspended.
pub(crate) fn monotonic_raw() -> Time<Raw> {
    read(libc::CLOCK_MONOTONIC_RAW)
}

/// The system clock, `CLOCK_REALTIME`: Unix time, as steered and as set.
pub(crate) fn realtime() -> Time<Shown> {
    read(libc::CLOCK_REALTIME)
}

/// How long the machine has been suspended since it booted: `CLOCK_BOOTTIME` − `CLOCK_MONOTONIC`,
/// too much by the time between the two readings.
pub(crate) fn suspended() -> Span {
    let running: Time<Raw> = read(libc::CLOCK_MONOTONIC);
    read::<Raw>(libc::CLOCK_BOOTTIME).since(running)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[test]
    fn the_raw_clock_runs_and_never_backwards() {
        let mut last = monotonic_raw();
        let start = last;
        for _ in 0..10_000 {
            let now = monotonic_raw();
            assert!(now >= last);
            last = now;
        }
        assert!(last > start);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "std is the second witness")]
    fn realtime_is_the_system_clock() {
        let std = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let apart = realtime() - Time::from_nanos(std.as_nanos() as i64);
        assert!(apart.abs().as_secs_f64() < Duration::from_secs(1).as_secs_f64(), "{apart:?}");
    }

    #[test]
    fn the_machine_does_not_sleep_while_it_works() {
        let least = |tries: std::ops::Range<u32>| tries.map(|_| suspended()).min().unwrap();
        let (before, after) = (least(0..8), least(0..8));
        let apart = (after.as_offset() - before.as_offset()).abs();
        assert!(apart < Span::from_micros(100), "{apart:?}");
    }

    #[test]
    fn far_times_saturate() {
        let far = libc::timespec { tv_sec: i64::MAX as _, tv_nsec: 999_999_999 };
        assert_eq!(nanos(far), i64::MAX);
        let past = libc::timespec { tv_sec: -1, tv_nsec: 999_999_999 };
        assert_eq!(nanos(past), -1);
    }
}
