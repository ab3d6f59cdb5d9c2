#![no_main]
//! A SentencePiece model; what is read cuts a line and is written.

use libfuzzer_sys::fuzz_target;
use wdistill_text::SentencePieceModel;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = SentencePieceModel::from_bytes(bytes) {
        model.encode("a line ▁ with 🐕");
        drop(model.to_bytes());
    }
});
