//! Enhanced CT and MR, which say of each frame what others say of an image (PS3.3 A.38, A.36): the slices of a stack as frames of one.

use crate::kit::modalities::{RESCALE, Says, coded, item, items, say, without};
use crate::kit::phantom::{Phantom, Scan, part10};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject as Object;
use gantry_results::Source;

pub fn ct() -> Scan {
    enhanced("1.2.840.10008.5.1.4.1.1.2.1", "CT", &[], &groups_of_ct())
}

pub fn mr() -> Scan {
    enhanced("1.2.840.10008.5.1.4.1.1.4.1", "MR", &OF_ENHANCED_MR, &groups_of_mr())
}

fn enhanced(
    class: &'static str,
    modality: &'static str,
    says: &Says,
    groups: &[(Tag, Object)],
) -> Scan {
    let phantom = Phantom { sop_class: class, ..Phantom::axial(3, 36, 43) };
    let mut scan = phantom.scan();
    let reader = std::io::Cursor::new(&scan.files[0]);
    let mut object = dicom_object::from_reader(reader).expect("a source").into_inner();
    let (cosines, spacing) = ("1\\0\\0\\0\\1\\0", "1.5\\2");
    without(&mut object, &[RESCALE.as_slice(), &OF_SLICES].concat());
    say(&mut object, &OF_ENHANCED);
    say(&mut object, says);
    say(&mut object, &[(tags::MODALITY, modality)]);
    items(&mut object, tags::ACQUISITION_CONTEXT_SEQUENCE, vec![]);
    let organization = (tags::DIMENSION_ORGANIZATION_UID, "2.25.33");
    items(&mut object, tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![item(&[organization])]);
    let mut index = item(&[organization]);
    for (tag, of) in [
        (tags::DIMENSION_INDEX_POINTER, tags::IN_STACK_POSITION_NUMBER),
        (tags::FUNCTIONAL_GROUP_POINTER, tags::FRAME_CONTENT_SEQUENCE),
    ] {
        index.put(DataElement::new(tag, VR::AT, PrimitiveValue::from(of)));
    }
    items(&mut object, tags::DIMENSION_INDEX_SEQUENCE, vec![index]);
    let mut shared = Object::new_empty();
    let measures = item(&[(tags::PIXEL_SPACING, spacing), (tags::SLICE_THICKNESS, "3")]);
    items(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    let orientation = item(&[(tags::IMAGE_ORIENTATION_PATIENT, cosines)]);
    items(&mut shared, tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]);
    let window = item(&[(tags::WINDOW_CENTER, "40"), (tags::WINDOW_WIDTH, "350")]);
    items(&mut shared, tags::FRAME_VOILUT_SEQUENCE, vec![window]);
    let mut anatomy = item(&[(tags::FRAME_LATERALITY, "U")]);
    coded(&mut anatomy, tags::ANATOMIC_REGION_SEQUENCE, "51185008", "Chest");
    items(&mut shared, tags::FRAME_ANATOMY_SEQUENCE, vec![anatomy]);
    for (tag, group) in groups {
        items(&mut shared, *tag, vec![group.clone()]);
    }
    items(&mut object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let frames = scan.volume.slices.iter().zip(1..).map(|(slice, number): (_, u32)| {
        let mut content = item(&OF_FRAME);
        for tag in [tags::IN_STACK_POSITION_NUMBER, tags::DIMENSION_INDEX_VALUES] {
            content.put(DataElement::new(tag, VR::UL, PrimitiveValue::from(number)));
        }
        let place = slice.position.map(|mm| format!("{mm}")).to_vec();
        let mut position = Object::new_empty();
        let place = PrimitiveValue::Strs(place.into());
        position.put(DataElement::new(tags::IMAGE_POSITION_PATIENT, VR::DS, place));
        let mut frame = Object::new_empty();
        items(&mut frame, tags::FRAME_CONTENT_SEQUENCE, vec![content]);
        items(&mut frame, tags::PLANE_POSITION_SEQUENCE, vec![position]);
        frame
    });
    items(&mut object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect());
    let words: Vec<u16> = scan.volume.voxels.iter().map(|value| (value + 1024.0) as u16).collect();
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));

    let first = scan.volume.slices[0].clone();
    for (slice, number) in scan.volume.slices.iter_mut().zip(1..) {
        (slice.sop_instance, slice.frame) = (first.sop_instance.clone(), Some(number));
    }
    if modality == "MR" {
        scan.volume.voxels.iter_mut().for_each(|value| *value += 1024.0);
    }
    scan.files = vec![part10(&first, object)];
    scan.source.instances.truncate(1);
    scan.source = Source::read(&scan.files[0], scan.source.instances).expect("a readable source");
    scan
}

/// What the functional groups say of each frame.
const OF_SLICES: [Tag; 10] = [
    tags::PIXEL_SPACING,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::SLICE_THICKNESS,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::KVP,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::TIMEZONE_OFFSET_FROM_UTC,
];

const OF_FRAME: [(Tag, &str); 5] = [
    (tags::FRAME_ACQUISITION_NUMBER, "1"),
    (tags::FRAME_REFERENCE_DATE_TIME, "20240514091400"),
    (tags::FRAME_ACQUISITION_DATE_TIME, "20240514091400"),
    (tags::FRAME_ACQUISITION_DURATION, "500"),
    (tags::STACK_ID, "1"),
];

const IMAGE_TYPE: &str = "ORIGINAL\\PRIMARY\\VOLUME\\NONE";

const OF_ENHANCED: [(Tag, &str); 14] = [
    (tags::IMAGE_TYPE, IMAGE_TYPE),
    (tags::NUMBER_OF_FRAMES, "3"),
    (tags::ACQUISITION_DATE_TIME, "20240514091400"),
    (tags::ACQUISITION_DURATION, "2"),
    (tags::ACQUISITION_NUMBER, "1"),
    (tags::DEVICE_SERIAL_NUMBER, "77"),
    (tags::SOFTWARE_VERSIONS, "1.0"),
    (tags::CONTENT_QUALIFICATION, "PRODUCT"),
    (tags::LOSSY_IMAGE_COMPRESSION, "00"),
    (tags::BURNED_IN_ANNOTATION, "NO"),
    (tags::PRESENTATION_LUT_SHAPE, "IDENTITY"),
    (tags::VOLUMETRIC_PROPERTIES, "VOLUME"),
    (tags::PIXEL_PRESENTATION, "MONOCHROME"),
    (tags::VOLUME_BASED_CALCULATION_TECHNIQUE, "NONE"),
];

const FRAME_TYPE: [(Tag, &str); 4] = [
    (tags::FRAME_TYPE, IMAGE_TYPE),
    (tags::PIXEL_PRESENTATION, "MONOCHROME"),
    (tags::VOLUMETRIC_PROPERTIES, "VOLUME"),
    (tags::VOLUME_BASED_CALCULATION_TECHNIQUE, "NONE"),
];

fn groups_of_ct() -> Vec<(Tag, Object)> {
    let groups: [(Tag, &Says); 11] = [
        (tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, &FRAME_TYPE),
        (
            tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
            &[
                (tags::RESCALE_INTERCEPT, "-1024"),
                (tags::RESCALE_SLOPE, "1"),
                (tags::RESCALE_TYPE, "HU"),
            ],
        ),
        (
            tags::IRRADIATION_EVENT_IDENTIFICATION_SEQUENCE,
            &[(tags::IRRADIATION_EVENT_UID, "2.25.44")],
        ),
        (
            tags::CT_ACQUISITION_TYPE_SEQUENCE,
            &[
                (tags::ACQUISITION_TYPE, "SPIRAL"),
                (tags::CONSTANT_VOLUME_FLAG, "NO"),
                (tags::FLUOROSCOPY_FLAG, "NO"),
            ],
        ),
        (
            tags::CT_ACQUISITION_DETAILS_SEQUENCE,
            &[
                (tags::ROTATION_DIRECTION, "CW"),
                (tags::REVOLUTION_TIME, "0.5"),
                (tags::SINGLE_COLLIMATION_WIDTH, "1"),
                (tags::TOTAL_COLLIMATION_WIDTH, "16"),
                (tags::TABLE_HEIGHT, "100"),
                (tags::GANTRY_DETECTOR_TILT, "0"),
                (tags::DATA_COLLECTION_DIAMETER, "500"),
            ],
        ),
        (
            tags::CT_TABLE_DYNAMICS_SEQUENCE,
            &[
                (tags::TABLE_SPEED, "32"),
                (tags::TABLE_FEED_PER_ROTATION, "16"),
                (tags::SPIRAL_PITCH_FACTOR, "1"),
            ],
        ),
        (
            tags::CT_GEOMETRY_SEQUENCE,
            &[
                (tags::DISTANCE_SOURCE_TO_DETECTOR, "1000"),
                (tags::DISTANCE_SOURCE_TO_DATA_COLLECTION_CENTER, "500"),
            ],
        ),
        (
            tags::CT_RECONSTRUCTION_SEQUENCE,
            &[
                (tags::RECONSTRUCTION_ALGORITHM, "FILTER_BACK_PROJ"),
                (tags::CONVOLUTION_KERNEL, "B40"),
                (tags::CONVOLUTION_KERNEL_GROUP, "LUNG"),
                (tags::RECONSTRUCTION_DIAMETER, "300"),
                (tags::RECONSTRUCTION_ANGLE, "360"),
                (tags::RECONSTRUCTION_PIXEL_SPACING, "1.5\\2"),
                (tags::IMAGE_FILTER, "NONE"),
            ],
        ),
        (
            tags::CT_EXPOSURE_SEQUENCE,
            &[
                (tags::EXPOSURE_TIME_INMS, "500"),
                (tags::X_RAY_TUBE_CURRENT_INM_A, "100"),
                (tags::EXPOSURE_INM_AS, "50"),
                (tags::EXPOSURE_MODULATION_TYPE, "NONE"),
            ],
        ),
        (
            tags::CTX_RAY_DETAILS_SEQUENCE,
            &[
                (tags::KVP, "120"),
                (tags::FOCAL_SPOTS, "1"),
                (tags::FILTER_TYPE, "FLAT"),
                (tags::FILTER_MATERIAL, "ALUMINUM"),
            ],
        ),
        (
            tags::CT_POSITION_SEQUENCE,
            &[
                (tags::TABLE_POSITION, "0"),
                (tags::DATA_COLLECTION_CENTER_PATIENT, "0\\0\\0"),
                (tags::RECONSTRUCTION_TARGET_CENTER_PATIENT, "0\\0\\0"),
            ],
        ),
    ];
    groups.into_iter().map(|(tag, says)| (tag, item(says))).collect()
}

const MAGNITUDE: [(Tag, &str); 2] =
    [(tags::COMPLEX_IMAGE_COMPONENT, "MAGNITUDE"), (tags::ACQUISITION_CONTRAST, "T1")];

const OF_ENHANCED_MR: [(Tag, &str); 22] = [
    MAGNITUDE[0],
    MAGNITUDE[1],
    (tags::RESONANT_NUCLEUS, "1H"),
    (tags::K_SPACE_FILTERING, "NONE"),
    (tags::MAGNETIC_FIELD_STRENGTH, "1.5"),
    (tags::APPLICABLE_SAFETY_STANDARD_AGENCY, "IEC"),
    (tags::PULSE_SEQUENCE_NAME, "SE"),
    (tags::MR_ACQUISITION_TYPE, "2D"),
    (tags::ECHO_PULSE_SEQUENCE, "SPIN"),
    (tags::MULTIPLE_SPIN_ECHO, "NO"),
    (tags::MULTI_PLANAR_EXCITATION, "NO"),
    (tags::PHASE_CONTRAST, "NO"),
    (tags::TIME_OF_FLIGHT_CONTRAST, "NO"),
    (tags::STEADY_STATE_PULSE_SEQUENCE, "NONE"),
    (tags::ECHO_PLANAR_PULSE_SEQUENCE, "NO"),
    (tags::SATURATION_RECOVERY, "NO"),
    (tags::SPECTRALLY_SELECTED_SUPPRESSION, "NONE"),
    (tags::OVERSAMPLING_PHASE, "NONE"),
    (tags::GEOMETRY_OF_K_SPACE_TRAVERSAL, "RECTILINEAR"),
    (tags::SEGMENTED_K_SPACE_TRAVERSAL, "SINGLE"),
    (tags::NUMBER_OF_K_SPACE_TRAJECTORIES, "1"),
    (tags::RECTILINEAR_PHASE_ENCODE_REORDERING, "LINEAR"),
];

fn groups_of_mr() -> Vec<(Tag, Object)> {
    let frame_type = item(&[FRAME_TYPE.as_slice(), &MAGNITUDE].concat());
    let mut timing = item(&[
        (tags::REPETITION_TIME, "500"),
        (tags::FLIP_ANGLE, "90"),
        (tags::ECHO_TRAIN_LENGTH, "1"),
        (tags::RF_ECHO_TRAIN_LENGTH, "1"),
        (tags::GRADIENT_ECHO_TRAIN_LENGTH, "0"),
    ]);
    let absorbed = item(&[
        (tags::SPECIFIC_ABSORPTION_RATE_DEFINITION, "IEC_WHOLE_BODY"),
        (tags::SPECIFIC_ABSORPTION_RATE_VALUE, "1"),
    ]);
    items(&mut timing, tags::SPECIFIC_ABSORPTION_RATE_SEQUENCE, vec![absorbed]);
    let mode =
        item(&[(tags::OPERATING_MODE_TYPE, "STATIC FIELD"), (tags::OPERATING_MODE, "IEC_NORMAL")]);
    items(&mut timing, tags::OPERATING_MODE_SEQUENCE, vec![mode]);
    let groups: [(Tag, &Says); 8] = [
        (
            tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
            &[
                (tags::RESCALE_INTERCEPT, "0"),
                (tags::RESCALE_SLOPE, "1"),
                (tags::RESCALE_TYPE, "US"),
            ],
        ),
        (tags::MR_ECHO_SEQUENCE, &[(tags::EFFECTIVE_ECHO_TIME, "12")]),
        (
            tags::MR_MODIFIER_SEQUENCE,
            &[
                (tags::INVERSION_RECOVERY, "NO"),
                (tags::FLOW_COMPENSATION, "NONE"),
                (tags::SPOILING, "NONE"),
                (tags::T2_PREPARATION, "NO"),
                (tags::SPECTRALLY_SELECTED_EXCITATION, "NONE"),
                (tags::SPATIAL_PRESATURATION, "NONE"),
                (tags::PARTIAL_FOURIER, "NO"),
                (tags::PARALLEL_ACQUISITION, "NO"),
            ],
        ),
        (
            tags::MR_IMAGING_MODIFIER_SEQUENCE,
            &[
                (tags::MAGNETIZATION_TRANSFER, "NONE"),
                (tags::BLOOD_SIGNAL_NULLING, "NO"),
                (tags::TAGGING, "NONE"),
                (tags::TRANSMITTER_FREQUENCY, "63.8"),
                (tags::PIXEL_BANDWIDTH, "100"),
            ],
        ),
        (
            tags::MR_RECEIVE_COIL_SEQUENCE,
            &[
                (tags::RECEIVE_COIL_NAME, "BODY"),
                (tags::RECEIVE_COIL_MANUFACTURER_NAME, ""),
                (tags::RECEIVE_COIL_TYPE, "BODY"),
                (tags::QUADRATURE_RECEIVE_COIL, "YES"),
            ],
        ),
        (
            tags::MR_TRANSMIT_COIL_SEQUENCE,
            &[
                (tags::TRANSMIT_COIL_NAME, "BODY"),
                (tags::TRANSMIT_COIL_MANUFACTURER_NAME, ""),
                (tags::TRANSMIT_COIL_TYPE, "BODY"),
            ],
        ),
        (tags::MR_AVERAGES_SEQUENCE, &[(tags::NUMBER_OF_AVERAGES, "1")]),
        (
            tags::MRFOV_GEOMETRY_SEQUENCE,
            &[
                (tags::IN_PLANE_PHASE_ENCODING_DIRECTION, "ROW"),
                (tags::MR_ACQUISITION_FREQUENCY_ENCODING_STEPS, "32"),
                (tags::MR_ACQUISITION_PHASE_ENCODING_STEPS_IN_PLANE, "32"),
                (tags::PERCENT_SAMPLING, "100"),
                (tags::PERCENT_PHASE_FIELD_OF_VIEW, "100"),
            ],
        ),
    ];
    let groups = groups.into_iter().map(|(tag, says)| (tag, item(says)));
    let own = [
        (tags::MR_IMAGE_FRAME_TYPE_SEQUENCE, frame_type),
        (tags::MR_TIMING_AND_RELATED_PARAMETERS_SEQUENCE, timing),
    ];
    own.into_iter().chain(groups).collect()
}
