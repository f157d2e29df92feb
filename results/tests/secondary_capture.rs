//! What a picture shows, and where its frames lie in the patient.

mod kit;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_results::{Picture, ResultObject, render, secondary_capture};
use gantry_terms::findings::Findings;
use kit::phantom::{Phantom, Scan, in_lung};
use kit::reading::{Object, code, items, numbers, open, referenced, text};
use kit::{cases, model};

fn capture(scan: &Scan, findings: &Findings) -> ResultObject {
    secondary_capture(&scan.source, &scan.volume, findings, &kit::provenance()).expect("a picture")
}

fn picture(scan: &Scan, findings: &Findings, slice: usize) -> Picture {
    render(&scan.source, &scan.volume, findings, slice).expect("a picture")
}

fn pixel(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
    let at = (y * picture.width + x) * 3;
    [picture.rgb[at], picture.rgb[at + 1], picture.rgb[at + 2]]
}

fn phantom_case(name: &str) -> Phantom {
    cases::all().into_iter().find(|(case, _)| *case == name).expect("a case").1
}

/// What dciodvfy does not notice when it is missing or wrong.
#[test]
fn a_capture_says_that_it_is_derived_from_what_and_burned_in() {
    let scan = Phantom::axial(3, 64, 96).scan();
    let object = open(&capture(&scan, &model::findings(&scan.volume)));
    for (tag, expected) in [
        (tags::IMAGE_TYPE, "DERIVED\\SECONDARY"),
        (tags::MODALITY, "CT"),
        (tags::CONVERSION_TYPE, "WSD"),
        (tags::BURNED_IN_ANNOTATION, "YES"),
        (tags::PATIENT_ORIENTATION, "L\\P"),
        (tags::LOSSY_IMAGE_COMPRESSION, "00"),
        (tags::PHOTOMETRIC_INTERPRETATION, "RGB"),
        (tags::SERIES_DESCRIPTION, "Lung densitometry overlay (RUO)"),
        (tags::BODY_PART_EXAMINED, "CHEST"),
        (
            tags::DERIVATION_DESCRIPTION,
            "FOR RESEARCH USE ONLY. Lung densitometry 1.0.0: all 3 slices, windowed at -500/1400, \
             scaled up 6 times; masks: Lung, Low attenuation (< -950 HU)",
        ),
    ] {
        assert_eq!(text(&object, tag), expected, "{tag}");
    }
    assert_eq!(code(&object, tags::DERIVATION_CODE_SEQUENCE), "113076");
    let sources = items(&object, tags::SOURCE_IMAGE_SEQUENCE);
    let purpose = |item| code(item, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE);
    assert!(sources.len() == 3 && sources.iter().all(|item| purpose(item) == "121322"));
    let series = items(&object, tags::REFERENCED_SERIES_SEQUENCE);
    assert_eq!(referenced(&series[0]).len(), 3);
    let equipment = items(&object, tags::CONTRIBUTING_EQUIPMENT_SEQUENCE);
    let purposes: Vec<String> = equipment.iter().map(purpose).collect();
    assert_eq!(purposes, ["109101", "109102"]);
}

#[test]
fn what_was_lossy_stays_lossy() {
    let scan = phantom_case("lossy").scan();
    let object = open(&capture(&scan, &model::findings(&scan.volume)));
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION), "01");
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION_RATIO), "10");
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION_METHOD), "ISO_10918_1");
}

#[test]
fn a_long_series_becomes_at_most_64_evenly_spaced_frames() {
    let scan = phantom_case("more slices than frames").scan();
    let object = open(&capture(&scan, &model::findings(&scan.volume)));
    assert_eq!(text(&object, tags::NUMBER_OF_FRAMES), "50");
    let locations = numbers(&object, tags::SLICE_LOCATION_VECTOR);
    assert_eq!((locations.len(), locations[0], locations[49]), (50, -200.0, 241.0));
    assert!(locations.windows(2).all(|pair| pair[1] - pair[0] == 9.0));
    let pointer = object.element(tags::FRAME_INCREMENT_POINTER).expect("a pointer");
    assert_eq!(pointer.value().to_tag().expect("a tag"), tags::SLICE_LOCATION_VECTOR);
    let shared = &items(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[0];
    let measures = &items(shared, tags::PIXEL_MEASURES_SEQUENCE)[0];
    assert_eq!(numbers(measures, tags::SPACING_BETWEEN_SLICES), [9.0]);
    let description = text(&object, tags::DERIVATION_DESCRIPTION);
    assert!(description.contains("50 of 150 slices, evenly spaced (one in 3)"), "{description}");
}

/// The middle of the picture is the middle of the slice, however far it was scaled up.
#[test]
fn frames_lie_where_their_slices_lie() {
    for case in ["complete", "one slice", "oblique"] {
        let scan = phantom_case(case).scan();
        let geometry = &scan.volume.geometry;
        let object = open(&capture(&scan, &model::findings(&scan.volume)));
        let shared = &items(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[0];
        let group = |sequence: Tag, tag: Tag| numbers(&items(shared, sequence)[0], tag);
        let spacing = group(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING);
        let cosines = group(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT);
        let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        assert_eq!(frames.len(), geometry.slices, "{case}");
        for (slice, frame) in frames.iter().enumerate() {
            let position = &items(frame, tags::PLANE_POSITION_SEQUENCE)[0];
            let first = numbers(position, tags::IMAGE_POSITION_PATIENT);
            let number =
                |tag| object.element(tag).expect("a size").to_int::<usize>().expect("a size");
            let (rows, columns) = (number(tags::ROWS), number(tags::COLUMNS));
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
}

#[test]
fn without_a_frame_of_reference_there_is_no_geometry_but_an_aspect() {
    let scan = phantom_case("no frame of reference").scan();
    let object = open(&capture(&scan, &model::findings(&scan.volume)));
    for tag in [
        tags::FRAME_OF_REFERENCE_UID,
        tags::POSITION_REFERENCE_INDICATOR,
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    ] {
        assert!(object.get(tag).is_none(), "{tag}");
    }
    assert_eq!(text(&object, tags::PIXEL_ASPECT_RATIO), "1500\\2000");
}

#[test]
fn a_mask_is_drawn_over_its_own_voxels_and_later_masks_over_earlier_ones() {
    let scan = Phantom::axial(3, 64, 96).scan();
    let findings = model::findings(&scan.volume);
    let picture = picture(&scan, &findings, 1);
    assert_eq!((picture.width, picture.height), (576, 384));
    // Away from the words at the top and the bottom.
    for row in 16..56 {
        for column in 6..90 {
            let [red, green, blue] = pixel(&picture, column * 6 + 3, row * 6 + 3);
            let inside = in_lung(&scan.volume.geometry, 1, row, column);
            let low = inside && row < 25;
            let grey = red == green && green == blue;
            assert_eq!(!grey, inside, "row {row} column {column}");
            assert_eq!(inside && red > blue, low, "row {row} column {column}");
        }
    }
}

#[test]
fn every_frame_bears_the_mark_when_the_model_is_for_research() {
    let scan = Phantom::axial(3, 64, 96).scan();
    let research = model::findings(&scan.volume);
    let mut product = research.clone();
    product.algorithm.research_only = false;
    let amber = |findings: &Findings, slice| {
        let picture = picture(&scan, findings, slice);
        let pixels = picture.rgb[..picture.width * 10 * 3].chunks(3);
        pixels.filter(|pixel| *pixel == [255, 190, 60]).count()
    };
    for slice in 0..3 {
        assert!(amber(&research, slice) > 100, "slice {slice}");
        assert_eq!(amber(&product, slice), 0, "slice {slice}");
    }
}

/// As a reader sees it.
const MARK: [&str; 7] = [
    "#####  ###  ####        ####  #####  #### #####  ###  ####   ###  #   #       #   #  #### #####        ###  #   # #     #   #",
    "#     #   # #   #       #   # #     #     #     #   # #   # #   # #   #       #   # #     #           #   # #   # #     #   #",
    "#     #   # #   #       #   # #     #     #     #   # #   # #     #   #       #   # #     #           #   # ##  # #     #   #",
    "####  #   # ####        ####  ####   ###  ####  #   # ####  #     #####       #   #  ###  ####        #   # # # # #      # #",
    "#     #   # # #         # #   #         # #     ##### # #   #     #   #       #   #     # #           #   # #  ## #       #",
    "#     #   # #  #        #  #  #         # #     #   # #  #  #   # #   #       #   #     # #           #   # #   # #       #",
    "#      ###  #   #       #   # ##### ####  ##### #   # #   #  ###  #   #        ###  ####  #####        ###  #   # #####   #",
];

#[test]
fn the_mark_can_be_read() {
    let scan = Phantom::axial(1, 64, 96).scan();
    let picture = picture(&scan, &model::findings(&scan.volume), 0);
    let is_amber = |row: usize, column: usize| pixel(&picture, column, row) == [255, 190, 60];
    let rows: Vec<usize> = (0..picture.height / 8)
        .filter(|row| (0..picture.width).any(|column| is_amber(*row, column)))
        .collect();
    let columns: Vec<usize> = (0..picture.width)
        .filter(|column| rows.iter().any(|row| is_amber(*row, *column)))
        .collect();
    let (top, left) = (rows[0], columns[0]);
    let side = (rows[rows.len() - 1] + 1 - top) / MARK.len();
    let right = columns[columns.len() - 1];
    let seen: Vec<String> = (0..MARK.len())
        .map(|row| {
            let point = |column: usize| is_amber(top + row * side + side / 2, column + side / 2);
            let points = (left..=right).step_by(side).map(|at| if point(at) { '#' } else { ' ' });
            points.collect::<String>().trim_end().to_owned()
        })
        .collect();
    assert_eq!(seen, MARK, "\n{}", seen.join("\n"));
}

#[test]
fn a_rendered_slice_is_the_frame_of_the_capture() {
    let scan = phantom_case("more slices than frames").scan();
    let findings = model::findings(&scan.volume);
    let object = open(&capture(&scan, &findings));
    let pixels = object.element(tags::PIXEL_DATA).expect("pixels").to_bytes().expect("bytes");
    for (frame, slice) in [(0, 0), (1, 3), (49, 147)] {
        let picture = picture(&scan, &findings, slice);
        let size = picture.rgb.len();
        assert_eq!(pixels[frame * size..(frame + 1) * size], picture.rgb, "frame {frame}");
    }
    assert!(render(&scan.source, &scan.volume, &findings, 150).is_err());
}

/// Its own windows were applied when it was read.
#[test]
fn a_volume_that_came_as_a_display_shows_it_is_drawn_as_it_is() {
    let mut scan = Phantom::axial(3, 64, 96).scan();
    scan.volume.displayed = true;
    let parts = [0.0, 0.2, 1.0];
    scan.volume.voxels.iter_mut().enumerate().for_each(|(at, v)| *v = parts[at % 96 / 32]);
    let mut findings = model::findings(&scan.volume);
    findings.masks.clear();
    let object = open(&capture(&scan, &findings));
    let description = text(&object, tags::DERIVATION_DESCRIPTION);
    assert!(description.contains("as the source is displayed"), "{description}");
    let picture = picture(&scan, &findings, 1);
    let scale = picture.width / 96;
    let found = [16, 48, 80].map(|x| pixel(&picture, x * scale, 32 * scale)[0]);
    assert_eq!(found, [0, 51, 255]);
}

#[test]
fn a_window_that_hides_what_was_found_is_not_used() {
    let window = |edit: fn(&mut Object)| {
        let scan = Phantom::axial(2, 32, 32).edited(edit).scan();
        let object = open(&capture(&scan, &model::findings(&scan.volume)));
        let text = text(&object, tags::DERIVATION_DESCRIPTION);
        let from = text.find("windowed at ").expect("a window") + 12;
        text[from..].split([';', ',']).next().expect("a window").to_owned()
    };
    assert_eq!(window(|_| {}), "-500/1400");
    assert_eq!(
        window(|object| {
            kit::phantom::text(object, tags::WINDOW_CENTER, dicom_core::VR::DS, "40");
            kit::phantom::text(object, tags::WINDOW_WIDTH, dicom_core::VR::DS, "350");
        }),
        "-600/1500"
    );
    let span = window(|object| {
        kit::phantom::text(object, tags::MODALITY, dicom_core::VR::CS, "PT");
        kit::phantom::text(object, tags::WINDOW_WIDTH, dicom_core::VR::DS, "1\\0");
    });
    assert_eq!(span, "-490/1020");
}
