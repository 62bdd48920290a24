//! Whether the greater part of the cluster is in sight, and what it means where it is not.
//!
//! Behind a partition another master may go on with the greater part. Both cluster times began as
//! one and with one rate, and each changes its rate by no more than a stated pace; so this much
//! they may be apart, and the bounds say so.

use super::{Event, Local, Master, Span, Time};
use crate::proto::ensemble::RATE_PACE;
use crate::time::Rate;

/// How far the two rates may be apart at once.
const APART: Rate = Rate::from_ppb(100.0);
/// A member is unreachable after so many slots.
const SLOTS: u32 = 8;

impl Master {
    /// Once a round: looks whether more than half of the members are in sight, of which so many can be
    /// reached.
    pub(super) fn look_round(&mut self, now: Time<Local>, reachable: usize) {
        let known = self.roster.known() + 1;
        let seen = reachable + 1;
        let lost = 2 * seen <= known && known > 2;
        match (lost, self.out_of_sight) {
            (true, None) => {
                let since = now - self.settings.interval.times(SLOTS);
                self.out_of_sight = Some(since);
                let (members, missing) = (known as u32, known.saturating_sub(seen) as u32);
                self.tell(Event::OutOfSight { members, missing });
            }
            (false, Some(_)) => {
                self.out_of_sight = None;
                self.tell(Event::InSight);
            }
            _ => {}
        }
    }

    /// How far the others' cluster time may be from ours, beyond all other bounds.
    pub(super) fn beyond_sight(&self, now: Time<Local>) -> Span {
        let Some(since) = self.out_of_sight else { return Span::ZERO };
        let elapsed = now.since(since);
        let seconds = elapsed.as_secs_f64();
        // Two rates that run away from each other, half of pace · t² each.
        let run_away = Span::from_secs_f64(RATE_PACE * seconds * seconds);
        APART.gain_over(elapsed.as_offset()).abs() + run_away
    }
}
