//! What only the operating system can tell: the one room with `unsafe`.
//!
//! Everything here is a thin, safe face of a libc call: clocks and `clock_adjtime`, datagrams with
//! their kernel timestamps, random bytes. Nothing is decided here. Every `unsafe` block says why
//! it is sound; whatever the kernel writes is read by length, never by trust.
//!
//! Constants and types are those of the `libc` crate. They differ between glibc and musl and
//! between x86_64 and aarch64 in width only, hence the casts to an inferred type.

mod adjtime;
mod batch;
mod clocks;
mod people;
mod stamps;

pub(crate) use adjtime::{Timex, adjtime_allowed, clock_adjtime};
pub(crate) use batch::{Inbound, Outbound, TxStamps};
pub(crate) use clocks::{monotonic_raw, realtime, suspended};
pub(crate) use people::{effective_user, lock, peer_user};
pub(crate) use stamps::{
    Received, Stamping, enable_timestamping, set_receive_buffer, set_rxq_ovfl,
};

use std::io;

/// Turns the −1 of a libc call into its `errno`.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Fills `bytes` from the kernel's random source (`getrandom`); waits for it once at boot.
///
/// # Errors
/// Where the kernel has no such call, or a sandbox forbids it.
#[expect(clippy::disallowed_methods, reason = "the door through which randomness comes in")]
pub(crate) fn os_random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: `rest` is a live, writable buffer, and its own length is given.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => filled += got,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// The machine's host name; what is not UTF-8 in it is replaced.
///
/// # Errors
/// Where the kernel refuses to tell.
pub(crate) fn hostname() -> io::Result<String> {
    // POSIX allows 255 bytes, Linux 64; the last byte stays zero, whatever was cut off.
    let mut name = [0u8; 256];
    // SAFETY: the buffer is live and writable, and one byte less than its length is given.
    checked(unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) })?;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Ok(String::from_utf8_lossy(&name[..end]).into_owned())
}

/// Whether this process holds `CAP_SYS_TIME`. Inside a user namespace of its own a process may
/// hold it and still be refused: [`adjtime_allowed`] asks the kernel itself.
pub(crate) fn capability_sys_time() -> bool {
    const CAP_SYS_TIME: u32 = 25;
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| effective_capabilities(&status) >> CAP_SYS_TIME & 1 == 1)
}

/// The `CapEff` mask of `/proc/self/status`; empty where it is missing.
fn effective_capabilities(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_differ() {
        let (mut a, mut b) = ([0u8; 300], [0u8; 300]);
        os_random(&mut a).unwrap();
        os_random(&mut b).unwrap();
        assert_ne!(a, b);
        assert_ne!(a[270..], [0u8; 30]);
    }

    #[test]
    fn the_host_has_the_name_that_proc_tells() {
        let told = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(hostname().unwrap(), told.trim_end());
    }

    #[test]
    fn the_mask_of_capabilities_is_found() {
        let status = "Name:\tx\nCapPrm:\t0\nCapEff:\t0000000002000000\n";
        assert_eq!(effective_capabilities(status), 1 << 25);
        assert_eq!(effective_capabilities("CapEff:\tnonsense"), 0);
        assert_eq!(effective_capabilities(""), 0);
    }
}
