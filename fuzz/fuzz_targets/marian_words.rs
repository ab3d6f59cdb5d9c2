#![no_main]
//! A vocabulary of Marian.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::new("marian/joint-yaml", "vocab.yml");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| scratch.read(bytes)));
