//! Images of many frames that lie nowhere in the patient: ultrasound in grey and in colours, an angiogram, dynamic nuclear medicine.

use crate::kit::film::{self, Radiograph};
use crate::kit::model;
use crate::kit::phantom::{self, Phantom, text};
use crate::kit::reading::Object;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use gantry_terms::code::Code;
use gantry_terms::film::Film;
use gantry_terms::findings::{Findings, MeasurementGroup, Presence};
use gantry_terms::region::{Place, Rectangle, Region};
use gantry_terms::uid::Uid;

const US: &str = "1.2.840.10008.5.1.4.1.1.3.1";
const XA: &str = "1.2.840.10008.5.1.4.1.1.12.1";
const NM: &str = "1.2.840.10008.5.1.4.1.1.20";

pub const FRAMES: usize = 6;
const ROWS: usize = 40;
const COLUMNS: usize = 50;

pub fn all() -> Vec<(&'static str, Radiograph)> {
    vec![
        ("US multi-frame", ultrasound()),
        ("US multi-frame, RGB", coloured()),
        ("XA", angiogram()),
        ("NM", scintigram()),
    ]
}

pub fn ultrasound() -> Radiograph {
    of_class(US, "US", 1, |object| {
        text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        in_time(object);
        calibrated(object);
    })
}

/// Only its colours are what the other one has not.
pub fn coloured() -> Radiograph {
    of_class(US, "US", 3, |object| {
        text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        numbers(object, tags::PLANAR_CONFIGURATION, 0);
        in_time(object);
        calibrated(object);
    })
}

/// X-Ray Image, X-Ray Acquisition and XA Positioner modules (PS3.3 C.8.7.1, C.8.7.2, C.8.7.5).
fn angiogram() -> Radiograph {
    of_class(XA, "XA", 1, |object| {
        in_time(object);
        for (tag, vr, value) in [
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\SINGLE PLANE"),
            (tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LIN"),
            (tags::KVP, VR::DS, "80"),
            (tags::RADIATION_SETTING, VR::CS, "GR"),
            (tags::X_RAY_TUBE_CURRENT, VR::IS, "400"),
            (tags::EXPOSURE_TIME, VR::IS, "8"),
            (tags::EXPOSURE, VR::IS, "3"),
            (tags::IMAGER_PIXEL_SPACING, VR::DS, "0.4\\0.4"),
            (tags::POSITIONER_MOTION, VR::CS, "STATIC"),
            (tags::POSITIONER_PRIMARY_ANGLE, VR::DS, "30"),
            (tags::POSITIONER_SECONDARY_ANGLE, VR::DS, "-10"),
            (tags::PATIENT_ORIENTATION, VR::CS, ""),
        ] {
            text(object, tag, vr, value);
        }
    })
}

/// NM/PET Patient Orientation, NM Image Pixel, NM Multi-frame, NM Image, NM Isotope, NM Detector and NM Phase modules (PS3.3
/// C.8.4): one detector and one window of energy, a frame for each slice of time.
fn scintigram() -> Radiograph {
    of_class(NM, "NM", 1, |object| {
        for (tag, vr, value) in [
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\DYNAMIC\\EMISSION"),
            (tags::PIXEL_SPACING, VR::DS, "4\\4"),
            (tags::COUNTS_ACCUMULATED, VR::IS, "100000"),
            (tags::PATIENT_ORIENTATION, VR::CS, ""),
        ] {
            text(object, tag, vr, value);
        }
        let vectors = [
            tags::ENERGY_WINDOW_VECTOR,
            tags::DETECTOR_VECTOR,
            tags::PHASE_VECTOR,
            tags::TIME_SLICE_VECTOR,
        ];
        pointers(object, &vectors);
        for (tag, counts_up) in vectors.into_iter().zip([false, false, false, true]) {
            let vector = (1..=FRAMES).map(|at| if counts_up { at as u16 } else { 1 });
            object.put(DataElement::new(tag, VR::US, PrimitiveValue::U16(vector.collect())));
        }
        numbers(object, tags::NUMBER_OF_ENERGY_WINDOWS, 1);
        numbers(object, tags::NUMBER_OF_DETECTORS, 1);
        numbers(object, tags::NUMBER_OF_PHASES, 1);
        for tag in [
            tags::PATIENT_ORIENTATION_CODE_SEQUENCE,
            tags::PATIENT_GANTRY_RELATIONSHIP_CODE_SEQUENCE,
            tags::ENERGY_WINDOW_INFORMATION_SEQUENCE,
            tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE,
        ] {
            items(object, tag, vec![]);
        }
        let mut detector = Object::new_empty();
        for (tag, vr) in [
            (tags::COLLIMATOR_TYPE, VR::CS),
            (tags::FOCAL_DISTANCE, VR::IS),
            (tags::IMAGE_POSITION_PATIENT, VR::DS),
            (tags::IMAGE_ORIENTATION_PATIENT, VR::DS),
        ] {
            text(&mut detector, tag, vr, "");
        }
        items(object, tags::DETECTOR_INFORMATION_SEQUENCE, vec![detector]);
        let mut phase = Object::new_empty();
        for (tag, value) in [
            (tags::PHASE_DELAY, "0"),
            (tags::ACTUAL_FRAME_DURATION, "1000"),
            (tags::PAUSE_BETWEEN_FRAMES, "0"),
        ] {
            text(&mut phase, tag, VR::IS, value);
        }
        numbers(&mut phase, tags::NUMBER_OF_FRAMES_IN_PHASE, FRAMES as u16);
        items(object, tags::PHASE_INFORMATION_SEQUENCE, vec![phase]);
    })
}

fn of_class(
    class: &'static str,
    modality: &'static str,
    channels: usize,
    edit: impl Fn(&mut Object) + 'static,
) -> Radiograph {
    let pixels: Vec<u8> =
        (0..FRAMES * ROWS * COLUMNS * channels).map(|at| (at * 7 % 251) as u8).collect();
    let stored = pixels.clone();
    let mut cine = film::of_class(class, modality, move |object| {
        for tag in [
            tags::VIEW_POSITION,
            tags::KVP,
            tags::PIXEL_SPACING,
            tags::RESCALE_INTERCEPT,
            tags::RESCALE_SLOPE,
            tags::RESCALE_TYPE,
            tags::WINDOW_CENTER,
            tags::WINDOW_WIDTH,
            tags::ACQUISITION_NUMBER,
        ] {
            object.remove_element(tag);
        }
        text(object, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY");
        text(object, tags::NUMBER_OF_FRAMES, VR::IS, &FRAMES.to_string());
        text(object, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
        numbers(object, tags::SAMPLES_PER_PIXEL, channels as u16);
        numbers(object, tags::BITS_ALLOCATED, 8);
        numbers(object, tags::BITS_STORED, 8);
        numbers(object, tags::HIGH_BIT, 7);
        let stored = PrimitiveValue::U8(stored.clone().into());
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, stored));
        edit(object);
    });
    cine.film = Film {
        frames: FRAMES,
        channels,
        pixels: by_channel(&pixels, channels),
        pixel_spacing: None,
        patient_spacing: None,
        ..cine.film
    };
    cine.file = with_its_class(&cine.file, &cine.film);
    cine
}

/// The File Meta Information of a phantom is that of a CT image.
fn with_its_class(file: &[u8], film: &Film) -> Vec<u8> {
    let syntax = Uid::parse("1.2.840.10008.1.2.1").expect("a UID");
    let object = dicom_object::from_reader(std::io::Cursor::new(file)).expect("a readable file");
    let mut bytes = phantom::meta(&film.sop_class, &film.sop_instance, &syntax);
    let explicit = dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
    object.write_dataset_with_ts(&mut bytes, &explicit).expect("written to memory");
    bytes
}

/// As a display shows them.
fn by_channel(pixels: &[u8], channels: usize) -> Vec<f32> {
    let of_frame = |frame: &[u8]| -> Vec<f32> {
        let of_channel = |channel| frame.iter().skip(channel).step_by(channels);
        let shown = |byte: &u8| f32::from(*byte) / 255.0;
        (0..channels).flat_map(|channel| of_channel(channel).map(shown)).collect()
    };
    pixels.chunks(ROWS * COLUMNS * channels).flat_map(of_frame).collect()
}

/// Cine and Multi-frame modules (PS3.3 C.7.6.5, C.7.6.6).
fn in_time(object: &mut Object) {
    text(object, tags::FRAME_TIME, VR::DS, "33.3");
    pointers(object, &[tags::FRAME_TIME]);
}

fn pointers(object: &mut Object, to: &[Tag]) {
    let to = PrimitiveValue::Tags(to.into());
    object.put(DataElement::new(tags::FRAME_INCREMENT_POINTER, VR::AT, to));
}

/// US Region Calibration module (PS3.3 C.8.5.5): a pixel is 0.2 mm high and 0.25 mm wide.
fn calibrated(object: &mut Object) {
    let mut region = Object::new_empty();
    for (tag, vr, value) in [
        (tags::REGION_SPATIAL_FORMAT, VR::US, 1),
        (tags::REGION_DATA_TYPE, VR::US, 1),
        (tags::REGION_FLAGS, VR::UL, 0),
        (tags::REGION_LOCATION_MIN_X0, VR::UL, 0),
        (tags::REGION_LOCATION_MIN_Y0, VR::UL, 0),
        (tags::REGION_LOCATION_MAX_X1, VR::UL, COLUMNS as u32 - 1),
        (tags::REGION_LOCATION_MAX_Y1, VR::UL, ROWS as u32 - 1),
        (tags::PHYSICAL_UNITS_X_DIRECTION, VR::US, 3),
        (tags::PHYSICAL_UNITS_Y_DIRECTION, VR::US, 3),
    ] {
        let value = match vr {
            VR::US => PrimitiveValue::from(value as u16),
            _ => PrimitiveValue::from(value),
        };
        region.put(DataElement::new(tag, vr, value));
    }
    for (tag, centimetres) in [(tags::PHYSICAL_DELTA_X, 0.025), (tags::PHYSICAL_DELTA_Y, 0.02)] {
        region.put(DataElement::new(tag, VR::FD, PrimitiveValue::from(centimetres)));
    }
    items(object, tags::SEQUENCE_OF_ULTRASOUND_REGIONS, vec![region]);
}

fn numbers(object: &mut Object, tag: Tag, value: u16) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

fn items(object: &mut Object, tag: Tag, items: Vec<Object>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// Two masks apart, on some of the frames, of each of these others, one of them abnormal; an area of the first one on each
/// frame, and what was found at a place of the fifth one.
pub fn findings(film: &Film) -> Findings {
    let of = model::findings(&Phantom::axial(1, 8, 8).scan().volume);
    let mut findings = film::findings(of, Ok(90.0), Some(Presence::Present));
    let size = film.rows * film.columns;
    let on = |frames: [usize; 3], step: usize, rest: usize| -> Vec<u8> {
        let inside = |at: usize| frames.contains(&(at / size)) && at % step == rest && at % 7 != 1;
        (0..film.places()).map(|at| u8::from(inside(at))).collect()
    };
    findings.masks = model::masks(on([1, 2, 4], 6, 0), on([2, 3, 4], 9, 1));
    findings.masks[1].category = Code::new("49755003", "SCT", "Morphologically abnormal structure");
    for mask in &mut findings.masks {
        let inside = mask.voxels.iter().enumerate();
        mask.probabilities = inside.map(|(at, voxel)| voxel * (130 + at % 120) as u8).collect();
    }
    let template = findings.groups[0].clone();
    let area = |frame: u32| {
        let voxels = &findings.masks[0].voxels[(frame as usize - 1) * size..frame as usize * size];
        let count: u32 = voxels.iter().map(|voxel| u32::from(*voxel)).sum();
        let concept = Code::new("42798000", "SCT", "Area");
        let unit = Code::new("{pixels}", "UCUM", "pixels");
        MeasurementGroup {
            label: format!("Lung (frame {frame})"),
            measurements: vec![model::number("area", concept, unit, Ok(f64::from(count)))],
            presence: None,
            answers: Vec::new(),
            frame: Some(frame),
            segment: Some(findings.masks[0].key.clone()),
            ..template.clone()
        }
    };
    findings.groups = (1..=film.frames as u32).map(area).collect();
    let place = Place::Film(Rectangle { top: 4.5, left: 2.0, bottom: 20.25, right: 30.0 });
    findings.groups.push(MeasurementGroup {
        frame: Some(5),
        presence: None,
        answers: Vec::new(),
        region: Some(Region { colour: [255, 128, 0], place }),
        ..template
    });
    findings
}
