//! What readers cost a master of a thousand slaves: how late its polls leave, with nobody reading
//! and with readers in a loop. The sockets are real, on loopback; the slaves are one thread that
//! patches bytes.
//!
//! `cargo bench --bench readers` runs 20 s a row; with `cargo test` it runs once, small.

#![expect(clippy::disallowed_methods, reason = "whoever measures processes needs a clock")]

#[path = "../tests/common/reply.rs"]
mod reply;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use campanile::clock::{Clock, Oscillator, VirtualClock};
use campanile::net::{Endpoint, Moment, Node, Observer, Signals};
use campanile::outlet::{Control, Ledger, Metrics, Outlet};
use campanile::proto::{
    Core, Counters, Event, Identity, Input, Master, MasterSettings, Output, Page, Tracking,
};
use campanile::time::{Local, Rate, Shown, Span, Time};
use campanile::wire::{
    BootId, Buffer, Datagram, Header, LEN, Message, Name, NodeId, Rank, Reply, Term,
};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

/// Where the number of polls stands in a datagram, and its nonce (docs/protocol.md).
const POLL: u8 = 4;
const KIND: usize = 3;
const NONCE: std::ops::Range<usize> = 40..48;

/// A master that notes how late it is asked for what is due.
struct Timed {
    master: Master,
    late: Arc<Mutex<Histogram<u64>>>,
    last: Option<Time<Local>>,
}

impl Core for Timed {
    fn handle(&mut self, now: Time<Local>, input: Input<'_>) {
        self.master.handle(now, input);
    }

    fn poll(&mut self, now: Time<Local>, buffer: &mut Buffer) -> Option<Output> {
        let due = self.master.deadline().filter(|due| *due <= now && self.last != Some(*due));
        if let Some(due) = due {
            self.last = Some(due);
            self.late.lock().unwrap().saturating_record(now.since(due).as_nanos());
        }
        self.master.poll(now, buffer)
    }

    fn deadline(&self) -> Option<Time<Local>> {
        self.master.deadline()
    }

    fn done(&self) -> bool {
        self.master.done()
    }

    fn counters(&self) -> &Counters {
        self.master.counters()
    }

    fn tracking(&self, now: Time<Local>) -> Option<Tracking> {
        self.master.tracking(now)
    }

    fn peers(&self, now: Time<Local>, from: u32, most: usize) -> Page {
        self.master.peers(now, from, most)
    }
}

struct Nobody;

impl Observer for Nobody {
    fn event(&mut self, _: &Moment, _: &Event) {}
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The reply of a slave, but for the nonce and the times.
fn reply(slave: usize, nonce: u64, now: Time<Local>) -> Buffer {
    let header = Header {
        sender: NodeId(2 + slave as u64),
        receiver: NodeId(1),
        boot: BootId(1),
        term: Term(1),
        rank: Rank(0),
        sequence: 1,
    };
    let shows = Time::from_nanos(now.as_nanos());
    let reply = Reply {
        t2_source: 0,
        error: Span::MAX,
        applied: 0,
        ..reply::reply(nonce, now.sent_away(), shows)
    };
    let mut buffer = [0; LEN];
    Datagram { header, message: Message::Reply(reply) }.encode(&mut buffer);
    buffer
}

/// Binds the slaves and lets a thread answer for them until `end`.
fn slaves(count: usize, end: &Arc<AtomicBool>) -> (Vec<SocketAddr>, thread::JoinHandle<()>) {
    let bind = |_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        mio::net::UdpSocket::from_std(socket)
    };
    let mut sockets: Vec<_> = (0..count).map(bind).collect();
    let addrs = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let end = Arc::clone(end);
    let oscillator = Oscillator::plain();
    let answer = move || {
        let mut poll = Poll::new().unwrap();
        for (n, socket) in sockets.iter_mut().enumerate() {
            poll.registry().register(socket, Token(n), Interest::READABLE).unwrap();
        }
        let mut events = Events::with_capacity(1_024);
        let mut room = [0; LEN + 1];
        while !end.load(Ordering::Acquire) {
            poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
            for event in &events {
                let n = event.token().0;
                while let Ok((length, from)) = sockets[n].recv_from(&mut room) {
                    if length == LEN && room[KIND] == POLL {
                        let nonce = u64::from_be_bytes(room[NONCE].try_into().unwrap());
                        let _ = sockets[n].send_to(&reply(n, nonce, oscillator.read()), from);
                    }
                }
            }
        }
    };
    (addrs, thread::spawn(answer))
}

/// Asks for `view` in a loop, as fast as it is answered.
fn reader(path: &Path, views: &'static [&'static str], end: &Arc<AtomicBool>) -> Reader {
    let mut stream = BufReader::new(UnixStream::connect(path).unwrap());
    let end = Arc::clone(end);
    thread::spawn(move || {
        let (mut answers, mut longest) = (0u64, 0);
        let mut line = String::new();
        while !end.load(Ordering::Acquire) {
            for view in views {
                writeln!(stream.get_mut(), "{{\"get\":\"{view}\"}}").unwrap();
                line.clear();
                stream.read_line(&mut line).unwrap();
                assert!(line.contains("\"ok\":true"), "{line}");
                answers += 1;
                longest = longest.max(line.len());
            }
        }
        (answers, longest)
    })
}

/// Scrapes in a loop, as fast as it is answered.
fn scraper(addr: SocketAddr, end: &Arc<AtomicBool>) -> Reader {
    let end = Arc::clone(end);
    thread::spawn(move || {
        let (mut answers, mut longest) = (0u64, 0);
        while !end.load(Ordering::Acquire) {
            let mut line = TcpStream::connect(addr).unwrap();
            line.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
            let mut page = String::new();
            line.read_to_string(&mut page).unwrap();
            assert!(page.ends_with("# EOF\n"), "cut off after {}", page.len());
            answers += 1;
            longest = longest.max(page.len());
        }
        (answers, longest)
    })
}

/// Who reads.
#[derive(Clone, Copy)]
enum Who {
    /// Asks the control socket for these views.
    Asks(&'static [&'static str]),
    Scrapes,
}

type Reader = thread::JoinHandle<(u64, usize)>;

fn row(what: &str, late: &Histogram<u64>, answers: u64, longest: usize) {
    let at = |quantile| late.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{what:<26}{:>9}{:>10.1}{:>10.1}{:>10.1}{:>10}{:>12}",
        late.len(),
        at(0.5),
        at(0.99),
        late.max() as f64 / 1e3,
        answers,
        longest
    );
}

fn main() {
    let full = std::env::args().any(|arg| arg == "--bench");
    let (count, secs) = if full { (1_000, 20) } else { (20, 1) };
    let end = Arc::new(AtomicBool::new(false));
    let (addrs, answering) = slaves(count, &end);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.sock");
    let late = Arc::new(Mutex::new(Histogram::new_with_bounds(1, 10_000_000_000, 3).unwrap()));

    let oscillator = Oscillator::plain();
    let started = oscillator.read();
    let mut clock = VirtualClock::new(started, Time::<Shown>::from_nanos(0), Rate::ZERO);
    let identity = Identity { id: NodeId(1), boot: BootId(1), name: name("m") };
    let settings = MasterSettings { slaves: addrs, ..MasterSettings::new(identity) };
    let master = Master::new(started, settings, clock.map(started), [7; 32]);
    let core = Timed { master, late: Arc::clone(&late), last: None };
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut node = Node::new(endpoint, core, clock, oscillator, Vec::new()).unwrap();
    let mut outlet = Outlet::new(Ledger::new(started, Box::new(|_| None)));
    outlet.open(Box::new(Control::bind(&path).unwrap()));
    let metrics = Metrics::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let page = metrics.local_addr().unwrap();
    outlet.open(Box::new(metrics));
    node.host(Box::new(outlet));
    let stopper = node.stopper();
    let running = thread::spawn(move || node.run(&mut Nobody, Signals::none(), None));
    thread::sleep(Duration::from_secs(3));

    println!("{count} slaves, lateness of what is due, µs; {secs} s a row");
    println!(
        "{:<26}{:>9}{:>10}{:>10}{:>10}{:>10}{:>12}",
        "readers", "due", "p50", "p99", "max", "answers", "bytes"
    );
    let top = Who::Asks(&["tracking", "peers", "events", "histogram"]);
    let peers = Who::Asks(&["peers"]);
    let cases: [(&str, &[Who]); 6] = [
        ("none", &[]),
        ("peers in a loop", &[peers]),
        ("top's views in a loop", &[top]),
        ("scrapes in a loop", &[Who::Scrapes]),
        ("two of each", &[peers, peers, top, top, Who::Scrapes, Who::Scrapes]),
        ("none again", &[]),
    ];
    for (what, readers) in cases {
        let over = Arc::new(AtomicBool::new(false));
        let start = |who: &Who| match who {
            Who::Asks(views) => reader(&path, views, &over),
            Who::Scrapes => scraper(page, &over),
        };
        let readers: Vec<_> = readers.iter().map(start).collect();
        late.lock().unwrap().reset();
        thread::sleep(Duration::from_secs(secs));
        let measured = late.lock().unwrap().clone();
        over.store(true, Ordering::Release);
        let read = readers.into_iter().map(|reader| reader.join().unwrap());
        let (answers, longest) = read.fold((0, 0), |(n, l), (m, k)| (n + m, l.max(k)));
        row(what, &measured, answers, longest);
        assert!(!measured.is_empty(), "nothing was due");
    }
    stopper.stop();
    running.join().unwrap().unwrap();
    end.store(true, Ordering::Release);
    answering.join().unwrap();
}
