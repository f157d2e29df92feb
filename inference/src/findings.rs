//! What came out of the graph, bound to what the manifest says it means.

use crate::boxes::Detected;
use crate::choices::choose;
use crate::classes::answer;
use crate::derived;
use crate::manifest::{
    Figure, Group, Manifest, MeasurementOutput, MeasurementSource, ResultKind, SegmentationOutput,
};
use crate::masks::{self, Classes};
use crate::models::Model;
use crate::prepare::{Place, Prepared};
use crate::tensors::Tensors;
use crate::voxels::components::{Components, Neighbours};
use crate::voxels::figures::of_values;
use gantry_terms::findings::{Algorithm, Findings, Mask, Measurement, MeasurementGroup, NoValue};
use gantry_terms::images::Images;

/// An error is a graph that does not keep its manifest: the model's author must act.
pub fn interpret(
    model: &Model,
    images: &Images,
    prepared: &Prepared,
    tensors: &Tensors,
) -> Result<Findings, String> {
    let mut findings = of_images(model, images, prepared, tensors)?;
    detect(model, images, prepared, tensors, &mut findings)?;
    Ok(findings)
}

/// The boxes, behind what was found otherwise.
pub fn detect(
    model: &Model,
    images: &Images,
    prepared: &Prepared,
    tensors: &Tensors,
    findings: &mut Findings,
) -> Result<(), String> {
    for output in &model.manifest.detections {
        let found = Detected::new(output, model.manifest.lead(), images, prepared, tensors)?;
        findings.remarks.extend(found.remark(output));
        findings.groups.extend(found.groups(output));
    }
    Ok(())
}

/// All but the boxes, of a volume, a film, or one frame of a cine.
pub fn of_images(
    model: &Model,
    images: &Images,
    prepared: &Prepared,
    tensors: &Tensors,
) -> Result<Findings, String> {
    let manifest = &model.manifest;
    let axes = manifest.lead().axes;
    let of_film = film_place(manifest, images)?;
    let place = of_film.as_ref().or(prepared.place.as_ref());
    let somewhere = || place.ok_or("masks and images lie over a volume or a film".to_string());
    let mut classes = Classes::default();
    let over = |output| masks::over_images(output, axes, somewhere()?, tensors, &mut classes);
    let masks: Vec<Vec<bool>> =
        manifest.segmentations.iter().map(over).collect::<Result<_, _>>()?;
    let source = Source { manifest, images, tensors, masks: &masks };
    let groups = manifest.groups.iter().map(|group| source.measure(group));
    let groups: Vec<MeasurementGroup> = groups.collect::<Result<_, _>>()?;
    let remarks = source.remarks();
    let derived = manifest.derived.iter();
    let derived =
        derived.map(|output| derived::over_images(output, axes, images, somewhere()?, tensors));
    let fractional = manifest.results.contains(&ResultKind::FractionalSegmentation);
    let probable = |output| match fractional {
        true => masks::probable_over_images(output, axes, somewhere()?, tensors),
        false => Ok(Vec::new()),
    };
    Ok(Findings {
        algorithm: algorithm(model),
        procedure: manifest.procedure.clone(),
        groups,
        masks: manifest
            .segmentations
            .iter()
            .zip(masks)
            .map(|(output, mask)| Ok(told(output, mask, probable(output)?)))
            .collect::<Result<_, String>>()?,
        derived: derived.collect::<Result<_, _>>()?,
        remarks,
    })
}

/// Where the tensors of one film or frame lie.
fn film_place(manifest: &Manifest, images: &Images) -> Result<Option<Place>, String> {
    match (images, manifest.lead().kind.image()) {
        (Images::Film(film), Some(wanted)) => {
            let place = Place::of_film(wanted, [film.rows, film.columns]);
            place.map(Some).map_err(|error| error.to_string())
        }
        _ => Ok(None),
    }
}

/// What figures are taken of.
struct Source<'a> {
    manifest: &'a Manifest,
    images: &'a Images,
    tensors: &'a Tensors,
    /// In the manifest's order, over the images.
    masks: &'a [Vec<bool>],
}

pub fn algorithm(model: &Model) -> Algorithm {
    let entry = &model.manifest.algorithm;
    Algorithm {
        name: model.called().to_string(),
        title: entry.title.clone(),
        version: entry.version.clone(),
        manufacturer: entry.manufacturer.clone(),
        family: entry.family.clone(),
        digest: model.digest.clone(),
        manifest_digest: model.manifest_digest.clone(),
        research_only: entry.research_only,
    }
}

impl Source<'_> {
    fn measure(&self, group: &Group) -> Result<MeasurementGroup, String> {
        let of_group = self.manifest.measurements.iter().filter(|output| output.group == group.key);
        let mut measurements: Vec<Measurement> =
            of_group.map(|output| self.number(output)).collect::<Result<_, _>>()?;
        let mut answers = self.manifest.classifications.iter();
        let mut presence = None;
        if let Some(output) = answers.find(|output| output.group == group.key) {
            let (probability, found) = answer(output, self.tensors)?;
            measurements.push(probability);
            presence = found;
        }
        let mut given = Vec::new();
        for output in self.manifest.choices.iter().filter(|output| output.group == group.key) {
            let (answer, probability) = choose(output, self.tensors)?;
            given.extend(answer);
            measurements.extend(probability);
        }
        Ok(MeasurementGroup {
            label: group.label.clone(),
            finding: group.finding.clone(),
            site: group.site.clone(),
            method: group.method.clone(),
            measurements,
            presence,
            answers: given,
            frame: None,
            region: None,
            segment: group.segment.clone(),
        })
    }

    /// Slices, rows and columns.
    fn size(&self) -> [usize; 3] {
        match self.images {
            Images::Volume(volume) => {
                let geometry = &volume.geometry;
                [geometry.slices, geometry.rows, geometry.columns]
            }
            Images::Film(film) => [film.frames, film.rows, film.columns],
        }
    }

    /// Which figures have no value for want of a size.
    fn remarks(&self) -> Vec<String> {
        let Images::Film(film) = self.images else { return Vec::new() };
        let areas = self.manifest.measurements.iter().filter(|output| {
            let MeasurementSource::Mask { figure, .. } = &output.source else { return false };
            matches!(figure, Figure::Area(Some(_))) && film.patient_spacing.is_none()
        });
        let remark = |output: &MeasurementOutput| {
            format!("{}: how large a pixel is in the patient the image does not say", output.key)
        };
        areas.map(remark).collect()
    }

    fn number(&self, output: &MeasurementOutput) -> Result<Measurement, String> {
        let raw = match &output.source {
            MeasurementSource::Tensor { tensor, index } => {
                Some(f64::from(self.tensors.row(tensor, *index)?[*index]))
            }
            MeasurementSource::Mask { segmentation, figure } => {
                self.figure(segmentation, *figure)?
            }
        };
        let scaled = raw.map(|raw| raw * output.scale);
        let value = match scaled {
            Some(scaled) if scaled.is_nan() => Err(NoValue::NotANumber),
            Some(scaled) if scaled.is_finite() => Ok(scaled),
            _ => Err(NoValue::MeasurementFailure),
        };
        Ok(Measurement {
            key: output.key.clone(),
            concept: output.concept.clone(),
            derivation: output.derivation.clone(),
            unit: output.unit.clone(),
            value,
        })
    }

    /// Of an empty mask volume, area, sum and count are 0, and nothing else is a number. None where nobody knows how large
    /// a pixel is.
    fn figure(&self, segmentation: &str, figure: Figure) -> Result<Option<f64>, String> {
        let mut outputs = self.manifest.segmentations.iter().zip(self.masks);
        let mask = outputs.find(|(output, _)| output.key == segmentation).map(|(_, mask)| mask);
        let mask = mask.ok_or_else(|| format!("there is no segmentation `{segmentation}`"))?;
        let voxels = mask.iter().filter(|inside| **inside).count() as f64;
        match (figure, self.images) {
            (Figure::Volume(of_mm3), Images::Volume(volume)) => {
                return Ok(Some(voxels * volume.geometry.voxel_volume() * of_mm3));
            }
            (Figure::Area(None), _) => return Ok(Some(voxels)),
            (Figure::Area(Some(of_mm2)), Images::Film(film)) => {
                return Ok(film
                    .patient_spacing
                    .map(|[down, along]| voxels * down * along * of_mm2));
            }
            (Figure::Volume(_), Images::Film(_)) | (Figure::Area(_), Images::Volume(_)) => {
                return Err(format!("`{segmentation}` is measured of images of another kind"));
            }
            _ => {}
        }
        if figure == Figure::Count {
            let parts = Components::of(mask, self.size(), Neighbours::Corners);
            return Ok(Some(parts.map_err(|error| error.to_string())?.sizes().len() as f64));
        }
        let quantiles: Vec<f64> = match figure {
            Figure::Percentile(percent) => vec![percent / 100.0],
            _ => Vec::new(),
        };
        let voxels = self.images.numbers().iter().zip(mask);
        let inside = voxels.filter(|(value, inside)| **inside && !value.is_nan());
        let mut values: Vec<f32> = inside.map(|(value, _)| *value).collect();
        if figure == Figure::Sum {
            return Ok(Some(values.iter().map(|value| f64::from(*value)).sum()));
        }
        let found = of_values(&mut values, &quantiles).map_err(|error| error.to_string())?;
        let Some(found) = found else { return Ok(Some(f64::NAN)) };
        Ok(Some(match figure {
            Figure::StandardDeviation => found.standard_deviation,
            Figure::Minimum => f64::from(found.least),
            Figure::Maximum => f64::from(found.most),
            Figure::Percentile(_) => found.percentiles.first().copied().unwrap_or(f64::NAN),
            Figure::Mean | Figure::Volume(_) | Figure::Area(_) | Figure::Sum | Figure::Count => {
                found.mean
            }
        }))
    }
}

fn told(output: &SegmentationOutput, mask: Vec<bool>, probabilities: Vec<u8>) -> Mask {
    Mask {
        key: output.key.clone(),
        label: output.label.clone(),
        category: output.category.clone(),
        property: output.property.clone(),
        colour: output.colour,
        voxels: mask.into_iter().map(u8::from).collect(),
        probabilities,
    }
}
