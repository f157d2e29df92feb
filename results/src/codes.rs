//! Every coded concept that this crate writes by itself; all others come from the model's manifest.

use gantry_terms::code::Code;

/// A concept of the catalogue: code value, coding scheme designator, code meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concept(pub &'static str, pub &'static str, pub &'static str);

impl From<Concept> for Code {
    fn from(concept: Concept) -> Code {
        Code::new(concept.0, concept.1, concept.2)
    }
}

const fn dcm(value: &'static str, meaning: &'static str) -> Concept {
    Concept(value, "DCM", meaning)
}

const fn sct(value: &'static str, meaning: &'static str) -> Concept {
    Concept(value, "SCT", meaning)
}

const fn ucum(value: &'static str, meaning: &'static str) -> Concept {
    Concept(value, "UCUM", meaning)
}

// TID 1500, TID 1204, TID 1002 and TID 1004: the report and who observed
pub const IMAGING_MEASUREMENT_REPORT: Concept = dcm("126000", "Imaging Measurement Report");
pub const LANGUAGE: Concept = dcm("121049", "Language of Content Item and Descendants");
pub const ENGLISH: Concept = Concept("en", "RFC5646", "English");
pub const OBSERVER_TYPE: Concept = dcm("121005", "Observer Type");
pub const DEVICE: Concept = dcm("121007", "Device");
pub const DEVICE_OBSERVER_UID: Concept = dcm("121012", "Device Observer UID");
pub const DEVICE_OBSERVER_NAME: Concept = dcm("121013", "Device Observer Name");
pub const DEVICE_OBSERVER_MANUFACTURER: Concept = dcm("121014", "Device Observer Manufacturer");
pub const DEVICE_OBSERVER_MODEL_NAME: Concept = dcm("121015", "Device Observer Model Name");
pub const DEVICE_OBSERVER_SERIAL_NUMBER: Concept = dcm("121016", "Device Observer Serial Number");
pub const PROCEDURE_REPORTED: Concept = dcm("121058", "Procedure reported");

// TID 1600 to TID 1604: the image library
pub const IMAGE_LIBRARY: Concept = dcm("111028", "Image Library");
pub const IMAGE_LIBRARY_GROUP: Concept = dcm("126200", "Image Library Group");
pub const MODALITY: Concept = dcm("121139", "Modality");
pub const TARGET_REGION: Concept = dcm("123014", "Target Region");
pub const FRAME_OF_REFERENCE_UID: Concept = dcm("112227", "Frame of Reference UID");
pub const PIXEL_DATA_ROWS: Concept = dcm("110910", "Pixel Data Rows");
pub const PIXEL_DATA_COLUMNS: Concept = dcm("110911", "Pixel Data Columns");
pub const HORIZONTAL_PIXEL_SPACING: Concept = dcm("111026", "Horizontal Pixel Spacing");
pub const VERTICAL_PIXEL_SPACING: Concept = dcm("111066", "Vertical Pixel Spacing");
pub const SPACING_BETWEEN_SLICES: Concept = dcm("112226", "Spacing between slices");
pub const SLICE_THICKNESS: Concept = dcm("112225", "Slice Thickness");
pub const IMAGE_POSITION: [Concept; 3] = [
    dcm("110901", "Image Position (Patient) X"),
    dcm("110902", "Image Position (Patient) Y"),
    dcm("110903", "Image Position (Patient) Z"),
];
pub const IMAGE_ORIENTATION: [Concept; 6] = [
    dcm("110904", "Image Orientation (Patient) Row X"),
    dcm("110905", "Image Orientation (Patient) Row Y"),
    dcm("110906", "Image Orientation (Patient) Row Z"),
    dcm("110907", "Image Orientation (Patient) Column X"),
    dcm("110908", "Image Orientation (Patient) Column Y"),
    dcm("110909", "Image Orientation (Patient) Column Z"),
];

// TID 4019: the algorithm
pub const ALGORITHM_NAME: Concept = dcm("111001", "Algorithm Name");
pub const ALGORITHM_VERSION: Concept = dcm("111003", "Algorithm Version");
pub const ALGORITHM_MANUFACTURER: Concept = dcm("122405", "Algorithm Manufacturer");
pub const ALGORITHM_PARAMETERS: Concept = dcm("111002", "Algorithm Parameters");
pub const ALGORITHM_FAMILY: Concept = dcm("111000", "Algorithm Family");

// TID 1501 and TID 300: measurements
pub const IMAGING_MEASUREMENTS: Concept = dcm("126010", "Imaging Measurements");
pub const MEASUREMENT_GROUP: Concept = dcm("125007", "Measurement Group");
pub const TRACKING_IDENTIFIER: Concept = dcm("112039", "Tracking Identifier");
pub const TRACKING_UNIQUE_IDENTIFIER: Concept = dcm("112040", "Tracking Unique Identifier");
pub const FINDING: Concept = dcm("121071", "Finding");
pub const FINDING_SITE: Concept = sct("363698007", "Finding Site");
pub const MEASUREMENT_METHOD: Concept = sct("370129005", "Measurement Method");
pub const DERIVATION: Concept = dcm("121401", "Derivation");
pub const SOURCE_OF_MEASUREMENT: Concept = dcm("121112", "Source of Measurement");
/// Whether the Finding of a group is there, answered by CID 240.
pub const PRESENCE_OF_PROPERTY: Concept = dcm("121052", "Presence of property");
pub const PRESENT: Concept = sct("52101004", "Present");
pub const ABSENT: Concept = sct("2667000", "Absent");
pub const UNDETERMINED: Concept = sct("373068000", "Undetermined");
/// Numeric Value Qualifier, CID 42.
pub const NOT_A_NUMBER: Concept = dcm("114000", "Not a number");
pub const MEASUREMENT_FAILURE: Concept = dcm("114006", "Measurement failure");

// TID 1500, answers on the whole; CID 6042
pub const QUALITATIVE_EVALUATIONS: Concept = Concept("C0034375", "UMLS", "Qualitative Evaluations");
pub const SUMMARY_OF_ANALYSES: Concept = dcm("111065", "Summary of Analyses");
pub const FAILED: Concept = dcm("111224", "Failed");
pub const COMMENT: Concept = dcm("121106", "Comment");

// TID 1410 and TID 1411: where a finding is
pub const IMAGE_REGION: Concept = dcm("111030", "Image Region");
pub const VOLUME_SURFACE: Concept = dcm("121231", "Volume Surface");
pub const REFERENCED_SEGMENT: Concept = dcm("121191", "Referenced Segment");
pub const REFERENCED_SEGMENTATION_FRAME: Concept = dcm("121214", "Referenced Segmentation Frame");
pub const SOURCE_SERIES_FOR_SEGMENTATION: Concept = dcm("121232", "Source series for segmentation");
pub const SOURCE_IMAGE_FOR_SEGMENTATION: Concept = dcm("121233", "Source image for segmentation");
pub const GEOMETRIC_PURPOSE: Concept = dcm("130400", "Geometric purpose of region");
pub const BOUNDED_BY: Concept = sct("75958009", "Bounded by");

// TID 2010: key objects
pub const OF_INTEREST: Concept = dcm("113000", "Of Interest");
pub const KEY_OBJECT_DESCRIPTION: Concept = dcm("113012", "Key Object Description");

// TID 2000: the report in words (CID 7000, CID 7001, CID 7002)
pub const DIAGNOSTIC_IMAGING_REPORT: Concept =
    Concept("18748-4", "LN", "Diagnostic Imaging Report");
pub const PROCEDURE_DESCRIPTIONS: Concept = dcm("121064", "Current Procedure Descriptions");
pub const PROCEDURE_DESCRIPTION: Concept = dcm("121065", "Procedure Description");
pub const FINDINGS: Concept = dcm("121070", "Findings");

// UCUM units of the image library
pub const MILLIMETER: Concept = ucum("mm", "mm");
pub const PIXELS: Concept = ucum("{pixels}", "Pixels");
pub const DIRECTION_COSINE: Concept = ucum("{-1:1}", "{-1:1}");

// Purposes of reference and derivations of pictures
pub const SOURCE_IMAGE: Concept = dcm("121322", "Source image for image processing operation");
pub const SEGMENTATION: Concept = dcm("113076", "Segmentation");
pub const BACKGROUND: Concept = dcm("125040", "Background");
/// What a parametric map tells for each voxel (PS3.3 C.7.6.16.2.11).
pub const QUANTITY: Concept = sct("246205007", "Quantity");
pub const ACQUISITION_EQUIPMENT: Concept = dcm("109101", "Acquisition Equipment");
pub const PROCESSING_EQUIPMENT: Concept = dcm("109102", "Processing Equipment");

/// CID 29 with the value that Modality (0008,0060) has; what is not here is "Other".
const MODALITIES: &[Concept] = &[
    dcm("CR", "Computed Radiography"),
    dcm("CT", "Computed Tomography"),
    dcm("DX", "Digital Radiography"),
    dcm("IO", "Intra-oral Radiography"),
    dcm("MG", "Mammography"),
    dcm("MR", "Magnetic Resonance"),
    dcm("NM", "Nuclear Medicine"),
    dcm("OPT", "Ophthalmic Tomography"),
    dcm("PT", "Positron emission tomography"),
    dcm("PX", "Panoramic X-Ray"),
    dcm("RF", "Radiofluoroscopy"),
    dcm("RG", "Radiographic imaging"),
    dcm("US", "Ultrasound"),
    dcm("XA", "X-Ray Angiography"),
];

/// PS3.16 Annex L, the part that Body Part Examined of CT and MR commonly has.
const REGIONS: &[(&str, Concept)] = &[
    ("ABDOMEN", sct("818981001", "Abdomen")),
    ("BRAIN", sct("12738006", "Brain")),
    ("BREAST", sct("76752008", "Breast")),
    ("CHEST", sct("816094009", "Chest")),
    ("HEAD", sct("69536005", "Head")),
    ("HEART", sct("80891009", "Heart")),
    ("HIP", sct("29836001", "Hip")),
    ("KNEE", sct("72696002", "Knee")),
    ("LIVER", sct("10200004", "Liver")),
    ("LUNG", sct("39607008", "Lung")),
    ("NECK", sct("45048000", "Neck")),
    ("PELVIS", sct("816092008", "Pelvis")),
    ("SPINE", sct("421060004", "Spine")),
    ("THORAX", sct("816094009", "Chest")),
];

pub const LEFT: Concept = sct("7771000", "Left");
pub const RIGHT: Concept = sct("24028007", "Right");

/// Of those regions the ones that a body has two of.
const PAIRED: &[&str] = &["BREAST", "HIP", "KNEE", "LUNG"];

pub fn modality(value: &str) -> Concept {
    MODALITIES.iter().find(|c| c.0 == value).copied().unwrap_or(dcm("OT", "Other"))
}

/// Nothing when the body part is not known: a target region is not guessed.
pub fn region(body_part: &str) -> Option<Concept> {
    REGIONS.iter().find(|(part, _)| *part == body_part).map(|(_, concept)| *concept)
}

/// Frame Laterality (PS3.3 C.7.6.16.2.8) by Body Part Examined and Laterality: nothing where the part is not known or is one
/// of two and nobody says which.
pub fn frame_laterality(body_part: &str, laterality: &str) -> Option<&'static str> {
    match (region(body_part).is_some(), PAIRED.contains(&body_part), laterality) {
        (false, ..) => None,
        (true, false, _) => Some("U"),
        (true, true, "R") => Some("R"),
        (true, true, "L") => Some("L"),
        (true, true, _) => None,
    }
}
