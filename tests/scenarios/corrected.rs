//! A study whose patient was corrected at the archive, or that is not there any more: what would go there again, or late, waits for an admin.

use kit::modality::send;
use kit::node::{AE_TITLE, Node, Setup};
use kit::orthanc::{self, Orthanc};
use kit::phantom::PhantomSeries;
use kit::{need, phantom, ports};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);
const OTHER: &str = "parked, an admin must act: the peer has other patient data for this study";
const GONE: &str = "parked, an admin must act: the study is not there any more";
/// What nobody may read in a log.
const OF_PATIENT: [&str; 2] = ["PHANTOM", "CORRECTED"];

/// All images but the last go on; a model gets them all.
const RULES: &str = r#"
[[rule]]
name = "archive"
[rule.select]
Modality       = "CT"
InstanceNumber = { max = 19 }
[rule.then]
forward = ["ORTHANC"]

[[rule]]
name = "densitometry"
[rule.select]
Modality = "CT"
[rule.then]
run  = "emphysema"
send = { to = ["ORTHANC"], as = ["structured-report"] }
"#;

const ONLY_FORWARD: &str = r#"
[[rule]]
name = "archive"
[rule.select]
Modality = "CT"
[rule.then]
forward = ["ORTHANC"]
"#;

fn node(rules: &str, archive: &Orthanc, deliver: &str) -> Node {
    let peers = format!(
        "{deliver}\n[[peer]]\nae-title = \"CT1\"\n[[peer]]\nae-title = \"{}\"\n\
         address = \"127.0.0.1:{}\"\nfind-at = \"ORTHANC\"\n",
        orthanc::AE_TITLE,
        archive.port
    );
    Setup::new().rules("a.toml", rules).further(&peers).start()
}

fn wait_for_words(node: &Node, words: &str) {
    let said = ports::wait_for(PATIENCE, || node.status().contains(words).then_some(()));
    assert!(said.is_some(), "{words:?} is not in:\n{}\n{}", node.status(), node.log());
}

/// The archive has the patient of the only study corrected, which keeps these UIDs.
fn correct(archive: &Orthanc, keep: &[&str]) {
    let patients = archive.all("patients");
    let [patient] = patients.as_slice() else { panic!("one patient: {patients:?}") };
    let asked = json!({
        "Replace": { "PatientID": "CORRECTED", "PatientName": "Corrected^Cora" },
        "Keep": keep,
        "Force": true,
        "KeepSource": false,
        "Synchronous": true,
    });
    archive.post(&format!("/patients/{patient}/modify"), &asked);
    let studies = archive.all("studies");
    assert_eq!(studies.len(), 1, "the corrected one took its place");
    let tags = archive.get(&format!("/studies/{}", studies[0]));
    assert_eq!(tags["PatientMainDicomTags"]["PatientID"], "CORRECTED");
}

/// Images and a report are at the archive, and the last slice comes late: its node, and what is there.
fn with_a_late_slice(archive: &Orthanc, name: &str, meanwhile: impl Fn()) -> (Node, PhantomSeries) {
    let node = node(RULES, archive, "find-hours = 1\n");
    let chest = phantom::small_chest(name);
    let (last, first) = chest.instances.split_last().expect("there are slices");
    send("CT1", &node, first);
    wait_for_words(&node, "ORTHANC: 20 found at the peer, 0 to find, 0 sent again");
    meanwhile();
    send("CT1", &node, std::slice::from_ref(last));
    (node, chest)
}

fn assert_says_nothing_of_the_patient(node: &Node) {
    let told = node.log() + &node.status() + &node.gantry(&["outbox", "list"]).out;
    for word in OF_PATIENT {
        assert!(!told.contains(word), "{told}");
    }
}

#[test]
fn a_late_result_of_a_study_that_has_another_patient_now_waits_until_an_admin_has_it_sent() {
    let (Some(()), Some(_)) = (need::orthanc(), need::onnx_runtime()) else { return };
    let archive = Orthanc::up(AE_TITLE, ports::free());
    let keep = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"];
    let (node, chest) = with_a_late_slice(&archive, "corrected", || correct(&archive, &keep));
    node.wait_until_explained(&chest.series, OTHER, PATIENCE);
    assert_eq!(archive.all("instances").len(), 20, "nothing went");
    assert_says_nothing_of_the_patient(&node);

    // It is asked again, and says the same.
    let again = node.gantry(&["outbox", "retry", "all", "--by", "anna"]);
    assert!(again.success && again.out.contains("1 delivery tried again"), "{again:?}");
    wait_for_words(&node, "ORTHANC: 0 queued, 20 delivered, 1 parked");
    let no_reason = node.gantry(&["outbox", "retry", "all", "--as-it-is", "--by", "anna"]);
    assert!(!no_reason.success && no_reason.err.contains("say why"), "{no_reason:?}");
    let why = ["--as-it-is", "--by", "anna", "--why", "the PACS team asks for it"];
    let sent = node.gantry(&[&["outbox", "retry", "all"][..], &why].concat());
    assert!(sent.success, "{sent:?}");
    archive.wait_for(21);
    wait_for_words(&node, "ORTHANC: 0 queued, 21 delivered, 0 parked");
}

#[test]
fn a_late_result_of_a_study_that_was_there_and_is_gone_waits_too() {
    let (Some(()), Some(_)) = (need::orthanc(), need::onnx_runtime()) else { return };
    let archive = Orthanc::up(AE_TITLE, ports::free());
    let delete = || {
        for study in archive.all("studies") {
            archive.delete(&format!("/studies/{study}"));
        }
    };
    let (node, chest) = with_a_late_slice(&archive, "deleted", delete);
    node.wait_until_explained(&chest.series, GONE, PATIENCE);
    assert_eq!(archive.all("instances").len(), 0, "nothing went");
    assert_says_nothing_of_the_patient(&node);
}

/// Its images have other UIDs since: by them they are not found, and were sent again.
#[test]
fn images_that_are_not_found_because_their_study_was_corrected_are_not_sent_again() {
    let Some(()) = need::orthanc() else { return };
    let archive = Orthanc::up(AE_TITLE, ports::free());
    let node = node(ONLY_FORWARD, &archive, "find-hours = 0.0005\n");
    let images = phantom::small_chest("renamed").instances;
    send("CT1", &node, &images[..3]);
    archive.wait_for(3);
    correct(&archive, &["StudyInstanceUID"]);
    wait_for_words(&node, "ORTHANC: 0 queued, 0 delivered, 3 parked");
    let listed = node.gantry(&["outbox", "list"]).out;
    assert_eq!(
        listed.matches("the peer has other patient data for this study").count(),
        3,
        "{listed}"
    );
    assert_eq!(archive.all("instances").len(), 3, "nothing went again");
    assert_eq!(archive.all("patients").len(), 1, "the old patient did not come back");
    assert_says_nothing_of_the_patient(&node);
}
