//! An analysis that failed is told where the rule asks for it: a report with the reason and without a number, in the study.

use dicom_dictionary_std::tags;
use kit::instance::Instance;
use kit::modality::send;
use kit::node::Setup;
use kit::pacs::Pacs;
use kit::validators::{assert_as_valid_as, report_tree};
use kit::{need, phantom, ports};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

fn rule(name: &str, results: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\n[rule.select]\nModality = \"CT\"\nPatientID = \"PHANTOM\"\n\
         [rule.then]\nrun = \"emphysema\"\nsend = {{ to = [\"PACS\"], as = {results} }}\n"
    )
}

#[test]
fn the_pacs_is_told_that_an_analysis_failed_and_why_where_a_rule_asks_for_it() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let rules = rule("told", r#"["structured-report", "failure-report"]"#)
        + &rule("silent", r#"["structured-report"]"#);
    let node = Setup::new().rules("phantom.toml", &rules).scanner("CT1").pacs(&pacs).start();
    // A slice in the middle is missing, so that no model gets a volume.
    let mut chest = phantom::small_chest("failed");
    chest.instances.remove(9);
    send("CT1", &node, &chest.instances);

    let received = pacs.wait_for(1, PATIENCE);
    let both_failed = || {
        let told = node.gantry(&["explain", &chest.series]).out;
        (told.matches("failed: ").count() == 2).then_some(told)
    };
    let told = ports::wait_for(PATIENCE, both_failed);
    assert!(told.is_some(), "{}", node.gantry(&["explain", &chest.series]).out);
    let [report] = pacs.received().try_into().expect("one report");
    assert_eq!(received[0].sop_instance, report.sop_instance);
    let delivered = format!("deliver   {} to PACS: delivered", report.sop_instance);
    let told = node.wait_until_explained(&chest.series, &delivered, PATIENCE);
    assert_eq!((&report.study, report.is_report()), (&chest.study, true));

    let sources = tempfile::tempdir().expect("a temporary folder");
    Instance::write_all(&chest.instances, sources.path());
    assert_as_valid_as(&report.path, &sources.path().join("0001.dcm"));
    let object = Instance::read(&report.path);
    assert_eq!(object.text(tags::COMPLETION_FLAG), "PARTIAL");
    assert_eq!(object.text(tags::COMPLETION_FLAG_DESCRIPTION), "The analysis failed");
    let tree = report_tree(&report.path);
    assert!(tree.contains("Summary of Analyses\")=(111224,DCM,\"Failed\")"), "{tree}");
    let reason = told.lines().find_map(|line| line.split_once("failed: ")).expect("the reason").1;
    let reason = reason.split(", begun at").next().expect("a text");
    // DCMTK prints the beginning of a long text.
    let begins: String = reason.chars().take(20).collect();
    assert!(tree.contains(&begins), "{reason}: {tree}");
    assert!(tree.contains("Measurement failure"), "{tree}");

    let again = node.gantry(&["reproduce", &report.sop_instance]);
    assert!(!again.success && again.err.contains("tells of an analysis that failed"), "{again:?}");
    let shown = node.gantry(&["show", &report.sop_instance]);
    assert!(shown.success && shown.out.contains("Failed"), "{shown:?}");
    assert!(shown.out.contains(reason), "{reason}: {shown:?}");
}
