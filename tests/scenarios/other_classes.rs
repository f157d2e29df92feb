//! A report reaches a PACS that does not take Comprehensive 3D SR: in the first class that it takes, once, and the node says which and why.

use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::modality::send;
use kit::node::Setup;
use kit::pacs::{Pacs, STRUCTURED_REPORT};
use kit::phantom::{self};
use kit::validators::{LUNG_VOLUME, assert_valid, figure, measurements, report_tree};
use kit::{need, ports};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
const COMPREHENSIVE: &str = "1.2.840.10008.5.1.4.1.1.88.33";
const ENHANCED: &str = "1.2.840.10008.5.1.4.1.1.88.22";
const CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7.4";

/// Results of phantoms for these peers.
fn rule(peers: &[&str]) -> String {
    format!(
        "[[rule]]\nname = \"emphysema on phantoms\"\n[rule.select]\nModality = \"CT\"\nPatientID = \"PHANTOM\"\n\
         [rule.then]\nrun = \"emphysema\"\n\
         send = {{ to = {peers:?}, as = [\"structured-report\", \"secondary-capture\"] }}\n"
    )
}

#[test]
fn each_pacs_gets_the_report_once_in_the_first_class_that_it_takes() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let (all, old) = (Pacs::up("ALL"), Pacs::taking("OLD", &[ENHANCED, CAPTURE]));
    let older = Pacs::taking("OLDER", &[COMPREHENSIVE, ENHANCED, CAPTURE]);
    let rule = rule(&["ALL", "OLD", "OLDER"]);
    let setup = Setup::new().rules("phantom.toml", &rule).scanner("CT1");
    let node = setup.pacs(&all).pacs(&old).pacs(&older).start();
    let chest = phantom::small_chest("three archives");
    send("CT1", &node, &chest.instances);
    let mut volumes = Vec::new();
    let mut reports = Vec::new();
    for (pacs, class) in [(&all, STRUCTURED_REPORT), (&old, ENHANCED), (&older, COMPREHENSIVE)] {
        let received = pacs.wait_for(2, PATIENCE);
        assert_eq!(received.len(), 2, "a report and a capture");
        let report = received.into_iter().find(|file| file.modality == "SR").expect("a report");
        assert_eq!(report.sop_class, class, "{}", pacs.ae_title);
        assert_valid(&report.path);
        assert!(report_tree(&report.path).contains("Imaging Measurement Report"));
        volumes.extend(measurements(&report.path).map(|said| figure(&said, LUNG_VOLUME, "mL")));
        reports.push(report);
    }
    assert!(volumes.iter().all(|volume| *volume == volumes[0]), "{volumes:?}");

    let told = node.wait_until_explained(&chest.series, "to OLDER as Comprehensive SR", PATIENCE);
    let first = &reports[0].sop_instance;
    for (report, name) in
        [(&reports[1], "OLD as Enhanced SR"), (&reports[2], "OLDER as Comprehensive SR")]
    {
        let line =
            told.lines().find(|line| line.contains(&report.sop_instance)).expect("a delivery");
        let why = format!("(the peer does not take SOP class {STRUCTURED_REPORT}: ");
        assert!(line.contains(&format!("to {name}")) && line.contains(&why), "{line}");
        assert!(line.contains(&format!("in the place of {first} ")), "{line}");
        assert!(line.contains("delivered at") && line.contains("with 0000"), "{line}");
    }
    let of_result = node.explain(first);
    assert_eq!(of_result.matches("delivered at").count(), 3, "{of_result}");
    for report in &reports {
        let again = node.gantry(&["reproduce", &report.sop_instance]);
        assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
    }
    let shown = node.gantry(&["show", &reports[1].sop_instance]);
    assert!(shown.success && shown.out.contains("Enhanced SR"), "{shown:?}");
    for pacs in [&all, &old, &older] {
        assert_eq!(pacs.received().len(), 2, "{} got nothing twice", pacs.ae_title);
    }
}

/// It accepts every context, and refuses by status; what it refused once it is not sent again over this association.
#[test]
fn a_pacs_that_refuses_by_status_gets_the_next_class_and_is_not_asked_again_over_the_association() {
    let Some(_) = need::onnx_runtime() else { return };
    // The first report goes three times, the captures once, the second report once.
    let pacs = DifficultPacs::up("PACS", &[], {
        let asked = std::sync::Mutex::new(Vec::<String>::new());
        move |uid: &str| {
            let mut asked = asked.lock().expect("no test has failed");
            asked.push(uid.to_string());
            match asked.len() {
                1 => Manner::Answers(0x0122),
                2 => Manner::Answers(0xA900),
                _ => Manner::Takes,
            }
        }
    });
    let rule = rule(&["PACS"]).replace(", \"secondary-capture\"", "");
    let setup = Setup::new().rules("phantom.toml", &rule).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).start();
    let paused =
        node.gantry(&["outbox", "pause", "PACS", "--by", "anna", "--why", "both together"]);
    assert!(paused.success, "{paused:?}");
    let chests = ["first", "second"].map(phantom::small_chest);
    for chest in &chests {
        send("CT1", &node, &chest.instances);
    }
    let both = || Some(node.status()).filter(|out| out.contains("PACS: 2 queued"));
    assert!(ports::wait_for(PATIENCE, both).is_some(), "{}", node.status());
    let resumed = node.gantry(&["outbox", "resume", "PACS", "--by", "anna"]);
    assert!(resumed.success, "{resumed:?}");
    let delivered =
        || Some(node.status()).filter(|out| out.contains("0 queued, 2 delivered, 0 parked"));
    assert!(ports::wait_for(PATIENCE, delivered).is_some(), "{}", node.status());
    let seen = pacs.seen();
    assert_eq!((seen.associations, seen.begun.len(), seen.taken.len()), (1, 4, 2), "{seen:?}");
    let told: Vec<String> = chests.iter().map(|chest| node.explain(&chest.series)).collect();
    let told = told.join("\n");
    let why = format!(
        "(0122: the peer does not support the SOP class ({STRUCTURED_REPORT}); \
         A900: to the peer it does not match its SOP class ({COMPREHENSIVE}))"
    );
    assert_eq!(told.matches(&why).count(), 2, "{told}");
    assert_eq!(told.matches("to PACS as Enhanced SR Storage in the place of").count(), 2, "{told}");
}

#[test]
fn a_pacs_that_takes_no_report_at_all_has_it_parked_with_all_that_it_said() {
    let Some(_) = need::onnx_runtime() else { return };
    let pacs =
        DifficultPacs::up("PACS", &[STRUCTURED_REPORT, COMPREHENSIVE, ENHANCED], |_| Manner::Takes);
    let setup = Setup::new().rules("phantom.toml", &rule(&["PACS"])).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).start();
    let chest = phantom::small_chest("no reports");
    send("CT1", &node, &chest.instances);
    let told = node.wait_until_explained(&chest.series, "parked, an admin must act", PATIENCE);
    for class in [STRUCTURED_REPORT, COMPREHENSIVE, ENHANCED] {
        assert!(told.contains(&format!("does not take SOP class {class}")), "{told}");
    }
    assert!(!told.contains("in the place of"), "it waits as what it is: {told}");
    let delivered =
        || Some(node.status()).filter(|out| out.contains("0 queued, 1 delivered, 1 parked"));
    assert!(ports::wait_for(PATIENCE, delivered).is_some(), "{}", node.status());
}
