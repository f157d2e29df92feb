//! Findings at places: boxes in volumes, a rectangle of a film, and what was not found.

use crate::kit::model;
use gantry_terms::code::Code;
use gantry_terms::findings::{Findings, Measurement, MeasurementGroup, Presence};
use gantry_terms::geometry::Geometry;
use gantry_terms::region::{Parallelepiped, Place, Region};
use gantry_terms::volume::Volume;

pub const ORANGE: [u8; 3] = [255, 128, 0];

pub fn group(label: &str, probability: f64, place: Option<Place>) -> MeasurementGroup {
    let number = Measurement {
        key: "nodule-1".into(),
        concept: Code::new("111012", "DCM", "Certainty of Finding"),
        derivation: None,
        unit: Code::new("%", "UCUM", "Percent"),
        value: Ok(probability),
    };
    MeasurementGroup {
        label: label.into(),
        finding: Some(Code::new("27925004", "SCT", "Nodule")),
        site: Some(Code::new("39607008", "SCT", "Lung")),
        method: None,
        measurements: if place.is_some() { vec![number] } else { Vec::new() },
        presence: if place.is_some() { None } else { Some(Presence::Absent) },
        answers: Vec::new(),
        frame: None,
        region: place.map(|place| Region { colour: ORANGE, place }),
        segment: None,
    }
}

/// So many voxels of a volume, from outer face to outer face: slices, rows, columns.
pub fn voxels(geometry: &Geometry, low: [usize; 3], high: [usize; 3]) -> Place {
    let mm = [
        geometry.normal().map(|part| part * geometry.slice_step),
        geometry.column_direction.map(|part| part * geometry.pixel_spacing[0]),
        geometry.row_direction.map(|part| part * geometry.pixel_spacing[1]),
    ];
    let at = |a: usize| -> f64 { (0..3).map(|b| (low[b] as f64 - 0.5) * mm[b][a]).sum() };
    let corner = [0, 1, 2].map(|a| geometry.origin[a] + at(a));
    let edges = [0, 1, 2].map(|b| mm[b].map(|part| part * (high[b] - low[b]) as f64));
    Place::Patient(Parallelepiped { corner, edges })
}

/// A box over several slices, one on a single slice, and something that was not found.
pub fn findings(volume: &Volume) -> Findings {
    let geometry = &volume.geometry;
    let slices = geometry.slices;
    let large = voxels(geometry, [0, 8, 12], [slices.min(3), 20, 20]);
    let flat = voxels(geometry, [slices - 1, 2, 3], [slices, 6, 9]);
    Findings {
        groups: vec![
            group("Nodule 1", 93.25, Some(large)),
            group("Nodule 2", 51.5, Some(flat)),
            group("Mass", 0.0, None),
        ],
        masks: Vec::new(),
        remarks: vec!["nodule: the best 2 of 5 boxes".into()],
        ..model::findings(volume)
    }
}
