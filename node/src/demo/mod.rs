//! `gantry demo`: the whole road on one machine. A scanner sends a chest CT over a real association, the node works, a PACS receives.

mod pacs;
mod picture;
mod progress;
mod scanner;
mod table;

use crate::cli::DemoArguments;
use crate::config::{
    Address, AdminConfig, CompleteConfig, Config, DeliverConfig, DnsConfig, InferenceConfig,
    ListenConfig, Peer, StoreConfig,
};
use crate::output::line;
use crate::phantom::Truth;
use crate::serve::Node;
use gantry_store::options::{Duplicates, Durability};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::uid::Uid;
use pacs::Pacs;
use progress::Progress;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
pub use table::Times;

/// The demo waits so long for the results, then says where they stopped.
const PATIENCE: Duration = Duration::from_secs(600);
const NODE: &str = "GANTRY";
const SCANNER: &str = "DEMO-CT";
/// The AE title that the shipped rules send to.
const PACS: &str = "PACS";

type Failure = Box<dyn std::error::Error>;

/// One series on its way, and what is known about it beforehand.
pub struct Sent {
    pub instances: Vec<scanner::Instance>,
    pub series: Vec<Uid>,
    /// Only a phantom has a truth.
    pub truth: Option<Truth>,
    pub called: String,
}

pub async fn run(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let sent = scanner::prepare(arguments.series.as_deref())?;
    let data = tempfile::Builder::new().prefix("gantry-demo-").tempdir()?;
    let pacs = match &arguments.pacs {
        Some(written) => Pacs::elsewhere(written)?,
        None => Pacs::start(AeTitle::parse(PACS)?).await?,
    };
    let config = configuration(arguments, data.path(), &pacs)?;
    let node = Node::start(config).await?;
    can_run_models(&node)?;
    line!("Gantry demo. Research use only: not a medical device.");
    line!("  scanner  {SCANNER}, sends {}", sent.called);
    line!("  node     {NODE} on {}, data in {}", node.address, data.path().display());
    line!("  PACS     {}", pacs.described());
    line!();

    let mut progress = Progress::start();
    let last_response = scanner::send(&node.address, &sent, &mut progress).await?;
    let outcome = progress::follow(&node, &sent, &pacs, &mut progress, PATIENCE).await;
    let laid = table::lay_out(&node, &sent, &pacs, &arguments.to).await?;
    line!();
    table::print(&node, &sent, &laid).await?;
    if let Some(times) = table::times(&node, &sent, &pacs, last_response).await? {
        table::print_times(&times);
    }
    line!(
        "\nThe received objects and the picture of the overlay lie in {}",
        arguments.to.display()
    );
    pacs.stop().await;
    node.stop().await;
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(why) => {
            eprintln!("gantry: the demo did not end: {why}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The road without its pictures, for the bench: where the time went.
pub async fn measure(arguments: &DemoArguments) -> Result<Times, Failure> {
    let sent = scanner::prepare(arguments.series.as_deref())?;
    let data = tempfile::tempdir()?;
    let pacs = Pacs::start(AeTitle::parse(PACS)?).await?;
    let node = Node::start(configuration(arguments, data.path(), &pacs)?).await?;
    can_run_models(&node)?;
    let mut silent = Progress::silent();
    let last_response = scanner::send(&node.address, &sent, &mut silent).await?;
    progress::follow(&node, &sent, &pacs, &mut silent, PATIENCE).await?;
    let times = table::times(&node, &sent, &pacs, last_response).await?;
    pacs.stop().await;
    node.stop().await;
    times.ok_or_else(|| "no result arrived".into())
}

/// A node without models would wait for ever here.
fn can_run_models(node: &Node) -> Result<(), Failure> {
    match &node.without_models {
        None => Ok(()),
        Some(why) => Err(format!(
            "the demo needs to run a model: {why}\n  help: `make demo` fetches ONNX Runtime first"
        )
        .into()),
    }
}

/// A node on a free loopback port with a fresh data folder.
fn configuration(arguments: &DemoArguments, data: &Path, pacs: &Pacs) -> Result<Config, Failure> {
    let scanner = AeTitle::parse(SCANNER)?;
    // The rules send to the peer that they name; the demo may stand another in its place.
    let address = Some(Address::parse(pacs.address(), false)?);
    let receiver = Peer { address, ..Peer::new(pacs.ae_title().clone()) };
    let sender = Peer::new(scanner.clone());
    let quiet = Duration::try_from_secs_f64(arguments.quiet_seconds)?;
    Ok(Config {
        tls: None,
        ae_title: AeTitle::parse(NODE)?,
        listen: ListenConfig { address: "127.0.0.1:0".into(), ..ListenConfig::default() },
        data: data.to_path_buf(),
        rules: arguments.rules.clone(),
        models: arguments.models.clone(),
        onnxruntime: arguments.onnxruntime.clone(),
        store: StoreConfig {
            durability: Durability::PowerLoss,
            duplicates: Duplicates::KeepFirst,
            segment_bytes: 64 << 20,
            recent_bytes: 64 << 20,
            reserve_bytes: 0,
        },
        complete: CompleteConfig { quiet, study_quiet: quiet, ..CompleteConfig::default() },
        inference: InferenceConfig::default(),
        deliver: DeliverConfig {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(5),
            give_up_after: Duration::from_secs(600),
            commitment: Duration::from_secs(600),
            find: Duration::from_secs(600),
        },
        dns: DnsConfig::default(),
        retention: None,
        admin: AdminConfig::default(),
        audit: None,
        peers: BTreeMap::from([(AeTitle::parse(PACS)?, receiver), (scanner, sender)]),
        profiles: BTreeMap::new(),
        forgets: BTreeMap::new(),
    })
}

/// How long ago, in words that line up.
fn seconds(since: Instant) -> String {
    format!("{:7.2} s", since.elapsed().as_secs_f64())
}
