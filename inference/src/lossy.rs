//! Whether an image was compressed with loss at any time (PS3.3 C.7.6.1.1.5).

use crate::elements::Elements;
use gantry_terms::transfer_syntaxes::may_lose;

pub const LOSSY_IMAGE_COMPRESSION: u32 = 0x0028_2110;

/// JPEG 2000 and HTJ2K: lossless or not, by the same transfer syntax.
const EITHER: [&str; 2] = ["1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"];

/// By the header, which keeps it when the pixels are decompressed, and by the transfer syntax.
pub fn is_lossy(elements: &Elements) -> bool {
    let syntax = elements.transfer_syntax.as_str();
    match elements.text(LOSSY_IMAGE_COMPRESSION) {
        Some("01") => true,
        Some("00") => may_lose(syntax) && !EITHER.contains(&syntax),
        _ => may_lose(syntax),
    }
}
