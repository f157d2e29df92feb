//! Findings as pictures: masks and outlines over the windowed source, in one Multi-frame True Color Secondary Capture (PS3.3 A.8.5) or a series of single ones (A.8.1).

mod captions;
mod frames;
mod glyphs;
pub mod layers;
mod overlay;
mod picture;
mod single;
mod window;

pub(crate) use crate::secondary_capture::captions::patient_direction;
pub use crate::secondary_capture::picture::Picture;

use crate::codes::{SEGMENTATION, SOURCE_IMAGE};
use crate::data_set::{DataSet, referenced, referenced_frames};
use crate::frames::directions;
use crate::header::{Job, Kind, Subject};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::Provenance;
use crate::secondary_capture::frames::Frames;
use crate::secondary_capture::overlay::Overlay;
use crate::secondary_capture::single::Series;
use crate::source::Source;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Findings;

const KIND: Kind = Kind { name: "sc", sop_class: "1.2.840.10008.5.1.4.1.1.7.4", what: "overlay" };

/// The picture of one slice, or one frame of a film, exactly as the Secondary Capture shows it. Of films as there.
pub fn render<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    slice: usize,
) -> Result<Picture, ComposeError> {
    let measured = measured.into();
    let subject = Subject::new(source, measured, findings)?;
    if slice >= measured.slices() {
        return Err(ComposeError::Mismatch(format!("there is no slice {slice}")));
    }
    Ok(Overlay::new(subject, measured).picture(slice))
}

/// The pictures of one job. A film has to be as a display shows it, between 0 (dark) and 1 in each channel: by its own window or table, or in its own
/// colours. The same inputs give the same bytes.
pub fn secondary_capture<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<ResultObject, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    let overlay = Overlay::new(job.subject, measured);
    let frames = Frames::choose(&overlay);
    let mut capture = job.header(&KIND, &source.modality())?;
    image(&job, measured, &mut capture);
    references(source, &overlay, &frames, &mut capture);
    derivation(&job, &overlay, &frames, &mut capture);
    frames.describe(&job.subject, measured, &mut capture)?;
    pixels(&overlay, frames.slices(), &mut capture)?;
    job.finish(&KIND, &capture)
}

/// The same pictures as Secondary Captures of one frame each, in one series: for viewers that show no multi-frame colour. Of a volume
/// one for each slice, of a film one, of a cine one for each frame that [`secondary_capture`] has.
pub fn secondary_capture_images<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<Vec<ResultObject>, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    let overlay = Overlay::new(job.subject, measured);
    let frames = Frames::of_series(&overlay);
    let series = Series { job, measured, overlay: &overlay, frames: &frames };
    frames.slices().map(|slice| series.image(slice)).collect()
}

/// SC Equipment, General Image and Multi-frame SC modules (PS3.3 C.8.6.1, C.7.6.1, C.8.6.3).
fn image(job: &Job, measured: Measured, capture: &mut DataSet) {
    let station = &job.provenance.station;
    job.body(capture);
    capture
        .texts(tags::IMAGE_TYPE, &["DERIVED", "SECONDARY"])
        .text(tags::CONVERSION_TYPE, "WSD")
        .text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER, &station.manufacturer)
        .text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER_MODEL_NAME, &station.model_name)
        .text(tags::SECONDARY_CAPTURE_DEVICE_SOFTWARE_VERSIONS, &station.version)
        .values(tags::PATIENT_ORIENTATION, directions(job.subject.source, measured))
        .text(tags::BURNED_IN_ANNOTATION, "YES");
    job.subject.lossy(capture);
}

/// General Reference and Common Instance Reference modules (PS3.3 C.12.4, C.12.2).
fn references(source: &Source, overlay: &Overlay, frames: &Frames, capture: &mut DataSet) {
    let instances = &source.instances;
    let preserved = if overlay.factor == 1 { "YES" } else { "NO" };
    let sources = instances.iter().map(|instance| {
        let numbers = if overlay.is_cine() { frames.numbers_of_source() } else { Vec::new() };
        let mut item = referenced_frames(&instance.sop_class, &instance.sop_instance, &numbers);
        item.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &SOURCE_IMAGE.into())
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, preserved);
        item
    });
    let mut series = DataSet::new();
    let plain = instances.iter().map(|i| referenced(&i.sop_class, &i.sop_instance));
    series
        .uid(tags::SERIES_INSTANCE_UID, &source.series)
        .items(tags::REFERENCED_INSTANCE_SEQUENCE, plain.collect());
    capture
        .items(tags::SOURCE_IMAGE_SEQUENCE, sources.collect())
        .item(tags::REFERENCED_SERIES_SEQUENCE, series);
}

/// In words (ST, 1024 bytes): the labels of the masks stand last, where they may be cut.
fn derivation(job: &Job, overlay: &Overlay, frames: &Frames, capture: &mut DataSet) {
    let masks = &job.subject.findings.masks;
    let scaled = match overlay.factor {
        1 => String::new(),
        factor => format!(", scaled up {factor} times"),
    };
    let labels: Vec<&str> = masks.iter().map(|mask| mask.label.as_str()).collect();
    let text = format!(
        "{}: {}, {}{scaled}; masks: {}",
        job.subject.algorithm(),
        frames.selection(),
        overlay.window,
        if labels.is_empty() { "none".to_owned() } else { labels.join(", ") },
    );
    capture.text(tags::DERIVATION_DESCRIPTION, &job.marked(text));
    if !masks.is_empty() {
        capture.code(tags::DERIVATION_CODE_SEQUENCE, &SEGMENTATION.into());
    }
}

/// Image Pixel module (PS3.3 C.7.6.3): the pictures of these slices.
fn pixels(
    overlay: &Overlay,
    slices: impl Iterator<Item = usize>,
    capture: &mut DataSet,
) -> Result<(), ComposeError> {
    let size = |pixels: usize| {
        u16::try_from(pixels).map_err(|_| ComposeError::Mismatch("the images are too large".into()))
    };
    capture
        .number(tags::SAMPLES_PER_PIXEL, 3)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "RGB")
        .number(tags::PLANAR_CONFIGURATION, 0)
        .number(tags::ROWS, size(overlay.height())?)
        .number(tags::COLUMNS, size(overlay.width())?)
        .number(tags::BITS_ALLOCATED, 8)
        .number(tags::BITS_STORED, 8)
        .number(tags::HIGH_BIT, 7)
        .number(tags::PIXEL_REPRESENTATION, 0);
    let of_one = overlay.width() * overlay.height() * 3;
    let mut pixels = Vec::with_capacity(of_one * slices.size_hint().0.max(1));
    for slice in slices {
        pixels.extend(overlay.picture(slice).rgb);
    }
    if pixels.len() % 2 == 1 {
        pixels.push(0);
    }
    capture.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(pixels.into())));
    Ok(())
}
