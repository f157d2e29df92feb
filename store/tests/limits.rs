//! A disk that is full pushes back, and memory does not grow with an object. Each runs in a process of its own.

mod modality;

use bytes::Bytes;
use gantry_store::error::KeepError;
use gantry_store::incoming::Kept;
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use gantry_store::verify::verify;
use modality::{identity, image_of, instance};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;

const FOLDER: &str = "GANTRY_TEST_LIMITED";

/// Runs one test of this file again, below what the shell sets up before.
fn alone(test: &str, folder: &Path, before: &str) -> bool {
    let this = std::env::current_exe().expect("this test");
    let script = format!("{before} exec \"$0\" --exact {test} --nocapture");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(this).env(FOLDER, folder);
    shell.status().expect("a shell").success()
}

fn folder_of_child() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_and_loses_nothing() {
    if let Some(folder) = folder_of_child() {
        return fills_its_disk(&folder).await;
    }
    let folder = tempdir().expect("a folder");
    // No file may grow beyond 2 MiB: the same to a writer as a disk without room.
    let limit = "trap '' XFSZ; ulimit -f 4096;";
    assert!(alone("a_disk_that_is_full_refuses_and_loses_nothing", folder.path(), limit));
    let store = modality::store(folder.path()).await;
    for number in [0, 1, 4] {
        let expected = image_of(identity(1, number), 900_000, number.into()).part10;
        let object = store.object(&instance(1, number)).await.expect("read");
        assert!(object == Some(expected), "{number}");
    }
    assert_eq!(store.instances(&modality::series(1)).await.expect("asked").len(), 3);
    assert_eq!(verify(&store).await.expect("verified").problems, [] as [String; 0]);
    store.close().await;
}

async fn fills_its_disk(folder: &Path) {
    let store = Store::open(StoreOptions::new(folder)).await.expect("a store");
    let image = |number: u32| image_of(identity(1, number), 900_000, number.into());
    for number in [0, 1] {
        store.keep(image(number)).await.expect("there is room");
    }
    let refused = store.keep(image(2)).await;
    assert!(matches!(refused, Err(KeepError::Full(_))), "{refused:?}");
    let mut stream = store.keep_streamed(identity(1, 3)).await.expect("begun");
    let refused = stream.append(vec![0; 5 << 20].into()).await;
    assert!(matches!(refused, Err(KeepError::Full(_))), "{refused:?}");
    drop(stream);
    store.keep(image(4)).await.expect("a new segment has room");
    store.close().await;
    let left = fs::read_dir(folder.join("segments")).expect("a folder").count();
    assert_eq!(left, 2, "nothing half-written is left");
}

#[tokio::test]
async fn memory_does_not_grow_with_a_large_object() {
    if let Some(folder) = folder_of_child() {
        return streams_much(&folder).await;
    }
    let folder = tempdir().expect("a folder");
    assert!(alone("memory_does_not_grow_with_a_large_object", folder.path(), ""));
}

async fn streams_much(folder: &Path) {
    const PIECES: usize = 2048;
    let store = Store::open(StoreOptions::new(folder)).await.expect("a store");
    let mut stream = store.keep_streamed(identity(1, 1)).await.expect("begun");
    let mut front = Vec::new();
    front.extend_from_slice(b"\x08\0\x60\0CS\x02\0CT\xe0\x7f\x10\0OW\0\0");
    front.extend_from_slice(&((PIECES * (128 << 10)) as u32).to_le_bytes());
    stream.append(front.into()).await.expect("written");
    let piece = Bytes::from(vec![7; 128 << 10]);
    for _ in 0..PIECES {
        stream.append(piece.clone()).await.expect("written");
    }
    assert_eq!(stream.finish().await.expect("kept").outcome, Kept::New);
    store.settled().await;
    let row = store.instance(&instance(1, 1)).await.expect("asked").expect("there");
    assert_eq!(row.header.text(0x0008_0060), Some("CT"));
    assert!(verify(&store).await.expect("verified").bytes > 256 << 20);
    store.close().await;
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 64 << 10, "{kib} KiB for an object of 256 MiB");
}
