//! Chance: every draw of the simulated world comes from one seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What a sequence of draws is for. Each purpose has a sequence of its own, so that a change to
/// one part of the world (a node more, a link worse) leaves the draws of all others as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Where a node's clocks begin.
    Start(usize),
    /// How a node's oscillator wanders.
    Wander(usize),
    /// What the driver and the stamps of a node add.
    Driver(usize),
    /// Identity and nonces of a node's core at its so-many-th boot.
    Core(usize, u32),
    /// Delay and loss in one direction between two nodes.
    Path(usize, usize),
    /// What a LAN is made of, and the disasters that befall it.
    Chaos,
    /// What liars say.
    Lies,
    /// Which clusters of the lowest tier are looked at.
    Tiers,
}

impl Purpose {
    fn stream(self) -> u64 {
        let (kind, a, b) = match self {
            Purpose::Start(node) => (1, node, 0),
            Purpose::Wander(node) => (2, node, 0),
            Purpose::Driver(node) => (3, node, 0),
            Purpose::Core(node, boot) => (4, node, boot as usize),
            Purpose::Path(from, to) => (5, from, to),
            Purpose::Chaos => (6, 0, 0),
            Purpose::Lies => (7, 0, 0),
            Purpose::Tiers => (8, 0, 0),
        };
        (kind << 56) | ((a as u64 & 0x0fff_ffff) << 28) | (b as u64 & 0x0fff_ffff)
    }
}

/// A reproducible sequence of draws.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(purpose.stream());
        Self(rng)
    }

    /// Uniform in 0 ≤ x < 1.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (0.5f64).powi(53)
    }

    /// Uniform within ±1.
    pub(super) fn within(&mut self) -> f64 {
        2.0 * self.uniform() - 1.0
    }

    /// Uniform in 0 … `count` − 1; `count` is at least 1, and small.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    /// Exponential with mean 1, by inversion; at most 36.8, because the draw has 53 bits.
    pub(super) fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Normal with mean 0 and deviation 1, after Box and Muller. The second value of the pair is
    /// thrown away, so that the sequence depends on nothing but the number of calls.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Whether something of this probability happens. Impossible things draw nothing.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.uniform() < probability
    }

    pub(super) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    fn moments(mut draw: impl FnMut(&mut Dice) -> f64) -> (f64, f64) {
        let mut dice = Dice::new(7, Purpose::Path(0, 1));
        let drawn: Vec<f64> = (0..DRAWS).map(|_| draw(&mut dice)).collect();
        let mean = drawn.iter().sum::<f64>() / DRAWS as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64;
        (mean, variance)
    }

    /// Ten standard errors of the figure: a wrong formula is out, an unlucky seed is not.
    fn assert_near(what: &str, is: f64, should: f64, fourth_moment: f64) {
        let limit = 10.0 * (fourth_moment / DRAWS as f64).sqrt();
        assert!((is - should).abs() < limit, "{what}: {is}, not {should} ± {limit}");
    }

    #[test]
    fn mean_and_variance_are_those_of_the_distribution() {
        let (mean, variance) = moments(Dice::uniform);
        assert_near("uniform mean", mean, 0.5, 1.0 / 12.0);
        assert_near("uniform variance", variance, 1.0 / 12.0, 1.0 / 180.0);
        let (mean, variance) = moments(Dice::exponential);
        assert_near("exponential mean", mean, 1.0, 1.0);
        assert_near("exponential variance", variance, 1.0, 8.0);
        let (mean, variance) = moments(Dice::normal);
        assert_near("normal mean", mean, 0.0, 1.0);
        assert_near("normal variance", variance, 1.0, 2.0);
    }

    #[test]
    fn the_tails_are_those_of_the_distribution() {
        let (above, _) = moments(|dice| f64::from(dice.exponential() > 3.0));
        assert_near("P(exp > 3)", above, (-3.0f64).exp(), 0.05);
        let (above, _) = moments(|dice| f64::from(dice.normal().abs() > 1.959_964));
        assert_near("P(|normal| > 1.96)", above, 0.05, 0.05);
        let (happened, _) = moments(|dice| f64::from(dice.happens(0.2)));
        assert_near("P(0.2)", happened, 0.2, 0.16);
    }

    #[test]
    fn every_purpose_has_a_sequence_of_its_own() {
        let first = |seed, purpose| Dice::new(seed, purpose).number();
        let purposes = [
            Purpose::Start(1),
            Purpose::Wander(1),
            Purpose::Driver(1),
            Purpose::Core(1, 0),
            Purpose::Core(1, 1),
            Purpose::Path(1, 0),
            Purpose::Path(0, 1),
            Purpose::Chaos,
            Purpose::Lies,
        ];
        for (i, &a) in purposes.iter().enumerate() {
            assert_eq!(first(3, a), first(3, a));
            assert_ne!(first(3, a), first(4, a), "the seed matters");
            assert!(purposes[..i].iter().all(|&b| first(3, a) != first(3, b)), "{a:?}");
        }
    }
}
