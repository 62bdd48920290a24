//! What a service manager is told: that the daemon is ready, that it lives, how it stands.
//!
//! The protocol is sd_notify(3): datagrams of `KEY=VALUE` lines to the socket that `$NOTIFY_SOCKET`
//! names. It is so small that a crate would not save anything; and the socket must not block, since
//! what is told here is told from the loop that keeps time.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::time::{Local, Span, Time};

/// How often the state is told where no watchdog asks for more.
const SELDOM: Span = Span::from_secs(10);
/// A watchdog is fed this often in the time it allows.
const FEEDS: f64 = 3.0;
/// But no more often than this.
const OFTEN: Span = Span::from_millis(10);
/// The longest state that is told, in characters.
const LONGEST: usize = 200;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct Service {
    socket: Option<UnixDatagram>,
    every: Span,
    next: Option<Time<Local>>,
    feeds: bool,
}

impl Service {
    /// The manager that started this process; none where it says of none.
    #[expect(clippy::disallowed_methods, reason = "this is how a service manager speaks to us")]
    pub(super) fn find(now: Time<Local>) -> Self {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        // What is set for another process of the service is not meant for this one.
        let ours = std::env::var("WATCHDOG_PID")
            .map_or(true, |pid| pid.parse::<u32>().is_ok_and(|pid| pid == std::process::id()));
        let allowed = std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse::<u64>().ok());
        let watchdog = allowed.filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        Self::at(path.as_encoded_bytes(), watchdog, now)
    }

    fn at(path: &[u8], watchdog: Option<Duration>, now: Time<Local>) -> Self {
        let address = match path {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            path => SocketAddr::from_pathname(std::ffi::OsStr::new(
                std::str::from_utf8(path).unwrap_or_default(),
            )),
        };
        let connected = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        // A daemon does its work without a manager, too; what it cannot tell, systemd will miss.
        let Ok(socket) = connected else { return Self::default() };
        let often = watchdog.map(|allowed| Span::from_secs_f64(allowed.as_secs_f64() / FEEDS));
        let every = often.map_or(SELDOM, |often| often.clamp(OFTEN, SELDOM));
        Self { socket: Some(socket), every, next: Some(now + every), feeds: watchdog.is_some() }
    }

    /// When it wants to hear next.
    pub(super) fn deadline(&self) -> Option<Time<Local>> {
        self.next
    }

    /// All is set up and the loop runs.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// If it is time: the loop still turns, and this is how it stands.
    pub(super) fn beat(&mut self, now: Time<Local>, status: &str) {
        if self.next.is_some_and(|next| next <= now) {
            self.next = Some(now + self.every);
            let feed = if self.feeds { "WATCHDOG=1\n" } else { "" };
            let status: String = status.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
            self.tell(&format!("{feed}STATUS={status}"));
        }
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen is not waited for.
            let _ = socket.send(state.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_hears_of_begin_life_and_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let at = |millis: i64| Time::from_nanos(millis * 1_000_000);
        let watchdog = Some(Duration::from_secs(3));
        let mut service = Service::at(path.to_str().unwrap().as_bytes(), watchdog, at(0));
        service.ready();
        assert_eq!(heard(&manager), "READY=1");
        service.beat(at(999), "too early");
        service.beat(at(1_000), "round 7\nMAINPID=1");
        assert_eq!(heard(&manager), "WATCHDOG=1\nSTATUS=round 7MAINPID=1");
        assert_eq!(service.deadline(), Some(at(2_000)));
        service.stopping();
        assert_eq!(heard(&manager), "STOPPING=1");
    }

    #[test]
    fn an_abstract_socket_is_one_too_and_a_deaf_manager_stops_nobody() {
        let name = format!("campanile-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let mut service = Service::at(format!("@{name}").as_bytes(), None, Time::from_nanos(0));
        // Far more than its queue holds.
        for n in 1..=2_000 {
            service.beat(Time::from_nanos(n * 10_000_000_000), "still here");
        }
        assert_eq!(heard(&manager), "STATUS=still here");
        let nobody = Service::at(b"/nonexistent/notify", None, Time::from_nanos(0));
        nobody.ready();
        assert_eq!(nobody.deadline(), None);
    }
}
