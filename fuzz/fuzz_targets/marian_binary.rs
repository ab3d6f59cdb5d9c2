#![no_main]
//! Marian's binary model, of either dialect.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::new("marian/joint-yaml", "model.bin").without("model.npz");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| scratch.read(bytes)));
