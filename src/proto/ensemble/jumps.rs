//! A crystal that runs at another rate all of a sudden: a machine that was moved, a runaway.
//!
//! What a member remembers is worth nothing then, and learning slowly would let its wrong predictions
//! pull cluster time for minutes. So it begins anew, like one that joins. Where most crystals seem to
//! have changed alike it is the yardstick that did, the master's own, and cluster time goes on by them.

use super::{Cluster, Ensemble, Map, Rate, Reading, Time, Wheel, middle, phase};

/// No crystal changes by more from one round to the next, but by a jump; nor do most of them together.
const JUMP: Rate = Rate::from_ppm(3.0);
/// A rate must be known so many standard deviations better than the jump it shows.
const SIGMAS: f64 = 6.0;

impl Ensemble {
    /// Looks for jumps, and puts right what was remembered: the members' rates, and how fast cluster
    /// time runs against the wheel.
    pub(super) fn look_for_jumps(
        &mut self,
        at: Time<Wheel>,
        predicted: &mut Map<Wheel, Cluster>,
        readings: &[Reading],
    ) {
        if self.is_warming(at) {
            return;
        }
        let known = readings.iter().filter(|reading| shows(reading, JUMP));
        let changes: Vec<_> =
            known.filter_map(|reading| self.change(reading, predicted)).map(Rate::as_ppb).collect();
        // Of few nobody can tell whether it is they that changed or the yardstick.
        if 2 * changes.len() <= readings.len() {
            return;
        }
        let common = middle(changes.into_iter()).map_or(Rate::ZERO, Rate::from_ppb);
        if common.abs() > JUMP {
            predicted.rate = predicted.rate + common;
        }
        for reading in readings {
            let Some(change) = self.change(reading, predicted) else { continue };
            if change.abs() > JUMP && shows(reading, change) {
                self.begin_anew(at, predicted, reading);
            }
        }
    }

    /// How much faster a member's crystal runs than it did, by its track.
    fn change(&self, reading: &Reading, predicted: &Map<Wheel, Cluster>) -> Option<Rate> {
        let member = self.members.get(&reading.id)?;
        Some(reading.rate - (predicted.rate + member.rate))
    }

    fn begin_anew(&mut self, at: Time<Wheel>, predicted: &Map<Wheel, Cluster>, reading: &Reading) {
        let Some(member) = self.members.get_mut(&reading.id) else { return };
        member.rate = reading.rate - predicted.rate;
        member.phase = phase(reading, predicted);
        (member.joined, member.seen) = (at, at);
        member.local = at + reading.offset;
    }
}

/// Whether a reading's rate is known well enough to tell such a change from noise.
fn shows(reading: &Reading, change: Rate) -> bool {
    SIGMAS * reading.rate_sigma.abs().as_ppb() < change.abs().as_ppb()
}
