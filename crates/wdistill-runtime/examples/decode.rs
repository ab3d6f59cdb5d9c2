//! Translates sentences of token ids as often as it is asked to; one side of `benches/decoder/compare.py`.
//!
//! Arguments: a model folder; a file with the ids of a source sentence on each line, each with its end
//! token; `float32`, `bf16` or `int8`; beam; tokens of a batch, each counted once for every hypothesis; threads; words
//! that every translation must have, or 0 for as many as the model wants. Each line of standard input asks for one
//! translation of all sentences: `time` prints its seconds and the number of target tokens, `show` the ids
//! of every translation.

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example shows what it finds.

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use wdistill_formats::native;
use wdistill_runtime::{DecodingOptions, Precision, TokenTranslator};
use wdistill_search::SearchOptions;

fn ids(line: &str) -> Vec<u32> {
    line.split_whitespace().map(|word| word.parse().expect("an id")).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, sentences, precision, numbers @ ..] = &arguments[..] else {
        panic!("expected seven arguments")
    };
    let precision = match precision.as_str() {
        "float32" => Precision::Float32,
        "bf16" => Precision::Bfloat16,
        "int8" => Precision::Int8,
        other => panic!("{other:?}, expected \"float32\", \"bf16\" or \"int8\""),
    };
    let numbers: Vec<usize> = numbers.iter().map(|word| word.parse().expect("a number")).collect();
    let [beam, batch_tokens, threads, words] = numbers[..] else {
        panic!("expected four numbers, found {}", numbers.len())
    };
    let mut search = SearchOptions { beam_size: beam, ..SearchOptions::default() };
    if words > 0 {
        (search.min_length, search.max_length) = (words, words);
    }
    let options = DecodingOptions { batch_tokens, precision, search };
    let model = native::load(Path::new(model)).expect("a model");
    let translator = TokenTranslator::new(&model, threads, options, None).expect("valid options");
    let text = std::fs::read_to_string(sentences).expect("the sentences");
    let sources: Vec<Vec<u32>> = text.lines().map(ids).collect();
    for request in std::io::stdin().lock().lines() {
        let start = Instant::now();
        let translations = translator.translate(&sources).expect("translations");
        let seconds = start.elapsed().as_secs_f64();
        match request.expect("a request").as_str() {
            "time" => println!("{seconds} {}", translations.report.target_tokens),
            "show" => {
                for hypotheses in &translations.hypotheses {
                    let words = hypotheses[0].tokens.iter().map(u32::to_string);
                    println!("{}", words.collect::<Vec<_>>().join(" "));
                }
            }
            other => panic!("{other:?} is neither \"time\" nor \"show\""),
        }
    }
}
