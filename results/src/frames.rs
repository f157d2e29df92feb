//! Which slices become the frames of a result, and where they lie: the multi-frame functional groups (PS3.3 C.7.6.16).

use crate::aspect;
use crate::codes::SOURCE_IMAGE;
use crate::data_set::{DataSet, referenced, referenced_frame};
use crate::header::{Job, Subject};
use crate::measured::Measured;
use crate::object::ComposeError;
use crate::secondary_capture::patient_direction;
use crate::source::Source;
use crate::source::attributes::Scope;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::code::Code;
use gantry_terms::geometry::Geometry;
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
    measured: Measured<'a>,
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
    pub fn of_segments<'v>(
        measured: Measured<'a>,
        segments: impl Iterator<Item = &'v [u8]>,
    ) -> Self {
        let [rows, columns] = measured.size();
        let size = (rows * columns).max(1);
        let mut frames = Vec::new();
        for (segment, voxels) in segments.enumerate() {
            let slices = voxels.chunks_exact(size).enumerate();
            let there = slices.filter(|(_, slice)| slice.iter().any(|voxel| *voxel != 0));
            frames.extend(there.map(|(slice, _)| Frame { segment: Some(segment), slice }));
        }
        if frames.is_empty() {
            frames.push(Frame { segment: Some(0), slice: 0 });
        }
        Self::new(measured, frames)
    }

    /// For each slice that some segment is on; the first one where none is anywhere.
    pub fn of_slices_with_segments<'v>(
        measured: Measured<'a>,
        segments: impl Iterator<Item = &'v [u8]>,
    ) -> Self {
        let by_segment = Self::of_segments(measured, segments).frames;
        let mut slices: Vec<usize> = by_segment.iter().map(|frame| frame.slice).collect();
        slices.sort_unstable();
        slices.dedup();
        let frames = slices.into_iter().map(|slice| Frame { segment: None, slice });
        Self::new(measured, frames.collect())
    }

    pub fn of_all_slices(measured: Measured<'a>) -> Self {
        let slices = 0..measured.slices();
        Self::new(measured, slices.map(|slice| Frame { segment: None, slice }).collect())
    }

    fn new(measured: Measured<'a>, frames: Vec<Frame>) -> Self {
        let mut shown = vec![0; measured.slices()];
        frames.iter().for_each(|frame| shown[frame.slice] = 1);
        let mut before = 0;
        let places = shown.into_iter().map(|one: u32| {
            before += one;
            before
        });
        Self { measured, frames, places: places.collect() }
    }

    /// Multi-frame Functional Groups, Multi-frame Dimension and Frame of Reference modules. Without a frame of
    /// reference no plane has a position: frames go by their source images and their order in the stack.
    pub fn describe(
        &self,
        job: &Job,
        said: Said,
        object: &mut DataSet,
    ) -> Result<(), ComposeError> {
        if let Some(uid) = self.measured.frame_of_reference() {
            job.subject.source.copy_to(Scope::FrameOfReference, object);
            object.uid(tags::FRAME_OF_REFERENCE_UID, uid);
        } else {
            let directions = directions(job.subject.source, self.measured);
            object.values(tags::PATIENT_ORIENTATION, directions);
            if let Measured::Film(_) = self.measured {
                aspect::write(job.subject.source, self.measured, object);
            }
        }
        let place = self.place(job.subject.source);
        self.dimensions(&job.uid(said.dimensions), place, object);
        let frames = self.frames.iter().map(|frame| self.frame(*frame, place, &said.derivation));
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
        let [rows, columns] = self.measured.size();
        Ok([side(rows)?, side(columns)?])
    }

    fn has_planes(&self) -> bool {
        self.measured.frame_of_reference().is_some()
    }

    fn by_segment(&self) -> bool {
        self.frames.iter().any(|frame| frame.segment.is_some())
    }

    /// What the frames of one segment go by (PS3.3 C.7.6.16.2.2).
    fn place(&self, source: &Source) -> Tag {
        match self.measured {
            _ if self.has_planes() => tags::IMAGE_POSITION_PATIENT,
            Measured::Volume(_) => tags::IN_STACK_POSITION_NUMBER,
            // Those of other images may be views, windows of energy or pages.
            Measured::Film(film) if film.frames > 1 && !source.has_frame_times() => {
                tags::FRAME_LABEL
            }
            Measured::Film(_) => tags::TEMPORAL_POSITION_INDEX,
        }
    }

    /// By segment, if frames are of segments, then by place.
    fn dimensions(&self, organization: &Uid, place: Tag, object: &mut DataSet) {
        let index = |pointer: Tag, group: Tag| {
            let mut item = DataSet::new();
            let tag = |tag, value| DataElement::new(tag, VR::AT, PrimitiveValue::from(value));
            item.uid(tags::DIMENSION_ORGANIZATION_UID, organization)
                .put(tag(tags::DIMENSION_INDEX_POINTER, pointer))
                .put(tag(tags::FUNCTIONAL_GROUP_POINTER, group));
            item
        };
        let group = match place {
            tags::IMAGE_POSITION_PATIENT => tags::PLANE_POSITION_SEQUENCE,
            _ => tags::FRAME_CONTENT_SEQUENCE,
        };
        let mut indices = vec![index(place, group)];
        if self.by_segment() {
            let segment = (tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
            indices.insert(0, index(segment.0, segment.1));
        }
        let mut item = DataSet::new();
        item.uid(tags::DIMENSION_ORGANIZATION_UID, organization);
        object
            .item(tags::DIMENSION_ORGANIZATION_SEQUENCE, item)
            .items(tags::DIMENSION_INDEX_SEQUENCE, indices);
        if self.has_planes() && self.measured.slices() > 1 {
            object.text(tags::DIMENSION_ORGANIZATION_TYPE, "3D");
        }
    }

    fn shared(&self, subject: &Subject, mut shared: DataSet) -> Result<DataSet, ComposeError> {
        // A film has no thickness, and readers take no pixel measures without one: how large its pixels are is its own to say.
        let Measured::Volume(Volume { geometry, .. }) = self.measured else { return Ok(shared) };
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
    fn frame(&self, frame: Frame, by: Tag, derivation: &Code) -> Result<DataSet, ComposeError> {
        let place = self.places[frame.slice];
        let number = frame.segment.map(|segment| segment as u16 + 1);
        let mut content = DataSet::new();
        let values = number.map(u32::from).into_iter().chain([place]);
        let values = PrimitiveValue::U32(values.collect());
        content.put(DataElement::new(tags::DIMENSION_INDEX_VALUES, VR::UL, values));
        let mut item = DataSet::new();
        let number_of = |tag| DataElement::new(tag, VR::UL, PrimitiveValue::from(place));
        match self.measured {
            Measured::Volume(volume) if self.has_planes() => {
                let mut position = DataSet::new();
                let slice = &volume.slices[frame.slice];
                position.decimals(tags::IMAGE_POSITION_PATIENT, &slice.position)?;
                item.item(tags::PLANE_POSITION_SEQUENCE, position);
            }
            Measured::Volume(_) => {
                content.text(tags::STACK_ID, "1").put(number_of(tags::IN_STACK_POSITION_NUMBER));
            }
            Measured::Film(_) if by == tags::FRAME_LABEL => {
                content.text(tags::FRAME_LABEL, &format!("frame {}", frame.slice + 1));
            }
            Measured::Film(_) => {
                content.put(number_of(tags::TEMPORAL_POSITION_INDEX));
            }
        }
        if let Some(number) = number {
            let mut segment = DataSet::new();
            segment.number(tags::REFERENCED_SEGMENT_NUMBER, number);
            item.item(tags::SEGMENT_IDENTIFICATION_SEQUENCE, segment);
        }
        item.item(tags::FRAME_CONTENT_SEQUENCE, content)
            .item(tags::DERIVATION_IMAGE_SEQUENCE, self.derivation(frame.slice, derivation)?);
        Ok(item)
    }

    fn derivation(&self, slice: usize, how: &Code) -> Result<DataSet, ComposeError> {
        let none = || ComposeError::Mismatch("a slice has no source".into());
        let image = self.measured.image(slice).ok_or_else(none)?;
        let mut of = referenced_frame(image.sop_class, image.sop_instance, image.frame);
        of.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &SOURCE_IMAGE.into())
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, "YES");
        let mut derivation = DataSet::new();
        derivation.code(tags::DERIVATION_CODE_SEQUENCE, how).item(tags::SOURCE_IMAGE_SEQUENCE, of);
        Ok(derivation)
    }
}

/// Which way rows and columns run in the patient (Patient Orientation, PS3.3 C.7.6.1.1.1); none where the film does not say.
pub fn directions(source: &Source, measured: Measured) -> Vec<String> {
    match measured {
        Measured::Volume(volume) => {
            let Geometry { row_direction, column_direction, .. } = volume.geometry;
            vec![patient_direction(row_direction), patient_direction(column_direction)]
        }
        Measured::Film(_) => source.texts(tags::PATIENT_ORIENTATION),
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
