//! Results of a film: whether a finding is there, with its probability, and masks on its own pixels, as readers of other makers understand them.

mod kit;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use gantry_results::secondary_capture::render;
use gantry_results::segmentation::{Form, segmentation};
use gantry_results::{
    Shown, key_objects, presentation_states, secondary_capture, structured_report,
    structured_report_of_segments,
};
use gantry_terms::code::Code;
use gantry_terms::film::Film;
use gantry_terms::findings::{Findings, Mask, MeasurementGroup, NoValue, Presence};
use kit::film::{CR, Radiograph, digital, findings, of_class, radiograph};
use kit::phantom::Phantom;
use kit::reading::{Object, code, content, items, open, referenced, text};
use kit::voxels::BY_SOURCE;
use kit::{model, phantom, validators};

fn said(certainty: Result<f64, NoValue>, presence: Option<Presence>) -> Findings {
    findings(model::findings(&Phantom::axial(1, 8, 8).scan().volume), certainty, presence)
}

fn report(radiograph: &Radiograph, findings: &Findings) -> gantry_results::ResultObject {
    let Radiograph { source, film, .. } = radiograph;
    structured_report(source, film, findings, &kit::provenance()).expect("a report")
}

fn names(parent: &Object) -> Vec<String> {
    let children = items(parent, tags::CONTENT_SEQUENCE).iter();
    children.map(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE)).collect()
}

#[test]
fn what_was_looked_for_is_told_with_whether_it_is_there() {
    let radiograph = radiograph();
    for (presence, expected) in [
        (Presence::Present, "52101004"),
        (Presence::Absent, "2667000"),
        (Presence::Undetermined, "373068000"),
    ] {
        let object = open(&report(&radiograph, &said(Ok(87.5), Some(presence))));
        let group = content(content(&object, "126010")[0], "125007")[0];
        assert_eq!(
            names(group),
            ["112039", "112040", "121071", "363698007", "111012", "121112", "121052"]
        );
        assert_eq!(code(content(group, "121071")[0], tags::CONCEPT_CODE_SEQUENCE), "233604007");
        assert_eq!(code(content(group, "121052")[0], tags::CONCEPT_CODE_SEQUENCE), expected);
        assert_eq!(referenced(group), [radiograph.film.sop_instance.to_string()]);
    }
}

#[test]
fn what_was_found_in_one_frame_refers_to_that_frame() {
    let radiograph = radiograph();
    let mut found = said(Ok(87.5), Some(Presence::Present));
    let mut other = found.groups[0].clone();
    (found.groups[0].frame, other.frame) = (Some(2), Some(11));
    found.groups.push(other);
    let result = report(&radiograph, &found);
    let object = open(&result);
    let groups = content(content(&object, "126010")[0], "125007");
    let frames = groups.iter().map(|group| {
        let source = content(group, "121112")[0];
        text(&items(source, tags::REFERENCED_SOP_SEQUENCE)[0], tags::REFERENCED_FRAME_NUMBER)
    });
    assert_eq!(frames.collect::<Vec<_>>(), ["2", "11"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = kit::file(folder.path(), "report.dcm", &result);
    assert_eq!(validators::report_complaints(&path), Vec::<String>::new());
}

#[test]
fn a_film_stands_in_the_image_library_with_its_size_and_without_a_place() {
    let object = open(&report(&radiograph(), &said(Ok(1.0), Some(Presence::Absent))));
    let group = content(content(&object, "111028")[0], "126200")[0];
    // Modality, target region, rows, columns, two spacings; then the image.
    assert_eq!(names(group), ["121139", "123014", "110910", "110911", "111026", "111066", "-"]);
}

#[test]
fn without_a_number_nothing_is_said_of_presence() {
    let object = open(&report(&radiograph(), &said(Err(NoValue::NotANumber), None)));
    let group = content(content(&object, "126010")[0], "125007")[0];
    let number = content(group, "111012")[0];
    assert_eq!(code(number, tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE), "114000");
    assert!(content(group, "121052").is_empty());
}

#[test]
fn reports_of_films_are_valid_and_read_by_others() {
    let radiograph = radiograph();
    for (certainty, presence) in [
        (Ok(99.3), Some(Presence::Present)),
        (Ok(0.4), Some(Presence::Absent)),
        (Ok(12.0), Some(Presence::Undetermined)),
        (Err(NoValue::NotANumber), None),
    ] {
        let findings = said(certainty, presence);
        let folder = tempfile::tempdir().expect("a folder");
        let path = kit::file(folder.path(), "report.dcm", &report(&radiograph, &findings));
        let source = folder.path().join("source.dcm");
        std::fs::write(&source, &radiograph.file).expect("a file");
        let none = Vec::<String>::new();
        assert_eq!(validators::complaints(&path, &source), none);
        assert_eq!(validators::report_complaints(&path), none);
        let mut among = validators::contradictions(&[source, path.clone()]);
        among.retain(|line| !line.contains("Missing SOPInstanceUID that was referenced"));
        assert_eq!(among, none);
        let (Some(presence), Ok(certainty)) = (presence, certainty) else { continue };
        let script = "
import sys, highdicom
content = highdicom.sr.srread(sys.argv[1]).content
for group in content.get_image_measurement_groups():
    for m in group.get_measurements():
        print(group.finding_type.value, m.name.value, float(m.value), m.unit.value)
    for q in group.get_qualitative_evaluations():
        print(q.name.meaning, q.value.meaning)
";
        let Some(lines) = validators::python_says(script, &path) else { continue };
        let numbers = format!("233604007 111012 {certainty:?} %");
        assert_eq!(lines, [numbers, format!("Presence of property {presence:?}")]);
    }
}

/// Two masks that have some pixels in common, of each frame others.
fn masked(film: &Film) -> Findings {
    let mut findings = said(Ok(87.5), Some(Presence::Present));
    let of = |from: usize, step: usize| -> Vec<u8> {
        (0..film.places()).map(|at| u8::from(at >= from && at % step == 0)).collect()
    };
    findings.masks = model::masks(of(101, 7), of(333, 11));
    for mask in &mut findings.masks {
        let inside = mask.voxels.iter().enumerate();
        mask.probabilities = inside.map(|(at, voxel)| voxel * (1 + at % 250) as u8).collect();
    }
    findings.masks[1].category = Code::new("49755003", "SCT", "Morphologically abnormal structure");
    findings
}

/// Without a spacing, but with the shape of its pixels.
const SHAPED: &str = "with a shape of its pixels alone";

/// What its results say of the shape of its pixels.
fn aspect(case: &str, film: &Film) -> &'static str {
    match (film.pixel_spacing, case) {
        (Some(_), _) => "1500\\2000",
        (None, SHAPED) => "4\\3",
        (None, _) => "-",
    }
}

/// What a film says of itself is another thing in each of these.
fn kinds() -> Vec<(&'static str, Radiograph)> {
    let turned = |orientation: &'static str| {
        of_class(CR, "CR", move |object| {
            phantom::text(object, tags::PATIENT_ORIENTATION, VR::CS, orientation);
        })
    };
    let mut silent = of_class(CR, "CR", |object| {
        object.remove_element(tags::PATIENT_ORIENTATION);
    });
    silent.film.pixel_spacing = None;
    let mut shaped = of_class(CR, "CR", |object| {
        object.remove_element(tags::PIXEL_SPACING);
        phantom::text(object, tags::PIXEL_ASPECT_RATIO, VR::IS, "4\\3");
    });
    shaped.film.pixel_spacing = None;
    vec![
        ("a film", radiograph()),
        ("dark where its numbers are high", digital()),
        ("from the back", turned("R\\F")),
        ("without a word of itself", silent),
        (SHAPED, shaped),
    ]
}

#[test]
fn segments_of_a_film_lie_on_its_own_pixels_without_a_place_in_the_patient() {
    for (case, Radiograph { file, film, source }) in kinds() {
        let (findings, job) = (masked(&film), kit::provenance());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("source.dcm");
        std::fs::write(&path, &file).expect("a file");
        for (form, values) in [
            (Form::Binary, findings.masks.iter().map(|mask| &mask.voxels).collect::<Vec<_>>()),
            (Form::Fractional, findings.masks.iter().map(|mask| &mask.probabilities).collect()),
        ] {
            let result = segmentation(&source, &film, &findings, form, &job).expect("segments");
            let object = open(&result);
            for tag in [tags::FRAME_OF_REFERENCE_UID, tags::DIMENSION_ORGANIZATION_TYPE] {
                assert_eq!(text(&object, tag), "-", "{case}");
            }
            let groups = &items(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[0];
            assert!(items(groups, tags::PLANE_ORIENTATION_SEQUENCE).is_empty(), "{case}");
            // Of pixels that are no squares; where the film does not say, they are.
            assert_eq!(text(&object, tags::PIXEL_ASPECT_RATIO), aspect(case, &film), "{case}");
            let said = text(&object, tags::PATIENT_ORIENTATION);
            assert_eq!(said, source_orientation(&file), "{case}");
            let file = kit::file(folder.path(), "segments.dcm", &result);
            assert_eq!(validators::complaints(&file, &path), Vec::<String>::new(), "{case}");
            let Some(mut found) = validators::python_says(BY_SOURCE, &file) else { continue };
            found.sort();
            assert_eq!(found, of_film(&film, &values), "{case}: {form:?}");
        }
    }
}

fn source_orientation(file: &[u8]) -> String {
    let object = dicom_object::from_reader(std::io::Cursor::new(file)).expect("a readable file");
    // Absent in the source, and there without a value in what refers to it.
    let said = text(&object, tags::PATIENT_ORIENTATION);
    if said == "-" { String::new() } else { said }
}

/// As [`BY_SOURCE`] tells it.
fn of_film(film: &Film, segments: &[&Vec<u8>]) -> Vec<String> {
    let line = |(segment, number): (&&Vec<u8>, u32)| {
        let count = segment.iter().filter(|pixel| **pixel != 0).count();
        let sum: u64 = (0..).zip(segment.iter()).map(|(at, pixel)| at * u64::from(*pixel)).sum();
        format!("{number} {} {count} {sum}", film.sop_instance)
    };
    segments.iter().zip(1..).map(line).collect()
}

/// highdicom, of the files of a folder: of each planar group the figure, the frame that it refers to, of which segment the object says that this frame
/// is, how many of its pixels are in it, and which film that was found in.
const PLANAR: &str = "
import sys, highdicom, pydicom
report = highdicom.sr.srread(sys.argv[1] + '/report.dcm')
seg = pydicom.dcmread(sys.argv[1] + '/segments.dcm')
planes = seg.pixel_array.reshape((-1, seg.Rows, seg.Columns))
frame_of_segment = highdicom.sr.CodedConcept('121214', 'DCM', 'Referenced Segmentation Frame')
for group in report.content.get_planar_roi_measurement_groups(reference_type=frame_of_segment):
    frame, source = group.referenced_segmentation_frame
    [of] = frame.ReferencedSOPSequence
    assert of.ReferencedSOPInstanceUID == seg.SOPInstanceUID
    number = int(of.ReferencedFrameNumber)
    itself = seg.PerFrameFunctionalGroupsSequence[number - 1].SegmentIdentificationSequence[0].ReferencedSegmentNumber
    [measured] = group.get_measurements()
    film = source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert 'ReferencedSegmentNumber' not in of
    print(measured.value, number, itself, planes[number - 1].sum(), film)
";

#[test]
fn the_report_refers_to_the_frame_of_the_segment_that_a_group_of_a_film_is_measured_of() {
    let Radiograph { file, film, source } = radiograph();
    let (mut findings, job) = (masked(&film), kit::provenance());
    // A segment that is nowhere has no frame: those of the others are not the numbers of their segments.
    let nowhere = Mask { voxels: vec![0; film.places()], ..findings.masks[0].clone() };
    findings.masks.insert(0, Mask { key: "nowhere".into(), ..nowhere });
    let of_mask = |(mask, percent): (&Mask, f64)| {
        let group = &said(Ok(percent), None).groups[0];
        MeasurementGroup { segment: Some(mask.key.clone()), ..group.clone() }
    };
    findings.groups = findings.masks.iter().zip([1.0, 2.0, 3.0]).map(of_mask).collect();
    let segments = segmentation(&source, &film, &findings, Form::Binary, &job).expect("segments");
    let report = structured_report_of_segments(&source, &film, &findings, &segments, &job);
    let report = report.expect("a report");
    let object = open(&report);
    let groups = content(content(&object, "126010")[0], "125007");
    let told = groups.iter().map(|group| {
        let template = &items(group, tags::CONTENT_TEMPLATE_SEQUENCE)[0];
        (text(template, tags::TEMPLATE_IDENTIFIER), names(group)[3..5].to_vec())
    });
    let [whole, frame] = ["121191", "121214"].map(|first| vec![first.into(), "121233".into()]);
    let expected = [("1411", whole), ("1410", frame.clone()), ("1410", frame)];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|(template, rows)| (template.into(), rows)));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("source.dcm");
    std::fs::write(&path, &file).expect("a file");
    kit::file(folder.path(), "segments.dcm", &segments);
    let written = kit::file(folder.path(), "report.dcm", &report);
    assert_eq!(validators::complaints(&written, &path), Vec::<String>::new());
    assert_eq!(validators::report_complaints(&written), Vec::<String>::new());
    let Some(found) = validators::python_says(PLANAR, folder.path()) else { return };
    let inside = |mask: &Mask| mask.voxels.iter().filter(|voxel| **voxel != 0).count();
    let expected = [(2, 1), (3, 2)].map(|(segment, frame)| {
        let pixels = inside(&findings.masks[segment - 1]);
        format!("{segment}.0 {frame} {segment} {pixels} {}", film.sop_instance)
    });
    assert_eq!(found, expected);
}

#[test]
fn the_picture_of_a_film_shows_its_masks_and_which_side_is_which() {
    for (case, Radiograph { mut film, source, .. }) in kinds() {
        film.pixels = (0..film.count()).map(|at| (at % film.columns) as f32 / 49.0).collect();
        let mut findings = masked(&film);
        findings.groups.clear();
        let plain = Findings { masks: Vec::new(), ..findings.clone() };
        let [with, without] = [&findings, &plain]
            .map(|findings| render(&source, &film, findings, 0).expect("a picture"));
        let factor = with.width / film.columns;
        assert_eq!([with.width, with.height], [50 * factor, 40 * factor]);
        // Between the words above and those below.
        for (row, column) in (15..18).flat_map(|row| (8..42).map(move |column| (row, column))) {
            let middle = |at: usize| at * factor + factor / 2;
            let at = (middle(row) * with.width + middle(column)) * 3;
            let inside = findings.masks.iter().any(|m| m.voxels[row * film.columns + column] != 0);
            let changed = with.rgb[at..at + 3] != without.rgb[at..at + 3];
            assert_eq!(changed, inside, "{case}: {row}, {column}");
            let [red, green, blue] = [0, 1, 2].map(|channel| without.rgb[at + channel]);
            assert!(red == green && green == blue, "{case}: a film is grey");
            let before = without.rgb[at - 3 * factor];
            assert!(before < red, "{case}: bright where its numbers are high: {row}, {column}");
        }
        assert!(render(&source, &film, &findings, 1).is_err());
    }
}

#[test]
fn pictures_and_outlines_of_a_film_keep_the_shape_of_its_pixels() {
    for (case, Radiograph { file, film, source }) in kinds() {
        let (findings, job) = (masked(&film), kit::provenance());
        let capture = secondary_capture(&source, &film, &findings, &job).expect("a picture");
        let said = text(&open(&capture), tags::PIXEL_ASPECT_RATIO);
        assert_eq!(said, aspect(case, &film), "{case}");
        let shown = Shown::read(&file).expect("a readable source");
        let states = presentation_states(&source, &[shown], &film, &findings, &job);
        let state = open(&states.expect("a state")[0]);
        let area = &items(&state, tags::DISPLAYED_AREA_SELECTION_SEQUENCE)[0];
        let said = [tags::PRESENTATION_PIXEL_SPACING, tags::PRESENTATION_PIXEL_ASPECT_RATIO]
            .map(|tag| text(area, tag));
        let expected = match (film.pixel_spacing, aspect(case, &film)) {
            (Some(_), _) => ["1.5\\2", "-"],
            (None, "-") => ["-", "1\\1"],
            (None, ratio) => ["-", ratio],
        };
        assert_eq!(said, expected, "{case}");
    }
}

#[test]
fn outlines_and_key_images_of_a_film_are_of_its_masks() {
    let Radiograph { file, film, source } = digital();
    let (mut findings, job) = (masked(&film), kit::provenance());
    findings.groups.clear();
    let shown = Shown::read(&file).expect("a readable source");
    let states = presentation_states(&source, &[shown], &film, &findings, &job).expect("a state");
    let [state] = states.as_slice() else { panic!("one state") };
    let layers = open(state);
    let layers = items(&layers, tags::GRAPHIC_LAYER_SEQUENCE).len();
    assert_eq!(layers, 3, "two masks and the notice");
    let selection = key_objects(&source, &film, &findings, &job).expect("a selection");
    let selection = open(&selection.expect("something abnormal is there"));
    assert!(referenced(&selection).contains(&film.sop_instance.to_string()));
    findings.masks.pop();
    assert!(key_objects(&source, &film, &findings, &job).expect("none").is_none());
}

#[test]
fn a_mask_that_is_not_as_large_as_its_film_is_a_fault_of_the_node() {
    let Radiograph { source, film, .. } = radiograph();
    let findings = model::findings(&Phantom::axial(1, 8, 8).scan().volume);
    let error = structured_report(&source, &film, &findings, &kit::provenance()).unwrap_err();
    assert!(error.to_string().contains("not as many voxels as its source"), "{error}");
}
