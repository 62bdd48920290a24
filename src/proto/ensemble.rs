//! Cluster time: what the members' clocks together say.
//!
//! Averaged are *predictions, not readings*, as in the time scale AT1 (Levine, *Review of
//! Scientific Instruments* 70, 1999): of each member the ensemble remembers where its free-running
//! clock was against cluster time and how fast it ran, and asks where cluster time must therefore
//! be now. A member that joins or leaves then moves nothing, and cluster time never sees what the
//! disciplines do. The master is a member without privilege.

use std::collections::BTreeMap;

use super::consensus::{average, median, within};
use super::settings::Average;
use crate::time::{Cluster, Local, Map, Offset, Rate, Shown, Span, Time};
use crate::wire::{NodeId, Standing};

/// In so many first rounds cluster time is formed anew from the clocks as they are shown.
const START_ROUNDS: u32 = 3;
/// Until this round of the ensemble the members' rates come straight from their tracks, later by
/// slow learning.
const WARM_UP_ROUNDS: u32 = 16;
/// Time constant of learning a member's rate, young and old: τ grows with the ensemble's age.
const TAU_YOUNG: f64 = 8.0;
const TAU_OLD: f64 = 300.0;
/// A former falseticker must agree for so many rounds before it counts again.
const PROBATION: u32 = 8;

/// One member's clock at the common instant of a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Whose.
    pub id: NodeId,
    /// Its Local minus the master's Local; zero for the master itself.
    pub offset: Offset,
    /// The rate of its Local against the master's Local; zero for the master itself.
    pub rate: Rate,
    /// What it shows.
    pub shown: Time<Shown>,
}

/// What a round says of one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Whose.
    pub id: NodeId,
    /// How it stands from now on.
    pub standing: Standing,
    /// Its opinion of cluster time minus the median of all opinions, negated, so that positive
    /// means that its clock is ahead of where it was expected.
    pub offset: Offset,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    /// Its Local minus cluster time at the last round.
    phase: Offset,
    /// The rate of its Local against cluster time.
    rate: Rate,
    /// Rounds for which it has yet to agree before it counts; 0: it counts.
    probation: u32,
    seen: Time<Local>,
}

/// The time scale.
#[derive(Debug, Clone)]
pub struct Ensemble {
    average: Average,
    tolerance: Span,
    members: BTreeMap<NodeId, Member>,
    cluster: Option<Map<Local, Cluster>>,
    rounds: u32,
    started: Time<Local>,
    held: bool,
}

impl Ensemble {
    /// An ensemble that has not met its members.
    pub fn new(average: Average, tolerance: Span) -> Self {
        Self {
            average,
            tolerance,
            members: BTreeMap::new(),
            cluster: None,
            rounds: 0,
            started: Time::from_nanos(0),
            held: false,
        }
    }

    /// The master's Local to cluster time; none before the first round with company.
    pub fn cluster(&self) -> Option<&Map<Local, Cluster>> {
        self.cluster.as_ref()
    }

    /// Whether no majority agreed in the last round, so that cluster time goes on by prediction.
    pub fn held(&self) -> bool {
        self.held
    }

    /// Closes a round at `at` with the readings of all members that can be reached, the master's
    /// own among them. One reading alone forms no cluster time.
    pub fn round(&mut self, at: Time<Local>, readings: &[Reading]) -> Vec<Verdict> {
        if self.cluster.is_none() && readings.len() < 2 {
            return Vec::new();
        }
        self.rounds = self.rounds.saturating_add(1);
        let predicted = match self.cluster {
            Some(cluster) if self.rounds > START_ROUNDS => cluster.anchored_at(at),
            _ => self.form(at, readings),
        };
        self.members.retain(|id, _| readings.iter().any(|r| r.id == *id));
        let opinions: Vec<_> = readings.iter().map(|r| self.opinion(at, r, &predicted)).collect();
        let centre = median(&opinions).unwrap_or(Offset::ZERO);
        let verdicts = self.judge(readings, &opinions, centre);
        let counted: Vec<_> = verdicts
            .iter()
            .zip(&opinions)
            .filter(|(v, _)| v.standing == Standing::Counted)
            .map(|(_, &o)| o)
            .collect();
        let agreeing = opinions.iter().filter(|&&o| within(o, centre, self.tolerance)).count();
        self.held = 2 * agreeing <= opinions.len();
        let moved = match average(self.average, &counted) {
            Some(moved) if !self.held => moved,
            _ => Offset::ZERO,
        };
        let cluster = Map { reads: predicted.reads + moved, ..predicted };
        self.learn(&cluster, readings);
        let rate = self.rate(readings, &verdicts).unwrap_or(predicted.rate);
        self.cluster = Some(Map { rate, ..cluster });
        verdicts
    }

    /// Phase and rate by the medians of what is shown, while steps are still allowed.
    fn form(&mut self, at: Time<Local>, readings: &[Reading]) -> Map<Local, Cluster> {
        if self.cluster.is_none() {
            self.started = at;
        }
        // The median of differences: absolute times stay integers and small numbers small.
        let first = readings[0].shown;
        let shown: Vec<_> = readings.iter().map(|r| r.shown - first).collect();
        let middle = first + median(&shown).unwrap_or(Offset::ZERO);
        let rate = median_rate(readings);
        let map = Map { at, reads: Time::from_nanos(middle.as_nanos()), rate };
        self.members.clear();
        for reading in readings {
            self.admit(reading, &map);
        }
        map
    }

    fn admit(&mut self, reading: &Reading, map: &Map<Local, Cluster>) {
        let member = Member {
            phase: phase(reading, map),
            rate: reading.rate - map.rate,
            probation: 0,
            seen: map.at,
        };
        self.members.insert(reading.id, member);
    }

    /// Where cluster time is by this member's clock, minus where it was predicted to be. A member
    /// that is new agrees by definition.
    fn opinion(
        &mut self,
        at: Time<Local>,
        reading: &Reading,
        predicted: &Map<Local, Cluster>,
    ) -> Offset {
        if !self.members.contains_key(&reading.id) {
            self.admit(reading, predicted);
        }
        let member = &self.members[&reading.id];
        let expected = member.phase + member.rate.gain_over(at - member.seen);
        phase(reading, predicted) - expected
    }

    fn judge(&mut self, readings: &[Reading], opinions: &[Offset], centre: Offset) -> Vec<Verdict> {
        let tolerance = self.tolerance;
        let mut verdicts = Vec::with_capacity(readings.len());
        for (reading, &opinion) in readings.iter().zip(opinions) {
            let member = self.members.get_mut(&reading.id).expect("every reading was admitted");
            let standing = if !within(opinion, centre, tolerance) {
                member.probation = PROBATION;
                Standing::Falseticker
            } else if member.probation > 0 {
                member.probation -= 1;
                Standing::Falseticker
            } else {
                Standing::Counted
            };
            verdicts.push(Verdict { id: reading.id, standing, offset: opinion - centre });
        }
        verdicts
    }

    fn learn(&mut self, cluster: &Map<Local, Cluster>, readings: &[Reading]) {
        let age = (cluster.at - self.started).as_secs_f64();
        let tau = (age / 4.0).clamp(TAU_YOUNG, TAU_OLD);
        let middle = median_rate(readings);
        for reading in readings {
            let member = self.members.get_mut(&reading.id).expect("every reading was admitted");
            let elapsed = cluster.at - member.seen;
            let now = phase(reading, cluster);
            if self.rounds <= WARM_UP_ROUNDS {
                member.rate = reading.rate - middle;
            } else if elapsed > Offset::ZERO {
                let expected = member.phase + member.rate.gain_over(elapsed);
                // A jump is no rate.
                if within(now, expected, self.tolerance) {
                    let gain = (now - expected).as_secs_f64() / tau.max(elapsed.as_secs_f64());
                    member.rate = member.rate + Rate::from_ratio(gain);
                }
            }
            member.phase = now;
            member.seen = cluster.at;
        }
    }

    /// The rate of cluster time against the master's Local: the mean of what those that count say.
    fn rate(&self, readings: &[Reading], verdicts: &[Verdict]) -> Option<Rate> {
        let said: Vec<_> = readings
            .iter()
            .zip(verdicts)
            .filter(|(_, v)| v.standing == Standing::Counted)
            .map(|(r, _)| (r.rate - self.members[&r.id].rate).as_ppb())
            .collect();
        (!said.is_empty()).then(|| Rate::from_ppb(said.iter().sum::<f64>() / said.len() as f64))
    }
}

/// A member's Local minus cluster time at the map's anchor.
fn phase(reading: &Reading, map: &Map<Local, Cluster>) -> Offset {
    let local = map.at + reading.offset;
    Offset::from_nanos(local.as_nanos().saturating_sub(map.reads.as_nanos()))
}

fn median_rate(readings: &[Reading]) -> Rate {
    let mut ppb: Vec<_> = readings.iter().map(|r| r.rate.as_ppb()).collect();
    ppb.sort_unstable_by(f64::total_cmp);
    match ppb.len() {
        0 => Rate::ZERO,
        n if n % 2 == 1 => Rate::from_ppb(ppb[n / 2]),
        n => Rate::from_ppb((ppb[n / 2 - 1] + ppb[n / 2]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Free clocks: offset at the start in ns, rate in ppb, and the readings of them all.
    struct Clocks(Vec<(i64, f64)>);

    impl Clocks {
        fn readings(&self, secs: i64) -> Vec<Reading> {
            let local = |&(start, ppb): &(i64, f64)| {
                secs * SECOND + start + (secs as f64 * ppb).round() as i64
            };
            let master = local(&self.0[0]);
            (1u64..)
                .zip(&self.0)
                .map(|(id, clock)| Reading {
                    id: NodeId(id),
                    offset: Offset::from_nanos(local(clock) - master),
                    rate: Rate::from_ppb(clock.1 - self.0[0].1),
                    shown: Time::from_nanos(local(clock)),
                })
                .collect()
        }

        fn master(&self, secs: i64) -> Time<Local> {
            let (start, ppb) = self.0[0];
            Time::from_nanos(secs * SECOND + start + (secs as f64 * ppb).round() as i64)
        }
    }

    fn ensemble() -> Ensemble {
        Ensemble::new(Average::Plain, Span::from_millis(10))
    }

    fn standing(verdicts: &[Verdict], id: u64) -> Standing {
        verdicts.iter().find(|v| v.id == NodeId(id)).unwrap().standing
    }

    #[test]
    fn the_start_is_the_median_of_what_is_shown_without_privilege() {
        let clocks = Clocks(vec![(400_000_000, 0.0), (0, 0.0), (1_000, 0.0)]);
        let mut e = ensemble();
        e.round(clocks.master(1), &clocks.readings(1));
        let cluster = e.cluster().unwrap();
        assert_eq!(cluster.reads, Time::from_nanos(SECOND + 1_000));
    }

    #[test]
    fn one_clock_alone_forms_nothing() {
        let clocks = Clocks(vec![(0, 0.0)]);
        let mut e = ensemble();
        assert!(e.round(clocks.master(1), &clocks.readings(1)).is_empty());
        assert!(e.cluster().is_none());
    }

    #[test]
    fn joining_and_leaving_move_nothing() {
        let mut clocks = Clocks(vec![(0, 30_000.0), (500, -20_000.0), (-500, 5_000.0)]);
        let mut e = ensemble();
        for secs in 1..40 {
            e.round(clocks.master(secs), &clocks.readings(secs));
        }
        let expected = |e: &Ensemble, secs: i64, clocks: &Clocks| {
            e.cluster().unwrap().reading(clocks.master(secs))
        };
        let before = expected(&e, 40, &clocks);
        clocks.0.push((10_000_000, 45_000.0));
        e.round(clocks.master(40), &clocks.readings(40));
        assert!((e.cluster().unwrap().reads - before).abs() < Span::from_nanos(20));
        let before = expected(&e, 41, &clocks);
        clocks.0.truncate(2);
        e.round(clocks.master(41), &clocks.readings(41));
        assert!((e.cluster().unwrap().reads - before).abs() < Span::from_nanos(20));
    }

    #[test]
    fn a_jumping_member_is_out_at_once_and_back_after_probation() {
        let mut clocks = Clocks(vec![(0, 0.0), (0, 10_000.0), (0, -10_000.0), (0, 400_000.0)]);
        let mut e = ensemble();
        for secs in 1..30 {
            e.round(clocks.master(secs), &clocks.readings(secs));
        }
        let before = e.cluster().unwrap().reading(clocks.master(30));
        clocks.0[3].0 += 500_000_000;
        let verdicts = e.round(clocks.master(30), &clocks.readings(30));
        assert_eq!(standing(&verdicts, 4), Standing::Falseticker);
        assert!(verdicts[3].offset.as_secs_f64() > 0.49, "{verdicts:?}");
        assert!((e.cluster().unwrap().reads - before).abs() < Span::from_nanos(100));
        for secs in 31..=31 + i64::from(PROBATION) {
            e.round(clocks.master(secs), &clocks.readings(secs));
        }
        let verdicts = e.round(clocks.master(40), &clocks.readings(40));
        assert_eq!(standing(&verdicts, 4), Standing::Counted);
    }

    #[test]
    fn the_masters_own_bad_clock_loses_like_any_other() {
        let mut clocks = Clocks(vec![(0, 0.0), (0, 10_000.0), (0, -10_000.0), (0, 3_000.0)]);
        let mut e = ensemble();
        for secs in 1..30 {
            e.round(clocks.master(secs), &clocks.readings(secs));
        }
        let second = clocks.readings(30)[1].shown;
        let ahead = e.cluster().unwrap().reading(clocks.master(30)).as_nanos() - second.as_nanos();
        clocks.0[0].0 += 200_000_000;
        let verdicts = e.round(clocks.master(30), &clocks.readings(30));
        assert_eq!(standing(&verdicts, 1), Standing::Falseticker);
        let now = e.cluster().unwrap().reads.as_nanos() - second.as_nanos();
        // A jump of Local is an error in the time that passed, so rates do not cancel to the last.
        assert!((now - ahead).abs() < 1_000, "moved by {} ns", now - ahead);
    }

    #[test]
    fn without_a_majority_it_holds() {
        let mut clocks = Clocks(vec![(0, 0.0), (0, 0.0), (0, 0.0), (0, 0.0)]);
        let mut e = ensemble();
        for secs in 1..30 {
            e.round(clocks.master(secs), &clocks.readings(secs));
        }
        clocks.0[2].0 += 300_000_000;
        clocks.0[3].0 -= 300_000_000;
        clocks.0[1].0 += 700_000_000;
        let before = e.cluster().unwrap().reading(clocks.master(30));
        e.round(clocks.master(30), &clocks.readings(30));
        assert!(e.held());
        assert_eq!(e.cluster().unwrap().reads, before);
    }
}
