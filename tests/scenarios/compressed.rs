//! A PACS that takes one lossless compression and nothing else gets every pixel and every other element, as DCMTK and pydicom read them.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use kit::instance::{Instance, ReceivedFile, files_below};
use kit::modality::send;
use kit::node::Setup;
use kit::pacs::Pacs;
use kit::{need, phantom, ports};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);
const SINGLE_BITS: &str = "1.2.840.10008.5.1.4.1.1.7.1";
const FRACTIONS: &str = "1.2.840.10008.5.1.4.1.1.30";
const REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.11";
const CLASSES: [&str; 8] = [
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
    SINGLE_BITS,
    FRACTIONS,
    REPORT,
];
/// Some slices are enough.
const REAL: usize = 3;

/// The only syntax of a PACS, as DCMTK calls it, and what DCMTK undoes it with.
struct Way {
    name: &'static str,
    syntax: &'static str,
    uid: &'static str,
    back: &'static str,
    /// What DCMTK compresses in another way with, and undoes that.
    other: [&'static [&'static str]; 2],
}

const JPEG: Way = Way {
    name: "JPEG",
    syntax: "JPEGLossless:Non-hierarchical-1stOrderPrediction",
    uid: "1.2.840.10008.1.2.4.70",
    back: "dcmdjpeg",
    other: [&["dcmcrle"], &["dcmdrle"]],
};
const RLE: Way = Way {
    name: "RLE",
    syntax: "RLELossless",
    uid: "1.2.840.10008.1.2.5",
    back: "dcmdrle",
    other: [&["dcmcjpeg", "+e1", "+un"], &["dcmdjpeg"]],
};
const JPEG_LS: Way = Way {
    name: "JPEGLS",
    syntax: "JPEGLSLossless",
    uid: "1.2.840.10008.1.2.4.80",
    back: "dcmdjpls",
    other: [&["dcmcrle"], &["dcmdrle"]],
};

fn run(words: &[&str], from: &Path, to: &Path) {
    let (program, options) = words.split_first().expect("a program");
    let done = Command::new(program).args(options).args([from, to]).output().expect("it starts");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

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

fn everything_to(pacs: &Pacs) -> Setup {
    let rule = format!(
        "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = {{ like = \"*\" }}\n\
         [rule.then]\nforward = [\"{}\"]\n",
        pacs.ae_title
    );
    Setup::new().rules("archive.toml", &rule).scanner("CT1").pacs(pacs)
}

fn received(pacs: &Pacs, count: usize) -> HashMap<String, ReceivedFile> {
    let files = pacs.wait_for(count, PATIENCE).into_iter();
    files.map(|file| (file.sop_instance.clone(), file)).collect()
}

fn arrives_whole(way: &Way) {
    let Some(()) = need::dcmtk() else { return };
    let Some(program) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = TempDir::new().expect("a folder");
    let made = folder.path().join("made");
    std::fs::create_dir(&made).expect("a fresh folder");
    python(&program, &["make".as_ref(), made.as_ref()]);
    let further = Instance::read_folder(&made.join("further"));
    std::fs::remove_dir_all(made.join("further")).expect("it was read");
    let mut images = Instance::read_folder(&made);
    images.extend(phantom::small_chest("compressed").instances.into_iter().take(1));
    images.extend(real_slices());
    // One is kept in another compression, and one deflated as a whole.
    let mut sent = [&images[..], &further].concat();
    for (at, [there, back]) in [(1, way.other), (2, [&["dcmconv", "+td"], &["dcmconv", "+te"]])] {
        let (kept, native) = (folder.path().join("kept.dcm"), folder.path().join("native.dcm"));
        run(there, &made.join(format!("{at:02}.dcm")), &kept);
        run(back, &kept, &native);
        (sent[at], images[at]) = (Instance::read(&kept), Instance::read(&native));
        assert!(!["1.2.840.10008.1.2.1", way.uid].contains(&&*sent[at].transfer_syntax));
    }

    let pacs = Pacs::taking_in(way.name, &CLASSES, &[way.syntax]);
    let node = everything_to(&pacs).start();
    send("CT1", &node, &sent);
    let received = received(&pacs, images.len());
    let (source, plain) = (folder.path().join("source.dcm"), folder.path().join("plain.dcm"));
    for image in &images {
        let file = &received[&image.sop_instance].path;
        assert_eq!(Instance::read(file).transfer_syntax, way.uid);
        std::fs::write(&source, image.part10()).expect("written");
        run(&[way.back], file, &plain);
        let paths: [&PathBuf; 3] = [&source, file, &plain];
        let [source, file, plain] = paths.map(|path| path.as_os_str());
        python(&program, &["compare".as_ref(), source, file, plain]);
    }

    // What is not compressed is parked, and the reason says who must act.
    let must = format!(
        "the peer takes only {} and must take an uncompressed syntax: the object ",
        way.uid
    );
    let reasons = [
        (SINGLE_BITS, format!("{must}has samples of other than 8 or 16 bits allocated")),
        (FRACTIONS, format!("{must}has no Pixel Data of whole numbers")),
        (REPORT, format!("the peer does not take SOP class {REPORT}")),
    ];
    for (class, reason) in reasons {
        let listed =
            || Some(node.gantry(&["outbox", "list"]).out).filter(|out| out.contains(&reason));
        let parked = ports::wait_for(PATIENCE, listed);
        assert!(parked.is_some(), "{class}: {}", node.gantry(&["outbox", "list"]).out);
    }
    assert_eq!(files_below(pacs.folder()).len(), images.len());
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

#[test]
fn nothing_is_compressed_for_a_pacs_that_takes_any_uncompressed_syntax() {
    let Some(()) = need::dcmtk() else { return };
    let syntaxes = [JPEG.syntax, RLE.syntax, "LittleEndianImplicit"];
    let pacs = Pacs::taking_in("PACS", &CLASSES, &syntaxes);
    let node = everything_to(&pacs).start();
    let slices = &phantom::small_chest("uncompressed").instances[..3];
    send("CT1", &node, slices);
    for file in received(&pacs, slices.len()).values() {
        assert_eq!(Instance::read(&file.path).transfer_syntax, "1.2.840.10008.1.2");
    }
}

/// Also where it is kept compressed: each element is what DCMTK makes of the source.
#[test]
fn a_pacs_that_takes_only_implicit_vr_gets_every_element() {
    let Some(()) = need::dcmtk() else { return };
    let pacs = Pacs::taking_in("PACS", &CLASSES, &["LittleEndianImplicit"]);
    let node = everything_to(&pacs).start();
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let mut sent = phantom::small_chest("implicit").instances[..3].to_vec();
    std::fs::write(at("native.dcm"), sent[2].part10()).expect("written");
    let sources: HashMap<_, _> =
        sent.iter().map(|i| (i.sop_instance.clone(), i.object())).collect();
    run(&["dcmcrle", "+un"], &at("native.dcm"), &at("kept.dcm"));
    sent[2] = Instance::read(&at("kept.dcm"));
    send("CT1", &node, &sent);
    for (instance, file) in received(&pacs, sent.len()) {
        assert_eq!(Instance::read(&file.path).transfer_syntax, "1.2.840.10008.1.2");
        run(&["dcmconv", "+te"], &file.path, &at("explicit.dcm"));
        assert!(Instance::read(&at("explicit.dcm")).object() == sources[&instance], "{instance}");
    }
}

/// Native, and compressed in what the PACS would take: the name that is burned into both is blanked before they are compressed.
#[test]
fn what_leaves_without_its_patient_is_compressed_behind_that() {
    let Some(()) = need::dcmtk() else { return };
    const PROFILE: &str = "\n[deidentification.trial]\n[[deidentification.trial.device]]\n\
        manufacturer = \"ACME\"\nmodel = \"Probe 1\"\nrows = 334\ncolumns = 334\nblank = [[0, 0, 334, 20]]\n";
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let sent: Vec<Instance> = phantom::small_chest("without the patient").instances[..2]
        .iter()
        .map(|slice| {
            [
                (tags::MANUFACTURER, VR::LO, "ACME"),
                (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Probe 1"),
                (tags::BURNED_IN_ANNOTATION, VR::CS, "YES"),
                (tags::PATIENT_NAME, VR::PN, "Quibble^Henry"),
            ]
            .iter()
            .fold(slice.clone(), |slice, (tag, vr, value)| slice.with(*tag, *vr, value))
        })
        .collect();
    std::fs::write(at("native.dcm"), sent[1].part10()).expect("written");
    run(&["dcmcjpeg", "+e1", "+un"], &at("native.dcm"), &at("jpeg.dcm"));

    let pacs = Pacs::taking_in("RESEARCH", &CLASSES, &[JPEG.syntax]);
    let setup = everything_to(&pacs).peer_line("deidentify = \"trial\"").further(PROFILE);
    let node = setup.start();
    send("CT1", &node, &[sent[0].clone(), Instance::read(&at("jpeg.dcm"))]);
    let pixels = |instance: &Instance| {
        let object = instance.object();
        let pixels = object.element(tags::PIXEL_DATA).expect("it has them").to_bytes();
        pixels.expect("native").into_owned()
    };
    let mut expected: Vec<Vec<u8>> = sent.iter().map(pixels).collect();
    for pixels in &expected {
        assert!(pixels[..2 * 334 * 20].iter().any(|byte| *byte != 0), "there is what is blanked");
    }
    let arrived = received(&pacs, 2);
    for file in arrived.values() {
        let bytes = std::fs::read(&file.path).expect("it can be read");
        assert!(!bytes.windows(7).any(|part| part == b"Quibble"), "{}", file.path.display());
        assert_eq!(Instance::read(&file.path).transfer_syntax, JPEG.uid);
        run(&[JPEG.back], &file.path, &at("plain.dcm"));
        let plain = pixels(&Instance::read(&at("plain.dcm")));
        let (blank, rest) = plain.split_at(2 * 334 * 20);
        assert!(blank.chunks(2).all(|sample| sample == &blank[..2]), "it is blanked");
        let position = expected.iter().position(|was| was[blank.len()..] == *rest);
        expected.remove(position.expect("every pixel below is as it was"));
    }
}
