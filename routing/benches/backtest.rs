//! How long 100,000 series take to be judged again from the index, and what of it goes into reading.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use bytes::Bytes;
use gantry_routing::facts::{self, Peers};
use gantry_routing::retell::Retell;
use gantry_routing::rules::{ModelFacts, RuleSet, SourceFile, World};
use gantry_store::decisions::{Level, NewDecision, NewDecisions};
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::Instant;

const SERIES: u32 = 100_000;
/// The largest: a fifth of the series have so many images, two fifths four, two fifths one.
const IMAGES: u32 = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Data sets of a real series without their pixels.
fn data_sets() -> Vec<Vec<u8>> {
    let folder = root().join("../shared/data/ct_chest_A0002_B40f");
    let mut files: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    let read = |path| {
        let bytes = fs::read(path).expect("a real file");
        // Behind the preamble, the prefix and the group length comes as much as that says.
        let length = bytes[140..144].try_into().expect("a group length");
        let head = 144 + u32::from_le_bytes(length) as usize;
        let pixels = bytes.windows(6).rposition(|part| part == b"\xe0\x7f\x10\0OW");
        bytes[head..pixels.unwrap_or(bytes.len())].to_vec()
    };
    files.iter().map(read).collect()
}

fn image(number: u32, data_sets: &[Vec<u8>]) -> Incoming {
    let uid = |text: &str| Uid::parse(text).expect("a UID");
    let title = AeTitle::parse("CT1").expect("a title");
    let identity = Identity {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: Uid::derived(&["image", &number.to_string()]),
        series: Uid::derived(&["series"]),
        study: Uid::derived(&["study"]),
        transfer_syntax: uid("1.2.840.10008.1.2.1"),
        calling_ae: title.clone(),
        called_ae: title,
        arrival: Moment::now(),
        origin: Origin::Received,
    };
    let data_set = &data_sets[number as usize % data_sets.len()];
    Incoming { part10: Bytes::from(part10(&identity, data_set)), identity }
}

/// The rules that ship, and as many again that nearly fit.
fn rules() -> RuleSet {
    let results = vec!["structured-report".to_string(), "secondary-capture".to_string()];
    let derived = vec!["derived-images".to_string()];
    let model = |name: &str, results| ModelFacts {
        name: name.into(),
        inputs: vec!["input".into()],
        results,
        places: false,
    };
    let world = World {
        models: vec![model("emphysema", results), model("denoiser", derived)],
        peers: vec!["PACS".into()],
        senders: vec!["CT1".into(), "PACS".into()],
        ..World::default()
    };
    let shipped = fs::read_dir(root().join("rules")).expect("the rules that ship");
    let paths = shipped.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<SourceFile> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| SourceFile { text: fs::read_to_string(&path).expect("text"), path })
        .collect();
    let more = (0..12).map(|number| {
        format!(
            "[[rule]]\nname = \"more {number}\"\n[rule.select]\nModality = \"CT\"\n\
             SliceThickness = {{ max = {number} }}\nConvolutionKernel = {{ like = \"B{number}*\" }}\n\
             [rule.require]\nimages = {{ min = 3 }}\n[rule.then]\nforward = [\"PACS\"]\n"
        )
    });
    files.push(SourceFile { path: "rules/more.toml".into(), text: more.collect() });
    RuleSet::parse(files, &world).unwrap_or_else(|problems| panic!("{problems}"))
}

/// One real series, decided by these rules.
async fn one_series(folder: &Path, rules: &RuleSet, peers: &Peers) -> bool {
    let data_sets = data_sets();
    if data_sets.is_empty() {
        println!("skipped: no shared CT series");
        return false;
    }
    let store = Store::open(StoreOptions::new(folder)).await.expect("a store");
    for number in 0..IMAGES {
        store.keep(image(number, &data_sets)).await.expect("kept");
    }
    store.settled().await;
    let series = store.all_series().await.expect("asked").remove(0);
    assert!(store.complete_series(&series.uid, 1, series.last_arrival).await.expect("complete"));
    let images = store.images(&series.uid).await.expect("asked");
    let judged = rules.judge(&facts::of_series(slice::from_ref(&images), peers));
    let decision = |judgement: gantry_routing::rules::Judgement| NewDecision {
        level: Level::Series,
        trace: serde_json::to_value(&judgement.conditions).expect("JSON"),
        fates: serde_json::to_value(&judgement.fates).expect("JSON"),
        rule: judgement.rule,
        runs: judgement.runs,
        reason: judgement.reason,
        jobs: Vec::new(),
        forward: Vec::new(),
    };
    let decisions = NewDecisions {
        series: series.uid.clone(),
        revision: 1,
        rules_digest: rules.digest().into(),
        rules_text: rules.text(),
        at: Moment::now(),
        images: images.images.iter().map(|image| image.identity.sop_instance.clone()).collect(),
        decisions: judged.into_iter().map(decision).collect(),
    };
    assert!(store.decide(decisions).await.expect("decided"));
    store.close().await;
    true
}

/// Rows of many series that are like the one that is there.
async fn multiply(folder: &Path) {
    let index = SqliteConnectOptions::new().filename(folder.join("index.db")).foreign_keys(false);
    let pool = SqlitePool::connect_with(index).await.expect("the index");
    let many = format!(
        "WITH RECURSIVE n (i, images) AS (SELECT 1, 1 UNION ALL SELECT i + 1,
             CASE WHEN i % 10 < 4 THEN 1 WHEN i % 10 < 8 THEN 4 ELSE {IMAGES} END
             FROM n WHERE i < {SERIES})"
    );
    for step in [
        format!(
            "INSERT INTO bases (id, series, header) {many}
             SELECT 1000 + i * 10 + bases.id, series || '.' || i, header FROM n JOIN bases"
        ),
        format!(
            "INSERT INTO instances (sop_instance, sop_class, series, study, transfer_syntax,
                 calling_ae, called_ae, arrival, origin, segment, offset, bytes, digest, header, base)
             {many} SELECT sop_instance || '.' || i, sop_class, series || '.' || i,
                 study || '.' || i, transfer_syntax, calling_ae, called_ae, arrival, origin, segment,
                 offset, bytes, digest, header, 1000 + i * 10 + base
             FROM n JOIN (SELECT *, row_number() OVER (ORDER BY arrival) AS place FROM instances)
                 ON place <= images"
        ),
        format!(
            "INSERT INTO decisions (level, study, series, revision, position, rules_digest, rule,
                 runs, reason, trace, fates, model, send_to, forwards, at)
             {many} SELECT level, study || '.' || i, series || '.' || i, revision, position,
                 rules_digest, rule, runs, reason, trace, fates, model, send_to, forwards, at
             FROM n JOIN decisions"
        ),
        format!(
            "INSERT INTO series (uid, study, calling_ae, called_ae, instances, first_arrival,
                 last_arrival, state, revision, decided_at)
             {many} SELECT uid || '.' || i, study || '.' || i, calling_ae, called_ae, images,
                 first_arrival, last_arrival, state, revision, decided_at FROM n JOIN series"
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(step)).execute(&pool).await.expect("filled");
    }
    pool.close().await;
}

async fn run() {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(base).expect("a folder");
    let (rules, peers) = (rules(), Peers::default());
    if !one_series(folder.path(), &rules, &peers).await {
        return;
    }
    multiply(folder.path()).await;
    let reader = Store::open_reader(folder.path()).await.expect("a reader");
    let count = rules.rules().len();
    let retell = Retell { reader, rules: Arc::new(rules), peers, examples: 3 };
    for _ in 0..3 {
        let begin = Instant::now();
        let report = retell.run(Moment(0), |_| ()).await.expect("told");
        let taken = begin.elapsed().as_secs_f64();
        println!(
            "{} series with {} images under {count} rules: {taken:.1} s, {:.0} series/s, {:.0} images/s",
            report.series,
            report.images,
            report.series as f64 / taken,
            report.images as f64 / taken
        );
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run());
}
