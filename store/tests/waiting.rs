//! What waits for the index, when that cannot follow, is bounded by its bytes.

mod modality;

use gantry_store::header::part10;
use gantry_store::incoming::Incoming;
use modality::{identity, store};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::time::Duration;
use tempfile::tempdir;
use tokio::task::JoinSet;
use tokio::time::timeout;

const OBJECTS: u32 = 100;

/// An object with a header of 1 MB: a thousand private attributes that are each short enough.
fn wordy(number: u32) -> Incoming {
    let mut data_set = b"\x08\0\x60\0CS\x02\0CT\x29\0\x10\0LO\x06\0GANTRY".to_vec();
    for element in 0x1000_u16..0x13E8 {
        data_set.extend_from_slice(b"\x29\0");
        data_set.extend_from_slice(&element.to_le_bytes());
        data_set.extend_from_slice(b"LT\xe8\x03");
        data_set.extend_from_slice(&[b'x'; 1000]);
    }
    let identity = identity(1, number);
    Incoming { part10: part10(&identity, &data_set).into(), identity }
}

#[tokio::test]
async fn large_headers_wait_for_the_index_in_bounded_memory_and_are_all_kept() {
    let folder = tempdir().expect("a folder");
    let store = store(folder.path()).await;
    let index = SqliteConnectOptions::new().filename(folder.path().join("index.db"));
    let index = SqlitePool::connect_with(index).await.expect("an index");
    let mut other = index.acquire().await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *other).await.expect("nothing is indexed now");

    let mut senders = JoinSet::new();
    for number in 0..OBJECTS {
        let store = store.clone();
        senders.spawn(async move { store.keep(wordy(number)).await.map(|_| ()) });
    }
    let mut answered = 0;
    while let Ok(Some(kept)) = timeout(Duration::from_secs(3), senders.join_next()).await {
        kept.expect("no panic").expect("kept");
        answered += 1;
    }
    assert!((30..80).contains(&answered), "{answered} of {OBJECTS} do not wait");
    sqlx::query("ROLLBACK").execute(&mut *other).await.expect("it follows again");
    while let Some(kept) = senders.join_next().await {
        kept.expect("no panic").expect("kept");
    }
    store.settled().await;
    assert_eq!(store.summary().await.expect("asked").instances, u64::from(OBJECTS));
    store.close().await;
}
