//! A model in two versions that somebody brings, and the series that it works on.

#[path = "../../../inference/tests/kit/author.rs"]
#[allow(dead_code)]
pub mod author;

use author::{Author, MANIFEST, volume_graph};
use gantry::phantom::PhantomOptions;
use kit::modality::Association;
use kit::node::AE_TITLE;
use kit::phantom::{self, PhantomSeries};
use std::path::{Path, PathBuf};

/// HU from which on a voxel belongs to the mask, by the version.
pub const THRESHOLDS: [(&str, f32); 2] = [("1", -500.0), ("2", 0.0)];

pub const RULES: &str = r#"
[[rule]]
name = "everything"
[rule.select]
Modality = "CT"
[rule.then]
run  = "tiny"
send = { to = ["PACS"], as = ["structured-report"] }
"#;

const SOFT: &str = r##"
[[segmentation]]
key        = "soft"
label      = "Soft tissue"
tensor     = "same"
at-least   = THRESHOLD
category   = { value = "123037004", scheme = "SCT", meaning = "Anatomical structure" }
property   = { value = "87784001", scheme = "SCT", meaning = "Soft tissue" }
colour     = "#f0f0f0"
draw-order = 1

[[group]]
key   = "soft"
label = "Soft tissue"

[[measurement]]
key     = "soft-volume"
group   = "soft"
of      = "soft"
figure  = "volume"
concept = { value = "118565006", scheme = "SCT", meaning = "Volume" }
unit    = { value = "mL", scheme = "UCUM", meaning = "milliliter" }
"##;

/// The volume of what reaches a threshold, and the mask.
pub fn version(version: &str, threshold: f32) -> Author {
    let head = MANIFEST.split("[[group]]").next().expect("a head");
    let manifest = head
        .replace("slice-row-column", "batch-channel-slice-row-column")
        .replace("version       = \"1\"", &format!("version       = {version:?}"));
    let manifest = manifest + &SOFT.replace("THRESHOLD", &format!("{threshold:?}"));
    Author { manifest, graph: volume_graph() }
}

/// The folder of a model that somebody brings.
pub fn brought(below: &Path, author: &Author) -> PathBuf {
    author.write(below).join("tiny")
}

pub fn series(name: &str) -> PhantomSeries {
    let coarse = PhantomOptions {
        rows: 84,
        columns: 84,
        pixel_mm: 4.0,
        slices: 6,
        slice_mm: 30.0,
        ..Default::default()
    };
    phantom::make(name, &coarse)
}

pub fn send(port: u16, series: &PhantomSeries) {
    let images = &series.instances;
    let mut association = Association::request("CT1", AE_TITLE, port, images).expect("accepted");
    for image in images {
        assert_eq!(association.store(image).map(|answer| answer.status), Ok(0x0000));
    }
    association.release();
}
