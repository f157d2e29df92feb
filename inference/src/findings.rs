//! What came out of the graph, bound to what the manifest says it means.

use crate::manifest::{Group, Manifest, MeasurementOutput, SegmentationOutput};
use crate::models::Model;
use gantry_terms::findings::{Algorithm, Findings, Mask, Measurement, MeasurementGroup, NoValue};
use gantry_terms::geometry::Geometry;

/// Tensors by name, as the run gave them.
pub trait Outputs {
    /// The shape and the elements of a tensor of numbers.
    fn numbers(&self, tensor: &str) -> Result<(&[i64], &[f32]), String>;
    /// The shape and the elements of a tensor of labels.
    fn labels(&self, tensor: &str) -> Result<(&[i64], &[u8]), String>;
}

/// An error is a graph that does not keep its manifest: the model's author must act.
pub fn interpret(
    model: &Model,
    geometry: &Geometry,
    outputs: &impl Outputs,
) -> Result<Findings, String> {
    let manifest = &model.manifest;
    let groups = manifest.groups.iter().map(|group| measure(group, manifest, outputs));
    let masks = manifest.segmentations.iter().map(|output| mask(output, geometry, outputs));
    Ok(Findings {
        algorithm: algorithm(model),
        procedure: manifest.procedure.clone(),
        groups: groups.collect::<Result<_, _>>()?,
        masks: masks.collect::<Result<_, _>>()?,
    })
}

fn algorithm(model: &Model) -> Algorithm {
    let entry = &model.manifest.algorithm;
    Algorithm {
        name: model.name.clone(),
        title: entry.title.clone(),
        version: entry.version.clone(),
        manufacturer: entry.manufacturer.clone(),
        family: entry.family.clone(),
        digest: model.digest.clone(),
        research_only: entry.research_only,
    }
}

fn measure(
    group: &Group,
    manifest: &Manifest,
    outputs: &impl Outputs,
) -> Result<MeasurementGroup, String> {
    let of_group = manifest.measurements.iter().filter(|output| output.group == group.key);
    Ok(MeasurementGroup {
        label: group.label.clone(),
        finding: group.finding.clone(),
        site: group.site.clone(),
        method: group.method.clone(),
        measurements: of_group.map(|output| number(output, outputs)).collect::<Result<_, _>>()?,
    })
}

fn number(output: &MeasurementOutput, outputs: &impl Outputs) -> Result<Measurement, String> {
    let (shape, numbers) = outputs.numbers(&output.tensor)?;
    let raw = numbers.get(output.index).filter(|_| shape.len() == 1).copied().ok_or_else(|| {
        let (tensor, index) = (&output.tensor, output.index);
        format!("the output `{tensor}` has the shape {shape:?}, the manifest means index {index}")
    })?;
    let scaled = f64::from(raw) * output.scale;
    let value = match raw {
        raw if raw.is_nan() => Err(NoValue::NotANumber),
        _ if scaled.is_infinite() => Err(NoValue::MeasurementFailure),
        _ => Ok(scaled),
    };
    Ok(Measurement {
        key: output.key.clone(),
        concept: output.concept.clone(),
        derivation: output.derivation.clone(),
        unit: output.unit.clone(),
        value,
    })
}

fn mask(
    output: &SegmentationOutput,
    geometry: &Geometry,
    outputs: &impl Outputs,
) -> Result<Mask, String> {
    let (shape, labels) = outputs.labels(&output.tensor)?;
    let expected = [geometry.slices as i64, geometry.rows as i64, geometry.columns as i64];
    if shape != expected || labels.len() != geometry.voxels() {
        let tensor = &output.tensor;
        return Err(format!("the output `{tensor}` has the shape {shape:?}, not {expected:?}"));
    }
    Ok(Mask {
        key: output.key.clone(),
        label: output.label.clone(),
        category: output.category.clone(),
        property: output.property.clone(),
        colour: output.colour,
        voxels: labels.iter().map(|label| u8::from(*label == output.value)).collect(),
    })
}
