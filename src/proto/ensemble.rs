//! Cluster time: what the members' clocks together say.
//!
//! Averaged are *predictions, not readings*, as in the time scale AT1 (Levine, *Review of
//! Scientific Instruments* 70, 1999): of each member the ensemble remembers where its free-running
//! clock was against cluster time and how fast it ran, and asks where cluster time must therefore
//! be now. A member that joins or leaves then moves nothing, and cluster time never sees what the
//! disciplines do. The master is a member without privilege: everything is against the flywheel.

mod jumps;
mod succession;

pub(super) use self::succession::Share;
use super::consensus::{
    Weighed, average, capped, majority, median, middle, robust_mean, spread, weighted, within,
};
use super::index::Table;
use super::settings::Average;
use super::track::{Estimate, Wheel};
use crate::time::{Cluster, Local, Map, Offset, Rate, Remote, Shown, Span, Time};
use crate::wire::{NodeId, Standing};

/// A clock that shows an earlier date has lost it, for no build of this program is that old:
/// 2025-01-01.
const NO_EARLIER: Time<Shown> = Time::from_nanos(1_735_689_600_000_000_000);
/// In so many first rounds cluster time is formed anew from the clocks as they are shown.
const START_ROUNDS: u32 = 3;
/// Until this round of the ensemble the members' rates come straight from their tracks, later by
/// slow learning.
const WARM_UP_ROUNDS: u32 = 16;
/// … and for so long: short rounds tell little of a rate. The same of each member that joins.
const WARM_UP: Span = Span::from_secs(16);
/// Time constant of learning a member's rate, young and old: τ is a quarter of the ensemble's age.
const TAU_YOUNG: f64 = 8.0;
const TAU_OLD: f64 = 300.0;
/// Time constant with which the rate of cluster time follows the members' rates, seconds.
const TAU_RATE: f64 = 30.0;
/// After the warm-up the weights move the rate of cluster time by no more than 0.1 ppm a minute, and with
/// [`TAU_RATE`] by no more than 50 ppb, away from what the middle crystal says. (Against the wheel it
/// changes as the wheel does, which is a yardstick that may be pulled.)
pub(super) const RATE_PACE: f64 = 0.1e-6 / 60.0;
/// So many have a middle one. With fewer all of the rate is paced.
const MIDDLE: usize = 3;
/// A rate that is known so many times worse than the middle one is hardly known.
const HARDLY_KNOWN: f64 = 4.0;
/// A former falseticker must agree within half the tolerance for so many rounds before it counts.
const PROBATION: u32 = 8;
/// After so many rounds without a majority the members are taken as they are: what they remember
/// has not brought them together, and will not.
const HOLD_PATIENCE: u32 = 3;
/// A joiner's weight grows from nothing to its full over so many seconds.
const RAMP: f64 = 600.0;
/// Smoothing of a member's variance per round, its first value and its least (s²).
const VARIANCE_GAIN: f64 = 0.01;
const VARIANCE_FIRST: f64 = 1e-12;
const VARIANCE_LEAST: f64 = 1e-18;
/// No member weighs more than this, nor more than twice its share.
const WEIGHT_CAP: f64 = 0.4;
/// Bounds narrower than this (of the master itself: nil) must not make neighbours disagree.
const LEAST_BOUND: Span = Span::from_micros(1);
/// Members with a good outside source pull cluster time by at most 0.05 ppm.
const REFERENCE_PULL: f64 = 0.05e-6;

/// One member's clock at the common instant of a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Whose.
    pub id: NodeId,
    /// Its Local minus the flywheel.
    pub offset: Offset,
    /// The rate of its Local against the flywheel.
    pub rate: Rate,
    /// One standard deviation of that rate; zero for the master itself.
    pub rate_sigma: Rate,
    /// The hard bound of the offset; zero for the master itself.
    pub bound: Span,
    /// What it shows.
    pub shown: Time<Shown>,
    /// The rate of cluster time against its Local that it remembers from before; zero where it
    /// remembers none.
    pub saved: Rate,
    /// It has a good outside source: what it shows is worth more than what the others show.
    pub reference: bool,
}

/// What a round says of one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Whose.
    pub id: NodeId,
    /// How it stands from now on.
    pub standing: Standing,
    /// How far its clock is from where it was expected, against the median of all; positive:
    /// ahead.
    pub offset: Offset,
    /// Its part in the average, 0 … 1.
    pub weight: f64,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    /// Its Local minus cluster time at the last round.
    phase: Offset,
    /// The rate of its Local against cluster time.
    rate: Rate,
    /// Smoothed square of its distance from the median, s².
    variance: f64,
    /// Rounds for which it has yet to agree before it counts; 0: it counts.
    probation: u32,
    joined: Time<Wheel>,
    seen: Time<Wheel>,
    /// What its Local read then.
    local: Time<Wheel>,
    /// The round it was last read in.
    round: u32,
}

impl Member {
    /// Its Local minus cluster time when it reads `local`, by its own running. The time that has
    /// passed is its own too, and not the master's, whose clock may have missed some.
    fn expected(&self, local: Time<Wheel>) -> Offset {
        // What runs at y against cluster time runs y/(1 + y) of its own time ahead.
        self.phase - self.rate.reversed().gain_over(local - self.local)
    }
}

/// The time scale.
#[derive(Debug, Clone)]
pub struct Ensemble {
    average: Average,
    tolerance: Span,
    members: Table<Member>,
    cluster: Option<Map<Wheel, Cluster>>,
    rounds: u32,
    started: Time<Wheel>,
    held: bool,
    /// Rounds in a row.
    held_for: u32,
    /// Cluster time is given from outside.
    led: bool,
}

impl Ensemble {
    /// Bytes that a member takes.
    pub(super) const EACH: usize = Table::<Member>::EACH;

    /// An ensemble that has not met its members.
    pub fn new(average: Average, tolerance: Span) -> Self {
        Self {
            average,
            tolerance,
            members: Table::new([0; 2]),
            cluster: None,
            rounds: 0,
            started: Time::from_nanos(0),
            held: false,
            held_for: 0,
            led: false,
        }
    }

    /// Cluster time is this from now on, until told otherwise, whatever the members say of it: they
    /// are still judged, and their rates learned.
    pub(super) fn lead(&mut self, cluster: Map<Wheel, Cluster>) {
        if !std::mem::replace(&mut self.led, true) {
            self.started = cluster.at;
        }
        self.cluster = Some(cluster);
    }

    /// The same, with its members kept by a secret.
    pub(super) fn seeded(mut self, seed: [u64; 2]) -> Self {
        self.members.reseed(seed);
        self
    }

    /// The flywheel to cluster time; none before the first round with company.
    pub fn cluster(&self) -> Option<&Map<Wheel, Cluster>> {
        self.cluster.as_ref()
    }

    /// The master's own Local to cluster time, by the wheel's map of now.
    pub fn for_master(&self, wheel: &Map<Local, Wheel>) -> Option<Map<Local, Cluster>> {
        let cluster = self.cluster?;
        let rate = cluster.rate.on_top_of(wheel.rate);
        Some(Map { at: wheel.at, reads: cluster.reading(wheel.reads), rate })
    }

    /// A slave's Local to cluster time. The master's own wander is not in it: the slave is
    /// measured against the wheel.
    pub fn for_slave(&self, estimate: &Estimate) -> Option<Map<Remote, Cluster>> {
        let cluster = self.cluster?;
        let at = (estimate.at + estimate.offset).sent_away();
        let wheel = Time::from_nanos((at - estimate.wheel_offset).as_nanos());
        let rate = cluster.rate.on_top_of(estimate.wheel_rate.reversed());
        Some(Map { at, reads: cluster.reading(wheel), rate })
    }

    /// Members that are remembered.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the next round may form cluster time anew from what the clocks show.
    pub fn starts(&self) -> bool {
        !self.led && self.rounds < START_ROUNDS
    }

    /// Whether no majority agreed in the last round, so that cluster time goes on by prediction.
    pub fn held(&self) -> bool {
        self.held
    }

    /// Closes a round at `at` with the readings of all members that can be reached, the master's
    /// own among them. One reading alone forms no cluster time. O(n), but for `trimmed` and where no
    /// majority is near the median: O(n log n).
    pub fn round(&mut self, at: Time<Wheel>, readings: &[Reading]) -> Vec<Verdict> {
        if readings.is_empty() || self.cluster.is_none() && readings.len() < 2 {
            return Vec::new();
        }
        self.rounds = self.rounds.saturating_add(1);
        let mut predicted = match self.cluster {
            Some(cluster) if self.led || self.rounds > START_ROUNDS => cluster.anchored_at(at),
            _ => self.form(at, readings),
        };
        let crystals = self.look_for_jumps(at, &mut predicted, readings);
        let mut near = 0;
        let seats: Vec<_> = readings
            .iter()
            .map(|reading| {
                let seat = self.seat(at, near, reading, &predicted, crystals);
                near = seat + 1;
                seat
            })
            .collect();
        let seated = || readings.iter().zip(&seats);
        let opinions: Vec<_> =
            seated().map(|(r, &seat)| self.opinion(at, r, &predicted, seat)).collect();
        let centre = median(&opinions).unwrap_or(Offset::ZERO);
        let mut verdicts = self.judge(at, readings, &seats, &opinions, centre);
        self.held = !self.majority(readings, &opinions, centre);
        let moved = self.average(at, &seats, &opinions, centre, &mut verdicts);
        let moved = if self.held { Offset::ZERO } else { moved };
        let pulled = self.pull(at, &predicted, readings, &verdicts);
        let averaged = Map { reads: predicted.reads + moved + pulled, ..predicted };
        // Where it is led the average tells how the members stand, and moves nothing.
        let cluster = if self.led { predicted } else { averaged };
        self.held_for = if self.held { self.held_for.saturating_add(1) } else { 0 };
        // While it holds, what the members remember is all there is to come back to.
        if !self.held || self.held_for >= HOLD_PATIENCE {
            self.learn(&cluster, crystals, readings, &seats, &opinions, centre);
        }
        let rate = self.rate(at, &predicted, readings, &seats, &verdicts);
        self.cluster = Some(Map { rate, ..cluster });
        let rounds = self.rounds;
        if self.members.len() > readings.len() {
            self.members.retain(|member| member.round >= rounds);
        }
        verdicts
    }

    /// Phase and rate by the medians of what is shown, while steps are still allowed.
    fn form(&mut self, at: Time<Wheel>, readings: &[Reading]) -> Map<Wheel, Cluster> {
        if self.cluster.is_none() {
            self.started = at;
        }
        // The median of differences: absolute times stay integers and small numbers small.
        let first = readings[0].shown;
        // Whoever lost the date has no say in it, unless all have.
        let anybody = readings.iter().any(|r| r.shown >= NO_EARLIER);
        let dated = readings.iter().filter(|r| !anybody || r.shown >= NO_EARLIER);
        let shown: Vec<_> = dated.map(|r| r.shown - first).collect();
        let middle = first + median(&shown).unwrap_or(Offset::ZERO);
        let rate = free_rate(readings);
        let map = Map { at, reads: Time::from_nanos(middle.as_nanos()), rate };
        self.members.clear();
        map
    }

    /// Where a member sits; one that is new agrees by definition.
    fn seat(
        &mut self,
        at: Time<Wheel>,
        near: u32,
        reading: &Reading,
        predicted: &Map<Wheel, Cluster>,
        crystals: Rate,
    ) -> u32 {
        let now = phase(reading, predicted);
        let seat = self.members.seat(near, reading.id, || Member {
            phase: now,
            rate: reading.rate - crystals,
            variance: VARIANCE_FIRST,
            probation: 0,
            joined: at,
            seen: at,
            local: at + reading.offset,
            round: 0,
        });
        self.members.at_mut(seat).round = self.rounds;
        seat
    }

    /// Where cluster time is by this member's clock, minus where it was predicted to be.
    fn opinion(
        &self,
        at: Time<Wheel>,
        reading: &Reading,
        predicted: &Map<Wheel, Cluster>,
        seat: u32,
    ) -> Offset {
        phase(reading, predicted) - self.members.at(seat).expected(at + reading.offset)
    }

    fn judge(
        &mut self,
        at: Time<Wheel>,
        readings: &[Reading],
        seats: &[u32],
        opinions: &[Offset],
        centre: Offset,
    ) -> Vec<Verdict> {
        let tolerance = self.tolerance;
        let mut verdicts = Vec::with_capacity(readings.len());
        for ((reading, &seat), &opinion) in readings.iter().zip(seats).zip(opinions) {
            let member = self.members.at_mut(seat);
            let limit = if member.probation > 0 { tolerance.over(2) } else { tolerance };
            if !within(opinion, centre, limit) {
                member.probation = PROBATION;
                member.joined = at;
            } else if member.probation > 0 {
                member.probation -= 1;
                if member.probation == 0 {
                    // What it was apart is over; smoothed, it would weigh on for hours.
                    member.variance = VARIANCE_FIRST;
                }
            }
            let standing = match member.probation {
                0 => Standing::Counted,
                _ => Standing::Falseticker,
            };
            let offset = opinion - centre;
            verdicts.push(Verdict { id: reading.id, standing, offset, weight: 0.0 });
        }
        verdicts
    }

    /// Whether more than half are within the tolerance, and their intervals share a point.
    fn majority(&self, readings: &[Reading], opinions: &[Offset], centre: Offset) -> bool {
        let intervals: Vec<_> = readings
            .iter()
            .zip(opinions)
            .filter(|&(_, &o)| within(o, centre, self.tolerance))
            .map(|(r, &o)| (o, r.bound.max(LEAST_BOUND)))
            .collect();
        majority(readings.len(), centre, &intervals)
    }

    /// The average of those that count; fills in their weights.
    fn average(
        &self,
        at: Time<Wheel>,
        seats: &[u32],
        opinions: &[Offset],
        centre: Offset,
        verdicts: &mut [Verdict],
    ) -> Offset {
        let counts = |v: &Verdict| v.standing == Standing::Counted;
        let counted: Vec<_> =
            verdicts.iter().zip(opinions).filter(|(v, _)| counts(v)).map(|(_, &o)| o).collect();
        let by_worth = self.average == Average::Ensemble;
        let mut weights: Vec<_> = verdicts
            .iter()
            .zip(seats)
            .filter(|(v, _)| counts(v))
            .map(|(_, &seat)| if by_worth { self.worth(at, seat) } else { 1.0 })
            .collect();
        let n = weights.len() as f64;
        capped(&mut weights, WEIGHT_CAP.min(2.0 / n.max(1.0)));
        for (verdict, weight) in verdicts.iter_mut().filter(|v| counts(v)).zip(&weights) {
            verdict.weight = *weight;
        }
        if self.average != Average::Ensemble {
            return average(self.average, &counted).unwrap_or(Offset::ZERO);
        }
        let weighed: Vec<_> = counted
            .iter()
            .zip(weights)
            .map(|(&opinion, weight)| Weighed { opinion, weight })
            .collect();
        if weighed.is_empty() {
            centre
        } else {
            weighted(centre, spread(centre, opinions), &weighed)
        }
    }

    /// What a member's opinion is worth: nothing at first, then the inverse of its variance.
    fn worth(&self, at: Time<Wheel>, seat: u32) -> f64 {
        let member = self.members.at(seat);
        let ramp = ((at - member.joined).as_secs_f64() / RAMP).clamp(0.0, 1.0);
        ramp / member.variance.max(VARIANCE_LEAST)
    }

    /// What those with an outside source pull.
    fn pull(
        &self,
        at: Time<Wheel>,
        predicted: &Map<Wheel, Cluster>,
        readings: &[Reading],
        verdicts: &[Verdict],
    ) -> Offset {
        let ahead: Vec<_> = readings
            .iter()
            .zip(verdicts)
            .filter(|(r, v)| r.reference && v.standing == Standing::Counted)
            .map(|(r, _)| {
                Offset::from_nanos(r.shown.as_nanos().saturating_sub(predicted.reads.as_nanos()))
            })
            .collect();
        let elapsed = self.cluster.map_or(0.0, |last| (at - last.at).as_secs_f64());
        let most = Span::from_secs_f64(REFERENCE_PULL * elapsed);
        median(&ahead).unwrap_or(Offset::ZERO).clamp_abs(most)
    }

    fn learn(
        &mut self,
        cluster: &Map<Wheel, Cluster>,
        crystals: Rate,
        readings: &[Reading],
        seats: &[u32],
        opinions: &[Offset],
        centre: Offset,
    ) {
        let age = (cluster.at - self.started).as_secs_f64();
        let tau = (age / 4.0).clamp(TAU_YOUNG, TAU_OLD);
        // While it is warming up the rate of cluster time is that of all, else what most crystals say.
        let warming = self.is_warming(cluster.at);
        let rate = if warming { free_rate(readings) } else { crystals };
        for ((reading, &seat), &opinion) in readings.iter().zip(seats).zip(opinions) {
            let member = self.members.at_mut(seat);
            let elapsed = (cluster.at - member.seen).as_secs_f64();
            let now = phase(reading, cluster);
            let away = (opinion - centre).as_secs_f64();
            if warming || cluster.at.since(member.joined) < WARM_UP {
                member.rate = reading.rate - rate;
            } else if !self.held && elapsed > 0.0 && within(opinion, centre, self.tolerance) {
                // A jump is no rate, and so teaches none.
                let expected = member.expected(cluster.at + reading.offset);
                let gain = (now - expected).as_secs_f64() / tau.max(elapsed);
                member.rate = member.rate + Rate::from_ratio(gain);
            }
            member.variance += VARIANCE_GAIN * (away.powi(2) - member.variance);
            member.phase = now;
            member.seen = cluster.at;
            member.local = cluster.at + reading.offset;
        }
    }

    /// Whether rates still come straight from the tracks.
    fn is_warming(&self, at: Time<Wheel>) -> bool {
        self.rounds <= WARM_UP_ROUNDS || at.since(self.started) < WARM_UP
    }

    /// The rate of cluster time against the wheel: what those that count say, by weight. What the middle
    /// one says is the wheel's running, and followed; what the others' weight makes of it is paced.
    fn rate(
        &self,
        at: Time<Wheel>,
        predicted: &Map<Wheel, Cluster>,
        readings: &[Reading],
        seats: &[u32],
        verdicts: &[Verdict],
    ) -> Rate {
        if self.led {
            return predicted.rate;
        }
        if self.is_warming(at) {
            return free_rate(readings);
        }
        let said: Vec<_> = readings
            .iter()
            .zip(seats)
            .zip(verdicts)
            .filter(|(_, v)| v.weight > 0.0)
            .map(|((r, &seat), v)| ((r.rate - self.members.at(seat).rate).as_ppb(), v.weight))
            .collect();
        let elapsed = self.cluster.map_or(0.0, |last| (at - last.at).as_secs_f64());
        let half = match said.len() {
            MIDDLE.. => middle(said.iter().map(|(rate, _)| *rate)),
            _ => Some(predicted.rate.as_ppb()),
        };
        let both = half.zip(robust_mean(&said));
        let Some((half, mean)) = both.filter(|_| elapsed > 0.0 && !self.held) else {
            return predicted.rate;
        };
        let smooth = (elapsed / TAU_RATE).min(1.0);
        let followed = Rate::from_ppb((half - predicted.rate.as_ppb()) * smooth);
        let own = Rate::from_ppb((mean - half) * smooth);
        predicted.rate + followed + own.clamp_abs(Rate::from_ratio(RATE_PACE * elapsed))
    }
}

/// A member's Local minus cluster time at the map's anchor.
fn phase(reading: &Reading, map: &Map<Wheel, Cluster>) -> Offset {
    let local = map.at + reading.offset;
    Offset::from_nanos(local.as_nanos().saturating_sub(map.reads.as_nanos()))
}

/// The rate of cluster time against the wheel as the median of what the members' crystals say,
/// each corrected by what it remembers.
///
/// Members whose rate is hardly known (beside the middle one of how well the rates are known) have
/// no say: their word is noise.
fn free_rate(readings: &[Reading]) -> Rate {
    let known = middle(readings.iter().map(|r| r.rate_sigma.abs().as_ppb())).unwrap_or(0.0);
    let rates = readings
        .iter()
        .filter(|r| r.rate_sigma.abs().as_ppb() <= HARDLY_KNOWN * known)
        .map(|r| r.saved.on_top_of(r.rate).as_ppb());
    Rate::from_ppb(middle(rates).unwrap_or(0.0))
}

#[cfg(test)]
#[path = "ensemble_tests.rs"]
mod tests;
