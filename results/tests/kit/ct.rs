//! The real chest CT of the shared test data, when this machine has it.

use crate::kit::model;
use crate::kit::phantom::{Scan, references};
use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject};
use gantry_results::Source;
use gantry_terms::findings::Findings;
use gantry_terms::geometry::Geometry;
use gantry_terms::uid::Uid;
use gantry_terms::volume::{SliceSource, Volume};
use std::path::{Path, PathBuf};

type Object = FileDicomObject<InMemDicomObject>;

pub fn folder() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/ct_chest_A0002_B40f");
    if !data.is_dir() {
        println!("skipped: the shared chest CT is not on this machine");
        return None;
    }
    Some(data)
}

/// The series, ordered towards the head.
pub fn scan() -> Option<Scan> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder()?)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let mut slices: Vec<(Vec<u8>, Object)> = paths
        .iter()
        .map(|path| {
            (std::fs::read(path).expect("a file"), dicom_object::open_file(path).expect("a CT"))
        })
        .collect();
    slices.sort_by(|a, b| position(&a.1)[2].total_cmp(&position(&b.1)[2]));
    let volume = volume(&slices.iter().map(|(_, object)| object).collect::<Vec<_>>());
    let files: Vec<Vec<u8>> = slices.into_iter().map(|(file, _)| file).collect();
    let source = Source::read(&files[0], references(&volume)).expect("a readable source");
    Some(Scan { files, volume, source })
}

fn numbers(object: &Object, tag: dicom_core::Tag) -> Vec<f64> {
    object.element(tag).expect("an attribute").to_multi_float64().expect("numbers")
}

fn position(object: &Object) -> [f64; 3] {
    numbers(object, tags::IMAGE_POSITION_PATIENT).try_into().expect("three numbers")
}

fn volume(objects: &[&Object]) -> Volume {
    let uid = |object: &Object, tag| {
        Uid::parse(&object.element(tag).expect("a UID").to_str().expect("text")).expect("a UID")
    };
    let spacing = numbers(objects[0], tags::PIXEL_SPACING);
    let voxels = objects.iter().flat_map(|object| {
        let pixels = object.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
        let pairs: Vec<f32> = pixels
            .chunks_exact(2)
            .map(|pair| f32::from(u16::from_le_bytes([pair[0], pair[1]])) - 1024.0)
            .collect();
        pairs
    });
    Volume {
        voxels: voxels.collect(),
        geometry: Geometry {
            slices: objects.len(),
            rows: 512,
            columns: 512,
            origin: position(objects[0]),
            row_direction: [1.0, 0.0, 0.0],
            column_direction: [0.0, 1.0, 0.0],
            pixel_spacing: [spacing[0], spacing[1]],
            slice_step: position(objects[1])[2] - position(objects[0])[2],
        },
        slices: objects
            .iter()
            .map(|object| SliceSource {
                sop_class: uid(object, tags::SOP_CLASS_UID),
                sop_instance: uid(object, tags::SOP_INSTANCE_UID),
                frame: None,
                position: position(object),
            })
            .collect(),
        frame_of_reference: Some(uid(objects[0], tags::FRAME_OF_REFERENCE_UID)),
        displayed: false,
    }
}

/// Air inside the body: what is below -500 HU and not reached from the border of its slice.
pub fn findings(volume: &Volume) -> Findings {
    let size = volume.geometry.rows * volume.geometry.columns;
    let lung: Vec<u8> = volume
        .voxels
        .chunks(size)
        .flat_map(|slice| inside(slice, volume.geometry.columns))
        .collect();
    let low = lung.iter().zip(&volume.voxels).map(|(l, hu)| u8::from(*l == 1 && *hu < -930.0));
    let low = low.collect();
    Findings { masks: model::masks(lung, low), ..model::findings(volume) }
}

fn inside(slice: &[f32], columns: usize) -> Vec<u8> {
    let mut mask: Vec<u8> = slice.iter().map(|hu| u8::from(*hu < -500.0)).collect();
    let rows = slice.len() / columns;
    let border = |i: &usize| {
        let (row, column) = (i / columns, i % columns);
        row == 0 || column == 0 || row == rows - 1 || column == columns - 1
    };
    let mut open: Vec<usize> = (0..slice.len()).filter(border).collect();
    while let Some(at) = open.pop() {
        if mask[at] == 0 {
            continue;
        }
        mask[at] = 0;
        let (row, column) = (at / columns, at % columns);
        open.extend((column > 0).then(|| at - 1));
        open.extend((column + 1 < columns).then(|| at + 1));
        open.extend((row > 0).then(|| at - columns));
        open.extend((row + 1 < rows).then(|| at + columns));
    }
    mask
}
