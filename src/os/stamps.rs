//! Datagrams with the kernel's timestamps: `SO_TIMESTAMPING` (Linux,
//! Documentation/networking/timestamping.rst).
//!
//! On receipt the stamp rides along as a control message. On sending it comes back later on the
//! socket's error queue, with the number of the datagram it belongs to. All stamps here are the
//! kernel's own (software), on `CLOCK_REALTIME`; a card's are the third of the three the kernel
//! hands over, on the card's own clock.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{SockAddr, SockAddrStorage};

use crate::time::{Shown, Time};

/// The stamp was taken when the datagram was handed to the card (linux/errqueue.h); the libc
/// crate does not name it.
const SCM_TSTAMP_SND: u32 = 0;

/// How many foreign entries of an error queue are skipped at one call.
const FOREIGN_AT_ONCE: usize = 64;

/// Which stamps a socket gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamping {
    /// Of received datagrams, and of sent ones on the error queue.
    Both,
    /// Of received datagrams only: a kernel before 3.19, or a sandbox.
    ReceiveOnly,
}

/// A received datagram, its bytes in the caller's buffer.
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

/// Asks for the count of datagrams lost on a full receive buffer with every datagram received.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn set_rxq_ovfl(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_option(fd, libc::SO_RXQ_OVFL, 1)
}

/// Receives one datagram into `buf`, with whatever the kernel says about it.
///
/// # Errors
/// `WouldBlock` where a non-blocking socket has none; whatever else recvmsg(2) names. An address
/// that is neither IPv4 nor IPv6 is `InvalidData`.
pub(crate) fn recv_stamped(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Received> {
    let (mut stamp, mut dropped) = (None, None);
    let message = receive(fd, buf, 0, |level, kind, data| match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => stamp = software_stamp(data),
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => dropped = word(data, 0),
        _ => {}
    })?;
    let from = message.from.ok_or(io::ErrorKind::InvalidData)?;
    let truncated = message.flags & libc::MSG_TRUNC != 0;
    Ok(Received { len: message.len, from, stamp, dropped, truncated })
}

/// Takes the next transmit stamp from the error queue; `None` where there is none (yet). Call it
/// until then: readiness is announced once for all of them. Never waits.
///
/// # Errors
/// Whatever recvmsg(2) names.
pub(crate) fn recv_tx_stamp(fd: BorrowedFd<'_>) -> io::Result<Option<TxStamp>> {
    for _ in 0..FOREIGN_AT_ONCE {
        let (mut at, mut id) = (None, None);
        let taken =
            receive(fd, &mut [], libc::MSG_ERRQUEUE, |level, kind, data| match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => at = software_stamp(data),
                (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR) => {
                    id = sent_id(data);
                }
                _ => {}
            });
        match taken {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        if let (Some(at), Some(id)) = (at, id) {
            return Ok(Some(TxStamp { id, at }));
        }
    }
    Ok(None)
}

fn set_option(fd: BorrowedFd<'_>, name: libc::c_int, value: libc::c_uint) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    let value: *const libc::c_uint = &value;
    // SAFETY: `value` points to a live integer of `size` bytes; the descriptor is open.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, value.cast(), size) };
    super::checked(result).map(drop)
}

struct Message {
    len: usize,
    from: Option<SocketAddr>,
    flags: libc::c_int,
}

/// Room for control messages, aligned as their headers want it. All that is asked for takes 152
/// bytes on a 64-bit machine.
#[repr(C, align(8))]
struct Control([u8; 512]);

/// One recvmsg(2); `control` is called with level, type and data of each control message.
fn receive(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: libc::c_int,
    control: impl FnMut(libc::c_int, libc::c_int, &[u8]),
) -> io::Result<Message> {
    let mut from = SockAddrStorage::zeroed();
    let from_size = from.size_of();
    let mut room = Control([0; 512]);
    let mut vector = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: a msghdr is pointers, integers and padding; all zero is a valid, empty one.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_name = (&raw mut from).cast();
    header.msg_namelen = from_size;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = room.0.as_mut_ptr().cast();
    header.msg_controllen = room.0.len() as _;
    let len = loop {
        // SAFETY: every pointer in `header` is to a live, writable place of the length beside it;
        // the descriptor is open. A call that was interrupted has written nothing.
        let got = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) };
        match usize::try_from(got) {
            Ok(len) => break len,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    };
    // SAFETY: recvmsg succeeded, so `header` describes control messages inside `room`.
    unsafe { each_control(&header, control) };
    let from_len = header.msg_namelen.min(from_size);
    // SAFETY: `from` was zeroed, then written by the kernel, `from_len` bytes of it.
    let from = unsafe { SockAddr::new(from, from_len) }.as_socket();
    Ok(Message { len: len.min(buf.len()), from, flags: header.msg_flags })
}

/// Calls `each` with level, type and data of each control message.
///
/// # Safety
/// `header` must be as recvmsg left it, its control buffer still alive.
unsafe fn each_control(
    header: &libc::msghdr,
    mut each: impl FnMut(libc::c_int, libc::c_int, &[u8]),
) {
    let room: usize = header.msg_controllen as _;
    let end = header.msg_control as usize + room;
    // SAFETY: the caller's promise is what this macro asks for.
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
