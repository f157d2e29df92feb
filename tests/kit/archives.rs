//! Archives that store and are asked by C-FIND: DCMTK's dcmqrscp and one of pynetdicom.

use crate::{need, ports};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// DCMTK's image archive, with one storage area.
pub struct Dcmqrscp {
    pub ae_title: String,
    pub port: u16,
    folder: TempDir,
    process: Child,
}

impl Dcmqrscp {
    /// One that takes what comes, or that may only be asked.
    pub fn up(ae_title: &str, is_writable: bool) -> Option<Self> {
        need::dcmqrscp()?;
        let (folder, port) = (TempDir::new().expect("a temporary folder"), ports::free());
        let area = folder.path().join("area");
        std::fs::create_dir(&area).expect("a fresh folder can be written");
        let config = format!(
            "NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n\
             HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n\
             AETable BEGIN\n{ae_title} {} {} (100, 1024mb) ANY\nAETable END\n",
            area.display(),
            if is_writable { "RW" } else { "R" }
        );
        let file = folder.path().join("dcmqrscp.cfg");
        std::fs::write(&file, config).expect("a fresh folder can be written");
        let process = Command::new("dcmqrscp")
            .env("TCP_NODELAY", "1")
            .arg("--config")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dcmqrscp starts");
        let archive = Self { ae_title: ae_title.into(), port, folder, process };
        let up = ports::wait_for(PATIENCE, || ports::somebody_listens(port).then_some(()));
        assert!(up.is_some(), "dcmqrscp does not listen");
        Some(archive)
    }

    /// Where its files and their index lie.
    pub fn area(&self) -> std::path::PathBuf {
        self.folder.path().join("area")
    }
}

impl Drop for Dcmqrscp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// pynetdicom's, which notes what it is asked (archive.py beside this file).
pub struct Pynetdicom {
    pub ae_title: String,
    pub port: u16,
    said: Arc<Mutex<Vec<String>>>,
    process: Child,
}

impl Pynetdicom {
    /// `identity`: type, primary and secondary field of the only user identity that it lets in.
    pub fn up(ae_title: &str, identity: Option<[&str; 3]>) -> Option<Self> {
        let python = need::private_program("GANTRY_PYTHON", "python")?;
        let port = ports::free();
        let mut process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/archive.py"))
            .args([&port.to_string(), ae_title])
            .args(identity.into_iter().flatten())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let heard = said.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let archive = Self { ae_title: ae_title.into(), port, said, process };
        archive.wait_for("listens", 1);
        Some(archive)
    }

    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it said so many lines that begin like this.
    pub fn wait_for(&self, word: &str, times: usize) {
        let begins = || self.said().iter().filter(|line| line.starts_with(word)).count();
        let waited = ports::wait_for(PATIENCE, || (begins() >= times).then_some(()));
        assert!(waited.is_some(), "{word:?} is not {times} times in {:?}", self.said());
    }
}

impl Drop for Pynetdicom {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
