//! Writes a model with random weights: `random_model PRESET WORDS FOLDER`.

use std::path::Path;

use wdistill_formats::native;
use wdistill_model::{Architecture, Config, Model, Vocabularies};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [preset, words, folder] = &arguments[..] else {
        panic!("expected PRESET WORDS FOLDER, found {arguments:?}")
    };
    let words = words.parse().expect("the number of words");
    let architecture = Architecture::preset(preset).expect("a preset");
    let config = Config::new(architecture, Vocabularies::shared(words)).expect("a valid model");
    native::save(&Model::initialise(config, 1), Path::new(folder)).expect("a writable folder");
}
