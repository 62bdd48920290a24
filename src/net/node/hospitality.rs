//! What the node does for a guest in its loop, and at an operator's wish.

use super::{CLOSE, Node, Observer, PATIENCE, Scene, Wish};
use crate::clock::Clock;
use crate::proto::{Core, Input};

impl<C: Core, K: Clock> Node<C, K> {
    pub(super) fn guest_waits(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.waits())
    }

    /// One piece of the guest's work, where the node's own leaves room for it.
    pub(super) fn serve_guest(&mut self, observer: &mut dyn Observer) {
        let moment = self.moment();
        let Some(guest) = &mut self.guest else { return };
        let due = guest.waits() || guest.deadline().is_some_and(|due| due <= moment.local);
        let close = self.core.deadline().is_some_and(|due| due <= moment.local + CLOSE);
        if !due || close && self.put_off < PATIENCE {
            self.put_off += u32::from(due);
            return;
        }
        self.put_off = 0;
        let scene = Scene {
            moment,
            core: &self.core,
            net: &self.stats,
            clock: self.clock.name(),
            addr: self.endpoint.local_addr(),
        };
        match guest.serve(&scene) {
            Some(Wish::Order(order)) => self.core.handle(moment.local, Input::Order(order)),
            Some(Wish::Reload) => self.reload(observer),
            None => {}
        }
    }

    /// What SIGHUP asks for: logs are reopened, keys read anew.
    pub(super) fn reload(&mut self, observer: &mut dyn Observer) {
        if let Some(keys) = observer.hangup(&self.moment()) {
            self.core.handle(self.oscillator.read(), Input::Keys(&keys));
        }
    }
}
