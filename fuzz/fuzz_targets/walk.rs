//! The walk that follows a large object while it arrives, cut anywhere, beside the reader of headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry::fuzzing::walk(input));
