//! Rules that forward as images arrive: what they may ask, what keeps images from them, and what they say of each.

use super::super::made_up::NOON_ON_MONDAY;
use super::parse;
use super::refused_lines::said;
use super::stops::{facts, series};

/// A rule that forwards on arrival, with this head, these conditions and these further lines of `then`.
fn rule(head: &str, select: &str, then: &str) -> String {
    format!(
        "[[rule]]\nname = \"at once\"\n{head}\n[rule.select]\n{select}\n\
         [rule.then]\nforward = [\"PACS\"]\nwhen = \"arrives\"\n{then}\n"
    )
}

const STOP: &str = "[[rule]]\nname = \"guard\"\n";

#[test]
fn what_only_a_whole_series_can_answer_is_refused_of_a_rule_that_forwards_on_arrival() {
    let instance = "on = \"instance\"";
    for (text, expected) in [
        (
            rule("on = \"series\"", "Modality = \"CT\"", ""),
            "8:1 a rule on = \"series\" is asked when the series is complete, not as each image \
             arrives | write on = \"instance\", or leave out `when`",
        ),
        (
            rule("", "Modality = \"CT\"\n[rule.require]\nimages = { min = 3 }", ""),
            "10:1 a rule on = \"series\" is asked when the series is complete, not as each image \
             arrives | leave out [rule.require] and write on = \"instance\", or leave out `when`",
        ),
        (
            rule("on = \"study\"", "Modality = \"CT\"", ""),
            "8:1 a rule on = \"study\" is asked when the study is complete, not as each image \
             arrives | write on = \"instance\", or leave out `when`",
        ),
        (
            rule(instance, "Modality = \"CT\"\nany = [{ arrival-order = 1 }]", ""),
            "6:10 `arrival-order` is certain only when the series is complete, and this rule is \
             asked as each image arrives | leave it out, or leave out when = \"arrives\"",
        ),
        (
            rule(instance, "Modality = \"CT\"", "run = \"emphysema\""),
            "9:1 a model runs when the series is complete, not as each image arrives | write two \
             rules: this one forwards as images arrive",
        ),
        (
            rule(instance, "Modality = \"CT\"", "stop = true"),
            "9:1 `stop` stands in a rule that forwards as images arrive | write two rules: this one \
             forwards as images arrive",
        ),
        (
            rule(instance, "Modality = \"CT\"", "").replace("arrives", "arrive"),
            "8:8 there is no when \"arrive\" | did you mean \"arrives\"?",
        ),
        (
            "[[rule]]\nname = \"r\"\n[rule.then]\nstop = true\nwhen = \"complete\"\n".into(),
            "5:1 `when` has no effect without `forward`",
        ),
    ] {
        assert_eq!(said(&text), expected, "{text}");
    }
}

#[test]
fn a_guard_that_an_image_cannot_answer_is_refused_beside_it_and_one_on_series_is_warned_of() {
    let at_once = rule("on = \"instance\"", "Modality = \"CT\"", "");
    for asked in [
        "[rule.select]\nPatientID = \"QA\"\n[rule.require]\nimages = { min = 3 }",
        "on = \"instance\"\n[rule.select]\narrival-order = 1",
    ] {
        let text = format!("{STOP}{asked}\n[rule.then]\nstop = true\n{at_once}");
        let said = said(&text);
        assert!(
            said.contains("\"at once\" forwards images as they arrive, and \"guard\""),
            "{said}"
        );
        assert!(said.contains("\"guard\" is at rules/a.toml:2; let it ask"), "{said}");
    }
    let guard = |on: &str| {
        let select = "[rule.select]\nPatientID = \"QA\"\n[rule.then]\nstop = true\n";
        let rules = parse(&format!("{STOP}on = \"{on}\"\n{select}{at_once}"));
        let rules = rules.unwrap_or_else(|problems| panic!("{problems}"));
        rules.warnings().iter().any(|warning| warning.message.contains("stops whole series"))
    };
    assert!(guard("series"));
    assert!(!guard("instance") && !guard("study"), "those lose nothing by it");
}

#[test]
fn each_image_is_judged_by_itself_and_any_guard_that_it_fits_keeps_it_back() {
    let slow = "[[rule]]\nname = \"later\"\n[rule.then]\nforward = [\"ARCHIVE\"]\n";
    for on in ["instance", "series"] {
        let guard = format!(
            "{STOP}on = \"{on}\"\n[rule.select]\nInstanceNumber = 2\n[rule.then]\nstop = true\n"
        );
        let at_once = rule("on = \"instance\"", "InstanceNumber = { max = 3 }", "");
        let rules = parse(&format!("{guard}{at_once}{slow}")).expect("good");
        assert!(rules.forwards_on_arrival());
        let images = series("1.2", "t1", 4);
        let facts = facts(&images);
        assert_eq!(facts[0].arrived, NOON_ON_MONDAY);
        let judged: Vec<_> = facts.iter().map(|image| rules.judge_arrival(image)).collect();
        let told: Vec<(&str, &str)> = judged
            .iter()
            .map(|judged| match judged.as_slice() {
                [one] => (one.rule.as_str(), one.reason.as_str()),
                others => panic!("rules that wait are not asked: {others:?}"),
            })
            .collect();
        assert_eq!(told[0], ("at once", "runs: 1 of 1 image selected"));
        assert_eq!(told[1], ("at once", "skipped: stopped by \"guard\""));
        assert_eq!(told[2].1, "runs: 1 of 1 image selected");
        assert!(told[3].1.starts_with("skipped: ") && told[3].1.contains("found 4"), "{told:?}");
        let runs: Vec<bool> = judged.iter().map(|judged| judged[0].runs).collect();
        assert_eq!(runs, [true, false, true, false]);
    }
    assert!(!parse(slow).expect("good").forwards_on_arrival());
}
