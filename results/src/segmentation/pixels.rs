//! The voxels of the frames as Pixel Data: bits that run on over the borders of frames, bytes, or words (PS3.5 8.1.1, 8.2).

use crate::data_set::DataSet;
use crate::frames::Frames;
use crate::object::ComposeError;
use crate::segmentation::Form;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Mask;

/// What a label map says of a voxel that is in no segment: it is a segment of its own (PS3.3 C.8.20.2).
pub const BACKGROUND: u16 = 0;

/// Image Pixel module (PS3.3 C.7.6.3).
pub fn pixels(
    frames: &Frames,
    masks: &[Mask],
    form: Form,
    object: &mut DataSet,
) -> Result<(), ComposeError> {
    let bits = match form {
        Form::Binary => 1,
        Form::LabelMap if masks.len() > usize::from(u8::MAX) => 16,
        Form::Fractional | Form::LabelMap => 8,
    };
    let [rows, columns] = frames.sides()?;
    object
        .number(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .number(tags::ROWS, rows)
        .number(tags::COLUMNS, columns)
        .number(tags::BITS_ALLOCATED, bits)
        .number(tags::BITS_STORED, bits)
        .number(tags::HIGH_BIT, bits - 1)
        .number(tags::PIXEL_REPRESENTATION, 0);
    let size = usize::from(rows) * usize::from(columns);
    let of =
        |mask: usize, slice: usize| &form.voxels(&masks[mask])[slice * size..(slice + 1) * size];
    let of_segments =
        frames.frames.iter().map(|frame| of(frame.segment.unwrap_or_default(), frame.slice));
    let bytes = match form {
        Form::Binary => packed(of_segments, size),
        Form::Fractional => of_segments.collect::<Vec<_>>().concat(),
        Form::LabelMap => {
            object.number(tags::PIXEL_PADDING_VALUE, BACKGROUND);
            let slices = frames.frames.iter().map(|frame| frame.slice);
            let each = slices.map(|slice| (0..masks.len()).map(move |mask| of(mask, slice)));
            match bits {
                8 => each.flat_map(|masks| labels(masks, size)).map(|label| label as u8).collect(),
                _ => {
                    each.flat_map(|masks| labels(masks, size)).flat_map(u16::to_le_bytes).collect()
                }
            }
        }
    };
    let vr = if bits == 16 { VR::OW } else { VR::OB };
    object.put(DataElement::new(tags::PIXEL_DATA, vr, even(bytes)?));
    Ok(())
}

/// Padded to the even length that every value has.
fn even(mut bytes: Vec<u8>) -> Result<PrimitiveValue, ComposeError> {
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    match bytes.len() as u64 > u64::from(u32::MAX - 1) {
        true => Err(ComposeError::TooLarge),
        false => Ok(PrimitiveValue::U8(bytes.into())),
    }
}

/// Of one slice: for each voxel the number of the mask that it is in.
fn labels<'a>(masks: impl Iterator<Item = &'a [u8]>, size: usize) -> Vec<u16> {
    let mut labels = vec![BACKGROUND; size];
    for (mask, number) in masks.zip(BACKGROUND + 1..) {
        let inside = labels.iter_mut().zip(mask).filter(|(_, voxel)| **voxel != 0);
        inside.for_each(|(label, _)| *label = number);
    }
    labels
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

    #[test]
    fn a_label_is_the_number_of_the_segment_that_a_voxel_is_in() {
        let masks: [&[u8]; 2] = [&[1, 0, 0, 0], &[0, 0, 1, 0]];
        assert_eq!(labels(masks.into_iter(), 4), [1, 0, 2, 0]);
    }
}
