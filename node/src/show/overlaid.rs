//! Pictures of what lies over other images: each image once, with its layers, as a PNG file.

use super::content::Item;
use super::picture::{bytes, png as write};
use crate::cli::ShowArguments;
use crate::output::line;
use dicom_dictionary_std::tags;
use gantry_inference::film;
use gantry_results::secondary_capture::layers::{Layer, over};
use gantry_store::reader::Reader;
use gantry_terms::film::Film;
use gantry_terms::uid::Uid;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Segmentation Storage and Label Map Segmentation Storage.
pub const SEGMENTATIONS: [&str; 2] =
    ["1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"];

/// An image that something lies over, or one frame of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Under {
    pub source: Uid,
    /// Counted from 1.
    pub frame: Option<u32>,
}

/// What is drawn of one object.
pub trait Overlaid: Send + Sync + 'static {
    /// What its images have to have.
    fn columns(&self) -> usize;
    /// The images, a picture each.
    fn under(&self) -> Vec<Under>;
    /// Those of one of them.
    fn layers(&self, at: usize) -> Vec<Layer>;
}

impl Under {
    /// What a frame was derived of, by its own groups or by those of all frames (PS3.3 C.7.6.16.2.6).
    pub fn of(frame: &Item, shared: Option<&Item>) -> Option<Self> {
        let derivation = group(frame, shared, tags::DERIVATION_IMAGE_SEQUENCE)?;
        let source = derivation.items(tags::SOURCE_IMAGE_SEQUENCE).first()?;
        let uid = Uid::parse(&source.text(tags::REFERENCED_SOP_INSTANCE_UID)?).ok()?;
        let frame = source.text(tags::REFERENCED_FRAME_NUMBER);
        Some(Self { source: uid, frame: frame.and_then(|number| number.parse().ok()) })
    }
}

/// The first item of a functional group.
pub fn group<'a>(
    frame: &'a Item,
    shared: Option<&'a Item>,
    tag: dicom_core::Tag,
) -> Option<&'a Item> {
    let of_all = || shared.and_then(|shared| shared.items(tag).first());
    frame.items(tag).first().or_else(of_all)
}

/// Tells the files that it wrote. The images have to be kept here.
pub async fn draw(
    reader: &Reader,
    of: &Uid,
    overlaid: impl Overlaid,
    arguments: &ShowArguments,
) -> Result<(), Box<dyn Error>> {
    let Some(to) = &arguments.to else {
        line!("  --to FOLDER draws it over its images as PNG");
        return Ok(());
    };
    let (all, overlaid) = (overlaid.under(), Arc::new(overlaid));
    let wanted = |at: &usize| arguments.frame.is_none_or(|frame| frame == at + 1);
    if !(0..all.len()).any(|at| wanted(&at)) {
        return Err(format!("there is no such picture: it has {}", all.len()).into());
    }
    std::fs::create_dir_all(to)
        .map_err(|error| format!("nothing can be written to {}: {error}", to.display()))?;
    let mut last: Option<(Uid, Arc<Film>)> = None;
    for at in (0..all.len()).filter(wanted) {
        let source = &all[at].source;
        let film = match &last {
            Some((of, film)) if of == source => film.clone(),
            _ => Arc::new(film_of(reader, source).await?),
        };
        last = Some((source.clone(), film.clone()));
        let file = to.join(format!("{of}-{:04}.png", at + 1));
        let (overlaid, under, pictures) = (overlaid.clone(), all[at].clone(), all.len());
        let place = format!("Image {} of {pictures}", at + 1);
        let one = move || picture(&*overlaid, at, &under, &film, &place, file);
        let file = tokio::task::spawn_blocking(one).await??;
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

fn picture(
    overlaid: &impl Overlaid,
    at: usize,
    under: &Under,
    film: &Film,
    place: &str,
    file: PathBuf,
) -> Result<PathBuf, String> {
    let no_fit = || format!("it does not fit the image {} that it names", under.source);
    let number = under.frame.map_or(0, |frame| frame.saturating_sub(1) as usize);
    if film.columns != overlaid.columns() || number >= film.frames {
        return Err(no_fit());
    }
    let layers = overlaid.layers(at);
    let picture =
        over(&bytes(film, number), [film.rows, film.columns], &layers, place).ok_or_else(no_fit)?;
    write(&file, [picture.width, picture.height], png::ColorType::Rgb, &picture.rgb)
        .map_err(|error| format!("{} can not be written: {error}", file.display()))?;
    Ok(file)
}
