//! The functional groups of a multi-frame image (PS3.3 C.7.6.16): what all frames share, and what each has by itself.

use crate::decode::DecodeError;
use crate::elements::Elements;
use crate::slice::SliceError;
use std::collections::BTreeSet;

const DIMENSION_INDEX_POINTER: u32 = 0x0020_9165;
const FRAME_TYPE: u32 = 0x0008_9007;
const COMPLEX_IMAGE_COMPONENT: u32 = 0x0008_9208;
const STACK_ID: u32 = 0x0020_9056;
const IN_STACK_POSITION_NUMBER: u32 = 0x0020_9057;
const TEMPORAL_POSITION_INDEX: u32 = 0x0020_9128;
const DIMENSION_INDEX_VALUES: u32 = 0x0020_9157;
const IMAGE_POSITION: u32 = 0x0020_0032;
const SLICE_LOCATION: u32 = 0x0020_1041;

/// Sequences of the image.
const SHARED: u32 = 0x5200_9229;
const PER_FRAME: u32 = 0x5200_9230;
const DIMENSION_INDEX: u32 = 0x0020_9222;

/// Macros of the groups, each a sequence with one item.
pub const PIXEL_MEASURES: u32 = 0x0028_9110;
pub const PLANE_POSITION: u32 = 0x0020_9113;
pub const PLANE_ORIENTATION: u32 = 0x0020_9116;
pub const PIXEL_VALUE_TRANSFORMATION: u32 = 0x0028_9145;
pub const FRAME_VOI_LUT: u32 = 0x0028_9132;
const FRAME_CONTENT: u32 = 0x0020_9111;
const CT_FRAME_TYPE: u32 = 0x0018_9329;
const MR_FRAME_TYPE: u32 = 0x0018_9226;

const MACROS: &[u32] = &[
    PIXEL_MEASURES,
    PLANE_POSITION,
    PLANE_ORIENTATION,
    PIXEL_VALUE_TRANSFORMATION,
    FRAME_VOI_LUT,
    FRAME_CONTENT,
    CT_FRAME_TYPE,
    MR_FRAME_TYPE,
];

/// What [`Groups::read`] has to know.
pub const TAGS: &[u32] = &[SHARED, PER_FRAME, DIMENSION_INDEX];

/// An image has more dimensions than a volume long before this many.
const MOST_DIMENSIONS: usize = 64;

pub struct Groups<'a> {
    image: &'a Elements<'a>,
    shared: Option<Elements<'a>>,
    /// One for each frame.
    frames: Vec<Elements<'a>>,
}

impl<'a> Groups<'a> {
    /// None where the image has no functional groups.
    pub fn read(image: &'a Elements<'a>, frames: usize) -> Result<Option<Self>, SliceError> {
        if !image.is_present(SHARED) && !image.is_present(PER_FRAME) {
            return Ok(None);
        }
        let shared = image.item(SHARED, MACROS).map_err(DecodeError::from)?;
        let of_frames = image.items(PER_FRAME, MACROS, frames + 1).map_err(DecodeError::from)?;
        match of_frames.len() == frames {
            true => Ok(Some(Self { image, shared, frames: of_frames })),
            false => Err(SliceError::Groups { frames }),
        }
    }

    /// The wanted values of one macro for a frame, counted from 0: its own, or what all share. None where it has
    /// neither.
    pub fn found(
        &self,
        frame: usize,
        group: u32,
        wanted: &[u32],
    ) -> Result<Option<Elements<'_>>, SliceError> {
        let own = self.frames.get(frame).filter(|groups| groups.is_present(group));
        match own.or(self.shared.as_ref()) {
            Some(groups) => Ok(groups.item(group, wanted).map_err(DecodeError::from)?),
            None => Ok(None),
        }
    }

    /// The same, without values where it has neither.
    pub fn of_frame(
        &self,
        frame: usize,
        group: u32,
        wanted: &[u32],
    ) -> Result<Elements<'_>, SliceError> {
        let found = self.found(frame, group, wanted)?;
        Ok(found.unwrap_or_else(|| self.image.without_values()))
    }

    /// Frames that differ in something other than their place are several volumes: which one is meant, nobody
    /// here can know.
    pub fn check_one_stack(&self) -> Result<(), SliceError> {
        let mut stacks = BTreeSet::new();
        let mut times = BTreeSet::new();
        let mut types = BTreeSet::new();
        let mut dimensions: Vec<BTreeSet<u32>> = Vec::new();
        for frame in 0..self.frames.len() {
            let wanted = [STACK_ID, TEMPORAL_POSITION_INDEX, DIMENSION_INDEX_VALUES];
            let content = self.of_frame(frame, FRAME_CONTENT, &wanted)?;
            stacks.insert(content.bytes(STACK_ID).unwrap_or_default().to_vec());
            times.extend(content.longs(TEMPORAL_POSITION_INDEX).unwrap_or_default());
            let values = content.longs(DIMENSION_INDEX_VALUES).unwrap_or_default();
            for (at, value) in values.into_iter().take(MOST_DIMENSIONS).enumerate() {
                if dimensions.len() == at {
                    dimensions.push(BTreeSet::new());
                }
                dimensions[at].insert(value);
            }
            types.insert(self.frame_type(frame)?);
        }
        let mixed = |what: &str, count: usize| Err(SliceError::Mixed { what: what.into(), count });
        match (stacks.len(), times.len(), types.len()) {
            (2.., _, _) => mixed("stacks (Stack ID)", stacks.len()),
            (_, 2.., _) => mixed("temporal positions (Temporal Position Index)", times.len()),
            (_, _, 2..) => mixed("kinds of frames (Frame Type)", types.len()),
            _ => self.check_dimensions(&dimensions),
        }
    }

    /// Frame Type and Complex Image Component, as they stand in the file.
    fn frame_type(&self, frame: usize) -> Result<Vec<Vec<u8>>, SliceError> {
        let mut told = Vec::new();
        for group in [CT_FRAME_TYPE, MR_FRAME_TYPE] {
            let of_frame = self.of_frame(frame, group, &[FRAME_TYPE, COMPLEX_IMAGE_COMPONENT])?;
            for tag in [FRAME_TYPE, COMPLEX_IMAGE_COMPONENT] {
                told.push(of_frame.bytes(tag).unwrap_or_default().to_vec());
            }
        }
        Ok(told)
    }

    /// A dimension that has another value in each frame only counts them.
    fn check_dimensions(&self, values: &[BTreeSet<u32>]) -> Result<(), SliceError> {
        let wanted = [DIMENSION_INDEX_POINTER];
        let dimensions = self.image.items(DIMENSION_INDEX, &wanted, MOST_DIMENSIONS);
        let dimensions = dimensions.map_err(DecodeError::from)?;
        for (at, values) in values.iter().enumerate() {
            let of = dimensions.get(at).and_then(|item| item.words(DIMENSION_INDEX_POINTER));
            let tag = match of.as_deref() {
                Some([group, element, ..]) => u32::from(*group) << 16 | u32::from(*element),
                _ => 0,
            };
            let of_place =
                [IMAGE_POSITION, SLICE_LOCATION, STACK_ID, IN_STACK_POSITION_NUMBER].contains(&tag);
            let count = values.len();
            if !of_place && count > 1 && count < self.frames.len() {
                let what =
                    format!("values of the dimension ({:04X},{:04X})", tag >> 16, tag & 0xFFFF);
                return Err(SliceError::Mixed { what, count });
            }
        }
        Ok(())
    }
}
