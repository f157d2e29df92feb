//! Ultrasound images of many frames, in grey and in colours: a model that somebody brought segments each frame, and each result says which;
//! another one makes an image of many frames of the grey one.

use kit::instance::{Instance, ReceivedFile};
use kit::modality::dcmsend;
use kit::node::{AE_TITLE, Node, Setup};
use kit::orthanc::{self, Orthanc};
use kit::pacs::Pacs;
use kit::validators::{assert_as_valid_as, report_tree};
use kit::{need, phantom, ports};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// Segmentation, label map, report, picture and key images.
const RESULTS: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.88.34",
    "1.2.840.10008.5.1.4.1.1.7.4",
    "1.2.840.10008.5.1.4.1.1.88.59",
];
/// With two segmentations.
const OF_A_CINE: usize = 6;
/// What is derived of the grey one.
const CINE: &str = "1.2.840.10008.5.1.4.1.1.3.1";

fn rule(peers: &[&str]) -> String {
    format!(
        "[[rule]]\nname = \"bright parts of cines\"\non = \"instance\"\n\n[rule.select]\nModality = \"US\"\n\
         NumberOfFrames = {{ min = 2 }}\n\n[rule.then]\nrun = \"bright-cine\"\nsend = {{ to = {peers:?}, as = \
         [\"structured-report\", \"secondary-capture\", \"segmentation\", \"fractional-segmentation\", \"label-map\", \
         \"key-objects\"] }}\n\n\
         [[rule]]\nname = \"half as bright\"\non = \"instance\"\n\n[rule.select]\nModality = \"US\"\n\
         NumberOfFrames = {{ min = 2 }}\nSamplesPerPixel = 1\n\n[rule.then]\nrun = \"dim-cine\"\n\
         send = {{ to = [\"PACS\"], as = [\"derived-images\"] }}\n"
    )
}

/// What it prints.
fn run(python: &Path, script: &str, paths: &[&Path]) -> String {
    let output = Command::new(python).args(["-W", "ignore", "-c", script]).args(paths).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_frame_of_a_cine_is_segmented_and_results_say_which_frame_they_are_of() {
    let (Some(()), Some(_)) = (need::dcmtk(), need::onnx_runtime()) else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [images, models, cines] =
        ["images", "models", "cines"].map(|name| folder.path().join(name));
    for path in [&images, &cines] {
        std::fs::create_dir_all(path).expect("a folder");
    }
    for name in ["bright-cine", "dim-cine"] {
        let model = models.join(name);
        std::fs::create_dir_all(&model).expect("a folder");
        let manifest = need::root().join(format!("tests/scenarios/models/{name}.toml"));
        std::fs::copy(manifest, model.join("model.toml")).expect("copied");
        let graph = model.join("model.onnx");
        run(&python, include_str!("../kit/cine_model.py"), &[Path::new(name), &graph]);
    }
    Instance::write_all(&phantom::small_chest("cine").instances, &images);
    let sent = ["grey.dcm", "rgb.dcm"].map(|name| cines.join(name));
    let first = images.join("0001.dcm");
    run(&python, include_str!("../kit/cine.py"), &[&first, &sent[0], &sent[1]]);

    // DCMTK's storescp knows no label maps, unless its profile names them.
    let pacs = Pacs::taking("PACS", &[&RESULTS[..], &[CINE]].concat());
    let port = ports::free();
    let archive = need::orthanc().map(|()| Orthanc::up(AE_TITLE, port));
    let mut peers = vec!["PACS"];
    peers.extend(archive.as_ref().map(|_| orthanc::AE_TITLE));
    let mut setup = Setup::new().port(port).models(&models).rules("cines.toml", &rule(&peers));
    setup = setup.scanner("US1").pacs(&pacs);
    if let Some(archive) = &archive {
        setup = setup.receiver(orthanc::AE_TITLE, archive.port);
    }
    let node = setup.start();
    dcmsend("US1", AE_TITLE, node.port, &cines).expect("the node takes cines");
    let received = pacs.wait_for(2 * OF_A_CINE + 1, PATIENCE);
    let (derived, received): (Vec<_>, Vec<_>) =
        received.into_iter().partition(|file| file.sop_class == CINE);
    for cine in &sent {
        check(&node, &python, cine, &received);
    }
    let [derived] = derived.as_slice() else { panic!("one image of many frames: {derived:?}") };
    assert_as_valid_as(&derived.path, &sent[0]);
    let compared = [sent[0].as_path(), &derived.path];
    assert_eq!(run(&python, include_str!("../kit/dimmed_cine.py"), &compared), "");
    let again = node.gantry(&["reproduce", &derived.sop_instance]);
    assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
    if let Some(archive) = &archive {
        // It takes no label maps, and has the same as bits already.
        archive.wait_for(2 * (OF_A_CINE - 1));
        assert_eq!(archive.all("studies").len(), 1, "all results lie in the study of their source");
    }
}

/// All that was made of one cine.
fn check(node: &Node, python: &Path, path: &Path, received: &[ReceivedFile]) {
    let cine = ReceivedFile::read(path).expect("a whole file");
    let explained = node.wait_until_explained(&cine.sop_instance, "Area", PATIENCE);
    let own: Vec<&ReceivedFile> =
        received.iter().filter(|file| explained.contains(&file.sop_instance)).collect();
    assert_eq!(own.len(), OF_A_CINE, "{explained}");
    for file in &own {
        assert_eq!(file.study, cine.study);
        assert_as_valid_as(&file.path, path);
    }
    let of =
        |class: &str| own.iter().find(|file| file.sop_class == class).expect("it was received");
    let [report, capture, selection] = [RESULTS[2], RESULTS[3], RESULTS[4]].map(of);
    assert!(report_tree(&report.path).contains("Referenced Segmentation Frame"));
    let segs: Vec<&&ReceivedFile> = own.iter().filter(|file| file.modality == "SEG").collect();
    assert_eq!(segs.len(), 3);
    let mut paths = vec![path, &report.path, &capture.path, &selection.path];
    paths.extend(segs.iter().map(|seg| seg.path.as_path()));
    assert_eq!(run(python, include_str!("../kit/cine_results.py"), &paths), "");

    for seg in segs {
        let to: PathBuf = path.with_extension(&seg.sop_instance);
        let shown = node.gantry(&["show", &seg.sop_instance, "--to", &to.to_string_lossy()]);
        assert!(shown.success && shown.out.contains("segment 1, Bright: on "), "{shown:?}");
        if shown.out.contains("on 6 images") {
            let drawn = [to.as_path(), &seg.path, path];
            assert_eq!(run(python, include_str!("../kit/drawn_frames.py"), &drawn), "");
        }
    }
    let again = node.gantry(&["reproduce", &capture.sop_instance]);
    assert!(again.success && again.out.contains("is the same, byte for byte"), "{again:?}");
}
