//! Drives [`ablate_fuzz::tensor`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ablate_fuzz::tensor(input));
