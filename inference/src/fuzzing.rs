//! What must hold for whatever lies in a file: called by the fuzz target, and by a test with what it found.

use crate::assembly::Assembly;
use crate::decode::{self, Frames, tags};
use crate::elements::Elements;
use crate::film;
use crate::intensities::{self, Shown, Tables, intensities};
use crate::manifest::{Colour, FramesWanted, ImageWanted, Input, InputKind, Manifest, Tell};
use crate::padding;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{LazyLock, Mutex, Once, PoisonError};

/// Larger pictures take a codec too long under a sanitizer; what goes wrong is the same.
const MOST_PIXELS: usize = 1 << 18;

/// Frames are decoded one like the other: of a long cine these are enough.
const MOST_FRAMES: usize = 8;

/// A model that takes films, one that takes frames of any kind, and one that takes volumes.
static INPUTS: LazyLock<Option<[Input; 3]>> = LazyLock::new(|| {
    let read = |text: &str| Manifest::parse(Path::new("model.toml"), text).ok();
    let films = read(include_str!("../tests/models/chest-film/model.toml"))?;
    let volumes = read(include_str!("../../models/emphysema/model.toml"))?;
    let (mut film, mut volume) = (films.lead().clone(), volumes.lead().clone());
    (film.padding, volume.padding) = (Some(0.0), Some(0.0));
    volume.modalities = ["CT", "MR"].map(String::from).to_vec();
    let mut cine = film.clone();
    if let InputKind::Image(image) = &film.kind {
        let image = ImageWanted { colour: Colour::Any, ..image.clone() };
        cine.kind = InputKind::Frames(FramesWanted { image, tell: Tell::Mean, batch: 1 });
    }
    cine.modalities = ["US", "CT", "MR"].map(String::from).to_vec();
    Some([film, cine, volume])
});

/// A Part 10 file, its elements, its frames, how they are shown, and the volume that they make.
pub fn decode(input: &[u8]) {
    telling_panics(|| check(input));
}

fn check(file: &[u8]) {
    let Some([film, cine, volume]) = &*INPUTS else { return };
    let wanted = [decode::TAGS, intensities::TAGS, padding::TAGS].concat();
    let Ok(elements) = Elements::read(file, &wanted) else { return };
    let size = |tag| usize::from(elements.unsigned(tag).unwrap_or(0));
    let (rows, columns) = (size(tags::ROWS), size(tags::COLUMNS));
    if rows * columns * size(tags::SAMPLES_PER_PIXEL).max(1) > MOST_PIXELS {
        return;
    }
    let Ok(frames) = Frames::of(&elements) else { return };
    assert_eq!(frames.size(), [rows, columns]);
    for at in 0..frames.count().min(MOST_FRAMES) {
        check_frame(&elements, &frames, at, film);
    }
    if frames.count() <= MOST_FRAMES {
        let _ = film::read(file, cine);
        let mut assembly = Assembly::new(volume);
        if assembly.add(file).is_ok()
            && let Ok(volume) = assembly.finish()
        {
            assert_eq!(volume.voxels.len(), volume.geometry.voxels());
            assert_eq!(volume.slices.len(), volume.geometry.slices);
        }
    }
}

fn check_frame(elements: &Elements, frames: &Frames, at: usize, film: &Input) {
    let Ok(pixels) = frames.frame(at) else { return };
    let count = pixels.channels * pixels.rows * pixels.columns;
    assert_eq!(pixels.values.len(), count);
    assert_eq!(pixels.channels, if frames.are_colour() { 3 } else { 1 });
    let half = 1i32 << (pixels.bits_stored - 1);
    let range = if pixels.signed { -half..=half - 1 } else { 0..=2 * half - 1 };
    if !frames.are_colour() {
        assert!(pixels.values.iter().all(|value| range.contains(value)));
    }
    let Ok(tables) = Tables::read(elements) else { return };
    if let Ok(shown) = intensities(Shown::of(elements, &tables, None), film, pixels) {
        assert_eq!(shown.len(), count);
        // Padding is NaN.
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
