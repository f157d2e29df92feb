//! A label map for the archive that takes one and the same segments as bits for those that do not, and a map of numbers for all.

use kit::instance::{Instance, ReceivedFile};
use kit::modality::Association;
use kit::node::{AE_TITLE, Setup};
use kit::orthanc::{self, Orthanc};
use kit::pacs::{Pacs, STRUCTURED_REPORT};
use kit::validators::{assert_valid, contradictions, report_tree};
use kit::{need, phantom, ports};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
const LABEL_MAP: &str = "1.2.840.10008.5.1.4.1.1.66.7";
const BITS: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const MAP: &str = "1.2.840.10008.5.1.4.1.1.30";

fn rule(peers: &[&str], results: &str) -> String {
    format!(
        "[[rule]]\nname = \"air in phantoms\"\n[rule.select]\nModality = \"CT\"\nPatientID = \"PHANTOM\"\n\
         [rule.then]\nrun = \"air-maps\"\nsend = {{ to = {peers:?}, as = {results} }}\n"
    )
}

/// The model's folder, in a folder of models.
fn model(python: &Path, models: &Path) {
    let model = models.join("air-maps");
    std::fs::create_dir_all(&model).expect("a folder");
    let manifest = need::root().join("tests/scenarios/models/air-maps.toml");
    std::fs::copy(manifest, model.join("model.toml")).expect("copied");
    run(python, include_str!("../kit/air_model.py"), &[&model.join("model.onnx")]);
}

fn run(python: &Path, script: &str, paths: &[&Path]) -> String {
    let output = Command::new(python).args(["-W", "ignore", "-c", script]).args(paths).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn of_class<'a>(files: &'a [ReceivedFile], class: &str) -> Option<&'a ReceivedFile> {
    files.iter().find(|file| file.sop_class == class)
}

#[test]
fn an_archive_gets_the_label_map_if_it_takes_one_and_the_segments_as_bits_if_not() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let models = folder.path().join("models");
    model(&python, &models);
    // DCMTK's storescp knows no label maps, unless its profile names them.
    let modern = Pacs::taking("MODERN", &[LABEL_MAP, BITS, MAP, STRUCTURED_REPORT]);
    let old = Pacs::up("OLD");
    let port = ports::free();
    let archive = need::orthanc().map(|()| Orthanc::up(AE_TITLE, port));
    let mut peers = vec!["MODERN", "OLD"];
    peers.extend(archive.as_ref().map(|_| orthanc::AE_TITLE));
    let results = "[\"structured-report\", \"label-map\", \"parametric-map\"]";
    let rules = rule(&peers, results);
    let mut setup = Setup::new().port(port).models(&models).rules("air.toml", &rules);
    setup = setup.scanner("CT1").pacs(&modern).pacs(&old);
    if let Some(archive) = &archive {
        setup = setup.receiver(orthanc::AE_TITLE, archive.port);
    }
    let node = setup.start();
    let chest = phantom::small_chest("mapped");
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &chest.instances).expect("accepted");
    for image in &chest.instances {
        assert_eq!(association.store(image).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();

    let sources = folder.path().join("sources");
    std::fs::create_dir_all(&sources).expect("a folder");
    Instance::write_all(&chest.instances, &sources);
    let mut received = Vec::new();
    for (pacs, taken, other) in [(&modern, LABEL_MAP, BITS), (&old, BITS, LABEL_MAP)] {
        let files = pacs.wait_for(3, PATIENCE);
        files.iter().for_each(|file| assert_valid(&file.path));
        let classes = [taken, MAP, STRUCTURED_REPORT].map(|class| of_class(&files, class));
        assert!(classes.iter().all(Option::is_some), "{}: {files:?}", pacs.ae_title);
        assert!(of_class(&files, other).is_none(), "{}", pacs.ae_title);
        let mut all: Vec<PathBuf> = kit::instance::files_below(&sources);
        all.extend(files.iter().map(|file| file.path.clone()));
        assert_eq!(contradictions(&all), Vec::<String>::new(), "{}", pacs.ae_title);
        // It is one for all archives, and may name nothing that some of them do not have.
        let report = of_class(&files, STRUCTURED_REPORT).expect("a report");
        assert!(!report_tree(&report.path).contains("Referenced Segment"));
        received.push(files);
    }
    let [labels, bits] = [(&received[0], LABEL_MAP), (&received[1], BITS)]
        .map(|(files, class)| of_class(files, class).expect("it was received"));
    let map = of_class(&received[0], MAP).expect("it was received");

    let told = node.wait_until_explained(&chest.series, "to OLD as Segmentation", PATIENCE);
    let line = told.lines().find(|line| line.contains("to OLD as Segmentation"));
    let line = line.expect("the delivery");
    assert!(line.contains(&format!("in the place of {} ", labels.sop_instance)), "{line}");
    assert!(line.contains(&format!("does not take SOP class {LABEL_MAP}")), "{line}");
    for result in [labels, bits, map] {
        let again = node.gantry(&["reproduce", &result.sop_instance]);
        assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
        let (here, there) = (node.kept(&result.sop_instance), Instance::read(&result.path));
        assert_eq!(here.transfer_syntax, there.transfer_syntax);
        assert!(here.data_set == there.data_set, "{result:?}: other bytes than the node made");
    }
    let pictures = folder.path().join("pictures").to_string_lossy().into_owned();
    for (result, said) in [
        (labels, "segment 1, Air: on "),
        (bits, "segment 1, Air: on "),
        (map, "Class activation: "),
    ] {
        let shown = node.gantry(&["show", &result.sop_instance, "--to", &pictures]);
        assert!(shown.success && shown.out.contains(said), "{shown:?}");
        assert!(!shown.out.contains("Background"), "{shown:?}");
    }
    let paths = [&sources, &labels.path, &bits.path, &map.path, Path::new(&pictures)];
    let compared = run(&python, include_str!("../kit/air_maps.py"), &paths);
    assert_eq!(compared, "LABELMAP True\nBINARY True\nMAP True\n");
    for result in [labels, bits] {
        let paths = [Path::new(&pictures), &result.path];
        assert_eq!(run(&python, include_str!("../kit/drawn_segments.py"), &paths), "");
    }

    let Some(archive) = archive else { return };
    archive.wait_for(3);
    let classes: Vec<String> = archive
        .all("instances")
        .iter()
        .map(|id| archive.get(&format!("/instances/{id}/tags?simplify")))
        .map(|tags| tags["SOPClassUID"].as_str().unwrap_or_default().to_owned())
        .collect();
    for class in [BITS, MAP, STRUCTURED_REPORT] {
        assert!(classes.iter().any(|known| known == class), "{classes:?}");
    }
    for name in archive.all("instances") {
        let there = Instance::parse(&archive.file(&name)).expect("a Part 10 file");
        let here = node.kept(&there.sop_instance);
        assert!(here.says_the_same_as(&there), "{}: other values", there.sop_class);
    }
}

/// The report can refer to the bits then, and a peer that refuses the label map gets no bits twice.
#[test]
fn beside_a_segmentation_a_label_map_is_refused_and_not_replaced() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let models = tempfile::tempdir().expect("a temporary folder");
    model(&python, models.path());
    let old = Pacs::up("OLD");
    let results = "[\"structured-report\", \"label-map\", \"segmentation\"]";
    let rules = rule(&["OLD"], results);
    let setup = Setup::new().models(models.path()).rules("air.toml", &rules);
    let node = setup.scanner("CT1").pacs(&old).start();
    let chest = phantom::small_chest("beside");
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &chest.instances).expect("accepted");
    for image in &chest.instances {
        assert_eq!(association.store(image).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();
    let done = || Some(node.status()).filter(|out| out.contains("0 queued, 2 delivered, 1 parked"));
    assert!(ports::wait_for(PATIENCE, done).is_some(), "{}", node.status());
    let files = old.received();
    assert_eq!(files.len(), 2, "{files:?}");
    let report = of_class(&files, STRUCTURED_REPORT).expect("a report");
    assert!(of_class(&files, BITS).is_some());
    assert!(report_tree(&report.path).contains("Referenced Segment"));
}
