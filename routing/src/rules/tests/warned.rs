//! What is allowed and probably not meant is told as a warning.

use super::parse;

/// The warnings of a rule with this select and this then, each as `line: message | help`.
fn check(select: &str, then: &str, expected: &[&str]) {
    let text = format!("[[rule]]\nname = \"r\"\n[rule.select]\n{select}\n[rule.then]\n{then}\n");
    let rules = match parse(&text) {
        Ok(rules) => rules,
        Err(problems) => panic!("{problems}"),
    };
    let warnings = rules.warnings().iter().map(|warning| {
        let help = warning.help.as_deref().unwrap_or_default();
        format!("{}: {} | {help}", warning.line, warning.message)
    });
    let mut warnings: Vec<String> = warnings.collect();
    let case =
        "2: no case shows that \"r\" runs | add a [[case]] with expect = { \"r\" = \"runs\" }";
    assert_eq!(warnings.pop().as_deref(), Some(case));
    assert_eq!(warnings, expected);
}

#[test]
fn a_rule_that_is_probably_not_meant_so_is_allowed_with_a_warning() {
    check("Modality = \"CT\"", "forward = [\"PACS\"]", &[]);
    check(
        "Modality = \"ct\"",
        "forward = [\"PACS\"]",
        &["4: Modality is in upper case unless a scanner breaks DICOM | did you mean \"CT\"?"],
    );
    check(
        "SeriesDescription = \"*lung*\"",
        "forward = [\"PACS\"]",
        &["4: the * here is a letter, not a pattern | for a pattern write { like = \"*lung*\" }"],
    );
    check(
        "",
        "run = \"emphysema\"",
        &[
            "5: what the model makes is sent to nobody | add send = { to = [..], as = [..] }, or mode = \"shadow\"",
            "2: \"r\" analyses every image of every series | add conditions under [rule.select]",
        ],
    );
    check("Modality = \"CT\"", "run = \"emphysema\"\nmode = \"shadow\"", &[]);
}
