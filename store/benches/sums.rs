//! What summing up an object costs: the sum that a record has, beside others that it could have. docs/decisions/0010 quotes it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gantry_store::digest::Digester;
use std::hint::black_box;

/// A CT slice.
const LENGTH: usize = 512 << 10;
/// As it comes in PDUs.
const PIECE: usize = 128 << 10;

fn sums(criterion: &mut Criterion) {
    let object: Vec<u8> = (0..LENGTH).map(|at| ((at * 31) >> 3) as u8).collect();
    let mut group = criterion.benchmark_group("a sum over 512 KiB");
    group.throughput(Throughput::Bytes(LENGTH as u64));
    group.bench_function("XXH3 of 128 bits, in pieces", |bencher| {
        bencher.iter(|| {
            let mut digester = Digester::default();
            black_box(&object).chunks(PIECE).for_each(|piece| digester.update(piece));
            digester.digest()
        });
    });
    group.bench_function("BLAKE3", |bencher| {
        bencher.iter(|| blake3::hash(black_box(&object)));
    });
    group.bench_function("CRC-32", |bencher| {
        bencher.iter(|| crc32fast::hash(black_box(&object)));
    });
    group.finish();
}

criterion_group!(summing, sums);
criterion_main!(summing);
