//! What it costs to find the middle and the average of many opinions.

use std::hint::black_box;

use campanile::proto::Average;
use campanile::proto::consensus::{average, median};
use campanile::time::Offset;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Opinions within a millisecond in no order, the same ones each time (Knuth's MMIX generator).
fn opinions(count: u64) -> Vec<Offset> {
    let next = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    let draws = std::iter::successors(Some(count), next).skip(1).take(count as usize);
    draws.map(|draw| Offset::from_nanos((draw >> 33) as i64 % 1_000_000)).collect()
}

fn consensus(c: &mut Criterion) {
    let mut group = c.benchmark_group("consensus");
    for count in [10, 1_000, 100_000] {
        let opinions = opinions(count);
        assert!(median(&opinions).is_some_and(|m| m.as_nanos() > 0));
        group.throughput(Throughput::Elements(count));
        group.bench_with_input(BenchmarkId::new("median", count), &opinions, |b, opinions| {
            b.iter(|| median(black_box(opinions)))
        });
        for (name, how) in [("plain", Average::Plain), ("trimmed", Average::Trimmed)] {
            group.bench_with_input(BenchmarkId::new(name, count), &opinions, |b, opinions| {
                b.iter(|| average(how, black_box(opinions)))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, consensus);
criterion_main!(benches);
