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
use super::filter::{Filter, Root, Way};
use super::law::Mixture;

const FILTERS: usize = 6;
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

/// What was observed of one way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) way: Way,
    /// The difference of the stamps, seconds on the base of the track.
    pub(super) z: f64,
    /// From the middle of the exchange, seconds.
    pub(super) lag: f64,
    /// The variance of what is not in the state, s².
    pub(super) others: f64,
}

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

/// The bank at rest: what lives from one exchange to the next, in half of the room. What is kept in
/// single precision is a difference or a root.
#[derive(Debug, Clone)]
pub(super) struct Resting {
    /// Of the filter in the centre.
    mean: [f64; 3],
    /// The other means, minus that.
    apart: [[f32; 3]; FILTERS - 1],
    roots: [Root; FILTERS],
    score: [f32; FILTERS],
    stamps: Source,
    q: u8,
    phi: i8,
    restless: bool,
}

impl Resting {
    /// A word of each of its lines.
    pub(super) fn touch(&self) -> u64 {
        let roots = self.roots.iter().step_by(2).fold(0, |word, root| word ^ root.touch());
        let rest = roots ^ self.score[0].to_bits() ^ self.apart[0][0].to_bits();
        self.mean[0].to_bits() ^ u64::from(rest)
    }

    pub(super) fn wake(&self) -> Bank {
        let mut filters = [Filter { mean: self.mean, cov: [0.0; 6] }; FILTERS];
        for (filter, apart) in filters[1..].iter_mut().zip(self.apart) {
            for (mean, apart) in filter.mean.iter_mut().zip(apart) {
                *mean += f64::from(apart);
            }
        }
        for (filter, root) in filters.iter_mut().zip(&self.roots) {
            filter.cov = root.squared();
        }
        let score = self.score.map(f64::from);
        Bank {
            filters,
            score,
            weight: weights(&score),
            q: self.q,
            phi: self.phi,
            restless: self.restless,
            stamps: self.stamps,
            blend: OnceCell::new(),
            fit: 0.0,
        }
    }
}

/// The bank.
#[derive(Debug, Clone)]
pub(super) struct Bank {
    filters: [Filter; FILTERS],
    score: [f64; FILTERS],
    weight: [f64; FILTERS],
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
        Self {
            filters: [filter; FILTERS],
            score: [0.0; FILTERS],
            weight: [1.0 / FILTERS as f64; FILTERS],
            q: Q_FIRST,
            phi: 0,
            restless: false,
            stamps,
            blend: OnceCell::from(filter),
            fit: 0.0,
        }
    }

    pub(super) fn rest(&self) -> Resting {
        let centre = self.filters[0].mean;
        Resting {
            mean: centre,
            apart: std::array::from_fn(|i| {
                std::array::from_fn(|j| (self.filters[i + 1].mean[j] - centre[j]) as f32)
            }),
            roots: self.filters.map(|filter| Root::of(&filter.cov)),
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

    /// One that starts from another state, with what was learned of clock and stamps.
    pub(super) fn restarted(&self, filter: Filter) -> Self {
        let Self { q, phi, restless, stamps, .. } = *self;
        Self { q, phi, restless, ..Self::new(filter, stamps) }
    }

    fn q_at(&self, place: usize) -> f64 {
        self.q() * step(Q_STEP, PLACES[place].0)
    }

    fn phi_at(&self, place: usize) -> f64 {
        self.centre_phi() * step(PHI_STEP, PLACES[place].1)
    }

    /// The noise that the stamps' source promises, in seconds.
    fn promised(&self) -> f64 {
        self.stamps.noise().as_secs_f64()
    }

    fn centre_phi(&self) -> f64 {
        self.promised() * PHI_STEP.powi(self.phi.into())
    }

    /// The noise of the stamps as all filters together see it, in seconds.
    pub(super) fn phi(&self) -> f64 {
        let square = |i: usize| self.weight[i] * step(PHI_STEP, PLACES[i].1).powi(2);
        self.centre_phi() * (0..FILTERS).map(square).sum::<f64>().sqrt()
    }

    /// The wander of the clock at present, in s²/s³.
    pub(super) fn q(&self) -> f64 {
        QS[usize::from(self.q)]
    }

    /// Whether the stamps seem to be much noisier than their kind promises.
    pub(super) fn is_strange(&self) -> bool {
        self.centre_phi() > STRANGE * self.promised()
    }

    /// Noise of the stamps that is beyond what their kind promises by far, in seconds.
    pub(super) fn strange_noise(&self) -> f64 {
        if self.is_strange() { self.phi() } else { 0.0 }
    }

    /// Begins with this wander of the clock, in s²/s³, or the next one above it.
    pub(super) fn suppose(&mut self, q: f64) {
        self.q = QS.partition_point(|known| *known < q).min(QS.len() - 1) as u8;
    }

    /// The filters' mean, with the covariance of the mixture.
    pub(super) fn blend(&self) -> &Filter {
        self.blend.get_or_init(|| self.mixed())
    }

    /// What the filters say together of the time to come.
    pub(super) fn outlook(&self) -> Outlook {
        let Filter { mean: [x, y, _], cov: [xx, xy, _, yy, ..] } = *self.blend();
        let (q, phi, strange) = (self.q(), self.phi(), self.strange_noise());
        Outlook { x, y, xx, xy, yy, q, phi, strange }
    }

    /// Lets `t` seconds pass.
    pub(super) fn predict(&mut self, t: f64) {
        for i in 0..FILTERS {
            let q = self.q_at(i);
            let walk = WALKS[usize::from(self.restless != (i == OTHER_FLOOR))];
            self.filters[i].predict(t, q, walk);
        }
        self.blend.take();
    }

    /// Takes in an observation. What comes earlier than expected by more than `surprise` deviations
    /// widens each filter it surprises until it does not.
    ///
    /// After a few packets what is known of the floor has an edge above and an exponential tail below;
    /// the normal distribution that stands for it has next to no tail, and an early packet in there
    /// would leave it far too sure of where it has just been wrong. The widening is that of a strong
    /// tracking filter (Zhou and Frank, *Int. J. Control* 65, 1996). The scores are as without it.
    pub(super) fn observe(&mut self, seen: &Seen, law: &Mixture, surprise: f64) {
        let Seen { way, z, lag, others } = *seen;
        let mut likely = [0.0; FILTERS];
        let centre = self.centre_phi();
        for (i, likely) in likely.iter_mut().enumerate() {
            let phi = centre * step(PHI_STEP, PLACES[i].1);
            let filter = &mut self.filters[i];
            let mut forecast = filter.forecast(way);
            let nu = z + lag * filter.mean[1] - forecast.value;
            let mut pull = law.pull(nu, forecast.variance + others, phi);
            *likely = pull.ln_z;
            let noise = phi * phi + others;
            if nu < -surprise * (forecast.variance + noise).sqrt() {
                filter.widen_to((nu / surprise).powi(2) - noise, &forecast);
                forecast = filter.forecast(way);
                pull = law.pull(nu, forecast.variance + others, phi);
            }
            filter.update(way, &forecast, &pull, others);
        }
        self.fit += self.weight.iter().zip(likely).map(|(w, likely)| w * likely).sum::<f64>();
        let best = likely.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (score, likely) in self.score.iter_mut().zip(likely) {
            *score += (likely - best).max(WORST);
        }
        self.blend.take();
    }

    /// The exchange is complete: weighs the filters anew. The stamps are not noisier than `most`, by
    /// what the round trips scatter.
    pub(super) fn close(&mut self, most: f64) {
        let best = self.score.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for score in &mut self.score {
            *score = (*score - best) * (1.0 - FORGET);
        }
        self.score[OTHER_FLOOR] = self.score[OTHER_FLOOR].max(FURTHEST);
        let noisiest = most.clamp(PHI_STEP * self.promised(), PHI_GREATEST);
        self.shut_out(noisiest);
        self.relocate(noisiest);
        // It may sit elsewhere now.
        self.shut_out(noisiest);
        self.weight = weights(&self.score);
        self.blend.take();
    }

    fn shut_out(&mut self, noisiest: f64) {
        if self.phi_at(NOISIER) > noisiest {
            self.score[NOISIER] = self.score[NOISIER].min(SHUT_OUT);
        }
    }

    fn relocate(&mut self, noisiest: f64) {
        let beside = |a: &usize, b: &usize| self.score[*a].total_cmp(&self.score[*b]);
        let Some(to) = (1..FILTERS).max_by(beside) else { return };
        let q = i32::from(self.q) + PLACES[to].0;
        let phi = self.phi_at(to);
        let allowed = (0..QS.len() as i32).contains(&q)
            && phi >= self.promised() * PHI_LEAST
            && (phi <= noisiest || phi < self.centre_phi());
        if !allowed || self.score[to] - self.score[0] <= MOVE {
            return;
        }
        let (centre, moved) =
            ((self.filters[0], self.score[0]), (self.filters[to], self.score[to]));
        (self.q, self.phi) = (q as u8, self.phi + PLACES[to].1 as i8);
        self.restless ^= to == OTHER_FLOOR;
        self.filters = [moved.0; FILTERS];
        self.score = [moved.1 - NEWCOMER; FILTERS];
        self.score[0] = moved.1;
        (self.filters[OPPOSITE[to]], self.score[OPPOSITE[to]]) = centre;
    }

    fn mixed(&self) -> Filter {
        let mut mean = [0.0; 3];
        for (filter, weight) in self.filters.iter().zip(self.weight) {
            for (mean, value) in mean.iter_mut().zip(filter.mean) {
                *mean += weight * value;
            }
        }
        let mut cov = [0.0; 6];
        for (filter, weight) in self.filters.iter().zip(self.weight) {
            let [x, y, d] = std::array::from_fn(|i| filter.mean[i] - mean[i]);
            let apart = [x * x, x * y, x * d, y * y, y * d, d * d];
            for ((cov, own), apart) in cov.iter_mut().zip(filter.cov).zip(apart) {
                *cov += weight * (own + apart);
            }
        }
        Filter { mean, cov }
    }

    /// Opens every filter for a rate that changed within the last `ago` seconds and made `by`
    /// seconds of offset since.
    pub(super) fn turn(&mut self, by: f64, ago: f64) {
        let rate = by / ago;
        for filter in &mut self.filters {
            filter.cov[0] += by * by;
            filter.cov[1] += by * rate;
            filter.cov[3] += rate * rate;
        }
        self.blend.take();
    }

    /// Moves x, y and D of every filter and adds to their variances.
    pub(super) fn shift(&mut self, by: [f64; 3], variance: [f64; 3]) {
        for filter in &mut self.filters {
            for (mean, by) in filter.mean.iter_mut().zip(by) {
                *mean += by;
            }
            for (diagonal, variance) in [0, 3, 5].into_iter().zip(variance) {
                filter.cov[diagonal] += variance;
            }
        }
        self.blend.take();
    }
}

/// What each filter's word is worth by its log likelihood, together 1.
pub(super) fn weights<const N: usize>(score: &[f64; N]) -> [f64; N] {
    let best = score.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let likely = score.map(|score| (score - best).exp());
    let sum: f64 = likely.iter().sum();
    likely.map(|likely| likely / sum)
}

fn step(ratio: f64, steps: i32) -> f64 {
    match steps {
        0 => 1.0,
        1 => ratio,
        _ => 1.0 / ratio,
    }
}
