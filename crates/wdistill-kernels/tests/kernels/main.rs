//! Every operation against a naive reference in `f64` at awkward sizes, and every gradient against
//! central differences.

mod activations;
mod attention;
mod bfloat16;
mod cross_entropy;
mod decode;
mod dropout;
mod elementary;
mod elementwise;
mod embed;
mod generate;
mod guidance;
#[cfg(target_arch = "x86_64")]
mod instructions;
mod likeness;
mod muon;
mod norm;
mod product;
mod recur;
mod support;
mod threads;

#[cfg(target_arch = "x86_64")]
#[test]
fn all_tests_pass_with_fewer_instructions() {
    instructions::run_with_fewer_instructions("WDISTILL_INSTRUCTIONS", "best_words");
}
