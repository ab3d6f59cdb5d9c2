#![no_main]
//! The body of a request: the first byte says what it claims to be.

use libfuzzer_sys::fuzz_target;
use wdistill_serve::request::Fields;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    let kind =
        ["application/json", "application/x-www-form-urlencoded", "text/plain"][*kind as usize % 3];
    let query = std::str::from_utf8(body).unwrap_or_default();
    if let Ok(fields) = Fields::read(kind, query, body) {
        // A refusal is as good.
        _ = fields.translate_request();
    }
});
