//! A label map says of each voxel the one segment that it is in, and readers of other makers find the same voxels on the same images.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::segmentation::{Form, are_apart, segmentation};
use gantry_results::{ComposeError, ResultObject};
use gantry_terms::findings::Findings;
use kit::phantom::{Phantom, Scan};
use kit::reading::{Object, code, items, numbers, open, referenced, text};
use kit::voxels::{BY_SOURCE, by_source, taken_apart};
use kit::{cases, model, validators};

fn label_map(scan: &Scan, findings: &Findings) -> Result<ResultObject, ComposeError> {
    let job = kit::provenance();
    segmentation(&scan.source, &scan.volume, findings, Form::LabelMap, &job)
}

fn findings(scan: &Scan) -> Findings {
    taken_apart(model::findings(&scan.volume))
}

fn number(object: &Object, tag: dicom_core::Tag) -> u32 {
    object.element(tag).expect("an attribute").to_int().expect("a number")
}

/// What dciodvfy does not notice when it is missing or wrong.
#[test]
fn a_label_map_describes_its_segments_and_what_is_in_none_of_them() {
    let scan = Phantom::axial(3, 64, 96).scan();
    let findings = findings(&scan);
    let result = label_map(&scan, &findings).expect("a label map");
    assert_eq!(label_map(&scan, &findings).expect("again"), result, "the same bytes");
    let object = open(&result);
    for (tag, expected) in [
        (tags::IMAGE_TYPE, "DERIVED\\PRIMARY"),
        (tags::MODALITY, "SEG"),
        (tags::SEGMENTATION_TYPE, "LABELMAP"),
        (tags::SEGMENTS_OVERLAP, "NO"),
        (tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2"),
        (tags::SERIES_DESCRIPTION, "Lung densitometry label map (RUO)"),
        (tags::DIMENSION_ORGANIZATION_TYPE, "3D"),
    ] {
        assert_eq!(text(&object, tag), expected, "{tag}");
    }
    assert_eq!(number(&object, tags::PIXEL_PADDING_VALUE), 0);
    assert_eq!(number(&object, tags::BITS_ALLOCATED), 8);
    let described = items(&object, tags::SEGMENT_SEQUENCE);
    let told: Vec<(u32, String)> = described
        .iter()
        .map(|s| (number(s, tags::SEGMENT_NUMBER), text(s, tags::SEGMENT_LABEL)))
        .collect();
    let expected = [(0, "Background"), (1, "Lung"), (2, "Low attenuation (< -950 HU)")];
    assert_eq!(told, expected.map(|(number, label)| (number, label.to_owned())));
    for tag in [
        tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
        tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE,
    ] {
        assert_eq!(code(&described[0], tag), "125040");
    }
    let bits =
        segmentation(&scan.source, &scan.volume, &findings, Form::Binary, &kit::provenance());
    let bits = open(&bits.expect("segments"));
    let tracked = |segment: &Object| text(segment, tags::TRACKING_UID);
    let as_bits: Vec<String> = items(&bits, tags::SEGMENT_SEQUENCE).iter().map(tracked).collect();
    assert_eq!(described[1..].iter().map(tracked).collect::<Vec<_>>(), as_bits);
}

#[test]
fn each_slice_with_a_segment_is_one_frame_at_its_place() {
    let scan = Phantom::axial(5, 16, 16).scan();
    let mut findings = findings(&scan);
    let mask = |slices: &[usize], voxel: usize| -> Vec<u8> {
        let inside = |at: usize| slices.contains(&(at / 256)) && at % 256 == voxel;
        (0..5 * 256).map(|at| u8::from(inside(at))).collect()
    };
    (findings.masks[0].voxels, findings.masks[1].voxels) = (mask(&[1, 4], 7), mask(&[4], 8));
    let object = open(&label_map(&scan, &findings).expect("a label map"));
    let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let told = frames.iter().map(|frame| {
        assert!(items(frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE).is_empty());
        let content = &items(frame, tags::FRAME_CONTENT_SEQUENCE)[0];
        let index = content.element(tags::DIMENSION_INDEX_VALUES).expect("an index");
        let position = &items(frame, tags::PLANE_POSITION_SEQUENCE)[0];
        (
            index.to_multi_int::<u32>().expect("numbers"),
            numbers(position, tags::IMAGE_POSITION_PATIENT),
            referenced(frame),
        )
    });
    let slice = |at: usize| &scan.volume.slices[at];
    let expected = [(1, 1), (2, 4)].map(|(index, at)| {
        (vec![index], slice(at).position.to_vec(), vec![slice(at).sop_instance.to_string()])
    });
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let pixels = object.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
    assert_eq!((pixels[7], pixels[8], pixels[256 + 7], pixels[256 + 8]), (1, 0, 1, 2));
    assert_eq!(pixels.iter().filter(|label| **label != 0).count(), 3);
}

#[test]
fn segments_that_overlap_are_no_label_map() {
    let scan = Phantom::axial(3, 32, 32).scan();
    let findings = model::findings(&scan.volume);
    assert!(!are_apart(&findings.masks) && are_apart(&self::findings(&scan).masks));
    assert!(matches!(label_map(&scan, &findings), Err(ComposeError::Overlap)));
}

#[test]
fn where_nothing_was_found_one_empty_frame_of_background_says_so() {
    let scan = Phantom::axial(5, 15, 17).scan();
    let mut findings = findings(&scan);
    findings.masks.iter_mut().for_each(|mask| mask.voxels.fill(0));
    let result = label_map(&scan, &findings).expect("a label map");
    let object = open(&result);
    assert_eq!(text(&object, tags::NUMBER_OF_FRAMES), "1");
    let pixels = object.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
    assert_eq!(pixels.as_ref(), [0; 256]);
    judged("empty", &scan, &result, 2);
}

fn judged(case: &str, scan: &Scan, result: &ResultObject, segments: usize) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let source = &kit::source_files(folder.path(), scan)[0];
    let file = kit::file(folder.path(), "labels.dcm", result);
    assert_eq!(validators::complaints(&file, source), Vec::<String>::new(), "{case}");
    let mut told = validators::python_says(BY_SOURCE, &file).unwrap_or_default();
    assert!(told.is_empty() || told.len() == segments * scan.volume.slices.len(), "{told:?}");
    told.sort();
    told
}

#[test]
fn highdicom_finds_the_same_voxels_on_the_same_images() {
    for (case, phantom) in cases::planes() {
        let scan = phantom.scan();
        let findings = findings(&scan);
        let told = judged(case, &scan, &label_map(&scan, &findings).expect("a label map"), 2);
        if !told.is_empty() {
            let segments = findings.masks.iter().map(|mask| &mask.voxels);
            assert_eq!(told, by_source(&scan.volume, segments), "{case}");
        }
    }
}

/// More than a byte can number.
#[test]
fn three_hundred_segments_have_labels_of_two_bytes() {
    let scan = Phantom::axial(2, 20, 20).scan();
    let mut findings = findings(&scan);
    let one = findings.masks.remove(0);
    let mask = |number: usize| {
        let voxels = (0..800).map(|at| u8::from(at == number * 2)).collect();
        let key = format!("part-{number}");
        gantry_terms::findings::Mask { key: key.clone(), label: key, voxels, ..one.clone() }
    };
    findings.masks = (0..300).map(mask).collect();
    let result = label_map(&scan, &findings).expect("a label map");
    assert_eq!(number(&open(&result), tags::BITS_ALLOCATED), 16);
    judged("many", &scan, &result, 300);
    let folder = tempfile::tempdir().expect("a folder");
    let file = kit::file(folder.path(), "labels.dcm", &result);
    let Some(told) = validators::python_says(STORED, &file) else { return };
    let places = (1..=300).map(|label| format!("{label} {}", (label - 1) * 2));
    assert_eq!(told, places.collect::<Vec<_>>());
}

/// Each label and the voxel that has it; highdicom reads labels above 255 as bytes.
const STORED: &str = "
import sys, numpy, pydicom
voxels = pydicom.dcmread(sys.argv[1]).pixel_array.ravel()
for label in range(1, int(voxels.max()) + 1):
    print(label, *numpy.flatnonzero(voxels == label))
";
