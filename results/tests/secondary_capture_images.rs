//! Pictures as Secondary Captures of one frame each: what each of them says, where it lies, and that readers of other makers take it.

mod kit;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use gantry_results::{
    Measured, ResultObject, Source, render, secondary_capture, secondary_capture_images,
};
use gantry_terms::findings::Findings;
use kit::phantom::Phantom;
use kit::reading::{code, items, numbers, open, referenced, text};
use kit::{cases, cines, film, model, validators};
use std::collections::BTreeSet;

fn captures<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
) -> Vec<ResultObject> {
    secondary_capture_images(source, measured, findings, &kit::provenance()).expect("pictures")
}

/// Much of it dciodvfy does not notice when it is missing or wrong.
#[test]
fn each_slice_has_a_picture_that_says_of_what_it_is() {
    let scan = Phantom::axial(3, 64, 96).scan();
    let findings = model::findings(&scan.volume);
    let made = captures(&scan.source, &scan.volume, &findings);
    assert_eq!(made.len(), 3);
    assert_eq!(made.iter().map(|one| &one.series).collect::<BTreeSet<_>>().len(), 1, "one series");
    assert_eq!(made.iter().map(|one| &one.sop_instance).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(captures(&scan.source, &scan.volume, &findings), made, "again the same bytes");
    let job = kit::provenance();
    let in_one = secondary_capture(&scan.source, &scan.volume, &findings, &job).expect("pictures");
    assert!(made.iter().all(|one| one.series != in_one.series), "a series of their own");
    for (slice, object) in made.iter().enumerate() {
        let one = open(object);
        assert_eq!(object.sop_class.as_str(), "1.2.840.10008.5.1.4.1.1.7");
        let number = (slice + 1).to_string();
        for (tag, expected) in [
            (tags::IMAGE_TYPE, "DERIVED\\SECONDARY"),
            (tags::MODALITY, "CT"),
            (tags::CONVERSION_TYPE, "WSD"),
            (tags::BURNED_IN_ANNOTATION, "YES"),
            (tags::PATIENT_ORIENTATION, "L\\P"),
            (tags::LOSSY_IMAGE_COMPRESSION, "00"),
            (tags::PHOTOMETRIC_INTERPRETATION, "RGB"),
            (tags::SERIES_DESCRIPTION, "Lung densitometry overlay images (RUO)"),
            (tags::INSTANCE_NUMBER, &number),
            (tags::NUMBER_OF_FRAMES, "-"),
            (tags::FRAME_INCREMENT_POINTER, "-"),
            (tags::WINDOW_CENTER, "-"),
        ] {
            assert_eq!(text(&one, tag), expected, "{tag}");
        }
        let uid = text(&one, tags::SOP_INSTANCE_UID);
        assert_eq!(uid.trim_end_matches('\0'), object.sop_instance.as_str());
        let description = text(&one, tags::DERIVATION_DESCRIPTION);
        assert!(description.contains("all 3 slices, windowed at -500/1400"), "{description}");
        let below = &items(&one, tags::SOURCE_IMAGE_SEQUENCE);
        assert_eq!(below.len(), 1);
        assert_eq!(code(&below[0], tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE), "121322");
        let source = [scan.volume.slices[slice].sop_instance.to_string()];
        assert_eq!(referenced(&below[0]), source);
        assert_eq!(referenced(&items(&one, tags::REFERENCED_SERIES_SEQUENCE)[0]), source);
        let picture = render(&scan.source, &scan.volume, &findings, slice).expect("a picture");
        let pixels = one.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
        assert_eq!(pixels[..], picture.rgb[..], "slice {slice}");
    }
}

const PLANE: [Tag; 6] = [
    tags::FRAME_OF_REFERENCE_UID,
    tags::POSITION_REFERENCE_INDICATOR,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::PIXEL_SPACING,
    tags::SLICE_THICKNESS,
];

/// The middle of the picture is the middle of the slice, however far it was scaled up.
#[test]
fn pictures_lie_where_their_slices_lie_with_all_of_the_plane_or_none_of_it() {
    for (case, phantom) in cases::planes() {
        let scan = phantom.scan();
        let geometry = &scan.volume.geometry;
        let made = captures(&scan.source, &scan.volume, &model::findings(&scan.volume));
        assert_eq!(made.len(), geometry.slices, "{case}");
        for (slice, object) in made.iter().enumerate() {
            let one = open(object);
            assert!(PLANE.iter().all(|tag| one.get(*tag).is_some()), "{case}");
            let first = numbers(&one, tags::IMAGE_POSITION_PATIENT);
            let cosines = numbers(&one, tags::IMAGE_ORIENTATION_PATIENT);
            let spacing = numbers(&one, tags::PIXEL_SPACING);
            let size = |tag| one.element(tag).expect("a size").to_int::<usize>().expect("a size");
            let (rows, columns) = (size(tags::ROWS), size(tags::COLUMNS));
            for axis in 0..3 {
                let shown = first[axis]
                    + cosines[axis] * spacing[1] * (columns - 1) as f64 / 2.0
                    + cosines[axis + 3] * spacing[0] * (rows - 1) as f64 / 2.0;
                let (down, along) = (geometry.pixel_spacing[0], geometry.pixel_spacing[1]);
                let real = scan.volume.slices[slice].position[axis]
                    + geometry.row_direction[axis] * along * (geometry.columns - 1) as f64 / 2.0
                    + geometry.column_direction[axis] * down * (geometry.rows - 1) as f64 / 2.0;
                assert!((shown - real).abs() < 1e-6, "{case} {slice} {axis}: {shown} {real}");
            }
        }
    }
    let scan = Phantom { frame_of_reference: None, ..Phantom::axial(2, 32, 40) }.scan();
    let one = open(&captures(&scan.source, &scan.volume, &model::findings(&scan.volume))[0]);
    assert!(PLANE.iter().all(|tag| one.get(*tag).is_none()));
    assert_eq!(text(&one, tags::PIXEL_ASPECT_RATIO), "1500\\2000");
    assert_eq!(text(&one, tags::PATIENT_ORIENTATION), "L\\P");
}

#[test]
fn a_long_series_has_a_picture_of_each_slice_and_a_very_long_one_of_as_many_as_there_is_room_for() {
    let scan = Phantom::axial(150, 40, 30).scan();
    let made = captures(&scan.source, &scan.volume, &model::findings(&scan.volume));
    assert_eq!(made.len(), 150);
    // Pictures of 510 x 2040 pixels with 3 bytes: 172 of them are 512 MiB.
    let tall = Phantom::axial(173, 120, 30).scan();
    let findings = Findings { masks: Vec::new(), ..model::findings(&tall.volume) };
    let made = captures(&tall.source, &tall.volume, &findings);
    assert_eq!(made.len(), 87);
    let numbers: Vec<String> =
        made.iter().map(|one| text(&open(one), tags::INSTANCE_NUMBER)).take(3).collect();
    assert_eq!(numbers, ["1", "3", "5"]);
    let description = text(&open(&made[0]), tags::DERIVATION_DESCRIPTION);
    assert!(description.contains("87 of 173 slices, evenly spaced (one in 2)"), "{description}");
}

#[test]
fn of_a_film_there_is_one_and_of_a_cine_one_for_each_frame_that_shows_something() {
    let radiograph = film::radiograph();
    let of = model::findings(&Phantom::axial(1, 8, 8).scan().volume);
    let findings = film::findings(of, Ok(90.0), None);
    let made = captures(&radiograph.source, &radiograph.film, &findings);
    assert_eq!(made.len(), 1);
    assert_eq!(text(&open(&made[0]), tags::PATIENT_ORIENTATION), "L\\F");
    assert!(PLANE.iter().take(4).all(|tag| open(&made[0]).get(*tag).is_none()));

    let silent = film::of_class(film::CR, "CR", |object| {
        kit::phantom::text(object, tags::PATIENT_ORIENTATION, VR::CS, "");
    });
    let made = captures(&silent.source, &silent.film, &findings);
    assert_eq!(text(&open(&made[0]), tags::PATIENT_ORIENTATION), "", "there and empty");

    for (kind, cine) in cines::all() {
        let findings = cines::findings(&cine.film);
        let in_one =
            secondary_capture(&cine.source, &cine.film, &findings, &kit::provenance()).expect(kind);
        let in_one = open(&in_one);
        let frames = text(&in_one, tags::PAGE_NUMBER_VECTOR);
        let pixels = in_one.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
        let (mut numbers, mut shown) = (Vec::new(), Vec::new());
        for object in captures(&cine.source, &cine.film, &findings) {
            let one = open(&object);
            numbers.push(text(&one, tags::INSTANCE_NUMBER));
            let below = &items(&one, tags::SOURCE_IMAGE_SEQUENCE)[0];
            assert_eq!(text(below, tags::REFERENCED_FRAME_NUMBER), numbers[numbers.len() - 1]);
            let told = open(&object).get(tags::PATIENT_ORIENTATION).is_some();
            assert!(told, "{kind}: there, empty where the source does not say it");
            let pixels = one.element(tags::PIXEL_DATA).expect("pixels").to_bytes();
            shown.extend(pixels.expect("bytes").into_owned());
        }
        assert_eq!(numbers.join("\\"), frames, "{kind}");
        assert!(shown[..] == pixels[..], "{kind}: the same pictures");
    }
}

/// pydicom's pixels of each against the frame of the one object: how many, and whether they are equal.
const READ: &str = "
import pathlib, sys, numpy, pydicom
folder = pathlib.Path(sys.argv[1])
frames = pydicom.dcmread(folder / 'in-one').pixel_array
images = [pydicom.dcmread(path) for path in sorted(folder.glob('image-*'))]
assert all(image.pixel_array.shape[-1] == 3 for image in images)
print(len(images), all(numpy.array_equal(image.pixel_array, frame) for image, frame in zip(images, frames, strict=True)))
";

#[test]
fn pictures_of_every_kind_of_source_are_valid_and_pydicom_reads_them() {
    for (case, phantom) in cases::all() {
        let scan = phantom.scan();
        let findings = model::findings(&scan.volume);
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let made = captures(&scan.source, &scan.volume, &findings);
        for (at, object) in made.iter().enumerate().take(2) {
            let path = kit::file(folder.path(), &format!("judged-{at}"), object);
            assert_eq!(validators::complaints(&path, source), Vec::<String>::new(), "{case}");
        }
    }
    let scan = Phantom::axial(4, 40, 50).scan();
    let findings = model::findings(&scan.volume);
    let folder = tempfile::tempdir().expect("a folder");
    for (at, object) in captures(&scan.source, &scan.volume, &findings).iter().enumerate() {
        kit::file(folder.path(), &format!("image-{at}"), object);
    }
    let in_one = secondary_capture(&scan.source, &scan.volume, &findings, &kit::provenance());
    kit::file(folder.path(), "in-one", &in_one.expect("pictures"));
    let Some(lines) = validators::python_says(READ, folder.path()) else { return };
    assert_eq!(lines, ["4 True"]);
}
