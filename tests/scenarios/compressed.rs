//! A PACS that takes one lossless compression and nothing else gets every pixel and every other element, as DCMTK and pydicom read them.

use kit::instance::{Instance, ReceivedFile, files_below};
use kit::modality::Association;
use kit::node::{AE_TITLE, Node, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom, ports};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const CLASSES: [&str; 6] = [
    CT,
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.1",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
];
const SINGLE_BITS: &str = "1.2.840.10008.5.1.4.1.1.7.1";
/// Some slices are enough.
const REAL: usize = 3;

/// The only syntax of a PACS, as DCMTK calls it, and what DCMTK undoes it with.
struct Way {
    name: &'static str,
    syntax: &'static str,
    uid: &'static str,
    back: &'static str,
}

const JPEG: Way = Way {
    name: "JPEG",
    syntax: "JPEGLossless:Non-hierarchical-1stOrderPrediction",
    uid: "1.2.840.10008.1.2.4.70",
    back: "dcmdjpeg",
};
const RLE: Way =
    Way { name: "RLE", syntax: "RLELossless", uid: "1.2.840.10008.1.2.5", back: "dcmdrle" };
const JPEG_LS: Way = Way {
    name: "JPEGLS",
    syntax: "JPEGLSLossless",
    uid: "1.2.840.10008.1.2.4.80",
    back: "dcmdjpls",
};

fn python(program: &Path, arguments: &[&OsStr]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/compressed.py");
    let done = Command::new(program).arg(script).args(arguments).output().expect("it starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {said}");
}

/// Slices as a scanner made them, without compression.
fn real_slices() -> Vec<Instance> {
    let Some(folder) = need::shared("data/ct_chest_A0002_B40f") else { return Vec::new() };
    Instance::read_folder(&folder).into_iter().take(REAL).collect()
}

fn send(node: &Node, images: &[Instance]) {
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, images).expect("accepted");
    for image in images {
        assert_eq!(association.store(image).map(|answer| answer.status), Ok(0));
    }
    association.release();
}

fn arrives_whole(way: &Way) {
    let Some(()) = need::dcmtk() else { return };
    let Some(program) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = TempDir::new().expect("a folder");
    let made = folder.path().join("made");
    std::fs::create_dir(&made).expect("a fresh folder");
    python(&program, &["make".as_ref(), made.as_ref()]);
    let mut images = Instance::read_folder(&made);
    images.extend(phantom::small_chest("compressed").instances.into_iter().take(1));
    images.extend(real_slices());

    let pacs = Pacs::taking_in(way.name, &CLASSES, way.syntax);
    let forward = format!(
        "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = {{ like = \"*\" }}\n\
         [rule.then]\nforward = [\"{}\"]\n",
        way.name
    );
    let setup = Setup::new().rules("archive.toml", &forward).scanner("CT1");
    let node = setup.pacs(&pacs).start();
    send(&node, &images);
    let received = pacs.wait_for(images.len() - 1, PATIENCE);
    let received: HashMap<String, ReceivedFile> =
        received.into_iter().map(|file| (file.sop_instance.clone(), file)).collect();

    let (source, plain) = (folder.path().join("source.dcm"), folder.path().join("plain.dcm"));
    for image in images.iter().filter(|image| image.sop_class != SINGLE_BITS) {
        let file = &received[&image.sop_instance].path;
        assert_eq!(Instance::read(file).transfer_syntax, way.uid);
        std::fs::write(&source, image.part10()).expect("written");
        let done = Command::new(way.back).args([file, &plain]).output().expect("it starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let paths: [&PathBuf; 3] = [&source, file, &plain];
        let [source, file, plain] = paths.map(|path| path.as_os_str());
        python(&program, &["compare".as_ref(), source, file, plain]);
    }

    let reason =
        format!("the peer takes only {}, and the object has samples of other than", way.uid);
    let parked = || Some(node.gantry(&["outbox", "list"]).out).filter(|out| out.contains(&reason));
    let parked = ports::wait_for(PATIENCE, parked);
    assert!(parked.is_some(), "{}\n{}", node.gantry(&["outbox", "list"]).out, node.log());
    assert_eq!(files_below(pacs.folder()).len(), images.len() - 1);
}

#[test]
fn a_pacs_that_takes_only_jpeg_lossless_gets_every_pixel() {
    arrives_whole(&JPEG);
}

#[test]
fn a_pacs_that_takes_only_rle_gets_every_pixel() {
    arrives_whole(&RLE);
}

#[test]
fn a_pacs_that_takes_only_jpeg_ls_gets_every_pixel() {
    let Some(()) = need::jpeg_ls() else { return };
    arrives_whole(&JPEG_LS);
}
