//! Which version of a model works: asked for in a row, and for a model that the node never saw.

#[path = "swapped/versions.rs"]
mod versions;

use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::{need, ports};
use std::path::Path;
use std::time::Duration;
use versions::author::Author;
use versions::{RULES, THRESHOLDS, brought, send, series, version};

const PATIENCE: Duration = Duration::from_secs(300);

fn wait_for(what: &str, node: &Node, done: impl Fn() -> bool) {
    let waited = ports::wait_for(PATIENCE, || done().then_some(()));
    assert!(waited.is_some(), "{what}:\n{}\n{}", node.status(), node.log());
}

/// The folder of models, with these versions in folders of these names.
fn models(folder: &Path, names: [&str; 2]) {
    std::fs::create_dir_all(folder.join("models")).expect("made");
    for (name, (number, threshold)) in names.iter().zip(THRESHOLDS) {
        let from = brought(&folder.join(format!("brought-{number}")), &version(number, threshold));
        std::fs::rename(from, folder.join("models").join(name)).expect("laid down");
    }
}

fn said(node: &Node, arguments: &[&str], word: &str) {
    let said = node.gantry(arguments);
    assert!(said.success && said.out.contains(word), "{arguments:?}: {said:?}\n{}", node.log());
}

#[test]
fn what_is_asked_before_the_node_took_the_last_change_follows_that_and_goes_no_further_back() {
    let Some(_) = need::onnx_runtime() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    models(folder.path(), ["tiny", "tiny@2"]);
    let pacs = Pacs::down("PACS");
    let setup = Setup::new().models(&folder.path().join("models")).rules("all.toml", RULES);
    let mut node = setup.pacs(&pacs).start();
    let mut third = version("3", 500.0);
    third.graph = b"no graph".to_vec();
    let third = brought(&folder.path().join("brought-3"), &third);
    std::fs::rename(third, folder.path().join("models/tiny@3")).expect("laid down");
    node.stop();
    said(&node, &["models", "promote", "tiny", "2"], "then 2 is live");
    said(&node, &["models", "promote", "tiny", "3"], "then 3 is live");
    said(&node, &["models", "rollback", "tiny"], "then 2 is live");
    node.start();
    let history = || node.gantry(&["models", "history", "tiny"]).out;
    wait_for("all is taken or refused", &node, || !history().contains("no node has taken it yet"));
    let history = history();
    let lines: Vec<&str> = history.lines().collect();
    let [back, broken, first] = lines.as_slice() else { panic!("{history}") };
    assert!(back.contains("to follow version 3, and version 2 is live"), "{back}");
    assert!(broken.contains("refused at"), "{broken}");
    assert!(first.contains("2 is live (before: 1)") && first.contains("taken at"), "{first}");
    said(&node, &["models", "list"], "tiny@2, live");
    said(&node, &["models", "rollback", "tiny"], "1 is live");
    let said = node.gantry(&["models", "rollback", "tiny"]);
    assert!(!said.success && said.err.contains("no version of tiny was live before 1"), "{said:?}");
}

#[test]
fn a_model_of_a_new_name_works_without_a_restart() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    models(folder.path(), ["tiny", "tiny@2"]);
    let pacs = Pacs::up("PACS");
    let models = folder.path().join("models");
    let setup = Setup::new().models(&models).rules("all.toml", RULES).quiet_seconds(0.3);
    let mut node = setup.scanner("CT1").pacs(&pacs).start();
    let bring = |name: &str, author: &Author| {
        let below = folder.path().join(format!("new-{name}"));
        let to = below.join(name);
        std::fs::rename(brought(&below, author), &to).expect("named");
        to.to_str().expect("a path").to_string()
    };

    // Saved before the model is there: the last good rules stay, and these are taken when it is.
    let rules = RULES.replace("\"tiny\"", "\"other\"");
    std::fs::write(node.rules().join("all.toml"), rules).expect("saved");
    let broken = || node.status().contains("a newer version that is broken");
    wait_for("the rules name what is not there", &node, broken);
    let other = bring("other", &version("7", 0.0));
    let added = ["models", "add", &other, "--by", "anna", "--why", "for bones"];
    said(&node, &added, "rules may name it now");
    wait_for("the rules are taken", &node, || !broken());
    let one = series("by a model that came while the node ran");
    send(node.port, &one);
    pacs.wait_for(1, PATIENCE);
    let explained = node.wait_until_explained(&one.series, "finished at", PATIENCE);
    assert!(explained.contains("other 7 ("), "{explained}");
    let history = node.gantry(&["models", "history", "other"]).out;
    assert!(history.contains("by anna: for bones; taken at"), "{history}");

    // It is run once first: roots of negative numbers.
    let roots = node.gantry(&["models", "add", &bring("roots", &Author::default())]);
    assert!(!roots.success && roots.err.contains("it gave no number (NaN)"), "{roots:?}");
    assert!(roots.err.contains("gantry models remove roots"), "{roots:?}");
    said(&node, &["models", "remove", "roots"], "is gone");

    node.stop();
    // No node: the next start takes it.
    let third = bring("third", &version("1", 0.0));
    said(&node, &["models", "add", &third], "the next start of the node takes it");
    node.start();
    for name in ["other", "third"] {
        said(&node, &["models", "list"], name);
    }
    let two = series("after a restart");
    send(node.port, &two);
    pacs.wait_for(2, PATIENCE);
    assert!(node.explain(&two.series).contains("other 7 ("));
}
