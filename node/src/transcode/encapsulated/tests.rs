//! Frames of extreme values in every syntax, and back through the decoder of this node.

use super::*;
use crate::transcode::{TranscodeError, decompressed, uncompressed};
use bytes::Bytes;

/// (rows, columns, samples, bytes of a sample, frames)
type Shape = [usize; 5];

fn short(tag: Tag, vr: &[u8], value: &[u8]) -> Vec<u8> {
    let tag = [((tag >> 16) as u16).to_le_bytes(), (tag as u16).to_le_bytes()].concat();
    [&tag, vr, &(value.len() as u16).to_le_bytes(), value].concat()
}

fn number(tag: Tag, value: usize) -> Vec<u8> {
    short(tag, b"US", &(value as u16).to_le_bytes())
}

fn pixel_data(pixels: &[u8]) -> Vec<u8> {
    let length = (pixels.len().next_multiple_of(2) as u32).to_le_bytes();
    let padding = &[0][..pixels.len() % 2];
    [b"\xE0\x7F\x10\0OW\0\0", &length[..], pixels, padding].concat()
}

fn image([rows, columns, samples, bytes, frames]: Shape, signed: bool, pixels: &[u8]) -> Vec<u8> {
    let photometric: &[u8] = if samples == 3 { b"RGB " } else { b"MONOCHROME2 " };
    let planar = if samples == 3 { number(PLANAR_CONFIGURATION, 0) } else { Vec::new() };
    let elements = [
        short(0x0008_0060, b"CS", b"OT"),
        number(SAMPLES_PER_PIXEL, samples),
        short(PHOTOMETRIC_INTERPRETATION, b"CS", photometric),
        planar,
        short(NUMBER_OF_FRAMES, b"IS", format!("{frames} ").as_bytes()),
        number(ROWS, rows),
        number(COLUMNS, columns),
        number(BITS_ALLOCATED, 8 * bytes),
        number(0x0028_0101, 8 * bytes),
        number(0x0028_0102, 8 * bytes - 1),
        number(0x0028_0103, signed.into()),
        pixel_data(pixels),
        b"\xFC\xFF\xFC\xFFOB\0\0\x02\0\0\0\0\0".to_vec(),
    ];
    elements.concat()
}

fn part10(syntax: &Uid, data_set: &[u8]) -> Bytes {
    let syntax = syntax.as_str();
    let padded = format!("{syntax}{}", &"\0"[..syntax.len() % 2]);
    let syntax = short(0x0002_0010, b"UI", padded.as_bytes());
    let length = short(0x0002_0000, b"UL", &(syntax.len() as u32).to_le_bytes());
    [&[0; 128][..], b"DICM", &length, &syntax, data_set].concat().into()
}

fn check(shape: Shape, sample: impl Fn(usize) -> u16) {
    let bytes = shape[3];
    let count: usize = shape.iter().product::<usize>() / bytes;
    let pixels: Vec<u8> =
        (0..count).flat_map(|at| sample(at).to_le_bytes().into_iter().take(bytes)).collect();
    let explicit = &uncompressed()[0];
    // Colours have no sign.
    for signed in [false, true].into_iter().take(if shape[2] == 1 { 2 } else { 1 }) {
        let native = image(shape, signed, &pixels);
        for syntax in lossless() {
            let made = compressed(&native, &syntax).expect("it has pixels");
            let kept = part10(&syntax, &made);
            let again = decompressed(&kept, &syntax, explicit).expect("it can be decoded");
            assert!(again == native, "{shape:?} {signed} {syntax}");
        }
    }
}

#[test]
fn what_is_compressed_is_decompressed_to_the_same_bytes() {
    let shapes = [
        [1, 1, 1, 1, 1],
        [1, 1, 1, 2, 1],
        [1, 300, 1, 2, 1],
        [300, 1, 1, 1, 1],
        [3, 257, 1, 2, 2],
        [7, 131, 1, 1, 3],
        [5, 129, 3, 1, 1],
        [3, 3, 3, 1, 3],
        [4, 33, 3, 2, 2],
    ];
    for shape in shapes {
        let columns = shape[1];
        check(shape, |_| 0);
        check(shape, |_| u16::MAX);
        // A checkerboard: each difference is as large as can be.
        check(shape, |at| if (at / columns + at % columns) % 2 == 0 { 0 } else { u16::MAX });
        check(shape, |at| if at % 2 == 0 { 0 } else { 0x8000 });
        check(shape, |at| (at as u16).wrapping_mul(257));
        check(shape, |at| (at as u16).wrapping_mul(40503).rotate_left(at as u32 % 16));
        check(shape, |at| if at % 200 < 150 { 7 } else { at as u16 });
    }
}

#[test]
fn colours_that_lie_plane_by_plane_are_the_same_colours() {
    let by_pixel = image([1, 2, 3, 1, 1], false, &[1, 2, 3, 4, 5, 6]);
    let by_plane = image([1, 2, 3, 1, 1], false, &[1, 4, 2, 5, 3, 6]);
    let (from, to) = (number(PLANAR_CONFIGURATION, 0), number(PLANAR_CONFIGURATION, 1));
    let at = by_plane.windows(from.len()).position(|bytes| bytes == from).expect("it is there");
    let by_plane = [&by_plane[..at], &to, &by_plane[at + to.len()..]].concat();
    for syntax in lossless() {
        let made = compressed(&by_plane, &syntax).expect("it has pixels");
        let again = decompressed(&part10(&syntax, &made), &syntax, &uncompressed()[0]);
        assert_eq!(again.expect("it can be decoded"), by_pixel);
        let is_told = made.windows(to.len()).any(|bytes| bytes == to);
        assert_eq!(is_told, syntax.as_str() == "1.2.840.10008.1.2.5");
    }
}

#[test]
fn what_is_not_compressed_says_why() {
    let why = |data_set: &[u8]| compressed(data_set, &lossless()[0]).expect_err("not compressed");
    let whole = image([2, 2, 1, 1, 1], false, &[1, 2, 3, 4]);
    let with = |from: Vec<u8>, to: Vec<u8>| {
        let at = whole.windows(from.len()).position(|bytes| bytes == from).expect("it is there");
        [&whole[..at], &to, &whole[at + from.len()..]].concat()
    };
    assert_eq!(why(&short(0x0008_0060, b"CS", b"SR")), NotCompressed::NoPixels);
    let one_bit = with(number(BITS_ALLOCATED, 8), number(BITS_ALLOCATED, 1));
    assert_eq!(why(&one_bit), NotCompressed::Depth);
    let ybr = with(number(SAMPLES_PER_PIXEL, 1), number(SAMPLES_PER_PIXEL, 3));
    assert_eq!(why(&ybr), NotCompressed::Colours);
    for frames in [b"0 ", b"2 ", b"x ", b"-1"] {
        let other = short(NUMBER_OF_FRAMES, b"IS", frames);
        let told = with(short(NUMBER_OF_FRAMES, b"IS", b"1 "), other);
        assert_eq!(why(&told), NotCompressed::Length);
    }
    // More headers of frames than pixels; more than the limit; a plane that would be taken apart at once.
    for frames in [&b"65537 "[..], b"99999999"] {
        let many = short(NUMBER_OF_FRAMES, b"IS", frames);
        let many = with(short(NUMBER_OF_FRAMES, b"IS", b"1 "), many);
        assert_eq!(why(&many), NotCompressed::TooLarge);
    }
    let wide = with(number(ROWS, 2), number(ROWS, 65535));
    let at = wide.windows(10).position(|bytes| bytes == number(COLUMNS, 2)).expect("it is there");
    let wide = [&wide[..at], &number(COLUMNS, 513), &wide[at + 10..]].concat();
    assert_eq!(why(&wide), NotCompressed::TooLarge);
    assert_eq!(why(&with(number(ROWS, 2), number(ROWS, 0))), NotCompressed::Length);
    assert_eq!(why(&with(number(ROWS, 2), Vec::new())), NotCompressed::Length);
    let twice = [&whole[..], &pixel_data(&[1, 2, 3, 4])].concat();
    assert_eq!(why(&twice), NotCompressed::Unreadable);
    let again = compressed(&whole, &lossless()[0]).expect("it has pixels");
    assert_eq!(why(&again), NotCompressed::Unreadable);
    for end in 0..whole.len() {
        drop(compressed(&whole[..end], &lossless()[0]));
    }
    let reason = TranscodeError::Compress { to: lossless()[0].clone(), why: NotCompressed::Depth };
    assert_eq!(
        reason.to_string(),
        "the peer takes only 1.2.840.10008.1.2.4.70 and must take an uncompressed syntax: the object has samples of other than 8 or 16 bits allocated"
    );
}
