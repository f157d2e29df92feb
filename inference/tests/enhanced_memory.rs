//! What an enhanced image takes beside its own bytes: its volume, and half as much again while that is put in order.

mod kit;

use gantry_inference::assembly::Assembly;
use gantry_inference::manifest::Manifest;
use kit::author::MANIFEST;
use kit::modality::{Scan, sequence, text};
use std::path::Path;

const FRAMES: usize = 160;
const MIB: usize = 1 << 20;

/// A line of /proc/self/status (proc(5)), in MiB.
fn mib(name: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? / 1024)
}

/// The functional groups of frames 2 mm apart.
fn groups() -> Vec<u8> {
    let of = |tag: u32, items: &[(u32, &[u8; 2], &str)]| {
        let (mut item, mut group) = (Vec::new(), Vec::new());
        items.iter().for_each(|(tag, vr, value)| text(&mut item, *tag, vr, value));
        sequence(&mut group, tag, false, &item);
        group
    };
    let shared = [
        of(0x0020_9116, &[(0x0020_0037, b"DS", "1\\0\\0\\0\\1\\0")]),
        of(0x0028_9110, &[(0x0028_0030, b"DS", "0.7\\0.7")]),
        of(0x0028_9145, &[(0x0028_1052, b"DS", "-1024"), (0x0028_1053, b"DS", "1")]),
    ];
    let mut more = Vec::new();
    sequence(&mut more, 0x5200_9229, true, &shared.concat());
    more.extend_from_slice(b"\x00\x52\x30\x92SQ\0\0\xFF\xFF\xFF\xFF");
    for frame in 0..FRAMES {
        let place = format!("0\\0\\{}", 2 * frame);
        let group = of(0x0020_9113, &[(0x0020_0032, b"DS", &place)]);
        more.extend_from_slice(b"\xFE\xFF\x00\xE0");
        more.extend_from_slice(&(group.len() as u32).to_le_bytes());
        more.extend_from_slice(&group);
    }
    more.extend_from_slice(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    more
}

#[test]
fn no_second_copy_of_an_enhanced_image_is_made_beside_its_volume() {
    let scan = Scan {
        rows: 512,
        columns: 512,
        frames: Some("160"),
        more: groups(),
        pixels: vec![24; 512 * 512 * FRAMES],
        ..Scan::default()
    };
    let file = scan.file();
    drop(scan);
    let manifest = Manifest::parse(Path::new("model.toml"), MANIFEST).unwrap();
    let of_volume = 512 * 512 * FRAMES * 4 / MIB;
    // The peak begins anew here.
    let begun = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = mib("VmRSS:");
    let mut assembly = Assembly::new(manifest.lead());
    assembly.add(&file).unwrap();
    drop(file);
    let volume = assembly.finish().unwrap();
    assert_eq!((volume.geometry.slices, volume.voxels.len()), (FRAMES, 512 * 512 * FRAMES));
    assert!(volume.voxels.iter().all(|voxel| *voxel == -1000.0));
    let grown = mib("VmHWM:").zip(before).map(|(peak, before)| peak.saturating_sub(before));
    println!("grown by {grown:?} MiB for a volume of {of_volume} MiB");
    // A copy of the pixels beside the slices and the volume would be half of it more.
    let most = of_volume + of_volume / 2 + 16;
    assert!(!begun || grown.is_none_or(|mib| mib < most), "{grown:?} MiB");
}
