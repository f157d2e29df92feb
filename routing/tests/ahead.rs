//! Images are read while their series arrives, for the model that would run, within a bound, and never taken for other bytes.

#[path = "../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
mod author;
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
use gantry_store::decisions::NewDecisions;
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
/// On two series of a study, both of which it waits for.
const STUDY_RULE: &str = "[[rule]]\nname = \"difference\"\non = \"study\"\n\
                          [rule.select.first]\ncalling-ae = \"CT1\"\n[rule.require.first]\nimages = { min = 3 }\n\
                          [rule.select.second]\ncalling-ae = \"CT2\"\n[rule.require.second]\nimages = { min = 3 }\n\
                          [rule.then]\nrun = \"tiny\"\nsend = { to = [\"PACS\"], as = [\"structured-report\"] }\n";
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
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        Self::of(most, &shipped, ("emphysema", &["input"]), RULE).await
    }

    /// With a model on two series.
    async fn on_studies(most: u64) -> Self {
        let folder = tempdir().expect("a folder");
        let begin = author::MANIFEST.find("[input]").expect("an input");
        let (head, one) = author::MANIFEST.split_at(begin);
        let end = one.find("[[group]]").expect("a group");
        let (input, tail) = one.split_at(end);
        let of = |name: &str, onto: &str| {
            let named = input.replace("[input]", &format!("[input.{name}]\n{onto}"));
            named.replace("\"voxels\"", &format!("\"{name}\""))
        };
        let (first, second) = (of("first", ""), of("second", "onto = \"first\""));
        let manifest = format!("{head}{second}{first}{tail}");
        let models = author::Author { manifest, ..author::Author::default() }.write(folder.path());
        Self::of(most, &models, ("tiny", &["first", "second"]), STUDY_RULE).await
    }

    async fn of(most: u64, models: &Path, (name, inputs): (&str, &[&str]), rule: &str) -> Self {
        let folder = tempdir().expect("a folder");
        let store = Store::open(StoreOptions::new(folder.path())).await.expect("a store");
        let models = Models::load(models).unwrap_or_else(|problems| panic!("{problems:?}"));
        let (models, kept) = (Arc::new(models), Arc::new(Kept::new(most)));
        let facts = ModelFacts {
            name: name.into(),
            inputs: inputs.iter().map(|input| (*input).into()).collect(),
            results: vec!["structured-report".into()],
            places: false,
        };
        let world = World { models: vec![facts], peers: vec!["PACS".into()], ..World::default() };
        let files = vec![SourceFile { path: "rules.toml".into(), text: rule.into() }];
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

    /// Of a study of its own.
    async fn keep(&self, of_series: u32, numbers: std::ops::Range<u32>) {
        self.keep_by("CT1", of_series, series(of_series), numbers).await;
    }

    /// Of one study, each from a scanner of its own.
    async fn keep_of_study(&self, number: u32, numbers: std::ops::Range<u32>) {
        self.keep_by(&format!("CT{number}"), 1, of_study(number), numbers).await;
    }

    async fn keep_by(
        &self,
        scanner: &str,
        of_study: u32,
        series: Uid,
        numbers: std::ops::Range<u32>,
    ) {
        let all = Scan::default().stack(numbers.end);
        for (scan, number) in all.iter().zip(0..).filter(|(_, number)| numbers.contains(number)) {
            let title = AeTitle::parse(scanner).expect("a title");
            let identity = Identity {
                sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
                sop_instance: uid(&format!("{series}.{number}")),
                series: series.clone(),
                study: uid(&format!("1.2.3.{of_study}")),
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

    /// By no rule.
    async fn decide(&self, series: &Uid) {
        let row = self.store.series(series).await.expect("asked").expect("a series");
        let (revision, last) = (row.revision, row.last_arrival);
        let completed = self.store.complete_series(series, revision, last).await;
        assert!(completed.expect("completed"));
        let images = self.store.images(series).await.expect("asked");
        let uids = images.images.iter().map(|image| image.identity.sop_instance.clone());
        let new = NewDecisions {
            series: series.clone(),
            revision,
            rules_digest: "d".into(),
            rules_text: String::new(),
            at: Moment::now(),
            decisions: Vec::new(),
            images: uids.collect(),
        };
        assert!(self.store.decide(new).await.expect("decided"));
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

fn of_study(number: u32) -> Uid {
    uid(&format!("1.2.3.1.{number}"))
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
async fn what_a_rule_on_studies_would_run_on_is_read_before_the_study_is_decided() {
    let bench = Bench::on_studies(1 << 20).await;
    let study = uid("1.2.3.1");
    bench.keep_of_study(1, 0..4).await;
    // Complete and decided before the other one comes.
    bench.decide(&of_study(1)).await;
    assert_eq!(bench.kept.bytes(), 0, "the rule waits for both");
    bench.keep_of_study(2, 0..3).await;
    bench.keep_of_study(3, 0..5).await;
    bench.reads(7 * SLICE).await;
    // So fast that nobody saw them on their way.
    bench.keep_of_study(2, 3..6).await;
    for series in [2, 3] {
        bench.decide(&of_study(series)).await;
    }
    bench.reads(10 * SLICE).await;

    let model = bench.models.model("tiny").expect("the model of this test");
    for (input, series, count) in [("first", 1, 4), ("second", 2, 6)] {
        let mut inputs = model.manifest.inputs.iter();
        let input = inputs.find(|known| known.name == input).expect("an input");
        for number in 0..count {
            let instance = uid(&format!("1.2.3.1.{series}.{number}"));
            let digest = bench.store.digest(&instance).await.expect("asked").expect("there");
            let wanted = wanted(model, input, &instance);
            assert!(bench.kept.take(&study, &wanted, &digest).is_some(), "{instance}");
        }
    }
    assert_eq!(bench.kept.bytes(), 0);
    bench.end().await;
}

#[tokio::test]
async fn of_a_study_no_more_is_kept_than_there_is_room_for() {
    let bench = Bench::on_studies(6 * SLICE).await;
    for series in [1, 2] {
        bench.keep_of_study(series, 0..20).await;
    }
    let full = async {
        while bench.kept.bytes() < 3 * SLICE {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, full).await.expect("read");
    sleep(Duration::from_millis(1500)).await;
    assert!(bench.kept.bytes() <= 6 * SLICE, "{}", bench.kept.bytes());
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
