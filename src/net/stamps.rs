//! The best reading of when a datagram came or went.

use std::{fmt, io};

use super::hope::Hope;
use super::transmit::Transmit;
use super::{Endpoint, NetStats};
use crate::clock::{Carrier, Oscillator};
use crate::os::{self, Stamping, TxStamps};
use crate::proto::{Source, Stamp, Token};
use crate::time::{Local, Shown, Time};

/// Whose timestamps are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// The kernel's where it gives them, else the daemon's.
    #[default]
    Best,
    /// The kernel's or none.
    Kernel,
    /// The daemon's own readings only.
    Daemon,
}

/// Timestamps that the kernel turned out not to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Those of received datagrams.
    Received,
    /// Those of sent datagrams.
    Sent,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self {
            Missing::Received => "received",
            Missing::Sent => "sent",
        };
        write!(f, "the kernel gives no timestamps of {way} datagrams here")
    }
}

/// Stamps datagrams: by the kernel where it does, else by the daemon's own reading of the clock.
#[derive(Debug)]
pub(super) struct Stamps {
    oscillator: Oscillator,
    carrier: Carrier,
    pub(super) stamping: Option<Stamping>,
    transmit: Transmit,
    queue: TxStamps,
    pub(super) hopes: [(Missing, Hope); 2],
}

/// Transmit stamps that are taken from the kernel at once.
const AT_ONCE: usize = 64;

impl Stamps {
    pub(super) fn new(endpoint: &Endpoint, oscillator: Oscillator) -> Self {
        let stamping = enable(endpoint);
        let carrier = Carrier::new(oscillator);
        let queue = TxStamps::new(AT_ONCE);
        let hope = || Hope::new(endpoint.wanted != Wanted::Daemon);
        let hopes = [(Missing::Received, hope()), (Missing::Sent, hope())];
        Self { oscillator, carrier, stamping, transmit: Transmit::new(), queue, hopes }
    }

    /// What turned out not to be had by `now`; each is told once.
    pub(super) fn missing(&mut self, now: Time<Local>) -> Option<Missing> {
        self.hopes.iter_mut().find_map(|(which, hope)| hope.is_lost(now).then_some(*which))
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
        &mut self,
        kernel: Option<Time<Shown>>,
        now: Time<Local>,
        stats: &mut NetStats,
    ) -> Stamp<Local> {
        self.hopes[0].1.asked(now);
        if kernel.is_some() {
            self.hopes[0].1.met();
        }
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
            self.hopes[1].1.asked(left);
        }
        self.transmit.sent(token, left);
    }

    /// Starts the count of datagrams anew, where it is uncertain after the kernel refused one.
    /// Take what stamps there are before, with [`Stamps::left`]: none of the old count is
    /// understood afterwards.
    pub(super) fn restart(&mut self, endpoint: &Endpoint) {
        self.stamping = enable(endpoint);
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
            self.hopes[1].1.met();
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

/// Asks the kernel for what is wanted.
fn enable(endpoint: &Endpoint) -> Option<Stamping> {
    match endpoint.wanted {
        Wanted::Daemon => None,
        Wanted::Best | Wanted::Kernel => os::enable_timestamping(endpoint.fd()).ok(),
    }
}
