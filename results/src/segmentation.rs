//! Masks and probabilities as segments over the planes of their source: the Segmentation IOD (PS3.3 A.51, C.8.20).

pub mod colour;
mod pixels;
pub(crate) mod segments;

use crate::codes;
use crate::coding_schemes::coding_schemes;
use crate::data_set::DataSet;
use crate::frames::{Frames, Said, references};
use crate::header::{Job, Kind, Subject};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
use dicom_dictionary_std::tags;
use gantry_terms::findings::{Findings, Mask};

const LABEL_MAP_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.66.7";
const SEGMENTATION_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const BINARY: Kind = Kind { name: "seg", sop_class: SEGMENTATION_STORAGE, what: "segmentation" };
const FRACTIONAL: Kind =
    Kind { name: "fractional seg", sop_class: SEGMENTATION_STORAGE, what: "probabilities" };
const LABEL_MAP: Kind = Kind { name: "label map", sop_class: LABEL_MAP_STORAGE, what: "label map" };

/// How the voxels of a segment are written (PS3.3 C.8.20.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One bit for each voxel: in it or not.
    Binary,
    /// A byte for each voxel: how probable it is, 255 being certain.
    Fractional,
    /// A number for each voxel, that of the one segment which it is in, or 0: only of segments that do not overlap.
    LabelMap,
}

impl Form {
    fn kind(self) -> &'static Kind {
        match self {
            Self::Binary => &BINARY,
            Self::Fractional => &FRACTIONAL,
            Self::LabelMap => &LABEL_MAP,
        }
    }

    /// Segmentation Type.
    fn term(self) -> &'static str {
        match self {
            Self::Binary => "BINARY",
            Self::Fractional => "FRACTIONAL",
            Self::LabelMap => "LABELMAP",
        }
    }

    /// What their UID is derived from.
    fn dimensions(self) -> &'static str {
        match self {
            Self::Binary | Self::Fractional => "seg dimensions",
            Self::LabelMap => "label map dimensions",
        }
    }

    /// A number for each voxel of the source; 0 is outside.
    fn voxels(self, mask: &Mask) -> &[u8] {
        match self {
            Self::Binary | Self::LabelMap => &mask.voxels,
            Self::Fractional => &mask.probabilities,
        }
    }
}

/// One object with a segment for each mask, numbered in their order, and a frame for each slice that a segment is on.
/// A label map has one frame for each slice that some segment is on.
/// Masks that are all empty have one empty frame, so that "nothing was found" is an object, too.
/// The same inputs give the same bytes.
pub fn segmentation<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    form: Form,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    let masks = &findings.masks;
    if masks.is_empty() || u16::try_from(masks.len()).is_err() {
        return Err(ComposeError::Mismatch("there are no segments, or too many".into()));
    }
    if masks.iter().any(|mask| form.voxels(mask).len() != measured.places()) {
        return Err(ComposeError::Mismatch("a mask has no probabilities".into()));
    }
    let overlap = overlap(masks, form);
    if overlap && form == Form::LabelMap {
        return Err(ComposeError::Overlap);
    }
    let each = masks.iter().map(|mask| form.voxels(mask));
    let frames = match form {
        Form::Binary | Form::Fractional => Frames::of_segments(measured, each),
        Form::LabelMap => Frames::of_slices_with_segments(measured, each),
    };
    let mut object = job.header(form.kind(), "SEG")?;
    image(&job, form, &mut object);
    references(source, &mut object);
    object
        .items(tags::SEGMENT_SEQUENCE, segments::segments(&job, form))
        .text(tags::SEGMENTS_OVERLAP, if overlap { "YES" } else { "NO" });
    let said = Said {
        dimensions: form.dimensions(),
        derivation: codes::SEGMENTATION.into(),
        shared: DataSet::new(),
    };
    frames.describe(&job, said, &mut object)?;
    pixels::pixels(&frames, masks, form, &mut object)?;
    let codes = masks.iter().flat_map(|mask| [&mask.category, &mask.property]);
    let codes = codes.chain([&findings.algorithm.family]);
    let schemes = coding_schemes(codes, &findings.algorithm.manufacturer);
    if !schemes.is_empty() {
        object.items(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, schemes);
    }
    job.finish(form.kind(), &object)
}

/// Segmentation Image module and Content Identification macro (PS3.3 C.8.20.2, Table 10-12).
fn image(job: &Job, form: Form, object: &mut DataSet) {
    job.body_part(object);
    // In objects with functional groups it is no attribute of the series; the segments tell the side.
    object.remove(tags::LATERALITY);
    job.subject.lossy(object);
    let label = match form {
        Form::Binary => "SEGMENTATION",
        Form::Fractional => "PROBABILITIES",
        Form::LabelMap => "LABEL_MAP",
    };
    object
        .texts(tags::IMAGE_TYPE, &["DERIVED", "PRIMARY"])
        .text(tags::CONTENT_LABEL, label)
        .text(tags::CONTENT_DESCRIPTION, &job.marked(job.subject.algorithm()))
        .empty(tags::CONTENT_CREATOR_NAME)
        .text(tags::SEGMENTATION_TYPE, form.term());
    if form == Form::Fractional {
        object
            .text(tags::SEGMENTATION_FRACTIONAL_TYPE, "PROBABILITY")
            .number(tags::MAXIMUM_FRACTIONAL_VALUE, 255);
    }
}

/// Whether no voxel is in two masks: then they can go out as a label map.
pub fn are_apart(masks: &[Mask]) -> bool {
    !overlap(masks, Form::LabelMap)
}

/// Whether some voxel is in two segments.
fn overlap(masks: &[Mask], form: Form) -> bool {
    let mut taken = vec![false; masks.first().map_or(0, |mask| form.voxels(mask).len())];
    masks.iter().any(|mask| {
        let inside = form.voxels(mask).iter().map(|voxel| *voxel != 0);
        taken.iter_mut().zip(inside).fold(false, |twice, (taken, inside)| {
            let here = *taken && inside;
            *taken |= inside;
            twice || here
        })
    })
}
