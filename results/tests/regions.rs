//! Where something was found: outlines in the report and in the picture, as readers of other makers understand them.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::{render, secondary_capture, structured_report};
use gantry_terms::findings::Findings;
use gantry_terms::region::{Place, Rectangle};
use kit::film::radiograph;
use kit::phantom::{Phantom, Scan};
use kit::places::{ORANGE, findings, group, voxels};
use kit::reading::{code, content, items, open, referenced, text};
use kit::{cases, model, validators};

fn names(parent: &kit::reading::Object) -> Vec<String> {
    let children = items(parent, tags::CONTENT_SEQUENCE).iter();
    children.map(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE)).collect()
}

#[test]
fn each_box_is_a_finding_with_its_outline_on_each_slice() {
    let scan = Phantom::axial(4, 32, 40).scan();
    let findings = findings(&scan.volume);
    let result = structured_report(&scan.source, &scan.volume, &findings, &kit::provenance());
    let object = open(&result.expect("a report"));
    let measurements = content(&object, "126010")[0];
    let groups = content(measurements, "125007");
    let template = |at: usize| {
        text(&items(groups[at], tags::CONTENT_TEMPLATE_SEQUENCE)[0], tags::TEMPLATE_IDENTIFIER)
    };
    assert_eq!([0, 1, 2].map(template), ["1411", "1410", "1501"]);
    let region = ["112039", "112040", "121071", "130400", "111030"];
    let measured = ["363698007", "111012"];
    assert_eq!(names(groups[0]), [&region[..], &["111030", "111030"], &measured].concat());
    assert_eq!(names(groups[1]), [&region[..], &measured].concat());
    assert_eq!(names(groups[2]), ["112039", "112040", "121071", "363698007", "121052"]);
    let points = |item: &kit::reading::Object| -> Vec<f32> {
        item.element(tags::GRAPHIC_DATA).expect("points").to_multi_float32().expect("numbers")
    };
    for (slice, outline) in content(groups[0], "111030").into_iter().enumerate() {
        let points = points(outline);
        assert_eq!(points.len(), 10, "closed: {points:?}");
        assert_eq!(points[..2], points[8..]);
        let (columns, rows): (Vec<f32>, Vec<f32>) =
            points.chunks(2).map(|at| (at[0].round(), at[1].round())).unzip();
        let ends = |of: &[f32]| {
            let least = of.iter().copied().fold(f32::INFINITY, f32::min);
            (least, of.iter().copied().fold(0.0, f32::max))
        };
        assert_eq!((ends(&columns), ends(&rows)), ((12.0, 20.0), (8.0, 20.0)));
        assert_eq!(text(outline, tags::GRAPHIC_TYPE), "POLYLINE");
        let image = &items(outline, tags::CONTENT_SEQUENCE)[0];
        assert_eq!(text(image, tags::RELATIONSHIP_TYPE), "SELECTED FROM");
        assert_eq!(text(image, tags::VALUE_TYPE), "IMAGE");
        assert_eq!(referenced(outline), [scan.volume.slices[slice].sop_instance.to_string()]);
    }
    let told: Vec<String> =
        content(measurements, "111002").into_iter().map(|p| text(p, tags::TEXT_VALUE)).collect();
    assert!(told.contains(&"nodule: the best 2 of 5 boxes".to_owned()), "{told:?}");
}

#[test]
fn boxes_on_every_kind_of_source_are_valid() {
    for (case, phantom) in cases::all() {
        let scan = phantom.scan();
        let findings = findings(&scan.volume);
        let job = kit::provenance();
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let report = structured_report(&scan.source, &scan.volume, &findings, &job).expect(case);
        let report = kit::file(folder.path(), "report.dcm", &report);
        let capture = secondary_capture(&scan.source, &scan.volume, &findings, &job).expect(case);
        let capture = kit::file(folder.path(), "capture.dcm", &capture);
        let none = Vec::<String>::new();
        assert_eq!(validators::complaints(&report, source), none, "{case}");
        assert_eq!(validators::complaints(&capture, source), none, "{case}");
        assert_eq!(validators::report_complaints(&report), none, "{case}");
    }
}

/// Label, finding, image, least and largest column and row of each region, and the number.
const READ: &str = "
import sys, highdicom
content = highdicom.sr.srread(sys.argv[1]).content
groups = content.get_volumetric_roi_measurement_groups() + content.get_planar_roi_measurement_groups()
for group in groups:
    regions = group.roi if isinstance(group.roi, list) else [group.roi]
    number = group.get_measurements()[0]
    for region in regions:
        points = region.value
        image = region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        print(group.tracking_identifier, group.finding_type.value, image,
              *points.min(axis=0).round(3), *points.max(axis=0).round(3), float(number.value), number.unit.value)
for group in content.get_image_measurement_groups():
    for q in group.get_qualitative_evaluations():
        print(group.tracking_identifier, q.name.meaning, q.value.meaning)
";

#[test]
fn highdicom_reads_the_same_regions_and_numbers() {
    let scan = Phantom::axial(5, 32, 40).scan();
    let findings = findings(&scan.volume);
    let folder = tempfile::tempdir().expect("a folder");
    let report = structured_report(&scan.source, &scan.volume, &findings, &kit::provenance());
    let path = kit::file(folder.path(), "report.dcm", &report.expect("a report"));
    let Some(lines) = validators::python_says(READ, &path) else { return };
    let image = |slice: usize| scan.volume.slices[slice].sop_instance.to_string();
    let large = |slice| format!("Nodule 1 27925004 {} 12.0 8.0 20.0 20.0 93.25 %", image(slice));
    let expected = [
        large(0),
        large(1),
        large(2),
        format!("Nodule 2 27925004 {} 3.0 2.0 9.0 6.0 51.5 %", image(4)),
        "Mass Presence of property Absent".to_owned(),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_box_on_a_film_is_a_region_of_it() {
    let radiograph = radiograph();
    let place = Rectangle { top: 4.5, left: 2.0, bottom: 20.25, right: 30.0 };
    let findings = Findings {
        groups: vec![group("Nodule 1", 77.5, Some(Place::Film(place)))],
        masks: Vec::new(),
        ..model::findings(&Phantom::axial(1, 8, 8).scan().volume)
    };
    let folder = tempfile::tempdir().expect("a folder");
    let report =
        structured_report(&radiograph.source, &radiograph.film, &findings, &kit::provenance());
    let path = kit::file(folder.path(), "report.dcm", &report.expect("a report"));
    let source = folder.path().join("source.dcm");
    std::fs::write(&source, &radiograph.file).expect("a file");
    let none = Vec::<String>::new();
    assert_eq!(validators::complaints(&path, &source), none);
    assert_eq!(validators::report_complaints(&path), none);
    let Some(lines) = validators::python_says(READ, &path) else { return };
    let image = &radiograph.film.sop_instance;
    assert_eq!(lines, [format!("Nodule 1 27925004 {image} 2.0 4.5 30.0 20.25 77.5 %")]);
}

#[test]
fn a_box_is_drawn_around_what_it_holds_on_its_slices_only() {
    let scan: Scan = Phantom::axial(4, 64, 600).scan();
    let place = voxels(&scan.volume.geometry, [1, 20, 300], [3, 40, 340]);
    let findings = Findings {
        groups: vec![group("Nodule 1", 90.0, Some(place))],
        masks: Vec::new(),
        ..model::findings(&scan.volume)
    };
    let drawn = |slice| {
        let picture = render(&scan.source, &scan.volume, &findings, slice).expect("a picture");
        let orange = |x: usize, y: usize| {
            let at = (y * picture.width + x) * 3;
            picture.rgb[at..at + 3] == ORANGE
        };
        // Left of the legend's swatch, which has the colour too, nothing else is drawn here.
        let rows: Vec<usize> = (0..64).filter(|y| orange(320, *y)).collect();
        let columns: Vec<usize> = (250..400).filter(|x| orange(*x, 30)).collect();
        (rows, columns)
    };
    assert_eq!(drawn(1), (vec![20, 40], vec![300, 340]));
    assert_eq!(drawn(2), (vec![20, 40], vec![300, 340]));
    assert_eq!(drawn(0), (vec![], vec![]));
    assert_eq!(drawn(3), (vec![], vec![]));
}

#[test]
fn a_region_of_a_film_in_a_volume_is_a_fault_of_the_node() {
    let scan = Phantom::axial(2, 32, 32).scan();
    let place = Rectangle { top: 0.0, left: 0.0, bottom: 1.0, right: 1.0 };
    let mut findings = findings(&scan.volume);
    findings.groups.push(group("Nodule 3", 1.0, Some(Place::Film(place))));
    let error = structured_report(&scan.source, &scan.volume, &findings, &kit::provenance());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a region lies on a film in a volume"), "{error}");
}
