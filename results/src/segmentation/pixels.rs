//! The voxels of the frames as Pixel Data: bits that run on over the borders of frames, or bytes (PS3.5 8.1.1, 8.2).

use crate::data_set::DataSet;
use crate::object::ComposeError;
use crate::segmentation::Form;
use crate::segmentation::frames::Frames;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Mask;

/// Image Pixel module (PS3.3 C.7.6.3).
pub fn pixels(
    frames: &Frames,
    masks: &[Mask],
    form: Form,
    object: &mut DataSet,
) -> Result<(), ComposeError> {
    let side = |pixels: usize| {
        u16::try_from(pixels).map_err(|_| ComposeError::Mismatch("the images are too large".into()))
    };
    let geometry = &frames.volume.geometry;
    let bits = match form {
        Form::Binary => 1,
        Form::Fractional => 8,
    };
    object
        .number(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .number(tags::ROWS, side(geometry.rows)?)
        .number(tags::COLUMNS, side(geometry.columns)?)
        .number(tags::BITS_ALLOCATED, bits)
        .number(tags::BITS_STORED, bits)
        .number(tags::HIGH_BIT, bits - 1)
        .number(tags::PIXEL_REPRESENTATION, 0);
    let size = geometry.rows * geometry.columns;
    let slices = frames.frames.iter().map(|frame| {
        let voxels = form.voxels(&masks[frame.segment]);
        &voxels[frame.slice * size..(frame.slice + 1) * size]
    });
    let mut bytes = match form {
        Form::Binary => packed(slices, size),
        Form::Fractional => slices.collect::<Vec<_>>().concat(),
    };
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    if bytes.len() as u64 > u64::from(u32::MAX - 1) {
        return Err(ComposeError::TooLarge);
    }
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into())));
    Ok(())
}

/// The first voxel is the lowest bit of the first byte; frames do not begin on a byte of their own.
fn packed<'a>(slices: impl ExactSizeIterator<Item = &'a [u8]>, size: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; (slices.len() * size).div_ceil(8)];
    for (number, slice) in slices.enumerate() {
        let first = number * size;
        for (at, _) in slice.iter().enumerate().filter(|(_, voxel)| **voxel != 0) {
            bytes[(first + at) / 8] |= 1 << ((first + at) % 8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_run_on_over_the_borders_of_frames() {
        let frames: [&[u8]; 3] = [&[1, 0, 0, 1, 0], &[0, 1, 0, 0, 1], &[1, 1, 1, 0, 0]];
        assert_eq!(packed(frames.into_iter(), 5), [0b0100_1001, 0b0001_1110]);
    }
}
