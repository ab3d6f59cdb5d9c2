//! What several tests of the program need.

use std::fs;
use std::path::Path;

use wdistill_demo::{Pair, Sizes, generate};

/// Writes a small parallel text that is made up: `train`, `validation` and `test`, each `.en` and `.de`.
pub fn write_texts(folder: &Path, sizes: Sizes) {
    let task = generate(7, sizes).unwrap();
    let parts = [("train", task.train), ("validation", task.validation), ("test", task.test)];
    for (name, pairs) in parts {
        let side = |side: fn(&Pair) -> &str| -> String {
            pairs.iter().flat_map(|pair| [side(pair), "\n"]).collect()
        };
        fs::write(folder.join(format!("{name}.en")), side(|pair| &pair.source)).unwrap();
        fs::write(folder.join(format!("{name}.de")), side(|pair| &pair.target)).unwrap();
    }
}
