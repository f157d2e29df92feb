//! What a presentation state draws over the source's images and how it shows them, and that readers of other makers find the same.

mod kit;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use gantry_results::{Measured, ResultObject, Shown, Source, presentation_states};
use gantry_terms::findings::Findings;
use gantry_terms::region::{Parallelepiped, Place, Rectangle, Region};
use gantry_terms::uid::Uid;
use kit::film::{self, Radiograph};
use kit::phantom::{self, Phantom, Scan};
use kit::reading::{Object, items, numbers, open, text};
use kit::{cases, model, validators};

const ORANGE: [u8; 3] = [255, 128, 0];

fn shown(files: &[Vec<u8>]) -> Vec<Shown> {
    files.iter().map(|file| Shown::read(file).expect("a readable source")).collect()
}

fn states<'a>(
    source: &Source,
    shown: &[Shown],
    measured: impl Into<Measured<'a>>,
    findings: &Findings,
) -> Vec<ResultObject> {
    let made = presentation_states(source, shown, measured, findings, &kit::provenance());
    made.expect("states can be made")
}

fn one(scan: &Scan, findings: &Findings) -> ResultObject {
    let mut made = states(&scan.source, &shown(&scan.files), &scan.volume, findings);
    assert_eq!(made.len(), 1);
    made.remove(0)
}

/// The usual masks, and a box over two slices.
fn findings(scan: &Scan) -> Findings {
    let mut findings = model::findings(&scan.volume);
    let geometry = &scan.volume.geometry;
    let edge = |way: [f64; 3], mm: f64| way.map(|part| part * mm);
    let along = [geometry.row_direction, geometry.column_direction, geometry.normal()];
    let corner = [0, 1, 2].map(|a| {
        geometry.origin[a] + 4.0 * (along[0][a] + along[1][a])
            - along[2][a] * geometry.slice_step / 2.0
    });
    let [right, down, up] = along;
    let edges = [edge(right, 12.0), edge(down, 9.0), edge(up, 2.0 * geometry.slice_step)];
    let place = Place::Patient(Parallelepiped { corner, edges });
    let mut group = findings.groups[1].clone();
    group.label = "Nodule 1".into();
    group.segment = None;
    group.region = Some(Region { colour: ORANGE, place });
    findings.groups.push(group);
    findings
}

fn instance(reference: &Object) -> String {
    text(reference, tags::REFERENCED_SOP_INSTANCE_UID).trim_end_matches('\0').to_owned()
}

/// What neither dciodvfy nor dcmpschk notices when it is missing or wrong.
#[test]
fn a_state_shows_the_images_as_they_say_themselves_with_a_layer_for_each_finding() {
    let scan = Phantom::axial(3, 64, 96).scan();
    let findings = findings(&scan);
    let result = one(&scan, &findings);
    assert_eq!(one(&scan, &findings), result, "the same inputs give the same bytes");
    let object = open(&result);
    for (tag, expected) in [
        (tags::MODALITY, "PR"),
        (tags::SOP_INSTANCE_UID, result.sop_instance.as_str()),
        (tags::SERIES_DESCRIPTION, "Lung densitometry outlines (RUO)"),
        (tags::CONTENT_LABEL, "OUTLINES"),
        (tags::CONTENT_DESCRIPTION, "FOR RESEARCH USE ONLY. Lung densitometry 1.0.0"),
        (tags::PRESENTATION_CREATION_DATE, "20240514"),
        (tags::PRESENTATION_CREATION_TIME, "115000.250000"),
        (tags::CONTENT_DATE, "-"),
        (tags::RESCALE_INTERCEPT, "-1024"),
        (tags::RESCALE_SLOPE, "1"),
        (tags::RESCALE_TYPE, "HU"),
        (tags::PRESENTATION_LUT_SHAPE, "IDENTITY"),
    ] {
        assert_eq!(text(&object, tag).trim_end_matches('\0'), expected, "{tag}");
    }
    let [voi] = items(&object, tags::SOFTCOPY_VOILUT_SEQUENCE) else { panic!("one window") };
    assert_eq!(numbers(voi, tags::WINDOW_CENTER), [40.0, -500.0]);
    assert_eq!(numbers(voi, tags::WINDOW_WIDTH), [350.0, 1400.0]);
    assert_eq!(items(voi, tags::REFERENCED_IMAGE_SEQUENCE).len(), 3);
    let area = &items(&object, tags::DISPLAYED_AREA_SELECTION_SEQUENCE)[0];
    let ends = area.element(tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER).expect("a corner");
    assert_eq!(ends.to_multi_int::<i32>().expect("numbers"), [96, 64]);
    assert_eq!(numbers(area, tags::PRESENTATION_PIXEL_SPACING), [1.5, 2.0]);

    let layers = items(&object, tags::GRAPHIC_LAYER_SEQUENCE);
    let of_layers = |tag| layers.iter().map(|layer| text(layer, tag)).collect::<Vec<_>>();
    let names = of_layers(tags::GRAPHIC_LAYER);
    assert_eq!(names, ["FINDING_1", "FINDING_2", "FINDING_3", "NOTICE"]);
    assert_eq!(
        of_layers(tags::GRAPHIC_LAYER_DESCRIPTION),
        ["Lung", "Low attenuation (< -950 HU)", "Nodule 1", "FOR RESEARCH USE ONLY"]
    );
    let annotations = items(&object, tags::GRAPHIC_ANNOTATION_SEQUENCE);
    assert!(annotations.iter().all(|a| names.contains(&text(a, tags::GRAPHIC_LAYER))));
    let (notice, drawn) = annotations.split_last().expect("annotations");
    assert_eq!(text(notice, tags::GRAPHIC_LAYER), "NOTICE");
    assert!(items(notice, tags::REFERENCED_IMAGE_SEQUENCE).is_empty(), "it is on all images");
    let said =
        |a: &Object| text(&items(a, tags::TEXT_OBJECT_SEQUENCE)[0], tags::UNFORMATTED_TEXT_VALUE);
    assert_eq!(said(notice), "FOR RESEARCH USE ONLY");
    let boxes: Vec<&Object> =
        drawn.iter().filter(|a| text(a, tags::GRAPHIC_LAYER) == "FINDING_3").collect();
    assert_eq!(boxes.len(), 2);
    for (slice, annotation) in boxes.into_iter().enumerate() {
        assert_eq!(said(annotation), "Nodule 1: 1.3 %");
        let reference = &items(annotation, tags::REFERENCED_IMAGE_SEQUENCE)[0];
        assert_eq!(instance(reference), scan.volume.slices[slice].sop_instance.as_str());
        let line = &items(annotation, tags::GRAPHIC_OBJECT_SEQUENCE)[0];
        let points = line.element(tags::GRAPHIC_DATA).expect("points").to_multi_float32();
        let mut points: Vec<[f32; 2]> =
            points.expect("numbers").chunks(2).map(|at| [at[0], at[1]]).collect();
        assert_eq!(points.first(), points.last(), "closed");
        points.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        // 4 mm from the middle of the first pixel: 2.5 columns of 2 mm and 3.17 rows of 1.5 mm from its outer edge.
        let (left, top) = (2.5, 0.5 + 4.0 / 1.5);
        for (found, expected) in [(points[0], [left, top]), (points[4], [left + 6.0, top + 6.0])] {
            assert!((0..2).all(|a| (found[a] - expected[a]).abs() < 1e-4), "{points:?}");
        }
        assert!(text(line, tags::TRACKING_UID).starts_with("2.25."));
    }
}

#[test]
fn where_nothing_is_drawn_there_is_no_state() {
    let scan = Phantom::axial(3, 32, 32).scan();
    let mut findings = model::findings(&scan.volume);
    findings.masks.iter_mut().for_each(|mask| mask.voxels.fill(0));
    assert_eq!(states(&scan.source, &shown(&scan.files), &scan.volume, &findings), []);
}

/// A state says a slope once for all of its images: those of a PET, which have one each, need one each.
#[test]
fn images_of_different_slopes_have_a_state_each() {
    let phantom = Phantom::axial(3, 32, 32).edited(|object| {
        let second = text(object, tags::INSTANCE_NUMBER) == "2";
        phantom::text(object, tags::RESCALE_SLOPE, VR::DS, if second { "0.5" } else { "1" });
    });
    let scan = phantom.scan();
    let made =
        states(&scan.source, &shown(&scan.files), &scan.volume, &model::findings(&scan.volume));
    let told: Vec<(String, String, usize)> = made
        .iter()
        .map(|state| {
            assert_eq!(state.series, made[0].series, "one series");
            let object = open(state);
            let series = &items(&object, tags::REFERENCED_SERIES_SEQUENCE)[0];
            let images = items(series, tags::REFERENCED_IMAGE_SEQUENCE).len();
            (text(&object, tags::INSTANCE_NUMBER), text(&object, tags::RESCALE_SLOPE), images)
        })
        .collect();
    assert_eq!(told, [("1".into(), "1".into(), 2), ("2".into(), "0.5".into(), 1)]);
    assert_ne!(made[0].sop_instance, made[1].sop_instance);
    assert_eq!(
        text(&open(&made[1]), tags::SOP_INSTANCE_UID).trim_end_matches('\0'),
        made[1].sop_instance.as_str()
    );
}

#[test]
fn a_mask_of_noise_is_drawn_by_its_longest_lines_and_says_so() {
    let scan = Phantom::axial(1, 64, 64).scan();
    let mut findings = model::findings(&scan.volume);
    findings.masks.truncate(1);
    for (at, voxel) in findings.masks[0].voxels.iter_mut().enumerate() {
        *voxel = u8::from(at % 2 == 0 && (at / 64) % 2 == 0);
    }
    let object = open(&one(&scan, &findings));
    let annotation = &items(&object, tags::GRAPHIC_ANNOTATION_SEQUENCE)[0];
    assert_eq!(items(annotation, tags::GRAPHIC_OBJECT_SEQUENCE).len(), 64);
    let words = &items(annotation, tags::TEXT_OBJECT_SEQUENCE)[0];
    let said = text(words, tags::UNFORMATTED_TEXT_VALUE);
    assert_eq!(said, "Lung (the longest 64 of 1024 lines)");
}

#[test]
fn frames_are_shown_by_their_functional_groups_and_named_by_their_numbers() {
    use dicom_core::DataElement;
    use dicom_core::value::DataSetSequence;
    let group = |macro_of, values: &[(dicom_core::Tag, VR, &str)]| {
        let (mut inner, mut outer) = (Object::new_empty(), Object::new_empty());
        values.iter().for_each(|(tag, vr, value)| phantom::text(&mut inner, *tag, *vr, value));
        outer.put(DataElement::new(macro_of, VR::SQ, DataSetSequence::from(vec![inner])));
        outer
    };
    let phantom = Phantom::axial(3, 32, 32).edited(move |object| {
        for tag in [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT, tags::RESCALE_TYPE] {
            object.remove_element(tag);
        }
        let values = [
            (tags::RESCALE_SLOPE, VR::DS, "2"),
            (tags::RESCALE_INTERCEPT, VR::DS, "-7"),
            (tags::RESCALE_TYPE, VR::LO, "HU"),
        ];
        let shared = group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, &values);
        let window = |centre| {
            let values =
                [(tags::WINDOW_CENTER, VR::DS, centre), (tags::WINDOW_WIDTH, VR::DS, "90")];
            group(tags::FRAME_VOILUT_SEQUENCE, &values)
        };
        let each = vec![window("10"), window("20"), window("10")];
        for (tag, groups) in [
            (tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]),
            (tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, each),
        ] {
            object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(groups)));
        }
    });
    let mut scan = phantom.scan();
    let image = scan.volume.slices[0].sop_instance.clone();
    for (slice, number) in scan.volume.slices.iter_mut().zip(1..) {
        (slice.sop_instance, slice.frame) = (image.clone(), Some(number));
    }
    scan.source.instances.truncate(1);
    scan.files.truncate(1);
    let object = open(&one(&scan, &model::findings(&scan.volume)));
    assert_eq!(text(&object, tags::RESCALE_SLOPE), "2");
    assert_eq!(text(&object, tags::RESCALE_INTERCEPT), "-7");
    let windows: Vec<(Vec<f64>, Vec<String>)> = items(&object, tags::SOFTCOPY_VOILUT_SEQUENCE)
        .iter()
        .map(|voi| {
            let references = items(voi, tags::REFERENCED_IMAGE_SEQUENCE).iter();
            let frames = references.map(|of| text(of, tags::REFERENCED_FRAME_NUMBER)).collect();
            (numbers(voi, tags::WINDOW_CENTER), frames)
        })
        .collect();
    let expected =
        [(vec![10.0], vec!["1".to_owned(), "3".into()]), (vec![20.0], vec!["2".to_owned()])];
    assert_eq!(windows, expected);
    let series = &items(&object, tags::REFERENCED_SERIES_SEQUENCE)[0];
    let [of] = items(series, tags::REFERENCED_IMAGE_SEQUENCE) else { panic!("one image") };
    assert_eq!(text(of, tags::REFERENCED_FRAME_NUMBER), "1\\2\\3");
}

fn on_film(radiograph: &Radiograph) -> Vec<ResultObject> {
    let of = model::findings(&Phantom::axial(1, 8, 8).scan().volume);
    let mut findings = film::findings(of, Ok(87.5), None);
    let place = Place::Film(Rectangle { top: 4.5, left: 2.0, bottom: 20.25, right: 30.0 });
    findings.groups[0].region = Some(Region { colour: ORANGE, place });
    let shown = shown(std::slice::from_ref(&radiograph.file));
    states(&radiograph.source, &shown, &radiograph.film, &findings)
}

#[test]
fn a_box_on_a_film_is_drawn_and_what_is_dark_where_its_numbers_are_high_stays_so() {
    for (radiograph, shape) in [(film::radiograph(), "IDENTITY"), (film::digital(), "INVERSE")] {
        let made = on_film(&radiograph);
        let object = open(&made[0]);
        assert_eq!(text(&object, tags::PRESENTATION_LUT_SHAPE), shape);
        let annotation = &items(&object, tags::GRAPHIC_ANNOTATION_SEQUENCE)[0];
        let line = &items(annotation, tags::GRAPHIC_OBJECT_SEQUENCE)[0];
        let points = line.element(tags::GRAPHIC_DATA).expect("points").to_multi_float32();
        let corners = [2.0, 4.5, 30.0, 4.5, 30.0, 20.25, 2.0, 20.25, 2.0, 4.5];
        assert_eq!(points.expect("numbers"), corners);
        let folder = tempfile::tempdir().expect("a folder");
        let path = kit::file(folder.path(), "state.dcm", &made[0]);
        let source = folder.path().join("source.dcm");
        std::fs::write(&source, &radiograph.file).expect("a file");
        let none = Vec::<String>::new();
        assert_eq!(validators::complaints(&path, &source), none);
        assert_eq!(validators::state_complaints(&path), none);
    }
}

#[test]
fn images_with_colours_have_no_grey_state() {
    let coloured = Phantom::axial(1, 8, 8).edited(|object| {
        phantom::text(object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    });
    let error = Shown::read(&coloured.files().0[0]).expect_err("refused").to_string();
    assert!(error.contains("a presentation state is of grey images"), "{error}");
}

/// For each image the pixels whose middle lies within an odd number of the lines of a layer.
const DRAWN: &str = "
import sys, numpy, pydicom
state = pydicom.dcmread(sys.argv[1])
area = state.DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner
columns, rows = int(area[0]), int(area[1])
y, x = numpy.mgrid[0:rows, 0:columns] + 0.5
for annotation in state.GraphicAnnotationSequence:
    if annotation.GraphicLayer == 'NOTICE':
        continue
    inside = numpy.zeros((rows, columns), bool)
    for line in annotation.GraphicObjectSequence:
        points = numpy.array(line.GraphicData).reshape(-1, 2)
        assert len(points) == line.NumberOfGraphicPoints and (points[0] == points[-1]).all()
        for (a, b), (c, d) in zip(points, points[1:]):
            if b != d:
                crossed = (numpy.minimum(b, d) < y) & (y < numpy.maximum(b, d))
                inside ^= crossed & (x < a + (y - b) * (c - a) / (d - b))
    at = numpy.flatnonzero(inside)
    print(annotation.GraphicLayer, annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID, len(at), at.sum())
";

#[test]
fn pydicom_finds_the_masks_within_the_lines() {
    for (case, phantom) in cases::planes() {
        let scan = phantom.scan();
        let findings = model::findings(&scan.volume);
        let folder = tempfile::tempdir().expect("a folder");
        let path = kit::file(folder.path(), "state.dcm", &one(&scan, &findings));
        let Some(told) = validators::python_says(DRAWN, &path) else { return };
        let size = scan.volume.geometry.rows * scan.volume.geometry.columns;
        let mut expected = Vec::new();
        for (number, mask) in (1..).zip(&findings.masks) {
            for (voxels, slice) in mask.voxels.chunks(size).zip(&scan.volume.slices) {
                let inside = voxels.iter().enumerate().filter(|(_, voxel)| **voxel != 0);
                let (count, sum) = inside.fold((0, 0), |(n, sum), (at, _)| (n + 1, sum + at));
                if count > 0 {
                    let uid = &slice.sop_instance;
                    expected.push(format!("FINDING_{number} {uid} {count} {sum}"));
                }
            }
        }
        assert_eq!(told, expected, "{case}");
    }
}

#[test]
fn states_of_every_kind_of_source_are_valid() {
    for (case, phantom) in cases::all() {
        let scan = phantom.scan();
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let path = kit::file(folder.path(), "state.dcm", &one(&scan, &findings(&scan)));
        let none = Vec::<String>::new();
        assert_eq!(validators::complaints(&path, source), none, "{case}");
        assert_eq!(validators::state_complaints(&path), none, "{case}");
    }
}

#[test]
fn an_image_that_is_not_of_the_source_is_a_fault_of_the_node() {
    let mut scan = Phantom::axial(2, 32, 32).scan();
    let (job, findings) = (kit::provenance(), model::findings(&scan.volume));
    let all = shown(&scan.files);
    let error =
        presentation_states(&scan.source, &all[..1], &scan.volume, &findings, &job).unwrap_err();
    assert!(error.to_string().contains("not every original is there"), "{error}");
    scan.volume.slices[1].sop_instance = Uid::derived(&["another"]);
    let error = presentation_states(&scan.source, &all, &scan.volume, &findings, &job).unwrap_err();
    assert!(error.to_string().contains("a slice is not of the source"), "{error}");
}
