use super::*;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::os::{Stamping, enable_timestamping};

const ROOM: usize = 8;

fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn send_all(outbound: &mut Outbound, socket: &UdpSocket) -> Vec<Result<usize, io::ErrorKind>> {
    let mut results = Vec::new();
    while !outbound.is_empty() {
        results.push(outbound.send(socket.as_fd()).map_err(|error| error.kind()));
    }
    results
}

/// Forty datagrams to two receivers in turn arrive whole, in order, and are stamped under their
/// own numbers.
fn a_batch_arrives(most_calls: usize) {
    let (sender, even, odd) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let stamping = enable_timestamping(sender.as_fd()).ok();
    let (mut outbound, mut inbound) = (Outbound::new(40, ROOM), Inbound::new(40, ROOM + 1));
    for i in 0..40u64 {
        let to = if i % 2 == 0 { &even } else { &odd };
        outbound.push(&i.to_be_bytes(), to.local_addr().unwrap());
    }
    assert!(outbound.is_full());
    let calls = send_all(&mut outbound, &sender);
    assert_eq!(calls.iter().map(|sent| sent.unwrap()).sum::<usize>(), 40);
    assert!(calls.len() <= most_calls, "{calls:?}");
    for (receiver, first) in [(&even, 0), (&odd, 1)] {
        receiver.set_nonblocking(true).unwrap();
        assert_eq!(inbound.receive(receiver.as_fd(), 40).unwrap(), 20);
        for place in 0..20 {
            let (got, bytes) = inbound.get(place).unwrap();
            assert_eq!(got.from, sender.local_addr().unwrap());
            assert!(!got.truncated);
            assert_eq!(bytes, (first + 2 * place as u64).to_be_bytes());
        }
        assert!(inbound.get(20).is_none());
        let empty = inbound.receive(receiver.as_fd(), 40).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }
    let mut stamps = TxStamps::new(16);
    let mut ids = Vec::new();
    loop {
        let more = stamps.receive(sender.as_fd()).unwrap();
        ids.extend(stamps.taken().iter().map(|stamp| stamp.id));
        if !more {
            break;
        }
    }
    if stamping == Some(Stamping::Both) && !ids.is_empty() {
        assert_eq!(ids, (0..40).collect::<Vec<_>>());
    } else {
        println!("not tested: transmit stamps");
    }
}

#[test]
fn a_batch_takes_one_call() {
    a_batch_arrives(1);
}

#[test]
fn a_sandbox_that_refuses_the_calls_costs_only_speed() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        // A filter is for good, but only for the thread that asks for it.
        let confined = move || match forbid(errno, &[libc::SYS_recvmmsg, libc::SYS_sendmmsg]) {
            Ok(()) => {
                let mut none: [libc::mmsghdr; 0] = [];
                // SAFETY: no header is given, and none is looked at.
                let got = unsafe { libc::sendmmsg(-1, none.as_mut_ptr(), 0, 0) };
                assert_eq!((got, io::Error::last_os_error().raw_os_error()), (-1, Some(errno)));
                a_batch_arrives(40);
            }
            Err(error) => println!("skipped: no system call filter here: {error}"),
        };
        std::thread::spawn(confined).join().unwrap();
    }
}

#[test]
fn what_is_refused_in_the_middle_is_named_and_the_rest_sent() {
    let (sender, receiver) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let there = receiver.local_addr().unwrap();
    let mut outbound = Outbound::new(8, ROOM);
    for i in 0..5u64 {
        // A socket of 127.0.0.1 cannot reach beyond this machine.
        let to = if i == 2 { "192.0.2.1:9".parse().unwrap() } else { there };
        outbound.push(&i.to_be_bytes(), to);
    }
    let results = send_all(&mut outbound, &sender);
    assert_eq!((results[0], results[2]), (Ok(2), Ok(2)), "{results:?}");
    assert!(results[1].is_err() && results.len() == 3, "{results:?}");
    let mut inbound = Inbound::new(8, ROOM);
    assert_eq!(inbound.receive(receiver.as_fd(), 4).unwrap(), 4);
    let numbers: Vec<_> = (0..4).map(|place| inbound.get(place).unwrap().1[7]).collect();
    assert_eq!(numbers, [0, 1, 3, 4]);
    outbound.push(&[9; ROOM], there);
    assert_eq!(send_all(&mut outbound, &sender), [Ok(1)]);
}

/// Lets this thread's `calls` fail with `errno` from now on (seccomp(2)).
fn forbid(errno: libc::c_int, calls: &[libc::c_long]) -> io::Result<()> {
    let step =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for call in calls {
        program.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, *call as u32));
        let refuse = libc::SECCOMP_RET_ERRNO | errno as u32;
        program.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, refuse));
    }
    program.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the first call takes integers only; the second a program that is alive.
    unsafe {
        crate::os::checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        let mode = libc::SECCOMP_MODE_FILTER;
        crate::os::checked(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter))?;
    }
    Ok(())
}
