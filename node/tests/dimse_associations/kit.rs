//! Actors: a station that keeps what it gets, the acceptor that serves it, and a scanner that calls it.

use gantry::dimse::acceptor::{
    self, AcceptorOptions, Caller, DataSet, Ended, PeerGone, Refusal, Service, StoreAnswer,
    StoreRequest, Terms, UserIdentity,
};
use gantry::dimse::record::{End, Record};
use gantry::dimse::requestor::{Association, Proposed, RequestTimers, Target};
use gantry::ledger::explanation;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// The only called title that the station answers to.
pub const NODE: &str = "NODE";
/// A calling title that may not.
pub const STRANGER: &str = "STRANGER";
/// A calling title for which there is no room for the moment.
pub const UNLUCKY: &str = "UNLUCKY";
/// An object over which the station falls.
pub const FATAL: &str = "1.2.3.666";

pub struct Kept {
    pub request: StoreRequest,
    pub data_set: Vec<u8>,
    pub longest_chunk: usize,
}

/// What the station saw so far.
#[derive(Default)]
pub struct Seen {
    pub kept: Vec<Kept>,
    /// Data sets that ended before their end.
    pub cut: Vec<StoreRequest>,
    /// What did not end with a release.
    pub refused: Vec<Record>,
    /// What did.
    pub released: Vec<Record>,
    pub opened: usize,
    pub ended: Vec<Ended>,
    /// C-STOREs that have begun.
    pub begun: usize,
}

pub struct Station {
    pub seen: Mutex<Seen>,
    changes: watch::Sender<usize>,
    /// What it answers instead of keeping the object, without reading it.
    pub refuses_with: Option<u16>,
    /// Answers wait for this to be open.
    pub gate: watch::Sender<bool>,
    /// On what terms everybody may.
    pub terms: Terms,
    /// There is no room for objects.
    pub full: AtomicBool,
}

impl Station {
    pub fn new() -> Self {
        Self {
            seen: Mutex::default(),
            changes: watch::channel(0).0,
            refuses_with: None,
            gate: watch::channel(true).0,
            terms: Terms::default(),
            full: AtomicBool::new(false),
        }
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().expect("no test panicked here"));
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Waits until `is_so`, and gives what it finds.
    pub async fn until<T>(&self, mut is_so: impl FnMut(&mut Seen) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = is_so(&mut self.seen.lock().expect("no test panicked here")) {
                    return found;
                }
                changes.changed().await.expect("the station lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes about")
    }

    pub async fn kept(&self) -> Kept {
        self.until(|seen| seen.kept.pop()).await
    }

    pub async fn refused(&self) -> Record {
        self.until(|seen| seen.refused.pop()).await
    }

    pub async fn released(&self) -> Record {
        self.until(|seen| seen.released.pop()).await
    }
}

impl Service for Station {
    async fn admit(
        &self,
        caller: &Caller,
        identity: Option<&UserIdentity>,
    ) -> Result<Terms, Refusal> {
        match (caller.called.as_str(), caller.calling.as_str()) {
            (NODE, STRANGER) => Err(Refusal::CallingAeTitleUnknown),
            (NODE, UNLUCKY) => Err(Refusal::Congestion),
            (NODE, _) => {
                let is_identified = identity.is_some_and(|identity| identity.primary == b"joe");
                Ok(Terms { is_identified, ..self.terms.clone() })
            }
            _ => Err(Refusal::CalledAeTitleUnknown),
        }
    }

    fn nobody(&self, called: &AeTitle) -> Refusal {
        match called.as_str() {
            NODE => Refusal::CallingAeTitleUnknown,
            _ => Refusal::CalledAeTitleUnknown,
        }
    }

    fn wants(&self, sop_class: &str, service_class: Option<&str>) -> bool {
        [CT, MR].contains(&sop_class) || service_class == Some("1.2.840.10008.4.2")
    }

    fn has_room(&self) -> Result<(), Refusal> {
        if self.full.load(Ordering::SeqCst) { Err(Refusal::Congestion) } else { Ok(()) }
    }

    async fn store(&self, request: StoreRequest, data: &mut DataSet<'_>) -> StoreAnswer {
        self.note(|seen| seen.begun += 1);
        assert!(request.sop_instance.as_str() != FATAL, "the station falls over");
        if let Some(status) = self.refuses_with {
            return StoreAnswer { status, comment: Some("disk \\ full\n".repeat(20)) };
        }
        let (mut data_set, mut longest_chunk) = (Vec::new(), 0);
        loop {
            match data.chunk().await {
                Ok(Some(chunk)) => {
                    longest_chunk = longest_chunk.max(chunk.len());
                    data_set.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                Err(PeerGone) => {
                    self.note(|seen| seen.cut.push(request));
                    return StoreAnswer { status: 0xC000, comment: None };
                }
            }
        }
        let mut gate = self.gate.subscribe();
        gate.wait_for(|open| *open).await.expect("the station lives");
        self.note(|seen| seen.kept.push(Kept { request, data_set, longest_chunk }));
        StoreAnswer { status: 0, comment: None }
    }

    fn opened(&self, _: &Caller) {
        self.note(|seen| seen.opened += 1);
    }

    fn ended(&self, _: &Caller, how: Ended) {
        self.note(|seen| seen.ended.push(how));
    }

    fn recorded(&self, record: Record) {
        self.note(|seen| match record.end {
            End::Released => seen.released.push(record),
            _ => seen.refused.push(record),
        });
    }
}

/// How it ended, in words.
pub fn how(record: &Record) -> String {
    explanation(&record.end)
}

/// An acceptor on a port of its own.
pub struct Node {
    pub port: u16,
    pub station: Arc<Station>,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Node {
    pub async fn start() -> Self {
        Self::with(Station::new(), options()).await
    }

    pub async fn with(station: Station, options: AcceptorOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let station = Arc::new(station);
        let stop = CancellationToken::new();
        let serving = acceptor::serve(listener, options, station.clone(), stop.clone());
        Self { port, station, stop, task: tokio::spawn(serving) }
    }

    pub fn target(&self) -> Target {
        target(self.port, "SCANNER")
    }

    /// An association for this class in these transfer syntaxes.
    pub async fn associate(&self, class: &str, syntaxes: &[&str]) -> Association {
        let proposed = [proposed(class, syntaxes)];
        Association::request(&self.target(), &proposed).await.expect("the node accepts")
    }

    pub async fn answers_echo(&self) {
        let mut association = self.associate(VERIFICATION, &[IMPLICIT]).await;
        assert_eq!(association.echo().await.expect("an answer"), 0);
        association.release().await;
    }
}

pub fn options() -> AcceptorOptions {
    AcceptorOptions::default()
}

pub fn target(port: u16, calling: &str) -> Target {
    Target {
        servers: vec![vec![([127, 0, 0, 1], port).into()]],
        secured: None,
        reports: false,
        identity: None,
        called: AeTitle::parse(NODE).expect("a title"),
        calling: AeTitle::parse(calling).expect("a title"),
        timers: RequestTimers::default(),
        maximum_pdu: 131_072,
    }
}

pub fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID")
}

pub fn proposed(class: &str, syntaxes: &[&str]) -> Proposed {
    Proposed {
        sop_class: uid(class),
        transfer_syntaxes: syntaxes.iter().map(|syntax| uid(syntax)).collect(),
    }
}

/// One file of each kind of transfer syntax.
pub struct Example {
    pub path: PathBuf,
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub transfer_syntax: Uid,
    pub data_set: Vec<u8>,
}

/// The examples that lie beside the checkout, or nothing, with a word.
pub fn examples() -> Vec<Example> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/standards/examples/syntaxes");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: ../shared/standards/examples/syntaxes is not here");
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(read_example).collect()
}

fn read_example(path: PathBuf) -> Example {
    let bytes = std::fs::read(&path).expect("it can be read");
    let meta = dicom_object::FileMetaTable::from_reader(&bytes[128..]).expect("file meta");
    let start = 128 + 4 + 12 + meta.information_group_length as usize;
    Example {
        path,
        sop_class: uid(&meta.media_storage_sop_class_uid),
        sop_instance: uid(&meta.media_storage_sop_instance_uid),
        transfer_syntax: uid(&meta.transfer_syntax),
        data_set: bytes[start..].to_vec(),
    }
}

/// The data set of a Part 10 file.
pub fn data_set_of(path: &std::path::Path) -> Vec<u8> {
    read_example(path.to_path_buf()).data_set
}
