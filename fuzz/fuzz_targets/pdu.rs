//! What comes in PDUs: association requests, acceptances, presentation data values.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gantry::fuzzing::pdu(input));
