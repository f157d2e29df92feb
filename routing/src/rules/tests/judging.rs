//! Verdicts on whole series: how images are counted, how they must lie, what stops what, and what a trace tells.

use super::super::judge::ImageFacts;
use super::super::made_up::NOON_ON_MONDAY;
use super::super::rule_set::RuleSet;
use super::{file, parse, rule, verdict, world};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Layered, Value};
use gantry_terms::uid::Uid;

/// What a rule with these conditions says of these images.
fn check(select: &str, require: &str, images: &str, expected: &str) {
    assert_eq!(verdict(select, require, images), expected, "{select} / {require} / {images}");
}

const LOCALIZER: &str =
    "{ Modality = \"CT\", ImageType = [\"ORIGINAL\", \"PRIMARY\", \"LOCALIZER\"] }";

#[test]
fn a_verdict_says_how_many_images_or_which_condition_decided() {
    check("Modality = \"CT\"", "", "{ Modality = \"CT\", count = 30 }", "runs: 30 images selected");
    check("Modality = \"CT\"", "", "{ Modality = \"CT\" }", "runs: 1 image selected");
    check(
        "Modality = \"CT\"\nConvolutionKernel = { like = [\"B2*\", \"B4*\"] }",
        "",
        "{ Modality = \"CT\", ConvolutionKernel = \"B70f\", count = 3 }",
        "skipped: no image matches ConvolutionKernel (found \"B70f\", wanted { like = [\"B2*\", \"B4*\"] })",
    );
    // Both conditions exclude images; the one that takes the last is decisive.
    check(
        "ImageType = { lacks = \"LOCALIZER\" }\nBodyPartExamined = \"CHEST\"",
        "",
        &format!(
            "{LOCALIZER}, {{ ImageType = \"AXIAL\", BodyPartExamined = \"HEAD\" }}, {{ ImageType = \"AXIAL\" }}"
        ),
        "skipped: no image matches BodyPartExamined (found \"HEAD\" in 1, (absent) in 1, wanted \"CHEST\")",
    );
    check(
        "any = [{ Modality = \"MR\" }, { BodyPartExamined = \"CHEST\" }]",
        "",
        LOCALIZER,
        "skipped: no image matches any (found Modality \"CT\"; BodyPartExamined (absent))",
    );
}

#[test]
fn too_few_images_name_the_fact_and_the_conditions_that_excluded_some() {
    check(
        "Modality = \"CT\"\nImageType = { lacks = \"LOCALIZER\" }",
        "images = { min = 40 }",
        LOCALIZER,
        "skipped: images: 0 selected, at least 40 wanted; ImageType excluded 1 \
         (found \"ORIGINAL\\PRIMARY\\LOCALIZER\", wanted { lacks = \"LOCALIZER\" })",
    );
    check(
        "SliceThickness = { max = 2 }",
        "images = { min = 20 }",
        "{ SliceThickness = 1, count = 15 }, { SliceThickness = 5, count = 15 }",
        "skipped: images: 15 selected, at least 20 wanted; SliceThickness excluded 15 \
         (found 5, wanted { max = 2 })",
    );
    check(
        "Modality = \"CT\"",
        "images = { min = 20 }",
        "{ Modality = \"CT\", count = 19 }",
        "skipped: images: 19 selected, at least 20 wanted",
    );
    check(
        "Modality = \"CT\"",
        "images = { max = 20 }",
        "{ Modality = \"CT\", count = 21 }",
        "skipped: images: 21 selected, at most 20 wanted",
    );
    check("Modality = \"CT\"", "images = 1", "{ Modality = \"CT\" }", "runs: 1 image selected");
}

#[test]
fn a_case_may_name_any_of_the_keys_that_decided() {
    for (expected, agrees) in [
        ("skipped", true),
        ("skipped: images", true),
        ("skipped: ImageType", true),
        ("skipped: Modality", false),
        ("skipped: spacing", false),
        ("runs", false),
    ] {
        let select = "Modality = \"CT\"\nImageType = { lacks = \"LOCALIZER\" }";
        let text = rule(select, "images = { min = 40 }", LOCALIZER, expected);
        assert_eq!(parse(&text).is_ok(), agrees, "{expected}");
    }
}

#[test]
fn an_even_stack_has_no_gap_no_doubled_place_one_orientation_and_one_frame_of_reference() {
    let even = |images: &str, expected: &str| {
        check("Modality = \"CT\"", "spacing = \"even\"", images, expected)
    };
    let ct = |rest: &str| format!("{{ Modality = \"CT\", {rest} }}");
    even(&ct("count = 30, spacing = 8"), "runs: 30 images selected");
    even(&ct("count = 300, spacing = 0.6"), "runs: 300 images selected");
    even(&ct("count = 5, spacing = -2.5"), "runs: 5 images selected");
    even(&ct("count = 1, spacing = 1"), "runs: 1 image selected");
    even(
        &ct("count = 9, spacing = 2, ImageOrientationPatient = [1, 0, 0, 0, 0, -1]"),
        "runs: 9 images selected",
    );
    even(
        &format!("{}, {}", ct("count = 9, spacing = 5"), ct("count = 9, spacing = 5, start = 50")),
        "skipped: spacing: a step of 10 mm, from 40 to 50, where 5 mm is usual",
    );
    even(
        &format!("{}, {}", ct("count = 9, spacing = 5"), ct("spacing = 5, start = 40")),
        "skipped: spacing: two images lie at 40 mm",
    );
    // A scanner rounds 0.625 mm to two digits: that is no gap. A step off by 2 % is.
    let rounded =
        [0.0, 0.63, 1.25, 1.88, 2.5].map(|at| ct(&format!("spacing = 1, start = {at}"))).join(", ");
    even(&rounded, "runs: 5 images selected");
    let off =
        [0.0, 5.0, 10.0, 15.1, 20.0].map(|at| ct(&format!("spacing = 1, start = {at}"))).join(", ");
    even(&off, "skipped: spacing: a step of 5.1 mm, from 10 to 15.1, where 5 mm is usual");
    // Steps that are alike within 1 %, and one half of them after the other: that adds up.
    even(
        &format!(
            "{}, {}",
            ct("count = 101, spacing = 1"),
            ct("count = 100, spacing = 1.009, start = 101.009")
        ),
        "skipped: spacing: the image at 100 mm is 0.45 mm beside its place in a stack of even steps",
    );
    even(
        &format!(
            "{}, {}",
            ct("spacing = 1"),
            ct("spacing = 1, ImageOrientationPatient = [0, 1, 0, 0, 0, -1]")
        ),
        "skipped: spacing: the images have more than one ImageOrientationPatient",
    );
    even(
        &format!(
            "{}, {}",
            ct("spacing = 1"),
            ct("spacing = 1, start = 1, FrameOfReferenceUID = \"1.9\"")
        ),
        "skipped: spacing: the images have more than one FrameOfReferenceUID",
    );
    even(
        &ct("count = 3"),
        "skipped: spacing: an image has no ImageOrientationPatient of six numbers",
    );
    even(
        &ct("spacing = 1, ImageOrientationPatient = [1, 0, 0, 2, 0, 0]"),
        "skipped: spacing: ImageOrientationPatient is not two unit vectors at a right angle",
    );
    even(
        &ct("ImageOrientationPatient = [1, 0, 0, 0, 1, 0], ImagePositionPatient = [0, 0, 1]"),
        "skipped: spacing: an image has no FrameOfReferenceUID",
    );
}

#[test]
fn the_step_in_millimetres_lies_in_its_range() {
    let step = |wanted: &str, images: &str, expected: &str| {
        check("Modality = \"CT\"", &format!("spacing-mm = {wanted}"), images, expected);
    };
    step(
        "{ max = 2.5 }",
        "{ Modality = \"CT\", count = 9, spacing = 2.5 }",
        "runs: 9 images selected",
    );
    step(
        "{ min = 1, max = 2.5 }",
        "{ Modality = \"CT\", count = 9, spacing = 8 }",
        "skipped: spacing-mm: steps of 8 mm, wanted { min = 1, max = 2.5 }",
    );
    step(
        "{ min = 1 }",
        "{ Modality = \"CT\", spacing = 8 }",
        "skipped: spacing-mm: one image has no spacing",
    );
}

#[test]
fn a_rule_with_stop_ends_all_others_wherever_it_stands() {
    let text = r#"
[[rule]]
name = "everything"
[rule.then]
forward = ["ARCHIVE"]

[[rule]]
name = "phantoms"
[rule.select]
PatientID = "QA"
[rule.then]
stop = true

[[rule]]
name = "phantoms to physics"
[rule.select]
PatientID = "QA"
[rule.then]
forward = ["PACS"]
stop = true

[[case]]
says = "a phantom"
images = [{ PatientID = "QA" }, { PatientID = "4711" }]
expect = { "everything" = "skipped: stopped", "phantoms" = "runs", "phantoms to physics" = "runs" }

[[case]]
says = "a patient"
images = [{ PatientID = "4711" }]
expect = { "everything" = "runs", "phantoms" = "skipped: PatientID" }
"#;
    assert_eq!(parse(text).map(|rules| rules.rules().len()), Ok(3));
}

#[test]
fn a_trace_tells_each_condition_and_never_who_the_patient_is() {
    let text = "[[rule]]\nname = \"r\"\n[rule.select]\nPatientName = { like = \"*\" }\nPatientID = { present = true }\n\
        AccessionNumber = { present = true }\nImageComments = { present = true }\nPatientSex = \"F\"\nModality = \"CT\"\n\
        [rule.require]\nimages = { min = 1 }\n[rule.then]\nforward = [\"PACS\"]\n";
    let rules = RuleSet::parse(vec![file("a.toml", text)], &world()).expect("the rule is good");
    let mut header = Header::default();
    for (tag, vr, value) in [
        (0x0010_0010, "PN", "Secret^Name"),
        (0x0010_0020, "LO", "Secret1"),
        (0x0008_0050, "SH", "Secret2"),
        (0x0020_4000, "LT", "Secret3"),
        (0x0010_0040, "CS", "F"),
        (0x0008_0060, "CS", "MR"),
    ] {
        let values = vec![Value::Text(value.into())];
        header.0.insert(tag, Attribute { vr: vr.into(), values: values.into() });
    }
    let uid = Uid::derived(&["image"]);
    let title = AeTitle::parse("CT1").expect("a title");
    let image = ImageFacts {
        sop_instance: &uid,
        sop_class: &uid,
        transfer_syntax: &uid,
        calling_ae: &title,
        called_ae: &title,
        peer: Some(&title),
        series: &uid,
        arrived: NOON_ON_MONDAY,
        header: Layered::whole(&header),
        made_here: false,
    };
    let judged = rules.judge(&[image]);
    let json = format!("{judged:?}");
    assert!(!json.contains("Secret"), "{json}");
    assert!(!judged[0].runs);
    assert_eq!(judged[0].because, ["images", "Modality"]);
    let lines: Vec<String> = judged[0].conditions.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "PatientName = { like = \"*\" }: 1 of 1, found (present)",
            "PatientID = { present = true }: 1 of 1, found (present)",
            "AccessionNumber = { present = true }: 1 of 1, found (present)",
            "ImageComments = { present = true }: 1 of 1, found (present)",
            "PatientSex = \"F\": 1 of 1, found \"F\"",
            "Modality = \"CT\": 0 of 1, found \"MR\"",
            "images = { min = 1 }: fails, found 0",
        ]
    );
    let stored = serde_json::to_value(&judged[0].conditions).expect("plain data");
    assert_eq!(serde_json::from_value(stored).ok().as_ref(), Some(&judged[0].conditions));
}

#[test]
fn private_text_is_not_shown_and_private_numbers_are() {
    let select = "\"(0019,xx0C) MAKER\" = \"x\"";
    let said = |value: &str| verdict(select, "", &format!("{{ \"(0019,xx0C) MAKER\" = {value} }}"));
    assert!(said("\"Doe^Jane\"").contains("(found (present), wanted \"x\")"), "{}", said("\"a\""));
    assert!(said("\"4711\"").contains("(found (present), wanted"), "{}", said("\"4711\""));
    assert!(said("1000").contains("(found 1000, wanted"), "{}", said("1000"));
}

#[test]
fn the_example_of_the_design_holds() {
    let text = r#"
[[rule]]
name = "emphysema on thin chest CT"
on   = "series"

[rule.select]
Modality          = "CT"
BodyPartExamined  = ["CHEST", "THORAX"]          # any of
ImageType         = { lacks = "LOCALIZER" }      # multi-valued attributes
SliceThickness    = { max = 2.5 }
SeriesDescription = { like = "*lung*" }
calling-ae        = "CT*"

[rule.require]
images  = { min = 40 }
spacing = "even"

[rule.then]
run      = "emphysema"
send     = { to = ["PACS"], as = ["structured-report", "secondary-capture"] }
forward  = ["ARCHIVE"]
priority = "routine"
mode     = "live"

[[case]]
says   = "a localizer is not analysed"
images = [{ Modality = "CT", BodyPartExamined = "CHEST", ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"] }]
expect = { "emphysema on thin chest CT" = "skipped: images" }
"#;
    let rules = parse(text).expect("the example is good");
    let then = &rules.rules()[0].then;
    assert_eq!(then.run.as_deref(), Some("emphysema"));
    assert_eq!((then.send_to.len(), then.send_as.len(), then.forward.len()), (1, 2, 1));
    assert!(!then.shadow && !then.stop);
}

/// What was not asked for is not written beside a decision either: rules of before read as they did.
#[test]
fn a_rule_says_in_what_the_report_tells_where_a_finding_is() {
    use gantry_terms::region::Regions;
    for (written, regions) in [
        ("", Regions::Images),
        (", regions = \"images\"", Regions::Images),
        (", regions = \"patient\"", Regions::Patient),
    ] {
        let text = format!(
            "[[rule]]\nname = \"r\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\nrun = \"lung-nodules\"\n\
             send = {{ to = [\"PACS\"], as = [\"structured-report\"]{written} }}\n"
        );
        let rules = parse(&text).expect("the rule is good");
        let then = &rules.rules()[0].then;
        assert_eq!(then.send_regions, regions);
        let kept = serde_json::to_value(&**then).expect("JSON");
        assert_eq!(kept.get("send-regions").is_some(), regions == Regions::Patient, "{kept}");
    }
}

#[test]
fn what_this_node_made_is_never_selected() {
    let text = "[[rule]]\nname = \"all\"\n[rule.then]\nforward = [\"PACS\"]\n";
    let rules = RuleSet::parse(vec![file("a.toml", text)], &world()).expect("the rule is good");
    let (header, uid) = (Header::default(), Uid::derived(&["image"]));
    let title = AeTitle::parse("GANTRY").expect("a title");
    let image = ImageFacts {
        sop_instance: &uid,
        sop_class: &uid,
        transfer_syntax: &uid,
        calling_ae: &title,
        called_ae: &title,
        peer: Some(&title),
        series: &uid,
        arrived: NOON_ON_MONDAY,
        header: Layered::whole(&header),
        made_here: true,
    };
    let judged = rules.judge(&[image, image]);
    assert_eq!(judged[0].reason, "skipped: images: the series holds none that was received");
    let received = ImageFacts { made_here: false, ..image };
    let judged = rules.judge(&[image, received]);
    assert_eq!(judged[0].reason, "runs: 1 image selected");
    assert_eq!(judged[0].selected[0].images.len(), 1);
    assert!(!rules.judge(&[])[0].runs);
}

#[test]
fn five_values_are_shown_and_the_others_counted() {
    let images: Vec<String> = (0..8).map(|n| format!("{{ SeriesNumber = {n} }}")).collect();
    let found = verdict("SeriesNumber = 99", "", &images.join(", "));
    assert_eq!(
        found,
        "skipped: no image matches SeriesNumber (found 0 in 1, 1 in 1, 2 in 1, 3 in 1, 4 in 1, and 3 more, wanted 99)"
    );
}

#[test]
fn the_digest_changes_with_every_name_and_letter_and_not_with_the_order_of_files() {
    let rule =
        |name: &str| format!("[[rule]]\nname = \"{name}\"\n[rule.then]\nforward = [\"PACS\"]\n");
    let set = |files: Vec<_>| RuleSet::parse(files, &world()).expect("the rules are good");
    let (a, b) = (file("a.toml", &rule("a")), file("b.toml", &rule("b")));
    let both = set(vec![a.clone(), b.clone()]);
    assert_eq!(both.digest().len(), 64);
    let other_order = set(vec![b.clone(), a.clone()]);
    assert_eq!((both.digest(), both.text()), (other_order.digest(), other_order.text()));
    assert_ne!(both.digest(), set(vec![file("c.toml", &rule("a")), b.clone()]).digest());
    assert_ne!(both.digest(), set(vec![file("a.toml", &(rule("a") + "# why\n")), b]).digest());
    assert!(both.text().starts_with("# ---- a.toml ----\n[[rule]]\nname = \"a\"\n"));
    assert_eq!(set(Vec::new()).rules().len(), 0);
}

#[test]
fn rules_that_ask_the_same_and_rules_that_only_look_as_if_they_did_are_told_apart() {
    let words: Vec<String> = (0..80).map(|n| format!("\"word {n:03}\"")).collect();
    // The lists are shown in part, and differ behind it.
    let long = |last: &str| format!("SeriesDescription = [{}, \"{last}\"]", words.join(", "));
    let selects = [
        "Modality = \"CT\"".to_string(),
        "Modality = \"MR\"".to_string(),
        "Modality = \"CT\"".to_string(),
        "BodyPartExamined = \"CT\"".to_string(),
        long("lung"),
        long("liver"),
        "any = [{ Modality = \"CT\" }, { Modality = \"MR\" }]".to_string(),
        "all = [{ Modality = \"CT\" }, { Modality = \"MR\" }]".to_string(),
        "none = [{ Modality = \"MR\" }, { Modality = \"PT\" }]".to_string(),
        "any = [{ Modality = \"PT\" }, { Modality = \"MR\" }]".to_string(),
    ];
    let text: String = selects
        .iter()
        .enumerate()
        .map(|(at, select)| {
            format!("[[rule]]\nname = \"r{at}\"\n[rule.select]\n{select}\n[rule.then]\nforward = [\"PACS\"]\n")
        })
        .collect();
    let rules = parse(&text).expect("the rules are good");
    let (uid, title) = (Uid::parse("1.2").expect("a UID"), AeTitle::parse("CT2").expect("a title"));
    let text = |vr: &str, text: &str| Attribute {
        vr: vr.into(),
        values: [Value::Text(text.into())].into(),
    };
    let header = Header(
        [(0x0008_0060, text("CS", "CT")), (0x0008_103E, text("LO", "liver"))].into_iter().collect(),
    );
    let image = ImageFacts {
        sop_instance: &uid,
        sop_class: &uid,
        transfer_syntax: &uid,
        calling_ae: &title,
        called_ae: &title,
        peer: None,
        series: &uid,
        arrived: NOON_ON_MONDAY,
        header: Layered::whole(&header),
        made_here: false,
    };
    let judged = rules.judge(&[image]);
    let runs: Vec<bool> = judged.iter().map(|judgement| judgement.runs).collect();
    assert_eq!(runs, [true, false, true, false, false, true, true, false, true, false]);
    assert_eq!(judged[0].conditions, judged[2].conditions);
    let asked: Vec<usize> =
        judged.iter().map(|judgement| judgement.conditions[0].matched).collect();
    assert_eq!(asked, runs.iter().map(|runs| usize::from(*runs)).collect::<Vec<_>>());
}
