//! A series becomes a volume: slices are read one at a time, put in order, and refused with a reason where they don't fit.

use crate::manifest::{Input, Intensity, Limit};
use crate::slice::{self, Slice, SliceError, SliceName};
use crate::stack::{self, StackError};
use gantry_terms::geometry::Geometry;
use gantry_terms::volume::Volume;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A volume may have this many voxels: 2 GiB of float32, as 2048 slices of 512 x 512.
pub const MOST_VOXELS: usize = 1 << 29;

/// Why a series is not a volume that the model takes. All of them are permanent: the same images
/// give the same answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AssemblyError {
    #[error("{name} {error}")]
    Slice { name: SliceName, error: SliceError },
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error("the series has more than {MOST_VOXELS} voxels")]
    TooLarge,
    #[error("{what} is {}, the model takes {limit}", (.value * 1000.0).round() / 1000.0)]
    OutsideLimit { what: &'static str, value: f64, limit: Limit },
}

impl From<(SliceName, SliceError)> for AssemblyError {
    fn from((name, error): (SliceName, SliceError)) -> Self {
        Self::Slice { name, error }
    }
}

/// Collects the slices of one input of a model. `add` and `finish` block for as long as
/// decoding takes: call them where blocking is allowed.
pub struct Assembly {
    input: Input,
    images: usize,
    slices: Vec<Slice>,
    voxels: usize,
}

/// How many voxels may still be decoded, by all who read images at the same time.
#[derive(Debug)]
pub struct Room(AtomicUsize);

impl Room {
    /// For all images of a volume.
    pub fn of_volume() -> Self {
        Self::of(MOST_VOXELS)
    }

    pub fn of(voxels: usize) -> Self {
        Self(AtomicUsize::new(voxels.min(MOST_VOXELS)))
    }

    /// For an image that is about to be decoded.
    fn take(&self, voxels: usize) -> bool {
        let less = |left: usize| left.checked_sub(voxels);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// The slices of one image, read apart from the others of its series.
#[derive(Debug)]
pub struct ImageSlices(Vec<Slice>);

impl ImageSlices {
    /// Of a Part 10 file; blocks while its pixels are decoded. Without an Instance Number it is called by
    /// its place among the images that are given.
    pub fn read(
        part10: &[u8],
        place: usize,
        input: &Input,
        room: &Room,
    ) -> Result<Self, AssemblyError> {
        let mut slices = Vec::new();
        let begin = |voxels| room.take(voxels).then_some(()).ok_or(AssemblyError::TooLarge);
        slice::read(part10, place, input, begin, |slice| {
            slices.push(slice);
            Ok::<(), AssemblyError>(())
        })?;
        Ok(Self(slices))
    }

    /// Of its voxels, in memory.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|slice| size_of_val(slice.voxels.as_slice()) as u64).sum()
    }
}

impl Assembly {
    pub fn new(input: &Input) -> Self {
        Self { input: input.clone(), images: 0, slices: Vec::new(), voxels: 0 }
    }

    /// Adds one image, a Part 10 file, in any order. One with functional groups has many slices.
    pub fn add(&mut self, part10: &[u8]) -> Result<(), AssemblyError> {
        self.images += 1;
        let (input, place) = (self.input.clone(), self.images);
        let left = MOST_VOXELS.saturating_sub(self.voxels);
        let fits = |voxels| if voxels > left { Err(AssemblyError::TooLarge) } else { Ok(()) };
        slice::read(part10, place, &input, fits, |slice| self.take(slice))
    }

    /// Adds an image that was read apart.
    pub fn add_read(&mut self, image: ImageSlices) -> Result<(), AssemblyError> {
        self.images += 1;
        image.0.into_iter().try_for_each(|slice| self.take(slice))
    }

    fn take(&mut self, slice: Slice) -> Result<(), AssemblyError> {
        if self.slices.first().is_some_and(|first| first.meaning != slice.meaning) {
            let error = SliceError::MixedMeaning(slice.meaning.told());
            return Err(AssemblyError::Slice { name: slice.name, error });
        }
        self.voxels += slice.voxels.len();
        if self.voxels > MOST_VOXELS {
            return Err(AssemblyError::TooLarge);
        }
        self.slices.push(slice);
        Ok(())
    }

    /// The volume of all slices given, ordered so that the position along the normal grows.
    pub fn finish(mut self) -> Result<Volume, AssemblyError> {
        let slices = self.slices.len() as f64;
        check("the number of slices", slices, self.input.limits.slices)?;
        let geometry = stack::order(&mut self.slices)?;
        self.check_limits(&geometry)?;
        let frame_of_reference = self.slices[0].frame_of_reference.clone();
        let mut voxels = Vec::with_capacity(self.voxels);
        let mut sources = Vec::with_capacity(self.slices.len());
        let displayed = self.input.intensity == Intensity::Displayed;
        for slice in self.slices {
            // One slice at a time is copied and freed, so that the peak stays near one volume.
            voxels.extend_from_slice(&slice.voxels);
            sources.push(slice.source);
        }
        Ok(Volume { geometry, voxels, slices: sources, frame_of_reference, displayed })
    }

    fn check_limits(&self, geometry: &Geometry) -> Result<(), AssemblyError> {
        let limits = &self.input.limits;
        for spacing in geometry.pixel_spacing {
            check("the pixel spacing in mm", spacing, limits.pixel_spacing)?;
        }
        check("the distance of slices in mm", geometry.slice_step, limits.slice_step)?;
        let planes = [
            ("the angle to the sagittal plane in degrees", limits.degrees_from_sagittal),
            ("the angle to the coronal plane in degrees", limits.degrees_from_coronal),
            ("the angle to the axial plane in degrees", limits.degrees_from_axial),
        ];
        for (along, (what, limit)) in geometry.normal().into_iter().zip(planes) {
            check(what, along.abs().min(1.0).acos().to_degrees(), limit)?;
        }
        Ok(())
    }
}

fn check(what: &'static str, value: f64, limit: Limit) -> Result<(), AssemblyError> {
    if limit.holds(value) {
        return Ok(());
    }
    Err(AssemblyError::OutsideLimit { what, value, limit })
}
