//! A profile: the Basic Application Level Confidentiality Profile (PS3.15 E.2) with the options of E.3 that an admin chose.

use crate::pixels::Rectangle;
use std::collections::BTreeSet;

/// The options of PS3.15 E.3 that the node carries out without a person who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileOption {
    CleanStructuredContent,
    CleanDescriptors,
    FullDates,
    ModifiedDates,
    PatientCharacteristics,
    DeviceIdentity,
    RetainUids,
    SafePrivate,
    InstitutionIdentity,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// Part of what pseudonyms are made of: the same patient has another one in another profile.
    pub name: String,
    pub options: BTreeSet<ProfileOption>,
    /// Words that clean descriptors keep beside those that the program knows, in lower case.
    pub words: BTreeSet<String>,
    /// Private attributes that are safe beside those of table E.3.10-1.
    pub private: Vec<PrivateAttribute>,
    pub devices: Vec<Device>,
}

/// `(gggg,xxee)` of a private creator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateAttribute {
    pub group: u16,
    pub element: u8,
    pub creator: String,
}

/// Images of which it is known where text is burned in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub manufacturer: String,
    pub model: String,
    pub rows: u16,
    pub columns: u16,
    /// What is made black; nothing: these images are known to have no text.
    pub blank: Vec<Rectangle>,
}

impl Profile {
    /// Without any option.
    pub fn basic(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    pub fn has(&self, option: ProfileOption) -> bool {
        self.options.contains(&option)
    }
}
