//! What may be missing, in no more room than if it could not: for tables of very many.
//!
//! An `Option` of a number takes twice the room of the number. Here a value that never occurs stands
//! for none.

use crate::time::{Local, Rate, Span, Time};

/// An `Option<Span>`. There is none of 292 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SparingSpan(Span);

impl SparingSpan {
    pub(super) const NONE: Self = Self(Span::MAX);

    pub(super) fn get(self) -> Option<Span> {
        (self.0 != Span::MAX).then_some(self.0)
    }
}

impl From<Option<Span>> for SparingSpan {
    fn from(span: Option<Span>) -> Self {
        span.map_or(Self::NONE, Self)
    }
}

/// An `Option<Time<Local>>`. No clock reads 292 years before its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SparingTime(Time<Local>);

impl SparingTime {
    pub(super) const NONE: Self = Self(Time::from_nanos(i64::MIN));

    pub(super) fn get(self) -> Option<Time<Local>> {
        (self != Self::NONE).then_some(self.0)
    }

    pub(super) fn take(&mut self) -> Option<Time<Local>> {
        std::mem::replace(self, Self::NONE).get()
    }
}

impl From<Option<Time<Local>>> for SparingTime {
    fn from(time: Option<Time<Local>>) -> Self {
        time.map_or(Self::NONE, Self)
    }
}

/// An `Option<Rate>` in four bytes: of 100 ppm it keeps 0.01 ppb.
#[derive(Debug, Clone, Copy)]
pub(super) struct SparingRate {
    ppb: f32,
}

impl SparingRate {
    pub(super) const NONE: Self = Self { ppb: f32::NAN };

    pub(super) fn get(self) -> Option<Rate> {
        (!self.ppb.is_nan()).then(|| Rate::from_ppb(self.ppb.into()))
    }
}

impl Default for SparingRate {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<Option<Rate>> for SparingRate {
    fn from(rate: Option<Rate>) -> Self {
        rate.map_or(Self::NONE, |rate| Self { ppb: rate.as_ppb() as f32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_back_and_none_is_none() {
        for span in [None, Some(Span::ZERO), Some(Span::from_secs(9))] {
            assert_eq!(SparingSpan::from(span).get(), span);
        }
        for time in [None, Some(Time::from_nanos(0)), Some(Time::from_nanos(-5))] {
            let mut kept = SparingTime::from(time);
            assert_eq!((kept.take(), kept.get()), (time, None));
        }
        assert_eq!(SparingRate::default().get(), None);
        for ppm in [-100.0, 0.0, 33.333_333] {
            let kept = SparingRate::from(Some(Rate::from_ppm(ppm))).get().unwrap();
            assert!((kept.as_ppm() - ppm).abs() < 1e-5, "{kept:?}");
        }
    }
}
