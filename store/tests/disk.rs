//! A disk that fills: receiving ends at the reserve, results go on, and receiving begins again by itself.

mod modality;

use gantry_store::error::KeepError;
use gantry_store::incoming::{Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use modality::{identity, image_of};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A file system of its own in memory; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where this user may not mount.
    fn mount(mib: u32) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn image(number: u32, origin: Origin) -> Incoming {
    let mut identity = identity(1, number);
    identity.origin = origin;
    image_of(identity, 1 << 20, number.into())
}

fn ballast(disk: &SmallDisk) -> PathBuf {
    let path = disk.path().join("ballast");
    std::fs::write(&path, vec![1; 20 << 20]).expect("there is room");
    path
}

#[tokio::test]
async fn below_the_reserve_nothing_is_received_but_results_are_kept_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(64) else {
        return println!("skipped: only root can mount a small disk");
    };
    let ballast = ballast(&disk);
    let options = StoreOptions {
        reserve_bytes: 16 << 20,
        segment_bytes: 1 << 20,
        ..StoreOptions::new(disk.path().join("store"))
    };
    let store = Store::open(options).await.expect("a store");
    let mut received = 0;
    let refused = loop {
        match store.keep(image(received, Origin::Received)).await {
            Ok(_) => received += 1,
            Err(error) => break error,
        }
        // The disk is looked at from time to time.
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(matches!(refused, KeepError::Full(_)), "{refused:?}");
    assert!(store.fault().is_some(), "associations can be told");
    assert!(store.keep_streamed(identity(1, 900)).await.is_err());
    store.keep(image(901, Origin::Made)).await.expect("a result uses the reserve");
    let kinds = |events: Vec<gantry_store::events::EventRow>| {
        events.into_iter().map(|row| row.event.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(store.events(10).await.expect("asked")), ["disk reserve"]);

    std::fs::remove_file(ballast).expect("room is made");
    let mut waited = 0;
    while store.fault().is_some() {
        waited += 1;
        assert!(waited < 600, "receiving begins again by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    store.keep(image(902, Origin::Received)).await.expect("received again");
    store.settled().await;
    let kinds = kinds(store.events(10).await.expect("asked"));
    assert!(kinds.contains(&"disk has room".to_string()), "{kinds:?}");
    assert_eq!(store.summary().await.expect("asked").instances, u64::from(received) + 2);
    store.close().await;
}

#[tokio::test]
async fn an_object_that_is_streamed_leaves_the_reserve_alone_too() {
    let Some(disk) = SmallDisk::mount(64) else {
        return println!("not run: only root can mount a small disk");
    };
    let options =
        StoreOptions { reserve_bytes: 24 << 20, ..StoreOptions::new(disk.path().join("store")) };
    let store = Store::open(options).await.expect("a store");
    let mut stream = store.keep_streamed(identity(1, 1)).await.expect("there is room");
    let mut appended = 0;
    let refused = loop {
        match stream.append(vec![1; 1 << 20].into()).await {
            Ok(()) => appended += 1,
            Err(error) => break error,
        }
        assert!(appended < 60, "it ends before the disk is full");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(matches!(refused, KeepError::Full(_)), "{refused:?}");
    // Without what came between two looks at the disk.
    assert!((20..55).contains(&appended), "{appended}");
    assert!(stream.finish().await.is_err(), "nothing of it is kept");
    store.close().await;
}
