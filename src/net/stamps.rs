//! The best reading of when a datagram came or went.

use std::io;

use super::transmit::Transmit;
use super::{Endpoint, NetStats};
use crate::clock::{Carrier, Oscillator};
use crate::os::{self, Stamping, TxStamps};
use crate::proto::{Source, Stamp, Token};
use crate::time::{Local, Shown, Time};

/// Stamps datagrams: by the kernel where it does, else by the daemon's own reading of the clock.
#[derive(Debug)]
pub(super) struct Stamps {
    oscillator: Oscillator,
    carrier: Carrier,
    stamping: Option<Stamping>,
    transmit: Transmit,
    queue: TxStamps,
}

/// Transmit stamps that are taken from the kernel at once.
const AT_ONCE: usize = 32;

impl Stamps {
    pub(super) fn new(endpoint: &Endpoint, oscillator: Oscillator) -> Self {
        let stamping = os::enable_timestamping(endpoint.fd()).ok();
        let carrier = Carrier::new(oscillator);
        let queue = TxStamps::new(AT_ONCE);
        Self { oscillator, carrier, stamping, transmit: Transmit::new(), queue }
    }

    /// Whether transmit stamps may be expected.
    pub(super) fn transmitting(&self) -> bool {
        self.stamping == Some(Stamping::Both) && self.transmit.answers()
    }

    /// Whether stamps of receipt may be expected: then it does not matter when a datagram is read.
    pub(super) fn receiving(&self) -> bool {
        self.stamping.is_some()
    }

    /// The present, for datagrams that were received just now. Once for a batch of them.
    pub(super) fn look(&mut self, stats: &mut NetStats) -> Time<Local> {
        let now = self.oscillator.read();
        if self.carrier.refresh().is_some() {
            stats.clock_steps += 1;
        }
        now
    }

    /// The stamp of a datagram that was received before the [`look`](Self::look) at `now`.
    pub(super) fn received(
        &self,
        kernel: Option<Time<Shown>>,
        now: Time<Local>,
        stats: &mut NetStats,
    ) -> Stamp<Local> {
        let stamp = match kernel.and_then(|stamp| self.carrier.carry(stamp)) {
            Some(at) => Stamp { at: at.min(now), source: Source::Kernel },
            None => Stamp::daemon(now),
        };
        stats.received.count(stamp.source);
        stamp
    }

    /// A datagram was handed to the kernel at `left`.
    pub(super) fn sent(&mut self, token: Option<Token>, left: Time<Local>, stats: &mut NetStats) {
        // Counted as the daemon's until the kernel says better.
        if token.is_some() {
            stats.sent.count(Source::Daemon);
        }
        self.transmit.sent(token, left);
    }

    /// Starts the count of datagrams anew, where it is uncertain after the kernel refused one.
    /// Take what stamps there are before, with [`Stamps::left`]: none of the old count is
    /// understood afterwards.
    pub(super) fn restart(&mut self, endpoint: &Endpoint) {
        self.stamping = os::enable_timestamping(endpoint.fd()).ok();
        self.transmit.restart();
    }

    /// Hands the datagrams of which the kernel tells when they left to `each`, a batch at most;
    /// `true`: there may be more.
    ///
    /// # Errors
    /// Whatever recvmmsg(2) names.
    pub(super) fn left(
        &mut self,
        endpoint: &Endpoint,
        stats: &mut NetStats,
        mut each: impl FnMut(Time<Local>, Token, Stamp<Local>),
    ) -> io::Result<bool> {
        let more = self.queue.receive(endpoint.fd())?;
        let now = self.look(stats);
        for stamp in self.queue.taken() {
            let Some(at) = self.carrier.carry(stamp.at) else { continue };
            if let Some(token) = self.transmit.stamped(stamp.id, at) {
                stats.sent.daemon = stats.sent.daemon.saturating_sub(1);
                stats.sent.count(Source::Kernel);
                each(now, token, Stamp { at, source: Source::Kernel });
            }
        }
        Ok(more)
    }
}
