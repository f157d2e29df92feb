//! A computed radiograph of a chest, as its header and as a film.

use crate::kit::phantom::{Phantom, text};
use crate::kit::reading::Object;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_results::{Reference, Source};
use gantry_terms::code::Code;
use gantry_terms::film::Film;
use gantry_terms::findings::{Findings, Measurement, MeasurementGroup, NoValue, Presence};
use gantry_terms::uid::Uid;

pub const CR: &str = "1.2.840.10008.5.1.4.1.1.1";
const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";

pub struct Radiograph {
    pub file: Vec<u8>,
    pub film: Film,
    pub source: Source,
}

pub fn radiograph() -> Radiograph {
    of_class(CR, "CR", |_| {})
}

/// A digital one that is dark where its numbers are high.
pub fn digital() -> Radiograph {
    of_class(DX, "DX", |object| {
        for (tag, vr, value) in [
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1"),
            (tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE"),
            (tags::RESCALE_INTERCEPT, VR::DS, "0"),
            (tags::RESCALE_SLOPE, VR::DS, "1"),
            (tags::RESCALE_TYPE, VR::LO, "US"),
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY"),
            (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
        ] {
            text(object, tag, vr, value);
        }
        let sign = PrimitiveValue::from(1i16);
        object.put(DataElement::new(tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, VR::SS, sign));
    })
}

pub fn of_class(
    class: &'static str,
    modality: &'static str,
    edit: impl Fn(&mut Object) + 'static,
) -> Radiograph {
    let phantom =
        Phantom { sop_class: class, frame_of_reference: None, ..Phantom::axial(1, 40, 50) };
    let phantom = phantom.edited(move |object| {
        text(object, tags::MODALITY, VR::CS, modality);
        text(object, tags::VIEW_POSITION, VR::CS, "PA");
        text(object, tags::PATIENT_ORIENTATION, VR::CS, "L\\F");
        for tag in [
            tags::IMAGE_POSITION_PATIENT,
            tags::IMAGE_ORIENTATION_PATIENT,
            tags::SLICE_THICKNESS,
            tags::PATIENT_POSITION,
        ] {
            object.remove_element(tag);
        }
        edit(object);
    });
    let (files, volume) = phantom.files();
    let sop_class = Uid::parse(class).expect("a UID");
    let sop_instance = volume.slices[0].sop_instance.clone();
    let reference = Reference { sop_class: sop_class.clone(), sop_instance: sop_instance.clone() };
    let source = Source::read(&files[0], vec![reference]).expect("a readable source");
    let film = Film {
        frames: 1,
        channels: 1,
        rows: 40,
        columns: 50,
        pixels: vec![0.5; 2000],
        sop_class,
        sop_instance,
        pixel_spacing: Some([1.5, 2.0]),
        patient_spacing: Some([1.5, 2.0]),
    };
    Radiograph { file: files[0].clone(), film, source }
}

/// Of the usual model, what a classifier says of a film.
pub fn findings(
    of: Findings,
    certainty: Result<f64, NoValue>,
    presence: Option<Presence>,
) -> Findings {
    let group = MeasurementGroup {
        label: "Pneumonia".into(),
        finding: Some(Code::new("233604007", "SCT", "Pneumonia")),
        site: Some(Code::new("39607008", "SCT", "Lung")),
        method: None,
        measurements: vec![Measurement {
            key: "certainty".into(),
            concept: Code::new("111012", "DCM", "Certainty of Finding"),
            derivation: None,
            unit: Code::new("%", "UCUM", "percent"),
            value: certainty,
        }],
        presence,
        answers: Vec::new(),
        frame: None,
        region: None,
        segment: None,
    };
    Findings { groups: vec![group], masks: Vec::new(), ..of }
}
