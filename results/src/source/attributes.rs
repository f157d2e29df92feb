//! Which attributes a result copies from its source, and which others it looks at.

use dicom_core::Tag;
use dicom_dictionary_std::tags::*;

/// Where a copied attribute goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Patient and study: into every result.
    Study,
    /// Series and image: into pictures.
    Image,
    /// Frame of reference: into pictures that have a geometry.
    FrameOfReference,
}

/// The type of the attribute in the result (PS3.5 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Written empty when the source lacks it.
    Type2,
    /// Written empty when the source lacks it but has the module, which this other attribute of
    /// the module tells.
    Type2With(Tag),
    /// Left out when the source lacks it.
    Type3,
}

/// One row of the table.
#[derive(Debug)]
pub struct Copied {
    pub tag: Tag,
    pub need: Need,
    pub scope: Scope,
}

const fn row(tag: Tag, need: Need, scope: Scope) -> Copied {
    Copied { tag, need, scope }
}

const fn two(tag: Tag) -> Copied {
    row(tag, Need::Type2, Scope::Study)
}

const fn three(tag: Tag) -> Copied {
    row(tag, Need::Type3, Scope::Study)
}

const fn two_with(tag: Tag, telling: Tag) -> Copied {
    row(tag, Need::Type2With(telling), Scope::Study)
}

const fn image(tag: Tag) -> Copied {
    row(tag, Need::Type3, Scope::Image)
}

/// Study Instance UID (Type 1) is not here: a source without it is refused.
pub const COPIED: &[Copied] = &[
    // Patient (PS3.3 C.7.1.1)
    two(PATIENT_NAME),
    two(PATIENT_ID),
    two(PATIENT_BIRTH_DATE),
    two(PATIENT_SEX),
    three(ISSUER_OF_PATIENT_ID),
    three(ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE),
    three(OTHER_PATIENT_I_DS_SEQUENCE),
    three(PATIENT_SPECIES_DESCRIPTION),
    three(PATIENT_SPECIES_CODE_SEQUENCE),
    three(PATIENT_IDENTITY_REMOVED),
    three(DEIDENTIFICATION_METHOD),
    three(DEIDENTIFICATION_METHOD_CODE_SEQUENCE),
    three(LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED),
    // Clinical trial (C.7.1.3, C.7.2.3)
    three(CLINICAL_TRIAL_SPONSOR_NAME),
    three(CLINICAL_TRIAL_PROTOCOL_ID),
    two_with(CLINICAL_TRIAL_PROTOCOL_NAME, CLINICAL_TRIAL_PROTOCOL_ID),
    two_with(CLINICAL_TRIAL_SITE_ID, CLINICAL_TRIAL_PROTOCOL_ID),
    two_with(CLINICAL_TRIAL_SITE_NAME, CLINICAL_TRIAL_PROTOCOL_ID),
    three(CLINICAL_TRIAL_SUBJECT_ID),
    three(CLINICAL_TRIAL_SUBJECT_READING_ID),
    two_with(CLINICAL_TRIAL_TIME_POINT_ID, CLINICAL_TRIAL_TIME_POINT_DESCRIPTION),
    three(CLINICAL_TRIAL_TIME_POINT_DESCRIPTION),
    // General study (C.7.2.1) and patient study (C.7.2.2)
    two(STUDY_DATE),
    two(STUDY_TIME),
    two(STUDY_ID),
    two(ACCESSION_NUMBER),
    two(REFERRING_PHYSICIAN_NAME),
    three(STUDY_DESCRIPTION),
    three(ISSUER_OF_ACCESSION_NUMBER_SEQUENCE),
    three(PROCEDURE_CODE_SEQUENCE),
    three(PATIENT_AGE),
    three(PATIENT_SIZE),
    three(PATIENT_WEIGHT),
    // General series and image
    image(BODY_PART_EXAMINED),
    image(PATIENT_POSITION),
    image(LATERALITY),
    image(ANATOMICAL_ORIENTATION_TYPE),
    image(REQUEST_ATTRIBUTES_SEQUENCE),
    row(FRAME_OF_REFERENCE_UID, Need::Type3, Scope::FrameOfReference),
    row(POSITION_REFERENCE_INDICATOR, Need::Type2, Scope::FrameOfReference),
];

/// Attributes that are looked at and not copied as they are.
pub const READ: &[Tag] = &[
    TIMEZONE_OFFSET_FROM_UTC,
    MODALITY,
    STUDY_INSTANCE_UID,
    SERIES_INSTANCE_UID,
    MANUFACTURER,
    INSTITUTION_NAME,
    STATION_NAME,
    MANUFACTURER_MODEL_NAME,
    DEVICE_SERIAL_NUMBER,
    SOFTWARE_VERSIONS,
    SLICE_THICKNESS,
    FRAME_TIME,
    FRAME_TIME_VECTOR,
    PHOTOMETRIC_INTERPRETATION,
    PATIENT_ORIENTATION,
    PIXEL_ASPECT_RATIO,
    IMAGE_LATERALITY,
    WINDOW_CENTER,
    WINDOW_WIDTH,
    LOSSY_IMAGE_COMPRESSION,
    LOSSY_IMAGE_COMPRESSION_RATIO,
    LOSSY_IMAGE_COMPRESSION_METHOD,
    PLACER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST,
    FILLER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST,
];

/// Identifiers are never cut, even when they are too long for their VR: a shorter Patient ID
/// is another patient's.
pub const NEVER_CUT: &[Tag] = &[PATIENT_ID, ACCESSION_NUMBER, STUDY_ID];
