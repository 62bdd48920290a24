//! Several datagrams with one system call: recvmmsg(2) and sendmmsg(2).
//!
//! Buffers are made once and used again. Where the kernel or a sandbox refuses the calls
//! (`ENOSYS`, `EPERM`), each datagram gets a recvmsg(2) or sendmsg(2) of its own from then on, and
//! nobody else notices.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::SockAddr;

use super::stamps::{
    CONTROL_ROOM, Control, Head, Received, TxStamp, note_receipt, note_sending, received,
};

/// The most datagrams of one call.
pub(crate) const MOST: usize = 64;

/// Whether the call itself is refused, not what it was to do.
fn unknown_call(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EOPNOTSUPP))
}

/// What one call is told of its datagrams. Only what is used is written: to clear all of it for each call
/// takes longer than to fill some of it.
struct Batch {
    vectors: [MaybeUninit<libc::iovec>; MOST],
    headers: [MaybeUninit<libc::mmsghdr>; MOST],
    count: usize,
}

impl Batch {
    fn new() -> Self {
        Self {
            vectors: [const { MaybeUninit::uninit() }; MOST],
            headers: [const { MaybeUninit::uninit() }; MOST],
            count: 0,
        }
    }

    /// Adds a datagram whose bytes lie there.
    ///
    /// # Panics
    /// Where there are [`MOST`] already.
    fn add(&mut self, bytes: *mut u8, len: usize) -> &mut libc::msghdr {
        self.vectors[self.count].write(libc::iovec { iov_base: bytes.cast(), iov_len: len });
        // SAFETY: an mmsghdr is pointers, integers and padding; all zero is valid.
        let blank: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        let header = &mut self.headers[self.count].write(blank).msg_hdr;
        self.count += 1;
        header
    }

    /// Those that were added, for a call that comes before this is touched or moved.
    fn headers(&mut self) -> &mut [libc::mmsghdr] {
        let headers = self.headers.as_mut_ptr().cast();
        // SAFETY: the first `count` were written, and a MaybeUninit is laid out like what it may hold.
        let headers: &mut [libc::mmsghdr] =
            unsafe { std::slice::from_raw_parts_mut(headers, self.count) };
        let vectors: *mut libc::iovec = self.vectors.as_mut_ptr().cast();
        for (i, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_iov = vectors.wrapping_add(i);
            header.msg_hdr.msg_iovlen = 1;
        }
        headers
    }
}

/// Room for the datagrams of one call.
struct Slots {
    /// Bytes for each.
    room: usize,
    bytes: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
    /// recvmmsg is refused.
    singly: bool,
}

impl Slots {
    fn new(count: usize, room: usize) -> Self {
        let count = count.clamp(1, MOST);
        // SAFETY: a sockaddr_storage is integers; all zero is valid.
        let nobody: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
        Self {
            room,
            bytes: vec![0; count * room].into(),
            names: vec![nobody; count].into(),
            controls: (0..count).map(|_| Control([0; CONTROL_ROOM])).collect(),
            singly: false,
        }
    }

    /// Receives up to `most` datagrams and hands each with its place to `each`; gives their
    /// number. Less than asked for: no more are there, or the next call says why.
    fn fill(
        &mut self,
        fd: BorrowedFd<'_>,
        flags: libc::c_int,
        most: usize,
        mut each: impl FnMut(usize, Head<'_>),
    ) -> io::Result<usize> {
        let most = most.clamp(1, self.names.len());
        let mut batch = Batch::new();
        for i in 0..most {
            let bytes = &mut self.bytes[i * self.room..][..self.room];
            let header = batch.add(bytes.as_mut_ptr(), self.room);
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as _;
            header.msg_control = self.controls[i].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_ROOM as _;
        }
        let headers = batch.headers();
        let count = self.call(fd, headers, flags)?;
        for (i, header) in headers[..count].iter().enumerate() {
            let len = (header.msg_len as usize).min(self.room);
            // SAFETY: the call has filled this header, whose name and control messages lie in
            // `self.names[i]` and `self.controls[i]`.
            each(i, unsafe { Head::new(&header.msg_hdr, &self.names[i], len) });
        }
        Ok(count)
    }

    fn call(
        &mut self,
        fd: BorrowedFd<'_>,
        headers: &mut [libc::mmsghdr],
        flags: libc::c_int,
    ) -> io::Result<usize> {
        let fd = fd.as_raw_fd();
        if !self.singly {
            let count = headers.len() as libc::c_uint;
            // SAFETY: each header's pointers are to live, writable places of the lengths beside
            // them, and there are `count` of them; no timeout is given.
            let call = || unsafe {
                libc::recvmmsg(fd, headers.as_mut_ptr(), count, flags as _, std::ptr::null_mut())
            };
            match uninterrupted(call) {
                Err(error) if unknown_call(&error) => self.singly = true,
                other => return other,
            }
        }
        for (i, header) in headers.iter_mut().enumerate() {
            // SAFETY: as above, for one header.
            let call = || unsafe { libc::recvmsg(fd, &raw mut header.msg_hdr, flags) as _ };
            match uninterrupted(call) {
                Ok(len) => header.msg_len = len as libc::c_uint,
                Err(error) if i == 0 => return Err(error),
                // Nothing is left, or the next call says what is wrong.
                Err(_) => return Ok(i),
            }
        }
        Ok(headers.len())
    }
}

/// Repeats a call that a signal has interrupted before it did anything.
fn uninterrupted(mut call: impl FnMut() -> libc::c_int) -> io::Result<usize> {
    loop {
        match super::checked(call()) {
            Ok(count) => return Ok(count as usize),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Datagrams that come in, a batch at a time.
pub(crate) struct Inbound {
    slots: Slots,
    taken: Vec<Option<Received>>,
}

impl Inbound {
    /// Room for `count` datagrams of `room` bytes, [`MOST`] at most.
    pub(crate) fn new(count: usize, room: usize) -> Self {
        let slots = Slots::new(count, room);
        Self { taken: Vec::with_capacity(slots.names.len()), slots }
    }

    /// Receives up to `most` datagrams, with whatever the kernel says about them, in place of
    /// those of the last call; gives their number. Fewer than `most`: no more were there.
    ///
    /// # Errors
    /// `WouldBlock` where a non-blocking socket has none; whatever else recvmmsg(2) names.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let taken = &mut self.taken;
        taken.clear();
        self.slots.fill(fd, 0, most, |_, head| {
            let mut said = (None, None);
            head.controls(|level, kind, data| note_receipt(level, kind, data, &mut said));
            taken.push(received(&head, said));
        })
    }

    /// The datagram at `place` of the last batch; nothing where its address is of a family that
    /// nobody asked for.
    pub(crate) fn get(&self, place: usize) -> Option<(Received, &[u8])> {
        let got = (*self.taken.get(place)?)?;
        Some((got, &self.slots.bytes[place * self.slots.room..][..got.len]))
    }
}

impl std::fmt::Debug for TxStamps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxStamps").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// Transmit stamps, a batch at a time.
pub(crate) struct TxStamps {
    slots: Slots,
    taken: Vec<TxStamp>,
}

impl TxStamps {
    /// Room for `count` stamps, [`MOST`] at most.
    pub(crate) fn new(count: usize) -> Self {
        let slots = Slots::new(count, 0);
        Self { taken: Vec::with_capacity(slots.names.len()), slots }
    }

    /// Takes what the error queue holds, a batch at most, in place of the last one. `true`: there
    /// may be more; else readiness is announced anew. Never waits.
    ///
    /// # Errors
    /// Whatever recvmmsg(2) names, except that nothing is there.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let most = self.slots.names.len();
        let taken = &mut self.taken;
        taken.clear();
        let count = self.slots.fill(fd, libc::MSG_ERRQUEUE, most, |_, head| {
            let mut said = (None, None);
            head.controls(|level, kind, data| note_sending(level, kind, data, &mut said));
            if let (Some(at), Some(id)) = said {
                taken.push(TxStamp { id, at });
            }
        });
        match count {
            Ok(count) => Ok(count == most),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The stamps of the last batch.
    pub(crate) fn taken(&self) -> &[TxStamp] {
        &self.taken
    }
}

/// Datagrams that go out, a batch at a time, in the order in which they were put in.
pub(crate) struct Outbound {
    room: usize,
    bytes: Box<[u8]>,
    names: Vec<SockAddr>,
    /// So many of them are done with.
    done: usize,
    /// sendmmsg is refused.
    singly: bool,
}

impl Outbound {
    /// Room for `count` datagrams of `room` bytes each, [`MOST`] at most.
    pub(crate) fn new(count: usize, room: usize) -> Self {
        let count = count.clamp(1, MOST);
        Self {
            room,
            bytes: vec![0; count * room].into(),
            names: Vec::with_capacity(count),
            done: 0,
            singly: false,
        }
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.done == self.names.len()
    }

    /// Whether the batch must be sent before anything more is put in.
    pub(crate) fn is_full(&self) -> bool {
        self.names.len() == self.names.capacity()
    }

    /// Puts a datagram of the agreed length in.
    ///
    /// # Panics
    /// Where the batch is full or the length is another.
    pub(crate) fn push(&mut self, datagram: &[u8], to: SocketAddr) {
        if self.is_empty() {
            self.names.clear();
            self.done = 0;
        }
        assert!(
            !self.is_full() && datagram.len() == self.room,
            "a full batch, or a foreign length"
        );
        let start = self.names.len() * self.room;
        self.bytes[start..][..self.room].copy_from_slice(datagram);
        self.names.push(to.into());
    }

    /// Hands what waits to the kernel; gives how many it took. Those that are left wait for the
    /// next call.
    ///
    /// # Errors
    /// The kernel's refusal of the first that waits, which is dropped. None before it was.
    pub(crate) fn send(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let waiting = self.names.len() - self.done;
        let sent = if self.singly || waiting == 1 {
            self.send_one(fd)
        } else {
            match self.send_many(fd) {
                // A firewall says the same of a datagram as a sandbox of the call.
                Err(error) if unknown_call(&error) => {
                    let one = self.send_one(fd);
                    self.singly = one.is_ok();
                    one
                }
                other => other,
            }
        };
        self.done += *sent.as_ref().unwrap_or(&1);
        sent
    }

    fn send_many(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let mut batch = Batch::new();
        let waiting = &self.names[self.done..];
        for (i, name) in waiting.iter().enumerate() {
            let bytes = &mut self.bytes[(self.done + i) * self.room..][..self.room];
            let header = batch.add(bytes.as_mut_ptr(), self.room);
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len();
        }
        let (fd, headers) = (fd.as_raw_fd(), batch.headers());
        let count = headers.len() as libc::c_uint;
        // SAFETY: each header's pointers are to live places of the lengths beside them, which the
        // kernel only reads; there are `count` of them, and MOST at most.
        uninterrupted(|| unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), count, 0) })
    }

    fn send_one(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let bytes = &self.bytes[self.done * self.room..][..self.room];
        let name = &self.names[self.done];
        // SAFETY: both pointers are to live places of the lengths beside them.
        let call = || unsafe {
            let (data, to) = (bytes.as_ptr().cast(), name.as_ptr().cast());
            libc::sendto(fd.as_raw_fd(), data, bytes.len(), 0, to, name.len()) as _
        };
        uninterrupted(call).map(|_| 1)
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
