//! What was acknowledged survives whatever happens to the process, and the index says what the segments say.

mod modality;

use gantry_store::export::{Exported, Selector, export};
use gantry_store::options::{Durability, StoreOptions};
use gantry_store::reindex::reindex;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use modality::{image, instance, options, series, store};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::tempdir;
use tokio::task::JoinSet;

const FOLDER: &str = "GANTRY_TEST_KEEPS_UNTIL_KILLED";
const FIRST: &str = "GANTRY_TEST_KEEPS_FROM";
/// There when what is kept is not synced.
const UNSYNCED: &str = "GANTRY_TEST_KEEPS_UNSYNCED";

/// Not a test by itself: the node that the next test kills. Prints what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_keeps_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let first: u32 = std::env::var(FIRST).ok().and_then(|n| n.parse().ok()).expect("a number");
    let durability = match std::env::var_os(UNSYNCED) {
        Some(_) => Durability::Crash,
        None => Durability::PowerLoss,
    };
    let options = StoreOptions { durability, ..options(Path::new(&folder)) };
    let store = Store::open(options).await.expect("a store");
    println!("open");
    let mut senders = JoinSet::new();
    for sender in 0..4 {
        let store = store.clone();
        senders.spawn(async move {
            for number in first..u32::MAX {
                store.keep(image(sender, number)).await.expect("kept");
                let mut out = std::io::stdout().lock();
                writeln!(out, "kept {sender} {number}").expect("a parent that listens");
            }
        });
    }
    senders.join_all().await;
}

#[tokio::test]
async fn nothing_acknowledged_is_missing_after_the_node_was_killed() {
    kill_while_it_keeps(&[]).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_missing_after_a_node_was_killed_that_syncs_nothing() {
    kill_while_it_keeps(&[(UNSYNCED, "1")]).await;
}

async fn kill_while_it_keeps(environment: &[(&str, &str)]) {
    let folder = tempdir().expect("a folder");
    let mut random = StdRng::seed_from_u64(7);
    let mut acknowledged = BTreeSet::new();
    for round in 0..8 {
        let before = acknowledged.len();
        // Between fork and exec the child of another test has the lock of this folder, too: then the node refuses to start.
        for _ in 0..5 {
            if acknowledged.len() > before {
                break;
            }
            run_and_kill(folder.path(), round, environment, &mut random, &mut acknowledged);
        }
        assert!(acknowledged.len() > before, "the node kept something");
        let store = store(folder.path()).await;
        for (sender, number) in &acknowledged {
            let object = store.object(&instance(*sender, *number)).await.expect("read");
            assert_eq!(object, Some(image(*sender, *number).part10), "{sender} {number}");
        }
        let verified = verify(&store).await.expect("verified");
        assert_eq!(verified.problems, [] as [String; 0]);
        assert_eq!(verified.records, verified.instances, "the index equals the segments");
        assert!(verified.instances >= acknowledged.len() as u64);
        // A write that was broken off may leave a torn tail; nothing else is told of.
        let events = store.events(10).await.expect("asked");
        assert!(events.iter().all(|row| row.event.kind == "torn tail"), "{events:?}");
        store.close().await;
    }
}

/// Until so many were acknowledged; what was is taken down.
fn run_and_kill(
    folder: &Path,
    round: u32,
    environment: &[(&str, &str)],
    random: &mut StdRng,
    acknowledged: &mut BTreeSet<(u32, u32)>,
) {
    let mut node = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "a_node_that_keeps_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, (round * 10_000).to_string())
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a node");
    let lines = BufReader::new(node.stdout.take().expect("its output")).lines();
    let mut left = random.random_range(20..400);
    for line in lines.map_while(Result::ok) {
        let Some((sender, number)) = acknowledgement(&line) else { continue };
        acknowledged.insert((sender, number));
        left -= 1;
        if left == 0 {
            // SIGKILL; what it still printed before is read too.
            node.kill().expect("killed");
        }
    }
    node.wait().expect("gone");
}

/// The harness may print its own words before the first line.
fn acknowledgement(line: &str) -> Option<(u32, u32)> {
    let mut words = line.split("kept ").nth(1)?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn last_segment(folder: &Path) -> PathBuf {
    let segments = fs::read_dir(folder.join("segments")).expect("a folder");
    segments.flatten().map(|entry| entry.path()).max().expect("a segment")
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = File::options().append(true).open(path).expect("a segment");
    file.write_all(bytes).expect("written");
}

/// Where the last byte lies that is not padding.
fn last_byte(segment: &[u8]) -> usize {
    segment.iter().rposition(|byte| *byte != 0).expect("a record")
}

fn last_byte_is_there(tail: &[u8]) -> bool {
    tail.iter().any(|byte| *byte != 0)
}

async fn kept(folder: &Path, numbers: std::ops::Range<u32>) {
    let store = store(folder).await;
    for number in numbers {
        store.keep(image(1, number)).await.expect("kept");
    }
    store.close().await;
}

#[tokio::test]
async fn a_torn_tail_is_cut_at_the_last_good_record_and_appending_goes_on() {
    let record = {
        let folder = tempdir().expect("a folder");
        kept(folder.path(), 5..6).await;
        let mut record = fs::read(last_segment(folder.path())).expect("a segment");
        record.truncate(last_byte(&record) + 1);
        record
    };
    let mut garbled = record.clone();
    garbled[200] ^= 1;
    let tails: [&[u8]; 7] = [
        &record[..10],
        &record[..64],
        &record[..record.len() - 1],
        &garbled,
        &[0; 5000],
        b"x",
        &[0xFF; 64],
    ];
    for tail in tails {
        let folder = tempdir().expect("a folder");
        kept(folder.path(), 0..5).await;
        let segment = last_segment(folder.path());
        let before = fs::metadata(&segment).expect("a segment").len();
        append(&segment, tail);
        kept(folder.path(), 6..7).await;
        let after = fs::metadata(&segment).expect("a segment").len();
        let grown = image(1, 6).part10.len() as u64;
        assert!((before + grown..before + grown + 8192).contains(&after), "{}", tail.len());
        let store = store(folder.path()).await;
        let verified = verify(&store).await.expect("verified");
        assert_eq!((verified.instances, verified.problems.len()), (6, 0));
        let events = store.events(10).await.expect("asked");
        // Nothing but zeros is what was prepared for later.
        assert_eq!(events.len(), usize::from(last_byte_is_there(tail)), "{events:?}");
        let at = format!("segment 1, at {before}");
        assert!(events.iter().all(|row| row.event.text.contains(&at)), "{events:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_whole_record_that_was_not_indexed_is_replayed() {
    let other = tempdir().expect("a folder");
    kept(other.path(), 5..6).await;
    let record = fs::read(last_segment(other.path())).expect("a segment");
    let folder = tempdir().expect("a folder");
    kept(folder.path(), 0..5).await;
    append(&last_segment(folder.path()), &record);
    append(&last_segment(folder.path()), &record[..100]);
    let store = store(folder.path()).await;
    let object = store.object(&instance(1, 5)).await.expect("read");
    assert_eq!(object, Some(image(1, 5).part10));
    assert_eq!(store.series(&series(1)).await.expect("asked").expect("there").instances, 6);
    store.close().await;
}

#[tokio::test]
async fn damage_in_the_middle_is_reported_and_never_deleted() {
    let folder = tempdir().expect("a folder");
    kept(folder.path(), 0..5).await;
    let segment = last_segment(folder.path());
    let before = fs::read(&segment).expect("a segment");
    let mut bytes = before.clone();
    let at = last_byte(&bytes[..bytes.len() / 2]);
    bytes[at] ^= 0x40;
    fs::write(&segment, &bytes).expect("garbled");
    let store = store(folder.path()).await;
    let verified = verify(&store).await.expect("verified");
    assert_eq!(verified.problems.len(), 2, "{:?}", verified.problems);
    let mut unreadable = 0;
    for number in 0..5 {
        unreadable += usize::from(store.object(&instance(1, number)).await.is_err());
    }
    assert_eq!(unreadable, 1);
    store.close().await;
    // From nothing, the scan meets the damage before good records.
    for side in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = fs::remove_file(folder.path().join(side));
    }
    let store = modality::store(folder.path()).await;
    assert_eq!(store.summary().await.expect("asked").instances, 4);
    let kinds: Vec<_> = store.events(10).await.expect("asked");
    let kinds: Vec<&str> = kinds.iter().map(|row| row.event.kind.as_str()).collect();
    assert_eq!(kinds, ["index lost", "damage"]);
    store.keep(image(1, 9)).await.expect("kept");
    store.close().await;
    assert_eq!(fs::read(&segment).expect("a segment"), bytes, "as it was found");
    assert_ne!(last_segment(folder.path()), segment, "nothing is appended behind damage");
}

#[tokio::test]
async fn a_damaged_last_record_is_put_aside_when_the_index_is_lost() {
    let folder = tempdir().expect("a folder");
    kept(folder.path(), 0..3).await;
    let segment = last_segment(folder.path());
    let mut bytes = fs::read(&segment).expect("a segment");
    let last = last_byte(&bytes);
    bytes[last] ^= 1;
    fs::write(&segment, &bytes).expect("garbled");
    let report = reindex(folder.path()).await.expect("built again");
    assert_eq!((report.instances, report.problems.len()), (2, 1), "{:?}", report.problems);
    let aside = fs::read_dir(folder.path().join("damaged")).expect("a folder").flatten();
    let aside: Vec<PathBuf> = aside.map(|entry| entry.path()).collect();
    assert_eq!(aside.len(), 1);
    let record = fs::read(&aside[0]).expect("the record");
    // What it may have held, and not what pads it.
    let length = last_byte(&bytes) + 1;
    assert!(bytes[..length].ends_with(&record) && record.starts_with(b"\x89GANTRY\n"));
}

#[tokio::test]
async fn a_lost_segment_is_reported_at_the_start() {
    let folder = tempdir().expect("a folder");
    kept(folder.path(), 0..5).await;
    fs::remove_file(last_segment(folder.path())).expect("removed");
    let store = store(folder.path()).await;
    let events = store.events(10).await.expect("asked");
    assert!(events[0].event.text.contains("segment 1 is gone"), "{events:?}");
    assert_eq!(verify(&store).await.expect("verified").problems.len(), 6);
    store.keep(image(2, 1)).await.expect("kept");
    store.close().await;
    assert!(last_segment(folder.path()).ends_with("00000002.seg"), "its number is not used again");
}

#[tokio::test]
async fn the_index_is_built_again_from_the_segments_alone() {
    let folder = tempdir().expect("a folder");
    for of_series in 0..3 {
        let store = store(folder.path()).await;
        for number in 0..200 {
            store.keep(image(of_series, number)).await.expect("kept");
        }
        store.close().await;
    }
    let before = dump(folder.path()).await;
    for side in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = fs::remove_file(folder.path().join(side));
    }
    let report = reindex(folder.path()).await.expect("built again");
    assert_eq!((report.records, report.instances, report.series), (600, 600, 3));
    assert!(report.segments > 3);
    assert_eq!(report.problems, [] as [String; 0]);
    assert_eq!(dump(folder.path()).await, before);
    // And once more over an index that is there.
    let again = reindex(folder.path()).await.expect("built again");
    assert_eq!(again, report);
    assert_eq!(dump(folder.path()).await, before);
    let out = tempdir().expect("a folder");
    let reader = Store::open_reader(folder.path()).await.expect("a reader");
    let exported = export(&reader, &Selector::All, out.path()).await.expect("exported");
    assert_eq!(exported, Exported { written: 600, ..Exported::default() });
}

async fn dump(folder: &Path) -> Vec<String> {
    let reader = Store::open_reader(folder).await.expect("a reader");
    let mut rows = Vec::new();
    for row in reader.all_series().await.expect("asked") {
        rows.push(format!("{row:?}"));
        let instances = reader.instances(&row.uid).await.expect("asked");
        rows.extend(instances.iter().map(|row| format!("{row:?}")));
    }
    rows
}

#[tokio::test]
async fn an_index_that_cannot_be_read_is_put_aside_and_built_again() {
    let folder = tempdir().expect("a folder");
    kept(folder.path(), 0..5).await;
    fs::write(folder.path().join("index.db"), vec![0x55; 40_000]).expect("garbled");
    assert!(Store::open(options(folder.path())).await.is_err());
    let report = reindex(folder.path()).await.expect("built again");
    assert_eq!(report.instances, 5);
    assert!(report.set_aside.is_some_and(|path| path.is_file()));
    let store = store(folder.path()).await;
    assert_eq!(verify(&store).await.expect("verified").problems.len(), 0);
    store.close().await;
}

#[tokio::test]
async fn building_the_index_again_forgets_no_decision() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    store.keep(image(1, 1)).await.expect("kept");
    store.settled().await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert!(store.complete_series(&row.uid, 1, row.last_arrival).await.expect("asked"));
    store.close().await;
    reindex(folder.path()).await.expect("built again");
    let store = modality::store(folder.path()).await;
    let row = store.series(&series(1)).await.expect("asked").expect("there");
    assert_eq!((row.state, row.revision), (SeriesState::Complete, 1));
    store.close().await;
}

#[tokio::test]
async fn no_index_is_built_beside_a_running_node_or_out_of_nothing() {
    let folder = tempdir().expect("a folder");
    assert!(reindex(folder.path()).await.is_err());
    let store = store(folder.path()).await;
    assert!(reindex(folder.path()).await.is_err());
    store.close().await;
}

#[tokio::test]
async fn leftovers_of_streams_go_at_the_start() {
    let folder = tempdir().expect("a folder");
    kept(folder.path(), 0..1).await;
    let leftover = folder.path().join("segments/stream-4.tmp");
    fs::write(&leftover, b"half").expect("written");
    kept(folder.path(), 1..2).await;
    assert!(!leftover.exists());
}
