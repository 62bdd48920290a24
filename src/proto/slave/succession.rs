//! A slave that was, or will be, a master.

use super::{
    Buffer, Counters, Gate, Local, Message, Output, Pending, Rank, Receiver, Sanity, Search, Shown,
    Slave, SlaveSettings, SocketAddr, Term, Time, Voice, Who,
};
use crate::proto::parts::Parts;
use crate::proto::title::{Allegiance, Obeyed};

impl Slave {
    /// A slave made of what a node carries over; it looks for a master at once.
    pub(in crate::proto) fn resume(
        now: Time<Local>,
        settings: SlaveSettings,
        parts: Parts,
    ) -> Self {
        let next = (!settings.masters.is_empty()).then_some(now);
        let outputs = parts.outputs.into_iter().map(Pending::Output);
        Self {
            rng: parts.rng,
            gate: parts.gate,
            steering: parts.steering,
            sanity: Sanity::default(),
            allegiance: Allegiance::default(),
            master: None,
            search: Search::new(next),
            replies: Default::default(),
            answered: Default::default(),
            pending: outputs.collect(),
            newest: None,
            correction: None,
            awaited: None,
            transmit_stamps: parts.transmit_stamps,
            counters: parts.counters,
            stopping: false,
            settings,
        }
    }

    /// Leaves the role.
    pub(in crate::proto) fn into_parts(self) -> Parts {
        let outputs = self.pending.into_iter().filter_map(|pending| match pending {
            Pending::Output(output) => Some(output),
            _ => None,
        });
        Parts {
            rng: self.rng,
            steering: self.steering,
            counters: self.counters,
            gate: self.gate,
            transmit_stamps: self.transmit_stamps,
            outputs: outputs.collect(),
        }
    }

    /// The master that is obeyed.
    pub(in crate::proto) fn obeyed(&self) -> Option<&Obeyed> {
        self.allegiance.master()
    }

    /// Whether nothing waits for the driver.
    pub(in crate::proto) fn has_said_all(&self) -> bool {
        self.pending.is_empty()
    }

    /// The master that is obeyed, by its name.
    pub(in crate::proto) fn followed(&self) -> Option<&Who> {
        self.master.as_ref().map(|master| &master.who)
    }

    /// What the clock shows.
    pub(in crate::proto) fn shown(&self, now: Time<Local>) -> Time<Shown> {
        self.steering.course().reading(now)
    }

    pub(in crate::proto) fn books(&mut self) -> (&mut Gate, &mut Counters) {
        (&mut self.gate, &mut self.counters)
    }

    /// Sends a message of the election's, in the highest term that is known.
    pub(in crate::proto) fn send_for_candidate(
        &mut self,
        receiver: Receiver,
        message: Message,
        to: SocketAddr,
        term: Term,
        buffer: &mut Buffer,
    ) -> Output {
        self.counters.sent += 1;
        let reign = (term, self.settings.standby.unwrap_or(Rank(0)));
        self.gate.write(receiver, reign, Voice::Master, message, buffer);
        Output::Send { to, token: None }
    }
}
