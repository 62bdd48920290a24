//! The questions the host asks and the answers of a guest.

use std::net::{TcpListener, UdpSocket};

/// A question is a number that the answer repeats.
pub const QUESTION: usize = 8;
/// An answer: the number, the guest's `CLOCK_REALTIME` since 1970, and how long its
/// `CLOCK_MONOTONIC` says that the answering program runs; both in ns.
pub const ANSWER: usize = 24;

/// Where a guest answers: questions over UDP, and shell commands over TCP.
pub const PORT: u16 = 7;

/// A port that nobody uses on this machine, for UDP and TCP alike.
pub fn free_port() -> u16 {
    loop {
        let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
