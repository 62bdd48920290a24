//! Who watches a node: prints, counts and records, and decides nothing.

use std::ops::ControlFlow;

use super::Missing;
use crate::clock::Interference;
use crate::proto::{BySource, Counters, Event};
use crate::time::{Local, Map, Raw, Shown, Time};
use crate::wire::Keyring;

/// One instant on all scales that a node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The node's free-running clock.
    pub local: Time<Local>,
    /// What the node shows.
    pub shown: Time<Shown>,
    /// The machine's raw counter, which all nodes on one machine share.
    pub raw: Time<Raw>,
}

/// Watches a node. Every call is made on the node's thread and delays it.
pub trait Observer {
    /// Something happened in the core.
    fn event(&mut self, moment: &Moment, event: &Event);

    /// The clock has a new course, given over the machine's raw counter: the truth, for whoever
    /// compares several nodes on one machine. Called once at the start, then after every steer.
    fn course(&mut self, moment: &Moment, course: &Map<Raw, Shown>) {
        let _ = (moment, course);
    }

    /// Something else steers the clock too. Said once, and again where it comes back after some
    /// minutes; [`NetStats::interferences`] counts. Where the clock is not `shared` the node ends.
    fn interference(&mut self, moment: &Moment, found: &Interference, shared: bool) {
        let _ = (moment, found, shared);
    }

    /// The kernel turned out not to stamp datagrams of a kind: the daemon does. Said once each.
    fn unstamped(&mut self, moment: &Moment, missing: Missing) {
        let _ = (moment, missing);
    }

    /// When [`Observer::due`] is to be called next; `None`: never.
    fn deadline(&self) -> Option<Time<Local>> {
        None
    }

    /// The deadline has come: time for a report. The next deadline must lie in the future.
    /// `Break` ends the node in order.
    fn due(&mut self, moment: &Moment, counters: &Counters, net: &NetStats) -> ControlFlow<()> {
        let _ = (moment, counters, net);
        ControlFlow::Continue(())
    }

    /// SIGHUP came: reopen what is written to, and read anew what is read from. Where that is
    /// keys, the core goes on with those that are returned.
    fn hangup(&mut self, moment: &Moment) -> Option<Keyring> {
        let _ = moment;
        None
    }

    /// The node has taken leave and ends: the last report. Called exactly once, also where the
    /// node ends with an error.
    fn finish(&mut self, moment: &Moment, counters: &Counters, net: &NetStats) {
        let _ = (moment, counters, net);
    }
}

/// What the sockets know beyond the core's own counters, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetStats {
    /// Timestamps of received datagrams.
    pub received: BySource,
    /// Timestamps of those sent datagrams whose time of leaving matters.
    pub sent: BySource,
    /// Datagrams that the kernel refused to send.
    pub send_errors: u64,
    /// Receive calls that failed.
    pub receive_errors: u64,
    /// Datagrams longer than any of the protocol, cut off.
    pub truncated: u64,
    /// Datagrams lost because the socket's buffer was full, where the kernel tells.
    pub overflowed: u64,
    /// Steps of the system clock seen; kernel timestamps from before each were not used.
    pub clock_steps: u64,
    /// How often something else was found to have steered the clock that this node steers.
    pub interferences: u64,
}

impl NetStats {
    /// The kernel tells its own count modulo 2³², from the first loss on.
    pub(super) fn note_overflow(&mut self, kernel: Option<u32>) {
        if let Some(count) = kernel {
            let since = count.wrapping_sub(self.overflowed as u32);
            self.overflowed += u64::from(since);
        }
    }
}
