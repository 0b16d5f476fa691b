//! See `targets.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| molecule_fuzz::targets::urls(data));
