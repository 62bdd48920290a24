use super::*;
use crate::os::{Inbound, TxStamps, realtime};
use crate::time::Span;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

fn pair(address: &str) -> Option<(UdpSocket, UdpSocket)> {
    let receiver = match UdpSocket::bind(address) {
        Ok(socket) => socket,
        Err(error) => {
            println!("not tested: {address}: {error}");
            return None;
        }
    };
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let sender = UdpSocket::bind(address).unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    Some((sender, receiver))
}

fn recv_stamped(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Received> {
    let mut inbound = Inbound::new(1, buf.len());
    assert_eq!(inbound.receive(fd, 1)?, 1);
    let (got, bytes) = inbound.get(0).unwrap();
    buf[..bytes.len()].copy_from_slice(bytes);
    Ok(got)
}

fn recv_tx_stamp(fd: BorrowedFd<'_>) -> io::Result<Option<TxStamp>> {
    let mut stamps = TxStamps::new(1);
    while stamps.receive(fd)? {
        if let Some(stamp) = stamps.taken().first() {
            return Ok(Some(*stamp));
        }
    }
    Ok(None)
}

/// Sends the datagram `id`; its stamps must lie between our own readings around it. `None` where
/// there is no transmit stamp, else when it left and when it arrived.
fn one_datagram(
    sender: &UdpSocket,
    receiver: &UdpSocket,
    id: u32,
) -> Option<(Time<Shown>, Option<Time<Shown>>)> {
    let mut buf = [0u8; 64];
    let before = realtime();
    sender.send(&id.to_be_bytes()).unwrap();
    let got = recv_stamped(receiver.as_fd(), &mut buf).unwrap();
    let after = realtime();
    assert_eq!(got.from, sender.local_addr().unwrap());
    assert_eq!(&buf[..got.len], &id.to_be_bytes());
    assert!(!got.truncated);
    let sent = recv_tx_stamp(sender.as_fd()).unwrap()?;
    assert_eq!(sent.id, id);
    assert!(before <= sent.at && sent.at <= after, "{before:?} {sent:?} {after:?}");
    if let Some(at) = got.stamp {
        assert!(sent.at <= at && at <= after, "{sent:?} {at:?} {after:?}");
    }
    Some((sent.at, got.stamp))
}

/// Kernel stamps in both directions are there, plausible, and carry the right numbers; or it says
/// why this machine has none.
fn stamps_are_plausible(address: &str, count: u32) {
    let Some((sender, receiver)) = pair(address) else { return };
    for socket in [&sender, &receiver] {
        match enable_timestamping(socket.as_fd()) {
            Ok(Stamping::Both) => {}
            other => return println!("not tested: kernel stamps on {address}: {other:?}"),
        }
    }
    // The kernel switches stamps of receipt on in the background.
    let patience = realtime() + Span::from_secs(5);
    let mut ids = 0..;
    loop {
        let Some((_, arrived)) = one_datagram(&sender, &receiver, ids.next().unwrap()) else {
            return println!("not tested: no transmit stamps on {address}");
        };
        if arrived.is_some() {
            break;
        }
        if realtime() > patience {
            return println!("not tested: no stamps of receipt on {address} within 5 s");
        }
        std::thread::yield_now();
    }
    let mut on_the_way = 0;
    for id in ids.take(count as usize) {
        let (left, arrived) = one_datagram(&sender, &receiver, id).unwrap();
        on_the_way += (arrived.unwrap() - left).as_nanos();
    }
    assert_eq!(recv_tx_stamp(sender.as_fd()).unwrap(), None);
    let mean = on_the_way / i64::from(count);
    println!("{address}: {count} stamped both ways, {mean} ns from leaving to arrival");
}

#[test]
fn kernel_stamps_over_ipv4() {
    stamps_are_plausible("127.0.0.1:0", 200);
}

#[test]
fn kernel_stamps_over_ipv6() {
    stamps_are_plausible("[::1]:0", 200);
}

#[test]
fn asking_again_counts_from_zero() {
    let Some((sender, _receiver)) = pair("127.0.0.1:0") else { return };
    for _ in 0..2 {
        if enable_timestamping(sender.as_fd()).ok() != Some(Stamping::Both) {
            return println!("not tested: no kernel stamps here");
        }
        for id in 0..3 {
            sender.send(b"x").unwrap();
            match recv_tx_stamp(sender.as_fd()).unwrap() {
                Some(stamp) => assert_eq!(stamp.id, id),
                None => return println!("not tested: no transmit stamps on loopback"),
            }
        }
    }
}

#[test]
fn a_datagram_longer_than_the_buffer_is_flagged() {
    let (sender, receiver) = pair("127.0.0.1:0").unwrap();
    sender.send(&[7; 100]).unwrap();
    sender.send(&[]).unwrap();
    let mut buf = [0u8; 40];
    let long = recv_stamped(receiver.as_fd(), &mut buf).unwrap();
    assert_eq!((long.len, long.truncated, long.stamp), (40, true, None));
    let empty = recv_stamped(receiver.as_fd(), &mut buf).unwrap();
    assert_eq!((empty.len, empty.truncated), (0, false));
}

#[test]
fn an_empty_socket_would_block() {
    let (_sender, receiver) = pair("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let error = recv_stamped(receiver.as_fd(), &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn datagrams_lost_on_a_full_buffer_are_counted() {
    let (sender, receiver) = pair("127.0.0.1:0").unwrap();
    set_rxq_ovfl(receiver.as_fd()).unwrap();
    socket2::SockRef::from(&receiver).set_recv_buffer_size(4096).unwrap();
    const SENT: u32 = 500;
    for _ in 0..SENT {
        sender.send(&[0; 512]).unwrap();
    }
    receiver.set_nonblocking(true).unwrap();
    let mut buf = [0u8; 512];
    let mut kept = 0;
    while recv_stamped(receiver.as_fd(), &mut buf).is_ok() {
        kept += 1;
    }
    sender.send(&[0; 512]).unwrap();
    let last = recv_stamped(receiver.as_fd(), &mut buf).unwrap();
    assert!(kept < SENT);
    assert_eq!(last.dropped, Some(SENT - kept));
}

#[test]
fn control_data_of_any_length_is_survived() {
    let mut stamp = Vec::new();
    for value in [1_700_000_000i64, 5, 0, 0, 0, 0] {
        stamp.extend(value.to_ne_bytes());
    }
    let whole = Time::from_nanos(1_700_000_000_000_000_005);
    assert_eq!(software_stamp(&stamp), Some(whole));
    assert_eq!(software_stamp(&[0; 48]), None);
    let mut error = [0u8; 16];
    error[..4].copy_from_slice(&(libc::ENOMSG as u32).to_ne_bytes());
    error[4] = libc::SO_EE_ORIGIN_TIMESTAMPING;
    error[12..].copy_from_slice(&77u32.to_ne_bytes());
    assert_eq!(sent_id(&error), Some(77));
    for cut in 0..16 {
        assert_eq!(sent_id(&error[..cut]), None);
        assert_eq!(software_stamp(&stamp[..cut]), None);
        assert_eq!(word(&error[..cut.min(3)], 0), None);
    }
    error[4] = libc::SO_EE_ORIGIN_ICMP;
    assert_eq!(sent_id(&error), None);
}
