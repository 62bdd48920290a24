//! One slave's clock as the master sees it: where its Local is against ours, and how fast it runs.
//!
//! Queueing only ever adds, and each direction queues by itself; folding both into one offset and
//! weighing it by round trip throws that away. So every exchange is two one-sided observations of
//! (offset, rate, least delay), see `filter`; what is not known of clock and stamps is tried out
//! in parallel, see `bank`; how the network queues is learned, see `law`; what no queue explains
//! is for the `guard`; and what must hold whatever the statistics say is the `bound`.
//!
//! Integers carry the absolute offset (days between two machines), floating point the rest.

mod amend;
mod astray;
mod bank;
mod bound;
mod challenge;
mod elementary;
mod estimate;
mod filter;
mod flock;
mod guard;
mod law;
mod normal;
mod resting;
mod rival;
mod warm;
mod wheel;

use bank::{Bank, Outlook};
use bound::Corridor;
pub use estimate::Estimate;
use filter::{Filter, Way};
use flock::Seen;
use guard::{Change, Guard, Ruling};
use law::Law;
use resting::Resting;
use rival::Rival;
pub use warm::Prior;
pub use wheel::{Flywheel, Turn, Wheel};
use wheel::{Home, Witness};

use super::exchange::{Exchange, Source};
use super::sparing::SparingRate;
use crate::time::{Local, Offset, Rate, Span, Time};

/// Deviation of an unknown clock's rate: ±100 ppm between two of them.
const RATE_UNKNOWN: f64 = 1e-4;
/// Deviation of a rate that was remembered from before: temperature and age move it.
const RATE_REMEMBERED: f64 = 2e-6;
/// Deviation of the rate after a start anew with a long history.
const RATE_KEPT: f64 = 5e-6;
/// No oscillator is this far off. A clock that stood still, or ran away, must not be believed to go
/// on like that.
const RATE_GREATEST: f64 = 2e-3;
/// So many exchanges are a long history.
const HISTORY: u32 = 64;
/// A young track's exchange with less than this part of the least round trip so far makes all
/// before it worthless: the floor was not known.
const SHORTER: f64 = 0.5;
const RIVAL_LASTS: u8 = 8;
/// The state is folded into the integer base beyond this, in seconds.
const FOLD: f64 = 0.5;
/// A step that a young track sees is its own first guess of the offset, and no step, where it is
/// less than so many scales of the queues.
const GUESSED: f64 = 6.0;
/// A track that heard nothing for longer starts anew, seconds.
const STALE: f64 = 1_000.0;
/// For so many exchanges the queues' scale comes from the round trips…
const EARLY: u32 = 16;
/// …as so many times their mean excess over the least (which is itself in a queue)…
const EXCESS: f64 = 1.5;
/// …none longer than so many times the least…
const HELD_UP: f64 = 6.0;
/// …with the first guess weighing like so many of them.
const GUESS_WEIGHT: f64 = 0.5;
/// Shortest time that a rate is worked out over, seconds.
const SHORTEST: f64 = 0.1;
/// What each exchange leaves of the remembered longest time between two: the pause between bursts
/// is still known at the end of one.
const BEAT_FADES: f64 = 0.95;
/// No round trip counts for more in the mean than one that is so many times as late.
const LATE: f64 = 2.0;
/// Smoothing of the mean round trip, once there are as many.
const ROUND_TRIP_GAIN: f64 = 1.0 / 64.0;
/// A second step within so many exchanges is none: the rate is not what it was taken for.
const STEP_AGAIN: u8 = 64;
/// So many deviations early, and the noise that the stamps promise, the rate is in doubt: a crystal that
/// was touched, a fan that started.
const STARTLE: f64 = 6.0;
/// A one-way change that ends within so many scales of where it began has ended.
const SAME_PATH: f64 = 4.0;
/// Queues are a storm where they are longer than the way itself, and than so many seconds. In a storm…
const STORM: f64 = 50e-6;
/// …a packet that is earlier by so many deviations is a surprise to a filter, which gets sure there by the
/// few packets that slip through, and wrong by the first that slips through better. (Elsewhere floors are
/// not so sharp, see docs/decisions.md.)
const SURPRISE: f64 = 2.0;
/// A slave may speak on the master's own clock after so many exchanges in order.
const TRUSTED: u8 = 32;
/// The first guess: the floor is so much of half the round trip, the queue the rest.
const FLOOR_GUESS: f64 = 0.7;
/// The first guess of the queues' scale, in halves of the round trip. Rather too much: a filter
/// that trusts its first packets too much takes long to find out.
const LATE_GUESS: f64 = 1.0;
/// No delay scale is less than this part of the stamps' noise: the two could not be told apart.
const LEAST_SCALE: f64 = 0.3;
/// Shortest round trip that is taken at its word, seconds.
const LEAST_ROUND_TRIP: f64 = 1e-7;

/// What one exchange told about the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    /// How much longer than the least known the way there took.
    pub forward: Span,
    /// How much longer than the least known the way back took.
    pub backward: Span,
}

/// What an exchange was found to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// It was used.
    Used,
    /// It contradicts what is known and was left out; two more such and it is believed.
    Doubted,
    /// The track starts with it, for the first time or anew.
    Started,
    /// The slave's clock stepped by this.
    Stepped(Offset),
    /// Both ways got longer by this (shorter: negative).
    PathChanged(Offset),
    /// One way alone got longer by this; the offset stands, half of it is in the bound.
    OneWayChanged(Offset),
}

/// An exchange, taken in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// Its delays above the floor.
    pub noise: Noise,
    /// What became of it.
    pub finding: Finding,
    /// What the filters say since.
    outlook: Option<Outlook>,
}

/// One exchange in seconds on the base of a track, against the master's Local.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Time<Local>,
    z: [f64; 2],
    /// From the middle to either end.
    lag: f64,
    round_trip: f64,
    /// Variance of stamps worse than the track's best.
    worse: [f64; 2],
}

/// What is known, ready to be worked with; else it is a [`Resting`].
#[derive(Debug)]
struct State {
    at: Time<Local>,
    /// Subtracted from slave − wheel and slave − master alike; the rest is in the filters.
    base: Offset,
    bank: Bank,
    laws: [Law; 2],
    guard: Guard,
    corridor: Corridor,
    least_round_trip: f64,
    /// Smoothed.
    mean_round_trip: f64,
    /// The first round trips together, for the first look at the queues.
    early: f64,
    /// For so many exchanges more a second much shorter one makes the track start anew.
    rival: u8,
    /// How much longer than the floor D either way is since a one-way change.
    skew: [f64; 2],
    exchanges: u32,
    /// It began with what another master knew.
    warm: bool,
    /// Exchanges in order since the last that was not, as far as it matters.
    in_order: u8,
    /// The longest of the latest times between two exchanges, seconds: what shows now may have
    /// begun so long ago.
    beat: f64,
    /// Seconds since the clock stepped, or the track began.
    known_for: f64,
    /// Exchanges since the clock stepped, as far as is known and matters.
    since_step: u8,
    noise: Source,
    /// Rivals that have come, or were not let in.
    rivals: u8,
    /// Exchanges in a row that do not allow the offset that is believed, or its floors: it is too great, or
    /// (negative) too little.
    astray: i8,
}

/// Follows one slave's Local. Less than half a KiB.
#[derive(Debug, Clone, Default)]
pub struct Track {
    prior_rate: SparingRate,
    /// What another master knew; until the track knows better itself.
    warm: Option<Box<Prior>>,
    state: Option<Resting>,
    rival: Option<Box<Rival>>,
    witness: Witness,
}

impl Track {
    /// A track that knows nothing but, perhaps, the rate of the slave's Local against ours.
    pub fn new(prior_rate: Option<Rate>) -> Self {
        Self { prior_rate: prior_rate.into(), ..Self::default() }
    }

    /// The rate that it was told at its beginning.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> Option<Rate> {
        self.prior_rate.get()
    }

    /// A word of each of its lines, which brings them near.
    pub(super) fn touch(&self) -> u64 {
        self.state.as_ref().map_or(0, Resting::touch)
    }

    /// Takes an exchange in. Exchanges come in the order of their polls; one that is older than
    /// the newest is used as if it were no older.
    pub fn observe(&mut self, exchange: &Exchange, wheel: &mut Flywheel) -> Taken {
        let at = exchange.middle();
        wheel.advance(at);
        let Some(resting) = &mut self.state else {
            let rate = self.prior_rate(&wheel.home(at), RATE_REMEMBERED);
            return self.start(exchange, wheel, None, rate);
        };
        let mut state = resting.wake();
        self.go_on(exchange, wheel, &mut state)
    }

    /// The rate that the slave's Local may have against the wheel, known to ± `sigma`.
    fn prior_rate(&self, home: &Home, sigma: f64) -> Option<(f64, f64)> {
        self.prior_rate.get().map(|rate| (rate.as_ratio() + home.rate, sigma))
    }

    fn go_on(&mut self, exchange: &Exchange, wheel: &mut Flywheel, state: &mut State) -> Taken {
        let sample = state.sample(exchange);
        let silent = (sample.at - state.at).as_secs_f64();
        // With a long history a short round trip may as well be a wrong stamp: the guards decide.
        let young = state.exchanges < HISTORY;
        if young && state.rivals(&sample) {
            return self.start(exchange, wheel, Some(state), None);
        }
        if !young {
            self.warm = None;
            // One that came last when it was young would keep all that follow out.
            state.rival = 0;
        }
        if silent > STALE {
            let (rate, variance) = (state.bank.blend().mean[1], state.bank.blend().cov[3]);
            let sigma = if young { RATE_UNKNOWN } else { variance.max(0.0).sqrt().max(RATE_KEPT) };
            self.warm = None;
            return self.start(exchange, wheel, Some(state), Some((rate, sigma)));
        }
        let held_up = state.is_held_up(exchange);
        let taken = state.take(&sample, wheel, &mut self.witness);
        let astray = state.is_astray();
        let runs_away = state.bank.blend().mean[1].abs() > RATE_GREATEST;
        let in_order = matches!(taken.finding, Finding::Used | Finding::Doubted);
        // What another master knew may be what is wrong: a track that begins with it again and again never
        // gets old enough to find that out.
        let warm = if in_order && !astray && !runs_away { None } else { self.warm.take() };
        if astray {
            return self.start(exchange, wheel, None, None);
        }
        if runs_away {
            return self.start(exchange, wheel, Some(state), None);
        }
        match taken.finding {
            // What changed is that the floor was not known.
            Finding::PathChanged(_) | Finding::OneWayChanged(_) if young => {
                let rate = warm.map(|_| (state.bank.blend().mean[1], RATE_KEPT));
                self.start(exchange, wheel, Some(state), rate)
            }
            Finding::Stepped(_) if std::mem::take(&mut state.since_step) < STEP_AGAIN => {
                let rate = (wheel.home(sample.at).rate, RATE_GREATEST);
                self.start(exchange, wheel, Some(state), Some(rate))
            }
            finding => {
                self.challenge(exchange, wheel, finding, held_up, state);
                let outlook = Some(state.bank.outlook());
                self.put_to_rest(state);
                Taken { outlook, ..taken }
            }
        }
    }

    fn put_to_rest(&mut self, state: &mut State) {
        match &mut self.state {
            Some(there) => *there = state.rest(),
            none => *none = Some(state.rest()),
        }
    }

    /// Begins, after `before` anew.
    fn start(
        &mut self,
        exchange: &Exchange,
        wheel: &Flywheel,
        before: Option<&State>,
        rate: Option<(f64, f64)>,
    ) -> Taken {
        self.rival = None;
        let at = exchange.middle();
        let home = wheel.home(at);
        let source = exchange.forward_source().min(exchange.backward_source());
        let half = exchange.round_trip().as_secs_f64().max(LEAST_ROUND_TRIP) / 2.0;
        let (y, sigma) = rate.unwrap_or((home.rate, RATE_UNKNOWN));
        // x = (f − b)/2 and D = (f + b)/2 as far as one exchange tells; the floor is somewhere
        // between nothing and D, and x off by as much as D may be.
        let mut filter = Filter {
            mean: [home.deviation, y, FLOOR_GUESS * half],
            cov: [half * half / 4.0, 0.0, 0.0, sigma * sigma, 0.0, half * half / 8.0],
        };
        self.warm = self.warm.take().filter(|prior| prior.pour(&mut filter, exchange, &home));
        let noise = source.noise().as_secs_f64();
        let bank = match before {
            Some(before) => before.bank.restarted(filter),
            None => self.first_bank(filter, source),
        };
        let law = Law::new((LATE_GUESS * half).max(noise));
        let mut state = State {
            at,
            base: exchange.offset(),
            bank,
            laws: [law; 2],
            guard: Guard::default(),
            corridor: Corridor::new(half, half),
            least_round_trip: 2.0 * half,
            mean_round_trip: 2.0 * half,
            early: 2.0 * half,
            rival: 0,
            skew: [0.0; 2],
            exchanges: 1,
            warm: self.warm.is_some(),
            in_order: 0,
            beat: SHORTEST,
            known_for: 0.0,
            since_step: u8::MAX,
            noise: source,
            rivals: 0,
            astray: 0,
        };
        self.put_to_rest(&mut state);
        let noise = Noise { forward: Span::ZERO, backward: Span::ZERO };
        Taken { noise, finding: Finding::Started, outlook: None }
    }
}

impl State {
    fn sample(&mut self, exchange: &Exchange) -> Sample {
        let base = self.base;
        let (forth, back) = (exchange.forward_source(), exchange.backward_source());
        self.noise = self.noise.max(forth.min(back));
        let best = self.noise.noise().as_secs_f64().powi(2);
        let worse = [forth, back].map(|s| (s.noise().as_secs_f64().powi(2) - best).max(0.0));
        Sample {
            at: exchange.middle(),
            z: [
                (exchange.forward() - base).as_secs_f64(),
                (exchange.backward() + base).as_secs_f64(),
            ],
            lag: (exchange.t4.at - exchange.t1.at).as_secs_f64() / 2.0,
            round_trip: exchange.round_trip().as_secs_f64().max(LEAST_ROUND_TRIP),
            worse,
        }
    }

    /// Whether this is the second exchange of late that is much shorter than all before. One alone
    /// may be a wrong stamp.
    fn rivals(&mut self, sample: &Sample) -> bool {
        let short = sample.round_trip < SHORTER * self.least_round_trip;
        let second = short && self.rival > 0;
        self.rival = if short { RIVAL_LASTS } else { self.rival.saturating_sub(1) };
        second
    }

    fn take(&mut self, sample: &Sample, wheel: &mut Flywheel, witness: &mut Witness) -> Taken {
        let elapsed = (sample.at - self.at).as_secs_f64().max(0.0);
        let home = wheel.home(sample.at);
        self.exchanges = self.exchanges.saturating_add(1);
        self.mean_round_trip += self.towards(sample.round_trip);
        self.since_step = self.since_step.saturating_add(1);
        self.known_for += elapsed;
        self.beat = elapsed.max(self.beat * BEAT_FADES).max(SHORTEST);
        if self.rival < RIVAL_LASTS {
            self.least_round_trip = self.least_round_trip.min(sample.round_trip);
        }
        let blend = self.bank.blend();
        let sigma = (blend.cov[3] + home.rate_variance).max(0.0).sqrt();
        self.corridor.age(elapsed, blend.mean[1] - home.rate, self.rate_bound(sigma));
        self.bank.predict(elapsed);
        self.at = self.at.max(sample.at);

        let (nu, deviation) = self.residuals(sample, &home);
        let noise = self.noise.noise().as_secs_f64();
        let startled = nu.iter().zip(deviation).any(|(nu, d)| *nu < -STARTLE * d - noise);
        let ruling = if self.rival == RIVAL_LASTS {
            Ruling::Doubt
        } else {
            self.guard.rule(nu, deviation, noise, self.scale(), elapsed)
        };
        let finding = match ruling {
            Ruling::Pass => Finding::Used,
            Ruling::Changed(change) if self.may_be_queues(&change) => {
                self.bank.shift([0.0; 3], [change.by().powi(2), 0.0, change.by().powi(2)]);
                Finding::Used
            }
            Ruling::Changed(change) => self.change(change),
            Ruling::Doubt => Finding::Doubted,
        };
        let z = self.at_middle(sample, &home);
        self.stray(z, self.bank.blend().mean[0] - home.deviation);
        match finding {
            Finding::Doubted => self.corridor.doubt(z[0], z[1]),
            _ => {
                let behind = match ruling {
                    Ruling::Changed(Change::Lag { by }) => Some(by),
                    Ruling::Pass if startled => Some(nu[0].min(nu[1]).abs()),
                    _ => None,
                };
                if let Some(behind) = behind {
                    // The rate may not be what it was taken for: only this exchange is sure.
                    self.corridor = Corridor::new(z[0], z[1]);
                    self.bank.turn(behind.min(RATE_KEPT * self.beat), self.beat);
                }
                self.corridor.narrow(z[0], z[1], self.floor());
                self.learn(sample, wheel, witness, &home);
            }
        }
        let in_order = finding == Finding::Used;
        self.in_order = if in_order { self.in_order.saturating_add(1) } else { 0 };
        let [forward, backward] = nu.map(Span::from_secs_f64);
        self.fold();
        Taken { noise: Noise { forward, backward }, finding, outlook: None }
    }

    /// How far the mean round trip moves for another. The odd one that is held up for long moves it
    /// little.
    fn towards(&self, round_trip: f64) -> f64 {
        let gain = ROUND_TRIP_GAIN.max(1.0 / f64::from(self.exchanges));
        let excess = self.mean_round_trip - self.least_round_trip;
        let most = LATE * excess.max(self.noise.noise().as_secs_f64());
        gain * (round_trip - self.mean_round_trip).clamp(-most, most)
    }

    /// Both differences as they would have been in the middle of the exchange.
    fn at_middle(&self, sample: &Sample, home: &Home) -> [f64; 2] {
        let drift = sample.lag * (self.bank.blend().mean[1] - home.rate);
        sample.z.map(|z| z + drift)
    }

    /// What the two observations are above the forecast, and the forecast's deviation.
    fn residuals(&self, sample: &Sample, home: &Home) -> ([f64; 2], [f64; 2]) {
        let z = self.at_middle(sample, home);
        let (blend, phi) = (self.bank.blend(), self.bank.phi());
        let mut nu = [0.0; 2];
        let mut deviation = [0.0; 2];
        for (i, way) in Way::BOTH.into_iter().enumerate() {
            let forecast = blend.forecast(way.sign());
            nu[i] = z[i] + way.sign() * home.deviation - self.skew[i] - forecast.value;
            let variance = forecast.variance + home.variance + sample.worse[i] + phi * phi;
            deviation[i] = variance.sqrt();
        }
        (nu, deviation)
    }

    fn learn(&mut self, sample: &Sample, wheel: &mut Flywheel, witness: &mut Witness, home: &Home) {
        let trusted = self.in_order >= TRUSTED;
        let storm = self.scale() > self.least_round_trip.max(STORM);
        let surprise = if storm { SURPRISE } else { f64::INFINITY };
        for (i, way) in Way::BOTH.into_iter().enumerate() {
            let law = self.laws[i].mixture();
            if trusted && wheel.hears(witness) {
                let (nu, _) = self.residuals(sample, home);
                let s = self.bank.blend().forecast(way.sign()).variance + sample.worse[i];
                let of = (way, &law, self.bank.phi());
                wheel.observe(witness, of, (nu[i], home.deviation, s));
            }
            let z =
                sample.z[i] + way.sign() * home.deviation - self.skew[i] - sample.lag * home.rate;
            let others = home.variance + sample.worse[i];
            let seen = Seen { way, z, lag: sample.lag, others };
            self.bank.observe(&seen, &law, surprise);
        }
        // Noise of the stamps scatters the round trips, the least of many by some deviations; a clock
        // that runs away does not.
        let scatter = (self.mean_round_trip - self.least_round_trip) / 2.0;
        self.bank.close(if self.exchanges > 2 * EARLY { scatter } else { f64::INFINITY });
        if trusted {
            witness.close();
        }
        if self.exchanges <= EARLY {
            self.look(sample);
            return;
        }
        let (nu, _) = self.residuals(sample, &wheel.home(sample.at));
        for (law, nu) in self.laws.iter_mut().zip(nu) {
            law.learn(nu, LEAST_SCALE * self.bank.phi());
        }
    }

    /// While the floor is hardly known, the round trips tell the scale of the queues.
    fn look(&mut self, sample: &Sample) {
        // The odd one that was held up for long says nothing of the others.
        self.early += sample.round_trip.min(HELD_UP * self.least_round_trip);
        let n = f64::from(self.exchanges);
        let excess = (self.early / n - self.least_round_trip).max(0.0) / 2.0;
        let guess = LATE_GUESS * self.least_round_trip / 2.0;
        let scale = (guess * GUESS_WEIGHT + n * EXCESS * excess) / (n + GUESS_WEIGHT);
        let scale = scale.max(LEAST_SCALE * self.bank.phi());
        self.laws = [Law::new(scale); 2];
    }

    /// The queues' everyday scale, the greater of both ways.
    fn scale(&self) -> f64 {
        self.laws[0].scale().max(self.laws[1].scale())
    }

    fn fold(&mut self) {
        let x = self.bank.blend().mean[0];
        if x.abs() > FOLD {
            let whole = Offset::from_secs_f64(x);
            self.base = self.base + whole;
            self.bank.shift([-whole.as_secs_f64(), 0.0, 0.0], [0.0; 3]);
            self.corridor.shift(-whole.as_secs_f64());
        }
    }
}

#[cfg(test)]
#[path = "storm_tests.rs"]
mod tests;
