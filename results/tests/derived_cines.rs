//! Images of many frames that a model made of the frames of a grey cine: one image as the original, and what its bits do not hold is refused.

mod kit;

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_results::{ComposeError, ResultObject, derived_images};
use gantry_terms::code::Code;
use gantry_terms::findings::{Derived, Findings};
use kit::cines;
use kit::film::Radiograph;
use kit::phantom::{part10, text as set};
use kit::reading::{code, items, open, text};
use kit::validators;

fn made(
    cine: &Radiograph,
    values: Vec<f32>,
    rescale: Option<[f64; 2]>,
) -> Result<Vec<ResultObject>, ComposeError> {
    let derived = Derived {
        key: "quiet".into(),
        label: "quiet".into(),
        derivation: Code::new("113087", "DCM", "Smoothing"),
        rescale,
        quantity: None,
        values,
    };
    let findings = Findings { derived: vec![derived], ..cines::findings(&cine.film) };
    let (source, film) = (&cine.source, &cine.film);
    derived_images(source, &[&cine.file], film, &findings, &kit::provenance())
}

fn of(kind: &str) -> Radiograph {
    let mut all = cines::all().into_iter();
    all.find(|(name, _)| *name == kind).expect("a cine").1
}

fn complaints(cine: &Radiograph, object: &ResultObject) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let original = folder.path().join("source.dcm");
    std::fs::write(&original, &cine.file).expect("a file");
    validators::complaints(&kit::file(folder.path(), "derived.dcm", object), &original)
}

/// What a display shows, darker by a half.
fn halved(cine: &Radiograph) -> Vec<f32> {
    cine.film.pixels.iter().map(|shown| shown * 0.5).collect()
}

#[test]
fn a_cine_becomes_one_image_with_its_frames_and_its_times() {
    for (kind, image_type, time) in [
        ("US multi-frame", "DERIVED\\SECONDARY", "33.3"),
        ("XA", "DERIVED\\SECONDARY\\SINGLE PLANE", "33.3"),
        ("NM", "DERIVED\\PRIMARY\\DYNAMIC\\EMISSION", "-"),
    ] {
        let cine = of(kind);
        let stored: Vec<f32> = cine.film.pixels.iter().map(|shown| 250.0 - shown * 200.0).collect();
        let objects = made(&cine, stored.clone(), None).expect("an image");
        let [object] = objects.as_slice() else { panic!("{kind}: one image") };
        assert_eq!(object.sop_class, cine.film.sop_class);
        let image = open(object);
        for (tag, expected) in [
            (tags::IMAGE_TYPE, image_type),
            (tags::FRAME_TIME, time),
            (tags::NUMBER_OF_FRAMES, "6"),
            (tags::BITS_STORED, "8"),
            (tags::WINDOW_CENTER, "-"),
            (tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2"),
        ] {
            assert_eq!(text(&image, tag), expected, "{kind}: {tag}");
        }
        let [source] = items(&image, tags::SOURCE_IMAGE_SEQUENCE) else { panic!("one source") };
        let uid = text(source, tags::REFERENCED_SOP_INSTANCE_UID);
        assert_eq!(uid.trim_end_matches('\0'), cine.film.sop_instance.as_str());
        assert_eq!(text(source, tags::REFERENCED_FRAME_NUMBER), "-", "all of them");
        assert_eq!(code(&image, tags::DERIVATION_CODE_SEQUENCE), "113087");
        let pixels = image.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
        let near = |(byte, value): (&u8, &f32)| (f32::from(*byte) - value).abs() <= 0.51;
        assert!(pixels.iter().zip(&stored).all(near), "{kind}");
        assert_eq!(pixels.len(), stored.len());
        assert_eq!(complaints(&cine, object), Vec::<String>::new(), "{kind}");
        assert_eq!(made(&cine, stored, None).expect("again"), objects, "the same bytes");
    }
}

#[test]
fn ultrasound_keeps_its_8_bits_or_is_refused() {
    let cine = cines::ultrasound();
    let eight = [1.0 / 255.0, 0.0];
    let objects = made(&cine, halved(&cine), Some(eight)).expect("an image");
    let image = open(&objects[0]);
    for (tag, expected) in [(tags::BITS_ALLOCATED, "8"), (tags::HIGH_BIT, "7")] {
        assert_eq!(text(&image, tag), expected, "{tag}");
    }
    assert_eq!(text(&image, tags::WINDOW_CENTER), "-", "shown as they are");
    let pixels = image.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
    let near = |(byte, shown): (&u8, &f32)| (f32::from(*byte) - shown * 127.5).abs() <= 0.51;
    assert!(pixels.iter().zip(&cine.film.pixels).all(near));
    assert_eq!(complaints(&cine, &objects[0]), Vec::<String>::new());

    let far: Vec<f32> = cine.film.pixels.iter().map(|shown| shown * 300.0).collect();
    for (values, rescale) in
        [(far, None), (halved(&cine), Some([1e-3, 0.0])), (halved(&cine), Some([1e-2, 0.3]))]
    {
        assert!(matches!(made(&cine, values, rescale), Err(ComposeError::NoRoom)));
    }
    let rgb = cines::coloured();
    let coloured = made(&rgb, rgb.film.pixels.clone(), None);
    assert!(matches!(coloured, Err(ComposeError::NotOneFrame)), "no grey of colours");
}

/// PS3.3 C.8.7.1.1.2.
#[test]
fn an_angiogram_says_how_its_pixels_are_related_to_the_beam_now() {
    let relation = |cine: &Radiograph, values: Vec<f32>, rescale| {
        let objects = made(cine, values, rescale).expect("an image");
        assert_eq!(complaints(cine, &objects[0]), Vec::<String>::new());
        let image = open(&objects[0]);
        [tags::PIXEL_INTENSITY_RELATIONSHIP, tags::BITS_STORED].map(|tag| text(&image, tag))
    };
    let cine = of("XA");
    let stored: Vec<f32> = cine.film.pixels.iter().map(|shown| shown * 255.0).collect();
    assert_eq!(relation(&cine, stored.clone(), None), ["LIN", "8"]);
    assert_eq!(relation(&cine, halved(&cine), Some([1.0 / 4095.0, 0.0])), ["DISP", "16"]);
    let below = made(&cine, stored.clone(), Some([1.0, 10.0]));
    assert!(matches!(below, Err(ComposeError::NoRoom)), "no sign");

    let mut logarithmic = of("XA");
    let reader = std::io::Cursor::new(&logarithmic.file);
    let mut object = dicom_object::from_reader(reader).expect("a source").into_inner();
    set(&mut object, tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG");
    let mut table = kit::reading::Object::new_empty();
    let words = |of: &[u16]| PrimitiveValue::U16(of.to_vec().into());
    table.put(DataElement::new(tags::LUT_DESCRIPTOR, VR::US, words(&[256, 0, 16])));
    table.put(DataElement::new(tags::LUT_DATA, VR::OW, words(&(0..256).collect::<Vec<u16>>())));
    set(&mut table, tags::MODALITY_LUT_TYPE, VR::LO, "US");
    let tables = DataSetSequence::from(vec![table]);
    object.put(DataElement::new(tags::MODALITY_LUT_SEQUENCE, VR::SQ, tables));
    let slice = gantry_terms::volume::SliceSource {
        sop_class: logarithmic.film.sop_class.clone(),
        sop_instance: logarithmic.film.sop_instance.clone(),
        frame: None,
        position: [0.0; 3],
    };
    logarithmic.file = part10(&slice, object);
    assert_eq!(relation(&logarithmic, stored, None), ["LIN", "8"]);
}
