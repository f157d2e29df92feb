//! Headers of a CT series of 1,000 images: how fast they are read from the index and put into it, and what room they take.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use bytes::Bytes;
use futures_util::future::join_all;
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::reindex::reindex;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SERIES: u32 = 10;
const IMAGES: u32 = 1000;
const PIXELS: f64 = 512.0 * 512.0 * 2.0;

/// Data sets of a real series without their pixels.
fn data_sets() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/ct_chest_A0002_B40f");
    let mut files: Vec<_> = fs::read_dir(&root)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    let read = |path| {
        let bytes = fs::read(path).expect("a real file");
        let head = part10_length(&bytes);
        let pixels = bytes.windows(6).rposition(|part| part == b"\xe0\x7f\x10\0OW");
        bytes[head..pixels.unwrap_or(bytes.len())].to_vec()
    };
    files.iter().map(read).collect()
}

/// Behind the preamble, the prefix and the group length comes as much as that says.
fn part10_length(bytes: &[u8]) -> usize {
    let length = bytes[140..144].try_into().expect("a group length");
    144 + u32::from_le_bytes(length) as usize
}

fn series(number: u32) -> Uid {
    Uid::derived(&["series", &number.to_string()])
}

fn image(of_series: u32, number: u32, data_sets: &[Vec<u8>]) -> Incoming {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let title = AeTitle::parse("CT1").expect("a title");
    let identity = Identity {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: Uid::derived(&["image", &of_series.to_string(), &number.to_string()]),
        series: series(of_series),
        study: Uid::derived(&["study", &of_series.to_string()]),
        transfer_syntax: uid("1.2.840.10008.1.2.1"),
        calling_ae: title.clone(),
        called_ae: title,
        arrival: Moment::now(),
        origin: Origin::Received,
    };
    let data_set = &data_sets[number as usize % data_sets.len()];
    Incoming { part10: Bytes::from(part10(&identity, data_set)), identity }
}

async fn read(store: &Store, what: &str) {
    let (mut taken, used) = (Vec::new(), processor_seconds());
    for number in (0..SERIES).cycle().take(50) {
        let begin = Instant::now();
        let images = store.images(&series(number)).await.expect("asked");
        taken.push(begin.elapsed());
        assert_eq!(images.images.len(), IMAGES as usize);
    }
    let each = (processor_seconds() - used) / taken.len() as f64;
    print("read 1,000 images of a series", what, taken);
    println!("processor time of that, dropping them included: {:.2} ms", each * 1e3);
}

fn print(what: &str, how: &str, mut taken: Vec<Duration>) {
    taken.sort();
    let (least, median) = (taken[0], taken[taken.len() / 2]);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{what}, {how}: median {:.2} ms, least {:.2} ms", ms(median), ms(least));
}

async fn index(folder: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(folder.join("index.db"));
    SqlitePool::connect_with(options).await.expect("the index")
}

async fn print_room(folder: &Path, what: &str) {
    let pool = index(folder).await;
    let room = "SELECT (SELECT sum(length(header)) FROM instances), (SELECT ifnull(sum(length(header)), 0) FROM bases)";
    let (own, shared): (i64, i64) = sqlx::query_as(room).fetch_one(&pool).await.expect("asked");
    pool.close().await;
    let bytes = (own + shared) as f64 / f64::from(SERIES * IMAGES);
    let percent = 100.0 * bytes / PIXELS;
    println!("bytes of header an image, {what}: {bytes:.0}, {percent:.2} % of its pixels");
}

/// As rows of an earlier version are.
async fn make_whole(store: Store, folder: &Path) {
    let pool = index(folder).await;
    for number in 0..SERIES {
        for row in store.instances(&series(number)).await.expect("asked") {
            sqlx::query("UPDATE instances SET header = $2, base = NULL WHERE sop_instance = $1")
                .bind(row.identity.sop_instance.as_str())
                .bind(serde_json::to_string(&row.header).expect("JSON"))
                .execute(&pool)
                .await
                .expect("done");
        }
    }
    sqlx::query("DELETE FROM bases").execute(&pool).await.expect("done");
    pool.close().await;
    store.close().await;
}

async fn run() {
    let data_sets = data_sets();
    if data_sets.is_empty() {
        println!("skipped: no shared CT series");
        return;
    }
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(base).expect("a folder");
    let options = || StoreOptions::new(folder.path());
    let store = Store::open(options()).await.expect("a store");
    for of_series in 0..SERIES {
        let images = (0..IMAGES).map(|number| store.keep(image(of_series, number, &data_sets)));
        join_all(images).await.into_iter().for_each(|kept| drop(kept.expect("kept")));
    }
    store.settled().await;
    print_room(folder.path(), "laid over bases").await;
    read(&store, "laid over bases").await;
    let all: Vec<Uid> = (0..SERIES).map(series).collect();
    let begin = Instant::now();
    let found = store.images_of_series(&all).await.expect("asked");
    let images: usize = found.iter().map(|found| found.images.len()).sum();
    let each = begin.elapsed().as_secs_f64() * 1e6 / images as f64;
    println!("read {SERIES} series at once: {each:.2} us an image");
    make_whole(store, folder.path()).await;
    let store = Store::open(options()).await.expect("a store");
    print_room(folder.path(), "whole").await;
    read(&store, "whole").await;
    store.close().await;
    let (mut taken, used) = (Vec::new(), processor_seconds());
    for _ in 0..5 {
        let begin = Instant::now();
        let report = reindex(folder.path()).await.expect("built again");
        taken.push(begin.elapsed() / (SERIES * IMAGES / 1000));
        assert_eq!(report.instances, u64::from(SERIES * IMAGES));
    }
    print("index 1,000 images from their segment", "reading them included", taken);
    let each = (processor_seconds() - used) / f64::from(5 * SERIES * IMAGES);
    println!("processor time of that: {:.1} us an image", each * 1e6);
}

/// Of all threads of this process (proc(5): in hundredths of a second).
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("proc(5)");
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number") / 100.0).sum()
}

fn main() {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(run());
}
