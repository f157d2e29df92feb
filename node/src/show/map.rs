//! A kept parametric map: what its values are of, and from where to where they go, as bands of colour over its images (PS3.3 C.8.32).

use super::content::Item;
use super::overlaid::{self, Overlaid, Under, group};
use crate::cli::ShowArguments;
use crate::output::line;
use crate::transcode::data_set_of;
use bytes::Bytes;
use dicom_dictionary_std::tags;
use gantry_results::secondary_capture::layers::Layer;
use gantry_store::reader::Reader;
use gantry_store::series::InstanceRow;
use std::error::Error;

pub const PARAMETRIC_MAP: &str = "1.2.840.10008.5.1.4.1.1.30";

/// Of equal width, from the least value to the most; the lowest one stays free, so that the image can be seen.
const BANDS: [[u8; 3]; 4] = [[60, 90, 230], [40, 190, 170], [240, 200, 40], [230, 50, 40]];

#[derive(Debug, PartialEq)]
struct Map {
    columns: usize,
    size: usize,
    /// Code value of the unit (UCUM).
    unit: String,
    values: Vec<f32>,
    /// Of those that are numbers.
    range: [f32; 2],
    under: Vec<Under>,
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
    let map = Map::read(&object)?;
    let [least, most] = map.range;
    line!("  {}: {least} to {most} {}, on {} images", named(&object), map.unit, map.under.len());
    overlaid::draw(reader, &identity.sop_instance, map, arguments).await
}

fn mapping<'a>(object: &'a Item, frame: &'a Item) -> Option<&'a Item> {
    let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    group(frame, shared, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)
}

/// The quantity of the first frame.
fn named(object: &Item) -> String {
    let frame = object.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let mapping = frame.and_then(|frame| mapping(object, frame));
    let quantity = mapping.and_then(|mapping| {
        let item = mapping.items(tags::QUANTITY_DEFINITION_SEQUENCE).first()?;
        item.items(tags::CONCEPT_CODE_SEQUENCE).first()?.text(tags::CODE_MEANING)
    });
    quantity.unwrap_or_else(|| "values without a name".into())
}

impl Map {
    fn read(object: &Item) -> Result<Self, String> {
        let one = |tag| object.numbers(tag).first().copied().unwrap_or_default() as usize;
        let (rows, columns) = (one(tags::ROWS), one(tags::COLUMNS));
        let size = rows * columns;
        let mut values = object.floats(tags::FLOAT_PIXEL_DATA);
        let frames = object.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        if size == 0 || frames.is_empty() || values.len() != frames.len() * size {
            return Err("it has not as many float32 values as its frames need".into());
        }
        let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
        let mut under = Vec::with_capacity(frames.len());
        let mut unit = String::new();
        for (frame, values) in frames.iter().zip(values.chunks_exact_mut(size)) {
            under.push(Under::of(frame, shared).ok_or("one of its frames names no source image")?);
            let Some(mapping) = mapping(object, frame) else { continue };
            let number =
                |tag, usual| mapping.text(tag).and_then(|t| t.parse().ok()).unwrap_or(usual);
            let slope: f64 = number(tags::REAL_WORLD_VALUE_SLOPE, 1.0);
            let intercept: f64 = number(tags::REAL_WORLD_VALUE_INTERCEPT, 0.0);
            values.iter_mut().for_each(|v| *v = (f64::from(*v) * slope + intercept) as f32);
            let units = mapping.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).first();
            unit = units.and_then(|units| units.text(tags::CODE_VALUE)).unwrap_or_default();
        }
        let range = range(&values).ok_or("none of its values is a number")?;
        Ok(Self { columns, size, unit, values, range, under })
    }
}

fn range(values: &[f32]) -> Option<[f32; 2]> {
    let numbers = values.iter().copied().filter(|value| value.is_finite());
    numbers.fold(None, |range: Option<[f32; 2]>, value| {
        let [least, most] = range.unwrap_or([value; 2]);
        Some([least.min(value), most.max(value)])
    })
}

impl Overlaid for Map {
    fn columns(&self) -> usize {
        self.columns
    }

    fn under(&self) -> Vec<Under> {
        self.under.clone()
    }

    fn layers(&self, at: usize) -> Vec<Layer> {
        let [least, most] = self.range;
        let border =
            |band: usize| least + (most - least) * (band as f32 / (BANDS.len() + 1) as f32);
        let values = &self.values[at * self.size..(at + 1) * self.size];
        let bands = BANDS.iter().zip(1..).map(|(colour, band)| {
            let (low, high, last) = (border(band), border(band + 1), band == BANDS.len());
            Layer {
                label: format!("{low:.3} to {high:.3} {}", self.unit),
                colour: *colour,
                inside: values.iter().map(|v| *v >= low && (*v < high || last)).collect(),
            }
        });
        bands.filter(|_| most > least).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::uid::Uid;

    #[test]
    fn each_value_above_the_lowest_band_is_in_one_band_and_what_is_no_number_in_none() {
        let under = Under { source: Uid::parse("1.2.3").expect("a UID"), frame: None };
        let values = vec![0.0, 0.3, 0.5, 1.0, f32::NAN, 0.19];
        let range = range(&values).expect("numbers");
        let map = Map { columns: 6, size: 6, unit: "1".into(), values, range, under: vec![under] };
        let layers = map.layers(0);
        let of = |at: usize| layers.iter().position(|layer| layer.inside[at]);
        assert_eq!([0, 1, 2, 3, 4, 5].map(of), [None, Some(0), Some(1), Some(3), None, None]);
        assert_eq!(layers[0].label, "0.200 to 0.400 1");
        assert!(layers.iter().all(|layer| layer.inside.iter().filter(|in_it| **in_it).count() < 2));
    }
}
