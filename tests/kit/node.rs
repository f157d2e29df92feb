//! The node under test: the real program, started on a loopback port with a data folder of its own.

use crate::instance::Instance;
use crate::pacs::Pacs;
use crate::{need, ports};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

pub const AE_TITLE: &str = "GANTRY";
const START: Duration = Duration::from_secs(60);

/// What a node is started with.
pub struct Setup {
    rules: Vec<(String, String)>,
    models: PathBuf,
    data: Option<PathBuf>,
    quiet_seconds: f64,
    study_quiet_seconds: f64,
    segment_mib: u32,
    store: String,
    listen: String,
    peers: String,
    port: Option<u16>,
}

/// A node with its folder. It is killed when the scenario ends, and its log is shown if that failed.
pub struct Node {
    pub port: u16,
    folder: TempDir,
    data: PathBuf,
    process: Option<Child>,
}

/// What a process holds in memory, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Now (VmRSS).
    pub resident: u64,
    /// At the most so far (VmHWM).
    pub peak: u64,
}

/// What a command of the program said.
#[derive(Debug)]
pub struct Said {
    pub success: bool,
    pub out: String,
    pub err: String,
}

impl Setup {
    /// The shipped models, no rules, no peers, and a second of quiet.
    pub fn new() -> Self {
        let models = need::root().join("models");
        Self {
            rules: Vec::new(),
            models,
            data: None,
            quiet_seconds: 1.0,
            study_quiet_seconds: 1.0,
            segment_mib: 64,
            store: String::new(),
            listen: String::new(),
            peers: String::new(),
            port: None,
        }
    }

    pub fn rules(mut self, file: &str, text: &str) -> Self {
        self.rules.push((file.into(), text.into()));
        self
    }

    pub fn models(mut self, folder: &Path) -> Self {
        self.models = folder.into();
        self
    }

    /// Where it keeps what it takes, instead of a folder of its own.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.into());
        self
    }

    pub fn quiet_seconds(mut self, seconds: f64) -> Self {
        self.quiet_seconds = seconds;
        self
    }

    pub fn study_quiet_seconds(mut self, seconds: f64) -> Self {
        self.study_quiet_seconds = seconds;
        self
    }

    /// Files of objects grow to this size.
    pub fn segment_mib(mut self, mib: u32) -> Self {
        self.segment_mib = mib;
        self
    }

    /// A further line of `[store]`.
    pub fn store(mut self, line: &str) -> Self {
        self.store += &format!("{line}\n");
        self
    }

    /// The table `[retention]` with this line; it may stand anywhere among the peers.
    pub fn retention(mut self, line: &str) -> Self {
        self.peers += &format!("\n[retention]\n{line}\n");
        self
    }

    /// The port of loopback where metrics are served.
    pub fn metrics(mut self, port: u16) -> Self {
        self.peers += &format!("\n[admin]\nmetrics = \"127.0.0.1:{port}\"\n");
        self
    }

    /// Further peers and tables, as they are to be written.
    pub fn further(mut self, text: &str) -> Self {
        self.peers += text;
        self
    }

    /// Where it listens on loopback, for those that have to know before it starts.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// A further line of `[listen]`.
    pub fn listen(mut self, line: &str) -> Self {
        self.listen += &format!("{line}\n");
        self
    }

    /// A scanner that may send.
    pub fn scanner(mut self, ae_title: &str) -> Self {
        self.peers += &format!("\n[[peer]]\nae-title = \"{ae_title}\"\n");
        self
    }

    /// A PACS that rules may name.
    pub fn pacs(self, pacs: &Pacs) -> Self {
        self.receiver(&pacs.ae_title, pacs.port)
    }

    /// The same, whatever listens at this port.
    pub fn receiver(mut self, ae_title: &str, port: u16) -> Self {
        self.peers +=
            &format!("\n[[peer]]\nae-title = \"{ae_title}\"\naddress = \"127.0.0.1:{port}\"\n");
        self
    }

    /// A further line of the peer that was added last.
    pub fn peer_line(mut self, line: &str) -> Self {
        self.peers += &format!("{line}\n");
        self
    }

    /// Lays the folder out, without starting anything.
    pub fn lay_out(self) -> Node {
        let folder = TempDir::new().expect("a temporary folder");
        let port = self.port.unwrap_or_else(ports::free);
        let data = self.data.unwrap_or_else(|| folder.path().join("data"));
        let rules = folder.path().join("rules");
        std::fs::create_dir(&rules).expect("a fresh folder can be written");
        for (file, text) in &self.rules {
            std::fs::write(rules.join(file), text).expect("a fresh folder can be written");
        }
        let config = format!(
            "[node]\nae-title = \"{AE_TITLE}\"\nmodels = {models:?}\ndata = {data:?}\n\
             [listen]\naddress = \"127.0.0.1:{port}\"\n{listen}\
             [store]\nsegment-mib = {segment}\nreserve-mib = 64\n{store}\
             [complete]\nquiet-seconds = {quiet}\nstudy-quiet-seconds = {study_quiet}\n\
             [deliver]\nfirst-pause-seconds = 0.2\nlongest-pause-seconds = 1.0\n{peers}",
            models = self.models,
            data = data,
            segment = self.segment_mib,
            quiet = self.quiet_seconds,
            study_quiet = self.study_quiet_seconds,
            store = self.store,
            listen = self.listen,
            peers = self.peers,
        );
        let node = Node { port, folder, data, process: None };
        std::fs::write(node.config(), config).expect("a fresh folder can be written");
        node
    }

    pub fn start(self) -> Node {
        let mut node = self.lay_out();
        node.start();
        node
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Node {
    /// Starts `gantry serve` and waits until it says that it listens: what a start has to mend and to
    /// tell is done and told then.
    pub fn start(&mut self) {
        match self.try_start() {
            Ok(process) => self.process = Some(process),
            Err(status) => panic!("the node ended with {status}:\n{}", self.log()),
        }
    }

    /// Starts `gantry serve` and does not wait for anything.
    pub fn begin_to_start(&mut self) {
        let process = self.spawn();
        self.process = Some(process);
    }

    /// Starts `gantry serve`, which has to refuse; what it said.
    pub fn refuses_to_start(&self) -> String {
        match self.try_start() {
            Ok(mut process) => {
                let _ = process.kill();
                panic!("the node started:\n{}", self.log());
            }
            Err(status) => {
                assert_eq!(status.code(), Some(1), "it ends with an exit status, not by a panic");
                self.log()
            }
        }
    }

    fn spawn(&self) -> Child {
        assert!(self.process.is_none(), "the node runs already");
        let log = File::options().create(true).append(true).open(self.log_file());
        let log = log.expect("the log can be written");
        self.command(&["serve"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be doubled"))
            .stderr(log)
            .spawn()
            .expect("the node starts")
    }

    fn try_start(&self) -> Result<Child, ExitStatus> {
        let before = self.log().len();
        let mut process = self.spawn();
        let listens = ports::wait_for(START, || match process.try_wait() {
            Ok(Some(status)) => Some(Err(status)),
            _ => self.log()[before..].contains("listening").then_some(Ok(())),
        });
        match listens {
            Some(outcome) => outcome.map(|()| process),
            None => {
                let _ = process.kill();
                panic!("the node does not listen after {START:?}:\n{}", self.log());
            }
        }
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child can be killed");
            process.wait().expect("a child can be awaited");
        }
    }

    /// SIGTERM: the node finishes what is in hand.
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the node runs");
        let term = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
        assert!(term.is_ok_and(|status| status.success()), "the node cannot be told to stop");
        process.wait().expect("a child can be awaited")
    }

    /// Of the running node.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the node runs").id()
    }

    /// Whether it still runs: nothing that a peer sends may end it.
    pub fn is_alive(&mut self) -> bool {
        let process = self.process.as_mut().expect("the node was started");
        process.try_wait().expect("a child can be asked").is_none()
    }

    /// What the running node holds in memory.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the node runs").id()
    }

    pub fn memory(&self) -> Memory {
        memory_of(self.process_id()).expect("/proc tells of a child that runs")
    }

    /// As [`Self::gantry`], and the most that the command held in memory, in KiB.
    pub fn gantry_measured(&self, arguments: &[&str]) -> (Said, u64) {
        let mut command = self.command(arguments);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let process = process.expect("the program starts");
        let (id, mut peak) = (process.id(), 0);
        let waiting = std::thread::spawn(move || process.wait_with_output());
        while !waiting.is_finished() {
            // Not there once it has ended; its peak only grows until then.
            peak = memory_of(id).map_or(peak, |memory| memory.peak.max(peak));
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = waiting.join().expect("a thread that only waits");
        (Said::from(output.expect("a child can be awaited")), peak)
    }

    /// As [`Self::gantry`], where nobody reads what it says.
    pub fn gantry_unheard(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = process.expect("the program starts");
        drop(process.stdout.take());
        process.wait_with_output().expect("a child can be awaited").into()
    }

    /// A command of the program beside the running node, such as `status`.
    pub fn gantry(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// An instance as the node keeps it.
    pub fn kept(&self, sop_instance: &str) -> Instance {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let to = folder.path().to_string_lossy().into_owned();
        let exported = self.gantry(&["export", sop_instance, "--to", &to]);
        assert!(exported.success, "{exported:?}");
        let mut files = Instance::read_folder(folder.path()).into_iter();
        let found = files.find(|instance| instance.sop_instance == sop_instance);
        found.unwrap_or_else(|| panic!("{sop_instance} was not exported"))
    }

    /// Waits until the index, which follows a little behind the answers, has all that was kept.
    pub fn wait_until_indexed(&self) {
        let verified = || self.gantry(&["verify"]);
        let indexed = || verified().out.contains("\n0 records not yet in the index").then_some(());
        let waited = ports::wait_for(START, indexed);
        assert!(waited.is_some(), "the index does not follow: {:?}", verified());
    }

    pub fn status(&self) -> String {
        self.gantry(&["status"]).out
    }

    pub fn explain(&self, series: &str) -> String {
        self.gantry(&["explain", series]).out
    }

    /// Waits until `status` says this.
    pub fn wait_until_status(&self, words: &str, patience: Duration) -> String {
        let said =
            ports::wait_for(patience, || Some(self.status()).filter(|out| out.contains(words)));
        said.unwrap_or_else(|| panic!("{words:?} is not in:\n{}\n{}", self.status(), self.log()))
    }

    /// Waits until `explain` tells this of the series.
    pub fn wait_until_explained(&self, series: &str, word: &str, patience: Duration) -> String {
        let said = ports::wait_for(patience, || {
            Some(self.explain(series)).filter(|said| said.contains(word))
        });
        said.unwrap_or_else(|| panic!("{word:?} is not in:\n{}", self.explain(series)))
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("node.toml")
    }

    /// Where it keeps what it took.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    pub fn rules(&self) -> PathBuf {
        self.folder.path().join("rules")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("node.log")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).arg("--config").arg(self.config()).env_remove("GANTRY_LOG");
        if let Some(library) = need::onnx_runtime_library() {
            command.env("ORT_DYLIB_PATH", library);
        }
        command
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            success: output.status.success(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// From /proc/PID/status (proc(5)).
fn memory_of(process: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory { resident: kib("VmRSS:")?, peak: kib("VmHWM:")? })
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            println!("---- the node's log\n{}", self.log());
        }
    }
}

/// The program: the one that GANTRY_PROGRAM names (one that was built before), or this tree's,
/// built once for each test process, so that it is never an old one.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = std::env::var_os("GANTRY_PROGRAM") {
            return named.into();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        // What cargo tells the tests of their package: ring, and all that stands on it, would be built anew with it
        // here, and without it by the next cargo.
        for (name, _) in std::env::vars_os() {
            let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
            if name.to_str().is_some_and(|name| of_package.iter().any(|it| name.starts_with(it))) {
                command.env_remove(name);
            }
        }
        let output = command
            .current_dir(need::root())
            .args(["build", "--package", "gantry", "--bin", "gantry"])
            .args(["--message-format", "json-render-diagnostics"])
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .args((!cfg!(feature = "jpeg-ls")).then_some("--no-default-features"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "the program does not build");
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let executable = messages.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            message["executable"].as_str().map(PathBuf::from)
        });
        executable.expect("cargo names the program that it built")
    })
}
