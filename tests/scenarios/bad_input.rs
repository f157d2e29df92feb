//! Bad input of every kind gets a clear word where the admin looks; nothing is lost and nothing panics.

use dicom_dictionary_std::tags;
use kit::instance::{Instance, files_below};
use kit::modality::{Answer, Association, Refused, Unanswered};
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::phantom::{self, PhantomSeries};
use kit::rules::EMPHYSEMA_ON_PHANTOMS;
use kit::{need, ports};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// A node that receives and decides nothing.
fn receiving() -> Node {
    Setup::new().scanner("CT1").start()
}

fn send(node: &Node, instances: &[Instance]) -> Vec<Result<Answer, Unanswered>> {
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, instances).expect("accepted");
    let answers = instances.iter().map(|instance| association.store(instance)).collect();
    association.release();
    answers
}

fn send_well(node: &Node, chest: &PhantomSeries) {
    for answer in send(node, &chest.instances) {
        assert_eq!(answer.map(|answer| answer.status), Ok(0x0000));
    }
}

/// One image on its own; the answer, and what `gantry status` says then.
fn send_one(instance: Instance) -> (Result<Answer, Unanswered>, String) {
    let mut node = receiving();
    let answer = send(&node, &[instance]).remove(0);
    assert_status_tells(&node, &["not kept"]);
    let status = node.status();
    assert!(status.contains(" 0 instances"), "nothing may be kept of it: {status}");
    assert!(node.is_alive());
    (answer, status)
}

fn one_image() -> Instance {
    phantom::small_chest("bad").instances.swap_remove(5)
}

/// Waits for a word in `gantry status`, where events arrive a moment after the answer.
fn assert_status_tells(node: &Node, words: &[&str]) {
    let tells = || {
        let status = node.status();
        words.iter().all(|word| status.contains(word)).then_some(())
    };
    let told = ports::wait_for(Duration::from_secs(10), tells);
    assert!(told.is_some(), "{words:?} are not all in:\n{}", node.status());
}

#[test]
fn a_wrong_ae_title_is_refused_by_the_standards_reason_and_shown_in_status() {
    let node = receiving();
    let refused = |calling, called| match Association::request(calling, called, node.port, &[]) {
        Err(Refused::Rejected(reason)) => reason,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{calling} was accepted at {called}"),
    };
    let called = refused("CT1", "GANTRI");
    assert!(called.contains("Permanent") && called.contains("CalledAETitle"), "{called}");
    let calling = refused("CT7", AE_TITLE);
    assert!(calling.contains("Permanent") && calling.contains("CallingAETitle"), "{calling}");
    assert_status_tells(&node, &["GANTRI", "GANTRY", "CT7", "CT1"]);
}

#[test]
fn a_class_that_is_no_storage_class_is_refused_and_the_others_are_still_taken() {
    let node = receiving();
    let known = one_image();
    let unknown = Instance { sop_class: "1.2.826.0.1.3680043.9.9999.1".into(), ..known.clone() };
    let answers = send(&node, &[unknown, known]);
    assert_eq!(answers[0], Err(Unanswered::NotAccepted));
    assert_eq!(answers[1].as_ref().map(|answer| answer.status), Ok(0x0000));
    assert_status_tells(&node, &["SOP class not taken"]);
}

#[test]
fn a_truncated_data_set_is_answered_with_a_failure_and_not_kept() {
    let mut cut = one_image();
    cut.data_set.truncate(cut.data_set.len() - 1000);
    let instance = cut.sop_instance.clone();
    let (answer, status) = send_one(cut);
    let answer = answer.expect("a failure is answered, too");
    assert_eq!(answer.status & 0xF000, 0xC000, "cannot understand: {answer:?}");
    assert!(answer.comment.contains("ends"), "{answer:?}");
    assert!(status.contains(&instance), "{status}");
}

#[test]
fn a_scanner_that_vanishes_in_the_middle_of_an_image_leaves_nothing_behind() {
    let mut node = receiving();
    let image = one_image();
    let association =
        Association::request("CT1", AE_TITLE, node.port, std::slice::from_ref(&image));
    association.expect("accepted").store_and_vanish(&image).expect("half of it is sent");
    assert_status_tells(&node, &["0 instances", &image.sop_instance]);
    assert!(node.is_alive());
    assert_eq!(send(&node, &[image])[0].as_ref().map(|answer| answer.status), Ok(0x0000));
}

#[test]
fn an_image_without_study_instance_uid_is_answered_with_a_failure_that_names_it() {
    let nameless = one_image().without(tags::STUDY_INSTANCE_UID);
    let (answer, status) = send_one(nameless);
    let answer = answer.expect("a failure is answered, too");
    assert!(answer.status >= 0xA000, "{answer:?}");
    assert_eq!(answer.comment, "no Study Instance UID");
    assert!(status.contains("Study Instance UID"), "{status}");
}

#[test]
fn a_series_with_a_missing_slice_gives_no_result_and_explain_says_why() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let node = Setup::new()
        .rules("phantom.toml", EMPHYSEMA_ON_PHANTOMS)
        .scanner("CT1")
        .pacs(&pacs)
        .start();
    let mut chest = phantom::small_chest("gap");
    chest.instances.remove(6);
    send_well(&node, &chest);
    let said = node.wait_until_explained(&chest.series, "failed", PATIENCE);
    assert!(said.contains("gap") || said.contains("missing"), "{said}");
    assert!(pacs.received().is_empty());
    assert_status_tells(&node, &["1 failed"]);
}

#[test]
fn a_rule_that_asks_for_even_spacing_skips_a_series_with_a_missing_slice() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::up("PACS");
    let rule = EMPHYSEMA_ON_PHANTOMS
        .replace("[rule.then]", "[rule.require]\nspacing = \"even\"\n\n[rule.then]");
    let node = Setup::new().rules("phantom.toml", &rule).scanner("CT1").pacs(&pacs).start();
    let mut chest = phantom::small_chest("uneven");
    chest.instances.remove(6);
    send_well(&node, &chest);
    let said = node.wait_until_explained(&chest.series, "skipped", PATIENCE);
    assert!(said.contains("spacing"), "{said}");
}

#[test]
fn a_model_file_that_is_not_onnx_stops_the_start_with_the_models_name() {
    let Some(_) = need::onnx_runtime() else { return };
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    copy(&need::root().join("models/emphysema"), &folder.path().join("emphysema"));
    let graphs = files_below(folder.path());
    let graph = graphs.iter().find(|path| path.extension().is_some_and(|end| end == "onnx"));
    std::fs::write(graph.expect("the model has a graph"), "not a graph").expect("written");
    let node = Setup::new().models(folder.path()).lay_out();

    let altered = node.refuses_to_start();
    assert!(altered.contains("emphysema") && altered.contains("SHA-256"), "{altered}");

    // Whoever tells the manifest the new digest still has no model.
    let digests = |text: &str| -> Vec<String> {
        let words = text.split(|letter: char| !letter.is_ascii_hexdigit());
        words.filter(|word| word.len() == 64).map(String::from).collect()
    };
    let [found, expected] = digests(&altered).try_into().expect("both digests are told");
    let manifest = folder.path().join("emphysema/model.toml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest can be read");
    std::fs::write(&manifest, text.replace(&expected, &found)).expect("written");
    let node = Setup::new().models(folder.path()).lay_out();
    let said = node.refuses_to_start();
    assert!(said.contains("emphysema") && said.contains("ONNX"), "{said}");
}

#[test]
fn a_rule_with_a_typo_stops_the_start_with_file_line_caret_and_the_nearest_word() {
    let rule = EMPHYSEMA_ON_PHANTOMS.replace("PatientID", "PatientDI");
    let pacs = Pacs::down("PACS");
    let node = Setup::new().rules("phantom.toml", &rule).pacs(&pacs).lay_out();
    let line = rule.lines().position(|line| line.contains("PatientDI")).expect("it is there") + 1;
    let checked = node.gantry(&["check"]);
    assert!(!checked.success);
    for said in [node.refuses_to_start(), checked.out + &checked.err] {
        for word in ["phantom.toml", &line.to_string(), "^", "PatientDI", "PatientID"] {
            assert!(said.contains(word), "{word:?} is not in:\n{said}");
        }
    }
}

#[test]
fn a_pacs_that_is_down_gets_its_results_when_it_comes_up() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let mut pacs = Pacs::down("PACS");
    let node = Setup::new()
        .rules("phantom.toml", EMPHYSEMA_ON_PHANTOMS)
        .scanner("CT1")
        .pacs(&pacs)
        .start();
    let chest = phantom::small_chest("patience");
    send_well(&node, &chest);
    let said = node.wait_until_explained(&chest.series, "tried", PATIENCE);
    assert!(said.contains("PACS"), "{said}");
    assert_status_tells(&node, &["PACS: 2 queued", "last trouble"]);
    pacs.come_up();
    pacs.wait_for(2, PATIENCE);
    node.wait_until_explained(&chest.series, "delivered", PATIENCE);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a temporary folder can be written");
    for file in files_below(from) {
        let name = file.strip_prefix(from).expect("it lies below");
        let target = to.join(name);
        std::fs::create_dir_all(target.parent().expect("a file lies in a folder")).expect("made");
        std::fs::copy(&file, target).expect("copied");
    }
}
