//! `gantry serve`: starts the stations in the order in which they need each other, and stops them in the reverse.

use crate::admission::Admission;
use crate::audit::receiving::Receiving;
use crate::audit::{Audit, Recording, code, events, used};
use crate::check;
use crate::commit::Commit;
use crate::config::Config;
use crate::deidentify::{self, KEY_FILE, KeyError};
use crate::deliver::Deliver;
use crate::dimse::acceptor::{self, Entrance, Entrances};
use crate::ledger::Ledger;
use crate::memory::Memory;
use crate::metrics;
use crate::models::watch as versions;
use crate::reach::Reach;
use crate::receive::Receive;
use crate::resolve::Resolver;
use crate::retain;
use crate::returning;
use crate::rules::watch::{self, Watch};
use crate::tls::{Tls, TlsProblems};
use gantry_deidentification::key::Key;
use gantry_inference::cuda;
use gantry_inference::device::Device;
use gantry_inference::engine::{EngineError, EngineOptions};
use gantry_inference::models::Models;
use gantry_inference::pool::{Pool, PoolOptions};
use gantry_results::provenance::Station;
use gantry_routing::complete::TimesOf;
use gantry_routing::complete::associations::Associations;
use gantry_routing::compose::Composer;
use gantry_routing::drive::Drive;
use gantry_routing::in_force::InForce;
use gantry_routing::versions::VersionsInForce;
use gantry_routing::wait::Stop;
use gantry_store::error::StoreError;
use gantry_store::events::Event;
use gantry_store::options::StoreOptions;
use gantry_store::queue::AGEING;
use gantry_store::store::Store;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Runs the node until SIGTERM or Ctrl-C.
pub async fn run(file: &Path) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Config::load(file)?;
    let node = Node::start(config).await?;
    let (ae_title, tls) = (&node.config.ae_title, node.tls_address.as_deref());
    tracing::info!(%ae_title, address = node.address, tls, "listening");
    wait_for_signal().await?;
    tracing::info!("stopping: what is in hand is finished first");
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// A running node.
pub struct Node {
    pub config: Arc<Config>,
    pub store: Store,
    /// Where it listens, with the real port.
    pub address: String,
    /// Where it listens for TLS.
    pub tls_address: Option<String>,
    /// Why models do not run, when they do not.
    pub without_models: Option<String>,
    stop_edge: CancellationToken,
    stop_stations: tokio::sync::watch::Sender<bool>,
    edge: tokio::task::JoinHandle<()>,
    recording: tokio::task::JoinHandle<()>,
    deliver: tokio::task::JoinHandle<()>,
    /// Storage commitment, in both roles.
    commit: tokio::task::JoinHandle<()>,
    /// Peers, by name.
    finding: tokio::task::JoinHandle<()>,
    /// Where something is ever evicted.
    retain: Option<tokio::task::JoinHandle<()>>,
    /// What left long ago.
    forgetting: tokio::task::JoinHandle<()>,
    stations: tokio::task::JoinHandle<()>,
    /// Changed rules.
    watching: tokio::task::JoinHandle<()>,
    /// Versions of models.
    choosing: tokio::task::JoinHandle<()>,
    /// Certificates, where there is TLS.
    renewing: Option<tokio::task::JoinHandle<()>>,
    /// Where they are served.
    metrics: Option<tokio::task::JoinHandle<()>>,
    audit: Audit,
    /// Where there is an audit trail.
    auditing: Option<Recording>,
}

/// Why a node does not start: the admin must act.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Checked(String),
    #[error("cannot open the store in {folder}: {source}")]
    Store { folder: String, source: StoreError },
    #[error(
        "cannot listen on {address}: {source}\n  help: is another program, or another node, listening there?"
    )]
    Listen { address: String, source: std::io::Error },
    #[error(
        "cannot serve metrics on {address}: {source}\n  help: another program may have it; [admin] metrics of the configuration names it"
    )]
    Metrics { address: String, source: std::io::Error },
    #[error(
        "cannot write the audit trail in {folder}: {source}\n  help: [audit] folder of the configuration names it"
    )]
    Audit { folder: String, source: std::io::Error },
    #[error("cannot use the key {file} of pseudonyms: {source}")]
    Key { file: String, source: KeyError },
    #[error(transparent)]
    Tls(#[from] TlsProblems),
    #[error("{0}")]
    Engine(EngineError),
}

impl Node {
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let tls = Tls::open(&config)?;
        let edge = listen(&config, tls).await?;
        let metrics = listen_for_metrics(&config).await?;
        let store = Store::open(store_options(&config)).await.map_err(in_store(&config))?;
        let prepared = match prepared(&config, &store).await {
            Ok(prepared) => {
                audit(&config, &store, edge.tls.as_ref()).map(|audit| (prepared, audit))
            }
            Err(error) => Err(error),
        };
        match prepared {
            Ok((prepared, audit)) => Ok(Self::go(config, store, prepared, edge, metrics, audit)),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    /// Starts the stations.
    fn go(
        config: Arc<Config>,
        store: Store,
        prepared: Prepared,
        edge: Edge,
        metrics: Option<TcpListener>,
        (audit, auditing): (Audit, Option<Recording>),
    ) -> Self {
        audit.tell(|this| events::application(this, code::APPLICATION_START));
        audit.tell(|this| events::network_entry(this, code::ATTACH));
        let Prepared { checked, engine, without_models, key } = prepared;
        let Edge { entrances, address, tls_address, tls } = edge;
        warn_of_passcodes(&config);
        let (stop_stations, stop) = Stop::new();
        let associations = Arc::new(Associations::new(Moment::now()));
        let in_force = InForce::new(checked.rules);
        let versions = VersionsInForce::new(checked.versions);
        let world = versions::WorldNow::new(checked.world);
        let drive = Drive {
            store: store.clone(),
            times: times_of(&config),
            associations: associations.clone(),
            rules: in_force.clone(),
            models: versions.clone(),
            peers: Arc::new(config.peers.keys().cloned().collect()),
            study_quiet: config.complete.study_quiet,
            engine: engine.clone(),
            ahead: config.inference.ahead,
            composer: Composer { station: station(&config) },
            uses: used::told(&audit, &store),
        };
        let stations = tokio::spawn(drive.run(stop));
        let stop_edge = CancellationToken::new();
        let watch = versions::Watch {
            store: store.clone(),
            config: config.clone(),
            versions,
            rules: in_force.clone(),
            world: world.clone(),
            engine,
            audit: audit.clone(),
        };
        let choosing = tokio::spawn(watch.run(stop_edge.clone()));
        let folder = config.rules.clone();
        let watch = Watch { store: store.clone(), in_force, folder, world, audit: audit.clone() };
        let watching = tokio::spawn(watch.run(stop_edge.clone()));
        let metrics = metrics.map(|listener| {
            let (reader, stop) = (store.reader().clone(), stop_edge.clone());
            tokio::spawn(metrics::server::serve(listener, reader, config.clone(), stop))
        });
        let renewing = tls
            .clone()
            .map(|tls| tokio::spawn(tls.run(store.clone(), audit.clone(), stop_edge.clone())));
        let resolver = Arc::new(Resolver::new(&config.dns));
        let finding = resolver.clone().keep(config.clone(), store.clone(), stop_edge.clone());
        let finding = tokio::spawn(finding);
        let reach = Reach { config: config.clone(), resolver: resolver.clone(), tls };
        let commit = Commit {
            config: config.clone(),
            store: store.clone(),
            reach: reach.clone(),
            audit: audit.clone(),
        };
        let commit = tokio::spawn(Arc::new(commit).run(stop_edge.clone()));
        let deliver = Deliver {
            config: config.clone(),
            store: store.clone(),
            reach,
            audit: audit.clone(),
            key,
        };
        let deliver = Arc::new(deliver);
        let deliver = tokio::spawn(deliver.run(stop_edge.clone()));
        let retain = config.retention.map(|policy| {
            let (audit, stop) = (audit.clone(), stop_edge.clone());
            tokio::spawn(retain::run(store.clone(), policy, audit, stop))
        });
        let forgetting = returning::forget(store.clone(), config.clone(), stop_edge.clone());
        let forgetting = tokio::spawn(forgetting);
        let (ledger, recording) = Ledger::open(store.clone());
        let receive = Arc::new(Receive {
            admission: Admission::new(config.clone(), resolver),
            ledger,
            store: store.clone(),
            large_object_bytes: store.options().large_object_bytes,
            buffers: Arc::default(),
            memory: Memory::new(config.listen.memory_mib, config.listen.maximum_pdu),
            associations,
            audit: Receiving::new(audit.clone()),
            config: config.clone(),
        });
        let edge = tokio::spawn(acceptor::serve(
            entrances,
            config.listen.acceptor(),
            receive,
            stop_edge.clone(),
        ));
        Self {
            config,
            store,
            address,
            tls_address,
            without_models,
            stop_edge,
            stop_stations,
            edge,
            recording,
            deliver,
            commit,
            finding,
            retain,
            forgetting,
            stations,
            watching,
            choosing,
            renewing,
            metrics,
            audit,
            auditing,
        }
    }

    /// Stops taking, finishes what is in hand, and closes the store.
    pub async fn stop(self) {
        self.stop_edge.cancel();
        let _ = self.edge.await;
        self.audit.tell(|this| events::network_entry(this, code::DETACH));
        let _ = self.recording.await;
        let _ = self.watching.await;
        let _ = self.choosing.await;
        if let Some(renewing) = self.renewing {
            let _ = renewing.await;
        }
        if let Some(metrics) = self.metrics {
            let _ = metrics.await;
        }
        let _ = self.stop_stations.send(true);
        let _ = self.stations.await;
        let _ = self.deliver.await;
        let _ = self.commit.await;
        let _ = self.finding.await;
        let _ = self.forgetting.await;
        if let Some(retain) = self.retain {
            let _ = retain.await;
        }
        self.audit.settled().await;
        self.audit.tell(|this| events::application(this, code::APPLICATION_STOP));
        if let Some(auditing) = self.auditing {
            auditing.stop().await;
        }
        self.store.close().await;
    }
}

fn audit(
    config: &Config,
    store: &Store,
    tls: Option<&Arc<Tls>>,
) -> Result<(Audit, Option<Recording>), StartError> {
    let folder = config.audit.as_ref().map(|audit| audit.folder.display().to_string());
    Audit::open(config, store, tls)
        .map_err(|source| StartError::Audit { folder: folder.unwrap_or_default(), source })
}

/// Where the node is called.
struct Edge {
    entrances: Entrances,
    /// The first of them, with the real port.
    address: String,
    tls_address: Option<String>,
    tls: Option<Arc<Tls>>,
}

async fn listen(config: &Config, tls: Option<Arc<Tls>>) -> Result<Edge, StartError> {
    let mut entrances = Vec::new();
    let (mut address, mut tls_address) = (None, None);
    if config.listen.plain {
        let listener = bind(&config.listen.address).await?;
        address = Some(where_it_is(&listener, &config.listen.address));
        entrances.push(Entrance { listener, tls: None });
    }
    let secure = config.tls.as_ref().and_then(|files| files.listen.as_ref());
    if let (Some(written), Some(tls)) = (secure, &tls) {
        let listener = bind(written).await?;
        tls_address = Some(where_it_is(&listener, written));
        entrances.push(Entrance { listener, tls: Some(tls.for_callers()) });
        warn_of_both(entrances.first());
    }
    let address = address.or(tls_address.clone()).unwrap_or_default();
    Ok(Edge { entrances: Entrances(entrances), address, tls_address, tls })
}

/// With the real port.
fn where_it_is(listener: &TcpListener, written: &str) -> String {
    listener.local_addr().map_or_else(|_| written.into(), |address| address.to_string())
}

/// Once, at the start.
fn warn_of_both(first: Option<&Entrance>) {
    let Some(Entrance { listener, tls: None }) = first else { return };
    if listener.local_addr().is_ok_and(|address| !address.ip().to_canonical().is_loopback()) {
        tracing::warn!("callers without TLS are served, too: listen.plain = false ends that");
    }
}

async fn bind(address: &str) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Listen { address: address.into(), source })
}

/// What a node starts with beside its store.
struct Prepared {
    checked: check::Checked,
    engine: Option<Pool>,
    without_models: Option<String>,
    key: Option<Key>,
}

/// The store is open before anything is checked: which versions are live stands in its index, and one of an
/// earlier version cannot be asked before it is migrated.
async fn prepared(config: &Config, store: &Store) -> Result<Prepared, StartError> {
    let changes = store.model_changes(None).await.map_err(in_store(config))?;
    let checked = check::check(config, &changes);
    let checked = checked.map_err(|all| StartError::Checked(all.to_string()))?;
    let live = Models::of(checked.versions.live().cloned());
    let (engine, without_models) = start_engine(config, Arc::new(live))?;
    if let Some(engine) = &engine {
        let live = |name: &str| checked.versions.live().any(|model| model.name == name);
        let others = checked.versions.all().filter(|model| !live(&model.name));
        others.for_each(|model| engine.add(model.clone()));
    }
    store.release_leases().await.map_err(in_store(config))?;
    watch::started(store, &checked.rules).await.map_err(in_store(config))?;
    for warning in &checked.warnings {
        tracing::warn!(station = "infer", warning, "a version is not usable");
    }
    if let Some(why) = &without_models {
        say_that_models_do_not_run(store, why).await;
    }
    Ok(Prepared { checked, engine, without_models, key: key(config, store).await? })
}

/// None where nothing leaves without the patient.
async fn key(config: &Config, store: &Store) -> Result<Option<Key>, StartError> {
    if !config.deidentifies() {
        return Ok(None);
    }
    let file = config.data.join(KEY_FILE).display().to_string();
    let key = deidentify::known_key(&config.data, store).await;
    key.map(Some).map_err(|source| StartError::Key { file, source })
}

fn in_store(config: &Config) -> impl Fn(StoreError) -> StartError {
    let folder = config.data.display().to_string();
    move |source| StartError::Store { folder: folder.clone(), source }
}

/// Where `[admin] metrics` says, if it does.
async fn listen_for_metrics(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = &config.admin.metrics else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            tracing::info!(station = "metrics", address, "serving metrics");
            Ok(Some(listener))
        }
        Err(source) => Err(StartError::Metrics { address: address.clone(), source }),
    }
}

/// A model's process that has not answered for so long behind its time-out hangs.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Without a runtime the node still receives, keeps, decides and forwards; a model that cannot
/// be opened stops the start.
pub(crate) fn start_engine(
    config: &Config,
    models: Arc<Models>,
) -> Result<(Option<Pool>, Option<String>), StartError> {
    let devices = devices(config)?;
    let options = PoolOptions {
        // What runs now, though another version may lie at its path by now.
        program: "/proc/self/exe".into(),
        engine: EngineOptions {
            library: config.onnxruntime.clone(),
            tensorrt: config.inference.tensorrt,
            device_memory: config.inference.device_memory,
            ..EngineOptions::default()
        },
        devices,
        memory: config.inference.memory,
        ageing: AGEING,
        grace: HANGS_AFTER,
    };
    match Pool::start(models, options) {
        Ok(engine) => Ok((Some(engine), None)),
        Err(error @ (EngineError::NoRuntime(_) | EngineError::Unavailable(_))) => {
            Ok((None, Some(error.to_string())))
        }
        Err(error) => Err(StartError::Engine(error)),
    }
}

/// What models run on; one line where it is the CPU for want of a device.
fn devices(config: &Config) -> Result<Vec<Device>, StartError> {
    let chosen = cuda::devices(&config.inference.devices).map_err(StartError::Checked)?;
    if let Some(why) = chosen.why {
        tracing::info!(station = "infer", why, "models run on the CPU");
    }
    Ok(chosen.devices)
}

async fn say_that_models_do_not_run(store: &Store, why: &str) {
    tracing::warn!(station = "infer", why, "models do not run; their jobs wait");
    let event = Event {
        station: "infer".into(),
        kind: "models do not run".into(),
        subject: None,
        text: format!("jobs wait: {why}"),
    };
    if let Err(error) = store.note(event).await {
        tracing::error!(%error, "the event could not be noted");
    }
}

/// Once, at the start: whoever can listen on the network can read them.
fn warn_of_passcodes(config: &Config) {
    let peers = config.passcodes_in_clear();
    if !peers.is_empty() {
        tracing::warn!(
            station = "receive",
            peers = peers.join(", "),
            "secrets of user identities cross the network as they are: these peers have no tls = true"
        );
    }
}

pub(crate) fn store_options(config: &Config) -> StoreOptions {
    let mut options = StoreOptions::new(&config.data);
    options.segment_bytes = config.store.segment_bytes;
    options.recent_bytes = config.store.recent_bytes;
    options.reserve_bytes = config.store.reserve_bytes;
    options.durability = config.store.durability;
    options.duplicates = config.store.duplicates;
    options
}

fn times_of(config: &Arc<Config>) -> TimesOf {
    let config = config.clone();
    Arc::new(move |peer| config.times_for(peer))
}

/// Who this node is in the objects that it makes. The observer's UID belongs to the AE title,
/// so that it stays when the data folder is made anew.
pub(crate) fn station(config: &Config) -> Station {
    Station {
        name: config.ae_title.to_string(),
        manufacturer: "Gantry".into(),
        model_name: "Gantry node".into(),
        serial: config.ae_title.to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        observer_uid: Uid::derived(&["device observer", config.ae_title.as_str()]),
        ae_title: config.ae_title.clone(),
    }
}

pub(crate) async fn wait_for_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
