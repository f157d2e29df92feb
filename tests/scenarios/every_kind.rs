//! Every kind of result of a volume at two archives of other makers: equal to what was made, and of one study.

use kit::instance::{Instance, files_below};
use kit::modality::Association;
use kit::node::{AE_TITLE, Setup};
use kit::orthanc::{self, Orthanc};
use kit::pacs::Pacs;
use kit::validators::{assert_valid, contradictions};
use kit::{need, phantom, ports};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(180);

/// One of each, but for derived images and pictures by themselves: these are as many as images came.
const KINDS: [(&str, &str); 11] = [
    ("structured-report", "1.2.840.10008.5.1.4.1.1.88.34"),
    ("text-report", "1.2.840.10008.5.1.4.1.1.88.11"),
    ("encapsulated-pdf", "1.2.840.10008.5.1.4.1.1.104.1"),
    ("secondary-capture", "1.2.840.10008.5.1.4.1.1.7.4"),
    ("secondary-capture-images", CAPTURE),
    ("segmentation", SEGMENTATION),
    ("fractional-segmentation", SEGMENTATION),
    ("parametric-map", "1.2.840.10008.5.1.4.1.1.30"),
    ("derived-images", CT),
    ("key-objects", "1.2.840.10008.5.1.4.1.1.88.59"),
    ("presentation-state", "1.2.840.10008.5.1.4.1.1.11.1"),
];
const SEGMENTATION: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn run(python: &Path, script: &str, paths: &[&Path]) -> String {
    let output = Command::new(python).args(["-W", "ignore", "-c", script]).args(paths).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_kind_of_result_is_at_orthanc_and_at_dcmtk_as_it_was_made() {
    let (Some(()), Some(()), Some(_)) = (need::dcmtk(), need::orthanc(), need::onnx_runtime())
    else {
        return;
    };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let in_folder = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    };
    let models = in_folder("models");
    let model = in_folder("models/every-kind");
    let manifest = need::root().join("tests/scenarios/models/every-kind.toml");
    std::fs::copy(manifest, model.join("model.toml")).expect("copied");
    run(&python, include_str!("../kit/air_model.py"), &[&model.join("model.onnx")]);
    let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
    let rule = format!(
        "[[rule]]\nname = \"air in phantoms\"\n[rule.select]\nModality = \"CT\"\nPatientID = \"PHANTOM\"\n\
         [rule.then]\nrun = \"every-kind\"\nsend = {{ to = [\"PACS\", \"{}\"], as = {names:?} }}\n",
        orthanc::AE_TITLE
    );
    let pacs = Pacs::up("PACS");
    let port = ports::free();
    let archive = Orthanc::up(AE_TITLE, port);
    let setup = Setup::new().port(port).models(&models).rules("air.toml", &rule);
    let setup = setup.scanner("CT1").pacs(&pacs).receiver(orthanc::AE_TITLE, archive.port);
    let node = setup.start();
    let chest = phantom::small_chest("every kind");
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &chest.instances).expect("accepted");
    for image in &chest.instances {
        assert_eq!(association.store(image).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();

    let results = KINDS.len() - 2 + 2 * chest.instances.len();
    let received = pacs.wait_for(results, PATIENCE);
    archive.wait_for(results);
    let at_pacs: BTreeMap<String, Instance> = received
        .iter()
        .map(|file| (file.sop_instance.clone(), Instance::read(&file.path)))
        .collect();
    let at_orthanc: BTreeMap<String, Instance> = archive
        .all("instances")
        .iter()
        .map(|name| Instance::parse(&archive.file(name)).expect("a Part 10 file"))
        .map(|instance| (instance.sop_instance.clone(), instance))
        .collect();
    let exported = in_folder("exported");
    let to = exported.to_string_lossy().into_owned();
    let told = node.gantry(&["export", &chest.study, "--to", &to]);
    assert!(told.success, "{told:?}");
    let made: BTreeMap<String, Instance> = Instance::read_folder(&exported)
        .into_iter()
        .map(|instance| (instance.sop_instance.clone(), instance))
        .collect();
    for (name, archived) in [("DCMTK", &at_pacs), ("Orthanc", &at_orthanc)] {
        assert_eq!(archived.len(), results, "{name}");
        let mut classes: Vec<&str> =
            archived.values().map(|instance| instance.sop_class.as_str()).collect();
        let further = [CT, CAPTURE].repeat(chest.instances.len() - 1);
        let kinds = KINDS.iter().map(|(_, class)| *class);
        let mut expected: Vec<&str> = kinds.chain(further).collect();
        classes.sort_unstable();
        expected.sort_unstable();
        assert_eq!(classes, expected, "{name}");
        for (sop_instance, instance) in archived {
            let same = |here: &Instance| match name {
                // It writes sequences with lengths of its own.
                "Orthanc" => here.says_the_same_as(instance),
                _ => here == instance,
            };
            assert!(
                made.get(sop_instance).is_some_and(same),
                "{name}: {sop_instance} of {}",
                instance.sop_class
            );
        }
    }

    received.iter().for_each(|file| assert_valid(&file.path));
    let studies: BTreeSet<&str> = received.iter().map(|file| file.study.as_str()).collect();
    assert_eq!(studies, BTreeSet::from([chest.study.as_str()]));
    let sources = in_folder("sources");
    Instance::write_all(&chest.instances, &sources);
    let mut all: Vec<PathBuf> = files_below(&sources);
    all.extend(received.iter().map(|file| file.path.clone()));
    assert_eq!(contradictions(&all), Vec::<String>::new());

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let binary = received.iter().find(|file| {
        let kind = dicom_dictionary_std::tags::SEGMENTATION_TYPE;
        file.sop_class == SEGMENTATION && Instance::read(&file.path).text(kind) == "BINARY"
    });
    let binary = binary.expect("a segmentation");
    let written = in_folder("dcmqi");
    let volumes = run(
        &python,
        include_str!("../kit/volume_by_dcmqi.py"),
        &[&written, &report.path, &binary.path],
    );
    let volumes: Vec<&str> = volumes.lines().collect();
    let [in_report, of_segment] = volumes[..] else { panic!("two volumes: {volumes:?}") };
    assert_eq!(in_report, of_segment, "to the last digit that the report has");
}
