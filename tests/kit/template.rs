//! Images made of numbers: of any size, each with its own UIDs and pixels, and cheap to make a hundred thousand times.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;

/// CT images of one size: everything but UIDs and pixels is encoded once.
#[derive(Clone)]
pub struct Template {
    data_set: Vec<u8>,
    sop_instance: usize,
    series: usize,
    study: usize,
    pixels: usize,
}

/// Which image of which scanner in which run.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    pub run: u32,
    pub scanner: u16,
    pub study: u32,
    pub series: u32,
    pub image: u32,
}

/// Every UID that is made here has this length, so that one stands in the place of another.
const UID_LENGTH: usize = 30;

impl Number {
    pub fn study_uid(&self) -> String {
        self.uid(1, self.study)
    }

    pub fn series_uid(&self) -> String {
        self.uid(2, self.series)
    }

    pub fn sop_instance_uid(&self) -> String {
        self.uid(3, self.image)
    }

    /// Below 2.25 stands any number of 128 bits (PS3.5 B.2).
    fn uid(&self, kind: u8, number: u32) -> String {
        let Self { run, scanner, .. } = self;
        format!("2.25.1{kind}{run:010}{scanner:03}{number:010}")
    }
}

impl Template {
    pub const SOP_CLASS: &str = uids::CT_IMAGE_STORAGE;

    pub fn ct(rows: u16, columns: u16) -> Self {
        let none = Number { run: 0, scanner: 0, study: 0, series: 0, image: 0 };
        let uids = [none.sop_instance_uid(), none.series_uid(), none.study_uid()];
        let mut data_set = encode(attributes(rows, columns, &uids));
        let place = |uid: &String| {
            data_set.windows(uid.len()).position(|bytes| bytes == uid.as_bytes()).expect("encoded")
        };
        let [sop_instance, series, study] = [0, 1, 2].map(|which| place(&uids[which]));
        let length = u32::from(rows) * u32::from(columns) * 2;
        data_set.extend_from_slice(&pixel_data(length));
        let pixels = data_set.len();
        data_set.resize(pixels + length as usize, 0);
        Self { data_set, sop_instance, series, study, pixels }
    }

    /// The data set of this image in Explicit VR Little Endian. The same number gives the same bytes.
    pub fn image(&mut self, number: Number) -> &[u8] {
        let seed =
            u64::from(number.run) << 32 ^ u64::from(number.scanner) << 28 ^ u64::from(number.image);
        noise(seed, &mut self.data_set[self.pixels..]);
        self.renumbered(number)
    }

    /// The UIDs of this image and the pixels of the one before: for who sends as fast as it can.
    pub fn renumbered(&mut self, number: Number) -> &[u8] {
        for (at, uid) in [
            (self.sop_instance, number.sop_instance_uid()),
            (self.series, number.series_uid()),
            (self.study, number.study_uid()),
        ] {
            self.data_set[at..at + UID_LENGTH].copy_from_slice(uid.as_bytes());
        }
        &self.data_set
    }
}

/// Pixel Data (7FE0,0010) as OW, up to its value.
pub fn pixel_data(length: u32) -> [u8; 12] {
    let mut head = *b"\xE0\x7F\x10\0OW\0\0\0\0\0\0";
    head[8..].copy_from_slice(&length.to_le_bytes());
    head
}

/// In Explicit VR Little Endian.
pub fn encode(attributes: InMemDicomObject) -> Vec<u8> {
    let mut bytes = Vec::new();
    let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
    attributes.write_dataset_with_ts(&mut bytes, &syntax).expect("memory can be written");
    bytes
}

/// Bytes that differ everywhere and that no compression makes smaller; the seed gives them again.
pub fn noise(seed: u64, bytes: &mut [u8]) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for word in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
}

fn attributes(rows: u16, columns: u16, uids: &[String; 3]) -> InMemDicomObject {
    let [sop_instance, series, study] = uids;
    let text =
        |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let number = |tag: Tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    InMemDicomObject::from_element_iter([
        text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
        text(tags::SOP_CLASS_UID, VR::UI, Template::SOP_CLASS),
        text(tags::SOP_INSTANCE_UID, VR::UI, sop_instance),
        text(tags::STUDY_DATE, VR::DA, "20260101"),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::MANUFACTURER, VR::LO, "Gantry"),
        text(tags::SERIES_DESCRIPTION, VR::LO, "Noise"),
        text(tags::PATIENT_NAME, VR::PN, "Noise^Of^Numbers"),
        text(tags::PATIENT_ID, VR::LO, "NOISE"),
        text(tags::SLICE_THICKNESS, VR::DS, "1"),
        text(tags::CONVOLUTION_KERNEL, VR::SH, "NONE"),
        text(tags::STUDY_INSTANCE_UID, VR::UI, study),
        text(tags::SERIES_INSTANCE_UID, VR::UI, series),
        text(tags::INSTANCE_NUMBER, VR::IS, "1"),
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, "0\\0\\0"),
        text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
        number(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        number(tags::ROWS, rows),
        number(tags::COLUMNS, columns),
        text(tags::PIXEL_SPACING, VR::DS, "1\\1"),
        number(tags::BITS_ALLOCATED, 16),
        number(tags::BITS_STORED, 16),
        number(tags::HIGH_BIT, 15),
        number(tags::PIXEL_REPRESENTATION, 1),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_gives_another_image_that_can_be_read_and_the_same_one_again() {
        let mut template = Template::ct(10, 12);
        let number = Number { run: 7, scanner: 3, study: 1, series: 2, image: 9 };
        let first = template.image(number).to_vec();
        let other = template.image(Number { image: 10, ..number }).to_vec();
        assert_eq!(template.image(number), first);
        assert_ne!(first[first.len() - 240..], other[other.len() - 240..]);
        let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
        let object = InMemDicomObject::read_dataset_with_ts(other.as_slice(), &syntax);
        let object = object.expect("a data set");
        for (tag, uid) in [
            (tags::STUDY_INSTANCE_UID, "2.25.1100000000070030000000001"),
            (tags::SERIES_INSTANCE_UID, "2.25.1200000000070030000000002"),
            (tags::SOP_INSTANCE_UID, "2.25.1300000000070030000000010"),
        ] {
            assert_eq!(object.element(tag).expect("there").to_str().expect("text"), uid);
        }
        let pixels = object.element(tags::PIXEL_DATA).expect("there").to_bytes().expect("bytes");
        assert_eq!(pixels.len(), 240);
    }
}
