//! A track that begins with what another master knew.

use super::filter::Filter;
use super::wheel::Home;
use super::{Exchange, Local, Offset, Rate, Span, Time, Track};

/// No word of another master is taken for surer than this, seconds and ratio.
const SIGMA_LEAST: f64 = 100e-9;
const RATE_SIGMA_LEAST: f64 = 2e-9;
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
}

impl Prior {
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
