//! A bound UDP socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::NetError;
use crate::os;

/// Asked for, so that a turn's delay loses nothing; the kernel gives what it allows.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A bound UDP socket, IPv4, IPv6 or both.
///
/// The rest of the program never sees an IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`): they
/// are taken off on receipt and put on to send.
#[derive(Debug)]
pub struct Endpoint {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Endpoint {
    /// Binds a socket to `addr`; port 0 lets the kernel choose. On `[::]` it serves IPv4 too.
    ///
    /// # Errors
    /// [`NetError::Bind`] where the address is in use, not this machine's, or not permitted.
    pub fn bind(addr: SocketAddr) -> Result<Endpoint, NetError> {
        Self::open(addr).map_err(|error| NetError::Bind(refusal(addr, &error)))
    }

    /// Binds to `port` on every address of this machine: IPv6 and IPv4 with one socket, or IPv4
    /// alone where the machine has no IPv6.
    ///
    /// # Errors
    /// As [`Endpoint::bind`].
    pub fn bind_any(port: u16) -> Result<Endpoint, NetError> {
        let six = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        match Self::open(six) {
            Ok(endpoint) => Ok(endpoint),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(NetError::Bind(refusal(six, &error)))
            }
            Err(_) => Self::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        }
    }

    /// Where it listens; the port is the real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn open(addr: SocketAddr) -> io::Result<Endpoint> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(!addr.ip().is_unspecified())?;
        }
        // A smaller buffer is no reason to fail: then a flood loses more.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let _ = os::set_rxq_ovfl(socket.as_fd());
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from_std(socket.into());
        let local = socket.local_addr()?;
        Ok(Endpoint { socket, local })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Takes up the registration again after an error was announced: mio's poll(2) backend
    /// forgets a descriptor at an error, and a transmit stamp in the error queue looks like one.
    pub(super) fn rearm(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match registry.reregister(&mut self.socket, token, Interest::READABLE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It says NotFound once more, but only so does the socket itself forget.
                let _ = registry.deregister(&mut self.socket);
                self.register(registry, token)
            }
            other => other,
        }
    }

    /// Receives one datagram. `WouldBlock`: none is left, and readiness will be announced anew.
    pub(super) fn receive(&self, buf: &mut [u8]) -> io::Result<os::Received> {
        let mut got = self.socket.try_io(|| os::recv_stamped(self.socket.as_fd(), buf))?;
        got.from = undressed(got.from);
        Ok(got)
    }

    /// Sends one datagram.
    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = if self.local.is_ipv6() { dressed(to) } else { to };
        loop {
            match self.socket.send_to(bytes, to) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(drop),
            }
        }
    }
}

/// One line about why `addr` cannot be listened on.
fn refusal(addr: SocketAddr, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {} is in use by another program; choose another port", addr.port())
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{} is not an address of this machine; [::] listens on all", addr.ip())
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {} needs a privilege; ports from 1024 up do not", addr.port())
        }
        _ => error.to_string(),
    };
    format!("cannot listen on {addr}: {hint}")
}

fn undressed(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(six) => match six.ip().to_ipv4_mapped() {
            Some(four) => SocketAddr::from((four, six.port())),
            None => addr,
        },
        SocketAddr::V4(_) => addr,
    }
}

fn dressed(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(four) => SocketAddrV6::new(four.to_ipv6_mapped(), addr.port(), 0, 0).into(),
        IpAddr::V6(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as StdSocket;

    #[expect(clippy::disallowed_methods, reason = "waits for the loopback")]
    fn receive(endpoint: &Endpoint) -> os::Received {
        let mut buf = [0; 16];
        for _ in 0..1_000 {
            match endpoint.receive(&mut buf) {
                Ok(got) => return got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("nothing came");
    }

    #[test]
    fn one_socket_serves_both_families_under_their_own_names() {
        let endpoint = Endpoint::bind_any(0).unwrap();
        let port = endpoint.local_addr().port();
        for host in ["127.0.0.1", "::1"] {
            let Ok(peer) = StdSocket::bind((host, 0)) else {
                println!("not tested: this machine has no {host}");
                continue;
            };
            peer.send_to(b"there", (host, port)).unwrap();
            let from = receive(&endpoint).from;
            assert_eq!(from, peer.local_addr().unwrap());
            endpoint.send(b"back", from).unwrap();
            let mut buf = [0; 16];
            assert_eq!(peer.recv(&mut buf).unwrap(), 4);
        }
    }

    #[test]
    fn a_port_in_use_gets_one_line_that_names_it() {
        let first = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let text = Endpoint::bind(first.local_addr()).unwrap_err().to_string();
        assert!(
            text.contains(&first.local_addr().to_string()) && text.contains("in use"),
            "{text}"
        );
        assert!(!text.contains('\n'));
        let foreign = Endpoint::bind("192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
        assert!(foreign.contains("not an address of this machine"), "{foreign}");
    }
}
