//! The flywheel: the master's own Local, freed of its wander by what all slaves say together.
//!
//! Where the master's crystal wanders, every slave seems to wander at once. If each track follows
//! that by itself, it must do so n times, each time with the noise of one link. So the tracks
//! measure the slaves against a wheel, and what all of them see in common is taken to be the
//! master's own deviation m = master's Local − wheel. Its state (m, rate) is one more filter that
//! every exchange of every trusted slave updates: z = ±(x − m) + D + queue. Track and wheel share
//! an innovation by their variances; the covariance between them is dropped (an assumed-density
//! factorisation), which is why it takes some company before the wheel may turn by itself.
//!
//! The wheel is only a common yardstick: whoever pulls it pulls all members alike, so it moves
//! neither their differences nor cluster time. Still no minority may turn it, or the tracks would
//! have to follow: how restless the master's crystal is, which decides how far the wheel lets
//! itself be pulled, is judged by the median of the slaves, and only those are heard at all who
//! count in the average.

use std::cell::OnceCell;

use super::Track;
use super::bank::weights;
use super::filter::Way;
use super::law::{Mixture, Residuals};
use super::rival::Rooms;
use crate::proto::consensus::middle;
use crate::time::{Local, Map, Offset, Rate, Scale, Time};
use crate::wire::NodeId;

/// The steady scale between the master's Local and the members' clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wheel {}
impl Scale for Wheel {
    const NAME: &'static str = "Wheel";
}

const FILTERS: usize = 3;
/// Half as many numbers as the widest instructions take.
const WIDTH: usize = 4;
/// As in the tracks' bank: centre, more, less.
const Q_STEP: f64 = 10.0;
const Q_LIMITS: (f64, f64) = (1e-22, 1e-9);
/// A quartz like the others.
const Q_FIRST: f64 = 1e-18;
/// Forgetting of a slave's scores, per exchange of its own.
const FORGET: f64 = 2.5e-3;
const MOVE: f64 = 2.0;
const NEWCOMER: f64 = 1.0;
const WORST: f64 = -10.0;
const LEFT: f64 = 1e-3;
/// Longest time that is let pass at once, seconds: the variance stays finite.
const LONGEST: f64 = 1_000.0;
/// With fewer slaves than this, the wheel is the master's Local: what two clocks see of each other
/// does not tell whose it is.
const COMPANY: usize = 3;

/// A slave's scores count after so many exchanges.
const HEARD: u8 = 32;
/// Of more slaves than these a half is heard, or a quarter and so on: what they know of the master's clock
/// together is far better than what any link shows of it, and each costs.
const MOST_HEARD: usize = 4_096;

/// No round has this number.
const NEVER: u32 = u32::MAX;

/// What one slave says of the wheel's filters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Witness {
    score: [f32; FILTERS],
    /// The wheel's round in which it last counted.
    round: u32,
    /// Exchanges, as far as it matters.
    heard: u8,
}

impl Witness {
    /// One that never counts.
    pub(super) fn unheard() -> Self {
        Self { round: NEVER, ..Self::default() }
    }

    fn beyond(&self, place: usize) -> f64 {
        f64::from(self.score[place]) - f64::from(self.score[0])
    }

    /// The bank has moved to `place`.
    fn moved(&mut self, place: usize, newcomer: f64) {
        let (centre, there) = (self.score[0], self.score[place]);
        let behind = there - newcomer as f32;
        self.score = [there, behind, behind];
        self.score[3 - place] = centre;
    }

    /// The exchange is complete.
    pub(super) fn close(&mut self) {
        self.heard = self.heard.saturating_add(1);
        let best = self.score.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let fade = |score: f32| (f64::from(score - best) * (1.0 - FORGET)) as f32;
        self.score = self.score.map(fade);
    }
}

/// The wheel's filters have moved.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    to: usize,
    newcomer: f64,
    round: u32,
}

impl Turn {
    /// What `track` says of the filters it says of those that they are now.
    pub fn tell(&self, track: &mut Track) {
        let witness = &mut track.witness;
        if witness.round == self.round && witness.heard >= HEARD {
            witness.moved(self.to, self.newcomer);
        }
    }
}

/// (m, rate of m) and its covariance: mm, mr, rr. At a rate of 1 ppm a double keeps m to 10 fs over
/// years, so that it needs no integer part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Filter {
    mean: [f64; 2],
    cov: [f64; 3],
}

impl Filter {
    fn predict(&mut self, t: f64, q: f64) {
        let p = &mut self.cov;
        self.mean[0] += self.mean[1] * t;
        p[0] += t * (2.0 * p[1] + t * p[2]) + q * t * t * t / 3.0;
        p[1] += t * p[2] + q * t * t / 2.0;
        p[2] += q * t;
    }
}

/// The master's Local against the wheel.
#[derive(Debug, Clone)]
pub struct Flywheel {
    filters: [Filter; FILTERS],
    weight: [f64; FILTERS],
    /// The filters' mean, once it was asked for since they changed.
    blend: OnceCell<Filter>,
    q: f64,
    at: Option<Time<Local>>,
    turns: bool,
    /// Rounds that were judged.
    round: u32,
    /// Tracks that counted for the next one, and what those say that have something to say.
    asked: usize,
    /// Of so many slaves about one is heard; a power of two, so that who is heard among more is among fewer,
    /// too.
    apart: u64,
    /// What draws them: nobody can make himself heard by the identity or the place that he takes.
    seed: u64,
    heard: Vec<[f64; 2]>,
    /// For the rivals of all tracks.
    pub(super) rooms: Rooms,
}

/// Spreads numbers as if by chance: the output of SplitMix64 (Steele, Lea and Flood, 2014).
fn scattered(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Default for Flywheel {
    fn default() -> Self {
        Self {
            filters: [Filter::default(); FILTERS],
            weight: [1.0 / FILTERS as f64; FILTERS],
            blend: OnceCell::new(),
            q: Q_FIRST,
            at: None,
            turns: false,
            round: 0,
            asked: 0,
            apart: 1,
            seed: 0,
            heard: Vec::new(),
            rooms: Rooms::default(),
        }
    }
}

/// What the tracks need of the wheel at an instant. Seconds and ratios.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    pub(super) deviation: f64,
    pub(super) rate: f64,
    pub(super) variance: f64,
    pub(super) rate_variance: f64,
}

impl Flywheel {
    /// A wheel that is the master's Local, until there is company enough.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, where a secret draws who is heard among many.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Asks the track of the slave `id`, which is reachable and counts, once before each round is
    /// judged. Of many slaves most are not heard, always the same.
    pub fn ask(&mut self, id: NodeId, track: &mut Track) {
        self.asked += 1;
        if !scattered(self.seed ^ id.0).is_multiple_of(self.apart) {
            return;
        }
        let (last, next) = (self.round, self.next_round());
        let witness = &mut track.witness;
        if witness.round != last && witness.round != next {
            *witness = Witness::default();
        }
        witness.round = next;
        if witness.heard >= HEARD {
            self.heard.push([witness.beyond(1), witness.beyond(2)]);
        }
    }

    /// Judges the round by the tracks that were asked. With three and more the wheel turns by itself,
    /// below that it keeps its last rate against Local. Where it says how it has turned, all of them
    /// must be told. O(n).
    pub fn judge(&mut self) -> Option<Turn> {
        let asked = std::mem::take(&mut self.asked);
        let heard = std::mem::take(&mut self.heard);
        self.round = self.next_round();
        self.rooms.set_tracks(asked);
        self.apart = asked.div_ceil(MOST_HEARD).next_power_of_two() as u64;
        let turns = asked >= COMPANY;
        if self.turns && !turns {
            let mean = self.blend().mean;
            self.filters = [Filter { mean, cov: [0.0; 3] }; FILTERS];
        }
        self.turns = turns;
        let turn = if turns && heard.len() >= COMPANY { self.weigh(&heard) } else { None };
        self.blend.take();
        self.heard = heard;
        self.heard.clear();
        turn
    }

    fn next_round(&self) -> u32 {
        (self.round + 1) % NEVER
    }

    /// Weighs the filters anew: each is as likely as it is to the median slave, with the evidence
    /// of all, who say how much likelier than the centre each neighbour is.
    fn weigh(&mut self, heard: &[[f64; 2]]) -> Option<Turn> {
        let n = heard.len() as f64;
        let median = |i: usize| n * middle(heard.iter().map(|beyond| beyond[i])).unwrap_or(0.0);
        let beyond = [0.0, median(0), median(1)];
        self.weight = weights(&beyond);
        let to = if beyond[1] > beyond[2] { 1 } else { 2 };
        let q = self.q_at(to);
        if !(Q_LIMITS.0..=Q_LIMITS.1).contains(&q) || beyond[to] <= MOVE {
            return None;
        }
        self.q = q;
        let centre = self.filters[0];
        self.filters = [self.filters[to]; FILTERS];
        self.filters[3 - to] = centre;
        Some(Turn { to, newcomer: NEWCOMER / n, round: self.round })
    }

    /// The wheel as the master's Local tells it round the instant `at`.
    pub fn map(&self, at: Time<Local>) -> Map<Local, Wheel> {
        let home = self.home(at);
        let reads = at - Offset::from_secs_f64(home.deviation);
        Map { at, reads: Time::from_nanos(reads.as_nanos()), rate: Rate::from_ratio(-home.rate) }
    }

    pub(super) fn home(&self, at: Time<Local>) -> Home {
        let t = self.at.map_or(0.0, |last| (at - last).as_secs_f64());
        let Filter { mean: [m, rate], cov } = *self.blend();
        Home {
            deviation: m + rate * t,
            rate,
            variance: cov[0].max(0.0),
            rate_variance: cov[2].max(0.0),
        }
    }

    fn blend(&self) -> &Filter {
        self.blend.get_or_init(|| self.mixed())
    }

    fn mixed(&self) -> Filter {
        let mut out = Filter::default();
        for (filter, w) in self.filters.iter().zip(self.weight) {
            out.mean[0] += w * filter.mean[0];
            out.mean[1] += w * filter.mean[1];
        }
        for (filter, w) in self.filters.iter().zip(self.weight) {
            let [m, r] = [filter.mean[0] - out.mean[0], filter.mean[1] - out.mean[1]];
            for ((cov, own), apart) in out.cov.iter_mut().zip(filter.cov).zip([m * m, m * r, r * r])
            {
                *cov += w * (own + apart);
            }
        }
        out
    }

    fn q_at(&self, place: usize) -> f64 {
        match place {
            1 => self.q * Q_STEP,
            2 => self.q / Q_STEP,
            _ => self.q,
        }
    }

    /// Lets time pass until `at`; earlier instants change nothing.
    pub(super) fn advance(&mut self, at: Time<Local>) {
        let elapsed = self.at.map_or(0.0, |last| (at - last).as_secs_f64());
        if self.at.is_some() && elapsed <= 0.0 {
            return;
        }
        self.at = Some(at);
        self.blend.take();
        for i in 0..FILTERS {
            let q = if self.turns { self.q_at(i) } else { 0.0 };
            // Beyond the longest, the mean runs on and the variance waits.
            self.filters[i].predict(elapsed.min(LONGEST), q);
            self.filters[i].mean[0] += self.filters[i].mean[1] * (elapsed - LONGEST).max(0.0);
        }
    }

    /// Whether the wheel turns, and this one counts.
    pub(super) fn hears(&self, witness: &Witness) -> bool {
        self.turns && [self.round, self.next_round()].contains(&witness.round)
    }

    /// Takes in what one way of an exchange says of the master: `nu` is the residual with the
    /// deviation `m` of [`Flywheel::home`] taken out already, `s` the variance of the slave's
    /// part of it. From who is [heard](Flywheel::hears).
    pub(super) fn observe(
        &mut self,
        witness: &mut Witness,
        (way, law, phi): (Way, &Mixture, f64),
        (nu, m, s): (f64, f64, f64),
    ) {
        let mut residuals = Residuals::<WIDTH> { phi: [phi; WIDTH], ..Residuals::NONE };
        for (i, filter) in self.filters.iter().enumerate() {
            residuals.nu[i] = nu + way.sign() * (filter.mean[0] - m);
            residuals.s[i] = s + filter.cov[0];
        }
        let pulls = law.pulls(&residuals);
        self.blend.take();
        for ((filter, slope), bend) in self.filters.iter_mut().zip(pulls.slope).zip(pulls.bend) {
            let p = &mut filter.cov;
            let bend = bend.clamp(0.0, (1.0 - LEFT) / (s + p[0]).max(f64::MIN_POSITIVE));
            let k = [-way.sign() * p[0], -way.sign() * p[1]];
            filter.mean[0] += k[0] * slope;
            filter.mean[1] += k[1] * slope;
            p[0] -= bend * k[0] * k[0];
            p[1] -= bend * k[0] * k[1];
            p[2] -= bend * k[1] * k[1];
        }
        let likely = &pulls.ln_z[..FILTERS];
        let best = likely.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (score, likely) in witness.score.iter_mut().zip(likely) {
            *score += (likely - best).max(WORST) as f32;
        }
    }
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
