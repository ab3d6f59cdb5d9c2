//! Texts and vocabularies of a run, checked and encoded.

use std::path::Path;

use wdistill_model::{DecoderStart, SourceEnding, Vocabularies};
use wdistill_report::DataSet;
use wdistill_text::{
    CheckedCorpus, CorpusLimits, CorpusReport, CorpusRole, CorpusStatistics, EncodedCorpus,
    PairPolicy, ParallelText, VocabularyPair, encode_corpus,
};

use crate::error::PipelineError;
use crate::settings::{DataRecipe, Duplicates, TextPair};

/// Sizes and special tokens, for the configuration of a new model. Its decoder starts from a vector of
/// zeros, so that every other toolkit's engine can run it.
pub fn conventions(vocabularies: &VocabularyPair) -> Vocabularies {
    let VocabularyPair { source, target } = vocabularies;
    Vocabularies {
        source: source.size(),
        target: target.size(),
        source_end: source.end_id(),
        target_end: target.end_id(),
        decoder_start: DecoderStart::ZeroVector,
        source_ending: SourceEnding::EndToken,
        padding: None,
    }
}

/// A text of the run, checked and encoded.
pub struct TextSet {
    /// `training`, `validation`, `test`, or the name of another test.
    pub role: String,
    /// Target lines as they stand in the file. None for a training text: its lines are not kept, so that
    /// training holds the encoded corpus and nothing else.
    pub references: Vec<String>,
    /// Pairs as token ids, each sentence with its end token.
    pub corpus: EncodedCorpus,
    /// Line number, from 1, of each pair that was kept.
    pub lines: Vec<usize>,
    /// Hashes of the two files, as they were read.
    pub hashes: [String; 2],
    /// What the checks found.
    pub report: CorpusReport,
    /// Counts over the pairs of the text itself.
    pub statistics: CorpusStatistics,
}

impl TextSet {
    /// A line of the report's table of data.
    pub fn summary(&self) -> DataSet {
        let CorpusStatistics { source, target, .. } = &self.statistics;
        let report = self.report.without_folders();
        DataSet {
            role: self.role.clone(),
            label: format!("{}, {}", report.source.display(), report.target.display()),
            pairs: self.lines.len() as u64,
            source_tokens: source.tokens as u64,
            target_tokens: target.tokens as u64,
            notes: report.to_string().lines().map(str::to_string).collect(),
        }
    }
}

/// Hashes of source and target, as they were read.
pub fn hashes(text: &ParallelText) -> [String; 2] {
    [text.source.hash.clone(), text.target.hash.clone()]
}

/// Reads two aligned files.
///
/// # Errors
/// [`PipelineError::Text`]: a file that cannot be read, unequal line counts, invalid UTF-8.
pub fn read_pair(folder: &Path, pair: &TextPair) -> Result<ParallelText, PipelineError> {
    Ok(ParallelText::read(&folder.join(&pair.source), &folder.join(&pair.target))?)
}

/// What is left out of the training text.
pub fn limits(recipe: &DataRecipe) -> CorpusLimits {
    CorpusLimits {
        max_tokens_per_sentence: recipe.max_sentence_tokens,
        max_tokens_in_evaluation: recipe.max_held_out_tokens,
        max_length_ratio: recipe.max_length_ratio,
        duplicates: match recipe.duplicates {
            Duplicates::Keep => PairPolicy::Keep,
            Duplicates::Drop => PairPolicy::LeaveOut,
        },
        ..CorpusLimits::training()
    }
}

/// Encodes a text and checks it against limits; in a held-out text, pairs outside them are kept and
/// reported.
///
/// # Errors
/// [`PipelineError::Text`]: nothing left, or an empty or far too long line in a held-out text.
pub fn encode(
    role: &str,
    text: ParallelText,
    vocabularies: &VocabularyPair,
    limits: &CorpusLimits,
) -> Result<TextSet, PipelineError> {
    let VocabularyPair { source, target } = vocabularies;
    let hashes = hashes(&text);
    let checked = encode_corpus(&text, source, target, limits)?;
    let references = match limits.role {
        CorpusRole::Training => Vec::new(),
        CorpusRole::Evaluation => text.target.lines,
    };
    let CheckedCorpus { corpus, lines, report } = checked;
    let statistics = corpus.statistics();
    let role = role.to_string();
    Ok(TextSet { role, references, corpus, lines, hashes, report, statistics })
}
