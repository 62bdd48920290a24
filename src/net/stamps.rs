//! The best reading of when a datagram came or went.

use std::io;

use super::transmit::Transmit;
use super::{Endpoint, NetStats};
use crate::clock::{Carrier, Oscillator};
use crate::os::{self, Stamping};
use crate::proto::{Source, Stamp, Token};
use crate::time::{Local, Shown, Time};

/// Stamps datagrams: by the kernel where it does, else by the daemon's own reading of the clock.
#[derive(Debug)]
pub(super) struct Stamps {
    oscillator: Oscillator,
    carrier: Carrier,
    stamping: Option<Stamping>,
    transmit: Transmit,
}

impl Stamps {
    pub(super) fn new(endpoint: &Endpoint, oscillator: Oscillator) -> Self {
        let stamping = os::enable_timestamping(endpoint.fd()).ok();
        let carrier = Carrier::new(oscillator);
        Self { oscillator, carrier, stamping, transmit: Transmit::new() }
    }

    /// Whether transmit stamps may be expected.
    pub(super) fn transmitting(&self) -> bool {
        self.stamping == Some(Stamping::Both) && self.transmit.answers()
    }

    /// The stamp of a datagram that was received just now, and the present.
    pub(super) fn received(
        &mut self,
        kernel: Option<Time<Shown>>,
        stats: &mut NetStats,
    ) -> (Stamp<Local>, Time<Local>) {
        let now = self.oscillator.read();
        let carried = kernel.and_then(|stamp| self.carry(stamp, stats));
        let stamp = match carried {
            Some(at) => Stamp { at: at.min(now), source: Source::Kernel },
            None => Stamp::daemon(now),
        };
        stats.received.count(stamp.source);
        (stamp, now)
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

    /// The next datagram of which the kernel tells when it left.
    ///
    /// # Errors
    /// Whatever recvmsg(2) names.
    pub(super) fn left(
        &mut self,
        endpoint: &Endpoint,
        stats: &mut NetStats,
    ) -> io::Result<Option<(Token, Stamp<Local>)>> {
        while let Some(stamp) = os::recv_tx_stamp(endpoint.fd())? {
            let Some(at) = self.carry(stamp.at, stats) else { continue };
            if let Some(token) = self.transmit.stamped(stamp.id, at) {
                stats.sent.daemon = stats.sent.daemon.saturating_sub(1);
                stats.sent.count(Source::Kernel);
                return Ok(Some((token, Stamp { at, source: Source::Kernel })));
            }
        }
        Ok(None)
    }

    fn carry(&mut self, stamp: Time<Shown>, stats: &mut NetStats) -> Option<Time<Local>> {
        if self.carrier.refresh().is_some() {
            stats.clock_steps += 1;
        }
        self.carrier.carry(stamp)
    }
}
