//! What a track says of its slave, and how far it may be wrong.

use super::bound::{RHO_GREATEST, rho};
use super::wheel::Flywheel;
use super::{HISTORY, State, Taken, Track};
use crate::time::{Local, Offset, Rate, Span, Time};

/// Two crystals are at most so far apart, for a bound that may not rely on what was remembered.
const RATE_UNPROVEN: f64 = 2e-4;
/// A rate is known no better than from so many of the queues' scales at either end of its time.
const QUEUES: f64 = 2.0;
/// The floor of a round trip is sure up to this part of it.
const SURE_FLOOR: f64 = 0.9;

/// What the master believes of a slave's Local at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// On the master's Local.
    pub at: Time<Local>,
    /// The slave's Local minus the master's Local.
    pub offset: Offset,
    /// The rate of the slave's Local against the master's.
    pub rate: Rate,
    /// The slave's Local minus the flywheel: steadier where the master's crystal is not.
    pub wheel_offset: Offset,
    /// The rate of the slave's Local against the flywheel.
    pub wheel_rate: Rate,
    /// One standard deviation of the offset against the wheel, statistical, and rather too much: a
    /// static asymmetry of the path is not in it, half of a one-way change that was seen is.
    pub sigma: Span,
    /// One standard deviation of the rate.
    pub rate_sigma: Rate,
    /// The most by which the rate may be wrong: how fast the bound grows with age.
    pub rate_bound: Rate,
    /// The offset is wrong by no more than this if packets take time and the rate is wrong by at
    /// most six standard deviations and 0.1 ppm.
    pub bound: Span,
}

/// What there is to judge a rate's deviation by, that no filter says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grounds {
    /// Exchanges so far.
    pub(super) exchanges: u32,
    /// It began with what another master knew.
    pub(super) warm: bool,
    /// The queues' everyday scale, seconds.
    pub(super) scale: f64,
    /// Noise that stamps should not have, seconds: it may as well be the clock's own running.
    pub(super) strange: f64,
    /// How long the clock has run without a step, seconds.
    pub(super) known_for: f64,
    /// The longest of the latest times between two exchanges, seconds.
    pub(super) beat: f64,
}

/// The most by which a rate of this deviation may be wrong. What a filter says of itself that is
/// young, by so many exchanges, or what was remembered from before, has yet to prove itself; what
/// another master knew has done so. And nobody can tell a rate better than the queues let him in that
/// time, nor where clock and stamps cannot be told apart.
pub(super) fn rate_bound(sigma: f64, grounds: &Grounds) -> f64 {
    let Grounds { exchanges, warm, scale, strange, known_for, beat } = *grounds;
    let unproven = 1.0 - f64::from(exchanges) / f64::from(HISTORY);
    let unproven = if warm { 0.0 } else { unproven.max(0.0) };
    let unseen = (QUEUES * scale / known_for.max(beat)).max(strange / beat);
    rho(sigma).max(RATE_UNPROVEN * unproven).max(unseen.min(RHO_GREATEST))
}

impl Track {
    /// What is known for the instant `at`; nothing before the first exchange.
    pub fn estimate(&self, at: Time<Local>, wheel: &Flywheel) -> Option<Estimate> {
        self.estimate_after(None, at, wheel)
    }

    /// As [`Track::estimate`]; where nothing was observed since what was `taken`, at less cost.
    pub fn estimate_after(
        &self,
        taken: Option<&Taken>,
        at: Time<Local>,
        wheel: &Flywheel,
    ) -> Option<Estimate> {
        let state = self.state.as_ref()?;
        let outlook = taken.and_then(|taken| taken.outlook).unwrap_or_else(|| state.outlook());
        let second = self.rival.as_ref().and_then(|rival| rival.opinion());
        Some(state.estimate(&outlook, at, wheel, second))
    }
}

impl State {
    /// The most by which a rate of the deviation `sigma` may be wrong.
    pub(super) fn rate_bound(&self, sigma: f64) -> f64 {
        let grounds = Grounds {
            exchanges: self.exchanges,
            warm: self.warm,
            scale: self.scale(),
            strange: self.bank.strange_noise(),
            known_for: self.known_for,
            beat: self.beat,
        };
        rate_bound(sigma, &grounds)
    }

    /// What both ways take together at the least, as far as that is sure: the least round trip, less
    /// what its two ways may have queued. No filter is in it.
    pub(super) fn floor(&self) -> f64 {
        let queued = (self.mean_round_trip - self.least_round_trip) / 2.0;
        SURE_FLOOR * (self.least_round_trip - queued)
    }
}
