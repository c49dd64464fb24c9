//! Drives [`ablate_fuzz::description`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ablate_fuzz::description(input));
