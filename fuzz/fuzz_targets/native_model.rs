#![no_main]
//! The weights of a model folder of wdistill, float32 or quantised.

use libfuzzer_sys::fuzz_target;
use wdistill_formats::native;
use wdistill_fuzz::Scratch;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::new("native", native::WEIGHTS_FILE);
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| {
    drop(native::load_any(scratch.write(bytes)));
}));
