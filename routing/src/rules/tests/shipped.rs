//! The rules that ship and every example of their guide parse, and their cases pass.

use super::super::rule_set::{RuleSet, SourceFile};
use super::{file, world};
use std::path::Path;

/// The folder of the rules that ship.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");

pub(super) fn shipped() -> Vec<SourceFile> {
    let entries = std::fs::read_dir(RULES).expect("the rules ship with the sources");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        SourceFile { path, text }
    };
    paths.map(read).collect()
}

fn guide() -> String {
    std::fs::read_to_string(Path::new(RULES).join("README.md")).expect("the guide ships too")
}

/// The text of each block of this kind.
fn blocks<'g>(guide: &'g str, kind: &str) -> Vec<&'g str> {
    let opened = guide.split(kind).skip(1);
    opened.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn the_rules_that_ship_parse_without_a_warning_and_their_cases_pass() {
    match RuleSet::parse(shipped(), &world()) {
        Ok(rules) => {
            let warnings: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
            assert!(warnings.is_empty(), "{}", warnings.join("\n\n"));
            assert_eq!(rules.rules().len(), 14);
        }
        Err(problems) => panic!("{problems}"),
    }
}

#[test]
fn every_example_of_the_guide_parses_and_its_cases_pass() {
    let guide = guide();
    let examples = blocks(&guide, "```toml\n");
    assert!(examples.len() >= 5, "{} examples", examples.len());
    for example in examples {
        if let Err(problems) = RuleSet::parse(vec![file("guide.toml", example)], &world()) {
            panic!("{problems}");
        }
    }
}

#[test]
fn every_condition_in_the_tables_of_the_guide_is_one() {
    let guide = guide();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `"));
    let conditions: Vec<&str> =
        rows.filter_map(|row| row.split('`').next()).filter(|code| code.contains(" = ")).collect();
    assert!(conditions.len() >= 20, "{} conditions", conditions.len());
    for condition in conditions {
        // In a table of Markdown a | is written \\|.
        let condition = condition.replace("\\|", "|");
        let in_table = |table: &str| {
            let text = format!(
                "[[rule]]\nname = \"r\"\non = \"study\"\n[rule.{table}]\n{condition}\n[rule.then]\n\
                 forward = [\"PACS\"]\n"
            );
            RuleSet::parse(vec![file("guide.toml", &text)], &world())
        };
        if let (Err(_), Err(problems)) = (in_table("require"), in_table("select")) {
            panic!("{problems}");
        }
    }
}

#[test]
fn each_broken_example_of_the_guide_is_refused_with_the_words_of_the_guide() {
    let guide = guide();
    let broken = blocks(&guide, "```toml-refused\n");
    let shown = blocks(&guide, "```text\n");
    assert_eq!(broken.len(), 2);
    for text in broken {
        let Err(problems) = RuleSet::parse(vec![file("chest-ct.toml", text)], &world()) else {
            panic!("it is not refused:\n{text}");
        };
        let said = problems.to_string();
        assert!(shown.iter().any(|shown| shown.trim() == said.trim()), "{said}");
    }
}
