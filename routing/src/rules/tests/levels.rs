//! Rules on instances, series and studies by their cases, facts of selections, and what is forwarded with changes.

use super::super::rule_set::RuleSet;
use super::{file, parse, verdict, world};
use gantry_terms::changes::SetAttribute;

#[track_caller]
fn good(text: &str) -> RuleSet {
    match RuleSet::parse(vec![file("a.toml", text)], &world()) {
        Ok(rules) => rules,
        Err(problems) => panic!("{problems}"),
    }
}

#[test]
fn a_case_of_several_series_judges_each_of_them_and_the_study() {
    good(
        r#"
[[rule]]
name = "both"
on = "study"
[rule.select.t1]
SeriesDescription = { like = "*t1*" }
[rule.select.flair]
SeriesDescription = { like = "*flair*" }
[rule.require.t1]
images = { min = 2 }
[rule.then]
run = "lesions"
mode = "shadow"

[[rule]]
name = "single"
on = "instance"
[rule.select]
arrival-order = 1
[rule.then]
forward = ["PACS"]

[[rule]]
name = "thick"
[rule.require]
images = { min = 3 }
[rule.then]
forward = ["ARCHIVE"]

[[case]]
says = "a study with both"
images = [
  { series = "a", SeriesDescription = "T1", count = 2 },
  { series = "b", SeriesDescription = "FLAIR", count = 2 },
]
expect = { both = "runs", single = "runs", thick = "skipped: images" }

[[case]]
says = "one is missing"
images = [{ series = "a", SeriesDescription = "T1", count = 2 }]
expect = { both = "skipped: flair" }

[[case]]
says = "one is too short"
images = [
  { series = "a", SeriesDescription = "T1" },
  { series = "b", SeriesDescription = "FLAIR", count = 3 },
]
expect = { both = "skipped: t1: images", thick = "runs" }

[[case]]
says = "what this node made starts nothing"
images = [
  { series = "a", SeriesDescription = "T1", count = 2, made-here = true },
  { series = "b", SeriesDescription = "FLAIR" },
]
expect = { both = "skipped: t1" }

[[case]]
says = "two series could be meant"
images = [
  { series = "a", SeriesDescription = "T1", count = 2 },
  { series = "b", SeriesDescription = "T1", count = 2 },
  { series = "c", SeriesDescription = "FLAIR" },
]
expect = { both = "skipped: series" }
"#,
    );
}

#[test]
fn a_case_names_only_what_its_rule_has() {
    let text = |on: &str, expected: &str| {
        format!(
            "[[rule]]\nname = \"r\"\non = \"{on}\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\nstop = true\n\
             [[case]]\nsays = \"c\"\nimages = [{{ Modality = \"MR\" }}]\nexpect = {{ r = \"{expected}\" }}\n"
        )
    };
    for on in ["instance", "series", "study"] {
        assert!(parse(&text(on, "skipped: Modality")).is_ok(), "{on}");
        let said = parse(&text(on, "skipped: t1")).err().unwrap_or_default();
        assert!(said.contains("the rule has no condition \"t1\""), "{said}");
    }
    let said = parse(&text("series", "skipped: series")).err().unwrap_or_default();
    assert!(said.contains("the rule has no condition \"series\""), "{said}");
}

#[test]
fn gaps_planes_and_frames_are_facts_of_a_selection() {
    let ct = "{ Modality = \"CT\", count = 10, spacing = 2 }";
    let hole = format!("{ct}, {{ Modality = \"CT\", count = 10, spacing = 2, start = 40 }}");
    let check = |require: &str, images: &str, expected: &str| {
        assert_eq!(verdict("Modality = \"CT\"", require, images), expected, "{require}");
    };
    check("gaps = 0", ct, "runs: 10 images selected");
    check("gaps = 0", &hole, "skipped: gaps: 1 gap, wanted 0");
    check("gaps = { max = 1 }", &hole, "runs: 20 images selected");
    check("orientation = \"axial\"", ct, "runs: 10 images selected");
    check(
        "orientation = [\"coronal\", \"sagittal\"]",
        ct,
        "skipped: orientation: axial, wanted [\"coronal\", \"sagittal\"]",
    );
    check(
        "orientation = \"axial\"",
        "{ Modality = \"CT\" }",
        "skipped: orientation: an image does not say how it lies",
    );
    check("frames = { min = 11 }", ct, "skipped: frames: 10 frames, wanted { min = 11 }");
    check("frames = 40", "{ Modality = \"CT\", NumberOfFrames = 40 }", "runs: 1 image selected");
}

/// One enhanced image: its frames lie at these places along the body.
fn enhanced(places: &[f64], frames: usize) -> String {
    let frame = |place: &f64| {
        format!("{{ PlanePositionSequence = [{{ ImagePositionPatient = [0, 0, {place:?}] }}] }}")
    };
    let groups: Vec<String> = places.iter().map(frame).collect();
    format!(
        "{{ Modality = \"CT\", NumberOfFrames = {frames}, FrameOfReferenceUID = \"1.2\", \
         SharedFunctionalGroupsSequence = [{{ PlaneOrientationSequence = [{{ ImageOrientationPatient = \
         [1, 0, 0, 0, 1, 0] }}] }}], PerFrameFunctionalGroupsSequence = [{}] }}",
        groups.join(", ")
    )
}

#[test]
fn the_frames_of_one_enhanced_image_are_a_stack() {
    let check = |require: &str, images: &str, expected: &str| {
        assert_eq!(verdict("Modality = \"CT\"", require, images), expected, "{require}");
    };
    let even = "spacing = \"even\"\nspacing-mm = { max = 2 }\ngaps = 0\norientation = \"axial\"";
    check(even, &enhanced(&[4.0, 0.0, 2.0], 3), "runs: 1 image selected");
    check(
        "spacing = \"even\"",
        &enhanced(&[0.0, 1.0, 2.0, 5.0], 4),
        "skipped: spacing: a step of 3 mm, from 2 to 5, where 1 mm is usual",
    );
    check("gaps = 0", &enhanced(&[0.0, 1.0, 2.0, 5.0], 4), "skipped: gaps: 1 gap, wanted 0");
    check(
        "spacing = \"even\"",
        &enhanced(&[0.0, 1.0], 600),
        "skipped: spacing: the index says of 2 of 600 frames where they lie",
    );
    check(
        "spacing = \"even\"",
        "{ Modality = \"CT\", NumberOfFrames = 30 }",
        "skipped: spacing: the index says of 0 of 30 frames where they lie",
    );
    let two = format!("{}, {}", enhanced(&[0.0, 1.0], 2), enhanced(&[2.0, 3.0], 2));
    check(
        "spacing = \"even\"",
        &two,
        "skipped: spacing: an image of 2 frames is a stack, and is not the only image",
    );
}

#[test]
fn changes_on_the_way_are_read_as_values_of_their_vr() {
    let rules = good(
        "[[rule]]\nname = \"r\"\n[rule.then]\nforward = [{ to = [\"ARCHIVE\"], set = { InstitutionName = \"X\", \
         StudyDate = 2026-01-31, SeriesNumber = 3, ImageType = [\"DERIVED\", \"SECONDARY\"], PatientName = \"\", \
         WindowCenter = 40.5, AcquisitionDateTime = 2026-01-31T07:30:00+01:00, StudyTime = 07:30:00 }, \
         remove = [\"PatientComments\", \"ReferencedStudySequence\"] }, \"PACS\"]\n",
    );
    let forward = &rules.rules()[0].then.forward;
    assert_eq!((forward[0].to.as_str(), forward[1].to.as_str()), ("ARCHIVE", "PACS"));
    assert!(forward[1].changes.is_empty());
    let attribute = |tag, vr: &str, values: &[&str]| SetAttribute {
        tag,
        vr: vr.into(),
        values: values.iter().map(|value| value.to_string()).collect(),
    };
    assert_eq!(
        forward[0].changes.set,
        [
            attribute(0x0008_0080, "LO", &["X"]),
            attribute(0x0008_0020, "DA", &["20260131"]),
            attribute(0x0020_0011, "IS", &["3"]),
            attribute(0x0008_0008, "CS", &["DERIVED", "SECONDARY"]),
            attribute(0x0010_0010, "PN", &[]),
            attribute(0x0028_1050, "DS", &["40.5"]),
            attribute(0x0008_002A, "DT", &["20260131073000+0100"]),
            attribute(0x0008_0030, "TM", &["073000"]),
        ]
    );
    assert_eq!(forward[0].changes.remove, [0x0010_4000, 0x0008_1110]);
}

#[test]
fn a_rule_may_say_by_which_profile_images_leave_without_their_patient() {
    let rules = good(
        "[[rule]]\nname = \"r\"\n[rule.then]\nforward = [{ to = [\"ARCHIVE\"], deidentify = \"research\" }, \
         { to = [\"STUDIES\"], deidentify = \"trial\", set = { InstitutionName = \"X\" } }]\n",
    );
    let forward = &rules.rules()[0].then.forward;
    let profiles = forward.iter().map(|forward| forward.changes.deidentify.as_deref());
    assert_eq!(profiles.collect::<Vec<_>>(), [Some("research"), Some("trial")]);
    assert!(!forward[0].changes.is_empty() && !forward[0].changes.has_attributes());
}

#[test]
fn a_rule_may_say_by_which_profile_results_leave_without_their_patient() {
    let rule = |send: &str| {
        format!("[[rule]]\nname = \"r\"\n[rule.then]\nrun = \"emphysema\"\nsend = {send}\n")
    };
    let of = |peer: &str, profile: &str| {
        rule(&format!(
            "{{ to = [\"{peer}\"], as = [\"structured-report\"], deidentify = \"{profile}\" }}"
        ))
    };
    let rules = good(&of("ARCHIVE", "research"));
    assert_eq!(rules.rules()[0].then.send_deidentify.as_deref(), Some("research"));
    for (peer, profile, said) in [
        ("ARCHIVE", "trail", "called \"trail\""),
        ("STUDIES", "research", "which no rule changes"),
        ("KEEPER", "trial", "KEEPER is asked for what it took"),
    ] {
        let refused = RuleSet::parse(vec![file("a.toml", &of(peer, profile))], &world());
        let problems = refused.expect_err("refused").to_string();
        assert!(problems.contains(said), "{problems}");
    }
}

#[test]
fn to_remove_what_dicom_wants_if_empty_is_warned_of() {
    let rules = good(
        "[[rule]]\nname = \"r\"\n[rule.then]\nforward = [{ to = [\"PACS\"], remove = [\"AccessionNumber\"] }]\n\
         [[case]]\nsays = \"c\"\nimages = [{}]\nexpect = { r = \"runs\" }\n",
    );
    let said: Vec<&str> = rules.warnings().iter().map(|warning| &*warning.message).collect();
    assert_eq!(said, ["DICOM wants AccessionNumber in every object, if empty (Type 2)"]);
    let help = rules.warnings()[0].help.as_deref().unwrap_or_default();
    assert!(help.contains("set = { AccessionNumber = \"\" }"), "{help}");
    assert!(help.contains("add \"OriginalAttributesSequence\" to `remove`"), "{help}");
}

#[test]
fn an_item_is_never_shown_of_a_patient_or_in_full() {
    let said = verdict(
        "RequestAttributesSequence.RequestedProcedureID = \"1\"",
        "",
        "{ RequestAttributesSequence = [{ RequestedProcedureID = \"4711\" }] }",
    );
    assert!(said.contains("found (present)") && !said.contains("4711"), "{said}");
    let said = verdict(
        "ProcedureCodeSequence = { CodeValue = \"1\" }",
        "",
        "{ ProcedureCodeSequence = [{ CodeValue = \"4711\" }, { CodeValue = \"2\" }] }",
    );
    assert!(said.contains("found 2 items") && !said.contains("4711"), "{said}");
}
