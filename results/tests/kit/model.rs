//! A model whose findings are known: what it says about the phantom.

use crate::kit::phantom::in_lung;
use gantry_terms::code::Code;
use gantry_terms::findings::{Algorithm, Findings, Mask, Measurement, MeasurementGroup, NoValue};
use gantry_terms::volume::Volume;

pub fn algorithm() -> Algorithm {
    Algorithm {
        name: "emphysema".into(),
        title: "Lung densitometry".into(),
        version: "1.0.0".into(),
        manufacturer: "Gantry".into(),
        family: Code::new("123109", "DCM", "Computer-assisted"),
        digest: "93ea5109207f51a95b90daeee022dab20fda81b1bdf224648ce4251e95ae8f1f".into(),
        manifest_digest: "1".repeat(64),
        research_only: true,
    }
}

pub fn number(key: &str, concept: Code, unit: Code, value: Result<f64, NoValue>) -> Measurement {
    Measurement { key: key.into(), concept, derivation: None, unit, value }
}

pub fn groups() -> Vec<MeasurementGroup> {
    let millilitre = Code::new("mL", "UCUM", "milliliter");
    let percent = Code::new("%", "UCUM", "Percent");
    let volume = Code::new("118565006", "SCT", "Volume");
    let density = Measurement {
        derivation: Some(Code::new("373098007", "SCT", "Mean")),
        ..number(
            "mean-density",
            Code::new("112031", "DCM", "Attenuation Coefficient"),
            Code::new("[hnsf'U]", "UCUM", "Hounsfield unit"),
            Ok(-788.831_741_333_007_8),
        )
    };
    let low = Code::new("LAA950", "99GANTRY", "Low attenuation area below -950 HU");
    let site = Some(Code::new("39607008", "SCT", "Lung"));
    vec![
        MeasurementGroup {
            label: "Lungs".into(),
            finding: Some(Code::new("39607008", "SCT", "Lung")),
            site: site.clone(),
            method: Some(Code::new("THRESHOLD", "99GANTRY", "Threshold and region growing")),
            measurements: vec![
                number(
                    "lung-volume",
                    volume.clone(),
                    millilitre.clone(),
                    Ok(2_556.721_923_828_125),
                ),
                density,
            ],
            presence: None,
            answers: Vec::new(),
            frame: None,
            region: None,
            segment: Some("lung".into()),
        },
        MeasurementGroup {
            label: "Emphysema".into(),
            finding: Some(Code::new("87433001", "SCT", "Pulmonary emphysema")),
            site,
            method: None,
            measurements: vec![
                number("laa-950", low, percent, Ok(1.345_4)),
                number("laa-volume", volume, millilitre, Err(NoValue::MeasurementFailure)),
            ],
            presence: None,
            answers: Vec::new(),
            frame: None,
            region: None,
            segment: Some("laa".into()),
        },
    ]
}

/// Lung where the phantom has it, emphysema in its upper half.
pub fn findings(volume: &Volume) -> Findings {
    let geometry = &volume.geometry;
    let mut lung = Vec::with_capacity(geometry.voxels());
    let mut low = Vec::with_capacity(geometry.voxels());
    for slice in 0..geometry.slices {
        for row in 0..geometry.rows {
            for column in 0..geometry.columns {
                let inside = in_lung(geometry, slice, row, column);
                lung.push(u8::from(inside));
                low.push(u8::from(inside && row < geometry.rows * 4 / 10));
            }
        }
    }
    Findings {
        algorithm: algorithm(),
        procedure: Code::new("25045-6", "LN", "CT unspecified body region"),
        groups: groups(),
        masks: masks(lung, low),
        derived: Vec::new(),
        remarks: Vec::new(),
    }
}

pub fn masks(lung: Vec<u8>, low: Vec<u8>) -> Vec<Mask> {
    let mask = |key: &str, label: &str, colour, voxels| Mask {
        key: key.into(),
        label: label.into(),
        category: Code::new("123037004", "SCT", "Anatomical Structure"),
        property: Code::new("39607008", "SCT", "Lung"),
        colour,
        voxels,
        probabilities: Vec::new(),
    };
    vec![
        mask("lung", "Lung", [64, 160, 255], lung),
        mask("laa", "Low attenuation (< -950 HU)", [255, 80, 60], low),
    ]
}
