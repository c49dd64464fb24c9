//! Drives [`ablate_fuzz::experiment`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ablate_fuzz::experiment(input));
