//! What decides between masters, and whom a node obeys.

use std::net::SocketAddr;

use crate::time::{Local, Span, Time};
use crate::wire::{BootId, Header, NodeId, Rank, Term};

/// A master's claim to be obeyed. The greater is followed: the later term, in one term the higher
/// rank, in one rank the greater id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Title {
    /// The number of the reign.
    pub term: Term,
    /// The priority of the node that reigns.
    pub rank: Rank,
    /// The node that reigns.
    pub id: NodeId,
}

impl Title {
    /// The title in which a master sends this.
    pub fn of(header: &Header) -> Self {
        Self { term: header.term, rank: header.rank, id: header.sender }
    }
}

/// A master that was not heard for so many of its intervals is silent.
pub(super) const SILENT_INTERVALS: u32 = 3;
pub(super) const SILENT_LEAST: Span = Span::from_millis(500);
/// A master that was heard within so many tenths of its interval lives: it speaks once in each, and
/// others than we may have heard it an interval later than we did.
const ALIVE_TENTHS: u32 = 15;
/// So many intervals two living masters have to settle who goes on before a slave changes over.
const SETTLE_INTERVALS: u32 = 2;

/// How long a master of this interval may be silent.
pub(super) fn silence(interval: Span) -> Span {
    interval.times(SILENT_INTERVALS).max(SILENT_LEAST)
}

/// The master that a node obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Obeyed {
    /// Its title, the highest it was heard with.
    pub title: Title,
    /// Its process.
    pub boot: BootId,
    /// Where it is reached.
    pub addr: SocketAddr,
    /// Its interval; a second until it is known.
    pub interval: Span,
    /// When it was last heard.
    pub heard: Time<Local>,
    /// It has shown that it hears us too. Until then it keeps nobody else off.
    pub proven: bool,
}

impl Obeyed {
    /// Whether its process sent this.
    fn is(&self, header: &Header) -> bool {
        self.title.id == header.sender && self.boot == header.boot
    }

    /// Whether it was heard so lately that it must be taken for alive.
    pub fn lives(&self, now: Time<Local>) -> bool {
        now.since(self.heard) < self.interval.over(10).times(ALIVE_TENTHS)
    }

    /// Whether it has been silent for too long.
    pub fn is_silent(&self, now: Time<Local>) -> bool {
        now.since(self.heard) >= silence(self.interval)
    }
}

/// What becomes of a datagram by the master that sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// It is our master's.
    Ours,
    /// The sender is our master from now on.
    Change,
    /// The sender has the higher title, but ours lives: the two may settle it yet.
    Wait,
    /// The sender has no claim on us.
    Foreign,
    /// It is our master's, from before it took a higher term.
    Stale,
}

/// Whom a node obeys: nobody, or exactly one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Allegiance {
    master: Option<Obeyed>,
    /// The one that had proven itself, was silent, and was left for who has only talked so far.
    left: Option<Obeyed>,
    /// The highest title above our living master's, and since when it is known.
    rival: Option<(Title, Time<Local>)>,
}

impl Allegiance {
    /// The master that is obeyed.
    pub fn master(&self) -> Option<&Obeyed> {
        self.master.as_ref()
    }

    /// Decides by a datagram of a master. `proves`: its sender has shown that it hears us, as an
    /// adjust or a welcome does and a poll does not. Who only talks is no reason to leave a master
    /// that lives.
    pub fn meet(
        &mut self,
        now: Time<Local>,
        from: SocketAddr,
        header: &Header,
        proves: bool,
    ) -> Meeting {
        let title = Title::of(header);
        let meeting = self.judge(now, from, header, proves);
        match meeting {
            Meeting::Ours => self.hear(now, from, header, proves),
            Meeting::Change => {
                let left = self.master.filter(|master| master.proven).or(self.left);
                // Who was silent and is heard again need not prove anew what it has proven.
                let again = left.filter(|left| left.is(header) && left.title <= title);
                let interval = again.map_or(Span::from_secs(1), |left| left.interval);
                let (boot, proven) = (header.boot, proves || again.is_some());
                let (addr, heard) = (from, now);
                self.master = Some(Obeyed { title, boot, addr, interval, heard, proven });
                self.left = left.filter(|_| !proven);
                self.rival = None;
            }
            Meeting::Wait if proves => {
                if self.rival.is_none_or(|(known, _)| known.id != title.id) {
                    self.rival = Some((title, now));
                }
            }
            Meeting::Wait | Meeting::Foreign | Meeting::Stale => {}
        }
        meeting
    }

    fn judge(&self, now: Time<Local>, from: SocketAddr, header: &Header, proves: bool) -> Meeting {
        let Some(master) = &self.master else { return Meeting::Change };
        let title = Title::of(header);
        if master.is(header) {
            // A poll may show that it has moved; its word from elsewhere is not believed before.
            return match title < master.title {
                true => Meeting::Stale,
                false if proves && master.addr != from => Meeting::Foreign,
                false => Meeting::Ours,
            };
        }
        // The same node restarted: its old process is no more.
        let restarted = master.title.id == title.id || master.addr == from;
        if restarted || master.is_silent(now) {
            return Meeting::Change;
        }
        if !master.proven && (proves || title > master.title) {
            return Meeting::Change;
        }
        if title <= master.title {
            return Meeting::Foreign;
        }
        let settle = master.interval.times(SETTLE_INTERVALS);
        let settled = self
            .rival
            .is_some_and(|(rival, since)| rival.id == title.id && now.since(since) >= settle);
        let changes = proves && (settled || !master.lives(now));
        if changes { Meeting::Change } else { Meeting::Wait }
    }

    fn hear(&mut self, now: Time<Local>, from: SocketAddr, header: &Header, proves: bool) {
        let Some(master) = &mut self.master else { return };
        master.title = master.title.max(Title::of(header));
        master.addr = from;
        master.heard = now;
        master.proven |= proves;
        if master.proven {
            self.left = None;
        }
        if self.rival.is_some_and(|(rival, _)| rival <= master.title) {
            self.rival = None;
        }
    }

    /// What our master says its interval is.
    pub fn set_interval(&mut self, interval: Span) {
        if let Some(master) = &mut self.master {
            master.interval = interval;
        }
    }

    /// A master takes leave: what it had proven is over.
    pub fn forget(&mut self, header: &Header) {
        self.left = self.left.filter(|left| !left.is(header));
    }

    /// Obeys nobody from now on.
    pub fn end(&mut self) -> Option<Obeyed> {
        self.rival = None;
        self.left = None;
        self.master.take()
    }
}

#[cfg(test)]
pub(in crate::proto) mod tests {
    use super::*;

    pub(in crate::proto) fn at(millis: i64) -> Time<Local> {
        Time::from_nanos(millis * 1_000_000)
    }

    pub(in crate::proto) fn from(node: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, node], 7045))
    }

    pub(in crate::proto) fn header(node: u8, term: u32) -> Header {
        Header {
            sender: NodeId(u64::from(node)),
            receiver: NodeId::UNKNOWN,
            boot: BootId(1),
            term: Term(term),
            rank: Rank(0),
            sequence: 1,
        }
    }

    /// A slave that has followed node 1 in term 3 since the beginning.
    fn settled() -> Allegiance {
        let mut slave = Allegiance::default();
        assert_eq!(slave.meet(at(0), from(1), &header(1, 3), true), Meeting::Change);
        slave
    }

    fn follows(slave: &Allegiance) -> u64 {
        slave.master().map_or(0, |master| master.title.id.0)
    }

    #[test]
    fn a_living_master_is_left_for_a_higher_title_only_and_not_at_once() {
        let mut slave = settled();
        assert_eq!(slave.meet(at(100), from(2), &header(2, 3), false), Meeting::Wait);
        assert_eq!(slave.meet(at(100), from(2), &header(2, 2), true), Meeting::Foreign);
        for millis in [500, 1_000, 1_500, 2_000] {
            assert_eq!(slave.meet(at(millis), from(1), &header(1, 3), true), Meeting::Ours);
            assert_eq!(slave.meet(at(millis), from(2), &header(2, 4), true), Meeting::Wait);
        }
        assert_eq!(slave.meet(at(2_600), from(1), &header(1, 3), true), Meeting::Ours);
        assert_eq!(slave.meet(at(2_600), from(2), &header(2, 4), true), Meeting::Change);
        assert_eq!(follows(&slave), 2);
    }

    #[test]
    fn a_master_that_outbids_the_other_in_time_keeps_its_slaves() {
        let mut slave = settled();
        slave.meet(at(500), from(2), &header(2, 4), true);
        assert_eq!(slave.meet(at(900), from(1), &header(1, 5), true), Meeting::Ours);
        assert_eq!(slave.meet(at(2_600), from(1), &header(1, 5), true), Meeting::Ours);
        assert_eq!(slave.meet(at(2_700), from(2), &header(2, 4), true), Meeting::Foreign);
        assert_eq!(slave.meet(at(2_800), from(1), &header(1, 3), true), Meeting::Stale);
        assert_eq!(follows(&slave), 1);
    }

    #[test]
    fn who_only_talks_takes_no_slave_along() {
        let mut slave = settled();
        for millis in (0..3_000).step_by(100) {
            slave.meet(at(millis), from(1), &header(1, 3), true);
            assert_eq!(slave.meet(at(millis), from(2), &header(2, 9), false), Meeting::Wait);
        }
        // Where there is none it is better than nothing, until another proves more.
        let mut slave = Allegiance::default();
        assert_eq!(slave.meet(at(0), from(2), &header(2, 9), false), Meeting::Change);
        assert_eq!(slave.meet(at(10), from(1), &header(1, 3), false), Meeting::Foreign);
        assert_eq!(slave.meet(at(20), from(1), &header(1, 3), true), Meeting::Change);
        assert_eq!(follows(&slave), 1);
    }

    #[test]
    fn a_master_that_is_heard_again_is_as_proven_as_before() {
        let mut slave = settled();
        slave.set_interval(Span::from_millis(500));
        assert_eq!(slave.meet(at(1_600), from(2), &header(2, 2), false), Meeting::Change);
        assert_eq!(slave.meet(at(1_700), from(1), &header(1, 3), false), Meeting::Change);
        assert_eq!(slave.master().map(|master| master.interval), Some(Span::from_millis(500)));
        assert_eq!(slave.meet(at(1_800), from(2), &header(2, 2), true), Meeting::Foreign);
        assert_eq!(follows(&slave), 1);
        // But not once another has proven as much, nor as another process, nor after its leave.
        slave.meet(at(3_300), from(2), &header(2, 2), false);
        assert_eq!(slave.meet(at(3_400), from(2), &header(2, 2), true), Meeting::Ours);
        assert_eq!(slave.meet(at(3_500), from(1), &header(1, 3), false), Meeting::Wait);
        let mut slave = settled();
        slave.meet(at(3_000), from(2), &header(2, 2), false);
        let again = Header { boot: BootId(2), ..header(1, 3) };
        assert_eq!(slave.meet(at(3_100), from(1), &again, false), Meeting::Change);
        assert_eq!(slave.meet(at(3_200), from(2), &header(2, 2), true), Meeting::Change);
        let mut slave = settled();
        slave.meet(at(3_000), from(2), &header(2, 2), false);
        slave.forget(&header(1, 3));
        assert_eq!(slave.meet(at(3_100), from(1), &header(1, 3), false), Meeting::Change);
        assert_eq!(slave.meet(at(3_200), from(2), &header(2, 2), true), Meeting::Change);
    }

    #[test]
    fn a_silent_or_dying_master_is_left_at_once() {
        let mut slave = settled();
        assert_eq!(slave.meet(at(1_400), from(2), &header(2, 4), true), Meeting::Wait);
        assert_eq!(slave.meet(at(1_600), from(2), &header(2, 4), true), Meeting::Change);
        let mut slave = settled();
        assert_eq!(slave.meet(at(2_900), from(2), &header(2, 1), true), Meeting::Foreign);
        assert_eq!(slave.meet(at(3_000), from(2), &header(2, 1), true), Meeting::Change);
        let again = Header { boot: BootId(2), ..header(2, 1) };
        assert_eq!(slave.meet(at(3_100), from(2), &again, true), Meeting::Change, "restarted");
    }
}
