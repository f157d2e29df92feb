//! What a rule changes in objects on their way to a peer: in every encoding that the node keeps, as other programs read it.

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use gantry::coerce::{By, CoerceError, apply};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::changes::{Changes, SetAttribute};
use gantry_terms::moment::Moment;
use gantry_terms::transfer_syntaxes::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::uid::Uid;
use kit::instance::{Instance, files_below};
use kit::modality::dcmsend;
use kit::node::{AE_TITLE, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom, ports, validators};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

const INSTITUTION_NAME: u32 = 0x0008_0080;

fn set(tag: u32, vr: &str, value: &str) -> SetAttribute {
    SetAttribute { tag, vr: vr.into(), values: vec![value.into()] }
}

/// Short and long values, one in each of the ways that they stand in the files, and one behind the
/// record of what was replaced.
fn changes() -> Changes {
    Changes {
        set: vec![
            set(INSTITUTION_NAME, "LO", "Clinic No. 7"),
            set(0x0008_0090, "PN", "Nobody^At^All"),
            set(0x0020_4000, "LT", "Forwarded by a rule"),
        ],
        remove: vec![0x0010_4000, 0x0010_1002, 0x0008_1040, 0x0010_21B0],
        ..Changes::default()
    }
}

fn as_json() -> String {
    let set = json!({
        "InstitutionName": "Clinic No. 7",
        "ReferringPhysicianName": "Nobody^At^All",
        "ImageComments": "Forwarded by a rule",
    });
    let remove = [
        "PatientComments",
        "OtherPatientIDsSequence",
        "InstitutionalDepartmentName",
        "AdditionalPatientHistory",
    ];
    json!({ "set": set, "remove": remove }).to_string()
}

fn coerced(instance: &Instance, changes: &Changes) -> Result<Instance, CoerceError> {
    let system = AeTitle::parse("GANTRY").expect("a title");
    let syntax = Uid::parse(&instance.transfer_syntax).expect("a UID");
    let by = By { system: &system, at: Moment::now() };
    let data_set = apply(&instance.data_set, &syntax, changes, &by)?;
    Ok(Instance { data_set, ..instance.clone() })
}

/// An object of the phantom in the encodings that no pixel has to be touched for.
fn encodings() -> Vec<(String, Instance)> {
    let made = phantom::small_chest("coerced").instances.remove(3);
    let object = made.object();
    let native = [
        ("explicit", EXPLICIT_VR_LITTLE_ENDIAN.erased()),
        ("implicit", IMPLICIT_VR_LITTLE_ENDIAN.erased()),
        ("big-endian", EXPLICIT_VR_BIG_ENDIAN.erased()),
    ];
    let mut encodings: Vec<(String, Instance)> = Vec::new();
    for (name, syntax) in native {
        let mut data_set = Vec::new();
        object.write_dataset_with_ts(&mut data_set, &syntax).expect("memory can be written");
        let transfer_syntax = syntax.uid().to_string();
        encodings.push((name.into(), Instance { data_set, transfer_syntax, ..made.clone() }));
    }
    let compression = flate2::Compression::default();
    let mut deflating = flate2::write::DeflateEncoder::new(Vec::new(), compression);
    deflating.write_all(&made.data_set).expect("memory can be written");
    let data_set = deflating.finish().expect("memory can be written");
    let transfer_syntax = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN.into();
    encodings.push(("deflated".into(), Instance { data_set, transfer_syntax, ..made }));
    encodings
}

/// One object of each series, and of each other file, that lies in ../shared.
fn shared() -> Vec<(String, Instance)> {
    let Some(folder) = need::shared("data") else { return Vec::new() };
    let mut found = Vec::new();
    for path in files_below(&folder) {
        let name =
            path.strip_prefix(&folder).expect("below it").to_string_lossy().replace('/', "_");
        let of_series = name.starts_with("ct_chest") || name.starts_with("mr_t1");
        let first = name.contains("_0001.dcm");
        let size = path.metadata().expect("it is there").len();
        let bytes = std::fs::read(&path).expect("it can be read");
        if let Some(instance) = Instance::parse(&bytes).filter(|_| size < 4 << 20)
            && (first || !of_series)
        {
            found.push((name, instance));
        }
    }
    found
}

/// Lays each object down as it was and as it became; the names of those that nothing is changed in.
fn lay_down(objects: &[(String, Instance)], changes: &Changes, folder: &Path) -> Vec<String> {
    let mut refused = Vec::new();
    for (name, instance) in objects {
        match coerced(instance, changes) {
            Ok(changed) => {
                for (instance, when) in [(instance, "before"), (&changed, "after")] {
                    let path = folder.join(format!("{name}.{when}"));
                    std::fs::write(path, instance.part10()).expect("the folder can be written");
                }
            }
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    refused
}

/// What pydicom finds to be otherwise than the changes ask for; nothing where it is not there.
fn compared(folder: &Path, changes: &str) -> Vec<String> {
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return Vec::new() };
    let output = Command::new(python)
        .args(["-c", include_str!("../kit/coerced.py")])
        .arg(folder)
        .arg(changes)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

fn succeeds(program: &str, arguments: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("DCMTK is installed").success()
}

#[test]
fn objects_in_every_encoding_are_changed_where_a_rule_says_so_and_nowhere_else() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut objects = encodings();
    objects.extend(shared());
    let refused = lay_down(&objects, &changes(), folder.path());
    // Cut within a value, which no scanner gets stored.
    let cut = ["rtplan_truncated.dcm", "MR_truncated.dcm", "jpeg_2k_lossless_too_short.dcm"];
    let others: Vec<&String> =
        refused.iter().filter(|told| !cut.iter().any(|name| told.contains(name))).collect();
    assert!(others.is_empty(), "{others:#?}");
    let faults = compared(folder.path(), &as_json());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_was_changed_is_as_valid_as_before_and_dcmtk_reads_and_modifies_it() {
    let Some(()) = need::dcmtk() else { return };
    let folder = TempDir::new().expect("a temporary folder");
    let mut objects = encodings();
    objects.extend(shared());
    // Without the comment: reports have no place for it. An institution alone would make an incomplete
    // General Equipment Module of one that the object may leave out.
    let mut changes = changes();
    changes.set.truncate(2);
    changes.set.push(set(0x0008_0070, "LO", "Maker"));
    lay_down(&objects, &changes, folder.path());
    let mut faults = Vec::new();
    for (name, instance) in &objects {
        let [before, after] =
            ["before", "after"].map(|when| folder.path().join(format!("{name}.{when}")));
        if !after.exists() {
            continue;
        }
        // dciodvfy takes what is deflated for elements.
        if instance.transfer_syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let found = validators::further_faults(&after, &before);
            faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
        }
        for (program, arguments) in [
            ("dcmdump", &["-q"] as &[&str]),
            ("dcmodify", &["-q", "-nb", "-i", "(0020,4000)=again"]),
        ] {
            let could = succeeds(program, arguments, &before);
            assert_eq!(succeeds(program, arguments, &after), could, "{program} {name}");
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn text_is_written_in_the_character_set_of_the_object_or_not_at_all() {
    let Some(folder) = need::shared("data/odd/charset") else { return };
    for (name, text) in [
        ("chrGerm.dcm", "Universitätsklinikum Süd"),
        ("chrRuss.dcm", "Больница 7"),
        ("chrH31.dcm", "病院 A"),
        ("chrKoreanMulti.dcm", "서울병원 7"),
        ("chrX1.dcm", "北京 Straße"),
        ("chrFrenMulti.dcm", "Hôpital"),
    ] {
        let instance = Instance::read(&folder.join(name));
        let changes = |text| Changes {
            set: vec![set(INSTITUTION_NAME, "LO", text)],
            remove: Vec::new(),
            ..Changes::default()
        };
        let out = TempDir::new().expect("a temporary folder");
        let refused = lay_down(&[(name.into(), instance.clone())], &changes(text), out.path());
        assert!(refused.is_empty(), "{refused:?}");
        let asked = json!({ "set": { "InstitutionName": text }, "remove": [] }).to_string();
        let faults = compared(out.path(), &asked);
        assert!(faults.is_empty(), "{faults:#?}");
        if name != "chrX1.dcm" {
            let why = coerced(&instance, &changes("ꙮ")).expect_err("no place").to_string();
            assert!(why.contains("(0008,0080)") && !why.contains('ꙮ'), "{why}");
        }
    }
}

const RULES: &str = r#"
[[rule]]
name = "archive under our name"
on = "series"

[rule.select]
Modality = "CT"

[rule.then]
forward = [
  { to = ["ARCHIVE"], set = { InstitutionName = "Clinic No. 7" }, remove = ["PatientComments"] },
  "PACS",
]
"#;

/// With a name and a comment that stay in this house.
fn in_house(instance: &Instance) -> Instance {
    let mut object = instance.object();
    object.put(DataElement::new(tags::INSTITUTION_NAME, VR::LO, "Ward Zero"));
    object.put(DataElement::new(tags::PATIENT_COMMENTS, VR::LT, "In-house"));
    let mut data_set = Vec::new();
    let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
    object.write_dataset_with_ts(&mut data_set, &syntax).expect("memory can be written");
    Instance { data_set, ..instance.clone() }
}

#[test]
fn one_peer_gets_what_the_rule_makes_of_it_and_the_other_what_the_scanner_sent() {
    let Some(()) = need::dcmtk() else { return };
    let (archive, pacs) = (Pacs::up("ARCHIVE"), Pacs::up("PACS"));
    let setup = Setup::new().rules("a.toml", RULES).scanner("CT1").pacs(&pacs).pacs(&archive);
    let node = setup.start();
    let chest = phantom::small_chest("coerced on the way");
    let sent: Vec<Instance> = chest.instances[..3].iter().map(in_house).collect();
    let folder = TempDir::new().expect("a temporary folder");
    Instance::write_all(&sent, folder.path());
    dcmsend("CT1", AE_TITLE, node.port, folder.path()).expect("all are stored");
    for (peer, changes) in [(&archive, true), (&pacs, false)] {
        let received = peer.wait_for(sent.len(), PATIENCE);
        assert_eq!(received.len(), sent.len());
        for file in received {
            let was = sent.iter().find(|one| one.sop_instance == file.sop_instance);
            let was = was.expect("under the UID that the scanner gave");
            let got = Instance::read(&file.path);
            if !changes {
                assert!(got == *was, "byte for byte");
                continue;
            }
            let (object, was) = (got.object(), was.object());
            assert_eq!(got.text(tags::INSTITUTION_NAME), "Clinic No. 7");
            assert!(object.element(tags::PATIENT_COMMENTS).is_err());
            assert!(object.element(tags::ORIGINAL_ATTRIBUTES_SEQUENCE).is_ok());
            let pixels = |of: &InMemDicomObject| of.element(tags::PIXEL_DATA).cloned().ok();
            assert!(pixels(&object).is_some() && pixels(&object) == pixels(&was));
        }
    }
    let with = "(with changes: InstitutionName set, PatientComments removed): delivered at";
    let lines = |said: &str, what: &str| said.lines().filter(|line| line.contains(what)).count();
    let said = ports::wait_for(PATIENCE, || {
        let said = node.explain(&chest.series);
        let told = lines(&said, with) == 3 && lines(&said, "to PACS: delivered at") == 3;
        told.then_some(said)
    });
    let said = said.unwrap_or_else(|| panic!("{}", node.explain(&chest.series)));
    for told in [&said, &node.log(), &node.status()] {
        assert!(!told.contains("Ward Zero") && !told.contains("In-house"), "{told}");
    }
}
