//! The codes of audit messages (PS3.16 CID 400 to 405, PS3.15 A.5.1.2): one table.

/// A coded word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub value: &'static str,
    pub system: &'static str,
    pub meaning: &'static str,
}

const fn dcm(value: &'static str, meaning: &'static str) -> Code {
    Code { value, system: "DCM", meaning }
}

const fn rfc3881(value: &'static str, meaning: &'static str) -> Code {
    Code { value, system: "RFC-3881", meaning }
}

// CID 400: what happened.
pub const APPLICATION_ACTIVITY: Code = dcm("110100", "Application Activity");
pub const BEGIN_TRANSFERRING: Code = dcm("110102", "Begin Transferring DICOM Instances");
pub const INSTANCES_ACCESSED: Code = dcm("110103", "DICOM Instances Accessed");
pub const INSTANCES_TRANSFERRED: Code = dcm("110104", "DICOM Instances Transferred");
pub const STUDY_DELETED: Code = dcm("110105", "DICOM Study Deleted");
pub const EXPORT: Code = dcm("110106", "Export");
pub const NETWORK_ENTRY: Code = dcm("110108", "Network Entry");
pub const QUERY: Code = dcm("110112", "Query");
pub const SECURITY_ALERT: Code = dcm("110113", "Security Alert");
pub const USER_AUTHENTICATION: Code = dcm("110114", "User Authentication");

// CID 401, 403: of what kind.
pub const APPLICATION_START: Code = dcm("110120", "Application Start");
pub const APPLICATION_STOP: Code = dcm("110121", "Application Stop");
pub const LOGIN: Code = dcm("110122", "Login");
pub const ATTACH: Code = dcm("110124", "Attach");
pub const DETACH: Code = dcm("110125", "Detach");
pub const NODE_AUTHENTICATION: Code = dcm("110126", "Node Authentication");
pub const SECURITY_CONFIGURATION: Code = dcm("110129", "Security Configuration");
pub const RESTRICTED_FUNCTION: Code = dcm("110132", "Use of Restricted Function");
pub const SOFTWARE_CONFIGURATION: Code = dcm("110131", "Software Configuration");
pub const RECORDING_STOPPED: Code = dcm("110133", "Audit Recording Stopped");
pub const RECORDING_STARTED: Code = dcm("110134", "Audit Recording Started");

// CID 402, 405: who took part, and by what.
pub const APPLICATION: Code = dcm("110150", "Application");
pub const DESTINATION: Code = dcm("110152", "Destination Role ID");
pub const SOURCE: Code = dcm("110153", "Source Role ID");
pub const DESTINATION_MEDIA: Code = dcm("110154", "Destination Media");
pub const MEDIA_URI: Code = dcm("110037", "URI");

// CID 404 and A.5.1.2: what it was about.
pub const STUDY_INSTANCE_UID: Code = dcm("110180", "Study Instance UID");
pub const SOP_CLASS_UID: Code = dcm("110181", "SOP Class UID");
pub const NODE_ID: Code = dcm("110182", "Node ID");
pub const PATIENT_NUMBER: Code = rfc3881("2", "Patient Number");
pub const URI: Code = rfc3881("12", "URI");
