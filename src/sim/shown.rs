//! What a simulated node shows: a virtual clock, or a kernel's with its granularity.

use crate::clock::{Adjustment, Clock, KernelRate, VirtualClock};
use crate::time::{Local, Map, Rate, Shown, Span, Time};

/// Which clock a node shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockKind {
    /// One of the daemon's own: exact, and obeys at once.
    #[default]
    Virtual,
    /// The system clock: its rate has the resolution of `adjtimex`, and a new one holds from the
    /// kernel's next timer tick on. Steps are exact.
    Kernel,
}

/// The kernel's tick at 250 Hz.
const TICK: Span = Span::from_millis(4);

#[derive(Debug, Clone)]
pub(super) struct ShownClock {
    kind: ClockKind,
    clock: VirtualClock,
    /// A rate that was set, and the tick it waits for.
    pending: Option<(Time<Local>, Rate)>,
}

impl ShownClock {
    /// A clock that was not steered yet.
    pub(super) fn new(kind: ClockKind, at: Time<Local>, reads: Time<Shown>) -> Self {
        Self { kind, clock: VirtualClock::new(at, reads, Rate::ZERO), pending: None }
    }

    /// What it reads at `now`, which is not before the last steering.
    pub(super) fn reading(&self, now: Time<Local>) -> Time<Shown> {
        match self.pending {
            Some((tick, _)) if tick <= now => {
                let mut later = self.clone();
                later.settle(now);
                later.clock.reading(now)
            }
            _ => self.clock.reading(now),
        }
    }

    /// The course as the driver gets to know it: the rate is the one that was set.
    pub(super) fn map(&mut self, now: Time<Local>) -> Map<Local, Shown> {
        self.settle(now);
        let map = self.clock.map(now);
        Map { rate: self.pending.map_or(map.rate, |(_, rate)| rate), ..map }
    }

    /// Carries an adjustment out and returns the course from then on.
    pub(super) fn steer(&mut self, now: Time<Local>, adjustment: Adjustment) -> Map<Local, Shown> {
        self.settle(now);
        match self.kind {
            ClockKind::Virtual => self.set(now, adjustment),
            ClockKind::Kernel => {
                if let Adjustment::Step { by, .. } = adjustment {
                    self.set(now, Adjustment::Step { by, rate: self.clock.rate() });
                }
                let (Adjustment::Run { rate } | Adjustment::Step { rate, .. }) = adjustment;
                let tick = TICK.as_nanos() as i64;
                let next = now.as_nanos().div_euclid(tick).saturating_add(1).saturating_mul(tick);
                self.pending = Some((Time::from_nanos(next), KernelRate::nearest(rate).rate()));
            }
        }
        self.map(now)
    }

    fn settle(&mut self, now: Time<Local>) {
        if let Some((tick, rate)) = self.pending.take_if(|(tick, _)| *tick <= now) {
            self.set(tick, Adjustment::Run { rate });
        }
    }

    fn set(&mut self, now: Time<Local>, adjustment: Adjustment) {
        self.clock.steer(now, adjustment).expect("a virtual clock obeys");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Offset;

    fn at(millis: i64) -> Time<Local> {
        Time::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_kernel_clock_obeys_from_the_next_tick_on_to_its_resolution() {
        let mut clock = ShownClock::new(ClockKind::Kernel, at(0), Time::from_nanos(0));
        let told = clock.steer(at(1), Adjustment::Run { rate: Rate::from_ppm(500.0) });
        assert_eq!(told.rate, Rate::from_ppm(500.0));
        assert_eq!(clock.reading(at(4)).as_nanos(), 4_000_000);
        assert_eq!(clock.reading(at(1_004)).as_nanos(), 1_004_500_000);
        let told = clock.steer(at(2_000), Adjustment::Run { rate: Rate::from_ppb(0.005) });
        assert_eq!(told.rate, Rate::ZERO, "finer than 2⁻¹⁶ ppm is not to be had");
        assert_eq!(told.reads, clock.reading(at(2_000)));
    }

    #[test]
    fn a_step_is_exact_and_a_look_ahead_changes_nothing() {
        let mut clock = ShownClock::new(ClockKind::Kernel, at(0), Time::from_nanos(0));
        let by = Offset::from_nanos(-5_000);
        clock.steer(at(1), Adjustment::Step { by, rate: Rate::from_ppm(100.0) });
        let ahead = clock.reading(at(104));
        assert_eq!(clock.reading(at(1)).as_nanos(), 995_000);
        assert_eq!(clock.reading(at(104)), ahead);
        assert_eq!(ahead.as_nanos(), 104_000_000 - 5_000 + 10_000);
    }
}
