//! A PACS that takes native objects only gets colours, lossy images and deflated objects, too: beside what DCMTK makes of the same files.

use kit::difficult_pacs::{DifficultPacs, Manner};
use kit::instance::Instance;
use kit::modality::send;
use kit::node::Setup;
use kit::{need, ports};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const NATIVE: &str = "1.2.840.10008.1.2.1";

/// Compressed by the first program, and made native again by the second.
const WAYS: [(&[&str], &[&str], &str); 5] = [
    (&["dcmcrle"], &["dcmdrle"], "1.2.840.10008.1.2.5"),
    (&["dcmcjpeg", "+e1", "+un"], &["dcmdjpeg"], "1.2.840.10008.1.2.4.70"),
    (&["dcmcjpeg", "+eb", "+s4", "+un"], &["dcmdjpeg"], "1.2.840.10008.1.2.4.50"),
    (&["dcmcjpeg", "+eb", "+s2", "+un"], &["dcmdjpeg"], "1.2.840.10008.1.2.4.50"),
    (&["dcmconv", "+td"], &["dcmconv", "+te"], "1.2.840.10008.1.2.1.99"),
];

fn run(words: &[&str], from: &Path, to: &Path) {
    let (program, options) = words.split_first().expect("a program");
    let done = Command::new(program).args(options).args([from, to]).output().expect("it starts");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn coloured(python: &PathBuf, arguments: &[&std::ffi::OsStr]) -> Vec<u8> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/coloured.py");
    let done = Command::new(python).arg(script).args(arguments).output().expect("it starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

#[test]
fn colours_lossy_images_and_deflated_objects_arrive_as_dcmtk_would_have_made_them_native() {
    let Some(()) = need::dcmtk() else { return };
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = TempDir::new().expect("a folder");
    let at = |name: String| folder.path().join(name);
    let number = WAYS.len().to_string();
    coloured(&python, &["make".as_ref(), folder.path().as_ref(), number.as_ref()]);
    let mut images = Vec::new();
    for (way, (there, back, syntax)) in WAYS.iter().enumerate() {
        let compressed = at(format!("{way}.compressed"));
        run(there, &at(format!("{way}.dcm")), &compressed);
        run(back, &compressed, &at(format!("{way}.reference")));
        images.push(Instance::read(&compressed));
        assert_eq!(images[way].transfer_syntax, *syntax);
    }

    let pacs = DifficultPacs::up("PACS", &[], |_| Manner::Takes);
    pacs.takes_only_uncompressed();
    let forward = "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"OT\"\n\
                   [rule.then]\nforward = [\"PACS\"]\n";
    let setup = Setup::new().rules("archive.toml", forward).scanner("CT1");
    let node = setup.receiver("PACS", pacs.port).start();
    send("CT1", &node, &images);
    let all = || (pacs.seen().taken.len() == images.len()).then_some(());
    assert!(ports::wait_for(PATIENCE, all).is_some(), "{}\n{}", node.status(), node.log());

    let taken = pacs.seen().data_sets;
    for (way, image) in images.iter().enumerate() {
        let data_set = taken[&image.sop_instance].clone();
        let ours = Instance { data_set, transfer_syntax: NATIVE.into(), ..image.clone() };
        let (file, reference) = (at(format!("{way}.ours")), at(format!("{way}.reference")));
        std::fs::write(&file, ours.part10()).expect("written");
        let said = coloured(&python, &["compare".as_ref(), file.as_ref(), reference.as_ref()]);
        let told: Value = serde_json::from_slice(&said).expect("JSON");
        let is_lossy = image.transfer_syntax.ends_with(".50");
        assert_eq!((&told["photometric"], &told["reference"]), (&"RGB".into(), &"RGB".into()));
        assert_eq!(told["planar"], 0, "{told}");
        assert_eq!(told["lossy"], if is_lossy { "01" } else { "" }, "{told}");
        // Two decoders round an inverse cosine transform, and fill in halved colours, in their own ways.
        let (most, mean) = if is_lossy { (6, 1.0) } else { (0, 0.0) };
        assert!(told["most"].as_i64() <= Some(most), "{:?}: {told}", WAYS[way]);
        assert!(told["mean"].as_f64() <= Some(mean), "{:?}: {told}", WAYS[way]);
    }
}
