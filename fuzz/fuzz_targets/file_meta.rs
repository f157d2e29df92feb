//! The head of a Part 10 file, and data sets that would be taken for a part of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_store::fuzzing::file_meta(input));
