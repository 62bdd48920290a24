//! The rate of the system clock in the kernel's own units.

use crate::time::Rate;

/// How fast the kernel lets its clock run: a coarse and a fine part, which add up.
///
/// The kernel advances the system clock, in 1/100 s of the raw counter, by `tick` µs and by `freq`
/// on top, both against the same nominal length (kernel/time/ntp.c, `ntp_update_frequency`). With
/// a tick of 10 000 and a frequency of 0 it uses the counter's nominal length unchanged, as
/// `CLOCK_MONOTONIC_RAW` does: the system clock then runs at the raw counter's rate. (The rounding
/// of a counter's cycles to that length scales the correction: nothing for a counter of some MHz
/// and up, 17 ppb of 500 ppm for the 3.58 MHz `acpi_pm`. Whoever needs to know reads both clocks.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelRate {
    /// µs in 1/100 s: 9 000 … 11 000, in steps of 100 ppm.
    pub tick: i64,
    /// In 2⁻¹⁶ ppm, that is 0.015 ppb: within ±500 ppm.
    pub freq: i64,
}

const TICK: i64 = 10_000;
const PPM_PER_TICK: f64 = 100.0;
const FREQ_PER_PPM: f64 = 65_536.0;

impl KernelRate {
    /// The raw counter's own rate.
    pub const NOMINAL: KernelRate = KernelRate { tick: TICK, freq: 0 };
    /// Fastest and slowest: ±10 %.
    pub const MAX: Rate = Rate::from_ppm(100_000.0);
    /// What the fine part alone can do: ±500 ppm.
    pub const MAX_FINE: Rate = Rate::from_ppm(500.0);

    /// The setting nearest to `rate` of the system clock against the raw counter, clamped to
    /// ±[`MAX`](Self::MAX). The tick stays at its nominal 10 000 as long as the fine part will do.
    pub fn nearest(rate: Rate) -> Self {
        let ppm = rate.clamp_abs(Self::MAX).as_ppm();
        let ticks =
            if ppm.abs() <= Self::MAX_FINE.as_ppm() { 0.0 } else { (ppm / PPM_PER_TICK).round() };
        let fine = (ppm - ticks * PPM_PER_TICK) * FREQ_PER_PPM;
        Self { tick: TICK + ticks as i64, freq: fine.round() as i64 }
    }

    /// The rate it is, of the system clock against the raw counter.
    pub fn rate(self) -> Rate {
        let ticks = self.tick.saturating_sub(TICK) as f64;
        Rate::from_ppm(ticks * PPM_PER_TICK + self.freq as f64 / FREQ_PER_PPM)
    }

    /// The same rate, but for a unit of the fine part, which the kernel may round away.
    pub(super) fn is_about(self, other: Self) -> bool {
        self.tick == other.tick && self.freq.abs_diff(other.freq) <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_is_met_to_the_kernels_resolution() {
        let mut ppm = -100_000.0;
        while ppm <= 100_000.0 {
            let wanted = Rate::from_ppm(ppm);
            let set = KernelRate::nearest(wanted);
            assert!((9_000..=11_000).contains(&set.tick), "{ppm}: {set:?}");
            assert!(set.freq.abs() <= 500 << 16, "{ppm}: {set:?}");
            assert!((set.rate() - wanted).abs().as_ppb() < 0.008, "{ppm}: {set:?}");
            ppm += 37.123;
        }
    }

    #[test]
    fn the_tick_is_used_only_where_it_must_be() {
        let set = |ppm| KernelRate::nearest(Rate::from_ppm(ppm));
        assert_eq!(set(0.0), KernelRate::NOMINAL);
        assert_eq!(set(-500.0), KernelRate { tick: 10_000, freq: -500 << 16 });
        assert_eq!(set(530.0), KernelRate { tick: 10_005, freq: 30 << 16 });
        assert_eq!(set(-540.0), KernelRate { tick: 9_995, freq: -40 << 16 });
        assert_eq!(set(1e9), KernelRate { tick: 11_000, freq: 0 });
        assert_eq!(set(-1e9), KernelRate { tick: 9_000, freq: 0 });
    }
}
