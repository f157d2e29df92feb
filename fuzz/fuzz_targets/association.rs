//! A whole connection, from its first byte to its last, over a socket of this machine.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry::fuzzing::association(input));
