//! The masks of a model as a DICOM Segmentation at the PACS, and the report that refers to its segments.

use dicom_dictionary_std::tags::SEGMENTATION_TYPE;
use kit::instance::{Instance, ReceivedFile};
use kit::modality::Association;
use kit::node::{AE_TITLE, Node, Setup};
use kit::orthanc::{self, Orthanc};
use kit::pacs::Pacs;
use kit::validators::{
    LUNG_VOLUME, assert_as_valid_as, assert_close, assert_valid, contradictions, figure,
    measurements, report_tree, segments, state_faults,
};
use kit::{need, phantom, ports};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The report stands first here, and goes out behind what it refers to.
const RULE: &str = r#"
[[rule]]
name = "emphysema on phantoms"
on = "series"

[rule.select]
Modality = "CT"
PatientID = "PHANTOM"

[rule.then]
run = "emphysema"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture", "segmentation"] }
"#;

const AIR: &str = r#"
[[rule]]
name = "air in phantoms"
on = "series"

[rule.select]
Modality = "CT"
PatientID = "PHANTOM"

[rule.then]
run = "air-probability"
send = { to = ["PACS"], as = ["structured-report", "fractional-segmentation", "segmentation", "key-objects", "presentation-state"] }
"#;

/// Segmentation, label map, report, picture, key images and outlines.
const OF_A_FILM: [&str; 6] = [
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.88.34",
    "1.2.840.10008.5.1.4.1.1.7.4",
    "1.2.840.10008.5.1.4.1.1.88.59",
    "1.2.840.10008.5.1.4.1.1.11.1",
];

const BRIGHT: &str = r#"
[[rule]]
name = "bright parts of films"
on = "instance"

[rule.select]
Modality = "CR"

[rule.then]
run = "bright-film"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture", "segmentation", "label-map", "key-objects", "presentation-state"] }
"#;

#[test]
fn the_pacs_gets_the_lung_as_a_segment_and_a_report_that_refers_to_it() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let pacs = Pacs::up("PACS");
    let node = Setup::new().rules("phantom.toml", RULE).scanner("CT1").pacs(&pacs).start();
    let chest = phantom::chest("segmented");
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &chest.instances).expect("accepted");
    for instance in &chest.instances {
        assert_eq!(association.store(instance).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();
    let received = pacs.wait_for(3, Duration::from_secs(120));
    received.iter().for_each(|file| assert_valid(&file.path));

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let seg = received.iter().find(|file| file.modality == "SEG").expect("a segmentation");
    assert_eq!(seg.sop_class, "1.2.840.10008.5.1.4.1.1.66.4");
    assert_eq!([&seg.study, &report.study], [&chest.study; 2]);
    assert!(at(seg) <= at(report), "the segmentation is there when the report refers to it");

    let sources = tempfile::tempdir().expect("a temporary folder");
    Instance::write_all(&chest.instances, sources.path());
    let mut files: Vec<PathBuf> = kit::instance::files_below(sources.path());
    files.extend(received.iter().map(|file| file.path.clone()));
    assert_eq!(contradictions(&files), Vec::<String>::new());

    compare_drawn(&node, seg, "segment 1, Lung: on ");
    let (Some(told), Some(measured)) =
        (segments(&report.path, &seg.path), measurements(&report.path))
    else {
        return;
    };
    let [lung] = told.as_slice() else { panic!("one group is of a segment: {told:?}") };
    assert_eq!(lung["label"], "Both lungs");
    assert_eq!((&lung["same"], &lung["segment"]), (&true.into(), &1.into()));
    assert_eq!(lung["called"], "Lung");
    assert_eq!(lung["tracking"][0], lung["tracking"][1]);
    assert_eq!(lung["series"], chest.series.as_str());
    let volume = lung["millilitres"].as_f64().expect("a number");
    assert_close(volume, figure(&measured, LUNG_VOLUME, "mL"));
    let truth = volume / chest.truth.lung_volume_ml;
    assert!((truth - 1.0).abs() < 0.02, "the segment is {truth} times the truth");
}

/// One enhanced object with a frame for each slice, and a model that gives probabilities.
#[test]
fn segments_key_images_and_outlines_of_an_enhanced_image_name_its_frames() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let run = |script: &str, paths: &[&Path]| {
        let output = Command::new(&python).args(["-c", script]).args(paths).output();
        let output = output.expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (images, models) = (folder.path().join("images"), folder.path().join("models"));
    let model = models.join("air-probability");
    for path in [&images, &model] {
        std::fs::create_dir_all(path).expect("a folder");
    }
    let manifest = need::root().join("tests/scenarios/models/air-probability.toml");
    std::fs::copy(manifest, model.join("model.toml")).expect("copied");
    run(include_str!("../kit/air_model.py"), &[&model.join("model.onnx")]);
    Instance::write_all(&phantom::small_chest("air").instances, &images);
    let path = folder.path().join("enhanced");
    run(include_str!("../kit/enhanced.py"), &[&images, &path]);
    let enhanced = Instance::guess(&std::fs::read(&path).expect("the image was written"));

    let pacs = Pacs::up("PACS");
    let setup = Setup::new().models(&models).rules("air.toml", AIR);
    let node = setup.scanner("CT1").pacs(&pacs).start();
    let sent = std::slice::from_ref(&enhanced);
    let mut association = Association::request("CT1", AE_TITLE, node.port, sent).expect("accepted");
    assert_eq!(association.store(&enhanced).map(|answer| answer.status), Ok(0x0000));
    association.release();
    let received = pacs.wait_for(5, Duration::from_secs(120));
    received.iter().for_each(|file| assert_as_valid_as(&file.path, &path));

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let told = report_tree(&report.path);
    let is_of =
        |file: &&ReceivedFile| told.contains("Referenced Segment") && at(file) <= at(report);
    let segs: Vec<&ReceivedFile> =
        received.iter().filter(|file| file.modality == "SEG").filter(is_of).collect();
    let kind = |file: &ReceivedFile| Instance::read(&file.path).text(SEGMENTATION_TYPE);
    let of_kind = |wanted: &str| {
        segs.iter().find(|file| kind(file) == wanted).map(|file| file.path.as_path())
    };
    let (Some(binary), Some(fractional)) = (of_kind("BINARY"), of_kind("FRACTIONAL")) else {
        panic!("two segmentations before the report: {received:?}");
    };
    let compared = run(include_str!("../kit/air_segments.py"), &[&path, binary, fractional]);
    assert_eq!(compared, "BINARY 20\nFRACTIONAL 20\n");
    assert!(told.contains("Source image for segmentation"), "{told}");

    let of_modality = |wanted: &str| received.iter().find(|file| file.modality == wanted);
    let (Some(key_images), Some(state)) = (of_modality("KO"), of_modality("PR")) else {
        panic!("key images and a presentation state: {received:?}");
    };
    report_tree(&key_images.path);
    assert_eq!(state_faults(&state.path), Vec::<String>::new());
    let paths: [&Path; 4] = [&path, binary, &key_images.path, &state.path];
    let compared = run(include_str!("../kit/air_frames.py"), &paths);
    assert_eq!(compared, "KO 20\nPR 20\n");
    let shown = node.gantry(&["show", &key_images.sop_instance]);
    assert!(shown.success && shown.out.contains("Of Interest"), "{shown:?}");
}

/// A film that is dark where its numbers are high, and a model that says which of its pixels are shown bright.
#[test]
fn the_segments_of_a_film_lie_on_the_pixels_that_a_display_shows() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let run = |script: &str, paths: &[&Path]| {
        let output =
            Command::new(&python).args(["-W", "ignore", "-c", script]).args(paths).output();
        let output = output.expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (images, models) = (folder.path().join("images"), folder.path().join("models"));
    let model = models.join("bright-film");
    for path in [&images, &model] {
        std::fs::create_dir_all(path).expect("a folder");
    }
    let manifest = need::root().join("tests/scenarios/models/bright-film.toml");
    std::fs::copy(manifest, model.join("model.toml")).expect("copied");
    run(include_str!("../kit/bright_film_model.py"), &[&model.join("model.onnx")]);
    Instance::write_all(&phantom::small_chest("film").instances, &images);
    let path = folder.path().join("film");
    run(include_str!("../kit/bright_film.py"), &[&images.join("0001.dcm"), &path]);
    let film = Instance::guess(&std::fs::read(&path).expect("the film was written"));

    // DCMTK's storescp knows no label maps, unless its profile names them.
    let pacs = Pacs::taking("PACS", &OF_A_FILM);
    let port = ports::free();
    let archive = need::orthanc().map(|()| Orthanc::up(AE_TITLE, port));
    let mut setup = Setup::new().port(port).models(&models).scanner("CR1").pacs(&pacs);
    setup = match &archive {
        None => setup.rules("bright.toml", BRIGHT),
        Some(archive) => {
            let to_both = BRIGHT.replacen("[\"PACS\"]", "[\"PACS\", \"ORTHANC\"]", 1);
            setup.rules("bright.toml", &to_both).receiver(orthanc::AE_TITLE, archive.port)
        }
    };
    let node = setup.start();
    let sent = std::slice::from_ref(&film);
    let mut association = Association::request("CR1", AE_TITLE, node.port, sent).expect("accepted");
    assert_eq!(association.store(&film).map(|answer| answer.status), Ok(0x0000));
    association.release();
    let received = pacs.wait_for(6, Duration::from_secs(120));
    received.iter().for_each(|file| assert_as_valid_as(&file.path, &path));

    let segs: Vec<&ReceivedFile> = received.iter().filter(|file| file.modality == "SEG").collect();
    let kind = |file: &ReceivedFile| Instance::read(&file.path).text(SEGMENTATION_TYPE);
    let mut kinds: Vec<String> = segs.iter().map(|file| kind(file)).collect();
    kinds.sort();
    assert_eq!(kinds, ["BINARY", "LABELMAP"]);
    let paths: Vec<&Path> = std::iter::once(path.as_path())
        .chain(segs.iter().map(|file| file.path.as_path()))
        .collect();
    let compared = run(include_str!("../kit/bright_film_segments.py"), &paths);
    let area: f64 = compared.trim().parse().unwrap_or_else(|_| panic!("{compared}"));

    let report = received.iter().find(|file| file.is_report()).expect("a structured report");
    let told = report_tree(&report.path);
    assert!(told.contains("Referenced Segment"), "{told}");
    assert!(told.contains("Source image for segmentation"), "{told}");
    let measured = measurements(&report.path).expect("highdicom reads it");
    assert_close(figure(&measured, "42798000", "mm2"), area);

    let of_modality = |wanted: &str| received.iter().find(|file| file.modality == wanted);
    let state = of_modality("PR").expect("a presentation state");
    assert_eq!(state_faults(&state.path), Vec::<String>::new());
    report_tree(&of_modality("KO").expect("key images").path);
    for seg in segs {
        compare_drawn(&node, seg, "segment 1, Bright: on 1 images");
    }
    let capture = of_modality("CR").expect("a secondary capture");
    let again = node.gantry(&["reproduce", &capture.sop_instance]);
    assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
    let Some(archive) = archive else { return };
    // In the place of the label map, which Orthanc does not take, it has the bits already.
    archive.wait_for(5);
    let names = archive.all("instances");
    let back = names.iter().map(|name| archive.file(name));
    let state_of = |file: &Vec<u8>| {
        Instance::parse(file).filter(|instance| instance.sop_instance == state.sop_instance)
    };
    let came_back = back.filter(|file| state_of(file).is_some()).collect::<Vec<_>>();
    let [came_back] = came_back.as_slice() else { panic!("{} states", came_back.len()) };
    let kept = node.kept(&state.sop_instance);
    assert!(state_of(came_back).is_some_and(|there| there.says_the_same_as(&kept)));
    let there = folder.path().join("state from Orthanc");
    std::fs::write(&there, came_back).expect("written");
    assert_eq!(state_faults(&there), Vec::<String>::new());
    assert_as_valid_as(&there, &path);
}

/// `gantry show` draws each image that has a segment, as highdicom reads them.
fn compare_drawn(node: &Node, seg: &ReceivedFile, told: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().to_string_lossy().into_owned();
    let shown = node.gantry(&["show", &seg.sop_instance, "--to", &to]);
    assert!(shown.success, "{shown:?}");
    assert!(shown.out.contains(told), "{}", shown.out);
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let script = include_str!("../kit/drawn_segments.py");
    let output = Command::new(python).args(["-c", script, &to]).arg(&seg.path).output();
    let output = output.expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let none = node.gantry(&["show", &seg.sop_instance, "--to", &to, "--frame", "10000"]);
    assert!(!none.success && none.err.contains("there is no such picture"), "{none:?}");
}

fn at(file: &ReceivedFile) -> std::time::SystemTime {
    let written = std::fs::metadata(&file.path).and_then(|about| about.modified());
    written.expect("the file is there")
}
