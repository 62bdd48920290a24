//! The course of a round: bursts, closes, the average, the deltas.

use super::census::{AT_ONCE, Counted};
use super::{
    BURST_GAP, Due, Event, Local, Master, Member, Output, PROBE_BURST, Pending, Place, Round,
    Shown, Span, Standing, Time,
};
use crate::clock::Target;
use crate::proto::ensemble::{Reading, Verdict};
use crate::proto::event::{Slot, Who};
use crate::proto::steering::RHO;
use crate::proto::track::{Estimate, Taken};
use crate::time::{Cluster, Offset, Rate};
use crate::wire::Adjust;

/// A map may be used for so many intervals; then it is holdover.
const LASTS_INTERVALS: u32 = 10;
/// So many rounds the start waits for members that were not polled yet.
const DEFERRALS: u32 = 2;
/// Rounds without company before the master says that it is alone.
const ALONE_AFTER: u32 = 2;

impl Master {
    fn burst_gap(&self) -> Span {
        BURST_GAP.min(self.settings.interval.over(4).over(u32::from(self.settings.burst)))
    }

    /// How long after its last poll a slot waits for replies.
    fn patience(&self) -> Span {
        self.settings.max_rtt.min(self.settings.interval.over(4))
    }

    pub(super) fn slot_length(&self) -> Span {
        self.burst_gap().times(u32::from(self.settings.burst)) + self.patience()
    }

    pub(super) fn poll_due(&mut self, now: Time<Local>, at: Time<Local>, place: Place, index: u8) {
        let whole = self.settings.burst;
        let (gap, patience) = (self.burst_gap(), self.patience());
        if index == 0 {
            self.roster.begin(place);
        }
        let Some(member) = self.roster.get_mut(place) else { return };
        let burst = burst_of(member, whole);
        let sends = index >= member.asked;
        if sends {
            member.asked = index + 1;
            self.pending.push_back(Pending::Poll { place, index, burst });
        }
        // Spaced from now on, where we are late: a burst in one heap measures its own queue.
        let from = at.max(now);
        if index + 1 < burst {
            self.agenda.add(from + gap, Due::Poll { place, index: index + 1 });
        } else if sends || !member.is_answered() {
            member.closing = self.closing.add(from + patience, place);
        } else {
            self.close(now, place, None);
        }
    }

    /// Closes the slot of the member at `place` if it waits for no reply any more; of the last one came
    /// what was `taken`.
    pub(super) fn finish(&mut self, now: Time<Local>, place: Place, taken: Option<&Taken>) {
        let Some(member) = self.roster.get(place) else { return };
        if member.is_answered() && self.closing.finish(member.closing, place) {
            self.close(now, place, taken);
        }
    }

    /// Closes a slot that has waited for long enough, if there is one.
    pub(super) fn give_up(&mut self, now: Time<Local>) -> bool {
        let Some((slot, ticket)) = self.closing.next(now) else { return false };
        if let Some(place) = self.roster.in_slot(slot)
            && self.roster.get(place).is_some_and(|member| member.closing == ticket)
        {
            self.close(now, place, None);
        }
        true
    }

    /// Lets the second poll of each pair of a burst leave as soon as the first was answered, and says
    /// whether it does.
    ///
    /// After a pause the way there is slower than the way back, which the poll has just woken: by
    /// microseconds, and always the same way, so that no average takes it out. The second of a pair
    /// finds both awake. The pairs stay apart: packets close together meet the same queue.
    pub(super) fn follow_up(&mut self, place: Place, answered: u8) -> bool {
        let whole = self.settings.burst;
        let Some(member) = self.roster.get_mut(place) else { return false };
        let (index, burst) = (member.asked, burst_of(member, whole));
        let follows = answered.is_multiple_of(2) && answered + 1 == index && index < burst;
        if follows {
            member.asked += 1;
            self.pending.push_back(Pending::Poll { place, index, burst });
        }
        follows
    }

    fn close(&mut self, now: Time<Local>, place: Place, taken: Option<&Taken>) {
        let Some(member) = self.roster.get_mut(place) else { return };
        member.polled = true;
        member.least = member.round_trip.get().or(member.least.get()).into();
        member.reach = member.reach << 1 | u8::from(member.replied);
        member.silent = if member.replied { 0 } else { member.silent.saturating_add(1) };
        let lost = member.known && member.reach == 0 && !member.missed;
        member.missed |= lost;
        let known = member.known;
        if lost {
            let who = member.who.clone();
            self.tell(Event::Unreachable(who));
        }
        if self.forget(place) {
            return;
        }
        if known {
            let estimate = self.report(now, place, taken);
            self.pending.extend(estimate.map(|estimate| Pending::Adjust { place, estimate }));
            self.brief(place);
        }
        let nominal = self.roster.get_mut(place).and_then(|member| member.nominal.take());
        let next = match nominal {
            Some(begun) => next_beat(begun, self.settings.interval, now),
            None => self.beat(now, place),
        };
        self.agenda.add(next, Due::Poll { place, index: 0 });
    }

    /// Tells what came of the slot, and gives the estimate that it ends with.
    fn report(
        &mut self,
        now: Time<Local>,
        place: Place,
        taken: Option<&Taken>,
    ) -> Option<Estimate> {
        let member = self.roster.get(place)?;
        let estimate = member.track.estimate_after(taken, now, &self.wheel);
        let cluster_rate = self.ensemble.cluster().map_or(Rate::ZERO, |map| map.rate);
        let slot = Slot {
            id: member.who.id,
            round: self.round,
            reach: member.reach,
            offset: estimate.and_then(|estimate| self.ahead(member, &estimate)),
            rate: estimate.map_or(Rate::ZERO, |e| e.wheel_rate.on_top_of(cluster_rate.reversed())),
            sigma: estimate.map_or(Span::MAX, |e| e.sigma),
            bound: estimate.map_or(Span::MAX, |e| e.bound),
            stamps: member.stamps.by_source(),
            round_trip: member.round_trip.get(),
            standing: member.standing,
            steps: member.said().map_or(0, |said| said.steps),
        };
        self.tell(Event::Slot(slot));
        estimate
    }

    /// What a slave shows at `now`, by our estimate of its Local and its own map from there.
    pub(super) fn shown_by(
        &self,
        now: Time<Local>,
        place: Place,
    ) -> Option<(Estimate, Time<Shown>)> {
        let member = self.roster.get(place)?;
        let estimate = member.track.estimate(now, &self.wheel)?;
        Some((estimate, shown_at(member, &estimate)?))
    }

    fn ahead(&self, member: &Member, estimate: &Estimate) -> Option<Offset> {
        Some(ahead_of(shown_at(member, estimate)?, self.ensemble.for_slave(estimate)?.reads))
    }

    /// What a slave shows minus cluster time.
    pub(super) fn offset_of(&self, now: Time<Local>, place: Place) -> Option<Offset> {
        let (estimate, shown) = self.shown_by(now, place)?;
        Some(ahead_of(shown, self.ensemble.for_slave(&estimate)?.reads))
    }

    /// What the member at `place` is told at `now`, by the estimate that its slot ended with.
    pub(super) fn adjust(
        &self,
        now: Time<Local>,
        place: Place,
        estimate: &Estimate,
    ) -> Option<Adjust> {
        let member = self.roster.get(place)?;
        let shown = shown_at(member, estimate)?;
        let (map, summary) = (self.ensemble.for_slave(estimate)?, self.summary?);
        let lasts = self.settings.interval.times(LASTS_INTERVALS);
        // Who hears no other while this lasts adds no more than RHO for its age.
        let faster = Rate::from_ppb((estimate.rate_bound - RHO).as_ppb().max(0.0));
        let growth = faster.gain_over(lasts.as_offset()).abs();
        let led = self.relay.errors(now);
        let adjust = Adjust {
            // The average that this is about was made at the end of the round before.
            round: self.round,
            standing: member.standing,
            map,
            delta: -ahead_of(shown, map.reads),
            sigma: estimate.sigma + led.0,
            bound: estimate.bound + growth + self.carried(now) + self.beyond_sight(now) + led.1,
            lasts,
            interval: self.settings.interval,
            members: summary.members,
            counted: summary.counted,
            spread: summary.spread,
            round_trip: member.least.get(),
        };
        Some(adjust)
    }

    /// How far the wheel has carried cluster time away from what our own clock was told at the end of the
    /// last round. After a long silence the first exchange may turn it by a queue's length.
    fn carried(&self, now: Time<Local>) -> Span {
        let told = self.steering.newest().map(|target| target.map.reading(now));
        let carried = self.ensemble.for_master(&self.wheel.map(now)).map(|map| map.reads);
        told.zip(carried).map_or(Span::ZERO, |(told, carried)| (carried - told).abs())
    }

    /// Goes on with the end of a round: asks all clocks, averages, tells all members. Of a large roster
    /// a part at a time, for what is due meanwhile comes first.
    pub(super) fn tick(&mut self, now: Time<Local>) {
        let large = self.roster.slots() > AT_ONCE;
        while !self.end_round(now) {
            if large {
                self.agenda.add(now + Span::from_nanos(1), Due::Tick);
                return;
            }
        }
        let next = next_beat(self.born, self.settings.interval, now);
        self.agenda.add(next, Due::Tick);
    }

    /// The next part of the end of a round; `true` where that was the last.
    fn end_round(&mut self, now: Time<Local>) -> bool {
        let Some(mut counted) = self.census.counted.take() else {
            if let Some(mut counted) = self.take_census(now) {
                self.hand_on(&counted.wheel);
                if !self.waits() {
                    let at = counted.wheel.reads;
                    counted.verdicts = self.ensemble.round(at, &counted.readings);
                }
                // Whoever is told of it now is told of a new average.
                self.round = self.round.wrapping_add(1).max(1);
                self.census.counted = Some(counted);
            }
            return false;
        };
        let done = self.tell_counted(&mut counted);
        if done {
            self.conclude(now, counted);
        } else {
            self.census.counted = Some(counted);
        }
        done
    }

    /// All members are told.
    fn conclude(&mut self, now: Time<Local>, counted: Counted) {
        if let Some(turn) = self.wheel.judge() {
            self.roster.iter_mut().for_each(|member| turn.tell(&mut member.track));
        }
        if self.ensemble.held() != self.said.hold {
            self.said.hold = self.ensemble.held();
            self.tell(if self.said.hold { Event::Hold } else { Event::Resumed });
        }
        let alone = counted.readings.len() < 2 && counted.round >= ALONE_AFTER;
        if alone && !self.said.alone {
            self.said.alone = true;
            self.tell(Event::Alone);
        }
        self.look_round(now, counted.reachable);
        self.aim(&counted);
        self.sum_up(&counted);
        self.hold_court(now, counted.following);
        self.census.give_back(counted.readings, counted.places);
    }

    /// Whether cluster time had better not be formed yet: nobody may be the first by chance, and
    /// somebody in the roster may not have been asked.
    fn waits(&mut self) -> bool {
        let unasked = || self.roster.iter().any(|(_, member)| !member.polled);
        if self.relay.is_one() {
            return self.relay.handed().is_none();
        }
        let waits = self.ensemble.cluster().is_none()
            && self.company().next().is_some()
            && (self.deferred == 0 || self.deferred < DEFERRALS && unasked());
        self.deferred += u32::from(waits);
        waits
    }

    /// Takes in a verdict on the member at `place`, or on ourselves where that is nowhere.
    pub(super) fn stand(&mut self, verdict: &Verdict, place: Option<Place>) {
        let Verdict { id, standing, offset: by, weight } = *verdict;
        let before = match place {
            None => {
                self.weight = weight;
                std::mem::replace(&mut self.standing, standing)
            }
            Some(place) => {
                // Who left while the others were asked has no standing any more.
                let member = self.roster.get_mut(place).filter(|member| member.who.id == id);
                let Some(member) = member else { return };
                member.weight = weight as f32;
                std::mem::replace(&mut member.standing, standing)
            }
        };
        match (before, standing) {
            (Standing::Falseticker, Standing::Counted) => {
                let who = self.who_at(place);
                self.tell(Event::Counted(who));
            }
            (Standing::Counted | Standing::Spare, Standing::Falseticker) => {
                let who = self.who_at(place);
                self.tell(Event::Falseticker { who, by });
            }
            _ => {}
        }
    }

    fn who_at(&self, place: Option<Place>) -> Who {
        let member = place.and_then(|place| self.roster.get(place));
        member.map_or_else(|| self.settings.identity.who(), |member| member.who.clone())
    }

    /// Aims our own clock, which is a member's like any other.
    fn aim(&mut self, counted: &Counted) {
        if self.relay.is_one() {
            return;
        }
        let now = counted.at;
        let Some(map) = self.ensemble.for_master(&counted.wheel) else { return };
        if !std::mem::replace(&mut self.said.formed, true) {
            let members = counted.reachable as u32 + 1;
            self.tell(Event::Formed { members });
        }
        let until = now + self.settings.interval.times(LASTS_INTERVALS);
        // Cluster time is a map of our own Local, with nothing on the way that could be wrong; but
        // where the others are is known no better than to them.
        let bound = typical_bound(&counted.readings) + self.beyond_sight(now);
        let sigma = self.summary.map_or(bound, |summary| summary.spread.min(bound));
        let target = Target { map, sigma, bound, doubt: bound, until };
        let publish: Output = self.steering.aim(now, target);
        self.pending.push_back(Pending::Output(publish));
    }

    fn sum_up(&mut self, counted: &Counted) {
        let Counted { at: now, readings, verdicts, .. } = counted;
        let now = *now;
        let Some(cluster) = self.ensemble.cluster().copied() else { return };
        let offsets: Vec<_> = readings
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| verdict.standing == Standing::Counted)
            .map(|(reading, _)| ahead_of(reading.shown, cluster.reads))
            .collect();
        let least = offsets.iter().min().copied().unwrap_or(Offset::ZERO);
        let greatest = offsets.iter().max().copied().unwrap_or(Offset::ZERO);
        let round = Round {
            number: counted.round,
            members: self.roster.len() as u32 + 1,
            reachable: readings.len() as u32,
            counted: offsets.len() as u32,
            spread: (greatest - least).abs(),
            offset: ahead_of(readings[0].shown, cluster.reads),
            rate: self.steering.rate().unwrap_or_default(),
            likely_bound: self.steering.likely_bound(now).unwrap_or(Span::MAX),
            bound: self.steering.bound(now).unwrap_or(Span::MAX),
        };
        self.summary = Some(round);
        self.tell(Event::Round(round));
    }
}

/// What a slave shows at the instant of the estimate, by its own map from its Local.
fn shown_at(member: &Member, estimate: &Estimate) -> Option<Time<Shown>> {
    let local = (estimate.at + estimate.offset).sent_away();
    Some(member.said()?.map.reading(local))
}

/// The middle one of the slaves' bounds; nothing where there are no slaves.
fn typical_bound(readings: &[Reading]) -> Span {
    let mut bounds: Vec<_> = readings.iter().skip(1).map(|reading| reading.bound).collect();
    if bounds.is_empty() {
        return Span::ZERO;
    }
    let middle = bounds.len() / 2;
    *bounds.select_nth_unstable(middle).1
}

/// What is shown minus cluster time at the same instant.
fn ahead_of(shown: Time<Shown>, cluster: Time<Cluster>) -> Offset {
    Offset::from_nanos(shown.as_nanos().saturating_sub(cluster.as_nanos()))
}

/// How many polls a slot brings.
fn burst_of(member: &Member, whole: u8) -> u8 {
    if member.known { whole } else { PROBE_BURST.min(whole) }
}

/// The first of `start + n·interval`, n ≥ 1, that is after `now`.
pub(super) fn next_beat(start: Time<Local>, interval: Span, now: Time<Local>) -> Time<Local> {
    let missed = now.since(start).as_nanos() / interval.as_nanos().max(1);
    let beats = missed.saturating_add(1);
    start + Span::from_nanos(interval.as_nanos().saturating_mul(beats))
}
