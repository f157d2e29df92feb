//! A series that cannot be decided is in the way of no other and is decided once it can be; studies wait for their quiet time.

use gantry_inference::models::Models;
use gantry_routing::decide::Decider;
use gantry_routing::facts::Peers;
use gantry_routing::in_force::InForce;
use gantry_routing::rules::{RuleSet, SourceFile, World};
use gantry_routing::versions::{Versions, VersionsInForce};
use gantry_routing::wait::Stop;
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::options::StoreOptions;
use gantry_store::series::SeriesState;
use gantry_store::store::Store;
use gantry_store::study::StudyState;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const RULE: &str = "[[rule]]\nname = \"all\"\non = \"study\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\nforward = [\"PACS\"]\n";

fn uid(kind: u32, of_series: u32) -> Uid {
    Uid::parse(&format!("1.2.826.0.1.3680043.9.{kind}.{of_series}")).expect("a UID of a test")
}

/// One image, of a series and a study of its own.
async fn keep(store: &Store, of_series: u32) {
    let title = AeTitle::parse("CT1").expect("a title");
    let identity = Identity {
        sop_class: Uid::parse("1.2.840.10008.5.1.4.1.1.2").expect("a UID"),
        sop_instance: uid(1, of_series),
        series: uid(2, of_series),
        study: uid(3, of_series),
        transfer_syntax: Uid::parse("1.2.840.10008.1.2.1").expect("a UID"),
        calling_ae: title.clone(),
        called_ae: title,
        arrival: Moment(1_700_000_000_000_000 + i64::from(of_series)),
        origin: Origin::Received,
    };
    let part10 = part10(&identity, b"\x08\0\x60\0CS\x02\0CT").into();
    store.keep(Incoming { identity, part10 }).await.expect("kept");
    store.settled().await;
    let row = store.series(&uid(2, of_series)).await.expect("asked").expect("there");
    assert!(store.complete_series(&row.uid, 1, row.last_arrival).await.expect("complete"));
}

fn decider(store: &Store, models: &Path) -> Decider {
    let world = World { models: Vec::new(), peers: vec!["PACS".into()], ..World::default() };
    let files = vec![SourceFile { path: "rules.toml".into(), text: RULE.into() }];
    let rules = RuleSet::parse(files, &world).unwrap_or_else(|problems| panic!("{problems}"));
    Decider {
        store: store.clone(),
        rules: InForce::new(rules),
        models: VersionsInForce::new(Versions::all_live(
            &Models::load(models).unwrap_or_else(|problems| panic!("{problems:?}")),
        )),
        peers: Peers::default(),
        study_quiet: Duration::from_millis(10),
        started: Instant::now(),
    }
}

async fn set_header(folder: &Path, of_series: u32, header: &str) {
    let index = SqliteConnectOptions::new().filename(folder.join("index.db"));
    let pool = SqlitePool::connect_with(index).await.expect("the index");
    let set = sqlx::query("UPDATE instances SET header = $1, base = NULL WHERE series = $2");
    let set = set.bind(header).bind(uid(2, of_series).to_string()).execute(&pool).await;
    assert_eq!(set.expect("set").rows_affected(), 1);
    pool.close().await;
}

async fn state(store: &Store, of_series: u32) -> SeriesState {
    store.series(&uid(2, of_series)).await.expect("asked").expect("there").state
}

async fn decided(store: &Store, of_series: u32) {
    let waited = timeout(PATIENCE, async {
        loop {
            let study = store.study(&uid(3, of_series)).await.expect("asked").expect("there");
            if study.revision == 1 && study.state == StudyState::Decided {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "series {of_series} and its study are not decided");
}

#[tokio::test]
async fn a_series_that_cannot_be_read_holds_up_no_other() {
    let (folder, models) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
    let models = models.expect("a folder");
    let store = Store::open(StoreOptions::new(folder.path())).await.expect("a store");
    for of_series in 1..=2 {
        keep(&store, of_series).await;
    }
    // The first is asked for first.
    set_header(folder.path(), 1, "{").await;
    let (switch, stop) = Stop::new();
    let running = tokio::spawn(decider(&store, models.path()).run(stop));
    decided(&store, 2).await;
    assert_eq!(state(&store, 1).await, SeriesState::Complete);
    set_header(folder.path(), 1, "{}").await;
    decided(&store, 1).await;
    keep(&store, 3).await;
    decided(&store, 3).await;
    switch.send(true).expect("somebody listens");
    timeout(PATIENCE, running).await.expect("it stops").expect("no panic");
    store.close().await;
}

#[tokio::test]
async fn a_study_is_quiet_for_its_time_since_the_start_however_long_ago_its_last_image_came() {
    let (folder, models) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
    let models = models.expect("a folder");
    let store = Store::open(StoreOptions::new(folder.path())).await.expect("a store");
    keep(&store, 1).await;
    let (switch, stop) = Stop::new();
    let quiet = Duration::from_millis(1500);
    let decider = Decider { study_quiet: quiet, ..decider(&store, models.path()) };
    let started = decider.started;
    let running = tokio::spawn(decider.run(stop));
    decided(&store, 1).await;
    assert!(started.elapsed() >= quiet, "its last image came years ago");
    switch.send(true).expect("somebody listens");
    timeout(PATIENCE, running).await.expect("it stops").expect("no panic");
    store.close().await;
}
