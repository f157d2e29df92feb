//! Records of a damaged segment.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_store::fuzzing::record(input));
