#![no_main]
//! CTranslate2's model.bin.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::new("ctranslate2/prenorm", "model.bin");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| scratch.read(bytes)));
