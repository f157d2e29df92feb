//! Pixels: the elements that describe them, and the codecs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_inference::fuzzing::decode(input));
