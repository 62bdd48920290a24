//! A bound UDP socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::{NetError, Wanted};
use crate::os::{self, Inbound, Outbound, Stamping};

/// Asked for, so that a turn's delay loses nothing; the kernel gives what it allows.
const RECEIVE_BUFFER: usize = 1 << 20;
/// What each peer that may speak adds to it. The kernel reckons with twice of that, and charges a
/// small datagram 0.75 KiB (some cards' 2.25 KiB): of 100 000 slaves a third may speak at once.
const RECEIVE_BUFFER_EACH: usize = 128;
/// Whether mio waits with poll(2), or may.
const FORGETFUL: bool = cfg!(any(mio_unsupported_force_poll_poll, not(target_os = "linux")));

/// A bound UDP socket, IPv4, IPv6 or both.
///
/// The rest of the program never sees an IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`): they
/// are taken off on receipt and put on to send.
#[derive(Debug)]
pub struct Endpoint {
    socket: UdpSocket,
    local: SocketAddr,
    pub(super) wanted: Wanted,
    /// Whether what comes is announced.
    announces: bool,
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
        let _ = os::set_receive_buffer(socket.as_fd(), RECEIVE_BUFFER);
        let _ = os::set_rxq_ovfl(socket.as_fd());
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from_std(socket.into());
        let local = socket.local_addr()?;
        Ok(Endpoint { socket, local, wanted: Wanted::default(), announces: false })
    }

    /// Whose timestamps this socket's datagrams shall have.
    ///
    /// # Errors
    /// [`NetError::Stamps`] where the kernel's are insisted on, and it refuses them. Whether it
    /// keeps its promise is found out on the way ([`Node::run`](super::Node::run)).
    pub fn stamped_by(mut self, wanted: Wanted) -> Result<Endpoint, NetError> {
        self.wanted = wanted;
        if wanted == Wanted::Kernel {
            let why = match os::enable_timestamping(self.fd()) {
                Ok(Stamping::Both) => return Ok(self),
                Ok(Stamping::ReceiveOnly) => "it stamps received ones only".to_owned(),
                Err(error) => error.to_string(),
            };
            let text = format!("the kernel refuses to stamp datagrams: {why}");
            return Err(NetError::Stamps(text));
        }
        Ok(self)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)?;
        self.announces = true;
        Ok(())
    }

    /// Has what comes announced from now on, or not; says whether that begins. What came before may not be.
    pub(super) fn announce(
        &mut self,
        registry: &Registry,
        token: Token,
        wanted: bool,
    ) -> io::Result<bool> {
        if wanted == self.announces {
            return Ok(false);
        }
        if wanted {
            self.register(registry, token)?;
            return Ok(true);
        }
        self.announces = false;
        match registry.deregister(&mut self.socket) {
            // See `rearm`.
            Err(error) if FORGETFUL && error.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map(|()| false),
        }
    }

    /// Takes up the registration again after an error was announced: mio's poll(2) backend
    /// forgets a descriptor at an error, and a transmit stamp in the error queue looks like one.
    /// epoll forgets nothing, and announces each stamp that comes after those it has announced.
    pub(super) fn rearm(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if !FORGETFUL {
            return Ok(());
        }
        match registry.reregister(&mut self.socket, token, Interest::READABLE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It says NotFound once more, but only so does the socket itself forget.
                let _ = registry.deregister(&mut self.socket);
                self.register(registry, token)
            }
            other => other,
        }
    }

    /// Sizes the receive buffer for `peers` that send to this socket.
    pub fn expect(&self, peers: usize) {
        let bytes = peers.saturating_mul(RECEIVE_BUFFER_EACH).saturating_add(RECEIVE_BUFFER);
        // A smaller buffer is no reason to fail: then a flood loses more.
        let _ = os::set_receive_buffer(self.fd(), bytes);
    }

    /// Receives up to `most` datagrams; gives their number. `WouldBlock`: none is left, and
    /// readiness will be announced anew.
    pub(super) fn receive(&self, inbound: &mut Inbound, most: usize) -> io::Result<usize> {
        self.socket.try_io(|| inbound.receive(self.socket.as_fd(), most))
    }

    /// The datagram at `place` of the batch that was received last.
    pub(super) fn got(inbound: &Inbound, place: usize) -> Option<(os::Received, &[u8])> {
        let (mut got, bytes) = inbound.get(place)?;
        got.from = undressed(got.from);
        Some((got, bytes))
    }

    /// The bytes of the datagrams of the batch that was received last, `count` in all.
    pub(super) fn bytes(inbound: &Inbound, count: usize) -> impl Iterator<Item = &[u8]> {
        (0..count).filter_map(|place| Some(inbound.get(place)?.1))
    }

    /// Puts a datagram into the batch that is sent next.
    pub(super) fn put(&self, outbound: &mut Outbound, bytes: &[u8], to: SocketAddr) {
        outbound.push(bytes, if self.local.is_ipv6() { dressed(to) } else { to });
    }

    /// Hands the batch to the kernel; gives how many it took, or why it refused the first of
    /// those that waited. Call it until none waits.
    pub(super) fn send(&self, outbound: &mut Outbound) -> io::Result<usize> {
        outbound.send(self.fd())
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
        let mut inbound = Inbound::new(1, 16);
        for _ in 0..1_000 {
            match endpoint.receive(&mut inbound, 1) {
                Ok(_) => return Endpoint::got(&inbound, 0).unwrap().0,
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
            let mut outbound = Outbound::new(1, 4);
            endpoint.put(&mut outbound, b"back", from);
            assert_eq!(endpoint.send(&mut outbound).unwrap(), 1);
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
