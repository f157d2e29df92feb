//! Grey films as a display shows them: by their own window, and over the span of their values where they have none that shows anything.

mod kit;

use gantry_inference::film;
use kit::modality::{Scan, text};
use kit::second_opinion::assert_near;

/// 256 pixels of 12 bits, from 1000 to 1510, of which the first is far below.
fn ramp() -> Scan {
    let mut pixels: Vec<u16> = (0..256).map(|at| 1000 + 2 * at).collect();
    pixels[0] = 3;
    Scan {
        modality: "DX",
        slope: String::new(),
        intercept: String::new(),
        pixels,
        ..Scan::default()
    }
}

fn with(photometric: &'static str, says: &[(u32, &[u8; 2], &str)]) -> Vec<f32> {
    let mut more = Vec::new();
    says.iter().for_each(|(tag, vr, value)| text(&mut more, *tag, vr, value));
    film::shown(&Scan { photometric, more, ..ramp() }.file()).unwrap().pixels
}

fn expected(of: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..256).map(|at| of(at).clamp(0.0, 1.0)).collect()
}

const CENTRE: u32 = 0x0028_1050;
const WIDTH: u32 = 0x0028_1051;

#[test]
fn without_a_window_the_span_of_the_values_is_shown() {
    // Of 256 values the two outermost on either side do not count.
    let span = |at: usize| if at == 0 { 0.0 } else { (at as f64 - 2.0) / 251.0 };
    assert_near(&with("MONOCHROME2", &[]), &expected(span), 1e-5);
    assert_near(&with("MONOCHROME1", &[]), &expected(|at| 1.0 - span(at).clamp(0.0, 1.0)), 1e-5);
    // A window by which nothing can be shown is none.
    let nothing = with("MONOCHROME2", &[(CENTRE, b"DS", "1200"), (WIDTH, b"DS", "0")]);
    assert_near(&nothing, &expected(span), 1e-5);
}

#[test]
fn eight_bits_without_a_window_are_shown_as_they_are() {
    let pixels: Vec<u16> = (0..256).map(|at| 50 + at % 100).collect();
    let film = Scan { bits_allocated: 16, bits_stored: 8, pixels, ..ramp() };
    let shown = film::shown(&film.file()).unwrap().pixels;
    assert_near(&shown, &expected(|at| (50 + at % 100) as f64 / 255.0), 1e-5);
}

#[test]
fn its_own_window_is_taken_where_a_film_has_one() {
    let says: [(u32, &[u8; 2], &str); 3] =
        [(CENTRE, b"DS", "1100"), (WIDTH, b"DS", "100"), (0x0028_1056, b"CS", "LINEAR_EXACT")];
    let shown = |at: usize| if at == 0 { 0.0 } else { (2.0 * at as f64 - 50.0) / 100.0 };
    assert_near(&with("MONOCHROME2", &says), &expected(shown), 1e-5);
    assert_near(&with("MONOCHROME1", &says), &expected(|at| 1.0 - shown(at).clamp(0.0, 1.0)), 1e-5);
}

#[test]
fn padding_is_dark_and_no_part_of_the_span() {
    let mut more = Vec::new();
    kit::modality::element(&mut more, 0x0028_0120, b"US", &4000u16.to_le_bytes());
    let mut film = Scan { more, ..ramp() };
    film.pixels[100..].fill(4000);
    let shown = film::shown(&film.file()).unwrap().pixels;
    assert!(shown[100..].iter().all(|value| *value == 0.0));
    assert!(shown[98] > 0.99, "{}", shown[98]);
}
