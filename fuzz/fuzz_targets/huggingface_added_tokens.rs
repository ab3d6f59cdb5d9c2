#![no_main]
//! The tokens that were added to a MarianMT folder's tokenizer.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::new("huggingface/swish-shared", "added_tokens.json");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| scratch.read(bytes)));
