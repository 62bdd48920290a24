//! The track in use and its rival.

use super::rival::{Rival, Verdict};
use super::{Exchange, Finding, Flywheel, State, Track};

impl Track {
    /// Lets a rival of `state` prove itself where there is one, and begins with another when it is
    /// time. Where the rival is better its state takes the place of `state`, which had found the exchange
    /// held up or not before it took it in.
    pub(super) fn challenge(
        &mut self,
        exchange: &Exchange,
        wheel: &mut Flywheel,
        finding: Finding,
        held_up: bool,
        state: &mut State,
    ) {
        let fit = state.bank.take_fit();
        // What happens to the clock or to the path is the guards' affair. But what seems to be one way
        // that got longer may be the clock, and then the rival knows better.
        if !matches!(finding, Finding::Used | Finding::Doubted | Finding::OneWayChanged(_)) {
            self.rival = None;
        }
        let due = Rival::due(state.exchanges);
        match self.rival.take() {
            None => {
                let early = due > state.rivals && Rival::may_come(state.exchanges);
                let wanted = early || Rival::may_be_restless(state);
                if let Some(room) = wanted.then(|| wheel.rooms.take()).flatten() {
                    state.rivals = due;
                    let home = wheel.home(exchange.middle());
                    self.rival = Some(Rival::new(state, exchange, &home, room, !early));
                }
            }
            Some(rival) => {
                // While one lives no other comes.
                state.rivals = due;
                match rival.compare(exchange, wheel, fit, held_up) {
                    Verdict::Open(rival) => self.rival = Some(rival),
                    Verdict::Won(better) => {
                        let (exchanges, rivals) = (state.exchanges, state.rivals);
                        *state = State { exchanges, rivals, ..better.into_state() };
                    }
                    Verdict::Lost => {}
                }
            }
        }
    }
}
