//! What a crash or a disk leaves where a record should be: what was never acknowledged is told from damage, and nothing is taken for a record that is none.

mod modality;

use bytes::Bytes;
use gantry_store::events::EventRow;
use gantry_store::header::{part10, part10_head};
use gantry_store::incoming::{Identity, Incoming};
use gantry_store::reindex::reindex;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use gantry_terms::moment::Moment;
use modality::{data_set, identity, image, image_of, instance, options, store};
use std::fs;
use std::path::PathBuf;
use tempfile::{TempDir, tempdir};

const BLOCK: usize = 4096;
const MAGIC: &[u8] = b"\x89GANTRY\n";

fn segment(folder: &TempDir) -> PathBuf {
    folder.path().join("segments/00000001.seg")
}

fn large(number: u32) -> Incoming {
    image_of(identity(1, number), 20_000, number.into())
}

/// A folder whose store bears the same seal as the others that come from here.
fn sealed() -> TempDir {
    let folder = tempdir().expect("a folder");
    fs::write(folder.path().join("seal"), "000102030405060708090a0b0c0d0e0f 1\n").expect("written");
    folder
}

/// What a segment holds of these images, each at a border of blocks.
async fn records(folder: TempDir, images: &[Incoming]) -> Vec<u8> {
    let store = store(folder.path()).await;
    for image in images {
        store.keep(image.clone()).await.expect("kept");
    }
    store.close().await;
    fs::read(segment(&folder)).expect("a segment")
}

/// A store of three images whose segment was prepared, with these bytes behind the last record.
async fn prepared(behind: &[u8]) -> (TempDir, usize) {
    let folder = sealed();
    let store = store(folder.path()).await;
    for number in 0..3 {
        store.keep(image(1, number)).await.expect("kept");
    }
    store.close().await;
    let mut bytes = fs::read(segment(&folder)).expect("a segment");
    let at = bytes.len();
    bytes.extend_from_slice(behind);
    bytes.resize(8 << 20, 0);
    fs::write(segment(&folder), bytes).expect("written");
    (folder, at)
}

fn kinds(events: &[EventRow]) -> Vec<&str> {
    events.iter().map(|row| row.event.kind.as_str()).collect()
}

async fn assert_whole(store: &Store, numbers: std::ops::Range<u32>) {
    store.settled().await;
    for number in numbers {
        let object = store.object(&instance(1, number)).await.expect("read");
        assert!(object == Some(image(1, number).part10), "{number}");
    }
}

#[tokio::test]
async fn a_record_torn_among_prepared_zeros_is_cut_off_and_is_no_damage() {
    let whole = records(sealed(), &[large(50)]).await;
    let blocks = whole.len() / BLOCK;
    assert!(blocks > 4);
    // Written up to a block, and blocks that came to the disk before others that did not.
    let missing = (1..blocks).map(|first| first..blocks).chain((0..blocks).map(|one| one..one + 1));
    for missing in missing {
        let mut torn = whole.clone();
        torn[missing.start * BLOCK..missing.end * BLOCK].fill(0);
        let (folder, at) = prepared(&torn).await;
        let store = store(folder.path()).await;
        let events = store.events(10).await.expect("asked");
        assert_eq!(kinds(&events), ["torn tail"], "{missing:?}: {events:?}");
        assert!(events[0].event.text.contains(&format!("segment 1, at {at}")), "{events:?}");
        assert!(!folder.path().join("damaged").exists());
        store.keep(image(1, 3)).await.expect("kept");
        assert_whole(&store, 0..4).await;
        assert_eq!(verify(&store).await.expect("verified").problems, [] as [String; 0]);
        store.close().await;
        assert!(!folder.path().join("segments/00000002.seg").exists(), "appending goes on");
    }
}

#[tokio::test]
async fn records_behind_a_hole_of_a_torn_write_are_kept_and_it_is_no_damage() {
    let mut torn = records(sealed(), &[large(50), large(51), large(52)]).await;
    let second = torn.len() / 3;
    for hole in [second, second + 2 * BLOCK] {
        torn[hole..hole + BLOCK].fill(0);
        let (folder, _) = prepared(&torn).await;
        let before = fs::read(segment(&folder)).expect("a segment");
        let store = store(folder.path()).await;
        let events = store.events(10).await.expect("asked");
        assert_eq!(kinds(&events), ["torn tail"], "{events:?}");
        for (number, there) in [(50, true), (51, false), (52, true)] {
            let object = store.object(&instance(1, number)).await.expect("read");
            assert!(object == there.then(|| large(number).part10), "{number}");
        }
        store.keep(image(1, 3)).await.expect("kept");
        assert_whole(&store, 0..4).await;
        assert_eq!(verify(&store).await.expect("verified").problems, [] as [String; 0]);
        store.close().await;
        let report = reindex(folder.path()).await.expect("built again");
        assert_eq!(report.problems, [] as [String; 0], "it is known");
        let length = before.iter().rposition(|byte| *byte != 0).expect("a record");
        let after = fs::read(segment(&folder)).expect("a segment");
        assert!(after[..=length] == before[..=length], "as it was found");
    }
}

#[tokio::test]
async fn a_damaged_record_among_prepared_zeros_is_put_aside_without_the_zeros() {
    let mut garbled = records(sealed(), &[large(50)]).await;
    garbled[9000] ^= 1;
    let length = garbled.iter().rposition(|byte| *byte != 0).expect("a record") + 1;
    let (folder, at) = prepared(&garbled).await;
    let store = store(folder.path()).await;
    let events = store.events(10).await.expect("asked");
    assert_eq!(kinds(&events), ["damage"], "{events:?}");
    assert!(events[0].event.text.contains(instance(1, 50).as_str()), "{events:?}");
    let aside = folder.path().join(format!("damaged/00000001-{at}.record"));
    assert!(fs::read(aside).expect("put aside") == garbled[..length]);
    store.keep(image(1, 3)).await.expect("kept");
    assert_whole(&store, 0..4).await;
    assert_eq!(verify(&store).await.expect("verified").problems, [] as [String; 0]);
    store.close().await;
}

#[tokio::test]
async fn what_cannot_be_put_aside_stays_where_it_is_and_the_node_starts() {
    let mut garbled = records(sealed(), &[large(50)]).await;
    garbled[9000] ^= 1;
    let (folder, _) = prepared(&garbled).await;
    let before = fs::read(segment(&folder)).expect("a segment");
    fs::write(folder.path().join("damaged"), "in the way").expect("written");
    for _ in 0..2 {
        let store = store(folder.path()).await;
        let events = store.events(1).await.expect("asked");
        assert!(events[0].event.text.contains("cannot be put aside"), "{events:?}");
        store.keep(image(1, 3)).await.expect("kept");
        assert_whole(&store, 0..4).await;
        store.close().await;
        assert!(fs::read(segment(&folder)).expect("a segment") == before, "as it was found");
    }
}

#[tokio::test]
async fn a_record_within_the_pixels_of_an_object_counts_for_nothing_whatever_is_damaged_around_it()
{
    // It would be the newest of image 1, by its arrival.
    let late = Identity { arrival: Moment(i64::MAX / 2), ..identity(1, 1) };
    let forged = records(tempdir().expect("a folder"), &[image_of(late, 700, 7)]).await;
    let mut bytes = data_set(5, forged.len() + 5000, 5);
    let at = bytes.len() - forged.len();
    bytes[at..].copy_from_slice(&forged);
    let holder = identity(2, 5);
    let holder = Incoming { part10: Bytes::from(part10(&holder, &bytes)), identity: holder };
    for is_head in [true, false] {
        let folder = tempdir().expect("a folder");
        let store = store(folder.path()).await;
        for kept in [image(1, 1), holder.clone(), image(3, 1)] {
            store.keep(kept).await.expect("kept");
        }
        store.close().await;
        let mut bytes = fs::read(segment(&folder)).expect("a segment");
        let inner = bytes.windows(forged.len()).position(|part| part == forged).expect("there");
        let outer = (0..inner).rev().find(|at| bytes[*at..].starts_with(MAGIC)).expect("a record");
        bytes[if is_head { outer + 17 } else { inner - 100 }] ^= 1;
        fs::write(segment(&folder), bytes).expect("garbled");
        fs::remove_file(folder.path().join("index.db")).expect("an index");
        let built = reindex(folder.path()).await.expect("built again");
        assert_eq!((built.instances, built.problems.len()), (2, 1), "{:?}", built.problems);
        let store = modality::store(folder.path()).await;
        assert_whole(&store, 1..2).await;
        let behind = store.object(&instance(3, 1)).await.expect("read");
        assert_eq!(behind, Some(image(3, 1).part10), "what lies behind the damage is found");
        let verified = verify(&store).await.expect("verified");
        assert_eq!((verified.records, verified.problems.len()), (2, 1), "{verified:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_whose_seal_was_lost_goes_on_in_another_segment() {
    let folder = tempdir().expect("a folder");
    for number in 0..2 {
        let store = store(folder.path()).await;
        store.keep(image(1, number)).await.expect("kept");
        store.close().await;
        fs::remove_file(folder.path().join("seal")).expect("a seal");
    }
    let store = store(folder.path()).await;
    assert_whole(&store, 0..2).await;
    assert_eq!(verify(&store).await.expect("verified").segments, 2);
    store.close().await;
}

#[tokio::test]
async fn a_segment_that_is_not_appended_to_any_more_gives_back_what_was_prepared() {
    let (folder, at) = prepared(&[]).await;
    // As a node leaves it that is killed behind a streamed object.
    let other = tempdir().expect("a folder");
    let streams = Store::open(options(other.path())).await.expect("a store");
    let streamed = image(2, 1);
    let mut stream = streams.keep_streamed(streamed.identity.clone()).await.expect("begun");
    let data_set = streamed.part10.slice(part10_head(&streamed.identity).len()..);
    stream.append(data_set).await.expect("appended");
    stream.finish().await.expect("kept");
    streams.close().await;
    let second = folder.path().join("segments/00000002.seg");
    fs::copy(segment(&other), second).expect("copied");
    let store = store(folder.path()).await;
    assert_eq!(fs::metadata(segment(&folder)).expect("a segment").len(), at as u64);
    assert_whole(&store, 0..3).await;
    let object = store.object(&instance(2, 1)).await.expect("read");
    assert_eq!(object, Some(streamed.part10));
    store.close().await;
}
