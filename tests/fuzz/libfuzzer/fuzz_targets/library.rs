//! Drives [`ablate_fuzz::library`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ablate_fuzz::library(input));
