#![no_main]
//! A checkpoint of fairseq, in either form of torch.save: pickles, storages, zip.

use libfuzzer_sys::fuzz_target;
use wdistill_fuzz::Scratch;

std::thread_local! {
    static SCRATCH: Scratch = Scratch::new("fairseq/old-layout", "checkpoint_best.pt");
}

fuzz_target!(|bytes: &[u8]| SCRATCH.with(|scratch| scratch.read(bytes)));
