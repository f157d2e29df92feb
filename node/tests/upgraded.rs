//! A node that begins with the data folder of an earlier version.

#[path = "../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
mod author;

use author::Author;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");
/// The first that knew of versions of models.
const KNOWS_VERSIONS: i64 = 13;

/// Two versions, neither of which is live by its name.
fn lay_models(folder: &Path) {
    for version in ["1", "2"] {
        let mut author = Author::default();
        let written = format!("version       = {version:?}");
        author.manifest = author.manifest.replace("version       = \"1\"", &written);
        let models = author.write(&folder.join(format!("brought-{version}")));
        let to = folder.join("models").join(format!("tiny@{version}"));
        fs::create_dir_all(folder.join("models")).expect("made");
        fs::rename(models.join("tiny"), to).expect("laid down");
    }
}

/// As a node left it in which the second version was promoted.
async fn earlier_index(data: &Path) {
    fs::create_dir_all(data).expect("made");
    let index = SqliteConnectOptions::new().filename(data.join("index.db"));
    let options = index.create_if_missing(true).foreign_keys(false);
    let mut index = options.connect().await.expect("an index");
    MIGRATIONS.run_to(KNOWS_VERSIONS, &mut index).await.expect("the tables of then");
    let sql = "DELETE FROM rebuilding;
        INSERT INTO model_changes (at, model, change, before, live, asked_by, why, state, ended_at)
        VALUES (5, 'tiny', 'promote', '1', '2', 'anna', '', 'taken', 6)";
    sqlx::raw_sql(sql).execute(&mut index).await.expect("a row");
    index.close().await.expect("closed");
}

/// What a start says until it listens, or ends.
fn start(folder: &Path) -> String {
    let log = File::create(folder.join("log")).expect("a log");
    let mut node = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["serve", "--config"])
        .arg(folder.join("node.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("the program starts");
    loop {
        let said = fs::read_to_string(folder.join("log")).expect("a log");
        if said.contains("listening") || node.try_wait().expect("a child").is_some() {
            let _ = node.kill();
            node.wait().expect("it ends");
            return fs::read_to_string(folder.join("log")).expect("a log");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn a_start_that_migrates_the_index_knows_which_version_is_live() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    lay_models(at);
    fs::create_dir(at.join("rules")).expect("made");
    let rule = "[[rule]]\nname = \"all\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\n\
                run = \"tiny\"\nsend = { to = [\"PACS\"], as = [\"structured-report\"] }\n";
    fs::write(at.join("rules/all.toml"), rule).expect("written");
    let config = "[node]\nae-title = \"GANTRY\"\n[listen]\naddress = \"127.0.0.1:0\"\n\
                  [[peer]]\nae-title = \"PACS\"\naddress = \"127.0.0.1:104\"\n";
    fs::write(at.join("node.toml"), config).expect("written");
    let refused = start(at);
    assert!(refused.contains("none is live"), "{refused}");
    assert!(!refused.contains("listening"), "{refused}");
    fs::remove_dir_all(at.join("data")).expect("removed");

    earlier_index(&at.join("data")).await;
    let started = start(at);
    assert!(started.contains("listening"), "{started}");
    let list = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["models", "list", "--config"])
        .arg(at.join("node.toml"))
        .output()
        .expect("the program starts");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("tiny@2, live"), "{list}");
}
