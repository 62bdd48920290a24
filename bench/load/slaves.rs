//! The slaves: one socket with as many addresses and clocks as there are slaves.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use campanile::wire::{BootId, Buffer, LEN, Sealer, Voice};
use nix::errno::Errno;
use nix::libc::in_pktinfo;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, RcvBufForce, SndBuf};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockFlag, SockType,
    SockaddrIn, bind, recvmmsg, sendmsg, setsockopt, socket,
};
use nix::time::{ClockId, clock_gettime};

use super::master::Subject;
use super::wire::{self, ADJUST, KIND, MapBytes, POLL, WELCOME};

const BATCH: usize = 64;
const SECOND: i64 = 1_000_000_000;
/// A slave whose join was not answered asks again after this.
const PATIENCE: i64 = SECOND;
/// All must be in after this many seconds and rounds.
const ALL_IN: i64 = 60;
const ROUNDS_IN: i64 = 3;
/// The bare loop learns nothing that would take time.
const BARE_SETTLES: i64 = 3;

/// What is played.
pub struct Plan {
    pub slaves: usize,
    /// Of a round, in milliseconds.
    pub interval: u64,
    pub seconds: u64,
    pub join: f64,
    /// Rounds between the last slave's first correction and the measurement.
    pub settle: u32,
    /// Whether datagrams carry a seal.
    pub sealed: bool,
}

#[derive(Clone)]
struct Slave {
    /// Local = raw · (1 + drift) + offset.
    offset: i64,
    drift: f64,
    map: MapBytes,
    asked: i64,
    welcome: bool,
    polled: bool,
    corrected: bool,
    /// Datagrams sent.
    sequence: u64,
    /// When it was polled first and last, of the phase being measured.
    first: i64,
    last: i64,
}

/// What was seen.
#[derive(Default)]
pub struct Played {
    /// Seconds from the first join to the last slave's first poll, and its first correction.
    pub all_in: f64,
    pub corrected: f64,
    /// Lateness of polls, ns, of the slaves that were in first while the others came.
    pub storm: Vec<i64>,
    /// The same of all while it was measured.
    pub late: Vec<i64>,
    pub polls: u64,
    pub missed: u64,
    pub unpolled: u64,
    pub seconds: f64,
    pub cpu: f64,
    pub base: u64,
    pub resident: u64,
    pub drops: u64,
    /// What the daemon said of itself at the end.
    pub stats: String,
}

impl Played {
    pub fn polls_per_second(&self) -> f64 {
        self.polls as f64 / self.seconds
    }
}

impl Plan {
    pub fn polls_per_second(&self) -> f64 {
        self.slaves as f64 / (self.interval as f64 * 1e-3)
    }
}

/// One play against one subject.
pub struct Play<'a> {
    plan: &'a Plan,
    subject: &'a Subject,
    fd: OwnedFd,
    headers: MultiHeaders<SockaddrIn>,
    bytes: Vec<[u8; LEN + 1]>,
    slaves: Vec<Slave>,
    reply: Buffer,
    /// Slaves that were not polled yet, and since when there are none.
    outside: usize,
    all_in: i64,
    /// Slaves that were not corrected yet.
    waiting: usize,
    /// (slave, ns after its first poll, less whole seconds).
    phases: Vec<(u32, i64)>,
    polls: u64,
    missed: u64,
    sealer: Sealer,
    /// Of a round, ns.
    interval: i64,
}

fn now() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_RAW).expect("the kernel has that clock");
    now.tv_sec() * SECOND + now.tv_nsec()
}

/// 127.1.0.0 and on.
fn addr(slave: usize) -> u32 {
    Ipv4Addr::new(127, 1, 0, 0).to_bits() + slave as u32
}

impl<'a> Play<'a> {
    pub fn new(plan: &'a Plan, subject: &'a Subject) -> Result<Self, String> {
        let failed = |e: Errno| format!("the slaves' socket: {e}");
        let fd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_NONBLOCK, None);
        let fd = fd.map_err(failed)?;
        let any = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        bind(fd.as_raw_fd(), &any).map_err(failed)?;
        setsockopt(&fd, Ipv4PacketInfo, &true).map_err(failed)?;
        // The slaves' own buffers, all in one.
        let _ = setsockopt(&fd, RcvBufForce, &(256 << 20));
        let _ = setsockopt(&fd, SndBuf, &(4 << 20));
        let start = now();
        let wall = clock_gettime(ClockId::CLOCK_REALTIME).map_err(failed)?.tv_sec() * SECOND;
        let slave = |n: usize| {
            // Up to ±50 ppm and ±2 ms, so that nobody is a falseticker for long.
            let share = (n as f64 * 0.618_033_988_749_895).fract() - 0.5;
            let (offset, drift) = ((share * 4e6) as i64, share * 100e-6);
            let map = wire::map(start + offset, wall);
            // All show the same at first: the shift of Local is the truth to be found.
            Slave {
                offset,
                drift,
                map,
                asked: i64::MIN,
                welcome: false,
                polled: false,
                corrected: false,
                sequence: 0,
                first: 0,
                last: 0,
            }
        };
        Ok(Self {
            plan,
            subject,
            fd,
            headers: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(in_pktinfo))),
            bytes: vec![[0; LEN + 1]; BATCH],
            slaves: (0..plan.slaves).map(slave).collect(),
            reply: wire::reply(),
            outside: plan.slaves,
            all_in: 0,
            waiting: plan.slaves,
            phases: Vec::new(),
            polls: 0,
            missed: 0,
            sealer: wire::sealer(plan.sealed),
            interval: plan.interval as i64 * 1_000_000,
        })
    }

    /// Joins, waits until all are in, measures.
    pub fn run(mut self) -> Result<Played, String> {
        let base = self.subject.resident()?;
        let start = now();
        self.join(start)?;
        let corrected = (now() - start) as f64 * 1e-9;
        let all_in = (self.all_in - start) as f64 * 1e-9;
        let early = (self.plan.slaves / 10).max(1);
        let storm = self.lateness(|slave| (slave as usize) < early);
        self.turn_until(now() + i64::from(self.plan.settle) * self.interval)?;
        let mut played = self.measure()?;
        played.late = self.lateness(|_| true);
        let stats = self.subject.stats()?;
        Ok(Played { all_in, corrected, storm, base, stats, ..played })
    }

    /// The same datagrams without a protocol: joins only say who is there.
    pub fn run_bare(mut self) -> Result<Played, String> {
        for slave in 0..self.plan.slaves {
            self.send(slave, wire::join(slave, 0), BootId(0));
            if slave % BATCH == 0 {
                self.turn(0)?;
            }
        }
        self.turn_until(now() + BARE_SETTLES * self.interval)?;
        self.measure()
    }

    fn measure(&mut self) -> Result<Played, String> {
        self.phases = Vec::with_capacity(self.plan.slaves * (self.plan.seconds as usize + 1));
        (self.polls, self.missed) = (0, 0);
        self.slaves.iter_mut().for_each(|slave| slave.first = 0);
        let (cpu, start) = (self.subject.cpu()?, now());
        self.turn_until(start + self.plan.seconds as i64 * SECOND)?;
        Ok(Played {
            cpu: self.subject.cpu()? - cpu,
            seconds: (now() - start) as f64 * 1e-9,
            polls: self.polls,
            missed: self.missed,
            unpolled: self.slaves.iter().filter(|slave| slave.first == 0).count() as u64,
            resident: self.subject.resident()?,
            drops: self.subject.drops(),
            ..Played::default()
        })
    }

    fn join(&mut self, start: i64) -> Result<(), String> {
        let pace = self.plan.join * 1e9 / self.plan.slaves as f64;
        let mut asked = 0;
        let mut again = 0;
        while self.waiting > 0 {
            let at = now();
            if at - start > ALL_IN * SECOND + ROUNDS_IN * self.interval {
                let stats = self.subject.stats().unwrap_or_default();
                return Err(format!("{} slaves do not come in: {stats}", self.waiting));
            }
            while asked < self.plan.slaves && (asked as f64 * pace) as i64 <= at - start {
                self.ask(asked, at);
                asked += 1;
            }
            for _ in 0..BATCH.min(asked) {
                let slave = &self.slaves[again];
                if !slave.welcome && !slave.corrected && at - slave.asked > PATIENCE {
                    self.ask(again, at);
                }
                again = (again + 1) % asked;
            }
            self.turn(1)?;
        }
        Ok(())
    }

    fn ask(&mut self, slave: usize, at: i64) {
        self.slaves[slave].asked = at;
        self.send(slave, wire::join(slave, 0), BootId(0));
    }

    fn turn_until(&mut self, end: i64) -> Result<(), String> {
        while now() < end {
            self.turn(1)?;
        }
        Ok(())
    }

    /// Waits `millis` at most, then answers what has come, up to a few hundred datagrams.
    fn turn(&mut self, millis: u8) -> Result<(), String> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(millis)).map_err(|e| e.to_string())?;
        for _ in 0..8 {
            let mut slices: Vec<_> = self.bytes.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
            let fd = self.fd.as_raw_fd();
            let flags = MsgFlags::MSG_DONTWAIT;
            let got = match recvmmsg(fd, &mut self.headers, &mut slices, flags, None) {
                Ok(got) => got,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let mut whose = [usize::MAX; BATCH];
            let mut count = 0;
            for message in got {
                let to = message.cmsgs().map_err(|e| e.to_string())?.find_map(|said| match said {
                    ControlMessageOwned::Ipv4PacketInfo(info) => Some(info.ipi_addr.s_addr),
                    _ => None,
                });
                let to = to.map_or(0, u32::from_be);
                whose[count] = to.wrapping_sub(addr(0)) as usize;
                count += 1;
            }
            let at = now();
            for (place, slave) in whose.into_iter().enumerate().take(count) {
                if slave < self.slaves.len() {
                    let bytes = self.bytes[place];
                    self.take(slave, &bytes[..LEN], at);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, slave: usize, bytes: &[u8], at: i64) {
        let me = &mut self.slaves[slave];
        match bytes[KIND] {
            WELCOME => match wire::challenge(bytes) {
                Some(challenge) => {
                    self.send(slave, wire::join(slave, challenge), wire::boot(bytes))
                }
                None => me.welcome = true,
            },
            POLL => {
                self.polls += 1;
                if std::mem::replace(&mut me.polled, true) {
                    if me.first == 0 {
                        (me.first, me.last) = (at, at);
                    }
                    let (half, whole) = (self.interval / 2, self.interval);
                    self.missed += ((at - me.last + half) / whole - 1).max(0) as u64;
                    me.last = at;
                    let after = (at - me.first + half).rem_euclid(whole) - half;
                    self.phases.push((slave as u32, after));
                } else {
                    // The first poll may come before the slave's slot.
                    self.outside -= 1;
                    self.all_in = at;
                }
                let local = |raw: i64| raw + (raw as f64 * me.drift) as i64 + me.offset;
                let (t2, t3, map) = (local(at), local(now()), me.map);
                let mut reply = self.reply;
                wire::fill(&mut reply, slave, bytes, t2, t3, &map);
                self.send(slave, reply, wire::boot(bytes));
            }
            ADJUST => {
                me.map = wire::map_of_adjust(bytes);
                self.waiting -= usize::from(!std::mem::replace(&mut me.corrected, true));
            }
            _ => {}
        }
    }

    /// Numbers, seals and sends a datagram to the master's process `boot`.
    fn send(&mut self, slave: usize, mut datagram: Buffer, boot: BootId) {
        let sequence = &mut self.slaves[slave].sequence;
        *sequence += 1;
        wire::number(&mut datagram, *sequence);
        self.sealer.seal(&mut datagram, Voice::Slave, boot);
        let info = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: nix::libc::in_addr { s_addr: addr(slave).to_be() },
            ipi_addr: nix::libc::in_addr { s_addr: 0 },
        };
        let (slices, said) = ([IoSlice::new(&datagram)], [ControlMessage::Ipv4PacketInfo(&info)]);
        let to = SockaddrIn::from(self.subject.addr);
        // What the subject's buffer cannot take is its own loss, and counted there.
        let _ = sendmsg(self.fd.as_raw_fd(), &slices, &said, MsgFlags::empty(), Some(&to));
    }

    /// How late polls were: after each slave's earliest, less whole rounds.
    fn lateness(&self, whose: impl Fn(u32) -> bool) -> Vec<i64> {
        let mut earliest = vec![i64::MAX; self.slaves.len()];
        for &(slave, after) in &self.phases {
            earliest[slave as usize] = earliest[slave as usize].min(after);
        }
        let ours = self.phases.iter().filter(|(slave, _)| whose(*slave));
        let mut late: Vec<_> =
            ours.map(|&(slave, after)| after - earliest[slave as usize]).collect();
        late.sort_unstable();
        late
    }
}
