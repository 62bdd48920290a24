//! Six filters that differ in what they think of the clock, of the stamps and of the path.
//!
//! Nobody tells how much a crystal wanders (q), how noisy the stamps are (φ), or whether the floor of
//! the delays is restless. So one filter sits at the present best guess of all three, and five beside
//! it: q more, q less, φ more, φ less, the floor the other way. Each is scored by the likelihood of what
//! came. The estimate is their mean by likelihood (a bank in the sense of Magill, 1965), and where a
//! neighbour is clearly better the whole bank moves there. So it covers 13 decades of q with six
//! filters, and follows temperature, load and jitter.

use std::cell::OnceCell;

use super::Source;
use super::elementary::{exp, greater};
use super::filter::Filter;
use super::flock::{self, FILTERS, Flock, Row, Seen, greatest, product};
use super::law::Mixture;

/// Ratio of neighbouring q, and of neighbouring φ.
const Q_STEP: f64 = 10.0;
const PHI_STEP: f64 = 4.0;
/// s²/s³: from the best oven to a crystal in a hair dryer. A quartz in an office: 1e-18.
const QS: [f64; 14] = [
    1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9,
];
/// 1e-18.
const Q_FIRST: u8 = 4;
/// What the random walk of the floor may do, s²/s. Of a path at rest: switches warm up slowly. Of a
/// restless one: on a machine whose caches others sweep the way through the kernel is 2 µs long for some
/// seconds, and 3 for some others, both ways alike.
const WALKS: [f64; 2] = [1e-18, 1e-13];
/// The stamps may prove better than their kind promises, by so much at most, or worse.
const PHI_LEAST: f64 = 1.0 / 18.0;
const PHI_GREATEST: f64 = 1e-3;
/// Stamps that are so many times noisier than their kind promises are strange: the first step of φ upwards
/// may as well be a clock that wanders.
const STRANGE: f64 = 3.0;
/// Forgetting of the log likelihood, per exchange. Neighbours differ little from exchange to
/// exchange, so a short memory would leave them all alike (with 1/100 errors grow by 10 %).
const FORGET: f64 = 1e-3;
/// The bank moves where a neighbour is so much likelier (in ln).
const MOVE: f64 = 2.0;
/// What a neighbour that was set up anew starts behind with: it has yet to prove itself.
const NEWCOMER: f64 = 1.0;
/// No single observation counts more against a filter, in comparison with the best: outliers are
/// the guards' task.
const WORST: f64 = -10.0;

/// Where the filters sit round the centre: (steps of q, steps of φ).
const PLACES: [(i32, i32); FILTERS] = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0, 0)];
/// So many times the centre's q and φ are theirs.
const QS_BESIDE: Row = [1.0, Q_STEP, 1.0 / Q_STEP, 1.0, 1.0, 1.0];
const PHIS: Row = [1.0, 1.0, 1.0, PHI_STEP, 1.0 / PHI_STEP, 1.0];
const SQUARED_PHIS: Row = [1.0, 1.0, 1.0, PHI_STEP * PHI_STEP, 1.0 / (PHI_STEP * PHI_STEP), 1.0];
/// The one that takes the floor to be restless where the centre does not, and the other way round.
const OTHER_FLOOR: usize = 5;
/// It falls no further behind: paths turn restless from one second to the next, and by then it may be
/// hundreds behind.
const FURTHEST: f64 = -30.0;
/// The one that takes the stamps to be noisier, and its score where they cannot be.
const NOISIER: usize = 3;
const SHUT_OUT: f64 = -30.0;
/// Who sits opposite.
const OPPOSITE: [usize; FILTERS] = [0, 2, 1, 4, 3, OTHER_FLOOR];

/// What the filters say together of the time to come: offset and rate, their variances, and the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outlook {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) xx: f64,
    pub(super) xy: f64,
    pub(super) yy: f64,
    /// The clock's wander, s²/s³.
    pub(super) q: f64,
    /// Of the stamps, seconds, and what of it is beyond what their kind promises by far.
    pub(super) phi: f64,
    pub(super) strange: f64,
}

/// The bank at rest: what lives from one exchange to the next, in half of the room.
#[derive(Debug, Clone)]
pub(super) struct Resting {
    /// Of the filter in the centre.
    mean: [f64; 3],
    flock: flock::Resting,
    score: [f32; FILTERS],
    stamps: Source,
    q: u8,
    phi: i8,
    restless: bool,
}

impl Resting {
    /// A word of each of its lines.
    pub(super) fn touch(&self) -> u64 {
        self.flock.touch() ^ self.mean[0].to_bits() ^ u64::from(self.score[0].to_bits())
    }

    /// What the filters say together of the time to come.
    pub(super) fn outlook(&self) -> Outlook {
        let weight = weights(&self.score.map(f64::from));
        let ([x, y], [xx, xy, yy]) = self.flock.mixed(&self.mean, &weight);
        let centre = phi_of(self.stamps, self.phi);
        let phi = noise_of(centre, &weight);
        let strange = if is_strange(centre, self.stamps) { phi } else { 0.0 };
        Outlook { x, y, xx, xy, yy, q: QS[usize::from(self.q)], phi, strange }
    }

    #[inline]
    pub(super) fn wake(&self) -> Bank {
        let mut bank = Bank {
            flock: self.flock.wake(&self.mean),
            score: self.score.map(f64::from),
            weight: [0.0; FILTERS],
            centre: phi_of(self.stamps, self.phi),
            noise: 0.0,
            q: self.q,
            phi: self.phi,
            restless: self.restless,
            stamps: self.stamps,
            blend: OnceCell::new(),
            fit: 0.0,
        };
        bank.weigh();
        bank
    }
}

/// The bank.
#[derive(Debug, Clone)]
pub(super) struct Bank {
    flock: Flock,
    score: Row,
    weight: Row,
    /// The noise of the stamps as the centre sees it, and as all filters together do, in seconds.
    centre: f64,
    noise: f64,
    /// Which of the wanders is the centre's.
    q: u8,
    /// The centre's noise of the stamps, in steps from what their source promises.
    phi: i8,
    /// Whether the centre takes the floor to be restless.
    restless: bool,
    /// Whose stamps they were at the start.
    stamps: Source,
    /// The mean of the filters, once it was asked for.
    blend: OnceCell<Filter>,
    /// How likely the observations were, in ln and together, since this was last taken.
    fit: f64,
}

impl Bank {
    /// All filters in one state, for stamps of this source.
    pub(super) fn new(filter: Filter, stamps: Source) -> Self {
        Self::like(filter, stamps, (Q_FIRST, 0, false))
    }

    /// One that starts from another state, with what was learned of clock and stamps.
    pub(super) fn restarted(&self, filter: Filter) -> Self {
        Self::like(filter, self.stamps, (self.q, self.phi, self.restless))
    }

    fn like(filter: Filter, stamps: Source, (q, phi, restless): (u8, i8, bool)) -> Self {
        let mut bank = Self {
            flock: Flock::of(filter),
            score: [0.0; FILTERS],
            weight: [0.0; FILTERS],
            centre: phi_of(stamps, phi),
            noise: 0.0,
            q,
            phi,
            restless,
            stamps,
            blend: OnceCell::from(filter),
            fit: 0.0,
        };
        bank.weigh();
        bank
    }

    pub(super) fn rest(&self) -> Resting {
        Resting {
            mean: self.flock.first(),
            flock: self.flock.rest(),
            score: self.score.map(|score| score as f32),
            stamps: self.stamps,
            q: self.q,
            phi: self.phi,
            restless: self.restless,
        }
    }

    /// How likely (ln, by the filters' weights) the observations since the last call were.
    pub(super) fn take_fit(&mut self) -> f64 {
        std::mem::take(&mut self.fit)
    }

    fn phi_at(&self, place: usize) -> f64 {
        self.centre * PHIS[place]
    }

    /// What each takes the noise of the stamps to be, in seconds.
    fn phis(&self) -> Row {
        PHIS.map(|times| self.centre * times)
    }

    /// The noise of the stamps as all filters together see it, in seconds.
    pub(super) fn phi(&self) -> f64 {
        self.noise
    }

    /// The wander of the clock at present, in s²/s³.
    pub(super) fn q(&self) -> f64 {
        QS[usize::from(self.q)]
    }

    /// Whether the stamps seem to be much noisier than their kind promises.
    pub(super) fn is_strange(&self) -> bool {
        is_strange(self.centre, self.stamps)
    }

    /// Noise of the stamps that is beyond what their kind promises by far, in seconds.
    pub(super) fn strange_noise(&self) -> f64 {
        if self.is_strange() { self.phi() } else { 0.0 }
    }

    /// Begins with this wander of the clock, in s²/s³, or the next one above it.
    pub(super) fn suppose(&mut self, q: f64) {
        self.q = QS.partition_point(|known| *known < q).min(QS.len() - 1) as u8;
    }

    /// The same, unless it begins with more.
    pub(super) fn suppose_at_least(&mut self, q: f64) {
        self.suppose(q.max(self.q()));
    }

    /// The filters' mean, with the covariance of the mixture.
    pub(super) fn blend(&self) -> &Filter {
        self.blend.get_or_init(|| self.flock.mixed(&self.weight))
    }

    /// What the filters say together of the time to come.
    pub(super) fn outlook(&self) -> Outlook {
        let Filter { mean: [x, y, _], cov: [xx, xy, _, yy, ..] } = *self.blend();
        let (q, phi, strange) = (self.q(), self.phi(), self.strange_noise());
        Outlook { x, y, xx, xy, yy, q, phi, strange }
    }

    /// Weighs the filters anew, by their scores.
    fn weigh(&mut self) {
        self.weight = weights(&self.score);
        self.noise = noise_of(self.centre, &self.weight);
        self.blend.take();
    }

    /// Lets `t` seconds pass.
    pub(super) fn predict(&mut self, t: f64) {
        let centre = self.q();
        let q = QS_BESIDE.map(|times| centre * times);
        let mut walk = [WALKS[usize::from(self.restless)]; FILTERS];
        walk[OTHER_FLOOR] = WALKS[usize::from(!self.restless)];
        self.flock.predict(t, &q, &walk);
        // What passes does so to their mean, too, by the mean of the wanders.
        if let Some(blend) = self.blend.get_mut() {
            blend.predict(t, product(&self.weight, &q), product(&self.weight, &walk));
        }
    }

    /// Takes in an observation. What comes earlier than expected by more than `surprise` deviations
    /// widens each filter it surprises until it does not.
    ///
    /// After a few packets what is known of the floor has an edge above and an exponential tail below;
    /// the normal distribution that stands for it has next to no tail, and an early packet in there
    /// would leave it far too sure of where it has just been wrong. The widening is that of a strong
    /// tracking filter (Zhou and Frank, *Int. J. Control* 65, 1996). The scores are as without it.
    pub(super) fn observe(&mut self, seen: &Seen, law: &Mixture, surprise: f64) {
        let phis = self.phis();
        let mut pulls = self.flock.pulls(seen, law, &phis);
        let likely: Row = std::array::from_fn(|i| pulls.ln_z[i]);
        if surprise.is_finite() && self.flock.widen(seen, &phis, surprise) {
            pulls = self.flock.pulls(seen, law, &phis);
        }
        self.flock.update(seen, &pulls);
        self.fit += product(&self.weight, &likely);
        let best = greatest(&likely);
        for (score, likely) in self.score.iter_mut().zip(likely) {
            *score += greater(likely - best, WORST);
        }
        self.blend.take();
    }

    /// The exchange is complete: weighs the filters anew. The stamps are not noisier than `most`, by
    /// what the round trips scatter.
    pub(super) fn close(&mut self, most: f64) {
        let best = greatest(&self.score);
        for score in &mut self.score {
            *score = (*score - best) * (1.0 - FORGET);
        }
        self.score[OTHER_FLOOR] = self.score[OTHER_FLOOR].max(FURTHEST);
        let noisiest = most.clamp(PHI_STEP * promised(self.stamps), PHI_GREATEST);
        self.shut_out(noisiest);
        self.relocate(noisiest);
        // It may sit elsewhere now.
        self.shut_out(noisiest);
        self.weigh();
    }

    fn shut_out(&mut self, noisiest: f64) {
        if self.phi_at(NOISIER) > noisiest {
            self.score[NOISIER] = self.score[NOISIER].min(SHUT_OUT);
        }
    }

    fn relocate(&mut self, noisiest: f64) {
        if greatest(&self.score) - self.score[0] <= MOVE {
            return;
        }
        let beside = |a: &usize, b: &usize| self.score[*a].total_cmp(&self.score[*b]);
        let Some(to) = (1..FILTERS).max_by(beside) else { return };
        let q = i32::from(self.q) + PLACES[to].0;
        let phi = self.phi_at(to);
        let allowed = (0..QS.len() as i32).contains(&q)
            && phi >= promised(self.stamps) * PHI_LEAST
            && (phi <= noisiest || phi < self.centre);
        if !allowed {
            return;
        }
        let (centre, moved) =
            ((self.flock.get(0), self.score[0]), (self.flock.get(to), self.score[to]));
        (self.q, self.phi) = (q as u8, self.phi + PLACES[to].1 as i8);
        self.centre = phi_of(self.stamps, self.phi);
        self.restless ^= to == OTHER_FLOOR;
        self.flock = Flock::of(moved.0);
        self.score = [moved.1 - NEWCOMER; FILTERS];
        self.score[0] = moved.1;
        self.flock.set(OPPOSITE[to], &centre.0);
        self.score[OPPOSITE[to]] = centre.1;
    }

    /// Opens every filter for a rate that changed within the last `ago` seconds and made `by`
    /// seconds of offset since.
    pub(super) fn turn(&mut self, by: f64, ago: f64) {
        let rate = by / ago;
        self.add([0.0; 3], [by * by, by * rate, 0.0, rate * rate, 0.0, 0.0]);
    }

    /// Moves x, y and D of every filter and adds to their variances.
    pub(super) fn shift(&mut self, by: [f64; 3], variance: [f64; 3]) {
        self.add(by, [variance[0], 0.0, 0.0, variance[1], 0.0, variance[2]]);
    }

    fn add(&mut self, mean: [f64; 3], cov: [f64; 6]) {
        self.flock.add(&mean, &cov);
        self.blend.take();
    }
}

/// The noise that stamps of this source promise, in seconds.
fn promised(stamps: Source) -> f64 {
    stamps.noise().as_secs_f64()
}

/// That which is so many steps away from it.
fn phi_of(stamps: Source, phi: i8) -> f64 {
    promised(stamps) * PHI_STEP.powi(phi.into())
}

/// The noise of the stamps as all filters together see it, in seconds, by the centre's and their weights.
fn noise_of(centre: f64, weight: &Row) -> f64 {
    centre * product(weight, &SQUARED_PHIS).sqrt()
}

/// Whether stamps of this source seem to be much noisier than it promises.
fn is_strange(centre: f64, stamps: Source) -> bool {
    centre > STRANGE * promised(stamps)
}

/// What each filter's word is worth by its log likelihood, together 1.
pub(super) fn weights<const N: usize>(score: &[f64; N]) -> [f64; N] {
    let best = greatest(score);
    let likely = score.map(|score| exp(score - best));
    let whole = 1.0 / product(&likely, &[1.0; N]);
    likely.map(|likely| likely * whole)
}
