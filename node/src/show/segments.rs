//! A kept segmentation or label map: its segments by name, and each of them over the images that it was found in, or that lie where it does (PS3.3 C.8.20).

use super::content::Item;
use super::overlaid::{self, Overlaid, Under, group};
use super::planes::Planes;
use crate::cli::ShowArguments;
use crate::output::line;
use crate::transcode::data_set_of;
use bytes::Bytes;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_results::secondary_capture::layers::Layer;
use gantry_results::segmentation::colour::srgb;
use gantry_store::reader::Reader;
use gantry_store::series::InstanceRow;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

/// Where an object names no colour.
const ORANGE: [u8; 3] = [255, 140, 0];

/// What an object has, as far as it is drawn.
#[derive(Debug, PartialEq)]
struct Segments {
    columns: usize,
    /// By their numbers: label and colour.
    named: BTreeMap<u32, (String, [u8; 3])>,
    /// In the order in which they are met.
    pictures: Vec<(Under, Vec<OnImage>)>,
}

/// One segment on one image.
#[derive(Debug, PartialEq)]
struct OnImage {
    segment: u32,
    inside: Vec<bool>,
}

/// How voxels are stored.
#[derive(Debug, Clone, Copy)]
enum Stored {
    Bits,
    /// From the middle on a voxel is inside.
    Fractions {
        most: usize,
    },
    /// The number of the segment that a voxel is in, in so many bytes.
    Labels {
        bytes: usize,
        background: u32,
    },
}

/// Its source images have to be kept here.
pub async fn show(
    reader: &Reader,
    part10: &Bytes,
    instance: &InstanceRow,
    arguments: &ShowArguments,
) -> Result<(), Box<dyn Error>> {
    let identity = &instance.identity;
    let data_set = data_set_of(part10).ok_or("its File Meta Information can not be read")?;
    let object = Item::read(&data_set, &identity.transfer_syntax)?;
    // Of others that say where they lie and not over what.
    let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let mut frames = object.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter();
    let planes = match frames.all(|frame| Under::of(frame, shared).is_some()) {
        true => Planes::default(),
        false => Planes::of_study(reader, &identity.study, &object).await?,
    };
    let segments = Segments::read(&object, &planes)?;
    for (number, (label, _)) in &segments.named {
        let on = segments.pictures.iter().filter(|(_, on)| on.iter().any(|s| s.segment == *number));
        line!("  segment {number}, {label}: on {} images", on.count());
    }
    overlaid::draw(reader, &identity.sop_instance, segments, arguments).await
}

impl Stored {
    fn of(object: &Item) -> Result<Self, String> {
        let one = |tag: Tag| object.numbers(tag).first().copied().unwrap_or_default();
        let kind = object.text(tags::SEGMENTATION_TYPE).unwrap_or_default();
        match (one(tags::BITS_ALLOCATED), kind.as_str()) {
            (1, "BINARY") => Ok(Self::Bits),
            (8, "FRACTIONAL") => {
                Ok(Self::Fractions { most: one(tags::MAXIMUM_FRACTIONAL_VALUE).max(1) as usize })
            }
            (bits @ (8 | 16), "LABELMAP") => Ok(Self::Labels {
                bytes: bits as usize / 8,
                background: one(tags::PIXEL_PADDING_VALUE),
            }),
            _ => Err("its segments are neither bits nor bytes nor labels (PS3.3 C.8.20.2)".into()),
        }
    }

    fn bits(self) -> usize {
        match self {
            Self::Bits => 1,
            Self::Fractions { .. } => 8,
            Self::Labels { bytes, .. } => bytes * 8,
        }
    }

    /// Of one frame of `size` voxels; `segment` is the one that the frame is of, if it is of one.
    fn segments(
        self,
        pixels: &[u8],
        at: usize,
        size: usize,
        segment: Option<u32>,
    ) -> Option<Vec<OnImage>> {
        let voxels = at * size..(at + 1) * size;
        let inside: Vec<bool> = match self {
            Self::Bits => voxels.map(|at| pixels[at / 8] >> (at % 8) & 1 == 1).collect(),
            Self::Fractions { most } => {
                voxels.map(|at| usize::from(pixels[at]) * 2 >= most).collect()
            }
            Self::Labels { bytes, background } => {
                let label = |bytes: &[u8]| {
                    bytes.iter().rev().fold(0, |label, byte| label << 8 | u32::from(*byte))
                };
                let frame = &pixels[voxels.start * bytes..voxels.end * bytes];
                let labels: Vec<u32> = frame.chunks_exact(bytes).map(label).collect();
                let there: BTreeSet<u32> =
                    labels.iter().copied().filter(|label| *label != background).collect();
                let of = |segment| OnImage {
                    segment,
                    inside: labels.iter().map(|label| *label == segment).collect(),
                };
                return Some(there.into_iter().map(of).collect());
            }
        };
        Some(vec![OnImage { segment: segment?, inside }])
    }
}

impl Segments {
    fn read(object: &Item, planes: &Planes) -> Result<Self, String> {
        let one = |tag: Tag| object.numbers(tag).first().copied().unwrap_or_default() as usize;
        let (rows, columns) = (one(tags::ROWS), one(tags::COLUMNS));
        let pixels = object.bytes(tags::PIXEL_DATA);
        let stored = Stored::of(object)?;
        let frames = object.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let size = rows * columns;
        let needed = frames.len().saturating_mul(size).saturating_mul(stored.bits()).div_ceil(8);
        if size == 0 || needed > pixels.len() {
            return Err("it has fewer pixels than its frames need".into());
        }
        let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
        let mut pictures: Vec<(Under, Vec<OnImage>)> = Vec::new();
        let mut places = BTreeMap::new();
        for (at, frame) in frames.iter().enumerate() {
            let segment = group(frame, shared, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
                .and_then(|group| group.numbers(tags::REFERENCED_SEGMENT_NUMBER).first().copied());
            let segments = stored.segments(&pixels, at, size, segment);
            let segments =
                segments.ok_or_else(|| format!("its frame {} names no segment", at + 1))?;
            let under =
                Under::of(frame, shared).map_or_else(|| planes.under(object, frame, shared), Ok);
            let under = under.map_err(|why| format!("its frame {} {why}", at + 1))?;
            let place = *places.entry(under.clone()).or_insert_with(|| {
                pictures.push((under, Vec::new()));
                pictures.len() - 1
            });
            pictures[place].1.extend(segments);
        }
        let mut named = named(object);
        if let Stored::Labels { background, .. } = stored {
            named.remove(&background);
        }
        Ok(Self { columns, named, pictures })
    }
}

impl Overlaid for Segments {
    fn columns(&self) -> usize {
        self.columns
    }

    fn under(&self) -> Vec<Under> {
        self.pictures.iter().map(|(under, _)| under.clone()).collect()
    }

    fn layers(&self, at: usize) -> Vec<Layer> {
        let layer = |on: &OnImage| {
            let unknown = || (format!("segment {}", on.segment), ORANGE);
            let (label, colour) = self.named.get(&on.segment).cloned().unwrap_or_else(unknown);
            Layer { label, colour, inside: on.inside.clone() }
        };
        self.pictures[at].1.iter().map(layer).collect()
    }
}

fn named(object: &Item) -> BTreeMap<u32, (String, [u8; 3])> {
    let segments = object.items(tags::SEGMENT_SEQUENCE).iter();
    let named = segments.filter_map(|segment| {
        let number = *segment.numbers(tags::SEGMENT_NUMBER).first()?;
        let lab: Result<[u32; 3], _> =
            segment.numbers(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE).try_into();
        let colour = lab.map_or(ORANGE, |lab| srgb(lab.map(|word| word.min(65535) as u16)));
        let label =
            segment.text(tags::SEGMENT_LABEL).unwrap_or_else(|| format!("segment {number}"));
        Some((number, (label, colour)))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_one_and_of_two_bytes_are_the_segments_that_they_number() {
        let told = |bytes, pixels: &[u8]| {
            let stored = Stored::Labels { bytes, background: 0 };
            let on = stored.segments(pixels, 1, 2, None).expect("segments");
            on.into_iter().map(|on| (on.segment, on.inside)).collect::<Vec<_>>()
        };
        assert_eq!(told(1, &[9, 9, 0, 7]), [(7, vec![false, true])]);
        let two = [(2, vec![false, true]), (256, vec![true, false])];
        assert_eq!(told(2, &[9, 9, 9, 9, 0, 1, 2, 0]), two);
    }
}
