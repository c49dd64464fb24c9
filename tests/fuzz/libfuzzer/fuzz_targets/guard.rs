//! Drives [`ablate_fuzz::guard`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ablate_fuzz::guard(input));
