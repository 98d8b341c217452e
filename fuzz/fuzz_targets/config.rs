#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| united_voice_fuzz_checks::config(bytes));
