//! A lexical shortlist: which words a translation may use, from the words of its source.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use wdistill_base::{FileError, Folder, Problem};
use wdistill_model::Vocabularies;
use wdistill_text::{BinaryShortlist, LexicalTable, TextError, VocabularyPair};

/// The target words that each source word may be translated with, and those that any sentence may have.
///
/// A decoder with a shortlist computes the output layer for these words only, and shares all probability
/// among them. Each sentence has a list of its own, so that its translation does not depend on others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortlist {
    always: Vec<u32>,
    of_source: Vec<Vec<u32>>,
    filling: Filling,
}

/// Words that join those of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    /// None.
    Nothing,
    /// As many as make a multiple of 8, of these: what the products of Marian and Bergamot take.
    Eights {
        /// The first.
        first: u32,
        /// One after the last.
        end: u32,
    },
}

impl Shortlist {
    /// Target words that any sentence may have, and those of each source word, by its number.
    pub fn new(always: Vec<u32>, of_source: Vec<Vec<u32>>) -> Shortlist {
        Shortlist { always, of_source, filling: Filling::Nothing }
    }

    /// Reads a file of word translations, as [`LexicalTable`] writes it, or a binary shortlist of Marian or Bergamot, for a
    /// model with these vocabularies.
    ///
    /// # Errors
    /// As [`LexicalTable::read`], [`TextError::BinaryShortlist`].
    pub fn read(path: &Path, vocabularies: &VocabularyPair) -> Result<Shortlist, TextError> {
        Shortlist::read_beside(Folder::from(path), path, vocabularies)
    }

    /// The same for a file that stands where [`Folder::open_path`] looks for it.
    ///
    /// # Errors
    /// As [`LexicalTable::read`].
    pub fn read_beside(
        folder: Folder<'_>,
        path: &Path,
        vocabularies: &VocabularyPair,
    ) -> Result<Shortlist, TextError> {
        let mut bytes = Vec::new();
        let mut file = folder.open_path(path)?;
        file.bytes.read_to_end(&mut bytes).map_err(FileError::when("read", path))?;
        if BinaryShortlist::is_one(&bytes) {
            let read = BinaryShortlist::from_bytes(&bytes);
            let problem =
                |problem| TextError::BinaryShortlist { path: path.to_path_buf(), problem };
            return Ok(Shortlist::of_binary(read.map_err(problem)?, vocabularies));
        }
        let VocabularyPair { source, target } = vocabularies;
        let table = LexicalTable::read_open(path, bytes.as_slice(), source, target)?;
        let always = table.of_null().iter().map(|(word, _)| *word).collect();
        Ok(Shortlist::new(always, table.translations(source, target)))
    }

    /// As Marian takes it: with one vocabulary for both sides a word may be copied too, and there are as many words as its
    /// products want.
    fn of_binary(shortlist: BinaryShortlist, vocabularies: &VocabularyPair) -> Shortlist {
        let BinaryShortlist { first, mut of_source, .. } = shortlist;
        let VocabularyPair { source, target } = vocabularies;
        if source.tokens() == target.tokens() {
            (0..).zip(&mut of_source).for_each(|(word, words)| words.push(word));
        }
        let first = first.min(target.size() as u32);
        let filling = Filling::Eights { first, end: target.size() as u32 };
        Shortlist { filling, ..Shortlist::new((0..first).collect(), of_source) }
    }

    /// What does not fit a model.
    pub(crate) fn problems(&self, vocabularies: &Vocabularies) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        let (rows, words) = (self.of_source.len(), vocabularies.source);
        if rows != words {
            problems.push(
                format!("the shortlist is for {rows} source words, the model has {words}").into(),
            );
        }
        let all = self.of_source.iter().flatten().chain(&self.always);
        if let Some(word) = all.copied().find(|word| *word as usize >= vocabularies.target) {
            problems.push(
                format!(
                    "the shortlist has target word {word}, but the model has {}",
                    vocabularies.target
                )
                .into(),
            );
        }
        problems
    }

    /// The words that a translation of `source` may use, rising, `end` among them. If they are fewer than
    /// `least`, which a search needs, the vocabulary's first words join them.
    pub(crate) fn words(&self, source: &[u32], end: u32, least: usize) -> Vec<u32> {
        let own = source.iter().flat_map(|word| &self.of_source[*word as usize]);
        let mut words: Vec<u32> = own.chain(&self.always).copied().chain([end]).collect();
        words.sort_unstable();
        words.dedup();
        match self.filling {
            Filling::Nothing => add_words(&mut words, 0..u32::MAX, least),
            Filling::Eights { first, end } => {
                let wanted = words.len().max(least).next_multiple_of(8);
                add_words(&mut words, first..end, wanted);
                add_words(&mut words, 0..first, least);
            }
        }
        words
    }
}

/// Adds the first words of a range that are not there yet, until there are so many.
fn add_words(words: &mut Vec<u32>, range: Range<u32>, wanted: usize) {
    let missing = wanted.saturating_sub(words.len());
    let more: Vec<u32> =
        range.filter(|word| words.binary_search(word).is_err()).take(missing).collect();
    words.extend(more);
    words.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;
    use wdistill_text::Vocabulary;

    /// Marian adds a sentence's own words where both sides have one vocabulary.
    #[test]
    fn a_binary_shortlist_is_read_as_marian_takes_it() {
        let vocabulary = include_bytes!("../../wdistill-text/fixtures/native_export/bpe.json");
        let vocabulary = Vocabulary::from_json(vocabulary).unwrap();
        let mut of_source = vec![Vec::new(); vocabulary.size()];
        (of_source[5], of_source[6]) = (vec![7, 9], vec![3]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lex.bin");
        let binary = BinaryShortlist { first: 2, best: 2, of_source };
        std::fs::write(&path, binary.to_bytes()).unwrap();
        let (source, target) = (vocabulary.clone(), vocabulary);
        let vocabularies = VocabularyPair { source, target };
        let shortlist = Shortlist::read(&path, &vocabularies).unwrap();
        assert_eq!(shortlist.words(&[5, 6], 0, 0), [0, 1, 2, 3, 5, 6, 7, 9], "eight, with 2");
        std::fs::write(&path, &binary.to_bytes()[..99]).unwrap();
        let error = Shortlist::read(&path, &vocabularies).unwrap_err().to_string();
        assert!(error.contains("lex.bin: it announces"), "{error}");
    }

    #[test]
    fn words_are_those_of_the_source_and_those_of_all() {
        let shortlist = Shortlist::new(vec![7, 3], vec![vec![], vec![9, 4], vec![4, 2]]);
        assert_eq!(shortlist.words(&[0, 0], 1, 0), [1, 3, 7]);
        assert_eq!(shortlist.words(&[2, 1, 2], 1, 0), [1, 2, 3, 4, 7, 9]);
        assert_eq!(shortlist.words(&[1], 3, 4), [3, 4, 7, 9]);
        assert_eq!(shortlist.words(&[1], 3, 7), [0, 1, 2, 3, 4, 7, 9]);
    }
}
