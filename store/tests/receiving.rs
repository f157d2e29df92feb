//! What is collected on its way in is laid into segments as the disk wants it, and nobody who reads can tell.

mod modality;

use gantry_store::collected::{Buffers, Collected};
use gantry_store::digest::Digester;
use gantry_store::export::{Selector, export};
use gantry_store::header::{part10, read_data_set_header};
use gantry_store::incoming::{Identity, Kept, Received};
use gantry_store::options::StoreOptions;
use gantry_store::reindex::reindex;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use modality::{data_set, identity, instance, series, store};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::tempdir;
use tokio::task::JoinSet;

/// Of sizes that end before, at and behind the borders of blocks and of buffers, small and large.
const PIXELS: [usize; 12] = [
    0, 10, 2_000, 60_000, 131_000, 131_040, 131_072, 135_168, 300_001, 524_288, 650_000, 3_000_000,
];

fn object(of_series: u32, number: u32) -> (Identity, Vec<u8>) {
    let pixels = PIXELS[number as usize % PIXELS.len()];
    let seed = u64::from(of_series) << 32 | u64::from(number);
    (identity(of_series, number), data_set(number, pixels, seed))
}

fn received(buffers: &Arc<Buffers>, identity: Identity, data_set: &[u8]) -> Received {
    let (mut collected, mut digester) = (Collected::new(buffers), Digester::default());
    for piece in data_set.chunks(16_378) {
        digester.update(piece);
        collected.extend(piece);
    }
    let header = read_data_set_header(data_set, &identity.transfer_syntax).expect("read");
    Received { identity, data_set: collected, digest: digester.digest(), header }
}

async fn assert_all_are_there(store: &Store, of_series: u32) {
    let out = tempdir().expect("a folder");
    let which = Selector::Uid(series(of_series));
    let exported = export(store, &which, out.path()).await.expect("exported");
    assert_eq!((exported.written, exported.problems.len()), (PIXELS.len() as u64, 0));
    for number in 0..PIXELS.len() as u32 {
        let (identity, data_set) = object(of_series, number);
        let name = format!("{}.dcm", instance(of_series, number));
        let path = out.path().join(identity.study.as_str()).join(series(of_series).as_str());
        let file = fs::read(path.join(name)).expect("a file");
        assert!(file == part10(&identity, &data_set), "{number}");
    }
}

async fn kept(folder: &Path) -> Store {
    let store = store(folder).await;
    let buffers = Arc::new(Buffers::default());
    let mut senders = JoinSet::new();
    for sender in 0..6 {
        let (store, buffers) = (store.clone(), buffers.clone());
        senders.spawn(async move {
            for number in 0..PIXELS.len() as u32 {
                let (identity, data_set) = object(sender, number);
                let received = received(&buffers, identity, &data_set);
                let receipt = store.keep_received(received).await.expect("kept");
                assert_eq!(receipt.outcome, Kept::New);
            }
        });
    }
    senders.join_all().await;
    store.settled().await;
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn objects_of_every_size_sent_at_once_are_kept_byte_for_byte_and_found_again() {
    let folder = tempdir().expect("a folder");
    let store = kept(folder.path()).await;
    for sender in 0..6 {
        assert_all_are_there(&store, sender).await;
    }
    let verified = verify(&store).await.expect("verified");
    let all = 6 * PIXELS.len() as u64;
    assert_eq!((verified.instances, verified.records), (all, all));
    assert_eq!(verified.problems, [] as [String; 0]);
    store.close().await;
    reindex(folder.path()).await.expect("the segments explain themselves");
    let store = self::store(folder.path()).await;
    for sender in 0..6 {
        assert_all_are_there(&store, sender).await;
    }
    store.close().await;
}

#[tokio::test]
async fn the_longest_names_leave_room_for_the_front_of_a_record() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let uid = |last: char| Uid::parse(&format!("1.{}{last}", "9".repeat(61))).expect("a UID");
    let title = AeTitle::parse("SIXTEEN LETTERS.").expect("a title");
    let mut identity = identity(1, 1);
    identity.sop_class = uid('1');
    identity.sop_instance = uid('2');
    identity.series = uid('3');
    identity.study = uid('4');
    identity.transfer_syntax = uid('5');
    (identity.calling_ae, identity.called_ae) = (title.clone(), title);
    let data_set = data_set(1, 300_000, 7);
    let received = received(&Arc::default(), identity.clone(), &data_set);
    store.keep_received(received).await.expect("kept");
    store.settled().await;
    let object = store.object(&identity.sop_instance).await.expect("asked").expect("there");
    assert!(object == part10(&identity, &data_set));
    store.close().await;
}

#[tokio::test]
async fn what_was_kept_last_is_read_without_the_disk_and_the_rest_from_it() {
    let folder = tempdir().expect("a folder");
    let recent_bytes = 3 << 20;
    let options = StoreOptions { recent_bytes, ..StoreOptions::new(folder.path()) };
    let store = Store::open(options).await.expect("open");
    let buffers = Arc::new(Buffers::default());
    // The largest one comes first, and is the first to go.
    let numbers: Vec<u32> = (0..PIXELS.len() as u32).rev().collect();
    for number in &numbers {
        let (identity, data_set) = object(1, *number);
        let received = received(&buffers, identity, &data_set);
        store.keep_received(received).await.expect("kept");
    }
    store.settled().await;
    for number in &numbers {
        let (identity, data_set) = object(1, *number);
        let read = store.object(&identity.sop_instance).await.expect("read").expect("there");
        assert!(read == part10(&identity, &data_set), "{number}");
    }
    let segments = folder.path().join("segments");
    for segment in fs::read_dir(&segments).expect("the segments") {
        fs::remove_file(segment.expect("an entry").path()).expect("removed");
    }
    for number in &numbers {
        let (identity, data_set) = object(1, *number);
        let read = store.object(&identity.sop_instance).await;
        match *number {
            11 => assert!(read.is_err(), "the room was needed"),
            _ => {
                let read = read.expect("at hand").expect("there");
                assert!(read == part10(&identity, &data_set), "{number}");
            }
        }
    }
    store.close().await;
}
