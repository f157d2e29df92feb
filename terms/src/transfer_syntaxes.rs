//! The transfer syntaxes that carry their own pixels (PS3.5 section 10), in the order in which the node prefers them.

pub const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
pub const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
pub const DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1.99";
pub const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// Best first: native, lossless, lossy, video, JPEG XL, Big Endian. JPIP is absent on purpose:
/// its pixels stay with the sender, so that nothing could be kept.
pub const PREFERENCE: &[&str] = &[
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.4.70",  // JPEG Lossless, first-order prediction
    "1.2.840.10008.1.2.4.57",  // JPEG Lossless
    "1.2.840.10008.1.2.4.80",  // JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  // JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.92",  // JPEG 2000 Part 2 Lossless
    "1.2.840.10008.1.2.4.201", // HTJ2K Lossless
    "1.2.840.10008.1.2.4.202", // HTJ2K Lossless RPCL
    "1.2.840.10008.1.2.5",     // RLE Lossless
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.1.98", // Encapsulated Uncompressed Explicit VR Little Endian
    "1.2.840.10008.1.2.8.1",  // Deflated Image Frame Compression
    "1.2.840.10008.1.2.4.50", // JPEG Baseline, 8 bit
    "1.2.840.10008.1.2.4.51", // JPEG Extended, 12 bit
    "1.2.840.10008.1.2.4.81", // JPEG-LS Near-lossless
    "1.2.840.10008.1.2.4.91", // JPEG 2000
    "1.2.840.10008.1.2.4.93", // JPEG 2000 Part 2
    "1.2.840.10008.1.2.4.203", // HTJ2K
    "1.2.840.10008.1.2.4.100", // MPEG2 Main Profile Main Level
    "1.2.840.10008.1.2.4.100.1",
    "1.2.840.10008.1.2.4.101", // MPEG2 Main Profile High Level
    "1.2.840.10008.1.2.4.101.1",
    "1.2.840.10008.1.2.4.102", // MPEG-4 AVC/H.264 High Profile
    "1.2.840.10008.1.2.4.102.1",
    "1.2.840.10008.1.2.4.103",
    "1.2.840.10008.1.2.4.103.1",
    "1.2.840.10008.1.2.4.104",
    "1.2.840.10008.1.2.4.104.1",
    "1.2.840.10008.1.2.4.105",
    "1.2.840.10008.1.2.4.105.1",
    "1.2.840.10008.1.2.4.106",
    "1.2.840.10008.1.2.4.106.1",
    "1.2.840.10008.1.2.4.107", // HEVC/H.265 Main Profile
    "1.2.840.10008.1.2.4.108", // HEVC/H.265 Main 10 Profile
    "1.2.840.10008.1.2.4.110", // JPEG XL Lossless
    "1.2.840.10008.1.2.4.111", // JPEG XL JPEG Recompression
    "1.2.840.10008.1.2.4.112", // JPEG XL
    EXPLICIT_VR_BIG_ENDIAN,
];

/// Those whose pixels are, or may be, no longer what the scanner measured (PS3.5 10 and A.4).
const LOSSY: &[&str] = &[
    "1.2.840.10008.1.2.4.50",  // JPEG Baseline, 8 bit
    "1.2.840.10008.1.2.4.51",  // JPEG Extended, 12 bit
    "1.2.840.10008.1.2.4.81",  // JPEG-LS Near-lossless
    "1.2.840.10008.1.2.4.91",  // JPEG 2000
    "1.2.840.10008.1.2.4.93",  // JPEG 2000 Part 2
    "1.2.840.10008.1.2.4.203", // HTJ2K
    "1.2.840.10008.1.2.4.111", // JPEG XL of a JPEG, which was lossy before
    "1.2.840.10008.1.2.4.112", // JPEG XL
];
/// MPEG2, MPEG-4 and HEVC, and their fragmentable forms (`.100.1`).
const VIDEO: [&str; 9] = ["100", "101", "102", "103", "104", "105", "106", "107", "108"];

/// Whether an object in this transfer syntax may have lost something of its pixels.
pub fn may_lose(transfer_syntax: &str) -> bool {
    let video = transfer_syntax.strip_prefix("1.2.840.10008.1.2.4.");
    let video = video.map(|end| end.strip_suffix(".1").unwrap_or(end));
    LOSSY.contains(&transfer_syntax) || video.is_some_and(|end| VIDEO.contains(&end))
}

/// The best of the offered syntaxes, whatever their order (PS3.8 9.3.2.2: the acceptor chooses),
/// or none when the node keeps none of them.
pub fn choose<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    offered
        .into_iter()
        .filter_map(|uid| PREFERENCE.iter().position(|kept| *kept == uid))
        .min()
        .map(|best| PREFERENCE[best])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_kept_syntaxes_those_for_video_and_for_lossy_images_may_lose() {
        let lossless = PREFERENCE.iter().filter(|uid| !may_lose(uid)).count();
        assert_eq!((lossless, PREFERENCE.len()), (15, 39));
        assert!(!may_lose("1.2.840.10008.1.2.4.90") && !may_lose("1.2.840.10008.1.2.4.70"));
        assert!(may_lose("1.2.840.10008.1.2.4.102.1") && !may_lose("1.2.840.10008.1.2.4.1"));
    }

    #[test]
    fn explicit_little_endian_wins_and_pixels_that_stay_elsewhere_are_refused() {
        let offered =
            [EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN];
        assert_eq!(choose(offered), Some(EXPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(choose(["1.2.840.10008.1.2.4.94"]), None);
        assert_eq!(choose(["1.2.840.10008.1.2.4.90"]), Some("1.2.840.10008.1.2.4.90"));
    }
}
