//! Text that is burned into pixels: which images are likely to have it, and what a profile knows of their device. The likely ones do not leave unless the profile says what to blank.

use crate::pixels::{self, Rectangle};
use crate::profile::{Device, Profile};
use crate::seen::{
    BURNED_IN, COLUMNS, CONVERSION_TYPE, IMAGE_TYPE, MANUFACTURER, MODEL, ROWS, SOP_CLASS, Seen,
};

/// Why an object does not leave. Names what an admin can act on, and no value of a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Likely {
    #[error("BurnedInAnnotation (0028,0301) is YES")]
    Said,
    #[error(
        "its SOP class is one of captures, screens, ultrasound or video, which often carry burned-in text"
    )]
    Class,
    #[error("its ImageType (0008,0008) is that of a screen or a dose page")]
    ImageType,
    #[error("it was digitized or captured (ConversionType (0008,0064))")]
    Converted,
}

/// What is to be done with the pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pixels<'p> {
    AsTheyAre,
    /// The profile knows the device: these rectangles are made black.
    Blank(&'p [Rectangle]),
}

/// SOP classes whose images carry the patient's name more often than not, each with those below it.
const CLASSES: [&str; 4] = [
    // Ultrasound Multi-frame Image.
    "1.2.840.10008.5.1.4.1.1.3",
    // Ultrasound Image, and Enhanced US Volume.
    "1.2.840.10008.5.1.4.1.1.6",
    // Secondary Capture Image: screens, and film that was digitized.
    "1.2.840.10008.5.1.4.1.1.7",
    // What is seen by a camera: endoscopy, microscopy, photography, ophthalmology, dermoscopy.
    "1.2.840.10008.5.1.4.1.1.77.1",
];

/// Values of Image Type that say so, as devices write them.
const TYPES: [&str; 8] = [
    "SCREEN SAVE",
    "SCREENSAVE",
    "SCREENSHOT",
    "SCREEN",
    "CAPTURE",
    "DOSE_INFO",
    "DOSE INFO",
    "PATIENT PROTOCOL",
];

/// What is to be done with the pixels, or why the object stays here.
pub fn judged<'p>(seen: &Seen, profile: &'p Profile) -> Result<Pixels<'p>, Likely> {
    if let Some(device) = device(seen, profile) {
        return Ok(Pixels::Blank(&device.blank));
    }
    match likely(seen) {
        Some(why) => Err(why),
        None => Ok(Pixels::AsTheyAre),
    }
}

/// Whether the pixels have to be blanked, for which they must not be compressed.
pub fn needs_native_pixels(seen: &Seen, profile: &Profile) -> bool {
    device(seen, profile).is_some_and(|device| !device.blank.is_empty())
}

fn device<'p>(seen: &Seen, profile: &'p Profile) -> Option<&'p Device> {
    let same = |tag, text: &str| seen.text(tag).eq_ignore_ascii_case(text);
    profile.devices.iter().find(|device| {
        same(MANUFACTURER, &device.manufacturer)
            && same(MODEL, &device.model)
            && seen.number(ROWS) == Some(device.rows)
            && seen.number(COLUMNS) == Some(device.columns)
    })
}

fn likely(seen: &Seen) -> Option<Likely> {
    // What a device says of itself counts where it says yes; a NO of a capture is often a default.
    if seen.text(BURNED_IN) == "YES" {
        return Some(Likely::Said);
    }
    let class = seen.text(SOP_CLASS);
    let is_below = |known: &&str| {
        class.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if CLASSES.iter().any(is_below) {
        return Some(Likely::Class);
    }
    let is_of_screen = |value: &String| {
        let value = value.to_ascii_uppercase().replace('_', " ");
        TYPES.iter().any(|known| value == known.replace('_', " "))
    };
    if seen.texts(IMAGE_TYPE).iter().any(is_of_screen) {
        return Some(Likely::ImageType);
    }
    let converted = seen.text(CONVERSION_TYPE);
    let digitized = ["DV", "DI", "DF", "SD", "SI", "DRW", "SYN", "WSD"].contains(&&*converted);
    (digitized && pixels::are_there(seen)).then_some(Likely::Converted)
}
