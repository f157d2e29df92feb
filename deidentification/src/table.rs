//! What becomes of an attribute: table E.1-1 of PS3.15 (edition 2024b) under the options that a profile has.

mod rows;

use crate::profile::{Profile, ProfileOption};
use gantry_terms::header::Tag;
use rows::ROWS;

/// The edition of the standard whose table this is.
pub const EDITION: &str = "PS3.15 2024b";

/// The action codes of the column "Basic Profile", as the table combines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basic {
    X,
    Z,
    D,
    U,
    XZ,
    XD,
    ZD,
    XZD,
    /// X/Z/U*: a sequence of references, whose UIDs are replaced.
    XZU,
}

/// What an option says instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    K,
    C,
}

/// The columns of the options, where they say something.
pub type Otherwise = &'static [(ProfileOption, Instead)];

/// The combinations in which the columns of the options stand in the table.
mod options {
    use super::Instead::*;
    use super::Otherwise;
    use super::ProfileOption::*;

    pub(super) const NONE: Otherwise = &[];
    pub(super) const DATES: Otherwise = &[(FullDates, K), (ModifiedDates, C)];
    pub(super) const DESCRIPTORS: Otherwise = &[(CleanDescriptors, C)];
    pub(super) const UIDS: Otherwise = &[(RetainUids, K)];
    pub(super) const DEVICE: Otherwise = &[(DeviceIdentity, K)];
    pub(super) const DEVICE_CLEANED: Otherwise = &[(DeviceIdentity, C)];
    pub(super) const DEVICE_OR_DATES: Otherwise =
        &[(DeviceIdentity, K), (FullDates, K), (ModifiedDates, C)];
    pub(super) const DEVICE_OR_UIDS: Otherwise = &[(DeviceIdentity, K), (RetainUids, K)];
    pub(super) const INSTITUTION: Otherwise = &[(InstitutionIdentity, K)];
    pub(super) const PATIENT: Otherwise = &[(PatientCharacteristics, K)];
    pub(super) const PATIENT_CLEANED: Otherwise = &[(PatientCharacteristics, C)];
    pub(super) const CONTENT: Otherwise = &[(CleanStructuredContent, C)];
    pub(super) const DESCRIPTORS_OR_PATIENT: Otherwise =
        &[(CleanDescriptors, C), (PatientCharacteristics, C)];
}

/// What is done with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Remove,
    Empty,
    /// Another value where there is one, of the same representation.
    Dummy,
    /// The UID that belongs to it.
    Replace,
    /// As it is; of a sequence what the profile leaves of its items.
    Keep,
    /// Made harmless; what cannot be is treated by the other code.
    Clean(Basic),
}

impl Basic {
    /// Whether an attribute is of Type 1, 2 or 3 depends on the IOD. What can be each is never taken away but
    /// emptied or replaced, which is right for every type that the table allows for.
    pub fn action(self) -> Action {
        match self {
            Self::X => Action::Remove,
            Self::Z | Self::XZ => Action::Empty,
            Self::D | Self::XD | Self::ZD | Self::XZD => Action::Dummy,
            Self::U => Action::Replace,
            Self::XZU => Action::Keep,
        }
    }
}

/// The row of an attribute; none where the table has none.
pub fn row(tag: Tag) -> Option<(Basic, Otherwise)> {
    let at = ROWS.binary_search_by_key(&tag, |(tag, _, _)| *tag).ok()?;
    let (_, basic, otherwise) = ROWS[at];
    Some((basic, otherwise))
}

/// All attributes that have a row.
pub fn tags() -> impl Iterator<Item = Tag> {
    ROWS.iter().map(|(tag, _, _)| *tag)
}

/// None where the table has no row. Of two options the one that cleans counts, as it keeps less.
pub fn action(tag: Tag, profile: &Profile) -> Option<Action> {
    let (basic, otherwise) = row(tag)?;
    let mut said = otherwise.iter().filter(|(option, _)| profile.has(*option));
    let mut instead = None;
    while let Some((_, one)) = said.next().filter(|_| instead != Some(Instead::C)) {
        instead = Some(*one);
    }
    Some(match instead {
        None => basic.action(),
        Some(Instead::K) => Action::Keep,
        Some(Instead::C) => Action::Clean(basic),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_table_is_that_of_the_standard_row_by_row() {
        assert!(ROWS.is_sorted_by(|(a, _, _), (b, _, _)| a < b), "it is searched by halves");
        // Without private attributes, curves and the two rows of overlays.
        assert_eq!(ROWS.len(), 621 - 4);
        let mut counts = BTreeMap::new();
        for (_, basic, _) in ROWS {
            *counts.entry(format!("{basic:?}")).or_insert(0) += 1;
        }
        let said: Vec<String> =
            counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
        assert_eq!(said.join(", "), "D 92, U 54, X 380, XD 22, XZ 11, XZD 8, XZU 2, Z 42, ZD 6");
    }

    #[test]
    fn an_option_says_otherwise_and_cleaning_goes_before_keeping() {
        let with = |options: &[ProfileOption]| Profile {
            options: options.iter().copied().collect(),
            ..Profile::basic("test")
        };
        const CALIBRATED: Tag = 0x0018_700C;
        let both = [ProfileOption::DeviceIdentity, ProfileOption::ModifiedDates];
        for (options, expected) in [
            (&[][..], Action::Dummy),
            (&both[..1], Action::Keep),
            (&both[1..], Action::Clean(Basic::XD)),
            (&both[..], Action::Clean(Basic::XD)),
        ] {
            assert_eq!(action(CALIBRATED, &with(options)), Some(expected), "{options:?}");
        }
        assert_eq!(action(0x0028_0010, &with(&[])), None);
    }
}
