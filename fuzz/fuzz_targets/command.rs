//! Command sets.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry::fuzzing::command(input));
