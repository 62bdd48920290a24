//! What excuses a node: when a promise cannot be held against it.

use super::faults::{Fault, Kind};
use super::watch::Watch;
use crate::time::{Span, Time, True};

/// After a counter did what no quartz does, and after a lie, bounds are not looked at for so long
/// and so many rounds: until it is found out, and a slave that held its course has given in.
const AMNESTY: Span = Span::from_secs(20);
const AMNESTY_ROUNDS: u32 = 45;

impl Watch<'_> {
    pub(super) fn faults(&self, node: usize) -> impl Iterator<Item = &Fault> {
        self.plan.faults.iter().filter(move |fault| fault.node == node)
    }

    /// Whether nothing can be kept at present.
    pub(super) fn is_full(&self, node: usize) -> bool {
        self.faults(node).any(|fault| fault.kind == Kind::DiskFull && fault.lasts(self.now))
    }

    fn amnesty(&self) -> Span {
        AMNESTY + self.plan.scenario.interval.times(AMNESTY_ROUNDS)
    }

    /// Whether the counter or the word of a node, or of the master that it follows, was not to be relied
    /// on some time from `since` to `t`, or shortly before.
    pub(super) fn is_bent(
        &self,
        node: usize,
        master: usize,
        since: Time<True>,
        t: Time<True>,
    ) -> bool {
        self.faults(node).chain(self.faults(master)).any(|fault| {
            let bends = fault.kind.bends_local() || matches!(fault.kind, Kind::Lies { .. });
            bends && fault.from <= t && since < self.found_out(fault, node, master)
        })
    }

    /// When a bent counter, or a lie, has been found out: measurements that come through say so.
    fn found_out(&self, fault: &Fault, node: usize, master: usize) -> Time<True> {
        let (amnesty, max_rtt) = (self.amnesty(), self.plan.scenario.max_rtt);
        let runs = matches!(fault.kind, Kind::Runaway { .. });
        let hides = |other: &&Fault| {
            other.hides(node, master, max_rtt) || runs && other.drowns(node, master)
        };
        self.plan.faults.iter().filter(hides).fold(fault.until + amnesty, |end, other| {
            let meets = other.from <= end && fault.from <= other.until;
            if meets { end.max(other.until + amnesty) } else { end }
        })
    }

    /// Whether the daemon has gone on within the last second, and answers what was kept for it.
    pub(super) fn catches_up(&self, node: usize, t: Time<True>) -> bool {
        let kept = |fault: &Fault| fault.kind == Kind::Stop && fault.until <= t;
        self.faults(node).any(|fault| kept(fault) && t.since(fault.until) <= Span::from_secs(1))
    }

    /// Whether the daemon ran from `since` to `t`. A clock that nobody minds goes on slewing, as a
    /// kernel's does, and as its kernel says.
    pub(super) fn is_served(&self, node: usize, since: Time<True>, t: Time<True>) -> bool {
        let stands = |kind: &Kind| matches!(kind, Kind::Pause | Kind::Stop);
        !self.faults(node).any(|f| stands(&f.kind) && f.from <= t && since < f.until)
    }
}
