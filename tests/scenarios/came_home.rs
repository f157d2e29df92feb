//! Results that come home: a research peer makes something of what it got without the patient, and the PACS gets it with the patient.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use gantry::phantom::PhantomOptions;
use kit::instance::Instance;
use kit::modality::{Association, dcmsend};
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom, ports, validators};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// Of everything that is decided: what came home must not be among it.
const RULES: &str = r#"
[[rule]]
name = "everything goes on"
on = "series"

[rule.select]
Modality = ["CT", "SEG"]

[rule.then]
forward = ["RESEARCH", "PACS"]
"#;
const CONFIG: &str = "\n[deidentification.trial]\ndates = \"shifted\"\n\n[[peer]]\nae-title = \"RESULTS\"\n\
                      returns = \"trial\"\nreturns-to = [\"PACS\"]\n";
const OF_PATIENT: [&str; 4] = ["Quibble", "HN-4711", "ACC-0815", "20190917"];
/// More than a segment holds.
const IMAGES: usize = 40;

fn in_house(instance: &Instance) -> Instance {
    [
        (tags::PATIENT_NAME, VR::PN, "Quibble^Henry"),
        (tags::PATIENT_ID, VR::LO, "HN-4711"),
        (tags::ACCESSION_NUMBER, VR::SH, "ACC-0815"),
        (tags::STUDY_DATE, VR::DA, "20190917"),
        (tags::STUDY_DESCRIPTION, VR::LO, "Chest"),
    ]
    .into_iter()
    .fold(instance.clone(), |instance, (tag, vr, value)| instance.with(tag, vr, value))
}

/// What the research peer makes of what it got.
fn made(python: &Path, of: &Path, to: &Path) -> Instance {
    let script = include_str!("../kit/research.py");
    let output = Command::new(python).args(["-c", script]).args([of, to]).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Instance::read(to)
}

fn answer(node: &Node, instance: &Instance) -> (u16, String) {
    let instances = std::slice::from_ref(instance);
    let mut association =
        Association::request("RESULTS", AE_TITLE, node.port, instances).expect("it is let in");
    let answer = association.store(instance).expect("it is answered");
    association.release();
    (answer.status, answer.comment)
}

/// Every SOP Instance UID that the object refers to.
fn referenced(instance: &Instance) -> BTreeSet<String> {
    fn look(object: &dicom_object::InMemDicomObject, found: &mut BTreeSet<String>) {
        for element in object {
            if element.header().tag == tags::REFERENCED_SOP_INSTANCE_UID {
                found.insert(element.to_str().expect("text").trim_end_matches('\0').to_string());
            }
            for item in element.items().into_iter().flatten() {
                look(item, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    look(&instance.object(), &mut found);
    found
}

#[test]
fn a_result_of_a_research_peer_reaches_the_pacs_with_its_patient_when_the_images_are_long_gone() {
    let Some(()) = need::dcmtk() else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let (research, pacs) = (Pacs::up("RESEARCH"), Pacs::up("PACS"));
    let setup = Setup::new().rules("a.toml", RULES).scanner("CT1").pacs(&pacs).pacs(&research);
    let setup = setup.peer_line("deidentify = \"trial\"").further(CONFIG).segment_mib(16);
    let mut node = setup.retention("keep-days = 0.00001").start();
    let options = PhantomOptions {
        rows: 512,
        columns: 512,
        pixel_mm: 0.7,
        slices: IMAGES as u16,
        slice_mm: 4.5,
        ..PhantomOptions::default()
    };
    let sent: Vec<Instance> =
        phantom::make("home", &options).instances.iter().map(in_house).collect();
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(&sent, folder.path());
    dcmsend("CT1", AE_TITLE, node.port, folder.path()).expect("all are stored");
    research.wait_for(IMAGES, PATIENCE);
    pacs.wait_for(IMAGES, PATIENCE);
    let gone = || node.log().contains("a segment is evicted").then_some(());
    assert!(ports::wait_for(PATIENCE, gone).is_some(), "nothing is evicted");
    node.kill9();
    node.start();

    let outside = made(&python, research.folder(), &folder.path().join("made.dcm"));
    for word in OF_PATIENT {
        let word = word.as_bytes();
        assert!(!outside.data_set.windows(word.len()).any(|part| part == word), "nothing of him");
    }
    // Twice: it may have missed the answer.
    for _ in 0..2 {
        assert_eq!(answer(&node, &outside), (0x0000, String::new()), "{}", node.log());
    }
    let arrived = pacs.wait_for(IMAGES + 1, PATIENCE);
    let file = arrived.iter().find(|file| file.modality == "SEG").expect("the segmentation");
    let home = Instance::read(&file.path);
    for (tag, expected) in [
        (tags::PATIENT_NAME, "Quibble^Henry"),
        (tags::PATIENT_ID, "HN-4711"),
        (tags::ACCESSION_NUMBER, "ACC-0815"),
        (tags::STUDY_DATE, "20190917"),
        (tags::STUDY_DESCRIPTION, "Chest"),
        (tags::STUDY_INSTANCE_UID, &sent[0].text(tags::STUDY_INSTANCE_UID)),
        (tags::FRAME_OF_REFERENCE_UID, &sent[0].text(tags::FRAME_OF_REFERENCE_UID)),
        (tags::SERIES_INSTANCE_UID, &outside.text(tags::SERIES_INSTANCE_UID)),
        (tags::CONTENT_DATE, &outside.text(tags::CONTENT_DATE)),
    ] {
        assert_eq!(home.text(tag), expected, "{tag}");
    }
    assert_eq!(home.sop_instance, outside.sop_instance);
    let sources = sent.iter().map(|instance| instance.sop_instance.clone());
    assert_eq!(referenced(&home), sources.collect::<BTreeSet<_>>());
    assert!(home.object().element(tags::PATIENT_IDENTITY_REMOVED).is_err());
    validators::assert_as_valid_as(&file.path, &folder.path().join("made.dcm"));

    // It is no image that anybody sent: no rule selects it, and it does not go round.
    let said = node.explain(&home.sop_instance);
    assert!(said.contains("came home from RESULTS"), "{said}");
    assert!(said.contains("to PACS") && !said.contains("RESEARCH"), "{said}");
    assert_eq!(research.received().len(), IMAGES);

    refusals(&node, &outside, &research);
    assert_eq!(pacs.received().len(), IMAGES + 1);
    told(&node, &sent[0], &outside);
    for said in [node.log(), node.status()] {
        assert!(OF_PATIENT.iter().all(|word| !said.contains(word)), "{said}");
    }
}

/// What is not known is not guessed, and who sends it hears why.
fn refusals(node: &Node, outside: &Instance, research: &Pacs) {
    let other = |tag, vr, value: &str| {
        let fresh = format!("2.25.{}", tag_number(tag));
        let mut other = outside.with(tags::SOP_INSTANCE_UID, VR::UI, &fresh).with(tag, vr, value);
        other.sop_instance = fresh;
        other
    };
    let left = Instance::read(&research.received()[0].path);
    for (instance, status, comment) in [
        (
            other(tags::STUDY_INSTANCE_UID, VR::UI, "2.25.1"),
            0xC010,
            "no study of this UID left here",
        ),
        (
            other(tags::PATIENT_ID, VR::LO, "HN-0001"),
            0xC011,
            "patient and study do not belong together",
        ),
        (left, 0xC012, "this instance is no result: it is known here"),
    ] {
        assert_eq!(answer(node, &instance), (status, comment.to_string()));
    }
    let said = ports::wait_for(PATIENCE, || {
        Some(node.status())
            .filter(|said| said.contains("did not leave here under the profile trial"))
    });
    assert!(said.is_some(), "{}", node.status());
}

fn tag_number(tag: dicom_core::Tag) -> u32 {
    (u32::from(tag.group()) << 16) + u32::from(tag.element())
}

/// `gantry pseudonym` in both directions.
fn told(node: &Node, sent: &Instance, outside: &Instance) {
    let study = sent.text(tags::STUDY_INSTANCE_UID);
    let pseudonym = outside.text(tags::STUDY_INSTANCE_UID);
    for value in [&study, &pseudonym] {
        let said = node.gantry(&["pseudonym", value]);
        assert!(said.success, "{said:?}");
        let told = format!("study {study}\n  is outside {pseudonym} (profile trial)\n");
        assert!(said.out.contains(&told), "{}", said.out);
    }
    let said = node.gantry(&["pseudonym", "HN-4711"]).out;
    let patient = outside.text(tags::PATIENT_ID);
    assert!(said.contains(&format!("patient HN-4711\n  is outside {patient}")), "{said}");
    let nobody = node.gantry(&["pseudonym", "HN-47"]);
    assert!(!nobody.success && nobody.out.contains("nothing left here"), "{nobody:?}");
}

#[test]
fn what_left_long_ago_is_forgotten_where_the_profile_says_so() {
    let Some(()) = need::dcmtk() else { return };
    let research = Pacs::up("RESEARCH");
    let rules = RULES.replace(", \"PACS\"", "");
    let setup = Setup::new().rules("a.toml", &rules).scanner("CT1").pacs(&research);
    let setup = setup.peer_line("deidentify = \"trial\"");
    let profile = "\n[deidentification.trial]\nforget-days = 0.00002\n";
    let node = setup.further(profile).start();
    let sent = in_house(&phantom::small_chest("forgotten").instances[0]);
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(std::slice::from_ref(&sent), folder.path());
    dcmsend("CT1", AE_TITLE, node.port, folder.path()).expect("all are stored");
    research.wait_for(1, PATIENCE);
    let is_forgotten = || node.log().contains("of long ago are forgotten").then_some(());
    assert!(ports::wait_for(PATIENCE, is_forgotten).is_some(), "{}", node.log());
    assert!(!node.gantry(&["pseudonym", "HN-4711"]).success);
}

#[test]
fn another_key_or_none_where_pseudonyms_were_made_stops_the_start_until_an_admin_takes_it() {
    let data = TempDir::new().expect("a temporary folder");
    let setup = Setup::new().data(data.path()).receiver("RESEARCH", ports::free());
    let setup = setup.peer_line("deidentify = \"trial\"").further("\n[deidentification.trial]\n");
    let mut node = setup.start();
    assert!(node.stop().success());
    let file = data.path().join("deidentification.key");
    let first = std::fs::read(&file).expect("a key was made");
    std::fs::remove_file(&file).expect("removed");
    let said = node.refuses_to_start();
    for part in
        ["deidentification.key", "bring it back from a backup", "gantry pseudonym --take-key"]
    {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    assert!(!file.exists(), "no other key is made in its place");

    let taken = node.gantry(&["pseudonym", "--take-key", "--by", "an admin"]);
    assert!(taken.success && taken.out.contains("from now on"), "{taken:?}");
    node.start();
    assert!(node.stop().success());
    let second = std::fs::read(&file).expect("a key was made");
    assert_ne!(first, second);
    std::fs::write(&file, &first).expect("written");
    let said = node.refuses_to_start();
    assert!(said.contains("another one than pseudonyms were made with"), "{said}");
    std::fs::write(&file, &second).expect("written");
    node.start();
}
