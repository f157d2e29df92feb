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
    pub fn choose(overlay: &Overlay) -> Self {
        let (worth, total) = (overlay.worth_showing(), overlay.slices());
        let bytes = overlay.width() * overlay.height() * 3;
        let most = (MOST_BYTES / bytes).clamp(1, MOST);
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
        let cosines = [geometry.row_direction, geometry.column_direction].concat();
        orientation.decimals(tags::IMAGE_ORIENTATION_PATIENT, &cosines)?;
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
        let thickness = subject.slice_thickness().unwrap_or(geometry.slice_step);
        let spacing = geometry.pixel_spacing.map(|spacing| spacing / self.factor as f64);
        let mut measures = DataSet::new();
        measures
            .decimals(tags::SLICE_THICKNESS, &[thickness])?
            .decimals(tags::PIXEL_SPACING, &spacing)?;
        if self.count() > 1 {
            let apart = geometry.slice_step * self.stride as f64;
            measures.decimals(tags::SPACING_BETWEEN_SLICES, &[apart])?;
        }
        Ok(measures)
    }

    /// The centre of the frame's first pixel. Where the source was scaled up, that is the corner
    /// one of those that its first pixel became.
    fn position(&self, volume: &Volume, slice: usize) -> Result<DataSet, ComposeError> {
        let geometry = &volume.geometry;
        let shift = (1.0 - 1.0 / self.factor as f64) / 2.0;
        let (down, along) = (geometry.pixel_spacing[0] * shift, geometry.pixel_spacing[1] * shift);
        let first: [f64; 3] = std::array::from_fn(|axis| {
            volume.slices[slice].position[axis]
                - geometry.row_direction[axis] * along
                - geometry.column_direction[axis] * down
        });
        let mut position = DataSet::new();
        position.decimals(tags::IMAGE_POSITION_PATIENT, &first)?;
        let mut frame = DataSet::new();
        frame.item(tags::PLANE_POSITION_SEQUENCE, position);
        Ok(frame)
    }
}
