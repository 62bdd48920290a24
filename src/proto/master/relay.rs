//! The half of a relay that is a master.
//!
//! A relay is a slave of another master, on the same Local. Cluster time is what that master said last;
//! the members below are measured and judged as anybody's, and steer nothing.

use super::{Local, Map, Master, Span, Time};
use crate::clock::Target;
use crate::proto::steering::RHO;
use crate::proto::track::Wheel;
use crate::time::Cluster;

/// Whether a master is a relay's, and what it was given last.
#[derive(Debug, Default)]
pub(super) struct Relay {
    is_one: bool,
    led: Option<Target>,
}

impl Relay {
    pub(super) fn is_one(&self) -> bool {
        self.is_one
    }

    /// The cluster time that it hands on.
    pub(super) fn handed(&self) -> Option<&Map<Local, Cluster>> {
        self.led.as_ref().map(|led| &led.map)
    }

    /// How far off that may be: one standard deviation, and at most.
    pub(super) fn errors(&self, now: Time<Local>) -> (Span, Span) {
        let Some(led) = &self.led else { return (Span::ZERO, Span::ZERO) };
        let aged = RHO.gain_over((now - led.map.at).ahead().as_offset()).abs();
        (led.sigma, led.bound + aged)
    }
}

impl Master {
    /// The same as a relay's half: it hands on the cluster time that it is given with
    /// [`Master::lead`], on the same Local, and steers no clock. Before that it has none to hand on.
    pub fn relay(mut self) -> Self {
        self.relay.is_one = true;
        self
    }

    /// Gives a relay the cluster time of the master above it, as that said it last.
    pub fn lead(&mut self, target: Target) {
        self.relay.led = Some(target);
        self.hand_on(&self.wheel.map(target.map.at));
    }

    /// A relay's cluster time is what it was given, by the wheel's map of now.
    pub(super) fn hand_on(&mut self, wheel: &Map<Local, Wheel>) {
        if let Some(handed) = self.relay.handed() {
            let (reads, rate) = (handed.reading(wheel.at), handed.rate);
            let rate = rate.on_top_of(wheel.rate.reversed());
            self.ensemble.lead(Map { at: wheel.reads, reads, rate });
        }
    }
}
