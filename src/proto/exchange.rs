//! One poll and its reply: four timestamps, and what they say.

use crate::time::{Local, Offset, Remote, Scale, Span, Time};

/// Who read the clock for a timestamp, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The daemon itself, before it sent or after it received.
    Daemon,
    /// The kernel's network stack (`SO_TIMESTAMPING`, software).
    Kernel,
    /// The network card.
    Hardware,
}

impl Source {
    /// φ, the noise floor of one stamp of this source (design figure: 5 µs for a user-space
    /// reading, 0.35 µs for a software stamp of the kernel, 20 ns for a card's).
    pub const fn noise(self) -> Span {
        match self {
            Source::Daemon => Span::from_nanos(5_000),
            Source::Kernel => Span::from_nanos(350),
            Source::Hardware => Span::from_nanos(20),
        }
    }

    /// The name in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Daemon => "daemon",
            Source::Kernel => "kernel",
            Source::Hardware => "hardware",
        }
    }
}

/// How many timestamps each source gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BySource {
    /// The daemon's own readings.
    pub daemon: u64,
    /// The kernel's.
    pub kernel: u64,
    /// The card's.
    pub hardware: u64,
}

impl BySource {
    /// One more.
    pub fn count(&mut self, source: Source) {
        match source {
            Source::Daemon => self.daemon += 1,
            Source::Kernel => self.kernel += 1,
            Source::Hardware => self.hardware += 1,
        }
    }

    /// All of them, the best source last.
    pub fn each(&self) -> [(Source, u64); 3] {
        [
            (Source::Daemon, self.daemon),
            (Source::Kernel, self.kernel),
            (Source::Hardware, self.hardware),
        ]
    }

    /// The source of most of them; the daemon where there are none.
    pub fn main(&self) -> Source {
        if self.hardware > self.kernel.max(self.daemon) {
            Source::Hardware
        } else if self.kernel > self.daemon {
            Source::Kernel
        } else {
            Source::Daemon
        }
    }
}

/// A reading of a clock, and who took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<S: Scale> {
    /// The reading.
    pub at: Time<S>,
    /// Who took it.
    pub source: Source,
}

impl<S: Scale> Stamp<S> {
    /// A reading that the daemon took itself.
    pub const fn daemon(at: Time<S>) -> Self {
        Self { at, source: Source::Daemon }
    }
}

/// A poll and its reply, as Cristian's method and NTP (RFC 5905 §8) number the stamps: the master
/// sends at T1, the slave receives at T2 and sends at T3, the master receives at T4.
///
/// Both one-way differences are kept apart: the two directions queue independently, and the
/// estimator uses each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// T1, on the master's Local.
    pub t1: Stamp<Local>,
    /// T2, on the slave's Local.
    pub t2: Stamp<Remote>,
    /// T3, on the slave's Local.
    pub t3: Stamp<Remote>,
    /// T4, on the master's Local.
    pub t4: Stamp<Local>,
}

impl Exchange {
    /// T2 − T1: the slave's offset plus the delay on the way there.
    pub fn forward(&self) -> Offset {
        Offset::from_nanos(self.t2.at.as_nanos().saturating_sub(self.t1.at.as_nanos()))
    }

    /// T4 − T3: the delay on the way back minus the slave's offset.
    pub fn backward(&self) -> Offset {
        Offset::from_nanos(self.t4.at.as_nanos().saturating_sub(self.t3.at.as_nanos()))
    }

    /// (T4 − T1) − (T3 − T2): the time spent on the network. Negative where a clock jumped or a
    /// stamp is wrong, or where the two clocks' rates differ by more than the network took.
    pub fn round_trip(&self) -> Offset {
        (self.t4.at - self.t1.at) - (self.t3.at - self.t2.at)
    }

    /// ((T2 − T1) + (T3 − T4)) / 2: the slave's Local minus the master's Local, wrong by half of
    /// the difference of the two delays.
    pub fn offset(&self) -> Offset {
        self.forward().midpoint(-self.backward())
    }

    /// The master's Local in the middle of the exchange: what the offset is dated with.
    pub fn middle(&self) -> Time<Local> {
        self.t1.at + Offset::from_nanos((self.t4.at - self.t1.at).as_nanos() / 2)
    }

    /// The worst source among the two stamps that `forward` is made of.
    pub fn forward_source(&self) -> Source {
        self.t1.source.min(self.t2.source)
    }

    /// The worst source among the two stamps that `backward` is made of.
    pub fn backward_source(&self) -> Source {
        self.t3.source.min(self.t4.source)
    }

    /// The worst source among all four.
    pub fn source(&self) -> Source {
        self.forward_source().min(self.backward_source())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(t1: i64, t2: i64, t3: i64, t4: i64) -> Exchange {
        Exchange {
            t1: Stamp::daemon(Time::from_nanos(t1)),
            t2: Stamp::daemon(Time::from_nanos(t2)),
            t3: Stamp::daemon(Time::from_nanos(t3)),
            t4: Stamp::daemon(Time::from_nanos(t4)),
        }
    }

    #[test]
    fn a_slave_ahead_has_a_positive_offset() {
        // 1 000 ahead, 30 there, 50 at the slave, 20 back.
        let x = exchange(100, 1_130, 1_180, 200);
        assert_eq!(x.forward(), Offset::from_nanos(1_030));
        assert_eq!(x.backward(), Offset::from_nanos(-980));
        assert_eq!(x.round_trip(), Offset::from_nanos(50));
        assert_eq!(x.offset(), Offset::from_nanos(1_005));
        assert_eq!(x.middle(), Time::from_nanos(150));
    }

    #[test]
    fn hostile_stamps_do_not_overflow() {
        let x = exchange(i64::MIN, i64::MAX, i64::MIN, i64::MAX);
        let _ = (x.forward(), x.backward(), x.round_trip(), x.offset(), x.middle());
    }
}
