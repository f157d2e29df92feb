//! The images that a result is about, and what it takes over from the first of them (PS3.3 C.7.1 to C.7.4).

pub(crate) mod attributes;
mod reading;
mod whole;

use crate::data_set::DataSet;
use crate::object::ComposeError;
use crate::source::attributes::{COPIED, Need, Scope};
pub(crate) use crate::source::whole::whole;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemElement;
use gantry_terms::uid::Uid;

/// An instance that went into the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub sop_class: Uid,
    pub sop_instance: Uid,
}

/// Images of another series of the study that went into the model beside the source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSeries {
    pub series: Uid,
    /// Modality, as in `MR`.
    pub modality: String,
    pub instances: Vec<Reference>,
}

/// What results take over from the series that they are about.
#[derive(Debug, Clone)]
pub struct Source {
    pub study: Uid,
    pub series: Uid,
    /// Every instance of this series that went into the model, in the order in which it was given.
    pub instances: Vec<Reference>,
    pub others: Vec<OtherSeries>,
    /// Decoded to Unicode; only attributes of the tables in `source/attributes.rs`.
    attributes: DataSet,
}

impl Source {
    /// Reads the first instance of the series, a Part 10 file that may be cut off behind its
    /// header. Text is decoded by its Specific Character Set.
    pub fn read(first_part10: &[u8], instances: Vec<Reference>) -> Result<Self, ComposeError> {
        let attributes = reading::read(first_part10)?;
        let uid = |tag, name| {
            let text = first_text(&attributes, tag).ok_or(ComposeError::SourceLacks(name))?;
            Uid::parse(&text).map_err(|_| ComposeError::SourceLacks(name))
        };
        let study = uid(tags::STUDY_INSTANCE_UID, "Study Instance UID")?;
        let series = uid(tags::SERIES_INSTANCE_UID, "Series Instance UID")?;
        if instances.is_empty() {
            return Err(ComposeError::Mismatch("no instance is named as input".into()));
        }
        Ok(Self { study, series, instances, others: Vec::new(), attributes })
    }

    /// Every instance that went into the model, of whatever series.
    pub(crate) fn all_instances(&self) -> impl Iterator<Item = &Reference> {
        let others = self.others.iter().flat_map(|other| &other.instances);
        self.instances.iter().chain(others)
    }

    /// Modality of the source, as in `CT`.
    pub fn modality(&self) -> String {
        self.text(tags::MODALITY).unwrap_or_else(|| "OT".into())
    }

    /// Whether its frames follow each other in time (PS3.3 C.7.6.5).
    pub(crate) fn has_frame_times(&self) -> bool {
        [tags::FRAME_TIME, tags::FRAME_TIME_VECTOR].iter().any(|tag| self.text(*tag).is_some())
    }

    /// The first value of an attribute, if it has one.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        first_text(&self.attributes, tag)
    }

    /// All values of an attribute; none when it is absent or empty.
    pub(crate) fn texts(&self, tag: Tag) -> Vec<String> {
        texts(&self.attributes, tag)
    }

    pub(crate) fn element(&self, tag: Tag) -> Option<&InMemElement> {
        self.attributes.element(tag)
    }

    /// The items of a sequence; none when it is absent or empty.
    pub(crate) fn items(&self, tag: Tag) -> Vec<DataSet> {
        self.attributes.sequence(tag)
    }

    /// Copies the attributes of one scope. Type 2 attributes that the source lacks are written
    /// empty: nothing is invented.
    pub(crate) fn copy_to(&self, scope: Scope, data_set: &mut DataSet) {
        for copied in COPIED.iter().filter(|copied| copied.scope == scope) {
            let needed = match copied.need {
                Need::Type2 => true,
                Need::Type2With(telling) => self.text(telling).is_some(),
                Need::Type3 => false,
            };
            match self.attributes.element(copied.tag) {
                Some(element) if !is_empty(element) => drop(data_set.put(element.clone())),
                _ if needed => drop(data_set.empty(copied.tag)),
                _ => {}
            }
        }
    }
}

fn is_empty(element: &InMemElement) -> bool {
    element.items().map_or_else(|| texts_of(element).is_empty(), <[_]>::is_empty)
}

fn first_text(data_set: &DataSet, tag: Tag) -> Option<String> {
    texts(data_set, tag).into_iter().next()
}

pub(crate) fn texts(data_set: &DataSet, tag: Tag) -> Vec<String> {
    data_set.element(tag).map_or_else(Vec::new, texts_of)
}

fn texts_of(element: &InMemElement) -> Vec<String> {
    let texts = element.to_multi_str().map(|texts| texts.to_vec()).unwrap_or_default();
    if texts.iter().all(String::is_empty) { Vec::new() } else { texts }
}
