//! Datagrams with the kernel's timestamps: `SO_TIMESTAMPING` (Linux,
//! Documentation/networking/timestamping.rst).
//!
//! On receipt the stamp rides along as a control message. On sending it comes back later on the
//! socket's error queue, with the number of the datagram it belongs to. All stamps here are the
//! kernel's own (software), on `CLOCK_REALTIME`; a card's are the third of the three the kernel
//! hands over, on the card's own clock.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{SockAddr, SockAddrStorage};

use crate::time::{Shown, Time};

/// The stamp was taken when the datagram was handed to the card (linux/errqueue.h); the libc
/// crate does not name it.
const SCM_TSTAMP_SND: u32 = 0;

/// Which stamps a socket gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamping {
    /// Of received datagrams, and of sent ones on the error queue.
    Both,
    /// Of received datagrams only: a kernel before 3.19, or a sandbox.
    ReceiveOnly,
}

/// A received datagram; its bytes are elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// How many bytes of the buffer are filled.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel's network stack took it in, where it says so.
    pub stamp: Option<Time<Shown>>,
    /// How many datagrams this socket has lost so far because its buffer was full, modulo 2³²;
    /// the kernel says so from the first loss on, if [`set_rxq_ovfl`] asked for it.
    pub dropped: Option<u32>,
    /// The datagram was longer than the buffer; the rest is gone.
    pub truncated: bool,
}

/// When a datagram left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TxStamp {
    /// Which one: the kernel counts the datagrams of a socket from 0, modulo 2³².
    pub id: u32,
    /// When the driver was given it.
    pub at: Time<Shown>,
}

/// Asks for software stamps in both directions; where that is refused, for those of receipt.
///
/// The kernel switches stamps of receipt on in the background, when the first socket of the
/// machine asks: for the first milliseconds they may be missing.
///
/// The count behind [`TxStamp::id`] starts at 0 with every call. Before Linux 6.2 a datagram the
/// socket refused to send (buffer full) counts all the same: after such an error call this again
/// and count anew.
///
/// # Errors
/// The kernel's refusal. The socket works on without stamps.
pub(crate) fn enable_timestamping(fd: BorrowedFd<'_>) -> io::Result<Stamping> {
    const RECEIVE: libc::c_uint =
        libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    const TRANSMIT: libc::c_uint = libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    // Switched off first, because the kernel starts the count only where the option was off.
    set_option(fd, libc::SO_TIMESTAMPING, 0)?;
    match set_option(fd, libc::SO_TIMESTAMPING, RECEIVE | TRANSMIT) {
        Ok(()) => Ok(Stamping::Both),
        Err(_) => set_option(fd, libc::SO_TIMESTAMPING, RECEIVE).map(|()| Stamping::ReceiveOnly),
    }
}

/// Asks for a receive buffer of `bytes`, beyond the system's usual limit where this process may
/// (`CAP_NET_ADMIN`), else up to it. The kernel reckons with twice of what it is asked for.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn set_receive_buffer(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_uint::try_from(bytes).unwrap_or(libc::c_uint::MAX).min(i32::MAX as u32 / 2);
    set_option(fd, libc::SO_RCVBUFFORCE, bytes).or_else(|_| set_option(fd, libc::SO_RCVBUF, bytes))
}

/// Asks for the count of datagrams lost on a full receive buffer with every datagram received.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn set_rxq_ovfl(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_option(fd, libc::SO_RXQ_OVFL, 1)
}

/// What the control messages of a received datagram say: when it came, how many were lost so far.
pub(super) type Receipt = (Option<Time<Shown>>, Option<u32>);

/// Takes one control message of a received datagram in.
pub(super) fn note_receipt(level: libc::c_int, kind: libc::c_int, data: &[u8], said: &mut Receipt) {
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => said.0 = software_stamp(data),
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => said.1 = word(data, 0),
        _ => {}
    }
}

/// Takes one control message of an entry of the error queue in: when a datagram left, and which.
pub(super) fn note_sending(
    level: libc::c_int,
    kind: libc::c_int,
    data: &[u8],
    said: &mut (Option<Time<Shown>>, Option<u32>),
) {
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => said.0 = software_stamp(data),
        (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR) => {
            said.1 = sent_id(data);
        }
        _ => {}
    }
}

fn set_option(fd: BorrowedFd<'_>, name: libc::c_int, value: libc::c_uint) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    let value: *const libc::c_uint = &value;
    // SAFETY: `value` points to a live integer of `size` bytes; the descriptor is open.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, value.cast(), size) };
    super::checked(result).map(drop)
}

/// Bytes for the control messages of a datagram. All that is asked for takes 152 of them on a
/// 64-bit machine.
pub(super) const CONTROL_ROOM: usize = 256;

/// Room for control messages, aligned as their headers want it.
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL_ROOM]);

/// A message as the kernel has described it.
pub(super) struct Head<'a> {
    header: &'a libc::msghdr,
    name: &'a libc::sockaddr_storage,
    len: usize,
}

impl<'a> Head<'a> {
    /// # Safety
    /// `header` must be as recvmsg(2) or recvmmsg(2) left it, `name` what its name points to, its
    /// control buffer still alive.
    pub(super) unsafe fn new(
        header: &'a libc::msghdr,
        name: &'a libc::sockaddr_storage,
        len: usize,
    ) -> Self {
        Self { header, name, len }
    }

    /// Calls `each` with level, type and data of each control message.
    pub(super) fn controls(&self, mut each: impl FnMut(libc::c_int, libc::c_int, &[u8])) {
        let header = self.header;
        let room: usize = header.msg_controllen as _;
        let end = header.msg_control as usize + room;
        // SAFETY: whoever made this promised that the control buffer is alive and the kernel's.
        let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a header wholly inside the buffer.
        while let Some(control) = unsafe { next.as_ref() } {
            // SAFETY: the data begins one aligned header after `control`.
            let data = unsafe { libc::CMSG_DATA(control) };
            let head = data as usize - next as usize;
            let len: usize = control.cmsg_len as _;
            let len = len.saturating_sub(head).min(end.saturating_sub(data as usize));
            // SAFETY: `len` is cut to what lies inside the buffer, which the kernel has written.
            let bytes = unsafe { std::slice::from_raw_parts(data, len) };
            each(control.cmsg_level, control.cmsg_type, bytes);
            // SAFETY: `control` came out of this same `header`.
            next = unsafe { libc::CMSG_NXTHDR(header, control) };
        }
    }
}

/// The datagram that `head` describes, with what its control messages said; nothing where its
/// address is neither IPv4 nor IPv6.
pub(super) fn received(head: &Head<'_>, (stamp, dropped): Receipt) -> Option<Received> {
    let len = head.header.msg_namelen;
    if (len as usize) < size_of::<libc::sockaddr_in>() {
        return None;
    }
    let mut name = SockAddrStorage::zeroed();
    // SAFETY: the storage is one of this very type. Its bytes were zeroed when they were made, and
    // only kernels have written to them since, the last one `len` of them.
    let from = unsafe {
        *name.view_as::<libc::sockaddr_storage>() = *head.name;
        SockAddr::new(name, len.min(size_of::<libc::sockaddr_storage>() as _))
    };
    let from = from.as_socket()?;
    let truncated = head.header.msg_flags & libc::MSG_TRUNC != 0;
    Some(Received { len: head.len, from, stamp, dropped, truncated })
}

/// A `u32` of the machine's own byte order at `at`.
fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

/// The first of the three timespecs of a `scm_timestamping`: the software stamp. Where it was not
/// taken it is zero. Old 32-bit kernels hand over words of 32 bits.
fn software_stamp(data: &[u8]) -> Option<Time<Shown>> {
    let (secs, nanos) = match data.len() {
        48.. => (
            i64::from_ne_bytes(data[..8].try_into().ok()?),
            i64::from_ne_bytes(data[8..16].try_into().ok()?),
        ),
        24..48 => (
            i32::from_ne_bytes(data[..4].try_into().ok()?).into(),
            i32::from_ne_bytes(data[4..8].try_into().ok()?).into(),
        ),
        _ => return None,
    };
    if (secs, nanos) == (0, 0) {
        return None;
    }
    Some(Time::from_nanos(secs.saturating_mul(1_000_000_000).saturating_add(nanos)))
}

/// The number in a `sock_extended_err`, if it tells of a datagram's leaving. Layout
/// (linux/errqueue.h): errno `u32`, origin, type, code, pad, info `u32`, data `u32`.
fn sent_id(data: &[u8]) -> Option<u32> {
    let origin = *data.get(4)?;
    let stamped = word(data, 0)? == libc::ENOMSG as u32
        && origin == libc::SO_EE_ORIGIN_TIMESTAMPING
        && word(data, 8)? == SCM_TSTAMP_SND;
    if stamped { word(data, 12) } else { None }
}

#[cfg(test)]
#[path = "stamps_tests.rs"]
mod tests;
