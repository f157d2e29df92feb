//! Warnings about rules beside each other: each is certain, and what is not certain has none.

use super::parse;

/// `LINE:COLUMN: MESSAGE` of each warning but those of missing cases.
fn warned(text: &str) -> Vec<String> {
    let rules = parse(text).unwrap_or_else(|faults| panic!("{faults}"));
    let told = rules.warnings().iter().filter(|warning| !warning.message.starts_with("no case"));
    told.map(|warning| format!("{}:{}: {}", warning.line, warning.column, warning.message))
        .collect()
}

/// A rule that forwards what it selects by these lines.
fn rule(name: &str, select: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\n[rule.select]\n{select}\n[rule.then]\nforward = [\"PACS\"]\n"
    )
}

fn stop(select: &str) -> String {
    rule("stop", select).replace("forward = [\"PACS\"]", "stop = true")
}

fn runs(name: &str, select: &str) -> String {
    let send = "run = \"emphysema\"\nsend = { to = [\"PACS\"], as = [\"structured-report\"] }";
    rule(name, select).replace("forward = [\"PACS\"]", send)
}

/// No word "never" without proof.
fn is_silent(text: &str) {
    assert_eq!(warned(text), [] as [&str; 0], "{text}");
}

#[test]
fn conditions_that_exclude_each_other_are_named_where_the_later_stands() {
    for (select, wanted) in [
        (
            "Modality = \"CT\"\nall = [{ Modality = [\"MR\", \"PT\"] }]",
            "5:10: \"r\" can never match: Modality = \"CT\" and Modality = [\"MR\", \"PT\"] exclude each other",
        ),
        (
            "SliceThickness = { max = 1 }\nall = [{ SliceThickness = { min = 2 } }]",
            "5:10: \"r\" can never match: SliceThickness = { max = 1 } and SliceThickness = { min = 2 } exclude each other",
        ),
        (
            "ImageType = { absent = true }\nall = [{ ImageType = { has = \"AXIAL\" } }]",
            "5:10: \"r\" can never match: ImageType = { absent = true } and ImageType = { has = \"AXIAL\" } exclude each other",
        ),
        (
            "ImageType = { has = \"AXIAL\", lacks = [\"AXIAL\", \"MPR\"] }",
            "4:1: \"r\" can never match: nothing is ImageType = { has = \"AXIAL\", lacks = [\"AXIAL\", \"MPR\"] }",
        ),
        (
            "Modality = \"CT\"\nany = [{ Modality = \"MR\" }, { Modality = \"PT\", KVP = 3 }]",
            "5:1: \"r\" can never match: each group of `any` excludes what is asked beside it",
        ),
        (
            "Modality = \"CT\"\nKVP = 120\nnone = [{ Modality = [\"CT\", \"MR\"] }]",
            "6:1: \"r\" can never match: `none` excludes what is asked beside it",
        ),
    ] {
        assert_eq!(warned(&rule("r", select)), [wanted], "{select}");
    }
}

#[test]
fn what_some_image_may_fit_has_no_warning() {
    for select in [
        // Several values, patterns and letters in another case may be both.
        "ImageType = \"AXIAL\"\nall = [{ ImageType = \"PRIMARY\" }]",
        "SeriesDescription = { like = \"*a*\" }\nall = [{ SeriesDescription = { like = \"*b*\" } }]",
        "calling-ae = \"CT*\"\nall = [{ calling-ae = \"CT1\" }]",
        "SliceThickness = { max = 2 }\nall = [{ SliceThickness = { min = 2 } }]",
        "Modality = \"CT\"\nany = [{ Modality = \"MR\" }, { KVP = 120 }]",
        "Modality = [\"CT\", \"MR\"]\nnone = [{ Modality = \"CT\" }]",
        "Modality = \"CT\"\nnone = [{ Modality = \"CT\", KVP = 120 }]",
        "ProcedureCodeSequence = { absent = true }\nPatientAge = { min = \"018Y\" }\nall = [{ PatientAge = { max = \"001Y\" } }]",
    ] {
        is_silent(&rule("r", select));
    }
}

#[test]
fn a_rule_that_another_always_stops_is_named_with_its_place() {
    for (stops, select) in [
        ("Modality = [\"CT\", \"MR\"]", "Modality = \"CT\"\nKVP = 120"),
        ("", "Modality = \"CT\""),
        ("SliceThickness = { min = 1, max = 5 }", "SliceThickness = { min = 2, max = 3 }"),
        ("KVP = { max = 130 }", "KVP = [100, 120]"),
        ("Modality = { present = true }", "Modality = \"CT\""),
        ("Modality = { not = [\"MR\", \"PT\"] }", "Modality = \"CT\""),
        ("any = [{ KVP = 80 }, { Modality = \"CT\" }]", "Modality = \"CT\""),
        ("none = [{ Modality = \"MR\" }]", "Modality = \"CT\""),
        ("PatientName = { like = \"QA*\" }", "Modality = \"CT\"\nPatientName = { like = \"QA*\" }"),
    ] {
        let text = stop(stops) + &rule("r", select);
        let wanted = format!(
            "{}:8: \"r\" never runs: \"stop\" stops all that it selects",
            stop(stops).lines().count() + 2
        );
        assert_eq!(warned(&text), [wanted], "{text}");
    }
}

#[test]
fn a_rule_that_may_still_run_beside_a_stop_has_no_warning() {
    for (stops, select) in [
        ("Modality = \"CT\"", "Modality = [\"CT\", \"MR\"]"),
        ("Modality = \"CT\"\nKVP = 120", "Modality = \"CT\""),
        ("PatientName = { like = \"QA*\" }", "PatientName = { like = \"QA1*\" }"),
        ("ImageType = { lacks = \"MPR\" }", "ImageType = \"AXIAL\""),
        ("none = [{ KVP = 120 }]", "Modality = \"CT\""),
        ("Modality = { like = \"C*\", not = \"CR\" }", "Modality = \"CT\""),
    ] {
        is_silent(&(stop(stops) + &rule("r", select)));
    }
    let requires =
        stop("Modality = \"CT\"").replace("[rule.then]", "[rule.require]\nimages = 9\n[rule.then]");
    is_silent(&(requires + &rule("r", "Modality = \"CT\"")));
    is_silent(
        &(stop("Modality = \"CT\"") + &stop("Modality = \"CT\"").replace("\"stop\"", "\"other\"")),
    );
}

#[test]
fn one_model_twice_on_an_image_is_told_with_an_example() {
    let text =
        runs("a", "Modality = \"CT\"\nKVP = 120") + &runs("b", "Modality = [\"CT\", \"MR\"]");
    assert_eq!(
        warned(&text),
        [
            "10:8: \"a\" and \"b\" both run emphysema on an image such as Modality = \"CT\", KVP = 120: it may run twice"
        ]
    );
    // The example fits both.
    let text = runs("a", "Modality = [\"MR\", \"CT\"]") + &runs("b", "Modality = [\"PT\", \"CT\"]");
    assert!(warned(&text)[0].contains("such as Modality = \"CT\": it"), "{:?}", warned(&text));
    is_silent(&(runs("a", "Modality = \"CT\"") + &runs("b", "Modality = \"MR\"")));
    let live = runs("b", "Modality = \"CT\"");
    let shadow = live.replace("[rule.then]", "[rule.then]\nmode = \"shadow\"");
    is_silent(&(runs("a", "Modality = \"CT\"") + &shadow));
}

#[test]
fn a_modality_that_dicom_does_not_define_is_told_with_the_nearest() {
    let said = warned(&rule(
        "r",
        "any = [{ Modality = [\"CT\", \"MRI\"] }, { Modality = { has = \"SEG\" } }]",
    ));
    assert_eq!(said, ["4:28: \"MRI\" is no modality that DICOM defines"]);
    is_silent(&rule("r", "Modality = [\"CT\", \"RTSTRUCT\", \"IVUS\", \"KO\"]"));
}

#[test]
fn one_peer_that_gets_an_image_with_different_changes_is_told() {
    let changed = |name: &str, institution: &str| {
        let to = format!(
            "forward = [{{ to = [\"PACS\"], set = {{ InstitutionName = \"{institution}\" }} }}]"
        );
        rule(name, "Modality = \"CT\"").replace("forward = [\"PACS\"]", &to)
    };
    let wanted = [
        "8:8: \"a\" and \"b\" both forward an image such as Modality = \"CT\" to PACS, with different changes",
    ];
    assert_eq!(warned(&(changed("a", "X") + &changed("b", "Y"))), wanted);
    assert_eq!(warned(&(changed("a", "X") + &rule("b", "Modality = \"CT\""))), wanted);
    is_silent(&(changed("a", "X") + &changed("b", "X")));
    is_silent(&(changed("a", "X") + &rule("b", "Modality = \"MR\"")));
}

#[test]
fn levels_count_where_rules_stop_each_other() {
    let on = |text: String, on: &str| {
        text.replace("[rule.select]", &format!("on = \"{on}\"\n[rule.select]"))
    };
    let covered = |stops: &str, other: &str| {
        let text =
            on(stop("Modality = \"CT\""), stops) + &on(rule("r", "Modality = \"CT\""), other);
        warned(&text).iter().any(|said| said.contains("never runs"))
    };
    for (stops, other) in [
        ("instance", "instance"),
        ("instance", "series"),
        ("instance", "study"),
        ("series", "study"),
        ("study", "study"),
    ] {
        assert!(covered(stops, other), "{stops}, {other}");
    }
    for (stops, other) in [("study", "series"), ("study", "instance"), ("series", "instance")] {
        assert!(!covered(stops, other), "{stops}, {other}");
    }
}
