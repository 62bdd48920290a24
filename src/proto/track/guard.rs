//! The guards: what no queue explains.
//!
//! Queueing makes packets late, never early. A packet that comes earlier than the floor allows
//! means that the clock stepped, that the path got shorter, or that a stamp is wrong; three of
//! five are needed to believe it. Packets that for long are all late mean that the path got
//! longer.

use super::filter::Way;

/// Early by so many standard deviations of the forecast…
const SIGMAS: f64 = 8.0;
/// …and at least by so many times the noise that the stamps promise is a matter for the guards.
const NOISES: f64 = 12.0;
/// Rate error to reckon with after a gap, seconds per second.
const GAP_RATE: f64 = 0.2e-6;
/// The last so many exchanges are remembered, and so many of them must be early.
const LAST: usize = 5;
const NEEDED: usize = 3;
/// A run of late packets is proof where n·min/mean exceeds this: exponential delays do it by
/// chance with probability e^-25.
const PROOF: f64 = 25.0;
/// The other way's run counts as late too from here on.
const HALF_PROOF: f64 = 8.0;
/// A way alone has got longer only where the other way is not early by this part of it.
const EARLY_PART: f64 = 0.5;
/// Every sample of a run lies above this part of its mean.
const LEAST_OF_MEAN: f64 = 0.25;
/// Runs are begun anew after so many samples, lest old ones hide a change.
const LONGEST_RUN: u32 = 256;
/// A step below this (seconds) may be a change of rate that the filter did not follow; so may one
/// that is not the same in all exchanges, within so much of itself.
const SMALL_STEP: f64 = 50e-6;
const UNSTEADY: f64 = 0.1;
/// A least residual so many scales below the middle one is a wrong stamp.
const WILD: f64 = 4.0;
/// What is shorter than so many times the noise is the filter's own affair.
const WORTH: f64 = 8.0;

/// Residuals of an exchange, both ways, seconds.
pub(super) type Residuals = [f64; 2];

/// What happened to the clock or to the path. Seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// The slave's clock jumped by `by`; `doubt` is how exactly that is known. `rate`: it may
    /// have been no step but a rate that changed.
    Step { by: f64, doubt: f64, rate: bool },
    /// Both ways got longer (shorter: negative).
    Path { by: f64, doubt: f64 },
    /// One way alone got longer (shorter: negative).
    OneWay { way: Way, by: f64, doubt: f64 },
    /// The clock has left the forecast behind, by this, since its rate changes.
    Lag { by: f64 },
}

impl Change {
    /// By how much.
    pub(super) fn by(&self) -> f64 {
        match *self {
            Change::Step { by, .. }
            | Change::Path { by, .. }
            | Change::OneWay { by, .. }
            | Change::Lag { by } => by,
        }
    }
}

/// What is to be done with an exchange.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ruling {
    /// Use it.
    Pass,
    /// Leave it out: it contradicts what is known, and it is the first to do so.
    Doubt,
    /// Correct the state by this, then use it.
    Changed(Change),
}

/// Residuals in a row. Single precision: of what is counted here a part in a million is nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    n: u32,
    least: f32,
    sum: f32,
    /// The least residual of the other way meanwhile.
    other: f32,
}

impl Run {
    fn add(&mut self, nu: f64, other: f64) {
        let (nu, other) = (nu as f32, other as f32);
        let first = Run { n: 1, least: nu, sum: nu, other };
        if self.n == 0 || self.n >= LONGEST_RUN {
            *self = first;
            return;
        }
        self.n += 1;
        self.least = self.least.min(nu);
        self.sum += nu;
        self.other = self.other.min(other);
        if self.least() < LEAST_OF_MEAN * self.mean() {
            *self = first;
        }
    }

    /// One way alone got longer, unless the other got shorter by as much: then it is the clock.
    fn alone(&self, way: Way) -> Change {
        let by = self.longer();
        if f64::from(self.other) < -EARLY_PART * by {
            return Change::Lag { by };
        }
        Change::OneWay { way, by, doubt: self.doubt() }
    }

    fn least(&self) -> f64 {
        f64::from(self.least)
    }

    fn mean(&self) -> f64 {
        f64::from(self.sum) / f64::from(self.n.max(1))
    }

    /// n·min/mean.
    fn proof(&self) -> f64 {
        if self.sum > 0.0 { f64::from(self.n) * self.least() / self.mean() } else { 0.0 }
    }

    /// How much longer the way is: the least is still a queue's share too late.
    fn longer(&self) -> f64 {
        self.least() - self.doubt()
    }

    fn doubt(&self) -> f64 {
        (self.mean() - self.least()) / f64::from(self.n.max(1))
    }
}

/// What the early exchanges say of one quantity.
#[derive(Debug, Clone, Copy, Default)]
struct Suspects {
    n: usize,
    least: f64,
    middle: f64,
    span: f64,
}

impl Suspects {
    /// Where the new floor is: a queue's share below the least, unless that is wild.
    fn floor(&self, scale: f64) -> f64 {
        let wild = self.middle - self.least > WILD * scale;
        let least = if wild { self.middle } else { self.least };
        least - scale / self.n.max(1) as f64
    }
}

/// The newest exchanges, oldest first overwritten; `None`: it was in order.
#[derive(Debug, Clone, Default)]
struct Recent {
    of: [Option<Residuals>; LAST],
    next: usize,
}

impl Recent {
    fn push(&mut self, early: Option<Residuals>) {
        self.of[self.next] = early;
        self.next = (self.next + 1) % LAST;
    }

    fn early(&self) -> impl Iterator<Item = &Residuals> {
        self.of.iter().flatten()
    }
}

/// Watches one link.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// Where one of the newest was early. That is rare, and of many slaves most have none.
    recent: Option<Box<Recent>>,
    runs: [Run; 2],
}

impl Guard {
    /// Judges an exchange by its residuals before it is used. `deviation` is that of either
    /// residual's forecast, the stamps' noise included, `noise` what the stamps promise, `scale` that
    /// of the queues, `gap` the time since the last exchange in use.
    pub(super) fn rule(
        &mut self,
        nu: Residuals,
        deviation: [f64; 2],
        noise: f64,
        scale: f64,
        gap: f64,
    ) -> Ruling {
        let limit = deviation.map(|d| (SIGMAS * d).max(NOISES * noise) + GAP_RATE * gap);
        let early = nu[0] < -limit[0] || nu[1] < -limit[1];
        self.note(early.then_some(nu));
        if early {
            let suspects = self.recent.iter().flat_map(|recent| recent.early()).count();
            if suspects < NEEDED {
                return Ruling::Doubt;
            }
            let change = self.classify(limit, scale);
            *self = Self::default();
            return Ruling::Changed(change);
        }
        let floor = noise.max(deviation[0].max(deviation[1]) / 2.0);
        self.runs[0].add(nu[0], nu[1]);
        self.runs[1].add(nu[1], nu[0]);
        match self.longer(WORTH * floor) {
            Some(change) => {
                self.runs = [Run::default(); 2];
                Ruling::Changed(change)
            }
            None => Ruling::Pass,
        }
    }

    fn note(&mut self, early: Option<Residuals>) {
        if early.is_some() {
            self.recent.get_or_insert_default().push(early);
        } else if let Some(recent) = &mut self.recent {
            recent.push(None);
            if recent.early().next().is_none() {
                self.recent = None;
            }
        }
    }

    /// What several early exchanges have in common. `scale` is that of the queues.
    fn classify(&self, limit: [f64; 2], scale: f64) -> Change {
        let (forth, back) = (self.pick(|nu| nu[0]), self.pick(|nu| nu[1]));
        let early = (forth.middle < -limit[0], back.middle < -limit[1]);
        // Early one way and as late the other: that is the clock.
        let opposite = match early {
            (true, false) => back.middle > -forth.middle / 2.0,
            (false, true) => forth.middle > -back.middle / 2.0,
            _ => false,
        };
        if opposite {
            return self.step([forth.least, back.least], scale);
        }
        match early {
            (true, true) => {
                let by = forth.floor(scale).max(back.floor(scale));
                let apart = (forth.floor(scale) - back.floor(scale)).abs();
                Change::Path { by, doubt: scale + apart }
            }
            (false, true) => Change::OneWay { way: Way::Back, by: back.floor(scale), doubt: scale },
            _ => Change::OneWay { way: Way::Forth, by: forth.floor(scale), doubt: scale },
        }
    }

    /// A step that the early exchanges have in common. Queues are never negative: it is no more than
    /// any way there is late, and no less than minus what any way back is.
    fn step(&self, least: Residuals, scale: f64) -> Change {
        let (most, least) = (least[0], -least[1]);
        let halves = self.pick(|nu| (nu[0] - nu[1]) / 2.0);
        // They contradict each other: then one of them is wrong, or the clock goes on running away.
        let apart = least - most > WILD * scale;
        let by = if apart { halves.middle } else { (most + least) / 2.0 };
        let doubt = if apart { halves.span } else { (most - least).abs() / 2.0 };
        let rate = by.abs() < SMALL_STEP || halves.span > UNSTEADY * by.abs() + 2.0 * scale;
        Change::Step { by, doubt, rate }
    }

    fn pick(&self, what: impl Fn(&Residuals) -> f64) -> Suspects {
        let early = self.recent.iter().flat_map(|recent| recent.early());
        let mut of: Vec<f64> = early.map(what).collect();
        of.sort_unstable_by(f64::total_cmp);
        let (Some(&least), Some(&greatest)) = (of.first(), of.last()) else {
            return Suspects::default();
        };
        Suspects { n: of.len(), least, middle: of[of.len() / 2], span: greatest - least }
    }

    fn longer(&self, worth: f64) -> Option<Change> {
        let proof = self.runs.map(|run| if run.mean() > worth { run.proof() } else { 0.0 });
        let (a, b) = (&self.runs[0], &self.runs[1]);
        if proof[0].max(proof[1]) < PROOF {
            return None;
        }
        let both = proof[0].min(proof[1]) > HALF_PROOF;
        let similar = a.longer().min(b.longer()) > 0.5 * a.longer().max(b.longer());
        Some(if both && similar {
            let by = a.longer().min(b.longer());
            let apart = (a.longer() - b.longer()).abs();
            Change::Path { by, doubt: a.doubt() + b.doubt() + apart }
        } else if proof[0] > proof[1] {
            a.alone(Way::Forth)
        } else {
            b.alone(Way::Back)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_in_a_storm_is_what_all_early_exchanges_allow() {
        // The clock fell back by 1 ms; the way back is in queues of up to 5 ms.
        let (step, scale) = (-1e-3, 200e-6);
        let mut guard = Guard::default();
        let mut ruling = Ruling::Pass;
        for queues in [[0.1e-3, 0.3e-3], [0.2e-3, 2.5e-3], [0.4e-3, 4.2e-3]] {
            let nu = [step + queues[0], queues[1] - step];
            ruling = guard.rule(nu, [10e-6; 2], 350e-9, scale, 1.0);
        }
        let Ruling::Changed(Change::Step { by, doubt, .. }) = ruling else {
            panic!("{ruling:?}");
        };
        assert!((by - step).abs() < 0.15e-3, "{by}");
        assert!((by - step).abs() <= doubt, "{by} ± {doubt}");
    }

    #[test]
    fn one_wrong_stamp_among_the_early_ones_does_not_decide() {
        let mut guard = Guard::default();
        let mut ruling = Ruling::Pass;
        for nu in [[-1.01e-3, 1.02e-3], [-0.9, 1.01e-3], [-0.99e-3, 1.0e-3]] {
            ruling = guard.rule(nu, [10e-6; 2], 350e-9, 20e-6, 1.0);
        }
        let Ruling::Changed(Change::Step { by, .. }) = ruling else { panic!("{ruling:?}") };
        assert!((by + 1e-3).abs() < 50e-6, "{by}");
    }
}
