#![no_main]
//! A vocabulary of wdistill; what is read cuts a line.

use libfuzzer_sys::fuzz_target;
use wdistill_text::Vocabulary;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(vocabulary) = Vocabulary::from_json(bytes) {
        vocabulary.encode("a line ▁ with 🐕");
    }
});
