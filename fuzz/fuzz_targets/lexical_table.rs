#![no_main]
//! A table of word translations; what is read is a shortlist's.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;
use wdistill_text::{LexicalTable, Vocabulary};

std::thread_local! {
    static SCRATCH: Scratch = Scratch::empty("table");
    static VOCABULARY: Vocabulary = Vocabulary::from_json(include_bytes!(
        "../../crates/wdistill-text/fixtures/native_export/bpe.json"
    ))
    .expect("the fixture is a vocabulary");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| VOCABULARY.with(|vocabulary| {
    let path = scratch.write(bytes).join("table");
    if let Ok(table) = LexicalTable::read(&path, vocabulary, vocabulary) {
        table.best(2, 0.1, 2).translations(vocabulary, vocabulary);
    }
})));
