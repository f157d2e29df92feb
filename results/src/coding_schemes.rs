//! The private coding schemes that an object declares (PS3.3 C.12.1, Coding Scheme Identification Sequence).

use crate::data_set::DataSet;
use dicom_dictionary_std::tags;
use gantry_terms::code::Code;
use gantry_terms::uid::Uid;
use std::collections::BTreeSet;

/// One item for each private scheme that a code comes from.
pub fn coding_schemes<'a>(
    codes: impl Iterator<Item = &'a Code>,
    manufacturer: &str,
) -> Vec<DataSet> {
    let private: BTreeSet<&str> =
        codes.filter(|code| code.is_private()).map(|code| code.scheme.as_str()).collect();
    private.into_iter().map(|scheme| coding_scheme(scheme, manufacturer)).collect()
}

fn coding_scheme(scheme: &str, manufacturer: &str) -> DataSet {
    let mut item = DataSet::new();
    item.text(tags::CODING_SCHEME_DESIGNATOR, scheme)
        .uid(tags::CODING_SCHEME_UID, &Uid::derived(&["coding scheme", scheme]))
        .text(tags::CODING_SCHEME_NAME, &format!("Private codes {scheme}"))
        .text(tags::CODING_SCHEME_RESPONSIBLE_ORGANIZATION, manufacturer);
    item
}
