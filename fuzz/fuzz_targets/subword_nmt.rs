#![no_main]
//! Codes of subword-nmt; what is read cuts a line.

use libfuzzer_sys::fuzz_target;
use wdistill_text::SubwordNmtCodes;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(codes) = SubwordNmtCodes::from_bytes(bytes) {
        codes.segment("a line with words");
    }
});
