//! Inside a guest: tells the host its clocks, and runs what the host asks for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Instant, SystemTime};

use crate::wire::{PORT, QUESTION};

/// Never returns.
pub fn serve() {
    let orders = TcpListener::bind(("0.0.0.0", PORT)).unwrap();
    thread::spawn(move || {
        for order in orders.incoming() {
            thread::spawn(move || carry_out(order.unwrap()));
        }
    });
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).unwrap();
    let started = Instant::now();
    let mut question = [0; QUESTION];
    loop {
        let Ok((QUESTION, host)) = socket.recv_from(&mut question) else { continue };
        let (real, up) = clocks(started);
        let answer = [question, real.to_be_bytes(), up.to_be_bytes()].concat();
        // The host asks again where an answer is lost.
        let _ = socket.send_to(&answer, host);
    }
}

/// `CLOCK_REALTIME` since 1970 and `CLOCK_MONOTONIC` since `started`, in ns, as they were at about
/// the same instant. The kernel steers the rates of the two alike, and a step moves only the
/// first: their difference changes by steps and by nothing else.
fn clocks(started: Instant) -> (u64, u64) {
    let read = |_| {
        let before = started.elapsed().as_nanos() as u64;
        let real = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let after = started.elapsed().as_nanos() as u64;
        (after - before, real.as_nanos() as u64, before.midpoint(after))
    };
    let (_, real, up) = (0..4).map(read).min().unwrap();
    (real, up)
}

/// A shell command until the end of what the host sends; back come its exit code on a line and
/// then all it printed.
fn carry_out(mut host: TcpStream) {
    let mut command = String::new();
    host.read_to_string(&mut command).unwrap();
    let ran = Command::new("/bin/sh").arg("-c").arg(format!("{{ {command}\n}} 2>&1")).output();
    let ran = ran.unwrap();
    let code = ran.status.code().unwrap_or(-1);
    let _ = host.write_all(&[format!("{code}\n").as_bytes(), &ran.stdout].concat());
}
