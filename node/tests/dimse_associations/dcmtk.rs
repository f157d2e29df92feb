//! Against DCMTK: its scanners call our acceptor, and our requestor calls its archive.

use crate::kit::{
    Example, IMPLICIT, Node, Station, VERIFICATION, data_set_of, examples, options, proposed,
    target,
};
use gantry::dimse::acceptor::AcceptorOptions;
use gantry::dimse::requestor::{Association, Target};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// One of DCMTK's programs, or nothing, with a word.
fn dcmtk(program: &str) -> Option<Command> {
    let there =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        println!("skipped: DCMTK is not installed");
        return None;
    }
    let mut command = Command::new(program);
    command.env("TCP_NODELAY", "1").stdin(Stdio::null());
    Some(command)
}

/// Whether it ends well, and what it says. The acceptor that it calls goes on meanwhile.
async fn succeeds(mut command: Command) -> (bool, String) {
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = running.await.expect("no panic").expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn echoscu_is_answered_under_our_title_and_no_other() {
    let node = Node::start().await;
    for (called, expected) in [("NODE", true), ("SOMEONE", false)] {
        let Some(mut echo) = dcmtk("echoscu") else { return };
        echo.args(["-v", "--repeat", "3", "--call", called, "localhost", &node.port.to_string()]);
        let (success, said) = succeeds(echo).await;
        assert_eq!(success, expected, "{said}");
    }
}

/// What makes storescu propose the syntax that a file is in.
fn proposing(syntax: &str) -> &'static str {
    match syntax {
        "1.2.840.10008.1.2" => "--propose-implicit",
        "1.2.840.10008.1.2.1" => "--propose-little",
        "1.2.840.10008.1.2.2" => "--propose-big",
        "1.2.840.10008.1.2.1.99" => "--propose-deflated",
        "1.2.840.10008.1.2.4.70" => "--propose-lossless",
        "1.2.840.10008.1.2.4.80" => "--propose-jls-lossless",
        "1.2.840.10008.1.2.4.90" => "--propose-j2k-lossless",
        "1.2.840.10008.1.2.5" => "--propose-rle",
        other => panic!("no option is known for {other}"),
    }
}

/// Compares what was kept with what DCMTK's own bit-preserving archive makes of the same call:
/// storescu writes lengths its own way.
#[tokio::test]
async fn storescu_sends_every_syntax_and_what_is_kept_is_what_its_own_archive_keeps() {
    for maximum in [131_072, 4096] {
        let options = AcceptorOptions { maximum_pdu: maximum, ..options() };
        let node = Node::with(Station::new(), options).await;
        for example in examples() {
            let Some(archive) = Archive::start("131072").await else { return };
            for port in [node.port, archive.port] {
                let Some(mut scanner) = dcmtk("storescu") else { return };
                let option = proposing(example.transfer_syntax.as_str());
                scanner.args(["--required", option, "--call", "NODE", "localhost"]);
                scanner.arg(port.to_string()).arg(&example.path);
                let (success, said) = succeeds(scanner).await;
                assert!(success, "{}: {said}", example.path.display());
            }
            let kept = node.station.kept().await;
            assert_eq!(kept.request.sop_instance, example.sop_instance);
            assert_eq!(kept.request.transfer_syntax, example.transfer_syntax);
            assert!(kept.data_set == archive.only_data_set(), "{}", example.path.display());
        }
    }
}

#[tokio::test]
async fn dcmsend_sends_a_folder_over_one_association() {
    let node = Node::start().await;
    let examples = examples();
    let Some(mut send) = dcmtk("dcmsend") else { return };
    send.args(["--decompress-never", "--no-uid-checks", "--call", "NODE", "localhost"]);
    send.arg(node.port.to_string()).args(examples.iter().map(|example| &example.path));
    if examples.is_empty() {
        return;
    }
    let (success, said) = succeeds(send).await;
    assert!(success, "{said}");
    for _ in &examples {
        node.station.kept().await;
    }
}

fn storescp(maximum_pdu: &str, folder: &Path, port: u16) -> Option<Child> {
    let mut command = dcmtk("storescp")?;
    command
        .args(["--accept-all", "--bit-preserving", "--max-pdu", maximum_pdu])
        .arg("--output-directory")
        .arg(folder)
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Some(command.spawn().expect("it starts"))
}

/// DCMTK's storescp, which lays what it gets into a folder, byte for byte.
struct Archive {
    port: u16,
    folder: TempDir,
    process: Child,
}

impl Archive {
    /// Another test may take the port that was free a moment ago: then another one is.
    async fn start(maximum_pdu: &str) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let starting = async {
            loop {
                let port = free_port().await;
                let mut process = storescp(maximum_pdu, folder.path(), port)?;
                while process.try_wait().expect("a child can be asked").is_none() {
                    if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                        return Some((port, process));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let started = tokio::time::timeout(Duration::from_secs(20), starting).await;
        let (port, process) = started.expect("it listens")?;
        Some(Self { port, folder, process })
    }

    fn target(&self) -> Target {
        target(self.port, "GANTRY")
    }

    fn only_data_set(&self) -> Vec<u8> {
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("its folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(files.len(), 1);
        let path = files.remove(0);
        let data_set = data_set_of(&path);
        std::fs::remove_file(Path::new(&path)).expect("it can be removed");
        data_set
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn storescp_gets_every_syntax_from_us_bit_for_bit() {
    for maximum_pdu in ["131072", "4096"] {
        let Some(archive) = Archive::start(maximum_pdu).await else { return };
        for Example { path, sop_class, sop_instance, transfer_syntax, data_set } in examples() {
            let contexts = [
                proposed(VERIFICATION, &[IMPLICIT]),
                proposed(sop_class.as_str(), &[transfer_syntax.as_str()]),
            ];
            let mut association =
                Association::request(&archive.target(), &contexts).await.expect("accepted");
            assert_eq!(association.echo().await.expect("an answer"), 0);
            let sent = data_set.clone().into();
            let answer = association.store(&sop_class, &sop_instance, &transfer_syntax, sent).await;
            assert_eq!(answer.expect("an answer").status, 0, "{}", path.display());
            association.release().await;
            assert!(archive.only_data_set() == data_set, "{}", path.display());
        }
    }
}
