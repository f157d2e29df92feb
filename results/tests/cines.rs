//! Results of the frames of a cine, as readers of other makers understand them: each is of the frame that it was found in.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::secondary_capture::render;
use gantry_results::segmentation::{Form, segmentation};
use gantry_results::{
    Shown, key_objects, presentation_states, secondary_capture, structured_report,
    structured_report_of_segments,
};
use gantry_terms::film::Film;
use gantry_terms::findings::Findings;
use kit::cines::{self, FRAMES};
use kit::film::Radiograph;
use kit::reading::{Object, code, content, items, open, text};
use kit::validators;

/// A source that has faults of its own would hide those of its results.
#[test]
fn the_sources_are_what_their_iods_ask_for() {
    for (kind, cine) in cines::all() {
        let folder = tempfile::tempdir().expect("a folder");
        let [path, nothing] = ["source.dcm", "nothing.dcm"].map(|name| folder.path().join(name));
        std::fs::write(&path, &cine.file).expect("a file");
        std::fs::write(&nothing, b"").expect("a file");
        assert_eq!(validators::complaints(&path, &nothing), Vec::<String>::new(), "{kind}");
    }
}

/// highdicom, of a segmentation of frames: segment, frame, how many voxels, and the sum of their indices in the frame.
const BY_FRAME: &str = "
import sys, numpy, highdicom
seg = highdicom.seg.segread(sys.argv[1])
[source] = {r.ReferencedSOPInstanceUID for s in seg.ReferencedSeriesSequence for r in s.ReferencedInstanceSequence}
planes = seg.get_pixels_by_source_frame(source, range(1, 7), assert_missing_frames_are_empty=True, rescale_fractional=False)
for frame, plane in enumerate(planes, 1):
    for segment in range(plane.shape[-1]):
        values = plane[..., segment].ravel().astype('int64')
        print(segment + 1, frame, numpy.count_nonzero(values), int((values * numpy.arange(values.size)).sum()))
";

fn by_frame(film: &Film, segments: &[&Vec<u8>]) -> Vec<String> {
    let mut lines = Vec::new();
    for frame in 0..film.frames {
        for (segment, number) in segments.iter().zip(1..) {
            let size = film.rows * film.columns;
            let pixels = &segment[frame * size..(frame + 1) * size];
            let count = pixels.iter().filter(|pixel| **pixel != 0).count();
            let sum: u64 = (0..).zip(pixels).map(|(at, pixel)| at * u64::from(*pixel)).sum();
            lines.push(format!("{number} {} {count} {sum}", frame + 1));
        }
    }
    lines
}

#[test]
fn segments_lie_on_the_frames_that_they_were_found_in() {
    for (kind, Radiograph { source, film, .. }) in cines::all() {
        let (findings, job) = (cines::findings(&film), kit::provenance());
        let masks: Vec<&Vec<u8>> = findings.masks.iter().map(|mask| &mask.voxels).collect();
        let probable = findings.masks.iter().map(|mask| &mask.probabilities).collect();
        for (form, values, frames) in [
            (Form::Binary, masks.clone(), "6"),
            (Form::Fractional, probable, "6"),
            (Form::LabelMap, masks, "4"),
        ] {
            let result = segmentation(&source, &film, &findings, form, &job).expect("segments");
            let object = open(&result);
            assert_eq!(text(&object, tags::NUMBER_OF_FRAMES), frames, "{kind} {form:?}");
            for tag in [tags::FRAME_OF_REFERENCE_UID, tags::DIMENSION_ORGANIZATION_TYPE] {
                assert_eq!(text(&object, tag), "-", "{kind}");
            }
            // Frames of nuclear medicine are told apart by more than time.
            let first = &items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)[0];
            let first = &items(first, tags::FRAME_CONTENT_SEQUENCE)[0];
            let by = [tags::TEMPORAL_POSITION_INDEX, tags::FRAME_LABEL].map(|tag| text(first, tag));
            let expected = if kind == "NM" { ["-", "frame 2"] } else { ["1", "-"] };
            assert_eq!(by, expected, "{kind}");
            let folder = tempfile::tempdir().expect("a folder");
            let file = kit::file(folder.path(), "segments.dcm", &result);
            let Some(found) = validators::python_says(BY_FRAME, &file) else { continue };
            assert_eq!(found, by_frame(&film, &values), "{kind} {form:?}");
        }
    }
}

fn groups(report: &Object) -> Vec<&Object> {
    content(content(report, "126010")[0], "125007")
}

fn template(group: &Object) -> String {
    text(&items(group, tags::CONTENT_TEMPLATE_SEQUENCE)[0], tags::TEMPLATE_IDENTIFIER)
}

/// Frame and segment of what an item refers to.
fn of(item: &Object) -> [String; 2] {
    let reference = &items(item, tags::REFERENCED_SOP_SEQUENCE)[0];
    [tags::REFERENCED_FRAME_NUMBER, tags::REFERENCED_SEGMENT_NUMBER].map(|tag| text(reference, tag))
}

/// The masks lie on the frames 2, 3 and 5, and 3, 4 and 5: the first three frames of their object are of the first one.
#[test]
fn a_figure_of_a_frame_refers_to_the_frame_of_its_segment() {
    let Radiograph { file, source, film } = cines::ultrasound();
    let (findings, job) = (cines::findings(&film), kit::provenance());
    let object = segmentation(&source, &film, &findings, Form::Binary, &job).expect("segments");
    let result = structured_report_of_segments(&source, &film, &findings, &object, &job);
    let result = result.expect("a report");
    let report = open(&result);
    let groups = groups(&report);
    assert_eq!(groups.len(), FRAMES + 1);
    for (group, (frame, on)) in groups.iter().zip((1..).zip([0, 1, 2, 0, 3, 0])) {
        let source = format!("{frame}");
        if on == 0 {
            assert_eq!(template(group), "1501");
            assert_eq!(of(content(group, "121112")[0]), [source.as_str(), "-"]);
            continue;
        }
        assert_eq!(template(group), "1410");
        assert_eq!(of(content(group, "121214")[0]), [on.to_string().as_str(), "-"]);
        assert_eq!(of(content(group, "121233")[0]), [source.as_str(), "-"]);
        assert!(content(group, "121112").is_empty());
    }
    let outlined = groups[FRAMES];
    assert_eq!(template(outlined), "1410");
    let source = &items(content(outlined, "111030")[0], tags::CONTENT_SEQUENCE)[0];
    assert_eq!(of(source), ["5", "-"]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = kit::file(folder.path(), "report.dcm", &result);
    let source = folder.path().join("source.dcm");
    std::fs::write(&source, file).expect("a file");
    assert_eq!(validators::complaints(&path, &source), Vec::<String>::new());
    assert_eq!(validators::report_complaints(&path), Vec::<String>::new());
    let script = "
import sys, highdicom
content = highdicom.sr.srread(sys.argv[1]).content
print(len(content.get_image_measurement_groups()))
for group in content.get_planar_roi_measurement_groups():
    frame = group.referenced_segmentation_frame
    [number] = group.get_measurements()
    where = group.roi.value.tolist()[0] if frame is None else frame[0].referenced_frame_numbers
    print(where, float(number.value), number.unit.value)
";
    let Some(lines) = validators::python_says(script, &path) else { return };
    let mut expected = vec![(FRAMES - 3).to_string()];
    for (frame, at) in [2, 3, 5].into_iter().zip(1..) {
        let area = findings.groups[frame - 1].measurements[0].value.expect("an area");
        expected.push(format!("[{at}] {area:?} {{pixels}}"));
    }
    expected.push("[2.0, 4.5] 90.0 %".into());
    assert_eq!(lines, expected);
}

#[test]
fn without_a_segmentation_a_figure_refers_to_its_frame() {
    let Radiograph { source, film, .. } = cines::ultrasound();
    let findings = cines::findings(&film);
    let report = structured_report(&source, &film, &findings, &kit::provenance());
    let report = open(&report.expect("a report"));
    for (group, frame) in groups(&report).iter().take(FRAMES).zip(1..) {
        assert_eq!(of(content(group, "121112")[0]), [format!("{frame}").as_str(), "-"]);
        assert_eq!(
            code(content(group, "42798000")[0], tags::CONCEPT_NAME_CODE_SEQUENCE),
            "42798000"
        );
    }
}

/// Bytes of the picture of one frame between the words above and those below: each pixel of the source once.
fn between(
    source: &gantry_results::Source,
    film: &Film,
    findings: &Findings,
    at: usize,
) -> Vec<[u8; 3]> {
    let picture = render(source, film, findings, at).expect("a picture");
    let factor = picture.width / film.columns;
    let pixel = |row: usize, column: usize| {
        let at = (row * factor * picture.width + column * factor) * 3;
        [0, 1, 2].map(|channel| picture.rgb[at + channel])
    };
    (15..25)
        .flat_map(|row| (8..42).map(move |column| (row, column)))
        .map(|(r, c)| pixel(r, c))
        .collect()
}

#[test]
fn the_capture_shows_the_frames_that_show_something_in_their_own_colours() {
    for (kind, Radiograph { source, film, .. }) in cines::all() {
        let (findings, job) = (cines::findings(&film), kit::provenance());
        let capture = secondary_capture(&source, &film, &findings, &job).expect("a capture");
        let capture = open(&capture);
        assert_eq!(text(&capture, tags::NUMBER_OF_FRAMES), "4", "{kind}");
        assert_eq!(text(&capture, tags::PAGE_NUMBER_VECTOR), "2\\3\\4\\5", "{kind}");
        let reference = &items(&capture, tags::SOURCE_IMAGE_SEQUENCE)[0];
        assert_eq!(text(reference, tags::REFERENCED_FRAME_NUMBER), "2\\3\\4\\5", "{kind}");
        let told = text(&capture, tags::DERIVATION_DESCRIPTION);
        assert!(told.contains("all 4 frames that show what was found, of 6 frames"), "{told}");

        let nothing = Findings { masks: vec![], groups: vec![], ..findings.clone() };
        for at in [0, 4] {
            let plain = between(&source, &film, &nothing, at);
            let size = film.rows * film.columns;
            let frame = film.frame(at);
            let pixels =
                (15..25).flat_map(|row| (8..42).map(move |column| row * film.columns + column));
            for (pixel, shown) in pixels.zip(&plain).filter(|_| film.channels == 3) {
                let own =
                    [0, 1, 2].map(|channel| (frame[channel * size + pixel] * 255.0).round() as u8);
                assert_eq!(*shown, own, "{kind}");
            }
            // The outline is on the fifth frame, and so are both masks.
            let drawn = between(&source, &film, &findings, at);
            let changed = drawn.iter().zip(&plain).filter(|(a, b)| a != b).count();
            assert_eq!(changed > 0, at == 4, "{kind}: frame {}", at + 1);
        }
        let all = secondary_capture(&source, &film, &nothing, &job).expect("a capture");
        let all = open(&all);
        assert_eq!(text(&all, tags::NUMBER_OF_FRAMES), "6", "where nothing is found all are shown");
        let reference = &items(&all, tags::SOURCE_IMAGE_SEQUENCE)[0];
        assert_eq!(text(reference, tags::REFERENCED_FRAME_NUMBER), "-");
    }
}

#[test]
fn outlines_and_key_images_name_their_frames() {
    let Radiograph { file, source, film } = cines::ultrasound();
    let (findings, job) = (cines::findings(&film), kit::provenance());
    let shown = Shown::read(&file).expect("a readable source");
    let states = presentation_states(&source, &[shown], &film, &findings, &job).expect("a state");
    let [state] = states.as_slice() else { panic!("one state") };
    let state = open(state);
    let images = &items(&state, tags::REFERENCED_SERIES_SEQUENCE)[0];
    let image = &items(images, tags::REFERENCED_IMAGE_SEQUENCE)[0];
    assert_eq!(text(image, tags::REFERENCED_FRAME_NUMBER), "2\\3\\4\\5");
    let mut drawn: Vec<[String; 2]> = Vec::new();
    for annotation in items(&state, tags::GRAPHIC_ANNOTATION_SEQUENCE) {
        let Some(image) = items(annotation, tags::REFERENCED_IMAGE_SEQUENCE).first() else {
            continue;
        };
        let frame = text(image, tags::REFERENCED_FRAME_NUMBER);
        drawn.push([text(annotation, tags::GRAPHIC_LAYER), frame]);
    }
    let expected = [(1, 2), (1, 3), (1, 5), (2, 3), (2, 4), (2, 5), (3, 5)];
    assert_eq!(
        drawn,
        expected.map(|(layer, frame)| [format!("FINDING_{layer}"), frame.to_string()])
    );

    let selection = key_objects(&source, &film, &findings, &job).expect("a selection");
    let selection = open(&selection.expect("something abnormal is there"));
    let images = items(&selection, tags::CONTENT_SEQUENCE).iter();
    let images = images.filter(|item| text(item, tags::VALUE_TYPE) == "IMAGE");
    assert_eq!(images.map(|image| of(image)[0].clone()).collect::<Vec<_>>(), ["3\\4\\5"]);
    assert!(Shown::read(&cines::coloured().file).is_err(), "of colours there are no outlines");
}
