//! What a parametric map says of its numbers, and that readers of other makers find the same numbers at the same places.

mod kit;

use dicom_dictionary_std::tags;
use gantry_results::{ComposeError, ResultObject, derived_images, parametric_maps};
use gantry_terms::code::Code;
use gantry_terms::findings::{Derived, Findings, Quantity};
use gantry_terms::volume::Volume;
use kit::phantom::{Phantom, Scan};
use kit::reading::{Object, code, items, open, referenced, text};
use kit::voxels::points;
use kit::{cases, model, validators};

fn map(key: &str, values: Vec<f32>) -> Derived {
    Derived {
        key: key.into(),
        label: format!("{key} of each voxel"),
        derivation: Code::new("112187", "DCM", "Unspecified method of calculation"),
        rescale: None,
        quantity: Some(Quantity {
            concept: Code::new("130402", "DCM", "Class activation"),
            unit: Code::new("1", "UCUM", "no units"),
        }),
        values,
    }
}

/// No two are equal, some are below 0, and none is a fraction that decimal text holds.
fn values(volume: &Volume) -> Vec<f32> {
    (0..volume.geometry.voxels()).map(|at| (at as f32 - 1000.0) / 3.0).collect()
}

fn findings(scan: &Scan) -> Findings {
    let derived = vec![map("activation", values(&scan.volume))];
    Findings { derived, ..model::findings(&scan.volume) }
}

fn maps(scan: &Scan, findings: &Findings) -> Vec<ResultObject> {
    parametric_maps(&scan.source, &scan.volume, findings, &kit::provenance()).expect("maps")
}

fn double(object: &Object, tag: dicom_core::Tag) -> f64 {
    object.element(tag).expect("an attribute").to_float64().expect("a number")
}

/// What dciodvfy does not notice when it is missing or wrong.
#[test]
fn a_map_says_what_its_numbers_are_of_and_in() {
    let scan = Phantom::axial(3, 20, 30).scan();
    let findings = findings(&scan);
    let made = maps(&scan, &findings);
    assert_eq!(maps(&scan, &findings), made, "the same inputs give the same bytes");
    let [result] = made.try_into().expect("one map");
    assert_eq!(result.sop_class.as_str(), "1.2.840.10008.5.1.4.1.1.30");
    let object = open(&result);
    let type_of = "DERIVED\\PRIMARY\\VOLUME\\QUANTITY";
    for (tag, expected) in [
        (tags::IMAGE_TYPE, type_of),
        (tags::MODALITY, "OT"),
        (tags::CONTENT_QUALIFICATION, "RESEARCH"),
        (tags::SERIES_DESCRIPTION, "Lung densitometry maps (RUO)"),
        (tags::BODY_PART_EXAMINED, "CHEST"),
        (tags::NUMBER_OF_FRAMES, "3"),
        (tags::BITS_ALLOCATED, "32"),
    ] {
        assert_eq!(text(&object, tag), expected, "{tag}");
    }
    for gone in [tags::BITS_STORED, tags::HIGH_BIT, tags::PIXEL_REPRESENTATION, tags::PIXEL_DATA] {
        assert!(object.get(gone).is_none(), "{gone}");
    }
    let shared = &items(&object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[0];
    let kind = &items(shared, tags::PARAMETRIC_MAP_FRAME_TYPE_SEQUENCE)[0];
    assert_eq!(text(kind, tags::FRAME_TYPE), type_of);
    let mapping = &items(shared, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)[0];
    assert_eq!(code(mapping, tags::MEASUREMENT_UNITS_CODE_SEQUENCE), "1");
    let quantity = &items(mapping, tags::QUANTITY_DEFINITION_SEQUENCE)[0];
    assert_eq!(code(quantity, tags::CONCEPT_NAME_CODE_SEQUENCE), "246205007");
    assert_eq!(code(quantity, tags::CONCEPT_CODE_SEQUENCE), "130402");
    let all = values(&scan.volume);
    for (tag, expected) in [
        (tags::REAL_WORLD_VALUE_SLOPE, 1.0),
        (tags::REAL_WORLD_VALUE_INTERCEPT, 0.0),
        (tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, f64::from(all[0])),
        (tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED, f64::from(all[all.len() - 1])),
    ] {
        assert_eq!(double(mapping, tag), expected, "{tag}");
    }
    let frames = items(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    for (frame, slice) in frames.iter().zip(&scan.volume.slices) {
        assert_eq!(referenced(frame), [slice.sop_instance.to_string()]);
        let derivation = &items(frame, tags::DERIVATION_IMAGE_SEQUENCE)[0];
        assert_eq!(code(derivation, tags::DERIVATION_CODE_SEQUENCE), "112187");
        let source = &items(derivation, tags::SOURCE_IMAGE_SEQUENCE)[0];
        assert_eq!(code(source, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE), "121322");
    }
}

/// They go out as images of another kind, and several maps are one series.
#[test]
fn images_without_a_quantity_are_no_maps_and_maps_are_no_images() {
    let scan = Phantom::axial(2, 8, 8).scan();
    let mut findings = findings(&scan);
    findings.derived.push(map("other", scan.volume.voxels.clone()));
    let plain = Derived { quantity: None, ..map("plain", scan.volume.voxels.clone()) };
    findings.derived.push(plain);
    let made = maps(&scan, &findings);
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].series, made[1].series);
    let numbers = made.iter().map(|map| text(&open(map), tags::INSTANCE_NUMBER));
    assert_eq!(numbers.collect::<Vec<_>>(), ["1", "2"]);
    assert_ne!(made[0].sop_instance, made[1].sop_instance);
    let job = kit::provenance();
    let images = derived_images(&scan.source, &scan.files, &scan.volume, &findings, &job);
    assert_eq!(images.expect("images").len(), 2, "one for each slice");
}

/// NaN is a value of OF (PS3.5 8.2), and no number of the mapping or of the window.
#[test]
fn where_the_model_says_nothing_there_is_no_number() {
    let scan = Phantom::axial(2, 8, 8).scan();
    for none in [10, 128] {
        let mut findings = findings(&scan);
        findings.derived[0].values[..none].fill(f32::NAN);
        let result = &maps(&scan, &findings)[0];
        let object = open(result);
        let stored = object.element(tags::FLOAT_PIXEL_DATA).expect("pixels");
        let stored = stored.to_multi_float32().expect("numbers");
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        assert!(stored.iter().zip(&findings.derived[0].values).all(same));
        let folder = tempfile::tempdir().expect("a folder");
        let source = &kit::source_files(folder.path(), &scan)[0];
        let file = kit::file(folder.path(), "map.dcm", result);
        assert_eq!(validators::complaints(&file, source), Vec::<String>::new());
    }
}

/// The IOD asks for planes (PS3.3 A.75), and a frame of reference is not invented.
#[test]
fn a_source_without_a_frame_of_reference_has_no_map() {
    let scan = Phantom { frame_of_reference: None, ..Phantom::axial(2, 8, 8) }.scan();
    let made = parametric_maps(&scan.source, &scan.volume, &findings(&scan), &kit::provenance());
    assert!(matches!(made, Err(ComposeError::NoFrameOfReference)));
}

/// Each frame beside the values that were written, by the source image that it names.
const BY_SOURCE: &str = "
import sys, numpy, pydicom
folder = sys.argv[1]
image = pydicom.dcmread(folder + '/map.dcm')
values = numpy.fromfile(folder + '/values.f32', '<f4').reshape(-1, image.Rows, image.Columns)
sources = open(folder + '/sources.txt').read().split()
pixels = image.pixel_array.reshape(values.shape)
for number, (frame, found) in enumerate(zip(image.PerFrameFunctionalGroupsSequence, pixels), 1):
    source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
    print(number, (found == values[sources.index(source)]).all())
";

/// The value at the centre of each voxel of the source, as highdicom finds it.
const BY_VOLUME: &str = "
import sys, numpy, highdicom
folder = sys.argv[1]
volume = highdicom.imread(folder + '/map.dcm').get_volume(apply_real_world_transform=True)
values = numpy.fromfile(folder + '/values.f32', '<f4')
points = numpy.loadtxt(folder + '/points.txt')
at = volume.map_reference_to_indices(points)
near = numpy.abs(at - numpy.round(at)).max() < 0.02
print(volume.array.size == len(values), near, (volume.array[tuple(numpy.round(at).astype(int).T)] == values).all())
";

/// The value at the centre of each voxel of the source, as dcmqi and ITK find it.
const BY_PLACE: &str = "
import glob, os, subprocess, sys, numpy, SimpleITK
folder = sys.argv[1]
tool = os.path.join(os.path.dirname(sys.executable), 'paramap2itkimage')
done = subprocess.run([tool, '--inputDICOM', folder + '/map.dcm', '--outputDirectory', folder, '--outputType', 'nrrd', '--prefix', 'out'], capture_output=True, text=True)
names = glob.glob(folder + '/out*.nrrd')
if not names:
    print(done.stdout, done.stderr)
image = SimpleITK.ReadImage(names[0])
values = numpy.fromfile(folder + '/values.f32', '<f4')
points = numpy.loadtxt(folder + '/points.txt')
found = [image.GetPixel(image.TransformPhysicalPointToIndex([float(n) for n in point])) for point in points]
near = [numpy.abs(numpy.array(image.TransformIndexToPhysicalPoint(image.TransformPhysicalPointToIndex([float(n) for n in p]))) - p).max() for p in points]
print(len(found) == len(values), (numpy.array(found, 'f4') == values).all(), max(near) < 0.02)
";

#[test]
fn highdicom_and_dcmqi_find_the_same_numbers_at_the_same_places() {
    for (case, phantom) in cases::planes() {
        let scan = phantom.scan();
        let findings = findings(&scan);
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).expect("a file");
        };
        let file = kit::file(folder.path(), "map.dcm", &maps(&scan, &findings)[0]);
        let source = &kit::source_files(folder.path(), &scan)[0];
        assert_eq!(validators::complaints(&file, source), Vec::<String>::new(), "{case}");
        let values = &findings.derived[0].values;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        write("values.f32", &bytes);
        let uids: Vec<&str> =
            scan.volume.slices.iter().map(|slice| slice.sop_instance.as_str()).collect();
        write("sources.txt", uids.join("\n").as_bytes());
        write("points.txt", points(&scan.volume, |_| true).as_bytes());
        let Some(told) = validators::python_says(BY_SOURCE, folder.path()) else { return };
        let each = (1..=scan.volume.slices.len()).map(|number| format!("{number} True"));
        assert_eq!(told, each.collect::<Vec<_>>(), "{case}");
        // A stack that leans is no volume of highdicom and no image of ITK.
        for script in [BY_VOLUME, BY_PLACE].iter().filter(|_| case != "tilted") {
            let told = validators::python_says(script, folder.path());
            assert_eq!(told, Some(vec!["True True True".into()]), "{case}");
        }
    }
}
