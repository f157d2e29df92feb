//! Private attributes that are thought to be safe (PS3.15 table E.3.10-1): those of its rows that hold a number or a code. Texts, UIDs, bytes and sequences are left out, as nobody vouches for what is in them.

use crate::profile::Profile;

#[rustfmt::skip]
const ROWS: &[(u16, u8, &str)] = &[
    (0x0019, 0x0C, "SIEMENS MR HEADER"), // B Value
    (0x0019, 0x0D, "SIEMENS MR HEADER"), // Diffusion Directionality
    (0x0019, 0x0E, "SIEMENS MR HEADER"), // Diffusion Gradient Direction
    (0x0019, 0x23, "GEMS_ACQU_01"), // Table Speed [mm/rotation]
    (0x0019, 0x24, "GEMS_ACQU_01"), // Mid Scan Time [sec]
    (0x0019, 0x27, "GEMS_ACQU_01"), // Rotation Speed (Gantry Period)
    (0x0019, 0x27, "SIEMENS MR HEADER"), // B Matrix
    (0x0025, 0x07, "GEMS_SERS_01"), // Images in Series
    (0x0043, 0x39, "GEMS_PARM_01"), // 1\ :s up:`st`\ value is B Value
    (0x0043, 0x6F, "GEMS_PARM_01"), // Scanner Table Entry + Gradient Coil Selected
    (0x0045, 0x01, "GEMS_HELIOS_01"), // Number of Macro Rows in Detector
    (0x0045, 0x02, "GEMS_HELIOS_01"), // Macro width at ISO Center
    (0x0099, 0x04, "NQHeader"), // Return Code
    (0x0099, 0x10, "NQHeader"), // MI
    (0x0099, 0x21, "NQHeader"), // ICV
    (0x00E1, 0x21, "ELSCINT1"), // DLP
    (0x00E1, 0x50, "ELSCINT1"), // Acquisition Duration
    (0x0119, 0x05, "SIEMENS Ultrasound SC2000"), // Acoustic Data Offset
    (0x0119, 0x06, "SIEMENS Ultrasound SC2000"), // Acoustic Data Length
    (0x0119, 0x07, "SIEMENS Ultrasound SC2000"), // Footer Offset
    (0x0119, 0x08, "SIEMENS Ultrasound SC2000"), // Footer Length
    (0x0119, 0x09, "SIEMENS Ultrasound SC2000"), // Acoustic Stream Number
    (0x0119, 0x13, "SIEMENS Ultrasound SC2000"), // Volume Rate
    (0x0129, 0x30, "SIEMENS Ultrasound SC2000"), // Raw Data Object Type
    (0x0139, 0x01, "SIEMENS Ultrasound SC2000"), // Physio Capture ROI
    (0x0149, 0x01, "SIEMENS Ultrasound SC2000"), // Vector of BROI Points
    (0x0149, 0x02, "SIEMENS Ultrasound SC2000"), // Start/End Timestamps of Strip Stream
    (0x0149, 0x03, "SIEMENS Ultrasound SC2000"), // Timestamps of Visible R-waves
    (0x0199, 0x01, "NQLeft"), // Left Cortical White Matter
    (0x0199, 0x02, "NQLeft"), // Left Cortical Gray Matter
    (0x0199, 0x03, "NQLeft"), // Left 3rd Ventricle
    (0x0199, 0x04, "NQLeft"), // Left 4th Ventricle
    (0x0199, 0x05, "NQLeft"), // Left 5th Ventricle
    (0x0199, 0x06, "NQLeft"), // Left Lateral Ventricle
    (0x0199, 0x07, "NQLeft"), // Left Inferior Lateral Ventricle
    (0x0199, 0x08, "NQLeft"), // Left Inferior CSF
    (0x0199, 0x09, "NQLeft"), // Left Cerebellar White Matter
    (0x0199, 0x0A, "NQLeft"), // Left Cerebellar Gray Matter
    (0x0199, 0x0B, "NQLeft"), // Left Hippocampus
    (0x0199, 0x0C, "NQLeft"), // Left Amygdala
    (0x0199, 0x0D, "NQLeft"), // Left Thalamus
    (0x0199, 0x0E, "NQLeft"), // Left Caudate
    (0x0199, 0x0F, "NQLeft"), // Left Putamen
    (0x0199, 0x10, "NQLeft"), // Left Pallidum
    (0x0199, 0x11, "NQLeft"), // Left Ventral Diencephalon
    (0x0199, 0x12, "NQLeft"), // Left Nucleus Accumbens
    (0x0199, 0x13, "NQLeft"), // Left Brain Stem
    (0x0199, 0x14, "NQLeft"), // Left Exterior CSF
    (0x0199, 0x15, "NQLeft"), // Left WM Hypo
    (0x0199, 0x16, "NQLeft"), // Left Other
    (0x01E1, 0x26, "ELSCINT1"), // Phantom Type
    (0x01F1, 0x01, "ELSCINT1"), // Acquisition Type
    (0x01F1, 0x07, "ELSCINT1"), // Table Velocity
    (0x01F1, 0x26, "ELSCINT1"), // Pitch
    (0x01F1, 0x27, "ELSCINT1"), // Rotation Time
    (0x0299, 0x01, "NQRight"), // Right Cortical White Matter
    (0x0299, 0x02, "NQRight"), // Right Cortical Gray Matter
    (0x0299, 0x03, "NQRight"), // Right 3rd Ventricle
    (0x0299, 0x04, "NQRight"), // Right 4th Ventricle
    (0x0299, 0x05, "NQRight"), // Right 5th Ventricle
    (0x0299, 0x06, "NQRight"), // Right Lateral Ventricle
    (0x0299, 0x07, "NQRight"), // Right Inferior Lateral Ventricle
    (0x0299, 0x08, "NQRight"), // Right Inferior CSF
    (0x0299, 0x09, "NQRight"), // Right Cerebellar White Matter
    (0x0299, 0x0A, "NQRight"), // Right Cerebellar Gray Matter
    (0x0299, 0x0B, "NQRight"), // Right Hippocampus
    (0x0299, 0x0C, "NQRight"), // Right Amygdala
    (0x0299, 0x0D, "NQRight"), // Right Thalamus
    (0x0299, 0x0E, "NQRight"), // Right Caudate
    (0x0299, 0x0F, "NQRight"), // Right Putamen
    (0x0299, 0x10, "NQRight"), // Right Pallidum
    (0x0299, 0x11, "NQRight"), // Right Ventral Diencephalon
    (0x0299, 0x12, "NQRight"), // Right Nucleus Accumbens
    (0x0299, 0x13, "NQRight"), // Right Brain Stem
    (0x0299, 0x14, "NQRight"), // Right Exterior CSF
    (0x0299, 0x15, "NQRight"), // Right WM Hypo
    (0x0299, 0x16, "NQRight"), // Right Other
    (0x0903, 0x10, "GEIIS PACS"), // Reject Image Flag
    (0x0903, 0x11, "GEIIS PACS"), // Significant Flag
    (0x0903, 0x12, "GEIIS PACS"), // Confidential Flag
    (0x2001, 0x03, "Philips Imaging DD 001"), // Diffusion B-Factor
    (0x2001, 0x04, "Philips Imaging DD 001"), // Diffusion Direction
    (0x2005, 0x0D, "Philips MR Imaging DD 001"), // Scale Intercept
    (0x2005, 0x0E, "Philips MR Imaging DD 001"), // Scale Slope
    (0x7053, 0x00, "Philips PET Private Group"), // SUV Factor - Multiplying stored pixel values by Rescale Slope then this factor results in SUVbw in g/l
    (0x7053, 0x09, "Philips PET Private Group"), // Activity Concentration Factor - Multiplying stored pixel values by Rescale Slope then this factor results in MBq/ml.
];

/// VRs that hold a number or a code; what a device writes into another one is not what the table means.
const VRS: [&[u8; 2]; 11] =
    [b"FL", b"FD", b"DS", b"IS", b"SS", b"US", b"SL", b"UL", b"CS", b"SV", b"UV"];

/// Whether the attribute may stay. An admin who names one vouches for it, whatever it holds.
pub(crate) fn is_safe(
    profile: &Profile,
    group: u16,
    element: u8,
    creator: &str,
    vr: Option<[u8; 2]>,
    value: &[u8],
) -> bool {
    let of_table = ROWS.iter().any(|(g, e, c)| (*g, *e, *c) == (group, element, creator));
    let is_plain = match vr {
        Some(vr) => VRS.iter().any(|known| **known == vr),
        // Where the file does not say what it holds, only what can be read as numbers.
        None => value.iter().all(|byte| byte.is_ascii_digit() || b" .+-eE\\".contains(byte)),
    };
    (of_table && is_plain)
        || profile
            .private
            .iter()
            .any(|one| (one.group, one.element, &*one.creator) == (group, element, creator))
}
