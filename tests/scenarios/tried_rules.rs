//! An edit of the rules is tried on what was decided before: what it would add, drop and change, and nothing of it happens.

use kit::modality::send;
use kit::node::{Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::ports;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// Forwards the selected images of a CT, but in shadow: no PACS is needed.
fn rule(name: &str, on: &str, select: &str, require: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\non = \"{on}\"\n[rule.select]\nModality = \"CT\"\n{select}\n\
         {require}\n[rule.then]\nforward = [\"PACS\"]\nmode = \"shadow\"\n"
    )
}

fn at_least(images: u32) -> String {
    format!("[rule.require]\nimages = {{ min = {images} }}\n")
}

/// So many images of a phantom as one series.
fn sent(node: &Node, name: &str, images: usize) -> PhantomSeries {
    let mut chest = phantom::small_chest(name);
    chest.instances.truncate(images);
    send("CT1", node, &chest.instances);
    chest
}

fn backtest(node: &Node, rules: &Path, more: &[&str]) -> String {
    let folder = rules.to_string_lossy().into_owned();
    let said = node.gantry(&[&["backtest", "--rules", &folder], more].concat());
    assert!(said.success, "{said:?}");
    said.out
}

fn folder_with(rules: &[String]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("rules.toml"), rules.concat()).expect("written");
    folder
}

/// The lines of one rule.
fn of_rule<'a>(said: &'a str, name: &str) -> &'a str {
    let head = format!("\"{name}\": ");
    let begin = said.find(&head).unwrap_or_else(|| panic!("{name} is not in:\n{said}"));
    let rest = &said[begin + 1..];
    &said[begin..=begin + rest.find("\n\"").or(rest.find("\n\n")).unwrap_or(rest.len() - 1)]
}

#[test]
fn an_edit_says_what_it_would_add_drop_and_change_with_examples_and_the_load() {
    let rules = [
        rule("all of it", "series", "", ""),
        rule("twenty", "series", "", &at_least(20)),
        rule("given up", "series", "", ""),
    ];
    let node = Setup::new()
        .rules("rules.toml", &rules.concat())
        .scanner("CT1")
        .pacs(&Pacs::down("PACS"))
        .study_quiet_seconds(0.5)
        .start();
    let [small, whole] =
        [("small", 5), ("whole", 20)].map(|(name, images)| sent(&node, name, images));
    for series in [&small.series, &whole.series] {
        node.wait_until_explained(series, "\"given up\"", PATIENCE);
    }
    // What waits to be decided is left out of a trial.
    let decided = || node.status().contains("; 0 studies waiting").then_some(());
    assert!(ports::wait_for(PATIENCE, decided).is_some(), "{}", node.status());

    let same = folder_with(&rules);
    let said = backtest(&node, same.path(), &[]);
    assert!(said.contains("would add 0, drop 0, change 0"), "{said}");
    assert!(said.contains("on 2 series and 0 studies with 25 images"), "{said}");

    let edited = folder_with(&[
        rule("all of it", "series", "InstanceNumber = { max = 10 }", ""),
        rule("twenty", "series", "", &at_least(30)),
        rule("each image", "instance", "InstanceNumber = { max = 3 }", ""),
        rule("study", "study", "", &at_least(20)),
    ]);
    let before = node.explain(&whole.series);
    let said = backtest(&node, edited.path(), &["--examples", "1"]);
    assert!(said.contains("would add 3, drop 3, change 1"), "{said}");
    let all = of_rule(&said, "all of it");
    assert!(all.contains("ran 2, would run 2") && all.contains("changed 1"), "{all}");
    assert!(
        all.contains(&format!("{} (20 images): runs: 10 images selected", whole.series)),
        "{all}"
    );
    let twenty = of_rule(&said, "twenty");
    assert!(twenty.contains("ran 1, would run 0") && twenty.contains("dropped 1"), "{twenty}");
    assert!(twenty.contains("20 selected, at least 30 wanted"), "{twenty}");
    let given_up = of_rule(&said, "given up");
    assert!(given_up.contains("dropped 2") && given_up.contains("and 1 more"), "{given_up}");
    assert!(given_up.contains("there is no such rule any more"), "{given_up}");
    assert!(of_rule(&said, "each image").contains("added 2"), "{said}");
    let study = of_rule(&said, "study");
    assert!(study.contains(&format!("{} (20 images): runs", whole.study)), "{study}");
    assert!(said.contains("load\n  none: no rule runs a model or sends anything"), "{said}");
    assert_eq!(node.explain(&whole.series), before, "nothing was changed");

    let broken = folder_with(&["[[rule]]\nname = \"x\"\n[rule.select]\nModalty = \"CT\"\n".into()]);
    let folder = broken.path().to_string_lossy().into_owned();
    let refused = node.gantry(&["backtest", "--rules", &folder]);
    assert!(!refused.success && refused.err.contains("did you mean \"Modality\""), "{refused:?}");
    let refused = node.gantry(&["backtest", "--since", "yesterday"]);
    assert!(!refused.success && refused.err.contains("write 7d"), "{refused:?}");
}

#[test]
fn the_load_counts_runs_objects_and_bytes_by_the_busiest_hour() {
    let node = Setup::new().scanner("CT1").pacs(&Pacs::down("PACS")).start();
    let chest = sent(&node, "chest", 20);
    node.wait_until_explained(&chest.series, "complete  yes, revision 1", PATIENCE);
    let bytes: usize = chest.instances.iter().map(|instance| instance.part10().len()).sum();
    let live = folder_with(&[
        rule("archive", "series", "", "").replace("mode = \"shadow\"\n", ""),
        "[[rule]]\nname = \"measure\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\nrun = \"emphysema\"\n\
         send = { to = [\"PACS\"], as = [\"structured-report\", \"secondary-capture\"] }\n"
            .into(),
    ]);
    let said = backtest(&node, live.path(), &["--since", "1h"]);
    assert!(said.contains("would add 2, drop 0, change 0"), "{said}");
    assert!(
        said.contains("model emphysema: 1 runs, 1.00 an hour, 1 in the busiest hour ("),
        "{said}"
    );
    assert!(said.contains("nobody knows how long it takes"), "{said}");
    // Two results and twenty originals; their heads may be a few bytes longer or shorter.
    assert!(said.contains("peer PACS: 22 objects, 22.00 an hour"), "{said}");
    let megabytes = format!("{:.1} MB of originals", bytes as f64 / 1e6);
    assert!(said.contains(&megabytes), "{megabytes} is not in {said}");
}
