//! `cargo bench -p gantry-tests --bench forward`: a CT series that goes on to a PACS, by the node, by Orthanc's auto-routing and by a DCMTK relay, in one interleaved run.

use gantry::dimse::acceptor::{
    AcceptorOptions, Caller, DataSet, Refusal, Service, StoreAnswer, StoreRequest, Terms,
    UserIdentity, serve,
};
use gantry::dimse::record::Record;
use gantry_terms::moment::Moment;
use kit::node::{AE_TITLE, Node, Setup};
use kit::ports;
use kit::template::{Number, Template};
use kit::wire::Wire;
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// CT images of 512 KiB.
const IMAGES: u32 = 100;
const SIDE: u16 = 512;
/// Without an image for so long a series, or a study, is complete, for each of them.
const QUIET: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);
const SINK: &str = "SINK";

const RULE: &str = "[[rule]]\nname = \"onward\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
                    [rule.then]\nforward = [\"SINK\"]\n";
const AT_ONCE: &str = "[[rule]]\nname = \"onward\"\non = \"instance\"\n[rule.select]\nModality = \"CT\"\n\
                       [rule.then]\nforward = [\"SINK\"]\nwhen = \"arrives\"\n";
const STABLE: &str = "function OnStableSeries(id, tags, metadata)\n  RestApiPost('/modalities/sink/store', id)\nend\n";
const EACH: &str =
    "function OnStoredInstance(id, tags, metadata)\n  Delete(SendToModality(id, 'sink'))\nend\n";

const ROUTERS: [Router; 8] = [
    Router::Gantry(1),
    Router::Gantry(2),
    Router::AtOnce(Syncs::Each),
    Router::AtOnce(Syncs::None),
    Router::Stable,
    Router::Each(Syncs::Each),
    Router::Each(Syncs::None),
    Router::Dcmtk,
];

/// When what was received is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syncs {
    /// Before it is answered: `durability = "power-loss"`, `SyncStorageArea` (each as shipped).
    Each,
    /// When the kernel likes: `durability = "crash"`, no `SyncStorageArea`.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Router {
    /// Over so many associations.
    Gantry(u32),
    /// Each image when it is indexed.
    AtOnce(Syncs),
    /// Orthanc, a series when it is stable.
    Stable,
    /// Orthanc, each instance when it is stored.
    Each(Syncs),
    /// storescp, which calls dcmsend when a study is complete.
    Dcmtk,
}

/// One series, from the last response to the scanner on.
struct Run {
    /// Images a second at the PACS, from the first that arrived to the last.
    rate: f64,
    /// Images a second from the first that was sent to the last that arrived.
    through: f64,
    /// Milliseconds behind the quiet time until the first image was there.
    first: f64,
    /// And until the last one was.
    last: f64,
}

impl Router {
    fn name(self) -> String {
        match self {
            Self::Gantry(1) => "gantry".into(),
            Self::Gantry(associations) => format!("gantry, {associations} associations"),
            Self::AtOnce(Syncs::Each) => "gantry, on arrival".into(),
            Self::AtOnce(Syncs::None) => "gantry, on arrival, no sync".into(),
            Self::Stable => "Orthanc, stable series".into(),
            Self::Each(Syncs::Each) => "Orthanc, each instance".into(),
            Self::Each(Syncs::None) => "Orthanc, each, no sync".into(),
            Self::Dcmtk => "storescp and dcmsend".into(),
        }
    }

    fn is_there(self) -> bool {
        let program = match self {
            Self::Gantry(_) | Self::AtOnce(_) => return true,
            Self::Stable | Self::Each(_) => "Orthanc",
            Self::Dcmtk => "storescp",
        };
        let there = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !there {
            println!("skipped: {program} is not installed");
        }
        there
    }
}

fn main() {
    let rounds = std::env::var("GANTRY_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: usize = rounds.unwrap_or(5);
    let there: Vec<Router> = ROUTERS.into_iter().filter(|router| router.is_there()).collect();
    let runtime = Runtime::new().expect("a runtime");
    let mut runs: Vec<Vec<Run>> = there.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..there.len() {
            let which = (turn + round) % there.len();
            let run = measure(&runtime, there[which], round as u32 + 1);
            eprintln!(
                "{:<28} {:7.0}/s, {:6.0}/s from the scanner on, first {:7.1}, last {:7.1}",
                there[which].name(),
                run.rate,
                run.through,
                run.first,
                run.last
            );
            runs[which].push(run);
        }
    }
    println!(
        "{IMAGES} CT of {SIDE} x {SIDE}, quiet for {QUIET:?}; medians of {rounds} rounds; ms behind the quiet time"
    );
    for (router, mine) in there.iter().zip(&runs) {
        let ratio = |figure: fn(&Run) -> f64| {
            let ratios = runs[0].iter().zip(mine).map(|(g, p)| figure(g) / figure(p));
            median(ratios.collect())
        };
        let of = |figure: fn(&Run) -> f64| median(mine.iter().map(figure).collect());
        println!(
            "  {:<28} {:>7.0}/s at the PACS (gantry is {:.2} x)  {:>6.0}/s from the scanner on ({:.2} x)  first {:>7.0}  last {:>7.0}",
            router.name(),
            of(|run| run.rate),
            ratio(|run| run.rate),
            of(|run| run.through),
            ratio(|run| run.through),
            of(|run| run.first),
            of(|run| run.last),
        );
    }
    tell_on_arrival(&there, &runs);
}

/// On arrival beside each instance, where both sync and where neither does.
fn tell_on_arrival(there: &[Router], runs: &[Vec<Run>]) {
    for syncs in [Syncs::Each, Syncs::None] {
        let of = |wanted| there.iter().position(|router| *router == wanted).map(|at| &runs[at]);
        let both = (of(Router::AtOnce(syncs)), of(Router::Each(syncs)));
        let (Some(ours), Some(theirs)) = both else { continue };
        let ratio = |figure: fn(&Run) -> f64| {
            median(ours.iter().zip(theirs).map(|(g, o)| figure(g) / figure(o)).collect())
        };
        println!(
            "  on arrival beside Orthanc, each instance, synced {syncs:?}: {:.2} x at the PACS, {:.2} x from the scanner on",
            ratio(|run| run.rate),
            ratio(|run| run.through)
        );
    }
}

/// A PACS that notes when it had what, and keeps nothing.
#[derive(Default)]
struct Sink(Mutex<Vec<Moment>>);

impl Sink {
    fn arrived(&self) -> Vec<Moment> {
        self.0.lock().expect("nobody fell over").clone()
    }
}

impl Service for Sink {
    async fn admit(&self, _: &Caller, _: Option<&UserIdentity>) -> Result<Terms, Refusal> {
        Ok(Terms::default())
    }

    async fn store(&self, _: StoreRequest, data: &mut DataSet<'_>) -> StoreAnswer {
        while let Ok(Some(_)) = data.chunk().await {}
        self.0.lock().expect("nobody fell over").push(Moment::now());
        StoreAnswer { status: 0, comment: None }
    }

    fn recorded(&self, _: Record) {}
}

/// A router that is started anew, with an empty folder, and ends with this.
enum Server {
    Gantry(Box<Node>),
    Other(Child, u16, #[allow(dead_code)] TempDir),
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Other(process, ..) = self {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Server {
    fn start(router: Router, sink: u16) -> Self {
        if let Router::Gantry(_) | Router::AtOnce(_) = router {
            let (rule, associations) = match router {
                Router::Gantry(associations) => (RULE, associations),
                _ => (AT_ONCE, 1),
            };
            let quiet = QUIET.as_secs_f64();
            let peers = format!(
                "\n[[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"{SINK}\"\n\
                 address = \"127.0.0.1:{sink}\"\nassociations = {associations}\n"
            );
            let empty = TempDir::new().expect("a temporary folder");
            let mut setup = Setup::new().models(empty.path()).quiet_seconds(quiet);
            if router == Router::AtOnce(Syncs::None) {
                setup = setup.store("durability = \"crash\"");
            }
            let node = setup.rules("onward.toml", rule).further(&peers).start();
            return Self::Gantry(Box::new(node));
        }
        let folder = TempDir::new().expect("a temporary folder");
        let port = ports::free();
        let process = match router {
            Router::Dcmtk => relay(folder.path(), port, sink),
            Router::Each(syncs) => orthanc(folder.path(), port, sink, (EACH, syncs)),
            _ => orthanc(folder.path(), port, sink, (STABLE, Syncs::None)),
        };
        let up = ports::wait_for(PATIENCE, || ports::somebody_listens(port).then_some(()));
        assert!(up.is_some(), "{router:?} does not listen");
        Self::Other(process, port, folder)
    }

    fn port(&self) -> u16 {
        match self {
            Self::Gantry(node) => node.port,
            Self::Other(_, port, _) => *port,
        }
    }
}

fn relay(folder: &Path, port: u16, sink: u16) -> Child {
    let onward = format!(
        "dcmsend --no-halt --decompress-never -aet RELAY -aec {SINK} --scan-directories 127.0.0.1 {sink} #p"
    );
    let mut command = Command::new("storescp");
    command.args(["--accept-all", "--aetitle", AE_TITLE]);
    command.args(["--sort-on-study-uid", "study", "--exec-on-eostudy", &onward]);
    command.args(["--eostudy-timeout", &QUIET.as_secs().to_string(), "--output-directory"]);
    command.arg(folder).arg(port.to_string()).env("TCP_NODELAY", "1");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("storescp starts")
}

fn orthanc(folder: &Path, port: u16, sink: u16, (script, syncs): (&str, Syncs)) -> Child {
    let lua = folder.join("onward.lua");
    std::fs::write(&lua, script).expect("a fresh folder can be written");
    let config = json!({
        "Name": "BENCH", "StorageDirectory": folder, "IndexDirectory": folder,
        "DicomAet": AE_TITLE, "DicomPort": port, "DicomAlwaysAllowStore": true,
        "HttpServerEnabled": false, "SyncStorageArea": syncs == Syncs::Each, "Plugins": [],
        "StableAge": QUIET.as_secs(), "LuaScripts": [lua],
        "DicomModalities": { "sink": [SINK, "127.0.0.1", sink] },
    });
    let path = folder.join("orthanc.json");
    std::fs::write(&path, config.to_string()).expect("a fresh folder can be written");
    let mut command = Command::new("Orthanc");
    command.arg(path).env("TCP_NODELAY", "1").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("Orthanc starts")
}

fn measure(runtime: &Runtime, router: Router, run: u32) -> Run {
    let (sink, stop) = (Arc::new(Sink::default()), CancellationToken::new());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
    let sink_port = listener.local_addr().expect("an address").port();
    let serving =
        runtime.spawn(serve(listener, AcceptorOptions::default(), sink.clone(), stop.clone()));
    let server = Server::start(router, sink_port);
    let mut template = Template::ct(SIDE, SIDE);
    let number = |image| Number { run, scanner: 1, study: 1, series: 1, image };
    template.image(number(0));
    let wire = Wire::request("CT1", server.port(), Template::SOP_CLASS);
    let mut wire = wire.expect("the association is accepted");
    let messages: Vec<Vec<u8>> = (1..=IMAGES)
        .map(|image| {
            let number = number(image);
            wire.encode(&number.sop_instance_uid(), template.renumbered(number))
        })
        .collect();
    let begin = Moment::now();
    for message in &messages {
        assert_eq!(wire.store_encoded(message).ok(), Some(0), "every object is taken");
    }
    let end = Moment::now();
    wire.release();
    let whole = || Some(sink.arrived()).filter(|all| all.len() >= IMAGES as usize);
    let arrived = ports::wait_for(PATIENCE, whole);
    let arrived = arrived.unwrap_or_else(|| {
        panic!("{router:?}: {} of {IMAGES} arrived", sink.arrived().len());
    });
    let first = arrived.iter().copied().min().expect("some arrived");
    let last = arrived.iter().copied().max().expect("some arrived");
    drop(server);
    stop.cancel();
    runtime.block_on(serving).expect("the PACS ends");
    // Before the quiet time is over it is below 0.
    let behind = |at: Moment| (at.0 - end.plus(QUIET).0) as f64 / 1e3;
    let per_second = |from: Moment| f64::from(IMAGES) / last.since(from).as_secs_f64();
    Run {
        rate: per_second(first),
        through: per_second(begin),
        first: behind(first),
        last: behind(last),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
