//! What `gantry status` and the metrics know of the trail: two small files beside it, each with one writer.

use super::trail::Cursor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const RECORDED: &str = "recorded.json";
const SENT: &str = "sent.json";

/// Of the one who writes the trail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Messages that never came into the trail.
    pub lost: u64,
    pub fault: Option<Fault>,
}

/// Of the one who sends it to the collector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What lies before it was sent.
    pub cursor: Cursor,
    /// Files that went before they were sent.
    pub missed: u32,
    pub fault: Option<Fault>,
}

/// Why it does not go on, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub since: String,
    pub why: String,
}

pub fn recorded(folder: &Path) -> Recorded {
    read(folder, RECORDED)
}

pub fn sent(folder: &Path) -> Sent {
    read(folder, SENT)
}

pub fn keep_recorded(folder: &Path, recorded: &Recorded) -> io::Result<()> {
    write(folder, RECORDED, recorded)
}

pub fn keep_sent(folder: &Path, sent: &Sent) -> io::Result<()> {
    write(folder, SENT, sent)
}

/// Without the file, or with a broken one, from the beginning: what was sent is sent once more then.
fn read<T: DeserializeOwned + Default>(folder: &Path, name: &str) -> T {
    let bytes = fs::read(folder.join(name)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// The name never stands for half a file.
fn write(folder: &Path, name: &str, state: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(state)?;
    let new = folder.join(format!("{name}.new"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&new)?.write_all(&bytes)?;
    fs::rename(&new, folder.join(name))
}
