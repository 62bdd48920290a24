//! A crystal that runs at another rate all of a sudden: a machine that was moved, a runaway.
//!
//! What a member remembers is worth nothing then, and learning slowly would let its wrong predictions
//! pull cluster time for minutes. So it begins anew, like one that joins. Where most crystals seem to
//! have changed alike it is the yardstick that did, the master's own, and cluster time goes on by them.
//! And where cluster time runs as no crystal can, what led it there was wrong, and it begins anew.

use super::{Cluster, Ensemble, MIDDLE, Map, Rate, Reading, Time, Wheel, free_rate, middle, phase};

/// No crystal changes by more from one round to the next, but by a jump; nor do most of them together.
const JUMP: Rate = Rate::from_ppm(3.0);
/// A rate must be known so many standard deviations better than the jump it shows.
const SIGMAS: f64 = 6.0;
/// Cluster time is made of crystals, and runs no further off the middle one.
const FAR: Rate = Rate::from_ppm(200.0);

impl Ensemble {
    /// Looks for jumps, and puts right what was remembered: the members' rates, and how fast cluster
    /// time runs against the wheel. Returns what most crystals say of that, where enough of them are
    /// known, for the wheel may be pulled faster than cluster time has followed yet; else what it was.
    pub(super) fn look_for_jumps(
        &mut self,
        at: Time<Wheel>,
        predicted: &mut Map<Wheel, Cluster>,
        readings: &[Reading],
    ) -> Rate {
        if self.led || self.is_warming(at) {
            return predicted.rate;
        }
        let mut near = 0;
        let mut changes = Vec::with_capacity(readings.len());
        for reading in readings {
            let change =
                self.change(&mut near, reading, predicted.rate).filter(|_| shows(reading, JUMP));
            changes.extend(change.map(|(_, change)| change.as_ppb()));
        }
        // Of few nobody can tell whether it is they that changed or the yardstick.
        if 2 * changes.len() <= readings.len() {
            return predicted.rate;
        }
        let common = middle(changes.into_iter()).map_or(Rate::ZERO, Rate::from_ppb);
        // The middle of two is nobody's, and half of what either of them did.
        let jumped = common.abs() > JUMP;
        let told = jumped || readings.len() >= MIDDLE;
        let mut crystals = if told { predicted.rate + common } else { predicted.rate };
        if jumped {
            predicted.rate = crystals;
        }
        if call_back(predicted, readings) {
            crystals = predicted.rate;
        }
        let mut near = 0;
        for reading in readings {
            let Some((seat, change)) = self.change(&mut near, reading, crystals) else { continue };
            if change.abs() > JUMP && shows(reading, change) {
                self.begin_anew(at, predicted, crystals, reading, seat);
            }
        }
        crystals
    }

    /// A member's seat, and how much faster its crystal runs than it did, by its track, where cluster
    /// time runs at `crystals` against the wheel. It is looked for at `near` first, and the next one
    /// behind it.
    fn change(&self, near: &mut u32, reading: &Reading, crystals: Rate) -> Option<(u32, Rate)> {
        let seat = self.members.find_near(*near, reading.id)?;
        *near = seat + 1;
        Some((seat, reading.rate - (crystals + self.members.at(seat).rate)))
    }

    fn begin_anew(
        &mut self,
        at: Time<Wheel>,
        predicted: &Map<Wheel, Cluster>,
        crystals: Rate,
        reading: &Reading,
        seat: u32,
    ) {
        let member = self.members.at_mut(seat);
        member.rate = reading.rate - crystals;
        member.phase = phase(reading, predicted);
        (member.joined, member.seen) = (at, at);
        member.local = at + reading.offset;
    }
}

/// Whether a reading's rate is known well enough to tell such a change from noise.
fn shows(reading: &Reading, change: Rate) -> bool {
    SIGMAS * reading.rate_sigma.abs().as_ppb() < change.abs().as_ppb()
}

/// Lets cluster time begin anew at the members' rate where it runs as none of them could; `true`: it did.
fn call_back(predicted: &mut Map<Wheel, Cluster>, readings: &[Reading]) -> bool {
    let known = readings.iter().filter(|reading| shows(reading, JUMP));
    let away = known.map(|r| (r.saved.on_top_of(r.rate) - predicted.rate).as_ppb());
    let far = middle(away).is_some_and(|away| away.abs() > FAR.as_ppb());
    if far {
        predicted.rate = free_rate(readings);
    }
    far
}
