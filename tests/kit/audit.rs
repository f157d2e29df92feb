//! The audit trail as an auditor sees it: each message judged by the schema of PS3.15 A.5.1, and rsyslog as the one who collects them.

use crate::certificates::Issued;
use crate::{need, ports};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// EventID and EventTypeCode.
    pub event: String,
    pub kind: String,
    pub action: String,
    pub outcome: String,
    pub users: Vec<String>,
    pub titles: Vec<String>,
    pub names: Vec<String>,
    /// The identifiers of what it was about.
    pub objects: Vec<String>,
    pub patient: String,
    pub instances: u64,
    pub encrypted: String,
    pub anonymized: String,
    pub alert: String,
    /// The identifier of a query in hexadecimal digits, and its transfer syntax.
    pub query: String,
    pub syntax: String,
}

/// Python with lxml, by which messages are judged.
pub fn judge() -> Option<PathBuf> {
    let python = need::private_program("GANTRY_PYTHON", "python")?;
    let asked =
        Command::new(&python).args(["-c", "import lxml.etree"]).stderr(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        need::skipped("lxml is not in .tools/venv (make test installs it)");
        return None;
    }
    Some(python)
}

/// Each message, in their order. Fails at one that is not valid.
pub fn read(python: &Path, lines: &[String]) -> Vec<Told> {
    let script = need::root().join("tests/kit/audit_messages.py");
    let mut process = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut input = process.stdin.take().expect("its input");
    let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = process.wait_with_output().expect("Python ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "a message is not valid: {said}");
    writing.join().expect("a thread that only writes").expect("Python reads all");
    let rows: Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    rows.as_array().expect("an array").iter().map(told).collect()
}

fn told(row: &Value) -> Told {
    let word = |key: &str| row[key].as_str().expect("text").to_string();
    let words = |key: &str| {
        let all = row[key].as_array().expect("an array").iter();
        all.map(|one| one.as_str().expect("text").to_string()).collect()
    };
    let counts = row["counts"].as_object().expect("numbers by class");
    Told {
        event: word("event"),
        kind: word("kind"),
        action: word("action"),
        outcome: word("outcome"),
        users: words("users"),
        titles: words("titles"),
        names: words("names"),
        objects: words("objects"),
        patient: word("patient"),
        instances: counts.values().filter_map(Value::as_u64).sum(),
        encrypted: word("encrypted"),
        anonymized: word("anonymized"),
        alert: word("alert"),
        query: word("query"),
        syntax: word("syntax"),
    }
}

/// The lines of the trail in a folder, file after file.
pub fn trail(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).expect("UTF-8"));
    texts.flat_map(|text| text.lines().map(String::from).collect::<Vec<_>>()).collect()
}

/// rsyslog, which takes syslog over TLS with octet counting and writes down what it got.
pub struct Collector {
    pub port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Collector {
    /// With this certificate; it lets in whoever this authority knows.
    pub fn down(own: &Issued, trust: &Path) -> Self {
        let (folder, port) = (TempDir::new().expect("a temporary folder"), ports::free());
        let at = folder.path();
        let configuration = format!(
            "global(workDirectory={at:?} maxMessageSize=\"64k\" defaultNetstreamDriverCAFile={trust:?}\n\
             \x20   defaultNetstreamDriverCertFile={:?} defaultNetstreamDriverKeyFile={:?})\n\
             module(load=\"imtcp\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\"\n\
             \x20   streamDriver.authMode=\"x509/certvalid\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             action(type=\"omfile\" file={:?} template=\"raw\")\n",
            own.certificate,
            own.key,
            at.join("received"),
        );
        std::fs::write(at.join("conf"), configuration).expect("a fresh folder can be written");
        Self { port, folder, process: None }
    }

    pub fn come_up(&mut self) {
        let at = self.folder.path();
        let process = Command::new(need::RSYSLOG)
            .arg("-n")
            .arg("-f")
            .arg(at.join("conf"))
            .arg("-i")
            .arg(at.join("pid"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.expect("rsyslogd starts"));
        let up = ports::wait_for(PATIENCE, || ports::somebody_listens(self.port).then_some(()));
        assert!(up.is_some(), "rsyslogd does not listen");
    }

    /// It writes down what it has first.
    pub fn go_down(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill").arg(process.id().to_string()).status();
            let _ = process.wait();
        }
    }

    pub fn received(&self) -> Vec<String> {
        let text = std::fs::read(self.folder.path().join("received")).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(String::from).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.go_down();
    }
}
