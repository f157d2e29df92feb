//! The data folder, the port and the clock.

use super::Line;
use crate::config::Config;
use gantry_store::disk::Disk;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// 2026-01-01T00:00:00Z: a clock that shows less has lost its battery.
const NO_EARLIER: u64 = 1_767_225_600;

pub(super) fn look(config: &Config) -> Vec<Line> {
    let mut lines = data(config);
    lines.push(port(&config.listen.address, is_running(&config.data)));
    lines
}

/// Nothing stays behind: of a folder that is not there yet, the one above it is tried.
fn data(config: &Config) -> Vec<Line> {
    let what = "data folder";
    let data = &config.data;
    let there = |folder: &&Path| folder.is_dir();
    let Some(folder) = data.ancestors().map(or_here).find(there) else {
        let says = format!("{} has no folder above it", data.display());
        return vec![Line::bad(what, says, "the admin of the node: node.data")];
    };
    if let Err(error) = writes(folder) {
        let says = format!("{} can not be written and synced: {error}", folder.display());
        let then = "the admin of this machine: let the user of the node write there";
        return vec![Line::bad(what, says, then)];
    }
    let is_new = if folder == data { "" } else { " (made at the first start)" };
    let says = format!("{}{is_new}: writes and syncs", data.display());
    vec![Line::good(what, says), free(folder, config.store.reserve_bytes)]
}

/// A path without a folder is one below this one.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

fn writes(folder: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".doctor-").tempfile_in(folder)?;
    file.write_all(b"written by gantry doctor")?;
    file.as_file().sync_all()
}

fn free(folder: &Path, reserve: u64) -> Line {
    let what = "disk";
    let mib = |bytes: u64| bytes >> 20;
    match Disk::of(folder) {
        Err(error) => Line::bad(what, error.to_string(), "the admin of this machine"),
        Ok(disk) => {
            let says = format!(
                "{} MiB free of {}, of which {} are a reserve (store.reserve-mib)",
                mib(disk.available),
                mib(disk.size()),
                mib(reserve)
            );
            if disk.available > reserve {
                return Line::good(what, says);
            }
            let then = "the admin: make room, or lower the reserve; until then scanners hear A700";
            Line::bad(what, says, then)
        }
    }
}

/// Whether a node has the store now.
fn is_running(data: &Path) -> bool {
    let Ok(lock) = File::open(lock_of(data)) else { return false };
    matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

fn lock_of(data: &Path) -> PathBuf {
    gantry_store::disk::lock(data)
}

fn port(address: &str, running: bool) -> Line {
    let what = "port";
    match TcpListener::bind(address) {
        Ok(_) => Line::good(what, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && running => {
            Line::good(what, format!("{address} is taken, and a node runs on this data folder"))
        }
        Err(error) => {
            let says = format!("{address} can not be listened on: {error}");
            let then = "the admin: end the program that has it, or change listen.address";
            Line::bad(what, says, then)
        }
    }
}

/// Results bear its time, and retention goes by it.
pub(super) fn clock(config: Option<&Config>) -> Line {
    let what = "clock";
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let shown = chrono::DateTime::<chrono::Local>::from(now).format("%Y-%m-%d %H:%M:%S %:z");
    let then = "the admin of this machine: set the clock, and keep it by NTP";
    if seconds < NO_EARLIER {
        return Line::bad(what, format!("{shown} lies in the past"), then);
    }
    let last = config.and_then(|config| newest(&config.data));
    match last.and_then(|last| last.duration_since(now).ok()) {
        // Of another machine's file system it may differ a little.
        Some(ahead) if ahead.as_secs() > 60 => {
            let says =
                format!("{shown}: the data folder has a file from {} s later", ahead.as_secs());
            Line::bad(what, says, then)
        }
        _ => Line::good(what, shown.to_string()),
    }
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok()).max()
}
