//! Who runs us, who calls us, and who else is at a directory.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::checked;

/// The effective user id of this process; 0 is root.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: it takes nothing, touches no memory and cannot fail.
    unsafe { libc::geteuid() }
}

/// The effective user id of whoever connected to a Unix stream socket, by the kernel's word
/// (`SO_PEERCRED`).
///
/// # Errors
/// Where the socket is no such socket.
pub(crate) fn peer_user(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut who = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `who` is a live ucred for the kernel to write to, and `length` is its length.
    checked(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &raw mut length,
        )
    })?;
    Ok(who.uid)
}

/// Waits until nobody else holds the lock of a file or directory, then holds it until that is
/// closed (`flock`).
///
/// # Errors
/// Where the file system knows no locks.
pub(crate) fn lock(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a descriptor that is open, and no memory.
    checked(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn whoever_calls_from_this_process_is_its_user() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(peer_user(ours.as_fd()).unwrap(), effective_user());
        let file = std::fs::File::open("/").unwrap();
        assert!(peer_user(file.as_fd()).is_err());
        lock(file.as_fd()).unwrap();
    }
}
