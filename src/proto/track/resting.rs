//! A track at rest: what of its state lives from one exchange to the next, in half of the room.
//!
//! A master has a track for each slave and works with one of them at a time. So this is what counts:
//! the bank as differences and roots ([`bank`](super::bank)), what is learned in single precision.
//! Whatever two clocks are compared by stays whole.

use super::bank::Outlook;
use super::bound::{self, Corridor};
use super::estimate::{Grounds, rate_bound};
use super::guard::Guard;
use super::law::Law;
use super::wheel::{Flywheel, Home};
use super::{Estimate, Local, Offset, Rate, Source, Span, State, Time, bank, law};

/// See the fields of [`State`].
#[derive(Debug, Clone)]
pub(super) struct Resting {
    at: Time<Local>,
    base: Offset,
    bank: bank::Resting,
    laws: [law::Resting; 2],
    guard: Guard,
    corridor: Corridor,
    least_round_trip: f32,
    mean_round_trip: f32,
    early: f32,
    skew: [f32; 2],
    beat: f32,
    known_for: f32,
    exchanges: u32,
    rival: u8,
    in_order: u8,
    since_step: u8,
    rivals: u8,
    astray: i8,
    warm: bool,
    noise: Source,
}

impl State {
    /// It is of no use afterwards: its guard goes along.
    pub(super) fn rest(&mut self) -> Resting {
        Resting {
            at: self.at,
            base: self.base,
            bank: self.bank.rest(),
            laws: self.laws.each_ref().map(Law::rest),
            guard: std::mem::take(&mut self.guard),
            corridor: self.corridor.clone(),
            least_round_trip: self.least_round_trip as f32,
            mean_round_trip: self.mean_round_trip as f32,
            early: self.early as f32,
            skew: self.skew.map(|skew| skew as f32),
            beat: self.beat as f32,
            known_for: self.known_for as f32,
            exchanges: self.exchanges,
            rival: self.rival,
            in_order: self.in_order,
            since_step: self.since_step,
            rivals: self.rivals,
            astray: self.astray,
            warm: self.warm,
            noise: self.noise,
        }
    }
}

impl Resting {
    /// What rests is of no use until it was put to rest anew: its guard goes along.
    #[inline]
    pub(super) fn wake(&mut self) -> State {
        State {
            at: self.at,
            base: self.base,
            bank: self.bank.wake(),
            laws: self.laws.each_ref().map(law::Resting::wake),
            guard: std::mem::take(&mut self.guard),
            corridor: self.corridor.clone(),
            least_round_trip: self.least_round_trip.into(),
            mean_round_trip: self.mean_round_trip.into(),
            early: self.early.into(),
            rival: self.rival,
            skew: self.skew.map(f64::from),
            exchanges: self.exchanges,
            warm: self.warm,
            in_order: self.in_order,
            beat: self.beat.into(),
            known_for: self.known_for.into(),
            since_step: self.since_step,
            noise: self.noise,
            rivals: self.rivals,
            astray: self.astray,
        }
    }

    /// A word of each of its lines.
    pub(super) fn touch(&self) -> u64 {
        let beyond = self.laws[1].touch() ^ self.astray as u32 ^ self.mean_round_trip.to_bits();
        self.bank.touch() ^ self.at.as_nanos() as u64 ^ u64::from(beyond)
    }

    /// What its filters say, all together.
    pub(super) fn outlook(&self) -> Outlook {
        self.bank.outlook()
    }

    /// What is known for the instant `at` by its `outlook`. The bound covers a `second` opinion of the
    /// same clock: whichever of the two is right, it holds.
    pub(super) fn estimate(
        &self,
        outlook: &Outlook,
        at: Time<Local>,
        wheel: &Flywheel,
        second: Option<&Resting>,
    ) -> Estimate {
        let home = wheel.home(at);
        let t = (at - self.at).as_secs_f64();
        let (x, y) = (outlook.x + outlook.y * t, outlook.y);
        let age = t.abs();
        let variance = outlook.xx
            + age * (2.0 * outlook.xy.abs() + age * outlook.yy)
            + outlook.q * age.powi(3) / 3.0;
        let excess = self.laws.iter().map(law::Resting::scale).sum();
        let one_way = f64::from((self.skew[0] - self.skew[1]).abs());
        let variance = bound::variance(variance, excess, outlook.phi, one_way);
        let (rate_sigma, rate_bound) = self.rate_known(outlook, &home);
        let relative = x - home.deviation;
        let error = self.error_of(relative, at, y - home.rate, rate_bound);
        let error = second.map_or(error, |second| {
            let there = (self.base - second.base).as_secs_f64() + relative;
            let outlook = second.outlook();
            let (_, bound) = second.rate_known(&outlook, &home);
            error.max(second.error_of(there, at, outlook.y - home.rate, bound))
        });
        let stamps = self.noise.noise().as_secs_f64() + 1e-9;
        let wheel_offset = self.base + Offset::from_secs_f64(x);
        Estimate {
            at,
            offset: wheel_offset - Offset::from_secs_f64(home.deviation),
            rate: Rate::from_ratio(y - home.rate),
            wheel_offset,
            // y is per second of our Local, of which the wheel makes 1 − rate.
            wheel_rate: Rate::from_ratio(y / (1.0 - home.rate)),
            sigma: Span::from_secs_f64(variance.max(0.0).sqrt()),
            rate_sigma: Rate::from_ratio(rate_sigma),
            rate_bound: Rate::from_ratio(rate_bound),
            bound: Span::from_secs_f64(error + stamps),
        }
    }

    /// One standard deviation of the slave's rate, and the most by which it may be wrong.
    fn rate_known(&self, outlook: &Outlook, home: &Home) -> (f64, f64) {
        let sigma = (outlook.yy + home.rate_variance).max(0.0).sqrt();
        let grounds = Grounds {
            exchanges: self.exchanges,
            warm: self.warm,
            scale: self.laws[0].scale().max(self.laws[1].scale()),
            strange: outlook.strange,
            known_for: self.known_for.into(),
            beat: self.beat.into(),
        };
        (sigma, rate_bound(sigma, &grounds))
    }

    /// How far the slave may be at `at` from `relative`, seconds on this state's base, at a `rate` that
    /// is known to ± `rho`.
    fn error_of(&self, relative: f64, at: Time<Local>, rate: f64, rho: f64) -> f64 {
        let t = (at - self.at).as_secs_f64();
        let mut corridor = self.corridor.clone();
        corridor.age(t.abs(), rate * t.signum(), rho);
        corridor.error_of(relative)
    }
}
