//! An encapsulated PDF as the file that it is (PS3.3 C.24.2).

use crate::show::content::Item;
use dicom_dictionary_std::tags;
use gantry_terms::uid::Uid;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub fn is_one(item: &Item) -> bool {
    item.text(tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT).as_deref() == Some("application/pdf")
}

/// Named by the instance, without the byte that made the value even; gives the file.
pub fn write(item: &Item, sop_instance: &Uid, to: &Path) -> Result<PathBuf, String> {
    let mut bytes = item.bytes(tags::ENCAPSULATED_DOCUMENT);
    let length = item.numbers(tags::ENCAPSULATED_DOCUMENT_LENGTH).first().copied();
    if let Some(length) = length.and_then(|length| usize::try_from(length).ok()) {
        bytes.truncate(length);
    }
    let not_written =
        |error: io::Error| format!("nothing can be written to {}: {error}", to.display());
    fs::create_dir_all(to).map_err(not_written)?;
    let file = to.join(format!("{sop_instance}.pdf"));
    fs::write(&file, bytes).map_err(not_written)?;
    Ok(file)
}
