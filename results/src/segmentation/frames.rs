//! Which slices of a segment become frames, and where they lie: the multi-frame functional groups (PS3.3 C.7.6.16).

use crate::codes::{SEGMENTATION, SOURCE_IMAGE};
use crate::data_set::{DataSet, referenced_frame};
use crate::header::{Job, Subject};
use crate::object::ComposeError;
use crate::secondary_capture::patient_direction;
use crate::segmentation::Form;
use crate::source::attributes::Scope;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Mask;
use gantry_terms::volume::Volume;

/// A segment and a slice, both counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub segment: usize,
    pub slice: usize,
}

/// The frames in their order: segment by segment, along the normal.
pub struct Frames<'a> {
    pub volume: &'a Volume,
    pub frames: Vec<Frame>,
    /// For each slice how many slices up to it have a frame: its place in the dimension.
    places: Vec<u32>,
}

impl<'a> Frames<'a> {
    pub fn choose(volume: &'a Volume, masks: &[Mask], form: Form) -> Self {
        let size = volume.geometry.rows * volume.geometry.columns;
        let mut frames = Vec::new();
        for (segment, mask) in masks.iter().enumerate() {
            let slices = form.voxels(mask).chunks_exact(size).enumerate();
            let there = slices.filter(|(_, slice)| slice.iter().any(|voxel| *voxel != 0));
            frames.extend(there.map(|(slice, _)| Frame { segment, slice }));
        }
        if frames.is_empty() {
            frames.push(Frame { segment: 0, slice: 0 });
        }
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
    pub fn describe(&self, job: &Job, object: &mut DataSet) -> Result<(), ComposeError> {
        let frame_of_reference = self.volume.frame_of_reference.as_ref();
        if let Some(uid) = frame_of_reference {
            job.subject.source.copy_to(Scope::FrameOfReference, object);
            object.uid(tags::FRAME_OF_REFERENCE_UID, uid);
        } else {
            let geometry = &self.volume.geometry;
            let directions = [geometry.row_direction, geometry.column_direction];
            object.texts(tags::PATIENT_ORIENTATION, &directions.map(patient_direction));
        }
        self.dimensions(job, object);
        let per_frame: Result<Vec<DataSet>, ComposeError> =
            self.frames.iter().map(|frame| self.frame(*frame)).collect();
        object
            .text(tags::NUMBER_OF_FRAMES, &self.frames.len().to_string())
            .item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, self.shared(&job.subject)?)
            .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame?);
        Ok(())
    }

    fn has_planes(&self) -> bool {
        self.volume.frame_of_reference.is_some()
    }

    /// By segment, then by place.
    fn dimensions(&self, job: &Job, object: &mut DataSet) {
        let organization = job.uid("seg dimensions");
        let index = |pointer: Tag, group: Tag| {
            let mut item = DataSet::new();
            let tag = |tag, value| DataElement::new(tag, VR::AT, PrimitiveValue::from(value));
            item.uid(tags::DIMENSION_ORGANIZATION_UID, &organization)
                .put(tag(tags::DIMENSION_INDEX_POINTER, pointer))
                .put(tag(tags::FUNCTIONAL_GROUP_POINTER, group));
            item
        };
        let place = match self.has_planes() {
            true => (tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE),
            false => (tags::IN_STACK_POSITION_NUMBER, tags::FRAME_CONTENT_SEQUENCE),
        };
        let indices = vec![
            index(tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE),
            index(place.0, place.1),
        ];
        let mut item = DataSet::new();
        item.uid(tags::DIMENSION_ORGANIZATION_UID, &organization);
        object
            .item(tags::DIMENSION_ORGANIZATION_SEQUENCE, item)
            .items(tags::DIMENSION_INDEX_SEQUENCE, indices);
        if self.has_planes() && self.volume.geometry.slices > 1 {
            object.text(tags::DIMENSION_ORGANIZATION_TYPE, "3D");
        }
    }

    fn shared(&self, subject: &Subject) -> Result<DataSet, ComposeError> {
        let geometry = &self.volume.geometry;
        let thickness = subject.slice_thickness().unwrap_or(geometry.slice_step);
        let mut measures = DataSet::new();
        measures
            .decimals(tags::SLICE_THICKNESS, &[thickness])?
            .decimals(tags::PIXEL_SPACING, &geometry.pixel_spacing)?;
        if geometry.slices > 1 {
            measures.decimals(tags::SPACING_BETWEEN_SLICES, &[geometry.slice_step])?;
        }
        let mut shared = DataSet::new();
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
    fn frame(&self, frame: Frame) -> Result<DataSet, ComposeError> {
        let number = frame.segment as u32 + 1;
        let place = self.places[frame.slice];
        let mut content = DataSet::new();
        let values = PrimitiveValue::U32([number, place].as_slice().into());
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
        let mut segment = DataSet::new();
        segment.number(tags::REFERENCED_SEGMENT_NUMBER, frame.segment as u16 + 1);
        item.item(tags::FRAME_CONTENT_SEQUENCE, content)
            .item(tags::SEGMENT_IDENTIFICATION_SEQUENCE, segment)
            .item(tags::DERIVATION_IMAGE_SEQUENCE, self.derivation(frame.slice));
        Ok(item)
    }

    fn derivation(&self, slice: usize) -> DataSet {
        let slice = &self.volume.slices[slice];
        let mut of = referenced_frame(&slice.sop_class, &slice.sop_instance, slice.frame);
        of.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &SOURCE_IMAGE.into())
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, "YES");
        let mut derivation = DataSet::new();
        derivation
            .code(tags::DERIVATION_CODE_SEQUENCE, &SEGMENTATION.into())
            .item(tags::SOURCE_IMAGE_SEQUENCE, of);
        derivation
    }
}
