//! Results of algorithms: no model gets them unless its rule asks for them, and what is forwarded goes on as ever.

use super::super::judge::{self, Arrived, ImageFacts, Judgement};
use super::super::made_up::NOON_ON_MONDAY;
use super::super::trace::Fate;
use super::{file, world};
use crate::rules::RuleSet;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::header::{Attribute, Header, Layered, Value};
use gantry_terms::uid::Uid;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const SEG: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const MAP: &str = "1.2.840.10008.5.1.4.1.1.30";
const SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";

struct Object {
    class: Uid,
    header: Header,
}

fn text(tag: u32, vr: &str, text: &str) -> (u32, Attribute) {
    let values = text.split('\\').map(|text| Value::Text(text.into())).collect();
    (tag, Attribute { vr: vr.into(), values })
}

fn items(tag: u32, items: Vec<Header>) -> (u32, Attribute) {
    (tag, Attribute { vr: "SQ".into(), values: items.into_iter().map(Value::Item).collect() })
}

fn header(lines: Vec<(u32, Attribute)>) -> Header {
    Header(lines.into_iter().collect())
}

/// `purposes`: of the items of the Contributing Equipment Sequence.
fn object(class: &str, modality: &str, image_type: &str, purposes: &[&str]) -> Object {
    let equipment = purposes.iter().map(|code| {
        let code = header(vec![text(0x0008_0100, "SH", code), text(0x0008_0102, "SH", "DCM")]);
        header(vec![text(0x0008_0070, "LO", "Maker"), items(0x0040_A170, vec![code])])
    });
    let lines = vec![
        text(0x0008_0008, "CS", image_type),
        text(0x0008_0016, "UI", class),
        text(0x0008_0060, "CS", modality),
        items(0x0018_A001, equipment.collect()),
    ];
    Object { class: Uid::parse(class).expect("a UID"), header: header(lines) }
}

fn rules(select: &str, then: &str) -> RuleSet {
    let text = format!("[[rule]]\nname = \"r\"\n[rule.select]\n{select}\n[rule.then]\n{then}\n");
    RuleSet::parse(vec![file("a.toml", &text)], &world()).unwrap_or_else(|why| panic!("{why}"))
}

fn judged(select: &str, then: &str, objects: &[Object]) -> Judgement {
    let (title, uid) =
        (AeTitle::parse("CT1").expect("a title"), Uid::parse("1.2.3").expect("a UID"));
    let arrived: Arrived = NOON_ON_MONDAY;
    let facts = objects.iter().map(|object| ImageFacts {
        sop_instance: &uid,
        sop_class: &object.class,
        transfer_syntax: &uid,
        calling_ae: &title,
        called_ae: &title,
        peer: None,
        series: &uid,
        arrived,
        header: Layered::whole(&object.header),
        made_here: false,
    });
    let facts: Vec<ImageFacts> = facts.collect();
    judge::judge(rules(select, then).rules(), &facts).remove(0)
}

const RUN: &str = "run = \"emphysema\"\nmode = \"shadow\"";
const BOTH: &str = "run = \"emphysema\"\nsend = { to = [\"PACS\"], as = [\"structured-report\"] }\nforward = [\"PACS\"]";
const FORWARD: &str = "forward = [\"PACS\"]";
const ANY: &str = "Modality = { present = true }";

#[test]
fn what_a_model_gets_is_told_by_class_and_by_who_processed_it() {
    let check = |class: &str, modality: &str, image_type: &str, purposes: &[&str], runs: bool| {
        let judgement = judged(ANY, RUN, &[object(class, modality, image_type, purposes)]);
        assert_eq!(judgement.runs, runs, "{class} {image_type} {purposes:?}: {}", judgement.reason);
        assert_eq!(judgement.model().is_some(), runs);
        if !runs {
            assert_eq!(judgement.because, ["results"]);
            assert!(
                judgement.reason.contains("1 is a result of an algorithm"),
                "{}",
                judgement.reason
            );
            assert_eq!(judgement.fates[0].iter().collect::<Vec<_>>(), [Fate::Result]);
        }
        let forwarded = judged(ANY, FORWARD, &[object(class, modality, image_type, purposes)]);
        assert!(forwarded.runs, "what only forwards takes everything");
    };
    for class in [
        "88.11", "88.22", "88.33", "88.34", "88.59", "66.4", "66.5", "66.7", "30", "11.1", "11.8",
        "104.1",
    ] {
        check(&format!("1.2.840.10008.5.1.4.1.1.{class}"), "OT", "DERIVED\\SECONDARY", &[], false);
    }
    // Another vendor's pictures, and images that a model made of images.
    check(CAPTURE, "CT", "DERIVED\\SECONDARY", &["109101", "109102"], false);
    check(CT, "CT", "DERIVED\\SECONDARY\\AXIAL", &["109102"], false);
    check(CAPTURE, "CT", "", &["109102"], false);
    // What the scanner took, calculated and reconstructed, and what somebody changed in a header.
    check(CT, "CT", "ORIGINAL\\PRIMARY\\AXIAL", &["109101"], true);
    check(CT, "CT", "ORIGINAL\\PRIMARY\\AXIAL", &["109102"], true);
    check(CT, "CT", "DERIVED\\PRIMARY\\AXIAL", &[], true);
    check(CT, "CT", "DERIVED\\PRIMARY\\AXIAL", &["109101"], true);
    check(
        "1.2.840.10008.5.1.4.1.1.2.1",
        "CT",
        "DERIVED\\PRIMARY\\VOLUME",
        &["109101", "109103"],
        true,
    );
    check(CAPTURE, "OT", "DERIVED\\SECONDARY", &[], true);
}

#[test]
fn a_rule_that_names_what_it_is_gets_it() {
    let check = |select: &str, object: Object, runs: bool| {
        let judgement = judged(select, RUN, &[object]);
        assert_eq!(judgement.runs, runs, "{select}: {}", judgement.reason);
    };
    let seg = || object(SEG, "SEG", "DERIVED\\PRIMARY", &[]);
    check("Modality = \"SEG\"", seg(), true);
    check("Modality = [\"CT\", \"SEG\"]", seg(), true);
    check(&format!("SOPClassUID = \"{SEG}\""), seg(), true);
    check(&format!("any = [{{ Modality = \"CT\" }}, {{ SOPClassUID = \"{SEG}\" }}]"), seg(), true);
    check("Modality = { not = \"CT\" }", seg(), false);
    check("Modality = { like = \"S*\" }", seg(), false);
    check("none = [{ Modality = \"CT\" }]", seg(), false);
    check("Modality = \"SR\"", object(SR, "SR", "", &[]), true);
    // A map has the modality of its source.
    check("Modality = \"CT\"", object(MAP, "CT", "DERIVED\\PRIMARY", &[]), false);
    check(&format!("SOPClassUID = \"{MAP}\""), object(MAP, "CT", "DERIVED\\PRIMARY", &[]), true);
    let processed = || object(CT, "CT", "DERIVED\\SECONDARY", &["109101", "109102"]);
    check("Modality = \"CT\"", processed(), false);
    check(&format!("SOPClassUID = \"{CT}\""), processed(), false);
    check("ContributingEquipmentSequence.Manufacturer = \"Maker\"", processed(), false);
    check(
        "ContributingEquipmentSequence.PurposeOfReferenceCodeSequence = { CodeValue = \"109101\" }",
        processed(),
        false,
    );
    check(
        "ContributingEquipmentSequence.PurposeOfReferenceCodeSequence = { CodeValue = \"109102\" }",
        processed(),
        true,
    );
    check(
        "ContributingEquipmentSequence.PurposeOfReferenceCodeSequence.CodeValue = \"109102\"",
        processed(),
        true,
    );
}

#[test]
fn results_among_images_are_left_out_and_the_rest_runs() {
    let of = || {
        let mut all: Vec<Object> =
            (0..3).map(|_| object(CT, "CT", "ORIGINAL\\PRIMARY\\AXIAL", &[])).collect();
        all.push(object(CT, "CT", "DERIVED\\SECONDARY", &["109102"]));
        all
    };
    let judgement = judged("Modality = \"CT\"", RUN, &of());
    assert!(judgement.runs, "{}", judgement.reason);
    assert_eq!(judgement.selected[0].images.len(), 3);
    let trace = judgement.conditions.iter().find(|condition| &*condition.key == "results");
    assert_eq!(trace.map(|trace| (trace.matched, trace.of)), Some((3, 4)));

    let judgement = judged("Modality = \"CT\"", BOTH, &of());
    assert_eq!(judgement.selected[0].images.len(), 4, "all of them are forwarded");
    assert_eq!(judgement.for_model[0].images.len(), 3);
    assert!(judgement.reason.contains("1 is a result of an algorithm"), "{}", judgement.reason);

    let only_results = [object(CT, "CT", "DERIVED\\SECONDARY", &["109102"])];
    let judgement = judged("Modality = \"CT\"", BOTH, &only_results);
    assert!(judgement.runs, "it is forwarded");
    assert_eq!((judgement.selected[0].images.len(), judgement.model()), (1, None));
    assert!(judgement.reason.contains("the model does not run"), "{}", judgement.reason);
    let none =
        judged("Modality = \"CT\"", BOTH, &[object(CT, "CT", "ORIGINAL\\PRIMARY\\AXIAL", &[])]);
    assert_eq!(none.reason, "runs: 1 image selected");
}
