#![no_main]
//! The index of a MarianMT folder whose weights lie in several files.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::new("huggingface/relu-legacy", "model.safetensors.index.json");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| scratch.read(bytes)));
