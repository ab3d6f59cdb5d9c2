//! Times optimiser steps of both phases of weight distillation in turn: TINY from transformer-base, random
//! weights, 8,000 words, 64 sentences of 24 tokens.
//!
//! Arguments: rounds, threads. Prints the median seconds of a step in each phase, and the median of the
//! ratio phase 1 / phase 2 within a round.

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example shows what it finds.

use std::time::Instant;

use wdistill_generator::{ParameterGenerator, Start};
use wdistill_model::{Architecture, Config, Model, Vocabularies};
use wdistill_text::{EncodedCorpus, SpecialTokens};
use wdistill_train::{HostLearner, Learner, Lesson, Trainee, TrainingSettings};

const WORDS: usize = 8000;
const SENTENCES: usize = 64;
const LENGTH: usize = 24;

fn config(preset: &str) -> Config {
    let architecture = Architecture::preset(preset).expect("a preset");
    Config::new(architecture, Vocabularies::shared(WORDS)).expect("a valid model")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let [rounds, threads] = numbers[..] else { panic!("expected ROUNDS THREADS") };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("threads");
    let sentence = |number: usize| -> Vec<u32> {
        let word = |position| (number * 7919 + position * 104_729) % (WORDS - 1) + 1;
        (0..LENGTH - 1).map(|position| word(position) as u32).collect()
    };
    let pairs: Vec<_> = (0..SENTENCES).map(|n| (sentence(2 * n), sentence(2 * n + 1))).collect();
    let special = SpecialTokens::native();
    let rows = pairs.iter().map(|(source, target)| (&source[..], &target[..]));
    let corpus = EncodedCorpus::from_pairs(special.clone(), special, rows);
    let batches = [corpus];
    let tiny = config("tiny");

    let teacher = Model::initialise(config("transformer-base"), 1);
    let generator =
        ParameterGenerator::grow(&teacher, &tiny, Start::Xavier, 1).expect("a student that fits");
    let phases =
        [Trainee::generator(generator), Trainee::weights(Model::initialise(tiny.clone(), 1))];
    let settings = TrainingSettings::default();
    let lesson = Lesson { teacher: None, guide: None, settings: &settings, seed: 1 };
    let mut states = phases
        .map(|phase| (HostLearner::start(phase, lesson, threads).expect("threads"), Vec::new()));
    for number in 1..=rounds as u64 + 1 {
        for (learner, seconds) in &mut states {
            let start = Instant::now();
            learner.update(&batches, number).expect("an update");
            // The first round fills the caches and is not counted.
            if number > 1 {
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
    }
    let ratios = states[0].1.iter().zip(&states[1].1).map(|(one, two)| one / two).collect();
    println!(
        "phase 1 {:.3} s  phase 2 {:.3} s  ratio {:.2}",
        median(states[0].1.clone()),
        median(states[1].1.clone()),
        median(ratios)
    );
}
