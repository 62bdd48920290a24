//! From values to places on a chart, and the marks beside it.

use crate::time::{Offset, Shown, Span, Time};

/// Where a value lies, from 0 to 1, and the values that get a mark.
pub(super) trait Scale {
    /// The place of `value`, from 0 to 1; beyond where the value is.
    fn place(&self, value: f64) -> f64;
    /// Some `most` values with their labels, at most.
    fn ticks(&self, most: usize) -> Vec<(f64, String)>;
}

/// Spans in nanoseconds, each decade as long as the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decades {
    low: f64,
    high: f64,
}

impl Decades {
    /// From a power of ten at most `least` to one at least `greatest`.
    pub(super) fn covering(least: f64, greatest: f64) -> Self {
        let low = least.max(1.0).log10().floor();
        let high = greatest.max(1.0).log10().ceil().max(low + 1.0);
        Self { low, high }
    }
}

impl Scale for Decades {
    fn place(&self, value: f64) -> f64 {
        (value.max(1.0).log10() - self.low) / (self.high - self.low)
    }

    fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let (low, high) = (self.low as i32, self.high as i32);
        let step = ((high - low) as usize).div_ceil(most.max(1)).max(1);
        let exponents = (low..=high).step_by(step);
        exponents.map(|e| (10f64.powi(e), round_span(10f64.powi(e)))).collect()
    }
}

/// Offsets in nanoseconds: even about zero, decades further out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed {
    /// Where even becomes decades.
    knee: f64,
    low: f64,
    high: f64,
}

impl Signed {
    /// A scale for offsets from `least` to `greatest`, most of which are about `typical` in size.
    pub(super) fn covering(least: f64, greatest: f64, typical: f64) -> Self {
        let knee = 10f64.powf(typical.max(10.0).log10().floor());
        let most = least.abs().max(greatest.abs()).max(3.0 * knee) * 1.15;
        // Zero stays in sight, and one far side does not squeeze the other.
        let low = if least < 0.0 { least * 1.15 } else { -knee };
        let high = if greatest > 0.0 { greatest * 1.15 } else { knee };
        Self { knee, low: low.clamp(-most, -knee), high: high.clamp(knee, most) }
    }

    fn bend(&self, value: f64) -> f64 {
        (value / self.knee).asinh()
    }
}

impl Scale for Signed {
    fn place(&self, value: f64) -> f64 {
        let (low, high) = (self.bend(self.low), self.bend(self.high));
        (self.bend(value) - low) / (high - low)
    }

    fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let reach = self.low.abs().max(self.high) / self.knee;
        let decades = reach.log10().floor().max(0.0) as usize;
        let sides =
            if self.low.abs() * 4.0 < self.high || self.high * 4.0 < -self.low { 1 } else { 2 };
        let step = (decades + 1).div_ceil((most.saturating_sub(1) / sides).max(1)).max(1);
        let mut ticks = vec![(0.0, "0".to_owned())];
        for exponent in (0..=decades).rev().step_by(step) {
            let value = self.knee * 10f64.powi(exponent as i32);
            let text = round_span(value);
            ticks.push((value, format!("+{text}")));
            ticks.push((-value, format!("−{text}")));
        }
        ticks.retain(|(value, _)| (self.low..=self.high).contains(value));
        // Labels must not overlap: zero and the outer ones stay.
        let apart = 0.6 / most.max(1) as f64;
        let mut kept: Vec<(f64, String)> = Vec::new();
        for tick in ticks {
            let near =
                |other: &(f64, String)| (self.place(other.0) - self.place(tick.0)).abs() < apart;
            if !kept.iter().any(near) {
                kept.push(tick);
            }
        }
        kept
    }
}

/// Shares of all values: 0, 90 %, 99 %, 99.9 %, each nine as long as the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nines {
    nines: f64,
}

impl Nines {
    /// Up to as many nines as `count` values have.
    pub(super) fn of(count: u64) -> Self {
        Self { nines: (count.max(10) as f64).log10().clamp(1.0, 6.0) }
    }

    /// The quantiles to draw a curve through.
    pub(super) fn quantiles(self) -> impl Iterator<Item = f64> {
        let steps = (self.nines * 24.0) as i32;
        (0..=steps).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 24.0))
    }
}

impl Scale for Nines {
    fn place(&self, quantile: f64) -> f64 {
        -(1.0 - quantile).max(1e-9).log10() / self.nines
    }

    fn ticks(&self, _: usize) -> Vec<(f64, String)> {
        let all = [
            (0.0, "0"),
            (0.5, "50"),
            (0.9, "90"),
            (0.99, "99"),
            (0.999, "99.9"),
            (0.9999, "99.99"),
            (0.99999, "99.999"),
        ];
        let within = all.into_iter().filter(|(quantile, _)| self.place(*quantile) <= 1.0);
        within.map(|(quantile, text)| (quantile, text.to_owned())).collect()
    }
}

/// Instants, in seconds after `began`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) began: Time<Shown>,
    length: f64,
}

impl Clock {
    /// From `began` to `ended`.
    pub(super) fn over(began: Time<Shown>, ended: Time<Shown>) -> Self {
        Self { began, length: ended.since(began).as_secs_f64().max(1e-3) }
    }

    /// `at` as a value of this scale.
    pub(super) fn value(&self, at: Time<Shown>) -> f64 {
        (at - self.began).as_secs_f64()
    }
}

impl Scale for Clock {
    fn place(&self, value: f64) -> f64 {
        value / self.length
    }

    fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        const STEPS: [u32; 23] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600,
            43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000,
        ];
        let fits = |step: &&u32| self.length / f64::from(**step) <= most as f64;
        let step = f64::from(*STEPS.iter().find(fits).unwrap_or(&31_536_000));
        let begin = self.began.as_nanos().rem_euclid((step * 1e9) as i64) as f64 / 1e9;
        let first = if begin > 0.0 { step - begin } else { 0.0 };
        let count = ((self.length - first) / step).floor().max(-1.0) as i32;
        let values = (0..=count).map(|n| first + f64::from(n) * step);
        let label = |value: f64| {
            let at = self.began + Span::from_secs_f64(value + 1e-4);
            match step {
                86_400.0.. => date(at)[5..].to_owned(),
                60.0.. => time_of_day(at)[..5].to_owned(),
                _ => time_of_day(at),
            }
        };
        values.map(|value| (value, label(value))).collect()
    }
}

/// A power of ten nanoseconds, in as few letters as can be.
fn round_span(nanos: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| nanos >= 0.999 * size).unwrap_or((1.0, "ns"));
    format!("{:.0} {unit}", nanos / size)
}

/// `2026-11-25`.
pub(super) fn date(at: Time<Shown>) -> String {
    let (year, month, day) = civil(at.as_nanos().div_euclid(86_400_000_000_000));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `13:05:09`.
pub(super) fn time_of_day(at: Time<Shown>) -> String {
    let secs = at.as_nanos().div_euclid(1_000_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60)
}

/// The Gregorian date `days` after 1970-01-01: Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// An offset as a value of a scale.
pub(super) fn nanos(offset: Offset) -> f64 {
    offset.as_nanos() as f64
}

/// A span as a value of a scale.
pub(super) fn length(span: Span) -> f64 {
    span.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |secs: i64| Time::from_nanos(secs * 1_000_000_000);
        for (secs, day, time) in [
            (0, "1970-01-01", "00:00:00"),
            (951_827_696, "2000-02-29", "12:34:56"),
            (1_700_000_000, "2023-11-14", "22:13:20"),
            (4_107_542_399, "2100-02-28", "23:59:59"),
            (-1, "1969-12-31", "23:59:59"),
        ] {
            assert_eq!((date(at(secs)).as_str(), time_of_day(at(secs)).as_str()), (day, time));
        }
    }

    #[test]
    fn marks_are_round_and_few() {
        let texts = |ticks: Vec<(f64, String)>| {
            ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(Decades::covering(3e3, 2e6).ticks(6)), "1 µs 10 µs 100 µs 1 ms 10 ms");
        assert_eq!(texts(Decades::covering(1.0, 1e9).ticks(4)), "1 ns 1 µs 1 ms 1 s");
        let began = Time::from_nanos(1_700_000_003_000_000_000);
        let clock = Clock::over(began, began + Span::from_secs(60));
        assert_eq!(texts(clock.ticks(4)), "22:13:30 22:13:45 22:14:00 22:14:15");
        let day = Clock::over(began, began + Span::from_secs(90_000));
        assert_eq!(texts(day.ticks(3)), "00:00 12:00");
        let signed = Signed::covering(-250e6, 300e6, 2e3);
        for (value, text) in signed.ticks(9) {
            let place = signed.place(value);
            assert!((0.0..=1.0).contains(&place), "{text} at {place}");
        }
        assert!(signed.ticks(9).len() <= 9);
        assert!((Nines::of(1_000).place(0.999) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_scale_grows_with_its_values() {
        let signed = Signed::covering(-5e6, 1e4, 1e3);
        let values = [-5e6, -1e4, -10.0, 0.0, 10.0, 1e4];
        let places = values.map(|value| signed.place(value));
        assert!(places.windows(2).all(|two| two[0] < two[1]), "{places:?}");
        assert!(places[0] > 0.0 && places[5] < 1.0, "{places:?}");
    }
}
