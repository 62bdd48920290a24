//! How the node waits, and for what.

use std::io;
use std::thread;
use std::time::Duration;

use mio::Events;

use super::{END, GUEST, HANGUP, NetError, Node, SOCKET};
use crate::clock::Clock;
use crate::proto::Core;
use crate::time::{Local, Span, Time};

impl<C: Core, K: Clock> Node<C, K> {
    /// Sleeps until something is announced or `deadline` comes; not at all where something
    /// announced earlier is not used up. Of a busy and patient core either may have been two milliseconds
    /// ago, and its datagrams are not announced: they are looked for.
    pub(super) fn wait(
        &mut self,
        events: &mut Events,
        deadline: Option<Time<Local>>,
    ) -> Result<(), NetError> {
        let at_once = self.ready.datagrams || self.ready.stamps || self.guest_waits();
        let timeout = if at_once || self.let_gather()? {
            Some(Duration::ZERO)
        } else {
            let now = self.oscillator.read();
            deadline.map(|deadline| Duration::from_nanos(deadline.since(now).as_nanos()))
        };
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(NetError::system("cannot wait for events", &error)),
        }
        for event in events.iter() {
            match event.token() {
                SOCKET => {
                    self.ready.datagrams |= event.is_readable();
                    if event.is_error() {
                        self.ready.stamps = true;
                        let armed = self.endpoint.rearm(self.poll.registry(), SOCKET);
                        armed.map_err(|error| watching(&error))?;
                    }
                }
                END => self.ready.end = true,
                HANGUP => self.ready.hangup = true,
                token if token >= GUEST => {
                    if let Some(guest) = &mut self.guest {
                        guest.announced(event);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits for more to come, where it does not matter when that is read; says whether that is so.
    #[expect(
        clippy::disallowed_methods,
        reason = "not to be woken by what comes is what it is for"
    )]
    fn let_gather(&mut self) -> Result<bool, NetError> {
        let now = self.oscillator.read();
        let stamped = self.stamps.receiving() && self.stamps.transmitting();
        let come = self.stats.received.kernel + self.stats.received.hardware;
        let rest = self.gather.rest(now, come, stamped && self.core.is_patient());
        let announce = self.endpoint.announce(self.poll.registry(), SOCKET, rest.is_none());
        let begins = announce.map_err(|error| watching(&error))?;
        if let Some(rest) = rest.filter(|rest| *rest > Span::ZERO) {
            thread::sleep(Duration::from_nanos(rest.as_nanos()));
        }
        // What came while nothing was announced is not announced later, either.
        self.ready.datagrams |= rest.is_some() || begins;
        self.ready.stamps |= rest.is_some() || begins;
        Ok(rest.is_some() || begins)
    }
}

fn watching(error: &io::Error) -> NetError {
    NetError::system("cannot watch the socket", error)
}
