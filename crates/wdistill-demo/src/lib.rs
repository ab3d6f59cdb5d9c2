//! The text and the recipe of the demonstration: everyday sentences in English and German, with which a teacher and its
//! students are trained in minutes.
//!
//! ```
//! let corpus = wdistill_demo::corpus();
//! let few = corpus.train.first(100);
//! assert_eq!(few.source.lines().count(), few.target.lines().count());
//! ```
//!
//! The sentences were written and translated by people; [`ATTRIBUTION`] says by whom, and `data/README.md` which were
//! chosen and under which licence.

use std::io::Read;

use wdistill_text::text_reader;

/// Who wrote the sentences and under which licence they are; belongs wherever they are shown or passed on.
pub const ATTRIBUTION: &str = "Sentences by the contributors of Tatoeba (https://tatoeba.org), by way of ManyThings \
                               (https://www.manythings.org/anki), CC-BY 2.0 France \
                               (https://creativecommons.org/licenses/by/2.0/fr/); selected and shuffled.";

/// What `wdistill demo` carries out; its texts have the names of [`Corpus::files`].
pub const RECIPE: &str = include_str!("../demo.toml");

/// Pairs to train on.
pub const TRAIN_PAIRS: usize = 40_065;
/// Pairs to watch during training.
pub const VALIDATION_PAIRS: usize = 500;
/// Pairs to report on.
pub const TEST_PAIRS: usize = 500;

/// One part of the corpus: each line of the source has its translation in the same line of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// English sentences, each ended by a line feed.
    pub source: String,
    /// German sentences, each ended by a line feed.
    pub target: String,
}

/// Everyday sentences in both languages. No English sentence occurs twice, in one part or across parts; a German one
/// may, since several sentences may be translated alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// [`TRAIN_PAIRS`] pairs.
    pub train: Part,
    /// [`VALIDATION_PAIRS`] pairs.
    pub validation: Part,
    /// [`TEST_PAIRS`] pairs.
    pub test: Part,
}

/// The whole corpus, unpacked.
pub fn corpus() -> Corpus {
    Corpus {
        train: unpack(include_bytes!("../data/train.tsv.xz")),
        validation: unpack(include_bytes!("../data/validation.tsv.xz")),
        test: unpack(include_bytes!("../data/test.tsv.xz")),
    }
}

/// Divides lines `source TAB target`; the bytes are part of the program and a test reads them all.
fn unpack(packed: &[u8]) -> Part {
    let mut lines = String::new();
    text_reader(packed)
        .and_then(|mut reader| reader.read_to_string(&mut lines))
        .expect("the corpus is whole");
    let (mut source, mut target) = (String::new(), String::new());
    for line in lines.lines() {
        let (english, german) = line.split_once('\t').expect("a line has two sides");
        source.extend([english, "\n"]);
        target.extend([german, "\n"]);
    }
    Part { source, target }
}

impl Part {
    /// The first `pairs` pairs, or all if there are no more. The pairs are in random order, so that this is a random
    /// sample.
    pub fn first(&self, pairs: usize) -> Part {
        let head = |side: &str| side.split_inclusive('\n').take(pairs).collect();
        Part { source: head(&self.source), target: head(&self.target) }
    }
}

impl Corpus {
    /// Names of files and what they hold, as [`RECIPE`] expects them: `train.en`, `train.de`, and so on.
    pub fn files(&self) -> [(&'static str, &str); 6] {
        [
            ("train.en", &self.train.source),
            ("train.de", &self.train.target),
            ("validation.en", &self.validation.source),
            ("validation.de", &self.validation.target),
            ("test.en", &self.test.source),
            ("test.de", &self.test.target),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use wdistill_base::hash_bytes;

    #[test]
    fn every_file_is_the_stated_one() {
        // As data/README.md states them.
        let stated = include_str!("../data/README.md");
        for (name, text) in corpus().files() {
            let row = format!(
                "| `{name}` | {} | `{}` |",
                text.lines().count(),
                hash_bytes(text.as_bytes())
            );
            assert!(stated.contains(&row), "not stated: {row}");
        }
    }

    #[test]
    fn parts_have_the_stated_numbers_of_pairs_and_no_empty_line() {
        let Corpus { train, validation, test } = corpus();
        let parts = [(train, TRAIN_PAIRS), (validation, VALIDATION_PAIRS), (test, TEST_PAIRS)];
        for (part, pairs) in parts {
            for side in [part.source, part.target] {
                assert_eq!(side.lines().count(), pairs);
                assert!(side.lines().all(|line| line == line.trim() && !line.is_empty()));
                assert!(side.ends_with('\n') && !side.contains(['\t', '\r']));
            }
        }
    }

    #[test]
    fn no_source_sentence_occurs_twice() {
        let corpus = corpus();
        let parts = [&corpus.train, &corpus.validation, &corpus.test];
        let mut seen = HashSet::new();
        let twice =
            parts.iter().flat_map(|part| part.source.lines()).find(|line| !seen.insert(*line));
        assert_eq!(twice, None);
    }

    #[test]
    fn the_first_pairs_are_those_of_the_whole() {
        let test = corpus().test;
        let few = test.first(3);
        assert_eq!(few.source.lines().count(), 3);
        assert!(test.source.starts_with(&few.source) && test.target.starts_with(&few.target));
        assert_eq!(few.target.lines().count(), 3);
        assert_eq!(test.first(0).source, "");
        assert_eq!(test.first(TEST_PAIRS + 1), test);
    }
}
