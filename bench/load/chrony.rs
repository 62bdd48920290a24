//! What chronyd costs as a server, and a bare loop with its system calls: for comparison.
//!
//! A thousand groups of requests a second come from ten thousand addresses. chronyd answers each of its own
//! accord, so that there is a reply for each datagram it is sent, and nothing else. It runs with `-x`, by which
//! it leaves the machine's clock alone.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::select::{FdSet, pselect};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, RcvBufForce, Timestamping};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockFlag, SockType,
    SockaddrIn, TimestampingFlag, bind, recvmmsg, sendmsg, setsockopt, socket,
};

use super::master::Subject;

/// An NTP datagram without extensions.
const LEN: usize = 48;
/// Version 4; a client asks, a server answers.
const ASKS: u8 = 0x23;
const ANSWERS: u8 = 0x24;
/// As many are received with one call by chronyd 4.
const BATCH: usize = 16;
const CLIENTS: u32 = 10_000;
const GROUP: u32 = 10;
const APART: Duration = Duration::from_millis(1);
/// Before it is measured.
const SETTLES: Duration = Duration::from_secs(2);

/// The bare loop, if `--bare-ntp ADDR:PORT` was given.
pub fn bare_from_args() -> Option<SocketAddrV4> {
    let args: Vec<_> = std::env::args().collect();
    let [_, flag, addr] = &args[..] else { return None };
    if flag == "--bare-ntp" { addr.parse().ok() } else { None }
}

struct Inbox {
    headers: MultiHeaders<SockaddrIn>,
    bytes: Vec<[u8; 2 * LEN]>,
}

impl Inbox {
    fn new() -> Self {
        let headers = MultiHeaders::preallocate(BATCH, Some(vec![0; 256]));
        Self { headers, bytes: vec![[0; 2 * LEN]; BATCH] }
    }

    /// From where what has come is, and to which of our addresses.
    fn receive(&mut self, fd: &OwnedFd) -> Result<Vec<(SockaddrIn, in_addr)>, Errno> {
        let mut slices: Vec<_> = self.bytes.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let got = recvmmsg(fd.as_raw_fd(), &mut self.headers, &mut slices, flags, None)?;
        let whose = got.filter_map(|message| {
            let to = message.cmsgs().ok()?.find_map(|said| match said {
                ControlMessageOwned::Ipv4PacketInfo(info) => Some(info.ipi_addr),
                _ => None,
            });
            message.address.zip(to)
        });
        Ok(whose.collect())
    }
}

fn send(fd: &OwnedFd, bytes: &[u8], from: in_addr, to: &SockaddrIn) -> Result<usize, Errno> {
    let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: from, ipi_addr: in_addr { s_addr: 0 } };
    let (slices, said) = ([IoSlice::new(bytes)], [ControlMessage::Ipv4PacketInfo(&info)]);
    sendmsg(fd.as_raw_fd(), &slices, &said, MsgFlags::empty(), Some(to))
}

fn open(addr: SocketAddrV4) -> Result<OwnedFd, String> {
    let failed = |e: Errno| format!("{addr}: {e}");
    let fd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_NONBLOCK, None);
    let fd = fd.map_err(failed)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(addr)).map_err(failed)?;
    setsockopt(&fd, Ipv4PacketInfo, &true).map_err(failed)?;
    Ok(fd)
}

/// Answers every datagram, and does nothing else, until it is killed.
pub fn run_bare(addr: SocketAddrV4) -> Result<(), String> {
    let fd = open(addr)?;
    let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
    let _ = setsockopt(&fd, Timestamping, &flags);
    let mut inbox = Inbox::new();
    let mut reply = [0; LEN];
    reply[0] = ANSWERS;
    loop {
        let mut ready = FdSet::new();
        ready.insert(fd.as_fd());
        pselect(None, &mut ready, None, None, None, None).map_err(|e| e.to_string())?;
        for (to, from) in inbox.receive(&fd).unwrap_or_default() {
            let _ = send(&fd, &reply, from, &to);
        }
    }
}

/// CPU time of a reply in seconds: chronyd's, and that of the bare loop before and after.
struct Cost {
    version: String,
    own: f64,
    bares: [f64; 2],
}

/// A line for people and one for programs, of so many seconds each.
pub fn measure(seconds: u64, core: Option<usize>) -> Result<String, String> {
    let version = version()?;
    let time = Duration::from_secs(seconds);
    let bare = || ask(&Subject::bare_ntp(core)?, time);
    let before = bare()?;
    let own = ask(&Subject::chronyd(core)?, time)?;
    Ok(Cost { version, own, bares: [before, bare()?] }.lines())
}

/// As in "chronyd 4.6.1".
fn version() -> Result<String, String> {
    let out = Command::new("chronyd").arg("--version").output();
    let out = out.map_err(|e| format!("chronyd: {e}; it is in the package chrony"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    let number = text.split_whitespace().skip_while(|word| *word != "version").nth(1);
    Ok(format!("chronyd {}", number.unwrap_or("?")))
}

impl Cost {
    fn lines(&self) -> String {
        let Self { version, own, bares } = self;
        let bare = bares.iter().sum::<f64>() / 2.0;
        let ratio = own / bare;
        format!(
            "# {version}: {:.2} us a reply, bare loop {:.2}, ratio {ratio:.2}\n\
             {{\"chronyd\":\"{version}\",\"cpu_per_reply_s\":{own:.4e},\"bare_before_cpu_per_reply_s\":{:.4e},\
             \"bare_after_cpu_per_reply_s\":{:.4e},\"ratio\":{ratio:.3}}}",
            own * 1e6,
            bare * 1e6,
            bares[0],
            bares[1],
        )
    }
}

/// The CPU time of each reply.
#[expect(clippy::disallowed_methods, reason = "requests come in groups")]
fn ask(subject: &Subject, time: Duration) -> Result<f64, String> {
    let fd = open(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
    let _ = setsockopt(&fd, RcvBufForce, &(16 << 20));
    let (to, mut inbox) = (SockaddrIn::from(subject.addr), Inbox::new());
    let mut request = [0; LEN];
    request[0] = ASKS;
    let begin = Instant::now();
    let (mut next, mut due) = (0, begin);
    let (mut from, mut replies) = (None, 0_u64);
    while begin.elapsed() < SETTLES + time {
        if from.is_none() && begin.elapsed() >= SETTLES {
            (from, replies) = (Some(subject.cpu()?), 0);
        }
        for _ in 0..GROUP {
            let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + next);
            next = (next + 1) % CLIENTS;
            let _ = send(&fd, &request, in_addr { s_addr: own.to_bits().to_be() }, &to);
        }
        due += APART;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        while let Ok(got) = inbox.receive(&fd) {
            replies += got.len() as u64;
        }
    }
    let asked = time.as_millis() as u64 * u64::from(GROUP);
    if replies < asked / 2 {
        return Err(format!("{replies} replies to {asked} requests"));
    }
    Ok((subject.cpu()? - from.unwrap_or(0.0)) / replies as f64)
}
