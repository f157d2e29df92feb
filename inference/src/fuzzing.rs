//! What must hold for whatever lies in a file: called by the fuzz target, and by a test with what it found.

use crate::decode::{self, decode_elements, tags};
use crate::elements::Elements;
use crate::film;
use crate::manifest::Intensity;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

/// Larger pictures take a codec too long under a sanitizer; what goes wrong is the same.
const MOST_PIXELS: usize = 1 << 18;

/// A Part 10 file, its elements, its pixels and how they are shown.
pub fn decode(input: &[u8]) {
    telling_panics(|| check(input));
}

fn check(input: &[u8]) {
    let wanted = [decode::TAGS, film::TAGS].concat();
    let Ok(elements) = Elements::read(input, &wanted) else { return };
    let size = |tag| usize::from(elements.unsigned(tag).unwrap_or(0));
    let (rows, columns) = (size(tags::ROWS), size(tags::COLUMNS));
    if rows * columns > MOST_PIXELS {
        return;
    }
    let Ok(pixels) = decode_elements(&elements) else { return };
    assert_eq!((pixels.rows, pixels.columns), (rows, columns));
    assert_eq!(pixels.values.len(), rows * columns);
    let range = match (pixels.bits_allocated, pixels.signed) {
        (8, false) => 0..=0xFF,
        (8, true) => -0x80..=0x7F,
        (_, false) => 0..=0xFFFF,
        (_, true) => -0x8000..=0x7FFF,
    };
    assert!(pixels.values.iter().all(|value| range.contains(value)));
    if let Ok(shown) = film::intensities(&elements, Intensity::Displayed, pixels) {
        assert_eq!(shown.len(), rows * columns);
        // A slope near the end of float32 makes NaN.
        assert!(shown.iter().all(|grey| (0.0..=1.0).contains(grey) || grey.is_nan()));
    }
}

/// A panic that is caught inside (some codecs have them) is no fault, but the hook that libFuzzer
/// is run with ends the process before it is caught: only those that come out are told.
fn telling_panics(work: impl FnOnce()) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    static QUIET: Once = Once::new();
    if cfg!(fuzzing) {
        QUIET.call_once(|| {
            panic::set_hook(Box::new(|info| {
                *LAST.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
            }));
        });
    }
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(work)) {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        panic::resume_unwind(payload)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Every seed, and every input that it failed on once.
    #[test]
    fn what_fuzzing_found_in_pixels_stays_mended() {
        let mut replayed = 0;
        for folder in ["seeds", "found"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder);
            let Ok(inputs) = std::fs::read_dir(folder.join("decode")) else { continue };
            for input in inputs {
                let path = input.expect("the folder can be listed").path();
                println!("{}", path.display());
                super::decode(&std::fs::read(path).expect("an input can be read"));
                replayed += 1;
            }
        }
        assert!(replayed > 0, "decode has no seeds (fuzz/corpus.py)");
    }
}
