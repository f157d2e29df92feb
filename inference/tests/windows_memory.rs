//! A volume in pieces takes memory for one batch and for the blended whole, however many pieces there are.

mod kit;

use gantry_inference::engine::Engine;
use gantry_inference::models::Models;
use kit::author::{Author, MANIFEST, volume_graph};
use std::sync::Arc;

/// The most memory that this process has had, in MiB.
fn most_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[test]
fn memory_does_not_grow_with_the_number_of_pieces() {
    let Some(library) = kit::library() else { return };
    let numbers = MANIFEST.find("[[group]]").unwrap();
    let head = MANIFEST[..numbers].replace("\"slice-row", "\"batch-channel-slice-row");
    let manifest = format!(
        "{head}[input.windows]\nsize = [32, 32, 32]\noverlap = 0.75\nblending = \"gaussian\"\nbatch = 4\n\
         [[segmentation]]\nkey = \"mask\"\nlabel = \"Mask\"\ntensor = \"scores\"\nclass = 1\n\
         category = {{ value = \"123037004\", scheme = \"SCT\", meaning = \"Anatomical structure\" }}\n\
         property = {{ value = \"39607008\", scheme = \"SCT\", meaning = \"Lung\" }}\n\
         colour = \"#ff0080\"\ndraw-order = 1\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let models = Models::load(&Author { manifest, graph: volume_graph() }.write(folder.path()));
    let engine = Engine::start(Arc::new(models.unwrap()), kit::options(library)).unwrap();
    let volume = Arc::new(kit::air(128, 128));
    let before = most_mib();
    let findings = kit::wait(engine.infer("tiny", vec![volume])).unwrap();
    assert!(findings.masks[0].voxels.iter().all(|voxel| *voxel == 0));
    // 13^3 windows, whose answers have 549 MiB; the volume has 8, and the blended whole 24.
    let grown = most_mib().zip(before).map(|(after, before)| after - before);
    println!("grown by {grown:?} MiB");
    assert!(grown.is_none_or(|mib| mib < 200), "{grown:?} MiB");
}
