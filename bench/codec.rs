//! What it costs to write and to read one datagram of each type.

use std::hint::black_box;

use campanile::time::{Map, Offset, Rate, Span, Time};
use campanile::wire::{
    Adjust, Admission, BootId, Correction, Datagram, Header, Join, LEN, Leave, LeaveReason,
    Message, Name, NodeId, Poll, Rank, Reply, Standing, Term, Welcome,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn messages() -> [(&'static str, Message); 6] {
    let name = Name::new("rack-3 left").expect("a good name");
    let rate = Rate::from_ppm(-40.0);
    let (at, reads) =
        (Time::from_nanos(1_000_000_000), Time::from_nanos(1_700_000_000_000_000_000));
    let correction = Correction { nonce: 1, t3: Time::from_nanos(2), source: 1 };
    let reply = Reply {
        nonce: 2,
        t2: at,
        t3: at,
        t2_source: 1,
        t3_follows: true,
        correction: Some(correction),
        map: Map { at, reads, rate },
        remaining: Offset::from_nanos(-250_000),
        rate,
        error: Span::from_micros(60),
        applied: 7,
        steps: 1,
        standby: false,
        obeys: NodeId(1),
    };
    let adjust = Adjust {
        round: 8,
        standing: Standing::Counted,
        map: Map { at, reads: Time::from_nanos(reads.as_nanos()), rate },
        delta: Offset::from_nanos(250_000),
        sigma: Span::from_micros(1),
        bound: Span::from_micros(60),
        lasts: Span::from_secs(10),
        interval: Span::from_secs(1),
        members: 6,
        counted: 5,
        spread: Span::from_micros(3),
        round_trip: Some(Span::from_micros(58)),
    };
    let interval = Span::from_secs(1);
    let admission = Admission::Accepted;
    [
        (
            "join",
            Message::Join(Join {
                nonce: 1,
                name: name.clone(),
                saved_rate: Some(rate),
                challenge: 1,
                standby: false,
            }),
        ),
        (
            "welcome",
            Message::Welcome(Welcome { nonce: 1, admission, interval, name, challenge: 0 }),
        ),
        ("leave", Message::Leave(Leave { reason: LeaveReason::Shutdown, heir: NodeId(1) })),
        ("poll", Message::Poll(Poll { nonce: 2, round: 8, index: 1, burst: 4 })),
        ("reply", Message::Reply(reply)),
        ("adjust", Message::Adjust(adjust)),
    ]
}

fn codec(c: &mut Criterion) {
    let header = Header {
        sender: NodeId(1),
        receiver: NodeId(2),
        boot: BootId(3),
        term: Term(1),
        rank: Rank(0),
        sequence: 42,
    };
    let datagrams = messages().map(|(name, message)| (name, Datagram { header, message }));
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    for (name, datagram) in &datagrams {
        let mut buffer = [0; LEN];
        group.bench_function(*name, |b| {
            b.iter(|| black_box(datagram).encode(black_box(&mut buffer)))
        });
    }
    group.finish();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, datagram) in &datagrams {
        let mut buffer = [0; LEN];
        datagram.encode(&mut buffer);
        assert_eq!(Datagram::decode(&buffer).as_ref(), Ok(datagram));
        group.bench_function(*name, |b| b.iter(|| Datagram::decode(black_box(&buffer))));
    }
    // What a flood of foreign datagrams costs: it is refused by its first bytes.
    let foreign = [0; LEN];
    group.bench_function("foreign", |b| b.iter(|| Datagram::decode(black_box(&foreign))));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
