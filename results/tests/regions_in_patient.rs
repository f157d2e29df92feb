//! Where something was found in mm of the patient: as planes that others can compute from the images, and in pixels where that cannot be said.

mod kit;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_results::{
    Measured, ResultObject, Source, Telling, alternates, structured_report, structured_report_with,
};
use gantry_terms::findings::Findings;
use gantry_terms::region::{Place, Rectangle, Regions};
use kit::phantom::{Phantom, Scan};
use kit::places::{findings, group};
use kit::reading::{Object, code, content, items, open, referenced, text};
use kit::{cases, film, model, validators};

fn report<'a>(
    source: &Source,
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
) -> ResultObject {
    let telling = Telling { regions: Regions::Patient, ..Telling::default() };
    structured_report_with(source, measured, findings, telling, &kit::provenance())
        .expect("a report")
}

fn of_scan(scan: &Scan) -> ResultObject {
    report(&scan.source, &scan.volume, &findings(&scan.volume))
}

/// All below it that are of a Value Type.
fn of_type<'a>(parent: &'a Object, kind: &str, found: &mut Vec<&'a Object>) {
    let Some(children) = parent.get(tags::CONTENT_SEQUENCE).and_then(|all| all.items()) else {
        return;
    };
    for child in children {
        if text(child, tags::VALUE_TYPE) == kind {
            found.push(child);
        }
        of_type(child, kind, found);
    }
}

fn points(item: &Object) -> Vec<[f32; 3]> {
    let numbers = item.element(tags::GRAPHIC_DATA).expect("points").to_multi_float32();
    numbers.expect("numbers").chunks_exact(3).map(|at| [at[0], at[1], at[2]]).collect()
}

fn names(parent: &Object) -> Vec<String> {
    let children = items(parent, tags::CONTENT_SEQUENCE).iter();
    children.map(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE)).collect()
}

#[test]
fn a_box_is_a_closed_plane_for_each_slice_that_shows_it_and_names_those_images() {
    let scan = Phantom::axial(4, 32, 40).scan();
    let object = open(&of_scan(&scan));
    let groups = content(content(&object, "126010")[0], "125007");
    let template = |at: usize| {
        text(&items(groups[at], tags::CONTENT_TEMPLATE_SEQUENCE)[0], tags::TEMPLATE_IDENTIFIER)
    };
    assert_eq!([0, 1, 2].map(template), ["1411", "1410", "1501"]);
    let begins = ["112039", "112040", "121071", "130400"];
    let several = ["121231", "121231", "121231", "121233", "121233", "121233"];
    let measured = ["363698007", "111012"];
    assert_eq!(names(groups[0]), [&begins[..], &several, &measured].concat());
    assert_eq!(names(groups[1]), [&begins[..], &["111030", "121233"], &measured].concat());
    let images = |at: usize| -> Vec<String> {
        content(groups[at], "121233").into_iter().flat_map(referenced).collect()
    };
    let slice = |at: usize| scan.volume.slices[at].sop_instance.to_string();
    assert_eq!(images(0), [slice(0), slice(1), slice(2)]);
    assert_eq!(images(1), [slice(3)]);
    // Columns 12 to 20 of 2.0 mm and rows 8 to 20 of 1.5 mm, from outer edge to outer edge, 3.0 mm apart.
    for (at, plane) in content(groups[0], "121231").into_iter().enumerate() {
        assert_eq!(text(plane, tags::VALUE_TYPE), "SCOORD3D");
        assert_eq!(text(plane, tags::RELATIONSHIP_TYPE), "CONTAINS");
        let [x, y, z] = [-95.5 - 1.0 + 24.0, -80.25 - 0.75 + 12.0, -200.0 + 3.0 * at as f32];
        let mut corners = points(plane);
        assert_eq!(corners.len(), 5);
        assert_eq!(corners[0], corners[4], "closed");
        corners.pop();
        corners.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        let expected = [[x, y, z], [x, y + 18.0, z], [x + 16.0, y, z], [x + 16.0, y + 18.0, z]];
        for (corner, expected) in corners.iter().flatten().zip(expected.iter().flatten()) {
            assert!((corner - expected).abs() < 1e-4, "slice {at}: {corners:?} {expected:?}");
        }
    }
}

/// What dciodvfy is silent about: a frame of reference is there (Type 1), it is that of the images, and the points lie in a plane.
#[test]
fn each_region_in_the_patient_is_plane_and_says_of_which_frame_of_reference_it_is() {
    for (case, phantom) in cases::all().into_iter().chain(cases::planes()) {
        let scan = phantom.scan();
        let Some(expected) = &scan.volume.frame_of_reference else { continue };
        let object = open(&of_scan(&scan));
        let mut regions = Vec::new();
        of_type(&object, "SCOORD3D", &mut regions);
        assert!(regions.len() >= 2, "{case}");
        for region in regions {
            let told = text(region, tags::REFERENCED_FRAME_OF_REFERENCE_UID);
            assert_eq!(told.trim_end_matches('\0'), expected.as_str(), "{case}");
            assert_eq!(text(region, tags::GRAPHIC_TYPE), "POLYGON", "{case}");
            let points = points(region);
            assert!(points.len() > 3 && points.first() == points.last(), "{case}: {points:?}");
            let normal = scan.volume.geometry.normal();
            let height =
                |at: &[f32; 3]| -> f64 { (0..3).map(|a| f64::from(at[a]) * normal[a]).sum() };
            let heights: Vec<f64> = points.iter().map(height).collect();
            assert!(heights.iter().all(|at| (at - heights[0]).abs() < 1e-3), "{case}: {heights:?}");
        }
    }
}

/// By numpy from the headers of the images and the same regions in pixels (PS3.3 C.7.6.2.1.1), as highdicom reads both reports: label, number of planes,
/// whether each corner is where it belongs, and the number that was measured.
const COMPARED: &str = "
import pathlib, sys
import highdicom, numpy, pydicom
folder = pathlib.Path(sys.argv[1])
images = {}
for path in sorted(folder.glob('source-*')):
    image = pydicom.dcmread(path, stop_before_pixels=True)
    images[image.SOPInstanceUID] = image
def groups(name):
    content = highdicom.sr.srread(folder / name).content
    return content.get_volumetric_roi_measurement_groups() + content.get_planar_roi_measurement_groups()
def in_patient(region):
    image = images[region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
    row, column = numpy.array(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
    down, along = map(float, image.PixelSpacing)
    start = numpy.array(image.ImagePositionPatient, dtype=float)
    return numpy.array([start + row * (c - 0.5) * along + column * (r - 0.5) * down for c, r in region.value])
def listed(roi):
    return list(roi) if isinstance(roi, list) else [roi]
for flat, deep in zip(groups('in-pixels'), groups('in-patient')):
    assert flat.tracking_identifier == deep.tracking_identifier and flat.tracking_uid == deep.tracking_uid
    expected = [in_patient(region) for region in listed(flat.roi)]
    roi = deep.roi
    if isinstance(roi, highdicom.sr.VolumeSurface):
        assert roi.graphic_type == highdicom.sr.GraphicTypeValues3D.POLYGON
        found, frame = roi.graphic_data, roi.frame_of_reference_uid
        sources = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in roi.source_images_for_segmentation]
    else:
        found, frame = [roi.value], roi.frame_of_reference_uid
        sources = [region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for region in listed(flat.roi)]
    assert [region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for region in listed(flat.roi)] == sources
    assert {image.FrameOfReferenceUID for image in images.values()} == {frame}
    worst = max(abs(a - b).max() for a, b in zip(expected, found, strict=True))
    number = deep.get_measurements()[0]
    print(deep.tracking_identifier, deep.finding_type.value, len(found), 'there' if worst < 5e-4 else worst, float(number.value), number.unit.value)
";

#[test]
fn highdicom_finds_each_corner_where_numpy_computes_it_from_the_images() {
    for (case, phantom) in cases::planes() {
        let scan = phantom.scan();
        let folder = tempfile::tempdir().expect("a folder");
        kit::source_files(folder.path(), &scan);
        let found = findings(&scan.volume);
        let flat = structured_report(&scan.source, &scan.volume, &found, &kit::provenance());
        kit::file(folder.path(), "in-pixels", &flat.expect("a report"));
        kit::file(folder.path(), "in-patient", &report(&scan.source, &scan.volume, &found));
        let Some(lines) = validators::python_says(COMPARED, folder.path()) else { return };
        let mut lines = lines;
        lines.sort();
        let planes = scan.volume.geometry.slices.min(3);
        let first = format!("Nodule 1 27925004 {planes} there 93.25 %");
        assert_eq!(lines, [first, "Nodule 2 27925004 1 there 51.5 %".to_owned()], "{case}");
    }
}

#[test]
fn regions_in_the_patient_are_valid_for_every_kind_of_source_and_older_classes_tell_them_in_pixels()
{
    let none = Vec::<String>::new();
    for (case, phantom) in cases::all() {
        let scan = phantom.scan();
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let object = of_scan(&scan);
        let path = kit::file(folder.path(), "report", &object);
        assert_eq!(validators::complaints(&path, source), none, "{case}");
        assert_eq!(validators::report_complaints(&path), none, "{case}");
        let flat = structured_report(
            &scan.source,
            &scan.volume,
            &findings(&scan.volume),
            &kit::provenance(),
        );
        let flat = flat.expect("a report");
        assert_eq!((&flat.sop_instance, &flat.series), (&object.sop_instance, &object.series));
        for other in alternates(&flat, None).expect("alternates") {
            let mut regions = Vec::new();
            let opened = open(&other);
            of_type(&opened, "SCOORD", &mut regions);
            assert!(regions.len() > 1, "{case}");
            let path = kit::file(folder.path(), "alternate", &other);
            assert_eq!(validators::complaints(&path, source), none, "{case} {}", other.sop_class);
            assert_eq!(validators::report_complaints(&path), none, "{case} {}", other.sop_class);
        }
    }
}

#[test]
fn dcmqi_reads_the_numbers_of_regions_in_the_patient() {
    let scan = Phantom::axial(5, 32, 40).scan();
    let folder = tempfile::tempdir().expect("a folder");
    let path = kit::file(folder.path(), "report", &of_scan(&scan));
    let Some(told) = validators::measurements_by_dcmqi(&path, folder.path()) else { return };
    for number in ["93.25", "51.5"] {
        assert!(told.contains(number), "{number} is not in {told}");
    }
}

/// A report must not fail for what the images do not say: it tells the same in pixels.
#[test]
fn without_a_frame_of_reference_and_on_films_regions_are_told_in_pixels() {
    let scan = Phantom { frame_of_reference: None, ..Phantom::axial(4, 32, 40) }.scan();
    let found = findings(&scan.volume);
    let usual = structured_report(&scan.source, &scan.volume, &found, &kit::provenance());
    assert_eq!(report(&scan.source, &scan.volume, &found), usual.expect("a report"));

    let radiograph = film::radiograph();
    let place = Rectangle { top: 4.5, left: 2.0, bottom: 20.25, right: 30.0 };
    let found = Findings {
        groups: vec![group("Nodule 1", 77.5, Some(Place::Film(place)))],
        masks: Vec::new(),
        ..model::findings(&scan.volume)
    };
    let usual = structured_report(&radiograph.source, &radiograph.film, &found, &kit::provenance());
    let usual = usual.expect("a report");
    assert_eq!(report(&radiograph.source, &radiograph.film, &found), usual);
    let object = open(&usual);
    let mut regions = Vec::new();
    of_type(&object, "SCOORD", &mut regions);
    assert_eq!(regions.len(), 1);
}

#[test]
fn only_the_regions_are_told_otherwise() {
    let scan = Phantom::axial(4, 32, 40).scan();
    let usual =
        structured_report(&scan.source, &scan.volume, &findings(&scan.volume), &kit::provenance());
    let (usual, other) = (open(&usual.expect("a report")), open(&of_scan(&scan)));
    let told = |object: &Object, tag: Tag| format!("{:?}", object.element(tag));
    let tags: Vec<Tag> = usual.iter().map(|element| element.header().tag).collect();
    let differing: Vec<Tag> =
        tags.into_iter().filter(|tag| told(&usual, *tag) != told(&other, *tag)).collect();
    assert_eq!(differing, [tags::CONTENT_SEQUENCE]);
}
