//! From names to addresses, and again when nobody answers there any more.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use mio::Waker;

use super::NetError;
use crate::proto::Event;
use crate::time::{Local, Span, Time};

/// How long to wait before names are looked up once more.
const PATIENCE: Span = Span::from_secs(30);

/// The addresses behind `HOST`, `HOST:PORT`, an IPv4 or IPv6 address, or `[IPv6]:PORT`, in the
/// system's order of preference. It may wait for the name service.
///
/// # Errors
/// [`NetError::Name`] in one line where the target is malformed or the host is not known.
pub fn resolve(target: &str, default_port: u16) -> Result<Vec<SocketAddr>, NetError> {
    let (host, port) = split(target, default_port)?;
    let found = (host, port).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        let reason = text.rsplit(": ").next().unwrap_or(&text).to_owned();
        NetError::Name(format!(
            "cannot resolve host '{}' of '{}': {reason}; give a known host name or an address",
            host.escape_debug(),
            target.escape_debug()
        ))
    })?;
    let mut addrs: Vec<SocketAddr> = Vec::new();
    for addr in found {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    if addrs.is_empty() {
        return Err(NetError::Name(format!("host '{host}' has no address; give another")));
    }
    Ok(addrs)
}

/// Host and port of a target.
fn split(target: &str, default_port: u16) -> Result<(&str, u16), NetError> {
    const ALLOWED: &str = "allowed are HOST, HOST:PORT, IPV4:PORT and [IPV6]:PORT";
    let wrong =
        |what: &str| NetError::Name(format!("'{}': {what}; {ALLOWED}", target.escape_debug()));
    let (host, port) = if let Some(rest) = target.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("the ']' is missing"))?;
        let inner = host.split('%').next().unwrap_or(host);
        if inner.parse::<Ipv6Addr>().is_err() {
            return Err(wrong("no IPv6 address stands between the brackets"));
        }
        match rest {
            "" => (host, None),
            _ => {
                let port = rest.strip_prefix(':');
                (host, Some(port.ok_or_else(|| wrong("':' must follow the ']'"))?))
            }
        }
    } else if target.parse::<IpAddr>().is_ok() {
        (target, None)
    } else {
        match target.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (target, None),
        }
    };
    let printable = |c: char| !c.is_control() && !c.is_whitespace();
    if host.is_empty() || !host.chars().all(printable) {
        return Err(wrong("the host is missing or malformed"));
    }
    let port = match port {
        None => default_port,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().unwrap_or(0),
        Some(_) => 0,
    };
    if port == 0 {
        return Err(wrong("the port must be a number from 1 to 65535"));
    }
    Ok((host, port))
}

/// Looks the configured names up anew while no master answers, on a thread of its own: a name
/// service may take half a minute, and signals must not wait for it.
#[derive(Debug)]
pub(super) struct Names {
    targets: Vec<String>,
    default_port: u16,
    waker: Arc<Waker>,
    running: Option<Receiver<Vec<SocketAddr>>>,
    due: Option<Time<Local>>,
}

impl Names {
    pub(super) fn new(targets: Vec<String>, default_port: u16, waker: Arc<Waker>) -> Self {
        Self { targets, default_port, waker, running: None, due: None }
    }

    /// Takes note of whether a master answers.
    pub(super) fn note(&mut self, now: Time<Local>, event: &Event) {
        match event {
            Event::NoMaster if !self.targets.is_empty() => self.due = Some(now),
            Event::Following(_) => self.due = None,
            _ => {}
        }
    }

    /// When to call [`Names::serve`] next.
    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        self.due
    }

    /// Starts a search that is due; returns what an earlier one has found.
    pub(super) fn serve(&mut self, now: Time<Local>) -> Option<Vec<SocketAddr>> {
        let found = match self.running.as_ref().map(Receiver::try_recv) {
            Some(Ok(addrs)) => {
                self.running = None;
                Some(addrs).filter(|addrs| !addrs.is_empty())
            }
            Some(Err(TryRecvError::Disconnected)) => {
                self.running = None;
                None
            }
            Some(Err(TryRecvError::Empty)) | None => None,
        };
        if self.due.is_some_and(|due| due <= now) {
            self.due = Some(now + PATIENCE);
            if self.running.is_none() {
                self.start();
            }
        }
        found
    }

    fn start(&mut self) {
        let (sender, receiver) = channel();
        let (targets, port) = (self.targets.clone(), self.default_port);
        let waker = Arc::clone(&self.waker);
        let search = move || {
            let found = targets.iter().filter_map(|name| resolve(name, port).ok()).flatten();
            // The node may have ended meanwhile; then nobody waits for this.
            let _ = sender.send(found.collect());
            let _ = waker.wake();
        };
        let named = std::thread::Builder::new().name("names".into());
        // Without a thread there is no answer; the next try comes after the same patience.
        self.running = named.spawn(search).is_ok().then_some(receiver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_target_is_understood() {
        for (target, expected) in [
            ("127.0.0.1", "127.0.0.1:7045"),
            ("127.0.0.1:9", "127.0.0.1:9"),
            ("::1", "[::1]:7045"),
            ("[::1]", "[::1]:7045"),
            ("[::1]:9", "[::1]:9"),
        ] {
            let addrs = resolve(target, 7045).unwrap();
            assert_eq!(addrs, [expected.parse::<SocketAddr>().unwrap()], "{target}");
        }
        assert!(resolve("localhost:9", 7045).unwrap().iter().all(|a| a.ip().is_loopback()));
    }

    #[test]
    fn a_bad_target_gets_one_line_that_quotes_it() {
        for target in [
            "",
            ":9",
            "host:",
            "host:0",
            "host:65536",
            "host:+9",
            "host:nine",
            "[::1",
            "[x]:9",
            "[::1]9",
            "a b:9",
            "\x1b[2J",
            "host:9:9",
            "no-such-host.invalid:9",
        ] {
            let error = resolve(target, 7045).expect_err(target);
            let text = error.to_string();
            assert!(error.is_input(), "{target}");
            assert!(text.contains(&*target.escape_debug().to_string()), "{text}");
            assert!(!text.chars().any(char::is_control), "{text}");
        }
    }
}
