//! An archive that commits to what it keeps and asks others to: Orthanc, with its REST interface.

use crate::ports;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub const AE_TITLE: &str = "ORTHANC";
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Orthanc {
    pub port: u16,
    http: u16,
    node: (String, u16),
    folder: TempDir,
    process: Option<Child>,
}

impl Orthanc {
    /// One that knows the node at this port of loopback.
    pub fn up(node: &str, node_port: u16) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (port, http) = (ports::free(), ports::free());
        let node = (node.to_owned(), node_port);
        let mut orthanc = Self { port, http, node, folder, process: None };
        orthanc.come_up();
        orthanc
    }

    pub fn come_up(&mut self) {
        let (title, port) = &self.node;
        let config = json!({
            "Name": "archive",
            "DicomAet": AE_TITLE,
            "DicomPort": self.port,
            "DicomCheckCalledAet": true,
            "HttpPort": self.http,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "StorageDirectory": self.folder.path().join("db"),
            "IndexDirectory": self.folder.path().join("db"),
            "DicomModalities": { "node": [title, "127.0.0.1", port] },
        });
        let file = self.folder.path().join("orthanc.json");
        std::fs::write(&file, config.to_string()).expect("a fresh folder can be written");
        let process = Command::new("Orthanc")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Orthanc starts");
        self.process = Some(process);
        let up = ports::wait_for(PATIENCE, || {
            [self.port, self.http].iter().all(|port| ports::somebody_listens(*port)).then_some(())
        });
        assert!(up.is_some(), "Orthanc does not listen");
    }

    pub fn go_down(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Its own names of all that it has of a level: `instances`, `series`, `studies`.
    pub fn all(&self, level: &str) -> Vec<String> {
        let listed = self.get(&format!("/{level}"));
        let names = listed.as_array().into_iter().flatten();
        names.filter_map(|name| name.as_str().map(String::from)).collect()
    }

    /// Waits until it has so many instances.
    pub fn wait_for(&self, instances: usize) {
        let enough = || (self.all("instances").len() >= instances).then_some(());
        let waited = ports::wait_for(PATIENCE, enough);
        assert!(waited.is_some(), "it has {} of {instances}", self.all("instances").len());
    }

    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, &body.to_string())
    }

    pub fn delete(&self, path: &str) {
        self.ask("DELETE", path, "");
    }

    /// The Part 10 file that it has under its own name of an instance.
    pub fn file(&self, name: &str) -> Vec<u8> {
        let file = self.exchange("GET", &format!("/instances/{name}/file"), b"");
        file.unwrap_or_else(|answer| panic!("{}", String::from_utf8_lossy(&answer)))
    }

    /// A Part 10 file without its patient, as Orthanc does that; nothing for a file that it does not take.
    pub fn anonymized(&self, part10: &[u8]) -> Option<Vec<u8>> {
        let uploaded = self.exchange("POST", "/instances", part10).ok()?;
        let uploaded: Value = serde_json::from_slice(&uploaded).expect("JSON");
        let name = uploaded["ID"].as_str().expect("its own name of it").to_string();
        let anonymized = self.exchange("POST", &format!("/instances/{name}/anonymize"), b"{}");
        self.delete(&format!("/instances/{name}"));
        anonymized.ok()
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.exchange(method, path, body.as_bytes()).unwrap_or_else(|answer| {
            panic!("{}", String::from_utf8_lossy(&answer));
        });
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// The body of the answer; all of an answer that is not 200.
    fn exchange(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).expect("it is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
        let end = end.expect("a head and a body");
        let first = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        match String::from_utf8_lossy(first).contains(" 200 ") {
            true => Ok(answer.split_off(end + 4)),
            false => Err(answer),
        }
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        self.go_down();
    }
}
