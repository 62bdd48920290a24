//! A track that begins with what another master knew.

use super::filter::Filter;
use super::wheel::Home;
use super::{Bank, Exchange, Local, Offset, Rate, Source, Span, Time, Track};

/// No word of another master is taken for surer than this, seconds and ratio.
const SIGMA_LEAST: f64 = 100e-9;
const RATE_SIGMA_LEAST: f64 = 2e-9;
/// Who has followed a clock for long knows its rate about as well as what it wanders in so many seconds lets
/// him: with noise of r² a second and a wander of q the deviation is √2·q^¾·r^½, squared.
const WANDERS: f64 = 15.0;
/// It is believed within so many deviations of what the first exchange allows.
const BELIEVED: f64 = 8.0;

/// What another master knew of a slave, put into our own Local.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// On our Local.
    pub at: Time<Local>,
    /// The slave's Local minus ours.
    pub offset: Offset,
    /// The rate of the slave's Local against ours.
    pub rate: Rate,
    /// One standard deviation of the offset.
    pub sigma: Span,
    /// One standard deviation of the rate.
    pub rate_sigma: Rate,
}

impl Track {
    /// A track that begins with what another master knew.
    pub fn warm(prior: Prior) -> Self {
        Self { prior_rate: Some(prior.rate).into(), warm: Some(Box::new(prior)), ..Self::default() }
    }

    /// A bank that nothing was observed with yet.
    pub(super) fn first_bank(&self, filter: Filter, source: Source) -> Bank {
        let mut bank = Bank::new(filter, source);
        // Else a restless clock would be taken for a steady one by whoever takes over.
        if let Some(prior) = &self.warm {
            bank.suppose_at_least(prior.wander());
        }
        bank
    }
}

impl Prior {
    /// How much the clock wanders, in s²/s³, if the other master had followed it for long.
    fn wander(&self) -> f64 {
        self.rate_sigma.as_ratio().powi(2) / WANDERS
    }

    /// Puts what was known into a filter that starts with `exchange`, whose offset is its base;
    /// says whether the two go together.
    pub(super) fn pour(&self, filter: &mut Filter, exchange: &Exchange, home: &Home) -> bool {
        let at = exchange.middle();
        let elapsed = at - self.at;
        let offset = self.offset + self.rate.gain_over(elapsed);
        let away = (offset - exchange.offset()).as_secs_f64();
        let rate_sigma = self.rate_sigma.as_ratio().abs().max(RATE_SIGMA_LEAST);
        let grown = rate_sigma * elapsed.as_secs_f64().abs();
        let sigma = self.sigma.as_secs_f64().max(SIGMA_LEAST).hypot(grown);
        let half = exchange.round_trip().as_secs_f64().max(0.0) / 2.0;
        if away.abs() > half + BELIEVED * sigma {
            return false;
        }
        filter.mean[0] = home.deviation + away;
        filter.mean[1] = home.rate + self.rate.as_ratio();
        filter.cov[0] = sigma * sigma;
        filter.cov[3] = rate_sigma * rate_sigma;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::exchange::Stamp;
    use crate::proto::track::Flywheel;

    fn at(micros: i64) -> Time<Local> {
        Time::from_nanos(1_000_000_000 + micros * 1_000)
    }

    /// How much a clock is taken to wander whose rate another master knew with this deviation, s²/s³.
    fn wander(rate_sigma: f64) -> f64 {
        let prior = Prior {
            at: at(0),
            offset: Offset::ZERO,
            rate: Rate::from_ppm(10.0),
            sigma: Span::from_micros(1),
            rate_sigma: Rate::from_ratio(rate_sigma),
        };
        let mut track = Track::warm(prior);
        let stamp = |micros| Stamp::daemon(at(micros));
        let middle = Stamp::daemon(Time::from_nanos(at(50).as_nanos()));
        let exchange = Exchange { t1: stamp(0), t2: middle, t3: middle, t4: stamp(100) };
        track.observe(&exchange, &mut Flywheel::new());
        track.state.as_ref().unwrap().outlook().q
    }

    #[test]
    fn a_clock_that_was_hard_to_follow_is_taken_for_restless() {
        assert!((1e-19..1e-17).contains(&wander(2e-9)), "{}", wander(2e-9));
        assert!((1e-15..1e-12).contains(&wander(0.4e-6)), "{}", wander(0.4e-6));
    }
}
