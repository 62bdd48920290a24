//! What a whole round costs the master's core: polls out, replies in, estimates, the average and
//! the deltas, without a socket. The replies are patched bytes, so that next to nothing but the
//! core is measured.

#[path = "../tests/common/reply.rs"]
mod reply;

use std::alloc::System;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};

use campanile::clock::Adjustment;
use campanile::proto::{Core, Identity, Input, Master, MasterSettings, Output, Stamp};
use campanile::time::{Local, Map, Rate, Shown, Span, Time};
use campanile::wire::{
    BootId, Buffer, Datagram, Header, LEN, Message, Name, NodeId, Rank, Reply, Term,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A round allocates for its average, however many exchanges it has.
const ALLOCATIONS: usize = 64;
const INTERVAL: Span = Span::from_secs(1);
/// So long datagrams gather where many come, and so many of them are read at once.
const TURN: Span = Span::from_millis(2);
const BATCH: usize = 32;
const ONE_WAY: Span = Span::from_micros(50);
/// The number of polls in a datagram's header, and where the fields are that differ from one
/// reply to the next (docs/protocol.md).
const POLL: u8 = 4;
const KIND: usize = 3;
const NONCE: usize = 40;
const T2: usize = 48;
const T3: usize = 56;

/// A master, and as many slaves as there are templates of their replies.
struct Cluster {
    now: Time<Local>,
    master: Master,
    course: Map<Local, Shown>,
    templates: Vec<Buffer>,
    /// Replies on their way, in the order in which they arrive.
    air: VecDeque<(Time<Local>, usize, Buffer)>,
    draw: u64,
    replies: u64,
    /// The master looks about itself so often only, and finds several replies at once.
    turn: Option<Span>,
}

fn addr(slave: usize) -> SocketAddr {
    let host = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + slave as u32);
    (host, 7045).into()
}

fn slave(addr: SocketAddr) -> usize {
    let SocketAddr::V4(addr) = addr else { panic!("all are IPv4") };
    (addr.ip().to_bits() - Ipv4Addr::new(10, 0, 0, 0).to_bits()) as usize
}

/// A reply of a slave whose clock is some way ahead of the master's, and keeps time otherwise.
fn template(slave: usize) -> Buffer {
    let header = Header {
        sender: NodeId(2 + slave as u64),
        receiver: NodeId(1),
        boot: BootId(1),
        term: Term(1),
        rank: Rank(0),
        sequence: 1,
    };
    let shows = Time::from_nanos(slave as i64 % 100 * 1_000);
    let reply =
        Reply { error: Span::MAX, applied: 0, ..reply::reply(0, Time::from_nanos(0), shows) };
    let mut buffer = [0; LEN];
    Datagram { header, message: Message::Reply(reply) }.encode(&mut buffer);
    buffer
}

impl Cluster {
    fn new(slaves: usize, burst: u8, turn: Option<Span>) -> Self {
        let now = Time::from_nanos(1_000_000_000_000);
        let name = Name::new("master").expect("a good name");
        let mut settings = MasterSettings::new(Identity { id: NodeId(1), boot: BootId(1), name });
        settings.interval = INTERVAL;
        settings.burst = burst;
        settings.max_slaves = slaves;
        settings.slaves = (0..slaves).map(addr).collect();
        let course = Map { at: now, reads: Time::from_nanos(now.as_nanos()), rate: Rate::ZERO };
        Self {
            now,
            master: Master::new(now, settings, course, [1; 32]),
            course,
            templates: (0..slaves).map(template).collect(),
            air: VecDeque::new(),
            draw: 1,
            replies: 0,
            turn,
        }
    }

    /// Up to 8 µs of queueing, the same sequence in each run (xorshift64).
    fn jitter(&mut self) -> Span {
        self.draw ^= self.draw << 13;
        self.draw ^= self.draw >> 7;
        self.draw ^= self.draw << 17;
        Span::from_nanos(self.draw >> 51)
    }

    fn answer(&mut self, slave: usize, poll: &Buffer) {
        let t2 = self.now + ONE_WAY + self.jitter();
        let t3 = t2 + Span::from_micros(20);
        let t4 = t3 + ONE_WAY + self.jitter();
        // None overtakes another.
        let t4 = self.air.back().map_or(t4, |last| last.0.max(t4));
        let mut reply = self.templates[slave];
        reply[NONCE..T2].copy_from_slice(&poll[NONCE..T2]);
        reply[T2..T3].copy_from_slice(&t2.as_nanos().to_be_bytes());
        reply[T3..T3 + 8].copy_from_slice(&t3.as_nanos().to_be_bytes());
        self.air.push_back((t4, slave, reply));
    }

    fn drain(&mut self) {
        let mut buffer = [0; LEN];
        while let Some(output) = self.master.poll(self.now, &mut buffer) {
            match output {
                Output::Send { to, .. } if buffer[KIND] == POLL => self.answer(slave(to), &buffer),
                Output::Steer(adjustment) => {
                    let here = self.course.anchored_at(self.now);
                    self.course = match adjustment {
                        Adjustment::Run { rate } => Map { rate, ..here },
                        Adjustment::Step { by, rate } => {
                            Map { reads: here.reads + by, rate, ..here }
                        }
                    };
                    self.master.handle(self.now, Input::Steered { map: self.course });
                }
                Output::Send { .. } | Output::Publish(_) | Output::Keep(_) | Output::Event(_) => {}
            }
        }
    }

    /// Goes on to the end of the turn, and has the master look ahead at what has landed by then.
    fn gather(&mut self, turn: Span) {
        let end = (self.now.as_nanos() as u64).next_multiple_of(turn.as_nanos());
        self.now = Time::from_nanos(end as i64);
        let landed = self.air.iter().take_while(|(at, ..)| *at <= self.now).take(BATCH);
        self.master.foresee(&mut landed.map(|(_, _, bytes)| &bytes[..]));
    }

    fn run(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            self.drain();
            let landing = self.air.front().map(|flight| flight.0);
            let next = landing.into_iter().chain(self.master.deadline()).min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            self.now = next.max(self.now);
            if let Some(turn) = self.turn {
                self.gather(turn);
            }
            while self.air.front().is_some_and(|flight| flight.0 <= self.now) {
                let Some((at, slave, bytes)) = self.air.pop_front() else { break };
                let at = Stamp::daemon(at);
                let from = addr(slave);
                self.master.handle(self.now, Input::Datagram { from, at, bytes: &bytes });
                self.replies += 1;
            }
        }
        self.now = end;
    }
}

fn round(c: &mut Criterion) {
    let mut group = c.benchmark_group("round");
    group.sample_size(10);
    for (slaves, burst, turn) in
        [(5, 4, None), (100, 4, None), (1_000, 4, None), (10_000, 1, Some(TURN))]
    {
        let mut cluster = Cluster::new(slaves, burst, turn);
        cluster.run(INTERVAL.times(20));
        assert!(cluster.master.cluster().is_some(), "the slaves are heard and averaged");
        let before = cluster.replies;
        let region = Region::new(COUNTED);
        cluster.run(INTERVAL.times(2));
        let made = region.change().allocations;
        assert!(made <= 2 * ALLOCATIONS, "{made} allocations in two rounds of {slaves} slaves");
        let exchanges = (cluster.replies - before) / 2;
        assert_eq!(exchanges, slaves as u64 * u64::from(burst), "each answers a whole burst");
        group.throughput(Throughput::Elements(exchanges));
        group.bench_function(BenchmarkId::from_parameter(slaves), |b| {
            b.iter(|| cluster.run(INTERVAL))
        });
        assert_eq!(cluster.master.counters().dropped_in_all(), 0, "every reply is taken");
    }
    group.finish();
}

criterion_group!(benches, round);
criterion_main!(benches);
