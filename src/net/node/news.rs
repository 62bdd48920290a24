//! Who is told of what the core says has come about: the observer, and the guest.

use super::{Event, Local, Node, Observer, Time};
use crate::clock::Clock;
use crate::proto::Core;

impl<C: Core, K: Clock> Node<C, K> {
    /// Tells what has come about, after what was to be sent has left.
    pub(super) fn tell_all(&mut self, observer: &mut dyn Observer) {
        let mut untold = std::mem::take(&mut self.untold);
        for (at, event) in untold.drain(..) {
            self.tell(observer, at, &event);
        }
        self.untold = untold;
    }

    pub(super) fn tell(&mut self, observer: &mut dyn Observer, now: Time<Local>, event: &Event) {
        let moment = self.moment_at(now);
        observer.event(&moment, event);
        if let Some(guest) = &mut self.guest {
            guest.event(&moment, event);
        }
    }
}
