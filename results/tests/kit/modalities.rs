//! Sources of each modality with the mandatory modules of their own IOD (PS3.3 annex A): stacks, and films.

use crate::kit::enhanced;
use crate::kit::film::{Radiograph, of_class};
use crate::kit::phantom::{Phantom, Scan};
use crate::kit::reading::Object;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

pub type Says = [(Tag, &'static str)];

/// In the order of the table.
pub fn stacks() -> Vec<(&'static str, Scan)> {
    vec![
        ("MR", magnetic_resonance()),
        ("PT", positron_emission()),
        ("Enhanced CT", enhanced::ct()),
        ("Enhanced MR", enhanced::mr()),
    ]
}

pub fn films() -> Vec<(&'static str, Radiograph)> {
    vec![
        ("CR", of_class("1.2.840.10008.5.1.4.1.1.1", "CR", |object| film(object, &[]))),
        ("DX", of_class("1.2.840.10008.5.1.4.1.1.1.1", "DX", digital)),
        ("MG", of_class("1.2.840.10008.5.1.4.1.1.1.2", "MG", mammography)),
        ("US", ultrasound(1)),
        ("US, RGB", ultrasound(3)),
    ]
}

/// Values as they are written in text, by the VR that the dictionary has; a backslash separates them.
pub fn say(object: &mut Object, says: &Says) {
    for (tag, value) in says {
        let vr = StandardDataDictionary.by_tag(*tag).expect("a known attribute").vr().relaxed();
        let values: Vec<&str> = value.split('\\').filter(|value| !value.is_empty()).collect();
        let numbers = || values.iter().map(|value| value.parse::<f64>().expect("a number"));
        let value = match vr {
            _ if values.is_empty() => PrimitiveValue::Empty,
            VR::US => PrimitiveValue::U16(numbers().map(|number| number as u16).collect()),
            VR::SS => PrimitiveValue::I16(numbers().map(|number| number as i16).collect()),
            VR::UL => PrimitiveValue::U32(numbers().map(|number| number as u32).collect()),
            VR::FD => PrimitiveValue::F64(numbers().collect()),
            _ => PrimitiveValue::Strs(values.iter().map(|value| (*value).to_owned()).collect()),
        };
        object.put(DataElement::new(*tag, vr, value));
    }
}

pub fn item(says: &Says) -> Object {
    let mut item = Object::new_empty();
    say(&mut item, says);
    item
}

pub fn items(object: &mut Object, tag: Tag, items: Vec<Object>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

pub fn coded(object: &mut Object, tag: Tag, value: &'static str, meaning: &'static str) {
    items(object, tag, vec![code(value, meaning)]);
}

fn code(value: &'static str, meaning: &'static str) -> Object {
    let scheme = (tags::CODING_SCHEME_DESIGNATOR, "SCT");
    item(&[(tags::CODE_VALUE, value), scheme, (tags::CODE_MEANING, meaning)])
}

pub fn without(object: &mut Object, gone: &[Tag]) {
    for tag in gone {
        object.remove_element(*tag);
    }
}

pub const RESCALE: [Tag; 3] = [tags::RESCALE_INTERCEPT, tags::RESCALE_SLOPE, tags::RESCALE_TYPE];

fn stack(class: &'static str, edit: impl Fn(&mut Object) + 'static) -> Scan {
    let phantom = Phantom { sop_class: class, ..Phantom::axial(3, 36, 43) };
    let mut scan = phantom.edited(edit).scan();
    // They have no Hounsfield units: the stored values are the values.
    scan.volume.voxels.iter_mut().for_each(|value| *value += 1024.0);
    scan
}

fn magnetic_resonance() -> Scan {
    stack("1.2.840.10008.5.1.4.1.1.4", |object| {
        without(object, &[RESCALE.as_slice(), &[tags::KVP]].concat());
        say(object, &OF_MR);
    })
}

const OF_MR: [(Tag, &str); 10] = [
    (tags::MODALITY, "MR"),
    (tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\OTHER"),
    (tags::SCANNING_SEQUENCE, "SE"),
    (tags::SEQUENCE_VARIANT, "NONE"),
    (tags::SCAN_OPTIONS, ""),
    (tags::MR_ACQUISITION_TYPE, "2D"),
    (tags::REPETITION_TIME, "500"),
    (tags::ECHO_TIME, "12"),
    (tags::ECHO_TRAIN_LENGTH, "1"),
    (tags::MAGNETIC_FIELD_STRENGTH, "1.5"),
];

fn positron_emission() -> Scan {
    stack("1.2.840.10008.5.1.4.1.1.128", |object| {
        without(object, &[tags::RESCALE_TYPE, tags::KVP, tags::PATIENT_POSITION]);
        say(object, &OF_PT);
        let number = object.element(tags::INSTANCE_NUMBER).expect("a number").to_int::<u16>();
        let number = PrimitiveValue::from(number.expect("a number"));
        object.put(DataElement::new(tags::IMAGE_INDEX, VR::US, number));
        let mut tracer = item(&[(tags::RADIOPHARMACEUTICAL, "FDG")]);
        coded(&mut tracer, tags::RADIONUCLIDE_CODE_SEQUENCE, "77004003", "^18^Fluorine");
        items(object, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![tracer]);
        let mut lying = code("102538003", "recumbent");
        let modifier = tags::PATIENT_ORIENTATION_MODIFIER_CODE_SEQUENCE;
        coded(&mut lying, modifier, "40199007", "supine");
        items(object, tags::PATIENT_ORIENTATION_CODE_SEQUENCE, vec![lying]);
        let towards = tags::PATIENT_GANTRY_RELATIONSHIP_CODE_SEQUENCE;
        coded(object, towards, "102540001", "headfirst");
    })
}

const OF_PT: [(Tag, &str); 15] = [
    (tags::MODALITY, "PT"),
    (tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY"),
    (tags::SERIES_TYPE, "STATIC\\IMAGE"),
    (tags::UNITS, "BQML"),
    (tags::COUNTS_SOURCE, "EMISSION"),
    (tags::NUMBER_OF_SLICES, "3"),
    (tags::CORRECTED_IMAGE, "DECY\\ATTN"),
    (tags::DECAY_CORRECTION, "START"),
    (tags::COLLIMATOR_TYPE, "NONE"),
    (tags::RESCALE_INTERCEPT, "0"),
    (tags::FRAME_REFERENCE_TIME, "0"),
    (tags::ACTUAL_FRAME_DURATION, "60000"),
    (tags::DECAY_FACTOR, "1"),
    (tags::BITS_STORED, "16"),
    (tags::HIGH_BIT, "15"),
];

/// A film with the spacing of its detector.
fn film(object: &mut Object, says: &Says) {
    without(object, &[RESCALE.as_slice(), &[tags::KVP, tags::PIXEL_SPACING]].concat());
    say(object, &OF_FILM);
    say(object, says);
}

const OF_FILM: [(Tag, &str); 4] = [
    (tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY"),
    (tags::IMAGER_PIXEL_SPACING, "1.5\\2"),
    (tags::WINDOW_CENTER, "2000"),
    (tags::WINDOW_WIDTH, "4000"),
];

fn digital(object: &mut Object) {
    film(object, &OF_DX);
    items(object, tags::ACQUISITION_CONTEXT_SEQUENCE, vec![]);
    coded(object, tags::ANATOMIC_REGION_SEQUENCE, "51185008", "Chest");
    coded(object, tags::VIEW_CODE_SEQUENCE, "399348003", "postero-anterior");
}

const OF_DX: [(Tag, &str); 13] = [
    (tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION"),
    (tags::DETECTOR_TYPE, "DIRECT"),
    (tags::DETECTOR_CONFIGURATION, "AREA"),
    (tags::POSITIONER_TYPE, ""),
    (tags::PIXEL_INTENSITY_RELATIONSHIP, "LIN"),
    (tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, "1"),
    (tags::RESCALE_INTERCEPT, "0"),
    (tags::RESCALE_SLOPE, "1"),
    (tags::RESCALE_TYPE, "US"),
    (tags::PRESENTATION_LUT_SHAPE, "IDENTITY"),
    (tags::LOSSY_IMAGE_COMPRESSION, "00"),
    (tags::BURNED_IN_ANNOTATION, "NO"),
    (tags::IMAGE_LATERALITY, "U"),
];

fn mammography(object: &mut Object) {
    digital(object);
    say(object, &OF_MG);
    without(object, &[tags::VIEW_POSITION]);
    coded(object, tags::ANATOMIC_REGION_SEQUENCE, "76752008", "Breast");
    let mut view = code("399162004", "cranio-caudal");
    items(&mut view, tags::VIEW_MODIFIER_CODE_SEQUENCE, vec![]);
    items(object, tags::VIEW_CODE_SEQUENCE, vec![view]);
}

const OF_MG: [(Tag, &str); 8] = [
    (tags::BODY_PART_EXAMINED, "BREAST"),
    (tags::IMAGE_LATERALITY, "L"),
    (tags::PATIENT_SEX, "F"),
    (tags::POSITIONER_TYPE, "MAMMOGRAPHIC"),
    (tags::ORGAN_EXPOSED, "BREAST"),
    (tags::PATIENT_ORIENTATION, "A\\FR"),
    (tags::BREAST_IMPLANT_PRESENT, "NO"),
    (tags::PARTIAL_VIEW, "NO"),
];

/// Of one channel, or red, green and blue.
fn ultrasound(channels: usize) -> Radiograph {
    let mut radiograph = of_class("1.2.840.10008.5.1.4.1.1.6.1", "US", move |object| {
        film(object, &OF_US);
        without(object, &OF_RAYS);
        if channels == 3 {
            say(object, &OF_COLOURS);
        }
        let pixels = PrimitiveValue::U8(vec![30; 2000 * channels].into());
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
    });
    radiograph.film.channels = channels;
    radiograph.film.pixels = vec![0.5; radiograph.film.count()];
    (radiograph.film.pixel_spacing, radiograph.film.patient_spacing) = (None, None);
    radiograph
}

/// What only films that rays made say, and windows, which this one has none of.
const OF_RAYS: [Tag; 4] =
    [tags::IMAGER_PIXEL_SPACING, tags::WINDOW_CENTER, tags::WINDOW_WIDTH, tags::VIEW_POSITION];

const OF_US: [(Tag, &str); 6] = [
    (tags::PATIENT_ORIENTATION, ""),
    (tags::BITS_ALLOCATED, "8"),
    (tags::BITS_STORED, "8"),
    (tags::HIGH_BIT, "7"),
    (tags::LOSSY_IMAGE_COMPRESSION, "00"),
    (tags::ULTRASOUND_COLOR_DATA_PRESENT, "0"),
];

const OF_COLOURS: [(Tag, &str); 4] = [
    (tags::SAMPLES_PER_PIXEL, "3"),
    (tags::PHOTOMETRIC_INTERPRETATION, "RGB"),
    (tags::PLANAR_CONFIGURATION, "0"),
    (tags::ULTRASOUND_COLOR_DATA_PRESENT, "1"),
];
