//! Which slices become the frames of a result, and where they lie: the multi-frame functional groups (PS3.3 C.7.6.16).

use crate::codes::SOURCE_IMAGE;
use crate::data_set::{DataSet, referenced, referenced_frame};
use crate::header::{Job, Subject};
use crate::object::ComposeError;
use crate::secondary_capture::patient_direction;
use crate::source::Source;
use crate::source::attributes::Scope;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::code::Code;
use gantry_terms::uid::Uid;
use gantry_terms::volume::Volume;

/// A slice, and the segment that the frame is of where it is of one; both counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub segment: Option<usize>,
    pub slice: usize,
}

/// The frames in their order: segment by segment, along the normal.
pub struct Frames<'a> {
    pub volume: &'a Volume,
    pub frames: Vec<Frame>,
    /// For each slice how many slices up to it have a frame: its place in the dimension.
    places: Vec<u32>,
}

/// What is said of the frames of one kind of result.
pub struct Said {
    /// Part of the UID of the dimensions: changing it makes them others.
    pub dimensions: &'static str,
    /// How a frame came of its source image.
    pub derivation: Code,
    /// Functional groups of all frames, beside those of the planes.
    pub shared: DataSet,
}

impl<'a> Frames<'a> {
    /// For each segment the slices that it is on; one frame of the first one where none is anywhere. Each has a number for
    /// each voxel, and 0 is outside.
    pub fn of_segments<'v>(volume: &'a Volume, segments: impl Iterator<Item = &'v [u8]>) -> Self {
        let size = volume.geometry.rows * volume.geometry.columns;
        let mut frames = Vec::new();
        for (segment, voxels) in segments.enumerate() {
            let slices = voxels.chunks_exact(size).enumerate();
            let there = slices.filter(|(_, slice)| slice.iter().any(|voxel| *voxel != 0));
            frames.extend(there.map(|(slice, _)| Frame { segment: Some(segment), slice }));
        }
        if frames.is_empty() {
            frames.push(Frame { segment: Some(0), slice: 0 });
        }
        Self::new(volume, frames)
    }

    /// For each slice that some segment is on; the first one where none is anywhere.
    pub fn of_slices_with_segments<'v>(
        volume: &'a Volume,
        segments: impl Iterator<Item = &'v [u8]>,
    ) -> Self {
        let by_segment = Self::of_segments(volume, segments).frames;
        let mut slices: Vec<usize> = by_segment.iter().map(|frame| frame.slice).collect();
        slices.sort_unstable();
        slices.dedup();
        let frames = slices.into_iter().map(|slice| Frame { segment: None, slice });
        Self::new(volume, frames.collect())
    }

    pub fn of_all_slices(volume: &'a Volume) -> Self {
        let slices = 0..volume.geometry.slices;
        Self::new(volume, slices.map(|slice| Frame { segment: None, slice }).collect())
    }

    fn new(volume: &'a Volume, frames: Vec<Frame>) -> Self {
        let mut shown = vec![0; volume.geometry.slices];
        frames.iter().for_each(|frame| shown[frame.slice] = 1);
        let mut before = 0;
        let places = shown.into_iter().map(|one: u32| {
            before += one;
            before
        });
        Self { volume, frames, places: places.collect() }
    }

    /// Multi-frame Functional Groups, Multi-frame Dimension and Frame of Reference modules. Without a frame of
    /// reference no plane has a position: frames go by their source images and their order in the stack.
    pub fn describe(
        &self,
        job: &Job,
        said: Said,
        object: &mut DataSet,
    ) -> Result<(), ComposeError> {
        let frame_of_reference = self.volume.frame_of_reference.as_ref();
        if let Some(uid) = frame_of_reference {
            job.subject.source.copy_to(Scope::FrameOfReference, object);
            object.uid(tags::FRAME_OF_REFERENCE_UID, uid);
        } else {
            let geometry = &self.volume.geometry;
            let directions = [geometry.row_direction, geometry.column_direction];
            object.texts(tags::PATIENT_ORIENTATION, &directions.map(patient_direction));
        }
        self.dimensions(&job.uid(said.dimensions), object);
        let frames = self.frames.iter().map(|frame| self.frame(*frame, &said.derivation));
        let per_frame: Result<Vec<DataSet>, ComposeError> = frames.collect();
        object
            .text(tags::NUMBER_OF_FRAMES, &self.frames.len().to_string())
            .item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, self.shared(&job.subject, said.shared)?)
            .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame?);
        Ok(())
    }

    /// Rows and columns as Image Pixel modules have them.
    pub fn sides(&self) -> Result<[u16; 2], ComposeError> {
        let side = |pixels: usize| {
            u16::try_from(pixels)
                .map_err(|_| ComposeError::Mismatch("the images are too large".into()))
        };
        Ok([side(self.volume.geometry.rows)?, side(self.volume.geometry.columns)?])
    }

    fn has_planes(&self) -> bool {
        self.volume.frame_of_reference.is_some()
    }

    fn by_segment(&self) -> bool {
        self.frames.iter().any(|frame| frame.segment.is_some())
    }

    /// By segment, if frames are of segments, then by place.
    fn dimensions(&self, organization: &Uid, object: &mut DataSet) {
        let index = |pointer: Tag, group: Tag| {
            let mut item = DataSet::new();
            let tag = |tag, value| DataElement::new(tag, VR::AT, PrimitiveValue::from(value));
            item.uid(tags::DIMENSION_ORGANIZATION_UID, organization)
                .put(tag(tags::DIMENSION_INDEX_POINTER, pointer))
                .put(tag(tags::FUNCTIONAL_GROUP_POINTER, group));
            item
        };
        let place = match self.has_planes() {
            true => (tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE),
            false => (tags::IN_STACK_POSITION_NUMBER, tags::FRAME_CONTENT_SEQUENCE),
        };
        let mut indices = vec![index(place.0, place.1)];
        if self.by_segment() {
            let segment = (tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
            indices.insert(0, index(segment.0, segment.1));
        }
        let mut item = DataSet::new();
        item.uid(tags::DIMENSION_ORGANIZATION_UID, organization);
        object
            .item(tags::DIMENSION_ORGANIZATION_SEQUENCE, item)
            .items(tags::DIMENSION_INDEX_SEQUENCE, indices);
        if self.has_planes() && self.volume.geometry.slices > 1 {
            object.text(tags::DIMENSION_ORGANIZATION_TYPE, "3D");
        }
    }

    fn shared(&self, subject: &Subject, mut shared: DataSet) -> Result<DataSet, ComposeError> {
        let geometry = &self.volume.geometry;
        let thickness = subject.slice_thickness().unwrap_or(geometry.slice_step);
        let mut measures = DataSet::new();
        measures
            .decimals(tags::SLICE_THICKNESS, &[thickness])?
            .decimals(tags::PIXEL_SPACING, &geometry.pixel_spacing)?;
        if geometry.slices > 1 {
            measures.decimals(tags::SPACING_BETWEEN_SLICES, &[geometry.slice_step])?;
        }
        shared.item(tags::PIXEL_MEASURES_SEQUENCE, measures);
        if self.has_planes() {
            let cosines = [geometry.row_direction, geometry.column_direction].concat();
            let mut orientation = DataSet::new();
            orientation.decimals(tags::IMAGE_ORIENTATION_PATIENT, &cosines)?;
            shared.item(tags::PLANE_ORIENTATION_SEQUENCE, orientation);
        }
        Ok(shared)
    }

    /// The plane is that of the very slice, also where the stack leans.
    fn frame(&self, frame: Frame, derivation: &Code) -> Result<DataSet, ComposeError> {
        let place = self.places[frame.slice];
        let number = frame.segment.map(|segment| segment as u16 + 1);
        let mut content = DataSet::new();
        let values = number.map(u32::from).into_iter().chain([place]);
        let values = PrimitiveValue::U32(values.collect());
        content.put(DataElement::new(tags::DIMENSION_INDEX_VALUES, VR::UL, values));
        let mut item = DataSet::new();
        if self.has_planes() {
            let mut position = DataSet::new();
            let slice = &self.volume.slices[frame.slice];
            position.decimals(tags::IMAGE_POSITION_PATIENT, &slice.position)?;
            item.item(tags::PLANE_POSITION_SEQUENCE, position);
        } else {
            let value = PrimitiveValue::from(place);
            content.text(tags::STACK_ID, "1").put(DataElement::new(
                tags::IN_STACK_POSITION_NUMBER,
                VR::UL,
                value,
            ));
        }
        if let Some(number) = number {
            let mut segment = DataSet::new();
            segment.number(tags::REFERENCED_SEGMENT_NUMBER, number);
            item.item(tags::SEGMENT_IDENTIFICATION_SEQUENCE, segment);
        }
        item.item(tags::FRAME_CONTENT_SEQUENCE, content)
            .item(tags::DERIVATION_IMAGE_SEQUENCE, self.derivation(frame.slice, derivation));
        Ok(item)
    }

    fn derivation(&self, slice: usize, how: &Code) -> DataSet {
        let slice = &self.volume.slices[slice];
        let mut of = referenced_frame(&slice.sop_class, &slice.sop_instance, slice.frame);
        of.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &SOURCE_IMAGE.into())
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, "YES");
        let mut derivation = DataSet::new();
        derivation.code(tags::DERIVATION_CODE_SEQUENCE, how).item(tags::SOURCE_IMAGE_SEQUENCE, of);
        derivation
    }
}

/// Common Instance Reference module (PS3.3 C.12.2), which goes with references to source images.
pub fn references(source: &Source, object: &mut DataSet) {
    let instances = source.instances.iter().map(|i| referenced(&i.sop_class, &i.sop_instance));
    let mut series = DataSet::new();
    series
        .uid(tags::SERIES_INSTANCE_UID, &source.series)
        .items(tags::REFERENCED_INSTANCE_SEQUENCE, instances.collect());
    object.item(tags::REFERENCED_SERIES_SEQUENCE, series);
}
