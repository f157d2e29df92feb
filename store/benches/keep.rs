//! Keeping an object against the plain append and fdatasync that it cannot do without.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// A CT slice.
const PIXELS: usize = 512 << 10;

fn image(number: u64) -> Incoming {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let title = AeTitle::parse("CT1").expect("a title");
    let identity = Identity {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: uid(&format!("1.2.3.4.{number}")),
        series: uid("1.2.3.5"),
        study: uid("1.2.3.6"),
        transfer_syntax: uid("1.2.840.10008.1.2.1"),
        calling_ae: title.clone(),
        called_ae: title,
        arrival: Moment::now(),
        origin: Origin::Received,
    };
    let mut data_set = b"\x08\0\x60\0CS\x02\0CT\xe0\x7f\x10\0OW\0\0".to_vec();
    data_set.extend_from_slice(&(PIXELS as u32).to_le_bytes());
    data_set.resize(data_set.len() + PIXELS, number as u8);
    Incoming { part10: Bytes::from(part10(&identity, &data_set)), identity }
}

/// The least that durability costs: each object appended and synced by itself.
fn append_and_sync(file: &mut File, count: u64) -> Duration {
    let images: Vec<Bytes> = (0..count.min(32)).map(|number| image(number).part10).collect();
    let begin = Instant::now();
    for number in 0..count {
        file.write_all(&images[number as usize % images.len()]).expect("written");
        file.sync_data().expect("synced");
    }
    begin.elapsed()
}

/// The same objects from so many senders at once, each waiting for its answer.
async fn keep(store: &Store, first: u64, count: u64, senders: u64) -> Duration {
    let mut taken = Duration::ZERO;
    for round in (0..count).step_by(64) {
        let numbers: Vec<u64> = (round..count.min(round + 64)).map(|n| first + n).collect();
        let images: Vec<Incoming> = numbers.iter().map(|number| image(*number)).collect();
        let begin = Instant::now();
        let mut running = JoinSet::new();
        for part in images.chunks(images.len().div_ceil(senders as usize)) {
            let (store, part) = (store.clone(), part.to_vec());
            running.spawn(async move {
                for image in part {
                    store.keep(image).await.expect("kept");
                }
            });
        }
        running.join_all().await;
        taken += begin.elapsed();
    }
    taken
}

fn benches(criterion: &mut Criterion) {
    // In the build folder: a folder for temporary files is often memory.
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(base).expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("keep a CT slice of 512 KiB");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    let mut file = File::create(folder.path().join("plain")).expect("a file");
    group.bench_function("plain append and fdatasync", |bencher| {
        bencher.iter_custom(|count| append_and_sync(&mut file, count));
    });
    let options = StoreOptions::new(folder.path().join("store"));
    let store = runtime.block_on(Store::open(options)).expect("a store");
    let mut first = 0;
    for senders in [1, 4, 16] {
        group.bench_function(format!("kept, {senders} senders"), |bencher| {
            bencher.iter_custom(|count| {
                first += count;
                runtime.block_on(keep(&store, first - count, count, senders))
            });
        });
    }
    group.finish();
    runtime.block_on(store.close());
    print_ratio(&runtime, base);
}

/// Both in turn, so that the disk's mood is the same for both.
fn print_ratio(runtime: &Runtime, base: &Path) {
    let folder = tempfile::tempdir_in(base).expect("a folder");
    let mut file = File::create(folder.path().join("plain")).expect("a file");
    let options = StoreOptions::new(folder.path().join("store"));
    let store = runtime.block_on(Store::open(options)).expect("a store");
    let mut ratios = [1, 4, 16].map(|senders| (senders, Vec::new()));
    let mut first = 0;
    for _ in 0..9 {
        for (senders, ratios) in &mut ratios {
            let plain = append_and_sync(&mut file, 64);
            let kept = runtime.block_on(keep(&store, first, 64, *senders));
            ratios.push(kept.as_secs_f64() / plain.as_secs_f64());
            first += 64;
        }
    }
    runtime.block_on(store.close());
    for (senders, mut ratios) in ratios {
        ratios.sort_by(f64::total_cmp);
        println!("{senders:>2} senders: {:.2} of plain append and fdatasync (median)", ratios[4]);
    }
}

criterion_group!(keeping, benches);
criterion_main!(keeping);
