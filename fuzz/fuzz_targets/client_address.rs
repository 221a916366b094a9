//! See `countersign_fuzz::client_address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::client_address(data));
