//! Slices that make a volume, and slices that do not, with the reason that an admin reads.

mod kit;

use gantry_inference::assembly::Assembly;
use gantry_inference::manifest::Manifest;
use gantry_terms::volume::Volume;
use kit::modality::Scan;
use std::path::Path;

fn manifest(limits: &str) -> Manifest {
    let source =
        kit::author::MANIFEST.replace("[[group]]", &format!("[input.limits]\n{limits}\n[[group]]"));
    Manifest::parse(Path::new("model.toml"), &source).unwrap()
}

fn assemble(manifest: &Manifest, slices: &[Scan]) -> Result<Volume, String> {
    let mut assembly = Assembly::new(manifest.lead());
    for slice in slices {
        assembly.add(&slice.file()).map_err(|error| error.to_string())?;
    }
    assembly.finish().map_err(|error| error.to_string())
}

/// The reason why the slices are refused.
fn reason(slices: &[Scan]) -> String {
    assemble(&manifest(""), slices).unwrap_err()
}

#[test]
fn a_missing_slice_is_named_by_its_neighbours_and_the_distance() {
    let mut slices = Scan::default().stack(20);
    slices.remove(12);
    let expected = "a gap: 1 slice is missing between instance number 12 and instance number 14 \
                    (4.0 mm instead of 2.0 mm)";
    assert_eq!(reason(&slices), expected);
    slices.remove(12);
    let expected = "a gap: 2 slices are missing between instance number 12 and instance number 15 \
                    (6.0 mm instead of 2.0 mm)";
    assert_eq!(reason(&slices), expected);
}

#[test]
fn the_same_place_twice_and_uneven_distances_are_refused() {
    let mut slices = Scan::default().stack(5);
    let mut again = slices[2].clone();
    again.instance_number = "77".into();
    slices.push(again);
    let expected = "two slices at the same place: instance number 3 and instance number 77";
    assert_eq!(reason(&slices), expected);
    let mut slices = Scan::default().stack(5);
    slices[4].position[2] += 0.7;
    let expected = "uneven spacing: instance number 4 and instance number 5 are 2.70 mm apart, \
                    the others 2.00 mm";
    assert_eq!(reason(&slices), expected);
    slices[4].position[2] -= 0.6;
    assert!(assemble(&manifest(""), &slices).is_ok(), "rounded positions are even enough");
}

/// 100 steps of 1.09 mm and 100 of 1.00 mm: each is within a tenth of the usual one, and masks would lie up to 4.5 mm
/// beside what they are of. `numpy.abs(places - numpy.linspace(places[0], places[-1], 201)).max()` is 4.5, at 100.
#[test]
fn small_differences_of_distances_that_add_up_are_refused_with_the_slice_and_the_millimetres() {
    let stack = |first: f64, second: f64, each: u32| {
        let mut slices = Scan::default().stack(2 * each + 1);
        let mut place = -30.0;
        for (at, slice) in (0..).zip(&mut slices) {
            slice.position[2] = place;
            place += if at < each { first } else { second };
        }
        slices
    };
    let expected = "uneven spacing: instance number 101 is 4.50 mm beside its place in a stack of even \
                    steps of 1.045 mm";
    assert_eq!(reason(&stack(1.09, 1.0, 100)), expected);
    // Five steps of each: a quarter of a step at the most.
    assert!(assemble(&manifest(""), &stack(1.09, 1.0, 5)).is_ok());
    assert!(assemble(&manifest(""), &stack(1.05, 1.0, 100)).is_err());
    assert!(assemble(&manifest(""), &stack(1.002, 1.0, 100)).is_ok(), "rounding is even enough");
}

#[test]
fn a_tilted_gantry_is_refused_and_an_oblique_stack_is_not() {
    let mut tilted = Scan::default().stack(10);
    for (at, slice) in tilted.iter_mut().enumerate() {
        slice.position[1] += at as f64 * 0.5;
    }
    let expected = "the stack leans by 14.0 degrees (gantry tilt): instance number 2 is 0.5 mm \
                    beside the place above the first slice";
    assert_eq!(reason(&tilted), expected);
    let (sine, cosine) = 30f64.to_radians().sin_cos();
    let turned = [1.0, 0.0, 0.0, 0.0, cosine, sine];
    let oblique = Scan { orientation: turned, position: [-100.0, -50.0, 7.0], ..Scan::default() };
    let volume = assemble(&manifest(""), &oblique.stack(10)).unwrap();
    let normal = volume.geometry.normal();
    assert!((normal[1] + sine).abs() < 1e-9 && (normal[2] - cosine).abs() < 1e-9, "{normal:?}");
    assert!((volume.geometry.slice_step - 2.0).abs() < 1e-9);
    let limited = manifest("degrees-from-axial = { max = 20 }");
    let expected = "the angle to the axial plane in degrees is 30, the model takes up to 20";
    assert_eq!(assemble(&limited, &oblique.stack(10)).unwrap_err(), expected);
}

#[test]
fn the_plane_of_the_slices_and_loss_are_refused_where_the_manifest_says_so() {
    let sagittal = Scan { orientation: [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], ..Scan::default() };
    let coronal = Scan { orientation: [1.0, 0.0, 0.0, 0.0, 0.0, -1.0], ..Scan::default() };
    let limited = manifest("degrees-from-sagittal = { max = 20 }");
    assert!(assemble(&limited, &sagittal.stack(4)).is_ok());
    let expected = "the angle to the sagittal plane in degrees is 90, the model takes up to 20";
    assert_eq!(assemble(&limited, &coronal.stack(4)).unwrap_err(), expected);
    let limited = manifest("degrees-from-coronal = { max = 20 }");
    assert!(assemble(&limited, &coronal.stack(4)).is_ok());
    let expected = "the angle to the coronal plane in degrees is 90, the model takes up to 20";
    assert_eq!(assemble(&limited, &sagittal.stack(4)).unwrap_err(), expected);
    let mut more = Vec::new();
    kit::modality::text(&mut more, 0x0028_2110, b"CS", "01");
    let lossy = Scan { more, ..Scan::default() }.stack(4);
    assert!(assemble(&manifest(""), &lossy).is_ok());
    let expected = "instance number 1 was compressed with loss, which the model does not take";
    assert_eq!(assemble(&manifest("lossy = false"), &lossy).unwrap_err(), expected);
}

#[test]
fn padding_of_a_volume_counts_for_nothing_and_becomes_what_the_manifest_says() {
    let source = kit::author::MANIFEST.replace(
        "slice-order = \"along-normal\"\n",
        "slice-order = \"along-normal\"\npadding = -5\nsteps = [{ min-max = {} }]\n",
    );
    let manifest = Manifest::parse(Path::new("model.toml"), &source).unwrap();
    let mut more = Vec::new();
    kit::modality::element(&mut more, 0x0028_0120, b"SS", &(-2000i16).to_le_bytes());
    let mut slices = Scan { more, bits_stored: 16, signed: true, ..Scan::default() }.stack(4);
    let mut pixels = vec![100; 256];
    (pixels[0], pixels[1]) = (-2000i16 as u16, 0);
    slices[2].pixels = pixels;
    let volume = assemble(&manifest, &slices).unwrap();
    assert!(volume.voxels[512].is_nan(), "no measurement");
    assert_eq!(volume.voxels.iter().filter(|voxel| voxel.is_nan()).count(), 1);
    let kept = assemble(&self::manifest(""), &slices).unwrap();
    assert_eq!(kept.voxels[512], -3024.0, "as it stands where nothing is said");
}

#[test]
fn slices_run_along_the_normal_whatever_the_orientation() {
    // Feet first, prone: rows run to the right, the normal points to the feet.
    let feet = Scan { orientation: [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0], ..Scan::default() };
    let mut slices = feet.stack(4);
    slices.reverse();
    let volume = assemble(&manifest(""), &slices).unwrap();
    assert_eq!(volume.geometry.normal(), [0.0, 0.0, -1.0]);
    let heights: Vec<f64> = volume.slices.iter().map(|slice| slice.position[2]).collect();
    assert_eq!(heights, [0.0, -2.0, -4.0, -6.0]);
    let greys: Vec<f32> = volume.voxels.chunks(256).map(|slice| slice[0]).collect();
    assert_eq!(greys, [-1000.0, -999.0, -998.0, -997.0]);
}

#[test]
fn slices_that_differ_in_what_must_be_the_same_are_refused() {
    let check = |change: fn(&mut Scan), expected: &str| {
        let mut slices = Scan::default().stack(5);
        change(&mut slices[3]);
        let reason = reason(&slices);
        assert!(reason.starts_with(expected), "{reason}");
    };
    let both = "instance number 1 and instance number 4";
    check(|s| s.orientation = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0], "mixed orientations");
    check(|s| s.pixel_spacing = [0.7, 0.8], &format!("{both} have different Pixel Spacing"));
    check(|s| s.frame_of_reference = "1.9", &format!("{both} have different Frames of Reference"));
    check(|s| s.rows = 8, &format!("{both} have different numbers of rows or columns"));
    check(
        |s| s.orientation = [1.0, 0.1, 0.0, 0.0, 1.0, 0.0],
        "instance number 4 has row and column directions that are not perpendicular unit vectors",
    );
    check(|s| s.modality = "MR", "instance number 4 is of another modality than CT");
}

#[test]
fn each_image_that_can_not_be_used_is_refused_with_what_it_lacks() {
    let check = |change: fn(&mut Scan), expected: &str| {
        let mut scan = Scan::default();
        change(&mut scan);
        let reason = reason(&[scan]);
        assert!(reason.starts_with(expected), "{reason}");
        assert!(!reason.contains("SECRET"), "no patient in a reason: {reason}");
    };
    let vast = |s: &mut Scan| {
        (s.rows, s.columns) = (65_535, 65_535);
        s.pixels = vec![0; 9];
    };
    check(|s| s.slope = "".into(), "instance number 1 lacks a usable Rescale Slope");
    check(|s| s.slope = "0".into(), "instance number 1 lacks a usable Rescale Slope");
    check(|s| s.intercept = "x".into(), "instance number 1 lacks a usable Rescale Intercept");
    check(|s| s.position[1] = f64::NAN, "instance number 1 lacks a usable Image Position");
    check(|s| s.pixel_spacing = [0.0, 1.0], "instance number 1 lacks a usable Pixel Spacing");
    check(|s| s.frames = Some("30"), "instance number 1 has 30 frames");
    check(|s| s.photometric = "RGB", "instance number 1 is neither grey");
    check(|s| (s.photometric, s.samples) = ("RGB", 3), "instance number 1 is not a grey image");
    check(
        |s| s.slope = "3e38".into(),
        "instance number 1 has a Rescale Slope or Rescale Intercept by",
    );
    check(|s| s.photometric = "MONOCHROME1", "instance number 1 is inverted (MONOCHROME1)");
    check(|s| s.bits_stored = 17, "instance number 1 has 17 bits stored of 16");
    check(|s| s.bits_stored = 0, "instance number 1 has 0 bits stored of 16");
    check(|s| s.bits_allocated = 32, "instance number 1 has 12 bits stored of 32");
    check(|s| s.pixels = vec![0; 9], "instance number 1 has 18 bytes of pixels where 512 are");
    check(vast, "instance number 1 has 65535 x 65535 pixels");
    check(
        |s| s.transfer_syntax = "1.2.840.10008.1.2.4.51",
        "instance number 1 has the transfer syntax 1.2.840.10008.1.2.4.51",
    );
    check(
        |s| s.transfer_syntax = "1.2.840.10008.1.2.4.90",
        "instance number 1 has compressed pixels that do not begin like its transfer syntax",
    );
    let nameless = |s: &mut Scan| {
        s.instance_number = "".into();
        s.slope = "".into();
    };
    check(nameless, "image 1 as given lacks a usable Rescale Slope");
    check(|s| s.thickness = "".into(), "a single slice without Slice Thickness has no volume");
    assert_eq!(reason(&[]), "there are no slices");
}

#[test]
fn signed_and_unsigned_pixels_become_hounsfield_units_slice_by_slice() {
    let check = |signed: bool, bits: u16, word: u16, slope: &str, intercept: &str, hu: f32| {
        let scan = Scan {
            signed,
            bits_stored: bits,
            pixels: vec![word],
            slope: slope.into(),
            intercept: intercept.into(),
            ..Scan::default()
        };
        let volume = assemble(&manifest(""), &[scan]).unwrap();
        assert_eq!(volume.voxels, vec![hu; 256], "{bits} bits of {word:#06x}");
    };
    check(false, 12, 0x0FFF, "1", "-1024", 3071.0);
    check(false, 16, 0xFFFF, "1", "-1024", 64511.0);
    check(true, 12, 0x0FFF, "1", "0", -1.0);
    check(true, 12, 0x0800, "1", "0", -2048.0);
    check(true, 16, 0xFC18, "1", "0", -1000.0);
    check(false, 12, 0xF001, "1", "0", 1.0); // what stands above the stored bits is no pixel
    check(true, 16, 0x0003, "0.5", "-1e3", -998.5);
    let mut slices = Scan::default().stack(2);
    slices[1].slope = "2".into();
    let volume = assemble(&manifest(""), &slices).unwrap();
    assert_eq!((volume.voxels[0], volume.voxels[256]), (-1000.0, -974.0));
}

#[test]
fn a_series_outside_of_the_models_limits_is_refused_with_both_numbers() {
    let check = |limits: &str, expected: &str| {
        let refused = assemble(&manifest(limits), &Scan::default().stack(5)).unwrap_err();
        assert_eq!(refused, expected);
    };
    check("slices = { min = 10 }", "the number of slices is 5, the model takes 10 and more");
    check(
        "pixel-spacing = { min = 0.8, max = 1.0 }",
        "the pixel spacing in mm is 0.7, the model takes 0.8 to 1",
    );
    check(
        "slice-step = { max = 1.5 }",
        "the distance of slices in mm is 2, the model takes up to 1.5",
    );
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_and_nothing_panics() {
    let file = Scan::default().file();
    for cut in 0..file.len() {
        let mut assembly = Assembly::new(manifest("").lead());
        assert!(assembly.add(&file[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn intensities_of_any_unit_are_rescaled_where_the_images_say_how() {
    let source =
        kit::author::MANIFEST.replace("\"hounsfield\"", "\"rescaled\"").replace("\"CT\"", "\"MR\"");
    let manifest = Manifest::parse(Path::new("model.toml"), &source).unwrap();
    let head = |slope: &str, intercept: &str| Scan {
        modality: "MR",
        slope: slope.into(),
        intercept: intercept.into(),
        ..Scan::default()
    };
    let voxel = |slope: &str, intercept: &str| {
        let slices = head(slope, intercept).stack(3);
        assemble(&manifest, &slices).map(|volume| volume.voxels[0])
    };
    assert_eq!(voxel("", ""), Ok(24.0), "as stored");
    assert_eq!(voxel("2.5", "-10"), Ok(50.0));
    let reason = |slope: &str, intercept: &str| voxel(slope, intercept).unwrap_err();
    assert_eq!(reason("2,5", "0"), "instance number 1 lacks a usable Rescale Slope");
    assert_eq!(reason("", "0"), "instance number 1 lacks a usable Rescale Slope");
    assert_eq!(reason("2", ""), "instance number 1 lacks a usable Rescale Intercept");
    let mut mixed = head("2.5", "0").stack(4);
    (mixed[2].slope, mixed[2].intercept) = (String::new(), String::new());
    let expected = "instance number 3 has neither a Rescale Slope nor a Modality LUT Sequence, unlike others of the \
                    series: its numbers are of another kind (PS3.3 C.11.1)";
    assert_eq!(assemble(&manifest, &mixed).unwrap_err(), expected);
    for length in [0, u32::MAX] {
        let mut slices = head("", "").stack(3);
        slices[0].lut = Some(length);
        let expected =
            "instance number 1 has a Modality LUT Sequence that can not be read (PS3.3 C.11)";
        assert_eq!(assemble(&manifest, &slices).unwrap_err(), expected);
    }
}
