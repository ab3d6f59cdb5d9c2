#![no_main]
//! A text, compressed or not.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;
use wdistill_text::read_lines;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::empty("text");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| {
    drop(read_lines(&scratch.write(bytes).join("text")));
}));
