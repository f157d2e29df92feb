//! A DICOM object as the actors hold it: its identity and its data set, byte for byte.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject, OpenFileOptions};
use gantry_terms::transfer_syntaxes::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use std::path::{Path, PathBuf};

/// `DICM` stands behind a preamble of 128 bytes (PS3.10 7.1).
const PREAMBLE: usize = 128;

#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub sop_class: String,
    pub sop_instance: String,
    pub transfer_syntax: String,
    pub data_set: Vec<u8>,
}

/// What a scenario asks of a received or exported file.
#[derive(Debug, Clone)]
pub struct ReceivedFile {
    pub path: PathBuf,
    pub sop_class: String,
    pub sop_instance: String,
    pub study: String,
    pub series: String,
    pub modality: String,
}

impl Instance {
    /// Reads a Part 10 file; the data set is what stands behind the File Meta Information.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("the file can be read");
        Self::parse(&bytes).unwrap_or_else(|| panic!("{} is no Part 10 file", path.display()))
    }

    pub fn parse(part10: &[u8]) -> Option<Self> {
        let meta = part10.strip_prefix(&[0; PREAMBLE]).or_else(|| part10.get(PREAMBLE..))?;
        // (0002,0000) UL: the length of the group behind its own 12 bytes.
        let length = u32::from_le_bytes(meta.get(12..16)?.try_into().ok()?) as usize;
        let data_set = meta.get(16 + length..)?.to_vec();
        let table = dicom_object::meta::FileMetaTable::from_reader(meta).ok()?;
        Some(Self {
            sop_class: table.media_storage_sop_class_uid().into(),
            sop_instance: table.media_storage_sop_instance_uid().into(),
            transfer_syntax: table.transfer_syntax().into(),
            data_set,
        })
    }

    /// Any file that may be DICOM: without a head, or without a transfer syntax in it, what the first
    /// element looks like decides. UIDs that are not there are empty.
    pub fn guess(file: &[u8]) -> Self {
        if file.get(PREAMBLE..PREAMBLE + 4) == Some(b"DICM")
            && let Some(instance) = Self::parse(file)
        {
            return instance;
        }
        let headed = file.get(PREAMBLE..).filter(|rest| rest.starts_with(b"DICM"));
        let data_set = headed.unwrap_or(file);
        // Its group in two orders, its VR or none.
        let transfer_syntax = match (data_set.first(), data_set.get(4)) {
            (Some(0), _) => EXPLICIT_VR_BIG_ENDIAN,
            (_, Some(letter)) if letter.is_ascii_uppercase() => EXPLICIT_VR_LITTLE_ENDIAN,
            _ => IMPLICIT_VR_LITTLE_ENDIAN,
        };
        let find = |element: u8| match transfer_syntax {
            EXPLICIT_VR_BIG_ENDIAN => uid(data_set, [0, 8, 0, element]),
            _ => uid(data_set, [8, 0, element, 0]),
        };
        Self {
            sop_class: find(0x16).unwrap_or_default(),
            sop_instance: find(0x18).unwrap_or_default(),
            transfer_syntax: transfer_syntax.into(),
            data_set: data_set.to_vec(),
        }
    }

    /// All files of a folder, by name.
    pub fn read_folder(folder: &Path) -> Vec<Self> {
        files_below(folder).iter().map(|path| Self::read(path)).collect()
    }

    pub fn part10(&self) -> Vec<u8> {
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(&self.sop_class)
            .media_storage_sop_instance_uid(&self.sop_instance)
            .transfer_syntax(&self.transfer_syntax)
            .build()
            .expect("all that the table needs was given");
        let mut bytes = vec![0; PREAMBLE];
        bytes.extend_from_slice(b"DICM");
        meta.write(&mut bytes).expect("memory can be written");
        bytes.extend_from_slice(&self.data_set);
        bytes
    }

    /// Writes one Part 10 file for each instance.
    pub fn write_all(instances: &[Self], folder: &Path) {
        for (number, instance) in instances.iter().enumerate() {
            let path = folder.join(format!("{:04}.dcm", number + 1));
            std::fs::write(path, instance.part10()).expect("the folder can be written");
        }
    }

    /// The data set, to look into it or to change it. Explicit VR Little Endian only.
    pub fn object(&self) -> InMemDicomObject {
        use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
        let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
        InMemDicomObject::read_dataset_with_ts(self.data_set.as_slice(), &syntax)
            .expect("the actor holds a readable data set")
    }

    /// The same instance with another value.
    pub fn with(&self, tag: Tag, vr: VR, value: &str) -> Self {
        let mut object = self.object();
        object.put(DataElement::new(tag, vr, value));
        self.of(&object)
    }

    /// The same with another number of 16 bits.
    pub fn with_number(&self, tag: Tag, number: u16) -> Self {
        let mut object = self.object();
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
        self.of(&object)
    }

    /// The same object without an attribute.
    pub fn without(&self, tag: Tag) -> Self {
        let mut object = self.object();
        object.remove_element(tag);
        self.of(&object)
    }

    /// Whether it has the same attributes with the same values, whatever lengths its sequences were written with. Explicit VR Little
    /// Endian only.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let head =
            |it: &Self| [&it.sop_class, &it.sop_instance, &it.transfer_syntax].map(Clone::clone);
        let body = |it: &Self| it.of(&it.object()).data_set;
        head(self) == head(other) && body(self) == body(other)
    }

    fn of(&self, object: &InMemDicomObject) -> Self {
        use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
        let mut data_set = Vec::new();
        let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
        object.write_dataset_with_ts(&mut data_set, &syntax).expect("memory can be written");
        Self { data_set, ..self.clone() }
    }

    pub fn text(&self, tag: Tag) -> String {
        text(&self.object(), tag)
    }
}

impl ReceivedFile {
    /// The first file of a folder, which need not be uncompressed.
    pub fn first_of(folder: &Path) -> Self {
        Self::read(&files_below(folder)[0]).expect("a whole file")
    }

    /// Nothing while the file is not yet all there.
    pub fn read(path: &Path) -> Option<Self> {
        let file = OpenFileOptions::new().open_file(path).ok()?;
        Some(Self {
            path: path.into(),
            sop_class: text(&file, tags::SOP_CLASS_UID),
            sop_instance: text(&file, tags::SOP_INSTANCE_UID),
            study: text(&file, tags::STUDY_INSTANCE_UID),
            series: text(&file, tags::SERIES_INSTANCE_UID),
            modality: text(&file, tags::MODALITY),
        })
    }
}

fn text(object: &InMemDicomObject, tag: Tag) -> String {
    let value = object.element(tag).ok().and_then(|element| element.to_str().ok());
    value.unwrap_or_default().trim_end_matches(['\0', ' ']).to_string()
}

/// All files below a folder, by path.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The first value that looks like that of a UID with this tag.
fn uid(data_set: &[u8], tag: [u8; 4]) -> Option<String> {
    let at = data_set.windows(4).position(|bytes| bytes == tag)?;
    let value = data_set.get(at + 8..)?;
    let end = value.iter().position(|letter| !matches!(letter, b'0'..=b'9' | b'.'))?;
    (4..=64).contains(&end).then(|| String::from_utf8_lossy(&value[..end]).into_owned())
}
