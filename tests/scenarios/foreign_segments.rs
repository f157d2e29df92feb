//! Segments that others made: `gantry show` draws them over the images that they name, or that lie in their planes, or says what is missing.

use kit::instance::Instance;
use kit::modality::Association;
use kit::node::{AE_TITLE, Setup};
use kit::pacs::Pacs;
use kit::{need, phantom};
use std::path::{Path, PathBuf};
use std::process::Command;

const NOTHING: &str = "[[rule]]\nname = \"nothing\"\n[rule.select]\nModality = \"MR\"\n[rule.then]\nforward = [\"PACS\"]\n";

/// All PNG files of a folder, by name.
fn pictures(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("the folder was written").flatten();
    let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

#[test]
fn segments_that_name_no_image_are_drawn_over_those_that_lie_in_their_planes() {
    let Some(python) = need::private_program("GANTRY_PYTHON", "python") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("images");
    std::fs::create_dir_all(&images).expect("a folder");
    let chest = phantom::small_chest("foreign");
    Instance::write_all(&chest.instances, &images);
    let files = ["named", "planes", "nowhere"].map(|name| folder.path().join(name));
    let script = include_str!("../kit/foreign_segments.py");
    let output = Command::new(&python)
        .args(["-W", "ignore", "-c", script])
        .arg(&images)
        .args(&files)
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let pacs = Pacs::up("PACS");
    let node = Setup::new().rules("nothing.toml", NOTHING).scanner("CT1").pacs(&pacs).start();
    let segs: Vec<Instance> = files.iter().map(|path| Instance::read(path)).collect();
    let sent: Vec<Instance> = chest.instances.iter().chain(&segs).cloned().collect();
    let mut association =
        Association::request("CT1", AE_TITLE, node.port, &sent).expect("accepted");
    for instance in &sent {
        assert_eq!(association.store(instance).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();
    node.wait_until_indexed();

    let to = |name: &str| folder.path().join(format!("pictures-{name}"));
    let show = |at: usize, name: &str| {
        node.gantry(&["show", &segs[at].sop_instance, "--to", &to(name).to_string_lossy()])
    };
    for (at, name) in ["named", "planes"].into_iter().enumerate() {
        let shown = show(at, name);
        assert!(shown.success && shown.out.contains("segment 1, Lung: on 3 images"), "{shown:?}");
    }
    let named = pictures(&to("named"));
    assert_eq!(named.len(), 3);
    assert!(named[0] != named[1], "each is over an image of its own");
    assert!(pictures(&to("planes")) == named, "the planes are those of the images");
    let shown = show(2, "nowhere");
    assert!(!shown.success && shown.err.contains("its frame 1 names no source image"), "{shown:?}");
    assert!(shown.err.contains("no image of its study that is kept here lies in its plane"));
}
