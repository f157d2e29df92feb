//! Images are read while their series arrives, for the model that would run, within a bound, and never taken for other bytes.

#[path = "../../inference/tests/kit/modality.rs"]
#[allow(dead_code)] // other tests send films and compressed images
mod modality;

use gantry_inference::models::Models;
use gantry_routing::ahead::kept::{Kept, Wanted};
use gantry_routing::ahead::{Ahead, wanted};
use gantry_routing::facts::Peers;
use gantry_routing::in_force::InForce;
use gantry_routing::rules::{ModelFacts, RuleSet, SourceFile, World};
use gantry_routing::versions::{Versions, VersionsInForce};
use gantry_routing::wait::Stop;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use modality::Scan;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::{TempDir, tempdir};
use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const RULE: &str = "[[rule]]\nname = \"lungs\"\n[rule.select]\nModality = \"CT\"\n[rule.require]\nimages = { min = 3 }\n\
                    [rule.then]\nrun = \"emphysema\"\nsend = { to = [\"PACS\"], as = [\"structured-report\"] }\n";
/// Voxels of a slice of 16 x 16, as float32.
const SLICE: u64 = 1024;

struct Bench {
    store: Store,
    models: Arc<Models>,
    kept: Arc<Kept>,
    _folder: TempDir,
    stop: Sender<bool>,
    ahead: JoinHandle<()>,
}

impl Bench {
    async fn start(most: u64) -> Self {
        let folder = tempdir().expect("a folder");
        let store = Store::open(StoreOptions::new(folder.path())).await.expect("a store");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let models = Models::load(&shipped).unwrap_or_else(|problems| panic!("{problems:?}"));
        let (models, kept) = (Arc::new(models), Arc::new(Kept::new(most)));
        let facts = ModelFacts {
            name: "emphysema".into(),
            inputs: vec!["input".into()],
            results: vec!["structured-report".into()],
        };
        let world = World { models: vec![facts], peers: vec!["PACS".into()], ..World::default() };
        let files = vec![SourceFile { path: "rules.toml".into(), text: RULE.into() }];
        let rules = RuleSet::parse(files, &world).unwrap_or_else(|problems| panic!("{problems}"));
        let (stop, stopped) = Stop::new();
        let ahead = Ahead {
            store: store.clone(),
            rules: InForce::new(rules),
            models: VersionsInForce::new(Versions::all_live(&models)),
            peers: Peers::default(),
            kept: kept.clone(),
        };
        let ahead = tokio::spawn(ahead.run(stopped));
        Self { store, models, kept, _folder: folder, stop, ahead }
    }

    async fn keep(&self, of_series: u32, numbers: std::ops::Range<u32>) {
        let all = Scan::default().stack(numbers.end);
        for (scan, number) in all.iter().zip(0..).filter(|(_, number)| numbers.contains(number)) {
            let title = AeTitle::parse("CT1").expect("a title");
            let identity = Identity {
                sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
                sop_instance: instance(of_series, number),
                series: series(of_series),
                study: uid(&format!("1.2.3.{of_series}")),
                transfer_syntax: uid("1.2.840.10008.1.2.1"),
                calling_ae: title.clone(),
                called_ae: title,
                arrival: Moment::now(),
                origin: Origin::Received,
            };
            let part10 = scan.file().into();
            self.store.keep(Incoming { identity, part10 }).await.expect("kept");
        }
        self.store.settled().await;
    }

    /// Waits until so many bytes of voxels are there.
    async fn reads(&self, bytes: u64) {
        let there = async {
            while self.kept.bytes() != bytes {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, there)
            .await
            .unwrap_or_else(|_| panic!("{} of {bytes}", self.kept.bytes()));
    }

    fn wanted(&self, of_series: u32, number: u32) -> Wanted {
        let model = self.models.model("emphysema").expect("the shipped model");
        wanted(model, model.manifest.lead(), &instance(of_series, number))
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.ahead.await.expect("it ends");
        self.store.close().await;
    }
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("a UID of a test")
}

fn series(number: u32) -> Uid {
    uid(&format!("1.2.3.{number}.1"))
}

fn instance(of_series: u32, number: u32) -> Uid {
    uid(&format!("1.2.3.{of_series}.1.{number}"))
}

#[tokio::test]
async fn what_a_rule_would_run_on_is_read_before_its_series_is_complete() {
    let bench = Bench::start(1 << 20).await;
    bench.keep(1, 0..2).await;
    bench.keep(2, 0..4).await;
    bench.reads(4 * SLICE).await;
    assert!(
        !bench.kept.has(&series(1), &bench.wanted(1, 0)),
        "two images are too few for the rule"
    );
    bench.keep(1, 2..5).await;
    bench.reads(9 * SLICE).await;
    let wanted = bench.wanted(1, 0);
    let digest = bench.store.digest(&instance(1, 0)).await.expect("asked").expect("there");
    let image = bench.kept.take(&series(1), &wanted, &digest).expect("it was read");
    assert_eq!((image.bytes(), bench.kept.bytes()), (SLICE, 8 * SLICE));
    assert!(bench.kept.take(&series(1), &wanted, &digest).is_none(), "once");
    let other = bench.wanted(1, 1);
    assert!(bench.kept.take(&series(1), &other, &digest).is_none(), "it was read of other bytes");
    assert_eq!(bench.kept.bytes(), 7 * SLICE, "and is of no use any more");
    bench.end().await;
}

#[tokio::test]
async fn no_more_is_kept_than_there_is_room_for_and_what_nobody_asks_for_is_given_up() {
    let bench = Bench::start(6 * SLICE).await;
    bench.keep(1, 0..20).await;
    // Each file is longer than its voxels: the last of them that would fit is not even read.
    let full = async {
        while bench.kept.bytes() < 3 * SLICE {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, full).await.expect("read");
    bench.keep(2, 0..4).await;
    sleep(Duration::from_millis(1500)).await;
    assert!(bench.kept.bytes() <= 6 * SLICE, "{}", bench.kept.bytes());
    bench.kept.forget_idle(Duration::from_secs(600));
    assert!(bench.kept.bytes() >= 3 * SLICE);
    bench.kept.forget_idle(Duration::ZERO);
    assert_eq!(bench.kept.bytes(), 0);
    bench.end().await;
}

#[tokio::test]
async fn without_room_nothing_is_read_and_nothing_waits() {
    let bench = Bench::start(0).await;
    bench.keep(1, 0..4).await;
    timeout(PATIENCE, bench.ahead).await.expect("it ends by itself").expect("without a panic");
    assert_eq!(bench.kept.bytes(), 0);
    bench.store.close().await;
}
