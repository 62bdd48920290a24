//! What authentication costs an exchange: a poll and its reply, written and read by both sides,
//! without seals and with them.

#[path = "../tests/common/reply.rs"]
mod reply;

use std::hint::black_box;

use campanile::time::Time;
use campanile::wire::{
    BootId, Datagram, Header, KeyId, Keyring, LEN, Message, NodeId, Poll, Rank, Sealer, Term,
    Voice, cluster_line,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reply::reply;

const MASTER: NodeId = NodeId(1);
const SLAVE: NodeId = NodeId(2);
const BOOT: BootId = BootId(7);

fn datagram(sender: NodeId, receiver: NodeId, message: Message) -> Datagram {
    let header = Header { sender, receiver, boot: BOOT, term: Term(1), rank: Rank(0), sequence: 9 };
    Datagram { header, message }
}

fn exchange() -> [(Datagram, Voice); 2] {
    let poll = Poll { nonce: 1, round: 2, index: 0, burst: 4 };
    let at = Time::from_nanos(1_000_000_000);
    let reply = reply(1, at, Time::from_nanos(1_700_000_000_000_000_000));
    [
        (datagram(MASTER, SLAVE, Message::Poll(poll)), Voice::Master),
        (datagram(SLAVE, MASTER, Message::Reply(reply)), Voice::Slave),
    ]
}

fn seal(c: &mut Criterion) {
    let keys = Keyring::parse(&cluster_line(KeyId(1), &[7; 32])).expect("a good key");
    let of_slave = keys.node_line(KeyId(1), SLAVE).expect("the cluster's key is there");
    let slave = Keyring::parse(&of_slave).expect("a good key");
    let mut sides = [Sealer::new(keys.clone()), Sealer::new(slave)];
    let exchange = exchange();
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Elements(1));
    group.bench_function("exchange-plain", |b| {
        b.iter(|| {
            for (datagram, _) in &exchange {
                let mut bytes = [0; LEN];
                black_box(datagram).encode(&mut bytes);
                assert!(Datagram::decode(black_box(&bytes)).is_ok());
            }
        })
    });
    group.bench_function("exchange-sealed", |b| {
        b.iter(|| {
            for (turn, (datagram, voice)) in exchange.iter().enumerate() {
                let mut bytes = [0; LEN];
                black_box(datagram).encode(&mut bytes);
                sides[turn].seal(&mut bytes, *voice, BOOT);
                assert!(sides[1 - turn].open(black_box(&bytes)).is_ok(), "the seal is good");
                assert!(Datagram::decode(black_box(&bytes)).is_ok());
            }
        })
    });
    // A forgery in the name of a node that was never heard: its key has to be derived first.
    let mut forged = [0; LEN];
    exchange[1].0.encode(&mut forged);
    Sealer::new(keys.clone()).seal(&mut forged, Voice::Slave, BOOT);
    forged[LEN - 1] ^= 1;
    let mut sealer = Sealer::new(keys);
    group.bench_function("forgery", |b| {
        b.iter(|| assert!(sealer.open(black_box(&forged)).is_err()))
    });
    group.finish();
}

criterion_group!(benches, seal);
criterion_main!(benches);
