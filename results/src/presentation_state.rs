//! The outlines of what was found over the source's own images, as Grayscale Softcopy Presentation States (PS3.3 A.33.1).

mod annotations;
mod contours;
mod display;
mod marks;

pub use crate::presentation_state::display::Shown;

use crate::aspect;
use crate::data_set::{DataSet, referenced_frame, referenced_frames};
use crate::header::{Job, Kind, Subject};
use crate::measured::{self, Measured};
use crate::object::{ComposeError, ResultObject};
use crate::presentation_state::display::Display;
use crate::presentation_state::marks::{Layer, layers};
use crate::provenance::Provenance;
use crate::source::Source;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::findings::Findings;
use gantry_terms::uid::Uid;
use std::collections::BTreeSet;

const KIND: Kind =
    Kind { name: "gsps", sop_class: "1.2.840.10008.5.1.4.1.1.11.1", what: "outlines" };

/// One state for all images that something is drawn on; where they differ in what a state says once for all of them
/// (modality LUT and polarity), one for each group of images, in one series. Nothing where nothing is drawn. `shown` is
/// of the source's instances, in their order. The same inputs give the same bytes.
pub fn presentation_states<'a>(
    source: &Source,
    shown: &[Shown],
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
    provenance: &Provenance,
) -> Result<Vec<ResultObject>, ComposeError> {
    let measured = measured.into();
    let job = Job { subject: Subject::new(source, measured, findings)?, provenance };
    if shown.len() != source.instances.len() {
        return Err(ComposeError::Mismatch("not every original is there".into()));
    }
    let layers = layers(&job, measured);
    let drawn: BTreeSet<usize> =
        layers.iter().flat_map(|layer| &layer.marks).map(|mark| mark.slice).collect();
    let mut groups: Vec<(&Display, Vec<Image>)> = Vec::new();
    for slice in drawn {
        let image = Image::of(source, shown, measured, slice)?;
        let same = |of: &&Display| {
            of.modality == image.display.modality && of.inverted == image.display.inverted
        };
        match groups.iter_mut().find(|(display, _)| same(display)) {
            Some((_, images)) => images.push(image),
            None => groups.push((image.display, vec![image])),
        }
    }
    let states = groups.into_iter().zip(1..).map(|((display, images), number)| {
        State { job, measured, layers: &layers, display, images, number }.compose()
    });
    states.collect()
}

/// One image, or one frame of one.
struct Image<'a> {
    slice: usize,
    sop_class: &'a Uid,
    sop_instance: &'a Uid,
    frame: Option<u32>,
    display: &'a Display,
}

impl<'a> Image<'a> {
    fn of(
        source: &Source,
        shown: &'a [Shown],
        measured: Measured<'a>,
        slice: usize,
    ) -> Result<Self, ComposeError> {
        let none = || ComposeError::Mismatch("a slice has no source".into());
        let measured::Image { sop_class, sop_instance, frame } =
            measured.image(slice).ok_or_else(none)?;
        let at = source.instances.iter().position(|i| i.sop_instance == *sop_instance);
        let shown = at.and_then(|at| shown.get(at));
        let shown =
            shown.ok_or_else(|| ComposeError::Mismatch("a slice is not of the source".into()))?;
        Ok(Self { slice, sop_class, sop_instance, frame, display: shown.display(frame)? })
    }

    fn reference(&self) -> DataSet {
        referenced_frame(self.sop_class, self.sop_instance, self.frame)
    }
}

/// The images that one object is of.
struct State<'a> {
    job: Job<'a>,
    measured: Measured<'a>,
    layers: &'a [Layer],
    display: &'a Display,
    images: Vec<Image<'a>>,
    /// From 1.
    number: u32,
}

impl State<'_> {
    fn compose(&self) -> Result<ResultObject, ComposeError> {
        let mut state = self.job.header(&KIND, "PR")?;
        self.job.body(&mut state);
        self.identification(&mut state);
        state.item(tags::REFERENCED_SERIES_SEQUENCE, self.series());
        self.area(&mut state)?;
        self.pipeline(&mut state);
        self.graphics(&mut state);
        let mut object = self.job.finish(&KIND, &state)?;
        object.sop_instance = self.sop_instance();
        Ok(object)
    }

    fn sop_instance(&self) -> Uid {
        match self.number {
            1 => self.job.uid(KIND.name),
            number => self.job.uid(&format!("{} {number}", KIND.name)),
        }
    }

    /// Presentation State Identification module (PS3.3 C.11.10), which has a date of its own.
    fn identification(&self, state: &mut DataSet) {
        for (content, created) in [
            (tags::CONTENT_DATE, tags::PRESENTATION_CREATION_DATE),
            (tags::CONTENT_TIME, tags::PRESENTATION_CREATION_TIME),
        ] {
            let at = crate::source::texts(state, content);
            state.values(created, at).remove(content);
        }
        state
            .uid(tags::SOP_INSTANCE_UID, &self.sop_instance())
            .text(tags::INSTANCE_NUMBER, &self.number.to_string())
            .text(tags::CONTENT_LABEL, "OUTLINES")
            .text(tags::CONTENT_DESCRIPTION, &self.job.marked(self.job.subject.algorithm()))
            .empty(tags::CONTENT_CREATOR_NAME);
    }

    /// Presentation State Relationship module (C.11.11): each image once, with the frames that are drawn on.
    fn series(&self) -> DataSet {
        let mut images: Vec<(&Image, Vec<u32>)> = Vec::new();
        for image in &self.images {
            match images.last_mut().filter(|(last, _)| last.sop_instance == image.sop_instance) {
                Some((_, frames)) => frames.extend(image.frame),
                None => images.push((image, image.frame.into_iter().collect())),
            }
        }
        let references = images.into_iter().map(|(image, mut frames)| {
            frames.sort_unstable();
            referenced_frames(image.sop_class, image.sop_instance, &frames)
        });
        let mut series = DataSet::new();
        series
            .uid(tags::SERIES_INSTANCE_UID, &self.job.subject.source.series)
            .items(tags::REFERENCED_IMAGE_SEQUENCE, references.collect());
        series
    }

    /// Displayed Area module (C.10.4): all of each image, and how large or of which shape its pixels are.
    fn area(&self, state: &mut DataSet) -> Result<(), ComposeError> {
        let (rows, columns, spacing) = match self.measured {
            Measured::Film(film) => (film.rows, film.columns, film.pixel_spacing),
            Measured::Volume(volume) => {
                let geometry = &volume.geometry;
                (geometry.rows, geometry.columns, Some(geometry.pixel_spacing))
            }
        };
        let corner = |column: usize, row: usize| {
            PrimitiveValue::I32([column as i32, row as i32].as_slice().into())
        };
        let mut area = DataSet::new();
        area.put(DataElement::new(tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER, VR::SL, corner(1, 1)))
            .put(DataElement::new(
                tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER,
                VR::SL,
                corner(columns, rows),
            ))
            .text(tags::PRESENTATION_SIZE_MODE, "SCALE TO FIT");
        match spacing {
            Some(spacing) => area.decimals(tags::PRESENTATION_PIXEL_SPACING, &spacing)?,
            None => {
                let ratio = aspect::ratio(self.job.subject.source, self.measured);
                let ratio = ratio.unwrap_or_else(|| ["1", "1"].map(str::to_owned));
                area.values(tags::PRESENTATION_PIXEL_ASPECT_RATIO, ratio.to_vec())
            }
        };
        state.item(tags::DISPLAYED_AREA_SELECTION_SEQUENCE, area);
        Ok(())
    }

    /// Modality LUT, Softcopy VOI LUT and Softcopy Presentation LUT modules (C.11.1, C.11.8, C.11.6): what the images say
    /// themselves, since a viewer goes by the state alone.
    fn pipeline(&self, state: &mut DataSet) {
        for tag in [
            tags::MODALITY_LUT_SEQUENCE,
            tags::RESCALE_INTERCEPT,
            tags::RESCALE_SLOPE,
            tags::RESCALE_TYPE,
        ] {
            if let Some(element) = self.display.modality.element(tag) {
                state.put(element.clone());
            }
        }
        let mut windows: Vec<(&DataSet, Vec<DataSet>)> = Vec::new();
        for image in self.images.iter().filter(|image| !image.display.voi.is_empty()) {
            let voi = &image.display.voi;
            match windows.iter_mut().find(|(known, _)| *known == voi) {
                Some((_, references)) => references.push(image.reference()),
                None => windows.push((voi, vec![image.reference()])),
            }
        }
        if !windows.is_empty() {
            let items = windows.into_iter().map(|(voi, references)| {
                let mut item = voi.clone();
                item.items(tags::REFERENCED_IMAGE_SEQUENCE, references);
                item
            });
            state.items(tags::SOFTCOPY_VOILUT_SEQUENCE, items.collect());
        }
        let shape = if self.display.inverted { "INVERSE" } else { "IDENTITY" };
        state.text(tags::PRESENTATION_LUT_SHAPE, shape);
    }

    fn graphics(&self, state: &mut DataSet) {
        let mut items = Vec::new();
        let mut used = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let before = items.len();
            for mark in &layer.marks {
                if let Some(image) = self.images.iter().find(|image| image.slice == mark.slice) {
                    items.push(annotations::annotation(number, layer, mark, image.reference()));
                }
            }
            if items.len() > before {
                used.push((number, layer));
            }
        }
        let research = self.job.subject.findings.algorithm.research_only;
        if research {
            items.push(annotations::notice());
        }
        state
            .items(tags::GRAPHIC_ANNOTATION_SEQUENCE, items)
            .items(tags::GRAPHIC_LAYER_SEQUENCE, annotations::graphic_layers(&used, research));
    }
}
