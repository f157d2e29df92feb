//! What has to be known of an object before its first element is written: who it is of, what made it, and what its pixels are.

use crate::elements::{Elements, Syntax, Unreadable};
use crate::home;
use gantry_terms::character_sets::CharacterSets;
use gantry_terms::header::Tag;
use std::collections::BTreeMap;

pub(crate) const CHARACTER_SET: Tag = 0x0008_0005;
pub(crate) const IMAGE_TYPE: Tag = 0x0008_0008;
pub(crate) const SOP_CLASS: Tag = 0x0008_0016;
pub(crate) const SOP_INSTANCE: Tag = 0x0008_0018;
pub(crate) const CONVERSION_TYPE: Tag = 0x0008_0064;
pub(crate) const MANUFACTURER: Tag = 0x0008_0070;
pub(crate) const MODEL: Tag = 0x0008_1090;
pub(crate) const PATIENT_NAME: Tag = 0x0010_0010;
pub(crate) const PATIENT_ID: Tag = 0x0010_0020;
pub(crate) const ISSUER: Tag = 0x0010_0021;
pub(crate) const OTHER_IDS: Tag = 0x0010_1000;
pub(crate) const STUDY: Tag = 0x0020_000D;
pub(crate) const SERIES: Tag = 0x0020_000E;
pub(crate) const SAMPLES: Tag = 0x0028_0002;
pub(crate) const PHOTOMETRIC: Tag = 0x0028_0004;
pub(crate) const PLANAR: Tag = 0x0028_0006;
pub(crate) const FRAMES: Tag = 0x0028_0008;
pub(crate) const ROWS: Tag = 0x0028_0010;
pub(crate) const COLUMNS: Tag = 0x0028_0011;
pub(crate) const ALLOCATED: Tag = 0x0028_0100;
pub(crate) const BURNED_IN: Tag = 0x0028_0301;
pub(crate) const CONTENT: Tag = 0x0040_A730;
pub(crate) const DOCUMENT: Tag = 0x0042_0011;
pub(crate) const PIXELS: Tag = 0x7FE0_0010;

const WANTED: [Tag; 21] = [
    CHARACTER_SET,
    IMAGE_TYPE,
    SOP_CLASS,
    SOP_INSTANCE,
    CONVERSION_TYPE,
    MANUFACTURER,
    MODEL,
    PATIENT_NAME,
    PATIENT_ID,
    ISSUER,
    OTHER_IDS,
    STUDY,
    SAMPLES,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    ALLOCATED,
    BURNED_IN,
    PIXELS,
];

/// Of the outermost data set.
pub struct Seen<'a> {
    values: BTreeMap<Tag, &'a [u8]>,
    characters: CharacterSets,
    big_endian: bool,
    /// It has a tree of content items.
    pub(crate) has_content: bool,
    /// It wraps a document of another kind.
    pub(crate) has_document: bool,
    /// Its pixels are in fragments.
    pub(crate) has_fragments: bool,
}

impl<'a> Seen<'a> {
    pub fn of(bytes: &'a [u8], syntax: Syntax) -> Result<Self, Unreadable> {
        let mut seen = Self {
            values: BTreeMap::new(),
            characters: CharacterSets::default(),
            big_endian: syntax.big_endian,
            has_content: false,
            has_document: false,
            has_fragments: false,
        };
        for element in Elements::of_data_set(bytes, syntax) {
            let element = element?;
            let value = &bytes[element.value..element.value_end()];
            match element.tag {
                CONTENT => seen.has_content = true,
                DOCUMENT => seen.has_document = true,
                PIXELS if element.undefined => seen.has_fragments = true,
                CHARACTER_SET => seen.characters = CharacterSets::from_attribute(value),
                _ => {}
            }
            if WANTED.contains(&element.tag) || home::is_of_study(element.tag) {
                seen.values.entry(element.tag).or_insert(value);
            }
        }
        Ok(seen)
    }

    /// The first value of a text; empty where there is none.
    pub(crate) fn text(&self, tag: Tag) -> String {
        let value = self.values.get(&tag).copied().unwrap_or_default();
        self.characters.values(value).into_iter().next().unwrap_or_default()
    }

    /// The values as one text; None where the attribute is not there.
    pub(crate) fn whole_text(&self, tag: Tag) -> Option<String> {
        Some(self.characters.values(self.values.get(&tag)?).join("\\"))
    }

    pub(crate) fn texts(&self, tag: Tag) -> Vec<String> {
        self.characters.values(self.values.get(&tag).copied().unwrap_or_default())
    }

    /// Of a US.
    pub(crate) fn number(&self, tag: Tag) -> Option<u16> {
        let bytes: [u8; 2] = self.values.get(&tag)?.get(..2)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    pub(crate) fn characters(&self) -> &CharacterSets {
        &self.characters
    }

    pub(crate) fn character_set(&self) -> &'a [u8] {
        self.values.get(&CHARACTER_SET).copied().unwrap_or_default()
    }

    pub(crate) fn has_pixels(&self) -> bool {
        self.values.contains_key(&PIXELS)
    }
}
