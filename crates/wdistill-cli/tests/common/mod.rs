//! What several tests of the program need.

use std::fs;
use std::path::Path;

use wdistill_demo::{Corpus, corpus};

/// How many pairs of each part a test takes.
pub struct Sizes {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// Writes a small parallel text, the first pairs of the demonstration's: `train`, `validation` and `test`, each `.en`
/// and `.de`.
pub fn write_texts(folder: &Path, sizes: Sizes) {
    let Corpus { train, validation, test } = corpus();
    let few = Corpus {
        train: train.first(sizes.train),
        validation: validation.first(sizes.validation),
        test: test.first(sizes.test),
    };
    for (name, text) in few.files() {
        fs::write(folder.join(name), text).unwrap();
    }
}
