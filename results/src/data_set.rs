//! Writing into a data set: the VR comes from the dictionary and every text is made to fit it.

use crate::object::ComposeError;
use crate::text::{decimal, fitted};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use gantry_terms::code::Code;
use gantry_terms::uid::Uid;

/// A data set, or an item of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet(InMemDicomObject);

impl DataSet {
    pub fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    pub fn text(&mut self, tag: Tag, text: &str) -> &mut Self {
        self.texts(tag, &[text])
    }

    /// Several values of one attribute.
    pub fn texts<T: AsRef<str>>(&mut self, tag: Tag, texts: &[T]) -> &mut Self {
        let vr = vr_of(tag);
        self.values(tag, texts.iter().map(|text| fitted(vr, text.as_ref())).collect())
    }

    /// Values that are known to fit.
    pub fn values(&mut self, tag: Tag, values: Vec<String>) -> &mut Self {
        let value = match values.as_slice() {
            [] => PrimitiveValue::Empty,
            [one] if one.is_empty() => PrimitiveValue::Empty,
            _ => PrimitiveValue::Strs(values.into()),
        };
        self.put(DataElement::new(tag, vr_of(tag), value))
    }

    pub fn uid(&mut self, tag: Tag, uid: &Uid) -> &mut Self {
        self.values(tag, vec![uid.to_string()])
    }

    pub fn empty(&mut self, tag: Tag) -> &mut Self {
        match vr_of(tag) {
            VR::SQ => self.items(tag, Vec::new()),
            vr => self.put(DataElement::new(tag, vr, PrimitiveValue::Empty)),
        }
    }

    /// An unsigned 16-bit number (US).
    pub fn number(&mut self, tag: Tag, number: u16) -> &mut Self {
        self.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)))
    }

    /// Decimal strings (DS); a number that is not finite is a fault of the caller's geometry.
    pub fn decimals(&mut self, tag: Tag, numbers: &[f64]) -> Result<&mut Self, ComposeError> {
        let texts: Option<Vec<String>> = numbers.iter().map(|n| decimal(*n)).collect();
        let texts = texts.ok_or_else(|| ComposeError::Mismatch("a length is not finite".into()))?;
        Ok(self.values(tag, texts))
    }

    pub fn item(&mut self, tag: Tag, item: DataSet) -> &mut Self {
        self.items(tag, vec![item])
    }

    pub fn items(&mut self, tag: Tag, items: Vec<DataSet>) -> &mut Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        self.put(DataElement::new(tag, VR::SQ, dicom_core::value::DataSetSequence::from(items)))
    }

    pub fn code(&mut self, tag: Tag, code: &Code) -> &mut Self {
        self.item(tag, coded(code))
    }

    pub fn put(&mut self, element: InMemElement) -> &mut Self {
        self.0.put(element);
        self
    }

    pub fn remove(&mut self, tag: Tag) {
        self.0.remove_element(tag);
    }

    /// The items of a sequence; none when it is absent or empty.
    pub fn sequence(&self, tag: Tag) -> Vec<DataSet> {
        let items = self.element(tag).and_then(|element| element.items()).unwrap_or(&[]);
        items.iter().map(|item| DataSet(item.clone())).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().next().is_none()
    }

    /// Of its elements, in their order.
    pub fn tags(&self) -> Vec<Tag> {
        self.0.iter().map(|element| element.header().tag).collect()
    }

    pub fn element(&self, tag: Tag) -> Option<&InMemElement> {
        self.0.get(tag)
    }

    /// What [`Self::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Result<Self, ComposeError> {
        let syntax = dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
        InMemDicomObject::read_dataset_with_ts(bytes, &syntax)
            .map(Self)
            .map_err(|_| ComposeError::Encoding("what was written can not be read"))
    }

    /// Explicit VR Little Endian, without File Meta Information.
    pub fn encode(&self) -> Result<Vec<u8>, ComposeError> {
        let syntax = dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
        let mut bytes = Vec::new();
        self.0
            .write_dataset_with_ts(&mut bytes, &syntax)
            .map_err(|_| ComposeError::Encoding("an element was refused by the writer"))?;
        Ok(bytes)
    }
}

/// The item of a code sequence (PS3.3 Table 8.8-1); a value that SH cannot hold goes into Long
/// Code Value.
pub fn coded(code: &Code) -> DataSet {
    let mut item = DataSet::new();
    let long = code.value.chars().count() > 16;
    item.text(if long { tags::LONG_CODE_VALUE } else { tags::CODE_VALUE }, &code.value)
        .text(tags::CODING_SCHEME_DESIGNATOR, &code.scheme)
        .text(tags::CODE_MEANING, &code.meaning);
    item
}

/// The item of a reference to an instance.
pub fn referenced(sop_class: &Uid, sop_instance: &Uid) -> DataSet {
    let mut item = DataSet::new();
    item.uid(tags::REFERENCED_SOP_CLASS_UID, sop_class)
        .uid(tags::REFERENCED_SOP_INSTANCE_UID, sop_instance);
    item
}

/// One frame of an instance, counted from 1 (PS3.3 10.3); without a number all of it.
pub fn referenced_frame(sop_class: &Uid, sop_instance: &Uid, frame: Option<u32>) -> DataSet {
    referenced_frames(sop_class, sop_instance, frame.as_slice())
}

/// The same of several frames; without any number, or with more of them than one value can hold, all of it.
pub fn referenced_frames(sop_class: &Uid, sop_instance: &Uid, frames: &[u32]) -> DataSet {
    /// Of a VR with a length of 16 bits (PS3.5 7.1.2).
    const LONGEST: usize = 65_534;
    let mut item = referenced(sop_class, sop_instance);
    let numbers: Vec<String> = frames.iter().map(u32::to_string).collect();
    let length: usize = numbers.iter().map(|number| number.len() + 1).sum();
    if !numbers.is_empty() && length <= LONGEST {
        item.values(tags::REFERENCED_FRAME_NUMBER, numbers);
    }
    item
}

/// VR of a standard attribute.
pub fn vr_of(tag: Tag) -> VR {
    StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr().relaxed())
}
