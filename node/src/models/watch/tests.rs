//! What a change of versions meets that others made meanwhile.

#[path = "../../../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use super::*;
use crate::rules::folder::OnDisk;
use author::Author;
use gantry_store::model_changes::{self, Change, ChangeState};
use gantry_store::options::StoreOptions;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const ONE_RESULT: &str = r#"["structured-report"]"#;
const TWO_RESULTS: &str = r#"["structured-report", "secondary-capture"]"#;

/// A node with two versions of a model, of which the second gives no capture. Nothing runs.
struct Bench {
    watch: Watch,
    folder: TempDir,
}

fn rules(results: &str) -> String {
    format!(
        "[[rule]]\nname = \"all\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\nrun = \"tiny\"\n\
         send = {{ to = [\"PACS\"], as = {results} }}\n"
    )
}

/// The folder of models, with a model of this version in it.
fn lay(folder: &Path, name: &str, version: &str, results: &str) {
    let mut author = Author::default();
    author.manifest = author
        .manifest
        .replace(ONE_RESULT, results)
        .replace("version       = \"1\"", &format!("version       = {version:?}"));
    let apart = folder.join(format!("apart-{name}"));
    let models = author.write(&apart);
    fs::create_dir_all(folder.join("models")).expect("made");
    fs::rename(models.join("tiny"), folder.join("models").join(name)).expect("laid down");
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        lay(at, "tiny", "1", TWO_RESULTS);
        lay(at, "tiny@2", "2", ONE_RESULT);
        fs::create_dir(at.join("rules")).expect("made");
        fs::write(at.join("rules/all.toml"), rules(ONE_RESULT)).expect("written");
        let text = "[node]\nae-title = \"GANTRY\"\n[[peer]]\nae-title = \"PACS\"\n\
                    address = \"127.0.0.1:104\"\n";
        let config = Config::parse(text, &at.join("node.toml")).expect("a configuration");
        let store = Store::open(StoreOptions::new(at.join("data"))).await.expect("a store");
        let checked = check::check(&config, &[]).expect("all fits");
        let watch = Watch {
            store,
            config: Arc::new(config),
            versions: VersionsInForce::new(checked.versions),
            rules: InForce::new(checked.rules),
            world: WorldNow::new(checked.world),
            engine: None,
            audit: Audit::default(),
        };
        Self { watch, folder }
    }

    fn version(&self, version: &str) -> Arc<Model> {
        let models = Catalogue::load(&self.watch.config.models).expect("sound models");
        models.version("tiny", version).expect("it is there").clone()
    }

    async fn ask(&self, before: &str, live: &str) -> ChangeRow {
        let store = &self.watch.store;
        let changes = store.model_changes(Some("tiny")).await.expect("asked");
        let new = NewChange {
            model: "tiny".into(),
            change: Change::Promote,
            before: before.into(),
            after: VersionState { live: live.into(), candidate: None },
            asked_by: "anna".into(),
            why: String::new(),
        };
        let seen = changes.first().map(|row| row.id);
        let id = model_changes::ask(&store.options().folder, &new, seen).await.expect("asked");
        self.row(id.expect("nobody else asks")).await
    }

    async fn row(&self, id: i64) -> ChangeRow {
        self.watch.store.model_change(id).await.expect("asked").expect("there")
    }

    fn live(&self) -> String {
        let now = self.watch.versions.now();
        now.chosen("tiny").expect("a version").live.version().to_string()
    }

    /// The rules that an admin saves, taken as the watch of rules does.
    fn take_rules(&self, text: &str) -> Result<(), String> {
        fs::write(self.folder.path().join("rules/all.toml"), text).expect("written");
        let on_disk = OnDisk::look(&self.folder.path().join("rules")).expect("read");
        let rules = crate::rules::read(&on_disk, &self.watch.world.now())?;
        self.watch.rules.replace(Arc::new(rules));
        Ok(())
    }
}

#[tokio::test]
async fn rules_that_came_while_a_version_warmed_up_are_compared_before_it_is_taken() {
    let node = Bench::new().await;
    let row = node.ask("1", "2").await;
    let second = Chosen { live: node.version("2"), trial: None };
    node.watch.world_with(&second).expect("what it is warmed up for");
    node.take_rules(&rules(TWO_RESULTS)).expect("they fit what is live");
    node.watch.take(&row, second.clone()).await.expect("kept");
    let row = node.row(row.id).await;
    assert_eq!((row.state, node.live().as_str()), (ChangeState::Refused, "1"));
    let why = row.reason.expect("a reason");
    assert!(why.contains("the rules in force do not fit version 2"), "{why}");

    node.take_rules(&rules(ONE_RESULT)).expect("they fit both");
    let row = node.ask("1", "2").await;
    node.watch.take(&row, second).await.expect("kept");
    let row = node.row(row.id).await;
    assert_eq!((row.state, node.live().as_str()), (ChangeState::Taken, "2"));
    node.take_rules(&rules(TWO_RESULTS)).expect_err("what is live gives no capture");
}

#[tokio::test]
async fn rules_and_versions_are_compared_by_one_after_the_other() {
    let node = Bench::new().await;
    let row = node.ask("1", "2").await;
    let second = Chosen { live: node.version("2"), trial: None };
    let rules_change = node.watch.world.changing().await;
    let taking = node.watch.take(&row, second);
    tokio::pin!(taking);
    tokio::select! {
        biased;
        _ = &mut taking => panic!("the rules are just being changed"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    node.take_rules(&rules(TWO_RESULTS)).expect("they fit what is live");
    drop(rules_change);
    taking.await.expect("kept");
    assert_eq!((node.row(row.id).await.state, node.live().as_str()), (ChangeState::Refused, "1"));
}

#[tokio::test]
async fn what_was_asked_to_follow_a_change_that_was_refused_is_refused_with_it() {
    let node = Bench::new().await;
    // No engine: the second version cannot be warmed up. The way back from it leads nowhere then.
    let promote = node.ask("1", "2").await;
    let back = node.ask("2", "1").await;
    node.watch.look().await.expect("looked");
    let promote = node.row(promote.id).await;
    assert_eq!(promote.state, ChangeState::Refused);
    let back = node.row(back.id).await;
    assert_eq!((back.state, node.live().as_str()), (ChangeState::Refused, "1"));
    let why = back.reason.expect("a reason");
    assert!(why.contains("to follow version 2, and version 1 is live"), "{why}");

    // What fits is taken: it is live already, and needs no turn.
    let again = node.ask("1", "1").await;
    node.watch.look().await.expect("looked");
    assert_eq!(node.row(again.id).await.state, ChangeState::Taken);
}
