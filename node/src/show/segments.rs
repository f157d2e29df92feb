//! A kept segmentation: its segments by name, and each of their frames over the image that it was found in (PS3.3 C.8.20).

use super::content::Item;
use super::picture::{bytes, png as write};
use crate::cli::ShowArguments;
use crate::output::line;
use crate::transcode::data_set_of;
use bytes::Bytes;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_inference::film;
use gantry_results::secondary_capture::layers::{Layer, over};
use gantry_results::segmentation::colour::srgb;
use gantry_store::reader::Reader;
use gantry_store::series::InstanceRow;
use gantry_terms::film::Film;
use gantry_terms::uid::Uid;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

pub const SEGMENTATION: &str = "1.2.840.10008.5.1.4.1.1.66.4";

/// Where an object names no colour.
const ORANGE: [u8; 3] = [255, 140, 0];

/// What an object has, as far as it is drawn.
#[derive(Debug, PartialEq)]
struct Segments {
    columns: usize,
    /// By their numbers: label and colour.
    named: BTreeMap<u32, (String, [u8; 3])>,
    /// In the order in which they are met.
    pictures: Vec<Shown>,
}

/// All segments on one image.
#[derive(Debug, PartialEq)]
struct Shown {
    source: Uid,
    /// Of the source, counted from 1.
    frame: Option<u32>,
    layers: Vec<(u32, Vec<bool>)>,
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
    let segments = Segments::read(&object)?;
    for (number, (label, _)) in &segments.named {
        let on =
            segments.pictures.iter().filter(|shown| shown.layers.iter().any(|l| l.0 == *number));
        line!("  segment {number}, {label}: on {} images", on.count());
    }
    let Some(to) = &arguments.to else {
        line!("  --to FOLDER draws them over their images as PNG");
        return Ok(());
    };
    let wanted = |at: &usize| arguments.frame.is_none_or(|frame| frame == at + 1);
    if !(0..segments.pictures.len()).any(|at| wanted(&at)) {
        return Err(format!("there is no such picture: it has {}", segments.pictures.len()).into());
    }
    std::fs::create_dir_all(to)
        .map_err(|error| format!("nothing can be written to {}: {error}", to.display()))?;
    let mut last: Option<(Uid, Arc<Film>)> = None;
    let segments = Arc::new(segments);
    for at in (0..segments.pictures.len()).filter(wanted) {
        let source = &segments.pictures[at].source;
        let film = match &last {
            Some((of, film)) if of == source => film.clone(),
            _ => Arc::new(film_of(reader, source).await?),
        };
        last = Some((source.clone(), film.clone()));
        let file = to.join(format!("{}-{:04}.png", identity.sop_instance, at + 1));
        let segments = segments.clone();
        let file = tokio::task::spawn_blocking(move || segments.draw(at, &film, file)).await??;
        line!("  {}", file.display());
    }
    Ok(())
}

async fn film_of(reader: &Reader, source: &Uid) -> Result<Film, Box<dyn Error>> {
    let part10 = reader.object(source).await?;
    let part10 =
        part10.ok_or_else(|| format!("the image {source} that it lies over is not here"))?;
    let film = tokio::task::spawn_blocking(move || film::shown(&part10)).await?;
    Ok(film.map_err(|error| format!("the image {source} that it lies over {error}"))?)
}

impl Segments {
    fn read(object: &Item) -> Result<Self, String> {
        let one = |tag: Tag| object.numbers(tag).first().copied().unwrap_or_default() as usize;
        let (rows, columns) = (one(tags::ROWS), one(tags::COLUMNS));
        let pixels = object.bytes(tags::PIXEL_DATA);
        let bits = match (one(tags::BITS_ALLOCATED), object.text(tags::SEGMENTATION_TYPE)) {
            (1, Some(kind)) if kind == "BINARY" => 1,
            (8, Some(kind)) if kind == "FRACTIONAL" => 8,
            _ => return Err("its segments are neither bits nor bytes (PS3.3 C.8.20.2)".into()),
        };
        let frames = object.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let size = rows * columns;
        if size == 0
            || frames.len().saturating_mul(size).saturating_mul(bits).div_ceil(8) > pixels.len()
        {
            return Err("it has fewer pixels than its frames need".into());
        }
        // A fraction is inside from the middle on.
        let most = one(tags::MAXIMUM_FRACTIONAL_VALUE).max(1);
        let inside = |at: usize| match bits {
            1 => pixels[at / 8] >> (at % 8) & 1 == 1,
            _ => usize::from(pixels[at]) * 2 >= most,
        };
        let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
        let mut pictures: Vec<Shown> = Vec::new();
        let mut places = BTreeMap::new();
        for (at, frame) in frames.iter().enumerate() {
            let group = |tag| {
                let own = frame.items(tag).first();
                own.or_else(|| shared.and_then(|shared| shared.items(tag).first()))
            };
            let segment = group(tags::SEGMENT_IDENTIFICATION_SEQUENCE)
                .and_then(|group| group.numbers(tags::REFERENCED_SEGMENT_NUMBER).first().copied());
            let source = group(tags::DERIVATION_IMAGE_SEQUENCE)
                .and_then(|group| group.items(tags::SOURCE_IMAGE_SEQUENCE).first());
            let uid = source.and_then(|source| source.text(tags::REFERENCED_SOP_INSTANCE_UID));
            let uid = uid.and_then(|uid| Uid::parse(&uid).ok());
            let (Some(segment), Some(uid)) = (segment, uid) else {
                return Err(format!("its frame {} names no segment or no source image", at + 1));
            };
            let number = source.and_then(|s| s.text(tags::REFERENCED_FRAME_NUMBER));
            let number = number.and_then(|number| number.parse().ok());
            let place = *places.entry((uid.clone(), number)).or_insert_with(|| {
                pictures.push(Shown { source: uid, frame: number, layers: Vec::new() });
                pictures.len() - 1
            });
            let voxels = (at * size..(at + 1) * size).map(inside).collect();
            pictures[place].layers.push((segment, voxels));
        }
        Ok(Self { columns, named: named(object), pictures })
    }

    fn draw(&self, at: usize, film: &Film, file: PathBuf) -> Result<PathBuf, String> {
        let shown = &self.pictures[at];
        let number = shown.frame.map_or(0, |frame| frame.saturating_sub(1) as usize);
        if film.channels != 1 || film.columns != self.columns || number >= film.frames {
            return Err(format!("it does not fit the image {} that it names", shown.source));
        }
        let layers: Vec<Layer> = shown
            .layers
            .iter()
            .map(|(segment, inside)| {
                let unknown = || (format!("segment {segment}"), ORANGE);
                let (label, colour) = self.named.get(segment).cloned().unwrap_or_else(unknown);
                Layer { label, colour, inside: inside.clone() }
            })
            .collect();
        let place = format!("Image {} of {}", at + 1, self.pictures.len());
        let picture = over(&bytes(film, number), film.columns, &layers, &place)
            .ok_or_else(|| format!("it does not fit the image {} that it names", shown.source))?;
        write(&file, [picture.width, picture.height], png::ColorType::Rgb, &picture.rgb)
            .map_err(|error| format!("{} can not be written: {error}", file.display()))?;
        Ok(file)
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
