//! The reader of headers, in every native transfer syntax and in Deflated.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry_store::fuzzing::data_set(input));
