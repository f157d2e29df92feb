//! Images of many frames that a model made of such images: frame by frame as the original, with its functional groups.

mod kit;

use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use gantry_results::{ResultObject, derived_images};
use gantry_terms::code::Code;
use gantry_terms::findings::{Derived, Findings};
use gantry_terms::volume::Volume;
use kit::phantom::{Scan, text as set};
use kit::{enhanced, model, validators};

fn findings(of: &Volume, values: Vec<f32>) -> Findings {
    let derived = Derived {
        key: "smooth".into(),
        label: "smoothed".into(),
        derivation: Code::new("113087", "DCM", "Smoothing"),
        rescale: None,
        quantity: None,
        values,
    };
    let usual = model::findings(of);
    Findings { groups: Vec::new(), masks: Vec::new(), derived: vec![derived], ..usual }
}

fn made(scan: &Scan, findings: &Findings) -> Vec<ResultObject> {
    derived_images(&scan.source, &scan.files, &scan.volume, findings, &kit::provenance())
        .expect("images")
}

/// pydicom, of a derived image of several frames: of each its number at the original, its place, slope, intercept, and the least and the most of its
/// values; and what it says of itself.
const FRAMES: &str = "
import sys, pydicom
image = pydicom.dcmread(sys.argv[1])
[shared] = image.SharedFunctionalGroupsSequence
said = lambda frame, name: getattr(frame if name in frame else shared, name)[0]
for frame, pixels in zip(image.PerFrameFunctionalGroupsSequence, image.pixel_array):
    [derivation] = frame.DerivationImageSequence
    [source] = derivation.SourceImageSequence
    assert source.SpatialLocationsPreserved == 'YES'
    values = said(frame, 'PixelValueTransformationSequence')
    slope, intercept = float(values.RescaleSlope), float(values.RescaleIntercept)
    shown = pixels * slope + intercept
    print(source.ReferencedFrameNumber, float(frame.PlanePositionSequence[0].ImagePositionPatient[2]), slope, intercept, shown.min(), shown.max())
print(image.SOPClassUID.name, image.NumberOfFrames, list(image.ImageType), list(shared.CTImageFrameTypeSequence[0].FrameType))
";

/// An Enhanced CT whose frames have a rescale each, given from the head to the feet.
fn framed() -> Scan {
    let mut scan = enhanced::ct();
    let mut object = dicom_object::from_reader(std::io::Cursor::new(&scan.files[0]))
        .expect("a source")
        .into_inner();
    let mut groups = |tag| {
        let value = object.take_element(tag).expect("groups").into_value();
        value.into_items().expect("items").into_vec()
    };
    let mut shared = groups(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let mut each = groups(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let rescale = shared[0].take_element(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    let rescale = rescale.expect("a rescale").into_value().into_items().expect("items")[0].clone();
    let size = scan.volume.geometry.rows * scan.volume.geometry.columns;
    for (at, frame) in each.iter_mut().enumerate() {
        let (slope, intercept) = ((1 << at) as f32, -1024.0 - 100.0 * at as f32);
        let mut own = rescale.clone();
        set(&mut own, tags::RESCALE_SLOPE, VR::DS, &slope.to_string());
        set(&mut own, tags::RESCALE_INTERCEPT, VR::DS, &intercept.to_string());
        let sequence = dicom_core::value::DataSetSequence::from(vec![own]);
        let tag = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
        frame.put(DataElement::new(tag, VR::SQ, sequence));
        let voxels = &mut scan.volume.voxels[at * size..(at + 1) * size];
        voxels.iter_mut().for_each(|value| *value = (*value + 1024.0) * slope + intercept);
    }
    for (tag, items) in [
        (tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, shared),
        (tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, each),
    ] {
        let items = dicom_core::value::DataSetSequence::from(items);
        object.put(DataElement::new(tag, VR::SQ, items));
    }
    scan.files = vec![kit::phantom::part10(&scan.volume.slices[0], object)];
    scan.volume.slices.reverse();
    scan.volume.voxels = scan.volume.voxels.chunks(size).rev().flatten().copied().collect();
    scan
}

#[test]
fn the_frames_of_an_image_become_the_frames_of_one() {
    let scan = framed();
    // In steps of the largest slope, with the rescale of each frame kept; and beyond what 12 bits hold, with one for all.
    let less: Vec<f32> = scan.volume.voxels.iter().map(|value| value + 40.0).collect();
    let far: Vec<f32> = scan.volume.voxels.iter().map(|value| value * 90.5).collect();
    for (values, kept) in [(less, true), (far, false)] {
        let objects = made(&scan, &findings(&scan.volume, values.clone()));
        let [object] = objects.as_slice() else { panic!("one image") };
        assert_eq!(object.sop_class, scan.source.instances[0].sop_class);
        let folder = tempfile::tempdir().expect("a folder");
        let path = kit::file(folder.path(), "derived.dcm", object);
        let original = folder.path().join("source.dcm");
        std::fs::write(&original, &scan.files[0]).expect("a file");
        assert_eq!(validators::complaints(&path, &original), Vec::<String>::new());
        let Some(lines) = validators::python_says(FRAMES, &path) else { continue };
        let (said, frames) = lines.split_last().expect("lines");
        assert_eq!(
            said,
            "Enhanced CT Image Storage 3 ['DERIVED', 'PRIMARY', 'VOLUME', 'NONE'] ['DERIVED', 'PRIMARY', 'VOLUME', 'NONE']"
        );
        assert_eq!(frames.len(), 3, "{lines:?}");
        let size = scan.volume.geometry.rows * scan.volume.geometry.columns;
        for (at, line) in frames.iter().enumerate() {
            let slice = 2 - at;
            assert_eq!(scan.volume.slices[slice].frame, Some(at as u32 + 1));
            let numbers: Vec<f64> =
                line.split(' ').map(|number| number.parse().expect("a number")).collect();
            let of_slice = &values[slice * size..(slice + 1) * size];
            let least = of_slice.iter().copied().fold(f32::INFINITY, f32::min);
            let most = of_slice.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let place = scan.volume.slices[slice].position[2];
            assert_eq!(numbers[..2], [at as f64 + 1.0, place]);
            if kept {
                let own = [f64::from(1 << at), -1024.0 - 100.0 * at as f64];
                assert_eq!(numbers[2..4], own, "the rescale of the frame");
            }
            let off = [numbers[4] - f64::from(least), numbers[5] - f64::from(most)];
            assert!(off.iter().all(|off| off.abs() <= numbers[2] * 0.51), "{line}: {off:?}");
        }
    }
}

#[test]
fn an_image_of_which_not_every_frame_was_measured_is_not_derived() {
    let mut scan = framed();
    let size = scan.volume.geometry.rows * scan.volume.geometry.columns;
    scan.volume.slices.pop();
    scan.volume.geometry.slices = 2;
    scan.volume.voxels.truncate(2 * size);
    let findings = findings(&scan.volume, scan.volume.voxels.clone());
    let error =
        derived_images(&scan.source, &scan.files, &scan.volume, &findings, &kit::provenance());
    assert!(error.unwrap_err().to_string().contains("functional groups"));
}
