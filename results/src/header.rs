//! The modules that every result has: patient, study, series, equipment and SOP common (PS3.3 C.7.1 to C.7.5, C.12.1).

use crate::codes::{ACQUISITION_EQUIPMENT, PROCESSING_EQUIPMENT};
use crate::data_set::{DataSet, vr_of};
use crate::measured::Measured;
use crate::named;
use crate::object::{ComposeError, ResultObject};
use crate::provenance::{Provenance, Stamp, zone};
use crate::source::Source;
use crate::source::attributes::Scope;
use crate::text::fitted;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::{Findings, MeasurementGroup};
use gantry_terms::region::{Place, Region};
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::uid::Uid;

pub const RESEARCH_ONLY: &str = "FOR RESEARCH USE ONLY";

/// What a result is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub source: &'a Source,
    pub findings: &'a Findings,
}

/// What a job makes, and on whose behalf.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub subject: Subject<'a>,
    pub provenance: &'a Provenance,
}

/// What sets one kind of result apart from the others.
#[derive(Debug)]
pub struct Kind {
    /// Part of the derived UIDs: changing it makes every result a new object.
    pub name: &'static str,
    pub sop_class: &'static str,
    /// How the series description goes on behind the model's title.
    pub what: &'static str,
}

impl<'a> Subject<'a> {
    /// Checks that findings and images belong together, so that nothing behind this can reach
    /// beyond a slice.
    pub fn new(
        source: &'a Source,
        measured: Measured,
        findings: &'a Findings,
    ) -> Result<Self, ComposeError> {
        let subject = Self::of_unread(source, findings)?;
        let wrong = |what: &str| Err(ComposeError::Mismatch(what.to_owned()));
        let regions = findings.groups.iter().filter_map(|group| group.region.as_ref());
        let of_film = |region: &Region| matches!(region.place, Place::Film(_));
        let numbers = match measured {
            Measured::Volume(volume) => volume.voxels.len(),
            Measured::Film(film) => film.pixels.len(),
        };
        if findings.derived.iter().any(|image| image.values.len() != numbers) {
            return wrong("an image that was made has not as many pixels as its source");
        }
        if regions.clone().any(|region| of_film(region) != matches!(measured, Measured::Film(_))) {
            return wrong("a region lies on a film in a volume, or the other way round");
        }
        if findings.masks.iter().any(|mask| mask.voxels.len() != measured.places()) {
            return wrong("a mask has not as many voxels as its source");
        }
        let volume = match measured {
            Measured::Volume(volume) => volume,
            Measured::Film(film) if film.places() == 0 || film.pixels.len() != film.count() => {
                return wrong("the film has not as many pixels as its sides say");
            }
            Measured::Film(_) => return Ok(subject),
        };
        let geometry = &volume.geometry;
        if geometry.voxels() == 0 || volume.voxels.len() != geometry.voxels() {
            return wrong("the volume has not as many voxels as its geometry says");
        }
        if volume.slices.len() != geometry.slices {
            return wrong("the volume has not as many sources as slices");
        }
        Ok(subject)
    }

    /// Of images that nobody read; what the findings name is checked.
    pub fn of_unread(source: &'a Source, findings: &'a Findings) -> Result<Self, ComposeError> {
        named::check(findings)?;
        Ok(Self { source, findings })
    }

    /// Title and version of the model, as in "Lung densitometry 1.0.0".
    pub fn algorithm(&self) -> String {
        format!("{} {}", self.findings.algorithm.title, self.findings.algorithm.version)
    }

    /// What was once lossy stays so (PS3.3 C.7.6.1.1.5).
    pub fn lossy(&self, image: &mut DataSet) {
        if self.source.text(tags::LOSSY_IMAGE_COMPRESSION).as_deref() != Some("01") {
            image.text(tags::LOSSY_IMAGE_COMPRESSION, "00");
            return;
        }
        image.text(tags::LOSSY_IMAGE_COMPRESSION, "01");
        for tag in [tags::LOSSY_IMAGE_COMPRESSION_RATIO, tags::LOSSY_IMAGE_COMPRESSION_METHOD] {
            let values = self.source.texts(tag);
            if !values.is_empty() {
                image.values(tag, values);
            }
        }
    }

    /// Slice Thickness of the source, if it is a usable number.
    pub fn slice_thickness(&self) -> Option<f64> {
        let thickness: f64 = self.source.text(tags::SLICE_THICKNESS)?.parse().ok()?;
        (thickness.is_finite() && thickness > 0.0).then_some(thickness)
    }
}

impl Job<'_> {
    /// `text`, with a mark in front when the model is for research: what comes last is cut first.
    pub fn marked(&self, text: String) -> String {
        match self.subject.findings.algorithm.research_only {
            true => format!("{RESEARCH_ONLY}. {text}"),
            false => text,
        }
    }

    /// What a series that is no document says of the body; without a body part nobody can tell that it is not a paired one
    /// (Laterality, Type 2C).
    pub fn body(&self, data_set: &mut DataSet) {
        self.body_part(data_set);
        let known = [tags::BODY_PART_EXAMINED, tags::LATERALITY];
        if known.iter().all(|tag| data_set.element(*tag).is_none()) {
            data_set.empty(tags::LATERALITY);
        }
    }

    /// What is known of it. Films have the side as Image Laterality, which their results have no place for.
    pub fn body_part(&self, data_set: &mut DataSet) {
        self.subject.source.copy_to(Scope::Image, data_set);
        let side = self.subject.source.text(tags::IMAGE_LATERALITY);
        if let Some(side) = side.filter(|side| side == "L" || side == "R")
            && data_set.element(tags::LATERALITY).is_none()
        {
            data_set.text(tags::LATERALITY, &side);
        }
    }

    /// A data set with all that the kinds have in common.
    pub fn header(&self, kind: &Kind, modality: &str) -> Result<DataSet, ComposeError> {
        let offset = self.subject.source.text(tags::TIMEZONE_OFFSET_FROM_UTC);
        let offset = offset.as_deref().filter(|offset| zone(offset).is_some());
        let stamp = self.provenance.stamp(offset)?;
        let mut data_set = DataSet::new();
        data_set.text(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192");
        self.subject.source.copy_to(Scope::Study, &mut data_set);
        data_set.uid(tags::STUDY_INSTANCE_UID, &self.subject.source.study);
        if let Some(offset) = offset {
            data_set.text(tags::TIMEZONE_OFFSET_FROM_UTC, offset);
        }
        self.instance(kind, modality, &stamp, &mut data_set);
        self.equipment(&stamp, &mut data_set);
        Ok(data_set)
    }

    fn instance(&self, kind: &Kind, modality: &str, stamp: &Stamp, data_set: &mut DataSet) {
        let number = 900 + u32::from(self.provenance.slot);
        for tag in [tags::INSTANCE_CREATION_DATE, tags::SERIES_DATE, tags::CONTENT_DATE] {
            data_set.text(tag, &stamp.date);
        }
        for tag in [tags::INSTANCE_CREATION_TIME, tags::SERIES_TIME, tags::CONTENT_TIME] {
            data_set.text(tag, &stamp.time);
        }
        data_set
            .uid(tags::INSTANCE_CREATOR_UID, &self.provenance.station.observer_uid)
            .text(tags::SOP_CLASS_UID, kind.sop_class)
            .uid(tags::SOP_INSTANCE_UID, &self.uid(kind.name))
            .uid(tags::SERIES_INSTANCE_UID, &self.uid(&format!("{} series", kind.name)))
            .text(tags::MODALITY, modality)
            .text(tags::SERIES_NUMBER, &number.to_string())
            .text(tags::INSTANCE_NUMBER, "1")
            .text(tags::SERIES_DESCRIPTION, &self.series_description(kind.what));
    }

    /// The title is cut so that what is behind it stays: which revision it is, where there was an earlier one, and the mark.
    pub fn series_description(&self, what: &str) -> String {
        let mark = if self.subject.findings.algorithm.research_only { " (RUO)" } else { "" };
        let mark = match &self.provenance.earlier {
            Some(_) => format!(", revision {}{mark}", self.provenance.revision),
            None => mark.to_owned(),
        };
        let room = 64usize.saturating_sub(what.chars().count() + mark.len() + 1);
        let title: String = fitted(VR::LO, &self.subject.findings.algorithm.title);
        let title: String = title.chars().take(room).collect();
        format!("{} {what}{mark}", title.trim_end())
    }

    fn equipment(&self, stamp: &Stamp, data_set: &mut DataSet) {
        self.station(data_set);
        data_set.text(tags::STATION_NAME, &self.provenance.station.name);
        let contributing = self.scanner().into_iter().chain([self.node(stamp)]).collect();
        data_set.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, contributing);
    }

    /// This node, as what it did to the images.
    pub fn node(&self, stamp: &Stamp) -> DataSet {
        let mut node = DataSet::new();
        self.station(&mut node);
        let at = format!("{}{}{}", stamp.date, stamp.time, stamp.offset);
        let rule = format!("{} by rule \"{}\"", self.subject.algorithm(), self.provenance.rule);
        node.values(tags::CONTRIBUTION_DATE_TIME, vec![at])
            .text(tags::CONTRIBUTION_DESCRIPTION, &self.marked(rule))
            .code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &PROCESSING_EQUIPMENT.into());
        node
    }

    fn station(&self, data_set: &mut DataSet) {
        let station = &self.provenance.station;
        data_set
            .text(tags::MANUFACTURER, &station.manufacturer)
            .text(tags::MANUFACTURER_MODEL_NAME, &station.model_name)
            .text(tags::DEVICE_SERIAL_NUMBER, &station.serial)
            .texts(tags::SOFTWARE_VERSIONS, &[station.version.clone(), self.subject.algorithm()]);
    }

    /// The scanner stays on record; its Manufacturer is Type 1 here.
    fn scanner(&self) -> Option<DataSet> {
        self.subject.source.text(tags::MANUFACTURER)?;
        let mut item = DataSet::new();
        for tag in [
            tags::MANUFACTURER,
            tags::INSTITUTION_NAME,
            tags::STATION_NAME,
            tags::MANUFACTURER_MODEL_NAME,
            tags::DEVICE_SERIAL_NUMBER,
            tags::SOFTWARE_VERSIONS,
        ] {
            self.copy_text(tag, &mut item);
        }
        item.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &ACQUISITION_EQUIPMENT.into());
        Some(item)
    }

    fn copy_text(&self, tag: Tag, item: &mut DataSet) {
        let texts = self.subject.source.texts(tag);
        if !texts.is_empty() {
            let vr = vr_of(tag);
            item.values(tag, texts.iter().map(|text| fitted(vr, text)).collect());
        }
    }

    /// What a group is followed by: Tracking Identifier and Tracking Unique Identifier (PS3.16 TID 1501).
    pub fn tracking(&self, index: usize, group: &MeasurementGroup) -> (String, Uid) {
        (group.label.clone(), self.uid(&format!("tracking {index} {}", group.label)))
    }

    /// The UID of one thing that this job makes.
    pub fn uid(&self, kind: &str) -> Uid {
        self.provenance.uid(kind, self.subject.source, self.subject.findings)
    }

    pub fn finish(&self, kind: &Kind, data_set: &DataSet) -> Result<ResultObject, ComposeError> {
        let class = |text| Uid::parse(text).map_err(|_| ComposeError::Encoding("a class UID"));
        Ok(ResultObject {
            sop_class: class(kind.sop_class)?,
            sop_instance: self.uid(kind.name),
            series: self.uid(&format!("{} series", kind.name)),
            study: self.subject.source.study.clone(),
            transfer_syntax: class(EXPLICIT_VR_LITTLE_ENDIAN)?,
            data_set: data_set.encode()?,
        })
    }
}
