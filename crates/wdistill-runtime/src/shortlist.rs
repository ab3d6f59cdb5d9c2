//! A lexical shortlist: which words a translation may use, from the words of its source.

use std::path::Path;

use wdistill_base::{Folder, Problem};
use wdistill_model::Vocabularies;
use wdistill_text::{LexicalTable, TextError, VocabularyPair};

/// The target words that each source word may be translated with, and those that any sentence may have.
///
/// A decoder with a shortlist computes the output layer for these words only, and shares all probability
/// among them. Each sentence has a list of its own, so that its translation does not depend on others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortlist {
    always: Vec<u32>,
    of_source: Vec<Vec<u32>>,
}

impl Shortlist {
    /// Target words that any sentence may have, and those of each source word, by its number.
    pub fn new(always: Vec<u32>, of_source: Vec<Vec<u32>>) -> Shortlist {
        Shortlist { always, of_source }
    }

    /// Reads a file of word translations, as [`LexicalTable`] writes it, for a model with these vocabularies.
    ///
    /// # Errors
    /// As [`LexicalTable::read`].
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
        let VocabularyPair { source, target } = vocabularies;
        let file = folder.open_path(path)?;
        let table = LexicalTable::read_open(path, file.bytes, source, target)?;
        let always = table.of_null().iter().map(|(word, _)| *word).collect();
        Ok(Shortlist::new(always, table.translations(source, target)))
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
        if words.len() < least {
            let missing = least - words.len();
            let more: Vec<u32> =
                (0..).filter(|word| words.binary_search(word).is_err()).take(missing).collect();
            words.extend(more);
            words.sort_unstable();
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::Shortlist;

    #[test]
    fn words_are_those_of_the_source_and_those_of_all() {
        let shortlist = Shortlist::new(vec![7, 3], vec![vec![], vec![9, 4], vec![4, 2]]);
        assert_eq!(shortlist.words(&[0, 0], 1, 0), [1, 3, 7]);
        assert_eq!(shortlist.words(&[2, 1, 2], 1, 0), [1, 2, 3, 4, 7, 9]);
        assert_eq!(shortlist.words(&[1], 3, 4), [3, 4, 7, 9]);
        assert_eq!(shortlist.words(&[1], 3, 7), [0, 1, 2, 3, 4, 7, 9]);
    }
}
