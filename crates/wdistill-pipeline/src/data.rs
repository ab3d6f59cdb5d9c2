//! Texts and vocabularies of a run, checked and encoded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wdistill_corpus::{LineFile, PairStore, SOURCE_TEXT, StoredPart, TARGET_TEXT};
use wdistill_model::{DecoderStart, SourceEnding, Vocabularies};
use wdistill_report::{DataSet, Judges};
use wdistill_text::{
    CheckedCorpus, CorpusLimits, CorpusReport, CorpusRole, CorpusStatistics, EncodedCorpus,
    PairPolicy, ParallelText, SideCounts, TextLines, VocabularyPair, encode_corpus,
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

/// A text to learn from, checked and encoded, on disk.
pub struct StoredText {
    /// What it is for.
    pub role: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// Its pairs, a part for each corpus.
    pub store: Arc<PairStore>,
    /// Hashes of the files of its sources and targets.
    pub texts: [String; 2],
    /// What the checks found, for each corpus.
    pub reports: Vec<CorpusReport>,
}

impl StoredText {
    /// The sources of its pairs, in order, in stretches of so many lines.
    ///
    /// # Errors
    /// [`PipelineError::Changed`] if they are not those that were checked, [`PipelineError::Corpus`].
    pub fn sources(&self, stretch: usize) -> Result<LineFile, PipelineError> {
        self.lines(SOURCE_TEXT, &self.texts[0], stretch)
    }

    /// The targets of its pairs, in the same way.
    ///
    /// # Errors
    /// As [`Self::sources`].
    pub fn targets(&self, stretch: usize) -> Result<LineFile, PipelineError> {
        self.lines(TARGET_TEXT, &self.texts[1], stretch)
    }

    fn lines(&self, file: &str, hash: &str, stretch: usize) -> Result<LineFile, PipelineError> {
        let path = self.folder.join(file);
        let text = LineFile::open(&path, stretch)?;
        match text.hash() == hash {
            true => Ok(text),
            false => Err(PipelineError::Changed { path }),
        }
    }

    /// What the checks found in each corpus, under the name that it has beside others.
    pub fn named_reports(&self) -> impl Iterator<Item = (String, &CorpusReport)> {
        let is_alone = self.reports.len() == 1;
        let name = move |part: &StoredPart| match is_alone {
            true => self.role.clone(),
            false => format!("{}, {}", self.role, part.name),
        };
        self.store.parts().iter().map(name).zip(&self.reports)
    }

    /// Lines of the report's table of data, one for each corpus.
    pub fn summaries(&self) -> Vec<DataSet> {
        let parts = self.store.parts().iter().zip(self.named_reports());
        let summary = |(part, (role, report)): (&StoredPart, (String, &CorpusReport))| {
            let tokens = part.counts.each_ref().map(SideCounts::tokens);
            summary((role, Judges::Nothing), report, part.pairs, tokens)
        };
        parts.map(summary).collect()
    }
}

/// A line of the report's table of data.
fn summary(
    (role, judges): (String, Judges),
    report: &CorpusReport,
    pairs: usize,
    tokens: [usize; 2],
) -> DataSet {
    let report = report.without_folders();
    DataSet {
        role,
        judges: Some(judges),
        label: report.files(),
        pairs: pairs as u64,
        source_tokens: tokens[0] as u64,
        target_tokens: tokens[1] as u64,
        notes: report.to_string().lines().map(str::to_string).collect(),
    }
}

/// A text that judges, checked and encoded, in memory.
pub struct TextSet {
    /// `validation`, `test`, or the name of another test.
    pub role: String,
    /// Target lines as they stand in the file, then other translations of the same sources.
    pub references: Vec<Vec<String>>,
    /// Pairs as token ids, each sentence with its end token.
    pub corpus: EncodedCorpus,
    /// Hashes of all files, as they were read.
    pub hashes: Vec<String>,
    /// What the checks found.
    pub report: CorpusReport,
}

impl TextSet {
    /// A line of the report's table of data, of a text that judges so.
    pub fn summary(&self, judges: Judges) -> DataSet {
        let CorpusStatistics { source, target, .. } = self.corpus.statistics();
        let tokens = [source.tokens, target.tokens];
        summary((self.role.clone(), judges), &self.report, self.corpus.len(), tokens)
    }
}

/// A text that judges, as it was read.
pub struct HeldOut {
    /// Its sources and the first translation of each.
    pub text: ParallelText,
    /// Other translations, each a text.
    pub other_references: Vec<TextLines>,
}

impl HeldOut {
    /// Reads files that are aligned line by line.
    ///
    /// # Errors
    /// [`PipelineError::Text`]: a file that cannot be read, unequal line counts, invalid UTF-8.
    pub fn read(folder: &Path, pair: &TextPair) -> Result<HeldOut, PipelineError> {
        let source = folder.join(&pair.source);
        let read = |target: &PathBuf| ParallelText::read(&source, &folder.join(target));
        let text = read(&pair.target)?;
        let others = pair.other_references.iter().map(|path| Ok(read(path)?.target));
        Ok(HeldOut { text, other_references: others.collect::<Result<_, PipelineError>>()? })
    }

    /// Hashes of its files, as they were read.
    pub fn hashes(&self) -> Vec<String> {
        let first = [&self.text.source, &self.text.target];
        first.into_iter().chain(&self.other_references).map(|text| text.hash.clone()).collect()
    }
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

/// Encodes a text that judges; pairs outside the limits are kept and reported.
///
/// # Errors
/// [`PipelineError::Text`]: no pairs, or an empty or far too long line.
pub fn encode(
    role: &str,
    held_out: HeldOut,
    vocabularies: &VocabularyPair,
    recipe: &DataRecipe,
) -> Result<TextSet, PipelineError> {
    let limits = CorpusLimits { role: CorpusRole::Evaluation, ..limits(recipe) };
    let VocabularyPair { source, target } = vocabularies;
    let hashes = held_out.hashes();
    let HeldOut { text, other_references } = held_out;
    let CheckedCorpus { corpus, report, .. } = encode_corpus(&text, source, target, &limits)?;
    let all = [text.target].into_iter().chain(other_references);
    let (role, references) = (role.to_string(), all.map(|text| text.lines).collect());
    Ok(TextSet { role, references, corpus, hashes, report })
}
