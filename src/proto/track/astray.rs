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
