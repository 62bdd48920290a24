//! Who is told of what the core says has come about: the observer, and the guest.

use super::{Event, Local, Node, Observer, Time};
use crate::clock::Clock;
use crate::proto::Core;

impl<C: Core, K: Clock> Node<C, K> {
    /// Keeps an event of `now` until there is time to tell it.
    pub(super) fn keep_to_tell(&mut self, now: Time<Local>, event: Event) {
        // Many come at one moment, and the course does not change before they are told.
        let same = self.untold.last().map(|(moment, _)| *moment).filter(|m| m.local == now);
        let moment = same.unwrap_or_else(|| self.moment_at(now));
        self.untold.push((moment, event));
    }

    /// Tells what has come about, after what was to be sent has left.
    pub(super) fn tell_all(&mut self, observer: &mut dyn Observer) {
        // All to the one, then all to the other: each waits for memory, and while it does so for
        // one event it can begin with the next.
        for (moment, event) in &self.untold {
            observer.event(moment, event);
        }
        if let Some(guest) = &mut self.guest {
            guest.foresee(&self.untold);
            for (moment, event) in &self.untold {
                guest.event(moment, event);
            }
        }
        self.untold.clear();
    }
}
