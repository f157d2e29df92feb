//! A real number for each voxel of the source, with what it is of and its unit: the Parametric Map IOD (PS3.3 A.75, C.8.32).

use crate::codes::{self, QUANTITY};
use crate::coding_schemes::coding_schemes;
use crate::data_set::DataSet;
use crate::frames::{Frames, Said, references};
use crate::header::{Job, Kind, Subject};
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::source::Source;
use crate::source::attributes::Scope;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::{Derived, Findings, Quantity};
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;

const KIND: Kind = Kind { name: "map", sop_class: "1.2.840.10008.5.1.4.1.1.30", what: "maps" };
/// Of the image as a whole, and of each frame.
const IMAGE_TYPE: [&str; 4] = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"];

/// An object for each image of the findings that is of a quantity, all in one series, with a frame for each slice and
/// float32 for each voxel; what has no value is NaN (PS3.5 8.2). The same inputs give the same bytes.
pub fn parametric_maps(
    source: &Source,
    volume: &Volume,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<Vec<ResultObject>, ComposeError> {
    let job = Job { subject: Subject::new(source, volume.into(), findings)?, provenance };
    let images = findings.derived.iter();
    let of_quantities = images.filter_map(|image| image.quantity.as_ref().map(|of| (image, of)));
    of_quantities
        .zip(1u32..)
        .map(|((image, quantity), number)| {
            Map { job, image, quantity, number }.object(source, volume)
        })
        .collect()
}

struct Map<'a> {
    job: Job<'a>,
    image: &'a Derived,
    quantity: &'a Quantity,
    /// In its series, counted from 1.
    number: u32,
}

impl Map<'_> {
    fn object(&self, source: &Source, volume: &Volume) -> Result<ResultObject, ComposeError> {
        if volume.frame_of_reference.is_none() {
            return Err(ComposeError::NoFrameOfReference);
        }
        let frames = Frames::of_all_slices(volume.into());
        let mut object = self.job.header(&KIND, "OT")?;
        self.description(&mut object);
        references(source, &mut object);
        let said = Said {
            dimensions: "map dimensions",
            derivation: self.image.derivation.clone(),
            shared: self.of_all_frames()?,
        };
        frames.describe(&self.job, said, &mut object)?;
        self.pixels(&frames, &mut object)?;
        let codes = [&self.image.derivation, &self.quantity.concept, &self.quantity.unit];
        let maker = &self.job.subject.findings.algorithm.manufacturer;
        let schemes = coding_schemes(codes.into_iter(), maker);
        if !schemes.is_empty() {
            object.items(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, schemes);
        }
        let sop_instance = self.sop_instance();
        Ok(ResultObject { sop_instance, ..self.job.finish(&KIND, &object)? })
    }

    fn sop_instance(&self) -> Uid {
        self.job.uid(&format!("{} {}", KIND.name, self.image.key))
    }

    /// Parametric Map Image module and Content Identification macro (PS3.3 C.8.32.2, Table 10-12). Whether a face can be seen in
    /// a map of a head nobody knows here, so that it is said that it can.
    fn description(&self, object: &mut DataSet) {
        let job = &self.job;
        let research = job.subject.findings.algorithm.research_only;
        job.subject.source.copy_to(Scope::Image, object);
        // The frames tell the side, where it is known.
        object.remove(tags::LATERALITY);
        job.subject.lossy(object);
        let what = format!("{}. {}", self.image.label, job.subject.algorithm());
        object
            .uid(tags::SOP_INSTANCE_UID, &self.sop_instance())
            .text(tags::INSTANCE_NUMBER, &self.number.to_string())
            .texts(tags::IMAGE_TYPE, &IMAGE_TYPE)
            .text(tags::CONTENT_LABEL, "MAP")
            .text(tags::CONTENT_DESCRIPTION, &job.marked(what))
            .empty(tags::CONTENT_CREATOR_NAME)
            .text(tags::CONTENT_QUALIFICATION, if research { "RESEARCH" } else { "PRODUCT" })
            .text(tags::BURNED_IN_ANNOTATION, "NO")
            .text(tags::RECOGNIZABLE_VISUAL_FEATURES, "YES")
            .text(tags::PIXEL_PRESENTATION, "MONOCHROME")
            .text(tags::PRESENTATION_LUT_SHAPE, "IDENTITY")
            .empty(tags::ACQUISITION_CONTEXT_SEQUENCE);
    }

    /// The Parametric Map Frame Type, Frame VOI LUT, Identity Pixel Value Transformation and Real World Value Mapping macros
    /// (PS3.3 C.8.32.3.1, C.7.6.16.2.10b, C.7.6.16.2.9b, C.7.6.16.2.11). Stored values are the values: slope 1, intercept 0.
    fn of_all_frames(&self) -> Result<DataSet, ComposeError> {
        let [least, most] = self.range();
        // LINEAR_EXACT, since LINEAR can show nothing that is narrower than 1 (C.11.2.1.3.2).
        let width = if most > least { most - least } else { 1.0 };
        let mut kind = DataSet::new();
        kind.texts(tags::FRAME_TYPE, &IMAGE_TYPE);
        let mut window = DataSet::new();
        window
            .decimals(tags::WINDOW_CENTER, &[least + width / 2.0])?
            .decimals(tags::WINDOW_WIDTH, &[width])?
            .text(tags::VOILUT_FUNCTION, "LINEAR_EXACT");
        let mut identity = DataSet::new();
        identity
            .text(tags::RESCALE_INTERCEPT, "0")
            .text(tags::RESCALE_SLOPE, "1")
            .text(tags::RESCALE_TYPE, "US");
        let mut shared = DataSet::new();
        shared
            .item(tags::PARAMETRIC_MAP_FRAME_TYPE_SEQUENCE, kind)
            .item(tags::FRAME_VOILUT_SEQUENCE, window)
            .item(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, identity)
            .item(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, self.mapping([least, most]));
        if let Some(anatomy) = self.anatomy() {
            shared.item(tags::FRAME_ANATOMY_SEQUENCE, anatomy);
        }
        Ok(shared)
    }

    /// The Frame Anatomy macro (PS3.3 C.7.6.16.2.8) is optional, and readers that are built on DCMTK ask for it; a part of the
    /// body that the source does not tell is not guessed.
    fn anatomy(&self) -> Option<DataSet> {
        let text = |tag| self.job.subject.source.text(tag).unwrap_or_default();
        let part = text(tags::BODY_PART_EXAMINED);
        let laterality = codes::frame_laterality(&part, &text(tags::LATERALITY))?;
        let region = codes::region(&part)?;
        let mut anatomy = DataSet::new();
        anatomy
            .text(tags::FRAME_LATERALITY, laterality)
            .code(tags::ANATOMIC_REGION_SEQUENCE, &region.into());
        Some(anatomy)
    }

    fn mapping(&self, [least, most]: [f64; 2]) -> DataSet {
        let double =
            |tag: Tag, value: f64| DataElement::new(tag, VR::FD, PrimitiveValue::from(value));
        let mut quantity = DataSet::new();
        quantity
            .text(tags::VALUE_TYPE, "CODE")
            .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &QUANTITY.into())
            .code(tags::CONCEPT_CODE_SEQUENCE, &self.quantity.concept);
        let mut mapping = DataSet::new();
        mapping
            .text(tags::LUT_LABEL, &self.image.key)
            .text(tags::LUT_EXPLANATION, &self.image.label)
            .code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, &self.quantity.unit)
            .item(tags::QUANTITY_DEFINITION_SEQUENCE, quantity)
            .put(double(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, least))
            .put(double(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED, most))
            .put(double(tags::REAL_WORLD_VALUE_INTERCEPT, 0.0))
            .put(double(tags::REAL_WORLD_VALUE_SLOPE, 1.0));
        mapping
    }

    /// The least and the most of the values that are some; of none 0.
    fn range(&self) -> [f64; 2] {
        let values = self.image.values.iter().copied().filter(|value| value.is_finite());
        let range = values.fold(None, |range: Option<[f32; 2]>, value| {
            let [least, most] = range.unwrap_or([value; 2]);
            Some([least.min(value), most.max(value)])
        });
        range.unwrap_or_default().map(f64::from)
    }

    /// Floating Point Image Pixel module (PS3.3 C.7.6.24).
    fn pixels(&self, frames: &Frames, object: &mut DataSet) -> Result<(), ComposeError> {
        let [rows, columns] = frames.sides()?;
        let values = &self.image.values;
        if values.len() as u64 * 4 > u64::from(u32::MAX - 1) {
            return Err(ComposeError::TooLarge);
        }
        object
            .number(tags::SAMPLES_PER_PIXEL, 1)
            .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
            .number(tags::ROWS, rows)
            .number(tags::COLUMNS, columns)
            .number(tags::BITS_ALLOCATED, 32)
            .put(DataElement::new(
                tags::FLOAT_PIXEL_DATA,
                VR::OF,
                PrimitiveValue::F32(values.as_slice().into()),
            ));
        Ok(())
    }
}
