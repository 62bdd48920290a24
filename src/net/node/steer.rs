//! The node's hands on its clock, and whose else are on it.

use super::{NetError, Node, Observer};
use crate::clock::{Adjustment, Clock, Quality};
use crate::proto::{Core, Input};
use crate::time::{Local, Map, Shown};

impl<C: Core, K: Clock> Node<C, K> {
    pub(super) fn steer(&mut self, adjustment: Adjustment, observer: &mut dyn Observer) {
        if self.may_touch(observer) {
            match self.clock.steer(self.oscillator.read(), adjustment) {
                Ok(map) => self.run_on(map, observer),
                Err(error) => self.failed = Some(NetError::Clock(error)),
            }
        }
    }

    pub(super) fn publish(&mut self, quality: Quality, observer: &mut dyn Observer) {
        if self.may_touch(observer)
            && let Err(error) = self.clock.publish(quality)
        {
            self.failed = Some(NetError::Clock(error));
        }
    }

    /// The clock has another course.
    fn run_on(&mut self, map: Map<Local, Shown>, observer: &mut dyn Observer) {
        self.course = map;
        self.core.handle(self.oscillator.read(), Input::Steered { map });
        observer.course(&self.moment(), &self.oscillator.over_raw(&map));
    }

    /// Looks for other hands on the clock. Where there are any they have the clock to themselves
    /// from now on, unless it is shared.
    pub(super) fn may_touch(&mut self, observer: &mut dyn Observer) -> bool {
        if self.failed.is_some() {
            return false;
        }
        let now = self.oscillator.read();
        self.hands.looked(now);
        let Some(found) = self.clock.interference() else { return true };
        self.stats.interferences += 1;
        if self.hands.seen(now) {
            observer.interference(&self.moment(), &found, self.hands.allowed());
        }
        if !self.hands.allowed() {
            self.failed = Some(NetError::Shared(found));
            return false;
        }
        let map = self.clock.map(now);
        self.run_on(map, observer);
        true
    }
}
