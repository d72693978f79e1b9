//! The rate of each way to compute, for one stream and for several: `cargo bench -p sealwax-sha256-lanes`.
//!
//! Pieces of 16 KiB of each stream, as the model's workers hand them over, from the processor's cache.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use sealwax_sha256_lanes::{Kernel, LANES, Lane, Path};

fn rates(criterion: &mut Criterion) {
    let piece: Vec<u8> = (0..=u8::MAX).cycle().take(PIECE).collect();
    let mut group = criterion.benchmark_group("sha256");
    for path in Path::ALL {
        let Some(kernel) = Kernel::only(path) else { continue };
        for streams in [1, 2, 4, 8, LANES] {
            let bytes = u64::try_from(streams.saturating_mul(PIECE)).unwrap_or(u64::MAX);
            group.throughput(Throughput::Bytes(bytes));
            group.bench_function(BenchmarkId::new(path.name(), streams), |bencher| {
                let mut lanes = vec![Lane::default(); streams];
                bencher.iter(|| {
                    let mut work: Vec<(&mut Lane, &[u8])> =
                        lanes.iter_mut().map(|lane| (lane, piece.as_slice())).collect();
                    kernel.update(&mut work);
                });
            });
        }
    }
    group.finish();
}

/// Bytes.
const PIECE: usize = 16 << 10;

criterion_group!(benches, rates);
criterion_main!(benches);
