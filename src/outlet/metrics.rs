//! The metrics page: OpenMetrics text over HTTP, for Prometheus and whatever speaks its language.
//!
//! It needs no more of HTTP than `GET /metrics` and an answer that ends with the connection; the
//! text ends in `# EOF`, so that one cut off is noticed. What it costs is bounded: members beyond
//! [`MOST_SERIES`] have no series of their own, and a page is made a piece at a time.

mod families;
mod text;

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use self::families::{OF_MEMBERS, own, without_series};
use super::door::{Answer, Door, Heard, House, Line, Step, Talk};
use super::reply::Member;
use super::visitor::LONGEST;

/// Members that get series of their own: those first in the roster. The others are in the
/// histograms and sums only, and `campanile_members_without_series` tells how many they are.
const MOST_SERIES: usize = 256;
/// Members that are looked at in one piece of work.
const PIECE: usize = 16;
/// What ends the head of a request.
const BLANK: &[u8] = b"\r\n\r\n";

const HEAD: &str = "HTTP/1.1 200 OK\r\n\
                    Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
                    Cache-Control: no-store\r\n\
                    Connection: close\r\n\r\n";

/// A listening socket that serves metrics.
#[derive(Debug)]
pub struct Metrics {
    listener: TcpListener,
}

impl Metrics {
    /// Listens at `addr`.
    ///
    /// # Errors
    /// Where the operating system refuses: the address is in use, or none of this machine's.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(addr).map(|listener| Self { listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the operating system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Door for Metrics {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    fn accept(&mut self) -> io::Result<(Box<dyn Line>, Box<dyn Talk>)> {
        let (line, _) = self.listener.accept()?;
        Ok((Box::new(line), Box::new(Http)))
    }
}

/// As much of HTTP/1 as a scrape needs.
struct Http;

impl Talk for Http {
    fn listen(&mut self, heard: &[u8]) -> Heard {
        let Some(end) = heard.windows(BLANK.len()).position(|four| four == BLANK) else {
            if heard.len() < LONGEST {
                return Heard::More;
            }
            let why = format!("a request has at most {LONGEST} bytes");
            return Heard::Nonsense(refusal("431 Request Header Fields Too Large", &why));
        };
        match understand(&heard[..end]) {
            Ok(()) => Heard::Request(heard.len(), Box::new(Scrape::default())),
            Err((status, why)) => Heard::Nonsense(refusal(status, why)),
        }
    }
}

/// Whether the head of a request asks for the page; else the status and why not.
fn understand(head: &[u8]) -> Result<(), (&'static str, &'static str)> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let known = version.is_some_and(|version| version.starts_with(b"HTTP/1."));
    if !known || words.next().is_some() {
        return Err(("400 Bad Request", "this is not HTTP/1"));
    }
    let path = target.and_then(|target| target.split(|byte| *byte == b'?').next());
    match (method, path) {
        (Some(b"GET"), Some(b"/metrics")) => Ok(()),
        (Some(b"GET"), _) => Err(("404 Not Found", "what there is, is at /metrics")),
        _ => Err(("405 Method Not Allowed\r\nAllow: GET", "what there is, is read with GET")),
    }
}

fn refusal(status: &str, why: &str) -> String {
    let length = why.len() + 1;
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{why}\n"
    )
}

/// A scrape in the making.
#[derive(Default)]
struct Scrape {
    members: Vec<Member>,
    next: Next,
}

/// Which piece is next.
#[derive(Debug, Clone, Copy, Default)]
enum Next {
    #[default]
    Head,
    /// Look at members from this place on.
    Members(u32),
    /// Write this family of theirs.
    Family(usize),
}

impl Answer for Scrape {
    fn write(&mut self, house: &House<'_>, out: &mut Vec<u8>) -> Step {
        match self.next {
            Next::Head => {
                out.extend_from_slice(HEAD.as_bytes());
                text::append(out, own(house));
                // Whoever scrapes everybody would get each member from each node else.
                self.next = match house.is_master() {
                    true => Next::Members(0),
                    false => Next::Family(0),
                };
            }
            Next::Members(from) => self.next = self.look(house, from),
            Next::Family(n) => match OF_MEMBERS.get(n) {
                Some(family) => {
                    text::append(out, vec![family.of(&self.members)]);
                    self.next = Next::Family(n + 1);
                }
                None => {
                    text::append(out, vec![without_series(house, self.members.len())]);
                    text::end(out);
                    return Step::Close;
                }
            },
        }
        Step::More
    }
}

impl Scrape {
    /// Takes in some members from a place on.
    fn look(&mut self, house: &House<'_>, from: u32) -> Next {
        let page = house.scene.core.peers(house.scene.moment.local, from, PIECE);
        let room = MOST_SERIES.saturating_sub(self.members.len());
        self.members.extend(page.peers.iter().take(room).map(|peer| house.member(peer)));
        match page.next {
            Some(next) if self.members.len() < MOST_SERIES => Next::Members(next),
            _ => Next::Family(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outlet::reply::Named;

    fn said(request: &[u8]) -> String {
        match Http.listen(request) {
            Heard::More => "more".to_owned(),
            Heard::Request(length, _) => format!("{length} bytes asked"),
            Heard::Nonsense(text) => text.lines().next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn what_is_no_request_for_the_page_is_told_why() {
        let long = [b'x'; LONGEST];
        for (request, answer) in [
            (&b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"[..], "34 bytes asked"),
            (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", "29 bytes asked"),
            (b"GET /metrics HTTP/1.1\r\n\r\nmore", "29 bytes asked"),
            (b"GET /metrics HTTP/1.1\r\nHost: a\r\n", "more"),
            (b"", "more"),
            (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
            (b"GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
            (b"GET /metrics\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            (b"GET /metrics HTTP/2\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            (b"GET /metrics HTTP/1.1 x\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            (b"\x16\x03\x01\xff\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            (b"\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            (&long, "HTTP/1.1 431 Request Header Fields Too Large"),
        ] {
            assert_eq!(said(request), answer, "{}", String::from_utf8_lossy(request));
        }
    }

    /// What a page has beside the members' series are some families of the node's own and two
    /// histograms: 12 KiB.
    #[test]
    fn a_page_stays_far_below_a_mebibyte_whatever_members_are_called() {
        let long = Some(-1.234_567_890_123_456_7e-100);
        let member = Member {
            // The longest name, of what takes most room in a label.
            node: Named { node: "\"".repeat(32), id: "f".repeat(16), addr: None },
            relation: "member".to_owned(),
            state: "counted".to_owned(),
            reach: u8::MAX,
            last_reply_s: long,
            offset_s: long,
            sigma_s: long,
            bound_statistical_s: long,
            bound_hard_s: long,
            rate: long,
            skew: long,
            round_trip_s: long,
            weight: long,
            stamps: None,
            authenticated: true,
            steps: 0,
        };
        let members = vec![member; MOST_SERIES];
        let mut page = Vec::new();
        for family in OF_MEMBERS {
            text::append(&mut page, vec![family.of(&members)]);
        }
        let lines = page.iter().filter(|byte| **byte == b'\n').count();
        assert!(lines >= OF_MEMBERS.len() * MOST_SERIES, "{lines} lines");
        assert!(page.len() < 512 << 10, "{} bytes", page.len());
    }
}
