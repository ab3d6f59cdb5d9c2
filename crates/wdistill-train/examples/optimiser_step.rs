//! Times optimiser steps on random sentences; one side of `benches/training/compare.py`.
//!
//! Arguments: width, feed-forward width, heads, layers of each stack, vocabulary, sentences, length,
//! warm-up steps, timed steps, threads, bits of the
//! numbers that products multiply, 32 or 16. Prints the median seconds of a step.

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example shows what it finds.

use std::time::Instant;

use wdistill_kernels::Precision;
use wdistill_model::{Architecture, Config, DropoutRates, Model, Shape, Vocabularies};
use wdistill_text::{EncodedCorpus, SpecialTokens};
use wdistill_train::{HostLearner, Learner, Lesson, Trainee, TrainingSettings};

fn main() {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let [
        width,
        feed_forward,
        heads,
        layers,
        words,
        sentences,
        length,
        warm_up,
        timed,
        threads,
        bits,
    ] = numbers[..]
    else {
        panic!("expected eleven numbers, found {}", numbers.len())
    };
    let precision = if bits == 16 { Precision::Bfloat16 } else { Precision::Float32 };
    let shape = Shape { layers, width, feed_forward, heads };
    let mut architecture = Architecture::preset("transformer-base").expect("a preset");
    (architecture.encoder, architecture.decoder) = (shape, shape);
    architecture.dropout = DropoutRates { residual: 0.1, attention: 0.1, activation: 0.0 };
    let config = Config::new(architecture, Vocabularies::shared(words)).expect("a valid model");
    // The end token makes up the last position of every sentence.
    let sentence = |number: usize| -> Vec<u32> {
        let word = |position| (number * 7919 + position * 104_729) % (words - 1) + 1;
        (0..length - 1).map(|position| word(position) as u32).collect()
    };
    let pairs: Vec<_> = (0..sentences).map(|n| (sentence(2 * n), sentence(2 * n + 1))).collect();
    let special = SpecialTokens::native();
    let rows = pairs.iter().map(|(source, target)| (&source[..], &target[..]));
    let corpus = EncodedCorpus::from_pairs(special.clone(), special, rows);
    let batches = [corpus];
    let settings = TrainingSettings { precision, ..TrainingSettings::default() };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("threads");
    let lesson = Lesson { teacher: None, guide: None, settings: &settings, seed: 1 };
    let model = Trainee::weights(Model::initialise(config, 1));
    let mut learner = HostLearner::start(model, lesson, threads).expect("threads");
    let mut step = |update: usize| {
        let start = Instant::now();
        learner.update(&batches, update as u64).expect("an update");
        start.elapsed().as_secs_f64()
    };
    let mut seconds: Vec<f64> = (1..=warm_up + timed).map(&mut step).collect();
    seconds.drain(..warm_up);
    seconds.sort_by(f64::total_cmp);
    println!("{}", seconds[seconds.len() / 2]);
}
