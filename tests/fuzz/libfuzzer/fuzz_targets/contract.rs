//! Drives [`ablate_fuzz::contract`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ablate_fuzz::contract(input));
