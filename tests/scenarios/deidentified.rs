//! De-identification at the border: a research peer gets the study without the patient, the PACS gets it as it is.

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_deidentification::deidentify::{Kind, deidentify};
use gantry_deidentification::elements::Syntax;
use gantry_deidentification::key::Key;
use gantry_deidentification::profile::{Profile, ProfileOption};
use kit::instance::{Instance, files_below};
use kit::modality::dcmsend;
use kit::node::{AE_TITLE, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom, ports, validators};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

const RULES: &str = r#"
[[rule]]
name = "everything goes on"
on = "series"

[rule.select]
Modality = ["CT", "US"]

[rule.then]
forward = ["RESEARCH", "PACS"]
"#;

const PROFILE: &str = "\n[deidentification.trial]\ndates = \"shifted\"\nclean-descriptors = true\n";

/// What no file of the research peer may hold.
const OF_PATIENT: [&str; 5] = ["Quibble", "HN-4711", "Ward Zero", "ACC-0815", "20190917"];

/// Of a patient of this house.
fn in_house(instance: &Instance) -> Instance {
    let mut object = instance.object();
    for (tag, vr, value) in [
        (tags::PATIENT_NAME, VR::PN, "Quibble^Henry"),
        (tags::PATIENT_ID, VR::LO, "HN-4711"),
        (tags::ACCESSION_NUMBER, VR::SH, "ACC-0815"),
        (tags::INSTITUTION_NAME, VR::LO, "Ward Zero"),
        (tags::STUDY_DATE, VR::DA, "20190917"),
        (tags::STUDY_DESCRIPTION, VR::LO, "Chest of Quibble"),
    ] {
        object.put(DataElement::new(tag, vr, value));
    }
    let mut data_set = Vec::new();
    let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
    object.write_dataset_with_ts(&mut data_set, &syntax).expect("memory can be written");
    Instance { data_set, ..instance.clone() }
}

fn send(instances: &[Instance], port: u16) {
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(instances, folder.path());
    dcmsend("CT1", AE_TITLE, port, folder.path()).expect("all are stored");
}

fn pixels(instance: &Instance) -> Option<DataElement<InMemDicomObject>> {
    instance.object().element(tags::PIXEL_DATA).cloned().ok()
}

/// The received files of one study under its pseudonym, which hold nothing of the patient.
fn without_patient(files: &[kit::instance::ReceivedFile]) -> Vec<Instance> {
    files
        .iter()
        .map(|file| {
            let bytes = std::fs::read(&file.path).expect("it can be read");
            for word in OF_PATIENT {
                let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
                assert!(!found, "{word} in {}", file.path.display());
            }
            Instance::read(&file.path)
        })
        .collect()
}

fn all(instances: &[Instance], tag: dicom_core::Tag) -> BTreeSet<String> {
    instances.iter().map(|instance| instance.text(tag)).collect()
}

#[test]
fn a_research_peer_gets_studies_without_the_patient_the_same_over_time_and_the_pacs_as_they_are() {
    let Some(()) = need::dcmtk() else { return };
    let (mut research, pacs) = (Pacs::up("RESEARCH"), Pacs::up("PACS"));
    let setup = Setup::new().rules("a.toml", RULES).scanner("CT1").pacs(&pacs).pacs(&research);
    let mut node = setup.peer_line("deidentify = \"trial\"").further(PROFILE).start();
    let first: Vec<Instance> =
        phantom::small_chest("first visit").instances[..3].iter().map(in_house).collect();
    send(&first, node.port);
    let received = research.wait_for(3, PATIENCE);
    let left = without_patient(&received);
    for (file, instance) in received.iter().zip(&left) {
        let was = first.iter().find(|was| pixels(was) == pixels(instance)).expect("its pixels");
        assert_ne!(was.sop_instance, instance.sop_instance);
        assert_eq!(instance.text(tags::PATIENT_IDENTITY_REMOVED), "YES");
        assert_eq!(instance.text(tags::STUDY_DESCRIPTION), "Chest of");
        let before = TempDir::new().expect("a temporary folder");
        let path = before.path().join("before.dcm");
        std::fs::write(&path, was.part10()).expect("the folder can be written");
        let faults = further_faults(&file.path, &path);
        assert!(faults.is_empty(), "{faults:#?}");
    }
    for tag in [tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID, tags::PATIENT_ID] {
        assert_eq!(all(&left, tag).len(), 1, "one for all images");
    }
    let as_they_were = |expected: &[Instance]| {
        for file in pacs.wait_for(expected.len(), PATIENCE) {
            let got = Instance::read(&file.path);
            assert!(expected.contains(&got), "byte for byte");
        }
    };
    as_they_were(&first);

    // What is in hand when the node is killed goes once, and the next visit is of the same patient.
    research.go_down();
    let second: Vec<Instance> =
        phantom::small_chest("second visit").instances[..3].iter().map(in_house).collect();
    send(&second, node.port);
    as_they_were(&[&first[..], &second[..]].concat());
    node.kill9();
    research.come_up();
    node.start();
    let left = without_patient(&research.wait_for(6, PATIENCE));
    assert_eq!(left.len(), 6);
    assert_eq!(all(&left, tags::PATIENT_ID).len(), 1, "the same pseudonym");
    assert_eq!(all(&left, tags::STUDY_INSTANCE_UID).len(), 2, "two studies");
    assert_eq!(all(&left, tags::STUDY_DATE).len(), 1, "of the same day, moved by the same days");

    // What may have the name burned in goes to the PACS only.
    let mut ultrasound = first[0].with(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    let fresh = "2.25.4711";
    ultrasound = ultrasound.with(tags::SOP_INSTANCE_UID, VR::UI, fresh);
    ultrasound = ultrasound.with(tags::SERIES_INSTANCE_UID, VR::UI, "2.25.4712");
    ultrasound.sop_instance = fresh.into();
    send(&[ultrasound], node.port);
    pacs.wait_for(7, PATIENCE);
    let parked = ports::wait_for(PATIENCE, || {
        let said = node.gantry(&["outbox", "list"]).out;
        said.contains("BurnedInAnnotation").then_some(said)
    });
    assert!(parked.is_some(), "{}", node.gantry(&["outbox", "list"]).out);
    assert_eq!(research.received().len(), 6);
    for said in [node.log(), node.status(), parked.unwrap_or_default()] {
        assert!(OF_PATIENT.iter().all(|word| !said.contains(word)), "{said}");
    }
}

/// But for what annex E asks for: a DICOMDIR would want what is emptied.
fn further_faults(after: &Path, before: &Path) -> Vec<String> {
    let mut faults = validators::further_faults(after, before);
    faults.retain(|fault| !fault.contains("needed to build DICOMDIR"));
    faults
}

/// The same of an object under other UIDs: what is told of a UID was told of the original before.
fn further_faults_under(
    pseudonyms: &BTreeMap<(Kind, String), String>,
    after: &Path,
    before: &Path,
) -> Vec<String> {
    let told = validators::told(before);
    let mut faults = further_faults(after, before);
    faults.retain(|fault| {
        let uids = pseudonyms.iter().filter(|((_, uid), _)| fault.contains(uid.as_str()));
        let was = uids.fold(fault.clone(), |fault, ((_, uid), was)| fault.replace(uid, was));
        was == *fault || !told.contains(&was)
    });
    faults
}

fn syntax_of(instance: &Instance) -> Option<Syntax> {
    let explicit = Syntax { implicit: false, big_endian: false };
    match &*instance.transfer_syntax {
        "1.2.840.10008.1.2" => Some(Syntax { implicit: true, ..explicit }),
        "1.2.840.10008.1.2.2" => Some(Syntax { big_endian: true, ..explicit }),
        "1.2.840.10008.1.2.1.99" => None,
        _ => Some(explicit),
    }
}

#[test]
fn what_leaves_of_real_objects_is_as_valid_as_they_were() {
    let Some(folder) = need::shared("data") else { return };
    use ProfileOption::*;
    let options = [CleanDescriptors, CleanStructuredContent, ModifiedDates, SafePrivate];
    let profiles =
        [Profile::basic("basic"), Profile { options: options.into(), ..Profile::basic("full") }];
    let out = TempDir::new().expect("a temporary folder");
    let (mut done, mut faults) = (0, Vec::new());
    for path in files_below(&folder) {
        let name = path.display().to_string();
        let of_series = name.contains("ct_chest") || name.contains("mr_t1");
        let size = path.metadata().expect("it is there").len();
        if size > 4 << 20 || (of_series && !name.contains("_0001.dcm")) {
            continue;
        }
        let bytes = std::fs::read(&path).expect("it can be read");
        let Some(instance) = Instance::parse(&bytes) else { continue };
        let Some(syntax) = syntax_of(&instance) else { continue };
        for profile in &profiles {
            let key = Key::new([1; 32]);
            let Ok(left) = deidentify(&instance.data_set, syntax, profile, &key) else { continue };
            let pseudonyms = left.pseudonyms;
            let left = Instance {
                sop_instance: left.sop_instance.to_string(),
                data_set: left.data_set,
                ..instance.clone()
            };
            let write = |name: &str, instance: &Instance| {
                let path = out.path().join(name);
                std::fs::write(&path, instance.part10()).expect("the folder can be written");
                path
            };
            let (before, after) = (write("before", &instance), write("after", &left));
            let found = further_faults_under(&pseudonyms, &after, &before);
            faults.extend(
                found.into_iter().map(|fault| format!("{name}: {}: {fault}", profile.name)),
            );
            done += 1;
        }
    }
    println!("{done} objects were judged");
    assert!(done > 20 && faults.is_empty(), "{done}: {faults:#?}");
}

#[test]
fn a_rule_may_let_images_leave_without_their_patient_where_the_peer_has_no_profile() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::up("PACS");
    let rules = "[[rule]]\nname = \"trial\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\n\
                 forward = [{ to = [\"PACS\"], deidentify = \"trial\", set = { ClinicalTrialSiteID = \"7\" } }]\n";
    let setup = Setup::new().rules("a.toml", rules).scanner("CT1").pacs(&pacs);
    let node = setup.further(PROFILE).start();
    let sent: Vec<Instance> =
        phantom::small_chest("by rule").instances[..2].iter().map(in_house).collect();
    send(&sent, node.port);
    for instance in without_patient(&pacs.wait_for(2, PATIENCE)) {
        assert_eq!(instance.text(tags::PATIENT_IDENTITY_REMOVED), "YES");
        assert_eq!(instance.text(tags::CLINICAL_TRIAL_SITE_ID), "7");
    }
    let said = node.explain(&sent[0].sop_instance);
    assert!(said.contains("de-identified by trial, ClinicalTrialSiteID set"), "{said}");
    let told = node.gantry(&["pseudonym", &sent[0].sop_instance]);
    assert!(told.success && told.out.contains("(profile trial)"), "{told:?}");

    // A profile that is gone is no reason to send it as it is.
    let other = rules.replace("\"trial\", set", "\"trail\", set");
    std::fs::write(node.rules().join("a.toml"), other).expect("written");
    let said = node.gantry(&["check"]);
    assert!(!said.success && (said.out + &said.err).contains("did you mean \"trial\"?"));
}

/// Native, and compressed by DCMTK in two ways: text that a device burns in is black, and every other pixel is what it was.
#[test]
fn what_a_device_burns_in_is_black_whether_it_came_compressed_or_not() {
    let Some(()) = need::dcmtk() else { return };
    const SIDE: usize = 334;
    let device = "[[deidentification.trial.device]]\nmanufacturer = \"ACME\"\nmodel = \"Probe 1\"\n\
                  rows = 334\ncolumns = 334\nblank = [[0, 0, 334, 20], [300, 100, 34, 10]]\n";
    let is_black =
        |column: usize, row: usize| row < 20 || (column >= 300 && (100..110).contains(&row));
    let research = Pacs::up("RESEARCH");
    let setup = Setup::new().scanner("CT1").pacs(&research).peer_line("deidentify = \"trial\"");
    let rules = RULES.replace("\"RESEARCH\", \"PACS\"", "\"RESEARCH\"");
    let node = setup.rules("a.toml", &rules).further(&format!("{PROFILE}{device}")).start();

    let folder = TempDir::new().expect("a temporary folder");
    let (mut sent, mut was) = (Vec::new(), BTreeMap::new());
    let ways: [&[&str]; 3] = [&["dcmconv"], &["dcmcrle", "+un"], &["dcmcjpeg", "+e1", "+un"]];
    for (way, instance) in ways.iter().zip(&phantom::small_chest("burned in").instances[8..]) {
        let instance = in_house(instance)
            .with(tags::BURNED_IN_ANNOTATION, VR::CS, "YES")
            .with(tags::MANUFACTURER, VR::LO, "ACME")
            .with(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Probe 1");
        let [native, made] = ["native.dcm", "made.dcm"].map(|name| folder.path().join(name));
        std::fs::write(&native, instance.part10()).expect("the folder can be written");
        let done = Command::new(way[0]).args(&way[1..]).args([&native, &made]).output();
        let done = done.expect("DCMTK starts");
        assert!(done.status.success(), "{way:?}: {}", String::from_utf8_lossy(&done.stderr));
        was.insert(instance.text(tags::INSTANCE_NUMBER), numbers(&instance));
        sent.push(Instance::read(&made));
    }
    let syntaxes: BTreeSet<&str> = sent.iter().map(|one| &*one.transfer_syntax).collect();
    assert_eq!(syntaxes.len(), 3, "{syntaxes:?}");
    send(&sent, node.port);
    for instance in without_patient(&research.wait_for(3, PATIENCE)) {
        let (before, after) = (&was[&instance.text(tags::INSTANCE_NUMBER)], numbers(&instance));
        assert_eq!((before.len(), after.len()), (SIDE * SIDE, SIDE * SIDE));
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            let (column, row) = (at % SIDE, at / SIDE);
            let wanted = if is_black(column, row) { 0 } else { *before };
            assert_eq!(*after, wanted, "column {column}, row {row}");
        }
        assert_eq!(instance.text(tags::BURNED_IN_ANNOTATION), "NO");
    }
}

/// Of native pixels.
fn numbers(instance: &Instance) -> Vec<u16> {
    let object = instance.object();
    let pixels = object.element(tags::PIXEL_DATA).expect("pixels");
    pixels.to_multi_int().expect("they are native")
}

/// The images and what a model found in them, to a peer without a profile, each by a word in the rule.
#[test]
fn results_may_leave_without_their_patient_beside_the_images_that_they_refer_to() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let rules = "[[rule]]\nname = \"trial\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n[rule.then]\n\
                 run = \"emphysema\"\n\
                 send = { to = [\"PACS\"], as = [\"structured-report\", \"segmentation\"], deidentify = \"trial\" }\n\
                 forward = [{ to = [\"PACS\"], deidentify = \"trial\" }]\n";
    let setup = Setup::new().rules("a.toml", rules).scanner("CT1").pacs(&pacs);
    let profile = format!("{PROFILE}clean-structured-content = true\n");
    let node = setup.further(&profile).start();
    let sent: Vec<Instance> =
        phantom::small_chest("results by rule").instances.iter().map(in_house).collect();
    send(&sent, node.port);
    let received = pacs.wait_for(sent.len() + 2, PATIENCE * 2);
    let left = without_patient(&received);
    for tag in [tags::STUDY_INSTANCE_UID, tags::PATIENT_ID, tags::PATIENT_NAME] {
        assert_eq!(all(&left, tag).len(), 1, "one for images and results");
    }
    assert_ne!(left[0].text(tags::STUDY_INSTANCE_UID), sent[0].text(tags::STUDY_INSTANCE_UID));
    assert!(left.iter().all(|one| one.text(tags::PATIENT_IDENTITY_REMOVED) == "YES"));
    let results: Vec<_> =
        received.iter().filter(|file| file.is_report() || file.modality == "SEG").collect();
    assert_eq!(results.len(), 2);
    let image = received.iter().find(|file| file.modality == "CT").expect("an image");
    results.iter().for_each(|file| validators::assert_as_valid_as(&file.path, &image.path));
    // What the results refer to is what went beside them, under the same new names.
    let paths: Vec<_> = received.iter().map(|file| file.path.clone()).collect();
    assert_eq!(validators::contradictions(&paths), Vec::<String>::new());
    let images: BTreeSet<_> = left
        .iter()
        .filter(|one| one.text(tags::MODALITY) == "CT")
        .map(|one| one.sop_instance.clone())
        .collect();
    assert_eq!(images.len(), sent.len());
    for file in results {
        let told = std::fs::read(&file.path).expect("it can be read");
        let names = |uid: &String| told.windows(uid.len()).any(|part| part == uid.as_bytes());
        assert!(images.iter().all(names), "each image is named by the name that it left under");
        let result = Instance::read(&file.path);
        assert!(!sent.iter().any(|was| names(&was.sop_instance)), "{}", result.sop_instance);
    }
    let report = received.iter().find(|file| file.is_report()).expect("a report");
    let told = node.gantry(&["pseudonym", &Instance::read(&report.path).sop_instance]);
    assert!(told.success && told.out.contains("(profile trial)"), "{told:?}");
}

#[test]
fn a_key_that_others_can_read_stops_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let data = TempDir::new().expect("a temporary folder");
    let file: &Path = &data.path().join("deidentification.key");
    std::fs::write(file, [1; 32]).expect("written");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).expect("set");
    let setup = Setup::new().data(data.path()).receiver("RESEARCH", ports::free());
    let node = setup.peer_line("deidentify = \"trial\"").further(PROFILE).lay_out();
    let said = node.refuses_to_start();
    assert!(said.contains("deidentification.key") && said.contains("chmod 600"), "{said}");
}
