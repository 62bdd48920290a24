//! What the guards found is put right in a track's state.

use super::guard::Change;
use super::{Finding, GUESSED, HISTORY, LEAST_ROUND_TRIP, RATE_UNKNOWN, SAME_PATH, State, Way};
use crate::time::Offset;

impl State {
    /// Whether a step that a young track seems to see may as well be its own first guess.
    pub(super) fn may_be_queues(&self, change: &Change) -> bool {
        let step = matches!(change, Change::Step { .. });
        step && self.exchanges < HISTORY && change.by().abs() < GUESSED * self.scale()
    }

    /// Corrects the state by what the guards found.
    pub(super) fn change(&mut self, change: Change) -> Finding {
        let scale = self.scale();
        match change {
            Change::Step { by, doubt, rate } => {
                self.known_for = 0.0;
                let open = doubt * doubt + scale * scale;
                let turn = if rate { (by / self.beat).powi(2) } else { 0.0 };
                self.bank.shift([by, 0.0, 0.0], [open, turn.min(RATE_UNKNOWN.powi(2)), 0.0]);
                Finding::Stepped(Offset::from_secs_f64(by))
            }
            Change::Lag { .. } => {
                self.known_for = 0.0;
                Finding::Used
            }
            Change::Path { by, doubt } => {
                let variance = doubt * doubt / 4.0;
                self.bank.shift([0.0, 0.0, by], [variance, 0.0, variance]);
                self.least_round_trip = (self.least_round_trip + 2.0 * by).max(LEAST_ROUND_TRIP);
                Finding::PathChanged(Offset::from_secs_f64(by))
            }
            Change::OneWay { way, by, doubt } => {
                let i = usize::from(way == Way::Back);
                let skew = self.skew[i] + by;
                self.least_round_trip = (self.least_round_trip + by).max(LEAST_ROUND_TRIP);
                if self.skew[i] != 0.0 && skew.abs() < SAME_PATH * scale {
                    // The old path is back, and its floor is known.
                    self.skew[i] = 0.0;
                } else {
                    self.skew[i] = skew;
                    self.bank.shift([0.0; 3], [doubt * doubt, 0.0, doubt * doubt]);
                }
                Finding::OneWayChanged(Offset::from_secs_f64(by))
            }
        }
    }
}
