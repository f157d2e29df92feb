//! Which slices become frames, and where the frames lie (PS3.3 C.7.6.6, C.7.6.16).

use crate::aspect;
use crate::data_set::DataSet;
use crate::header::Subject;
use crate::measured::Measured;
use crate::object::ComposeError;
use crate::secondary_capture::overlay::Overlay;
use crate::source::attributes::Scope;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::geometry::{Geometry, dot};
use gantry_terms::volume::Volume;

/// More are a burden for the viewer and no help for the reader.
const MOST: usize = 64;
/// A result must not be larger than many a whole study.
const MOST_BYTES: usize = 256 << 20;
/// The same of a series of pictures, which a viewer scrolls along with their slices: 680 of 512 x 512 pixels.
const MOST_BYTES_OF_SERIES: usize = 512 << 20;

/// Every `stride`th slice that is worth a picture, from the first.
#[derive(Debug)]
pub struct Frames {
    worth: Vec<usize>,
    total: usize,
    stride: usize,
    factor: usize,
    /// What each of them shows, as in `slice`.
    one: String,
}

impl Frames {
    /// For one object.
    pub fn choose(overlay: &Overlay) -> Self {
        Self::within(overlay, MOST, MOST_BYTES)
    }

    /// For an object each: of a cine no more than for one, of a volume all slices that there is room for.
    pub fn of_series(overlay: &Overlay) -> Self {
        match overlay.is_cine() {
            true => Self::choose(overlay),
            false => Self::within(overlay, usize::MAX, MOST_BYTES_OF_SERIES),
        }
    }

    fn within(overlay: &Overlay, most: usize, most_bytes: usize) -> Self {
        let (worth, total) = (overlay.worth_showing(), overlay.slices());
        let bytes = overlay.width() * overlay.height() * 3;
        let most = (most_bytes / bytes).clamp(1, most);
        let one = overlay.one().to_lowercase();
        Self { stride: worth.len().div_ceil(most), worth, total, factor: overlay.factor, one }
    }

    pub fn slices(&self) -> impl Iterator<Item = usize> {
        self.worth.iter().copied().step_by(self.stride)
    }

    pub fn count(&self) -> usize {
        self.slices().count()
    }

    /// In words.
    pub fn selection(&self) -> String {
        let (one, worth, total) = (&self.one, self.worth.len(), self.total);
        let [what, of] = match self.are_all_worth() {
            true => [format!("{one}s"), String::new()],
            false => [format!("{one}s that show what was found"), format!(", of {total} {one}s")],
        };
        match self.stride {
            1 => format!("all {worth} {what}{of}"),
            n => {
                format!("{} of {worth} {what}, evenly spaced (one in {n}){of}", self.count())
            }
        }
    }

    fn are_all_worth(&self) -> bool {
        self.worth.len() == self.total
    }

    /// Of a cine those that have a picture, counted from 1; none where all of them have.
    pub fn numbers_of_source(&self) -> Vec<u32> {
        let all = self.count() == self.total;
        self.slices().filter(|_| !all).map(|at| at as u32 + 1).collect()
    }

    /// Multi-frame module with its vector, and the functional groups when the source has a frame
    /// of reference: Pixel Measures and Plane Orientation shared, Plane Position per frame.
    pub fn describe(
        &self,
        subject: &Subject,
        measured: Measured,
        capture: &mut DataSet,
    ) -> Result<(), ComposeError> {
        capture.text(tags::NUMBER_OF_FRAMES, &self.count().to_string());
        let volume = match measured {
            Measured::Volume(volume) => volume,
            Measured::Film(_) => {
                if self.count() > 1 {
                    self.numbers(capture);
                }
                aspect::write(subject.source, measured, capture);
                return Ok(());
            }
        };
        if self.count() > 1 {
            let vector = PrimitiveValue::from(tags::SLICE_LOCATION_VECTOR);
            capture.put(DataElement::new(tags::FRAME_INCREMENT_POINTER, VR::AT, vector));
            let normal = volume.geometry.normal();
            let locations: Vec<f64> =
                self.slices().map(|slice| dot(volume.slices[slice].position, normal)).collect();
            capture.decimals(tags::SLICE_LOCATION_VECTOR, &locations)?;
        }
        if let Some(uid) = &volume.frame_of_reference {
            subject.source.copy_to(Scope::FrameOfReference, capture);
            capture.uid(tags::FRAME_OF_REFERENCE_UID, uid);
            self.functional_groups(subject, volume, capture)?;
        } else {
            aspect::write(subject.source, measured, capture);
        }
        Ok(())
    }

    /// Frame of Reference and Image Plane modules of one slice (PS3.3 C.7.4.1, C.7.6.2), all of them or none: without a frame of reference
    /// the shape of the pixels.
    pub fn plane(
        &self,
        subject: &Subject,
        measured: Measured,
        slice: usize,
        capture: &mut DataSet,
    ) -> Result<(), ComposeError> {
        let (Measured::Volume(volume), Some(uid)) = (measured, measured.frame_of_reference())
        else {
            aspect::write(subject.source, measured, capture);
            return Ok(());
        };
        let geometry = &volume.geometry;
        subject.source.copy_to(Scope::FrameOfReference, capture);
        capture.uid(tags::FRAME_OF_REFERENCE_UID, uid);
        capture
            .decimals(tags::IMAGE_POSITION_PATIENT, &self.first_pixel(volume, slice))?
            .decimals(tags::IMAGE_ORIENTATION_PATIENT, &cosines(geometry))?;
        self.pixel_measures(subject, geometry, capture)
    }

    /// Of the frames of a cine, as pages.
    fn numbers(&self, capture: &mut DataSet) {
        let vector = PrimitiveValue::from(tags::PAGE_NUMBER_VECTOR);
        capture.put(DataElement::new(tags::FRAME_INCREMENT_POINTER, VR::AT, vector)).values(
            tags::PAGE_NUMBER_VECTOR,
            self.slices().map(|at| (at + 1).to_string()).collect(),
        );
    }

    fn functional_groups(
        &self,
        subject: &Subject,
        volume: &Volume,
        capture: &mut DataSet,
    ) -> Result<(), ComposeError> {
        let geometry = &volume.geometry;
        let mut shared = DataSet::new();
        let mut orientation = DataSet::new();
        orientation.decimals(tags::IMAGE_ORIENTATION_PATIENT, &cosines(geometry))?;
        shared
            .item(tags::PLANE_ORIENTATION_SEQUENCE, orientation)
            .item(tags::PIXEL_MEASURES_SEQUENCE, self.measures(subject, &volume.geometry)?);
        let positions: Result<Vec<DataSet>, ComposeError> =
            self.slices().map(|slice| self.position(volume, slice)).collect();
        capture
            .item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, shared)
            .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, positions?);
        Ok(())
    }

    fn measures(&self, subject: &Subject, geometry: &Geometry) -> Result<DataSet, ComposeError> {
        let mut measures = DataSet::new();
        self.pixel_measures(subject, geometry, &mut measures)?;
        if self.count() > 1 {
            let apart = geometry.slice_step * self.stride as f64;
            measures.decimals(tags::SPACING_BETWEEN_SLICES, &[apart])?;
        }
        Ok(measures)
    }

    fn pixel_measures(
        &self,
        subject: &Subject,
        geometry: &Geometry,
        measures: &mut DataSet,
    ) -> Result<(), ComposeError> {
        let thickness = subject.slice_thickness().unwrap_or(geometry.slice_step);
        let spacing = geometry.pixel_spacing.map(|spacing| spacing / self.factor as f64);
        measures
            .decimals(tags::SLICE_THICKNESS, &[thickness])?
            .decimals(tags::PIXEL_SPACING, &spacing)?;
        Ok(())
    }

    /// The centre of the picture's first pixel. Where the source was scaled up, that is the corner
    /// one of those that its first pixel became.
    fn first_pixel(&self, volume: &Volume, slice: usize) -> [f64; 3] {
        let geometry = &volume.geometry;
        let shift = (1.0 - 1.0 / self.factor as f64) / 2.0;
        let (down, along) = (geometry.pixel_spacing[0] * shift, geometry.pixel_spacing[1] * shift);
        std::array::from_fn(|axis| {
            volume.slices[slice].position[axis]
                - geometry.row_direction[axis] * along
                - geometry.column_direction[axis] * down
        })
    }

    fn position(&self, volume: &Volume, slice: usize) -> Result<DataSet, ComposeError> {
        let mut position = DataSet::new();
        position.decimals(tags::IMAGE_POSITION_PATIENT, &self.first_pixel(volume, slice))?;
        let mut frame = DataSet::new();
        frame.item(tags::PLANE_POSITION_SEQUENCE, position);
        Ok(frame)
    }
}

/// Of rows, then of columns, as Image Orientation (Patient) has them.
fn cosines(geometry: &Geometry) -> Vec<f64> {
    [geometry.row_direction, geometry.column_direction].concat()
}
