//! When an object counts as kept: what the kernel was told before the answer, and what is answered when a write fails.

mod modality;

use gantry_store::error::KeepError;
use gantry_store::header::part10_head;
use gantry_store::incoming::Incoming;
use gantry_store::options::{Durability, StoreOptions};
use gantry_store::store::Store;
use gantry_store::verify::verify;
use modality::{identity, image_of, instance};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::tempdir;

const FOLDER: &str = "GANTRY_TEST_SYNCS_IN";
const DURABILITY: &str = "GANTRY_TEST_SYNCS_FOR";
const OBJECTS: u32 = 3;

fn ordinary(number: u32) -> Incoming {
    image_of(identity(1, number), 30_000, number.into())
}

fn streamed(number: u32) -> Incoming {
    image_of(identity(2, number), 2_500_000, number.into())
}

fn durability() -> Option<Durability> {
    match std::env::var(DURABILITY).ok()?.as_str() {
        "power-loss" => Some(Durability::PowerLoss),
        _ => Some(Durability::Crash),
    }
}

async fn stream(store: &Store, incoming: &Incoming) {
    let mut stream = store.keep_streamed(incoming.identity.clone()).await.expect("begun");
    let data_set = incoming.part10.slice(part10_head(&incoming.identity).len()..);
    for piece in data_set.chunks(700_000) {
        stream.append(data_set.slice_ref(piece)).await.expect("appended");
    }
    stream.finish().await.expect("kept");
}

/// Not a test by itself: what the next tests look at from outside. Says what it would answer.
#[tokio::test]
async fn a_node_that_is_looked_at() {
    let (Some(folder), Some(durability)) = (std::env::var_os(FOLDER), durability()) else { return };
    let store = Store::open(StoreOptions { durability, ..StoreOptions::new(folder) }).await;
    let store = store.expect("a store");
    for number in 0..OBJECTS {
        store.keep(ordinary(number)).await.expect("kept");
        fs::write("/dev/null", format!("answer ordinary {number}")).expect("written");
        stream(&store, &streamed(number)).await;
        fs::write("/dev/null", format!("answer streamed {number}")).expect("written");
    }
    store.close().await;
}

/// A call that has returned.
struct Call {
    name: String,
    text: String,
}

/// Every call of the child in the order of their ends.
fn traced(folder: &Path, durability: &str) -> Option<Vec<Call>> {
    let trace = folder.join("trace");
    let calls = "trace=fdatasync,fsync,pwrite64,pwritev,write,writev,rename,renameat,renameat2";
    let said = Command::new("strace")
        .args(["-f", "-y", "-s", "40", "-e", calls, "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "a_node_that_is_looked_at"])
        .env(FOLDER, folder.join("store"))
        .env(DURABILITY, durability)
        .stdout(Stdio::null())
        .status();
    // Where a container forbids to look at a process nothing is written.
    match said {
        Ok(status) if status.success() => {}
        said => {
            println!("skipped: strace does not run ({said:?}; Debian: strace)");
            assert!(!is_all(), "nothing may be skipped here");
            return None;
        }
    }
    let text = fs::read_to_string(trace).expect("a trace");
    let (mut begun, mut calls) = (HashMap::new(), Vec::new());
    for line in text.lines() {
        let (process, line) = line.split_once(' ').unwrap_or_default();
        let line = line.trim();
        if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            begun.insert(process, begin.to_string());
        } else if let Some(end) = line.strip_prefix("<... ") {
            let end = end.split_once("resumed>").unwrap_or_default().1;
            calls.push(begun.remove(process).unwrap_or_default() + end);
        } else {
            calls.push(line.to_string());
        }
    }
    let call = |text: String| {
        let name = text.split('(').next().unwrap_or_default().to_string();
        Call { name, text }
    };
    Some(calls.into_iter().map(call).filter(|call| !call.text.contains(" = -1 ")).collect())
}

fn is_all() -> bool {
    std::env::var("GANTRY_TESTS").is_ok_and(|which| which == "all")
}

impl Call {
    /// The file that it is about, by the number of the segment or the name.
    fn is_of(&self, file: &str) -> bool {
        self.text.contains(file)
    }

    fn writes(&self) -> bool {
        self.name.starts_with("pwrite")
    }

    fn syncs(&self) -> bool {
        ["fdatasync", "fsync"].contains(&self.name.as_str())
    }
}

/// Of each answer what was done since the one before.
fn before_answers(calls: &[Call]) -> Vec<(&str, &[Call])> {
    let mut answers = Vec::new();
    let mut from = 0;
    for (at, call) in calls.iter().enumerate() {
        if let Some(answer) = call.text.split("answer ").nth(1) {
            answers.push((answer.split('"').next().unwrap_or_default(), &calls[from..at]));
            from = at + 1;
        }
    }
    answers
}

#[test]
fn no_object_is_answered_before_all_of_its_record_is_synced() {
    let folder = tempdir().expect("a folder");
    let Some(calls) = traced(folder.path(), "power-loss") else { return };
    let answers = before_answers(&calls);
    assert_eq!(answers.len() as u32, 2 * OBJECTS);
    for (answer, calls) in answers {
        let file = if answer.contains("ordinary") { ".seg>" } else { "stream-" };
        let written = calls.iter().rposition(|call| call.writes() && call.is_of(file));
        let written = written.unwrap_or_else(|| panic!("{answer}: nothing is written"));
        let synced = calls.iter().rposition(|call| call.syncs() && call.is_of(file));
        assert!(synced.is_some_and(|synced| synced > written), "{answer}: synced behind the write");
        if answer.contains("streamed") {
            let named = calls.iter().rposition(|call| call.name.starts_with("rename"));
            let named = named.unwrap_or_else(|| panic!("{answer}: it gets its name"));
            let behind = &calls[named..];
            assert!(synced.is_some_and(|synced| synced < named), "{answer}: whole when named");
            assert!(
                behind.iter().any(|call| call.syncs() && call.is_of("/segments>")),
                "{answer}: the name is synced"
            );
        }
    }
}

#[test]
fn no_segment_is_synced_where_only_crashes_are_to_be_survived() {
    let folder = tempdir().expect("a folder");
    let Some(calls) = traced(folder.path(), "crash") else { return };
    let answers = before_answers(&calls);
    assert_eq!(answers.len() as u32, 2 * OBJECTS);
    for (answer, calls) in answers {
        for file in [".seg>", "stream-"] {
            let synced = calls.iter().find(|call| call.syncs() && call.is_of(file));
            assert!(synced.is_none(), "{answer}: {}", synced.map_or("", |call| &call.text));
        }
    }
}

const FAILS: &str = "GANTRY_TEST_FAILS_IN";

/// Not a test by itself: the process of the next test, in which no file may grow beyond 4 MiB.
#[tokio::test]
async fn a_node_whose_writes_fail() {
    let Some(folder) = std::env::var_os(FAILS) else { return };
    let options = StoreOptions { segment_bytes: 64 << 20, ..StoreOptions::new(folder) };
    let store = Store::open(options).await.expect("a store");
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for number in 0..16 {
        let image = image_of(identity(1, number), 700_000, number.into());
        match store.keep(image).await {
            Ok(_) => kept.push(number),
            Err(KeepError::Full(_) | KeepError::Failed(_)) => failed.push(number),
            Err(error) => panic!("{error}"),
        }
    }
    println!("kept {kept:?}, failed {failed:?}");
    assert!((2..=4).contains(&failed.len()) && kept.contains(&15), "{kept:?}, {failed:?}");
    for number in &failed {
        let image = image_of(identity(1, *number), 700_000, u64::from(*number));
        let mut kept = store.keep(image.clone()).await;
        if kept.is_err() {
            // That was the last of another segment: the sender tries once more.
            kept = store.keep(image).await;
        }
        kept.expect("kept");
    }
    store.settled().await;
    for number in 0..16 {
        let object = store.object(&instance(1, number)).await.expect("read").expect("there");
        assert!(object == image_of(identity(1, number), 700_000, number.into()).part10, "{number}");
    }
    assert_eq!(verify(&store).await.expect("verified").problems, [] as [String; 0]);
    store.close().await;
}

#[test]
fn when_a_write_fails_its_objects_are_refused_and_all_others_are_kept_and_whole() {
    let folder = tempdir().expect("a folder");
    let test = std::env::current_exe().expect("this test");
    // In blocks of 512 bytes; a write beyond is an error and no signal.
    let limited = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" --exact a_node_whose_writes_fail";
    let said =
        Command::new("sh").args(["-c", limited]).arg(test).env(FAILS, folder.path()).output();
    let said = said.expect("sh starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}
