//! An image with functional groups as one image again: each frame has the values of its slice (PS3.3 C.7.6.16).

use crate::codes::SOURCE_IMAGE;
use crate::data_set::{DataSet, referenced, referenced_frame};
use crate::derived_image::Series;
use crate::derived_image::stored::{Form, Pixels};
use crate::measured::Measured;
use crate::object::ComposeError;
use crate::source::{Reference, texts};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::uid::Uid;

/// Of the image; the groups have their own.
pub const OF_PIXELS: [Tag; 9] = [
    tags::MODALITY,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::PIXEL_REPRESENTATION,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::PRESENTATION_LUT_SHAPE,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN,
];

/// What a frame's stored values are, and how they are shown: the macros with the attributes that other images have by themselves.
const MACROS: [(Tag, &[Tag]); 2] = [
    (
        tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
        &[tags::RESCALE_INTERCEPT, tags::RESCALE_SLOPE, tags::RESCALE_TYPE],
    ),
    (
        tags::FRAME_VOILUT_SEQUENCE,
        &[
            tags::WINDOW_CENTER,
            tags::WINDOW_WIDTH,
            tags::WINDOW_CENTER_WIDTH_EXPLANATION,
            tags::VOILUT_FUNCTION,
        ],
    ),
];

/// The new image is whole: it is no part of another one.
const OF_CONCATENATIONS: [Tag; 5] = [
    tags::CONCATENATION_UID,
    tags::SOP_INSTANCE_UID_OF_CONCATENATION_SOURCE,
    tags::IN_CONCATENATION_NUMBER,
    tags::IN_CONCATENATION_TOTAL_NUMBER,
    tags::CONCATENATION_FRAME_OFFSET_NUMBER,
];

/// Of the MR Pulse Sequence module (C.8.13.4): how an original image was acquired, which one that is derived may not say.
const OF_ORIGINALS: [Tag; 16] = [
    tags::PULSE_SEQUENCE_NAME,
    tags::MR_ACQUISITION_TYPE,
    tags::ECHO_PULSE_SEQUENCE,
    tags::MULTIPLE_SPIN_ECHO,
    tags::MULTI_PLANAR_EXCITATION,
    tags::PHASE_CONTRAST,
    tags::TIME_OF_FLIGHT_CONTRAST,
    tags::STEADY_STATE_PULSE_SEQUENCE,
    tags::ECHO_PLANAR_PULSE_SEQUENCE,
    tags::SATURATION_RECOVERY,
    tags::SPECTRALLY_SELECTED_SUPPRESSION,
    tags::OVERSAMPLING_PHASE,
    tags::GEOMETRY_OF_K_SPACE_TRAVERSAL,
    tags::RECTILINEAR_PHASE_ENCODE_REORDERING,
    tags::SEGMENTED_K_SPACE_TRAVERSAL,
    tags::NUMBER_OF_K_SPACE_TRAJECTORIES,
];

/// An original with functional groups.
pub struct Original {
    shared: DataSet,
    each: Vec<DataSet>,
    /// Of each frame the slice that it shows.
    pub slices: Vec<usize>,
    /// Of each frame what an image of one frame would say of its pixels.
    pub flat: Vec<DataSet>,
}

impl Original {
    /// None where it has no functional groups. Each of its frames has to be a slice of what was measured.
    pub fn of(
        header: &DataSet,
        instance: &Uid,
        measured: Measured,
    ) -> Result<Option<Self>, ComposeError> {
        let groups = |tag| header.sequence(tag);
        let shared = groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).into_iter().next();
        let each = groups(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        if each.is_empty() && shared.is_none() {
            return Ok(None);
        }
        let shared = shared.unwrap_or_else(DataSet::new);
        let mut slices = vec![None; each.len()];
        for slice in 0..measured.slices() {
            let image = measured.image(slice).filter(|image| image.sop_instance == instance);
            let Some(image) = image else { continue };
            let at = image.frame.map_or(0, |number| (number as usize).wrapping_sub(1));
            *slices.get_mut(at).ok_or(ComposeError::NotOneFrame)? = Some(slice);
        }
        let slices: Option<Vec<usize>> = slices.into_iter().collect();
        let slices = slices.ok_or(ComposeError::NotOneFrame)?;
        let flat = each.iter().map(|own| flat(header, own, &shared)).collect();
        Ok(Some(Self { shared, each, slices, flat }))
    }
}

pub fn copy(from: &DataSet, wanted: &[Tag], to: &mut DataSet) {
    for element in wanted.iter().filter_map(|tag| from.element(*tag)) {
        to.put(element.clone());
    }
}

fn flat(image: &DataSet, own: &DataSet, shared: &DataSet) -> DataSet {
    let mut flat = DataSet::new();
    copy(image, &OF_PIXELS, &mut flat);
    for (group, wanted) in MACROS {
        let said = [own, shared].into_iter().find_map(|of| of.sequence(group).into_iter().next());
        copy(said.as_ref().unwrap_or(image), wanted, &mut flat);
    }
    flat
}

impl Series<'_> {
    /// Pixels, functional groups and what stands in the image of both.
    pub fn frames(
        &self,
        original: &Original,
        of: &Reference,
        image: &mut DataSet,
    ) -> Result<(), ComposeError> {
        let gone = OF_CONCATENATIONS.iter().chain(&OF_ORIGINALS);
        gone.for_each(|tag| image.remove(*tag));
        self.evidence(of, image);
        let mut written = Vec::with_capacity(original.flat.len());
        for (flat, slice) in original.flat.iter().zip(&original.slices) {
            let mut frame = flat.clone();
            let pixels = Pixels::of(flat, self.measured, *slice)?;
            self.form.write(&pixels, self.derived, &mut frame)?;
            written.push(frame);
        }
        let first = written.first().ok_or(ComposeError::NotOneFrame)?;
        OF_PIXELS.iter().for_each(|tag| image.remove(*tag));
        copy(first, &OF_PIXELS, image);
        copy(first, &OF_IMAGE, image);
        image.put(pixels(&written)?);
        self.groups(original, of, &written, image);
        Ok(())
    }

    /// Where the sources of all frames stand (PS3.3 C.8.13.1, C.8.15.2).
    fn evidence(&self, of: &Reference, image: &mut DataSet) {
        let source = self.job.subject.source;
        let instance = referenced(&of.sop_class, &of.sop_instance);
        let (mut series, mut study) = (DataSet::new(), DataSet::new());
        series
            .uid(tags::SERIES_INSTANCE_UID, &source.series)
            .item(tags::REFERENCED_SOP_SEQUENCE, instance);
        study
            .uid(tags::STUDY_INSTANCE_UID, &source.study)
            .item(tags::REFERENCED_SERIES_SEQUENCE, series);
        image.item(tags::SOURCE_IMAGE_EVIDENCE_SEQUENCE, study);
    }

    fn groups(
        &self,
        original: &Original,
        of: &Reference,
        written: &[DataSet],
        image: &mut DataSet,
    ) {
        let (mut shared, mut each) = (original.shared.clone(), original.each.clone());
        shared.remove(tags::DERIVATION_IMAGE_SEQUENCE);
        for (group, wanted) in MACROS {
            // What was kept stays where it stands; what is new is the same for all frames.
            let same = |(flat, written): (&DataSet, &DataSet)| {
                wanted.iter().all(|tag| flat.element(*tag) == written.element(*tag))
            };
            if original.flat.iter().zip(written).all(same) {
                continue;
            }
            each.iter_mut().for_each(|groups| groups.remove(group));
            wanted.iter().for_each(|tag| image.remove(*tag));
            if let Some(first) = written.first() {
                let mut item = DataSet::new();
                copy(first, wanted, &mut item);
                shared.item(group, item);
            }
        }
        if matches!(self.form, Form::New { .. }) {
            for groups in each.iter_mut().chain([&mut shared]) {
                groups.remove(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
            }
        }
        each.iter_mut().chain([&mut shared]).for_each(frame_type);
        for (groups, number) in each.iter_mut().zip(1..) {
            let mut source = referenced_frame(&of.sop_class, &of.sop_instance, Some(number));
            source
                .code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &SOURCE_IMAGE.into())
                .text(tags::SPATIAL_LOCATIONS_PRESERVED, "YES");
            let mut derivation = DataSet::new();
            derivation
                .text(tags::DERIVATION_DESCRIPTION, &self.description())
                .code(tags::DERIVATION_CODE_SEQUENCE, &self.derived.derivation)
                .item(tags::SOURCE_IMAGE_SEQUENCE, source);
            groups.item(tags::DERIVATION_IMAGE_SEQUENCE, derivation);
        }
        image
            .item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, shared)
            .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, each);
    }
}

/// Of the Image Pixel module, which the groups have not.
const OF_IMAGE: [Tag; 4] = [tags::SAMPLES_PER_PIXEL, tags::ROWS, tags::COLUMNS, tags::HIGH_BIT];

/// DERIVED in whichever macro says of what type the frames are (PS3.3 C.8.16.1): each class has its own.
fn frame_type(groups: &mut DataSet) {
    for tag in groups.tags() {
        let Some(item) = groups.sequence(tag).into_iter().next() else { continue };
        let mut values = texts(&item, tags::FRAME_TYPE);
        if let Some(first) = values.first_mut() {
            *first = "DERIVED".to_owned();
            let mut item = item;
            item.texts(tags::FRAME_TYPE, &values);
            groups.item(tag, item);
        }
    }
}

/// Frame after frame.
pub fn pixels(frames: &[DataSet]) -> Result<dicom_object::mem::InMemElement, ComposeError> {
    let of = |frame: &DataSet| frame.element(tags::PIXEL_DATA).cloned();
    let values = frames.iter().filter_map(of);
    let bits = frames.first().and_then(|frame| frame.element(tags::BITS_ALLOCATED));
    let bytes = bits.and_then(|bits| bits.to_int::<u16>().ok()) == Some(8);
    let none = |_| ComposeError::Encoding("pixels");
    let (vr, value) = if bytes {
        // Each was padded to an even length by itself.
        let size = frames.first().map_or(0, area);
        let mut all = Vec::new();
        for value in values {
            all.extend_from_slice(
                &value.to_bytes().map_err(|_| ComposeError::Encoding("pixels"))?[..size],
            );
        }
        all.resize(all.len().next_multiple_of(2), 0);
        (VR::OB, PrimitiveValue::U8(all.into()))
    } else {
        let mut all: Vec<u16> = Vec::new();
        for value in values {
            all.extend(value.uint16_slice().map_err(none)?);
        }
        (VR::OW, PrimitiveValue::U16(all.into()))
    };
    if value.calculate_byte_len() as u64 > u64::from(u32::MAX - 1) {
        return Err(ComposeError::TooLarge);
    }
    Ok(DataElement::new(tags::PIXEL_DATA, vr, value))
}

fn area(frame: &DataSet) -> usize {
    let side = |tag| frame.element(tag).and_then(|side| side.to_int::<usize>().ok()).unwrap_or(0);
    side(tags::ROWS) * side(tags::COLUMNS)
}
