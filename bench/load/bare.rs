//! The bare loop: a master that moves the daemon's datagrams and does nothing else.
//!
//! It wakes every other millisecond like the daemon where many datagrams come, receives what is there in
//! batches of 32, sends as many adjusts as replies came and as many polls as the clock says, together in
//! batches of 64, and takes the transmit stamps off the error queue in such batches, if the kernel gives any.

use std::io::IoSliceMut;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

use campanile::wire::LEN;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBufForce, Timestamping};
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrIn, TimestampingFlag, bind,
    recvmmsg, sendmmsg, setsockopt, socket,
};
use nix::time::{ClockId, clock_gettime};

use super::wire::{ADJUST, KIND, POLL};

const BATCH: usize = 32;
/// Datagrams that are sent with one call, and stamps that are taken.
const LOT: usize = 64;
/// Turns are so far apart.
const APART: Duration = Duration::from_millis(2);

/// Where it listens and how often it polls.
pub struct Plan {
    addr: SocketAddrV4,
    polls_per_second: f64,
}

impl Plan {
    /// Given with `--bare ADDR:PORT RATE`.
    pub fn from_args() -> Option<Self> {
        let args: Vec<_> = std::env::args().collect();
        let [_, flag, addr, rate] = &args[..] else { return None };
        let plan = || Some(Self { addr: addr.parse().ok()?, polls_per_second: rate.parse().ok()? });
        (flag == "--bare").then(plan)?
    }
}

struct Loop<F: AsFd> {
    fd: F,
    headers: MultiHeaders<SockaddrIn>,
    out: MultiHeaders<SockaddrIn>,
    stamps: MultiHeaders<SockaddrIn>,
    bytes: Vec<[u8; LEN + 1]>,
    /// The slaves, in the order of their first datagrams.
    known: Vec<SockaddrIn>,
    /// What is to be sent at this turn: of which kind, and where to.
    leaving: Vec<(u8, SockaddrIn)>,
}

/// Runs until it is killed.
pub fn run(plan: &Plan) -> Result<(), String> {
    let failed = |e: Errno| e.to_string();
    let fd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_NONBLOCK, None);
    let fd = fd.map_err(failed)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(plan.addr)).map_err(failed)?;
    let _ = setsockopt(&fd, RcvBufForce, &(16 << 20));
    let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    let _ = setsockopt(&fd, Timestamping, &flags);
    let room = || Some(vec![0; 256]);
    let mut bare = Loop {
        fd,
        headers: MultiHeaders::preallocate(BATCH, room()),
        out: MultiHeaders::preallocate(LOT, None),
        stamps: MultiHeaders::preallocate(LOT, room()),
        bytes: vec![[0; LEN + 1]; BATCH],
        known: Vec::new(),
        leaving: Vec::new(),
    };
    let start = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(failed)?;
    let (mut polled, mut next) = (0u64, 0);
    let mut turn = None;
    loop {
        rest(&mut turn);
        let mut fds = [PollFd::new(bare.fd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(1u8)).map_err(failed)?;
        bare.receive();
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(failed)? - start;
        let now = now.tv_sec() as f64 + now.tv_nsec() as f64 * 1e-9;
        let due = (now * plan.polls_per_second) as u64;
        let left = if bare.known.is_empty() { 0 } else { due.saturating_sub(polled) };
        polled = due;
        for _ in 0..left {
            bare.leaving.push((POLL, bare.known[next]));
            next = (next + 1) % bare.known.len();
        }
        bare.send();
        bare.take_stamps();
    }
}

/// Until two milliseconds after the last turn began.
#[expect(clippy::disallowed_methods, reason = "the daemon does so, too")]
fn rest(turn: &mut Option<Instant>) {
    let now = Instant::now();
    let due = turn.map_or(now, |last| (last + APART).max(now));
    thread::sleep(due - now);
    *turn = Some(due);
}

impl<F: AsFd> Loop<F> {
    fn receive(&mut self) {
        loop {
            let mut slices: Vec<_> = self.bytes.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
            let fd = self.fd.as_fd().as_raw_fd();
            let got = recvmmsg(fd, &mut self.headers, &mut slices, MsgFlags::MSG_DONTWAIT, None);
            let Ok(got) = got else { return };
            let from: Vec<_> = got.filter_map(|message| message.address).collect();
            for (from, bytes) in from.iter().zip(&self.bytes) {
                if bytes[KIND] == 1 {
                    self.known.push(*from);
                } else {
                    self.leaving.push((ADJUST, *from));
                }
            }
        }
    }

    fn send(&mut self) {
        let of_kind = |kind: u8| {
            let mut datagram = [0; LEN];
            datagram[KIND] = kind;
            datagram
        };
        let (poll, adjust) = (of_kind(POLL), of_kind(ADJUST));
        let bytes = |kind: u8| if kind == POLL { &poll } else { &adjust };
        let fd = self.fd.as_fd().as_raw_fd();
        for lot in self.leaving.chunks(LOT) {
            let slices: Vec<_> =
                lot.iter().map(|(kind, _)| [std::io::IoSlice::new(bytes(*kind))]).collect();
            let to: Vec<_> = lot.iter().map(|(_, to)| Some(*to)).collect();
            let _ = sendmmsg(fd, &mut self.out, &slices, &to, [], MsgFlags::empty()).map(|_| ());
        }
        self.leaving.clear();
    }

    fn take_stamps(&mut self) {
        loop {
            let mut none: [[u8; 0]; LOT] = [[]; LOT];
            let mut slices: Vec<_> = none.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
            let fd = self.fd.as_fd().as_raw_fd();
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_ERRQUEUE;
            let got = recvmmsg(fd, &mut self.stamps, &mut slices, flags, None).map(|g| g.count());
            if got.unwrap_or(0) < LOT {
                return;
            }
        }
    }
}
