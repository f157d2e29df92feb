//! The actors of these tests: a phantom that is scanned, a model that finds something in it, and the validators of other makers.
#![allow(dead_code, reason = "each test program uses a part of the kit")]

pub mod cases;
pub mod cells;
pub mod cines;
pub mod ct;
pub mod enhanced;
pub mod film;
pub mod modalities;
pub mod model;
pub mod phantom;
pub mod places;
pub mod readers;
pub mod reading;
pub mod tables;
pub mod validators;
pub mod voxels;

use gantry_results::{Provenance, ResultObject, Station};
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::path::{Path, PathBuf};

/// 14 May 2024, 09:50:00.25 UTC.
pub const AT: Moment = Moment(1_715_680_200_250_000);

pub fn provenance() -> Provenance {
    Provenance {
        station: Station {
            name: "GANTRY01".into(),
            manufacturer: "Gantry".into(),
            model_name: "gantry".into(),
            serial: "0001".into(),
            version: "0.1.0".into(),
            observer_uid: Uid::derived(&["test installation"]),
            ae_title: AeTitle::parse("GANTRY").expect("a title"),
        },
        rule: "emphysema on thin chest CT".into(),
        rules_digest: "0a1b2c".into(),
        revision: 1,
        earlier: None,
        at: AT,
        slot: 1,
    }
}

/// The result as a Part 10 file in `folder`.
pub fn file(folder: &Path, name: &str, result: &ResultObject) -> PathBuf {
    let path = folder.join(name);
    let meta = phantom::meta(&result.sop_class, &result.sop_instance, &result.transfer_syntax);
    std::fs::write(&path, [meta, result.data_set.clone()].concat()).expect("a file");
    path
}

/// The source instances as files in `folder`.
pub fn source_files(folder: &Path, scan: &phantom::Scan) -> Vec<PathBuf> {
    let write = |(index, file): (usize, &Vec<u8>)| {
        let path = folder.join(format!("source-{index:04}.dcm"));
        std::fs::write(&path, file).expect("a file");
        path
    };
    scan.files.iter().enumerate().map(write).collect()
}
