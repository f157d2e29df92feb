//! Images that a model made of images, as a new series of the same modality beside the originals (PS3.3 C.7.6.1.1.2, C.12.4).

mod cine;
mod frames;
mod stored;

use crate::codes::SOURCE_IMAGE;
use crate::data_set::{DataSet, referenced};
use crate::derived_image::frames::Original;
use crate::derived_image::stored::{Form, Pixels, Window};
use crate::header::{Job, Subject};
use crate::measured::Measured;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::{Provenance, Stamp, zone};
use crate::source::{Reference, Source, texts, whole};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_terms::findings::{Derived, Findings};
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::uid::Uid;

/// What said something of the original's pixels, or of the original alone.
const GONE: &[Tag] = &[
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::SMALLEST_PIXEL_VALUE_IN_SERIES,
    tags::LARGEST_PIXEL_VALUE_IN_SERIES,
    tags::ICON_IMAGE_SEQUENCE,
    tags::MODALITY_LUT_SEQUENCE,
    tags::CONTENT_SEQUENCE,
    tags::MAC_PARAMETERS_SEQUENCE,
];

/// Objects whose Image Type says PRIMARY for whatever is no copy of a screen (PS3.3 C.8.11.3.1.1), or always (C.8.9.4.1.1, C.8.4.9.1.1).
const ALWAYS_PRIMARY: &[&str] = &["DX", "MG", "IO", "NM", "PT"];

/// For each kind of image that the findings have, but for those of a quantity, one object for each original, in their order, with as many frames: one
/// series for each kind. `originals` are the Part 10 files of the source's instances, whose pixels are not read.
/// The same inputs give the same bytes.
pub fn derived_images<'a>(
    source: &Source,
    originals: &[impl AsRef<[u8]>],
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<Vec<ResultObject>, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    if originals.len() != source.instances.len() {
        return Err(ComposeError::Mismatch("not every original is there".into()));
    }
    let headers = originals.iter().map(|original| whole(original.as_ref()));
    let headers = headers.collect::<Result<Vec<DataSet>, _>>()?;
    let mut framed = Vec::new();
    for (header, instance) in headers.iter().zip(&source.instances) {
        framed.extend(Original::of(header, &instance.sop_instance, measured)?);
    }
    let of_slices = of_slices(&headers, &framed, measured)?;
    let mut objects = Vec::new();
    let images = findings.derived.iter().filter(|image| image.quantity.is_none());
    for (number, derived) in images.enumerate() {
        let form = Form::choose(&of_slices, measured, derived)?;
        let series = Series { job, measured, derived, number, form };
        for (at, header) in headers.iter().enumerate() {
            objects.push(series.image(at, header, framed.get(at))?);
        }
    }
    Ok(objects)
}

/// Of each slice what says of its pixels: one image after the other without functional groups, frames of images with them, or the one
/// image of a cine.
fn of_slices<'h>(
    headers: &'h [DataSet],
    framed: &'h [Original],
    measured: Measured,
) -> Result<Vec<&'h DataSet>, ComposeError> {
    if let ([header], []) = (headers, framed)
        && cine::is_grey(header, measured)
    {
        return Ok(vec![header; measured.slices()]);
    }
    let in_order = |slice: usize| {
        let found = framed.iter().find_map(|original| {
            let at = original.slices.iter().position(|of| *of == slice)?;
            Some(&original.flat[at])
        });
        found.or_else(|| headers.get(slice).filter(|_| framed.is_empty()))
    };
    let of_slices: Option<Vec<&DataSet>> = (0..slices(measured)).map(in_order).collect();
    let of_slices = of_slices.ok_or(ComposeError::NotOneFrame)?;
    let as_many = if framed.is_empty() { of_slices.len() } else { framed.len() };
    if as_many != headers.len() {
        return Err(ComposeError::NotOneFrame);
    }
    Ok(of_slices)
}

/// A film with colours has three for each frame, of which none is grey.
fn slices(measured: Measured) -> usize {
    match measured {
        Measured::Volume(volume) => volume.geometry.slices,
        Measured::Film(film) => film.pixels.len() / (film.rows * film.columns).max(1),
    }
}

struct Series<'a> {
    job: Job<'a>,
    measured: Measured<'a>,
    derived: &'a Derived,
    /// Of the findings' kinds of images.
    number: usize,
    form: Form,
}

impl Series<'_> {
    /// `at` is its place among the originals, which is that of its slice where it is of one frame.
    fn image(
        &self,
        at: usize,
        original: &DataSet,
        framed: Option<&Original>,
    ) -> Result<ResultObject, ComposeError> {
        let instance = &self.job.subject.source.instances[at];
        let mut image = original.clone();
        GONE.iter().for_each(|tag| image.remove(*tag));
        let offset = texts(original, tags::TIMEZONE_OFFSET_FROM_UTC).into_iter().next();
        let offset = offset.as_deref().filter(|offset| zone(offset).is_some());
        let stamp = self.job.provenance.stamp(offset)?;
        let (sop_instance, series) = (self.instance_uid(instance), self.series_uid());
        image.text(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192");
        self.identity(at, &stamp, &mut image);
        image
            .uid(tags::SOP_CLASS_UID, &instance.sop_class)
            .uid(tags::SOP_INSTANCE_UID, &sop_instance)
            .uid(tags::SERIES_INSTANCE_UID, &series)
            .uid(tags::STUDY_INSTANCE_UID, &self.job.subject.source.study);
        self.origin(instance, &stamp, &mut image);
        match framed {
            Some(framed) => self.frames(framed, instance, &mut image)?,
            None if cine::is_grey(original, self.measured) => {
                self.source_image(instance, &mut image);
                self.cine(original, &mut image)?;
            }
            None => {
                self.source_image(instance, &mut image);
                let pixels = Pixels::of(original, self.measured, at)?;
                self.form.write(&pixels, self.derived, &mut image)?;
            }
        }
        Ok(ResultObject {
            sop_class: instance.sop_class.clone(),
            sop_instance,
            series,
            study: self.job.subject.source.study.clone(),
            transfer_syntax: Uid::parse(EXPLICIT_VR_LITTLE_ENDIAN)
                .map_err(|_| ComposeError::Encoding("a syntax UID"))?,
            data_set: image.encode()?,
        })
    }

    fn series_uid(&self) -> Uid {
        self.job.uid(&format!("derived {} series", self.derived.key))
    }

    fn instance_uid(&self, original: &Reference) -> Uid {
        self.job.uid(&format!("derived {} {}", self.derived.key, original.sop_instance))
    }

    /// SOP Common, General Series and General Image: what is new. The equipment stays the scanner's.
    fn identity(&self, at: usize, stamp: &Stamp, image: &mut DataSet) {
        for tag in [tags::INSTANCE_CREATION_DATE, tags::SERIES_DATE, tags::CONTENT_DATE] {
            image.text(tag, &stamp.date);
        }
        for tag in [tags::INSTANCE_CREATION_TIME, tags::SERIES_TIME, tags::CONTENT_TIME] {
            image.text(tag, &stamp.time);
        }
        let number = 900 + usize::from(self.job.provenance.slot) + self.number;
        let image_type = self.image_type(image);
        image
            .uid(tags::INSTANCE_CREATOR_UID, &self.job.provenance.station.observer_uid)
            .text(tags::SERIES_NUMBER, &number.to_string())
            .text(tags::INSTANCE_NUMBER, &(at + 1).to_string())
            .text(tags::SERIES_DESCRIPTION, &self.job.series_description(&self.derived.label))
            .texts(tags::IMAGE_TYPE, &image_type);
    }

    /// The pixels changed, after the examination; the values behind stay, and CT and MR must have a third. Images with functional groups
    /// know no second value but PRIMARY (PS3.3 C.8.16.1.2).
    fn image_type(&self, image: &DataSet) -> Vec<String> {
        let modality = self.job.subject.source.modality();
        let framed = image.element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).is_some();
        let primary = framed || ALWAYS_PRIMARY.contains(&modality.as_str());
        let mut values = vec!["DERIVED".to_owned()];
        values.push(if primary { "PRIMARY" } else { "SECONDARY" }.to_owned());
        values.extend(texts(image, tags::IMAGE_TYPE).into_iter().skip(2));
        match modality.as_str() {
            "CT" if values.len() < 3 => values.push("AXIAL".to_owned()),
            "MR" if values.len() < 3 => values.push("OTHER".to_owned()),
            _ => {}
        }
        values
    }

    fn description(&self) -> String {
        self.job.marked(format!("{}: {}", self.job.subject.algorithm(), self.derived.label))
    }

    /// Common Instance Reference, and who made it.
    fn origin(&self, original: &Reference, stamp: &Stamp, image: &mut DataSet) {
        let mut series = DataSet::new();
        series.uid(tags::SERIES_INSTANCE_UID, &self.job.subject.source.series).item(
            tags::REFERENCED_INSTANCE_SEQUENCE,
            referenced(&original.sop_class, &original.sop_instance),
        );
        let mut equipment = image.sequence(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE);
        equipment.push(self.job.node(stamp));
        image
            .item(tags::REFERENCED_SERIES_SEQUENCE, series)
            .items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, equipment);
    }

    /// General Reference: of what it was made, and how. Images with functional groups say it of each frame.
    fn source_image(&self, original: &Reference, image: &mut DataSet) {
        let mut of = referenced(&original.sop_class, &original.sop_instance);
        of.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &SOURCE_IMAGE.into())
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, "YES");
        image
            .item(tags::SOURCE_IMAGE_SEQUENCE, of)
            .text(tags::DERIVATION_DESCRIPTION, &self.description())
            .code(tags::DERIVATION_CODE_SEQUENCE, &self.derived.derivation);
    }
}

impl Window {
    fn write(&self, image: &mut DataSet) -> Result<(), ComposeError> {
        image
            .decimals(tags::WINDOW_CENTER, &[self.centre])?
            .decimals(tags::WINDOW_WIDTH, &[self.width])?;
        Ok(())
    }
}
