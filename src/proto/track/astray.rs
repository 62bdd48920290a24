//! What contradicts a track for long: what it learned is of another time.

use super::State;

/// So many exchanges in a row, none of which allows the offset that is believed, or the floors that go with
/// it, and all on the same side: what the filters learned is of another time, when the stamps were noise.
const ASTRAY: i8 = 24;
/// A floor is surely less than what it is taken for and so many deviations.
const SURELY: f64 = 3.0;
/// What is within so many times the noise that the stamps promise is allowed.
const MARGIN: f64 = 12.0;

impl State {
    /// Whether it has been contradicted for so long that it had better begin anew.
    pub(super) fn is_astray(&self) -> bool {
        self.astray.abs() >= ASTRAY
    }

    /// Counts the exchanges that do not allow `x`, or the floors that go with it: neither way can take less
    /// than no time, but for the noise of the stamps.
    pub(super) fn stray(&mut self, z: [f64; 2], x: f64) {
        let noise = self.noise.noise().as_secs_f64();
        let blend = self.bank.blend();
        let least = blend.mean[2] + SURELY * blend.cov[5].max(0.0).sqrt();
        // While the stamps are noise a fresh track would learn the same from it.
        let seen = MARGIN * noise.max(self.bank.phi());
        let [forth, back] = self.skew.map(|skew| least + skew < -seen);
        let noise = MARGIN * noise;
        let side = match i8::from(x > z[0] + noise) - i8::from(x < -z[1] - noise) {
            // Both floors at once accuse neither side, and yet the track.
            0 if forth && back => {
                if self.astray < 0 {
                    -1
                } else {
                    1
                }
            }
            0 => i8::from(forth) - i8::from(back),
            side => side,
        };
        let same = side != 0 && self.astray.signum() * side >= 0;
        self.astray = if same { self.astray.saturating_add(side) } else { side };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::exchange::{Exchange, Source, Stamp};
    use crate::proto::track::{Flywheel, Track};
    use crate::time::{Scale, Time};

    /// Either way, of which the first exchange makes a floor of less than 0.22 ms.
    const WAY: f64 = 120e-6;
    /// Both differences, either of which allows an offset of nothing.
    const FINE: [f64; 2] = [WAY, WAY];

    /// Of one exchange, on ways that are longer than they were by so much.
    fn state(skew: [f64; 2]) -> State {
        fn kernel<S: Scale>(at: f64) -> Stamp<S> {
            let at = Time::from_nanos((at * 1e9).round() as i64);
            Stamp { at, source: Source::Kernel }
        }
        let (t1, t2, t3, t4) = (kernel(0.0), kernel(WAY), kernel(WAY), kernel(2.0 * WAY));
        let (mut track, mut wheel) = (Track::default(), Flywheel::new());
        track.observe(&Exchange { t1, t2, t3, t4 }, &mut wheel);
        State { skew, ..track.state.unwrap().wake() }
    }

    /// How far astray it is once what `seen` allows was seen with an offset of `x`, so often.
    fn astray(state: &mut State, seen: [f64; 2], x: f64, times: usize) -> i8 {
        (0..times).for_each(|_| state.stray(seen, x));
        state.astray
    }

    const LESS: f64 = -1e-3;

    #[test]
    fn a_floor_below_nothing_accuses_the_side_it_is_on() {
        for (skew, sign) in [([LESS, 0.0], 1), ([0.0, LESS], -1)] {
            let mut state = state(skew);
            assert_eq!(astray(&mut state, FINE, 0.0, 23), sign * 23);
            assert!(!state.is_astray());
            assert_eq!(astray(&mut state, FINE, 0.0, 1), sign * ASTRAY);
            assert!(state.is_astray());
        }
        assert_eq!(astray(&mut state([-1e-4, -1e-4]), FINE, 0.0, 30), 0, "no floor is that sure");
    }

    #[test]
    fn both_floors_below_nothing_go_on_with_either_accusation() {
        assert_eq!(
            astray(&mut state([LESS; 2]), FINE, 0.0, 24),
            ASTRAY,
            "and make one of their own"
        );
        for (skew, sign) in [([LESS, 0.0], 1), ([0.0, LESS], -1)] {
            let mut state = state(skew);
            astray(&mut state, FINE, 0.0, 12);
            state.skew = [LESS; 2];
            assert_eq!(astray(&mut state, FINE, 0.0, 12), sign * ASTRAY);
            state.skew = [0.0; 2];
            assert_eq!(astray(&mut state, FINE, 0.0, 1), 0, "one that is in order ends it");
        }
    }

    #[test]
    fn what_was_seen_goes_before_the_floors() {
        // The offset is too little, and the floors would say that it is too great.
        assert_eq!(astray(&mut state([LESS, 0.0]), FINE, -2.0 * WAY, 3), -3);
        assert_eq!(astray(&mut state([LESS; 2]), FINE, -2.0 * WAY, 3), -3);
        let mut state = state([0.0; 2]);
        assert_eq!(astray(&mut state, FINE, 2.0 * WAY, 5), 5);
        assert_eq!(astray(&mut state, FINE, -2.0 * WAY, 1), -1, "the other side begins anew");
    }
}
