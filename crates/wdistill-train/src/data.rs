//! Texts and vocabularies of a run, checked and encoded.

use std::path::Path;

use wdistill_formats::native;
use wdistill_model::{DecoderStart, SourceEnding, Vocabularies};
use wdistill_report::DataSet;
use wdistill_text::{
    CheckedCorpus, CorpusLimits, CorpusReport, CorpusRole, CorpusStatistics, EncodedCorpus,
    LeftOut, PairPolicy, ParallelText, SpecialTokens, Vocabulary, VocabularySettings,
    encode_corpus,
};

use crate::error::TrainError;
use crate::recipe::{DataRecipe, Duplicates, Sharing, TextPair};

/// The vocabularies of both sides.
pub struct VocabularyPair {
    /// What the encoder reads.
    pub source: Vocabulary,
    /// What the decoder reads and writes.
    pub target: Vocabulary,
}

/// Name of the source vocabulary in a model folder.
pub const SOURCE_FILE: &str = "source.vocabulary.json";
/// Name of the target vocabulary in a model folder.
pub const TARGET_FILE: &str = "target.vocabulary.json";

impl VocabularyPair {
    /// Learns vocabularies from the training text; says what was obtained.
    ///
    /// # Errors
    /// [`TrainError::Text`].
    pub fn train(
        text: &ParallelText,
        settings: &VocabularySettings,
        sharing: Sharing,
    ) -> Result<(VocabularyPair, Vec<String>), TrainError> {
        let learn = |name: &str, lines: &mut dyn Iterator<Item = &String>| {
            let trained = Vocabulary::train(lines.map(String::as_str), settings)?;
            let size = trained.vocabulary.size();
            let mut note = match size < trained.requested {
                true => format!(
                    "{name}: the text supports {size} tokens of the {} asked for",
                    trained.requested
                ),
                false => format!("{name}: {size} tokens"),
            };
            if trained.left_out != LeftOut::default() {
                note += &format!("; {}", trained.left_out);
            }
            Ok::<_, TrainError>((trained.vocabulary, note))
        };
        let (source, target) = (&text.source.lines, &text.target.lines);
        match sharing {
            Sharing::Joint => {
                let (joint, note) =
                    learn("joint vocabulary", &mut source.iter().chain(target.iter()))?;
                Ok((VocabularyPair { source: joint.clone(), target: joint }, vec![note]))
            }
            Sharing::Separate => {
                let (source, first) = learn("source vocabulary", &mut source.iter())?;
                let (target, second) = learn("target vocabulary", &mut target.iter())?;
                Ok((VocabularyPair { source, target }, vec![first, second]))
            }
        }
    }

    /// Reads both from files that `wdistill vocab` wrote, or from SentencePiece models.
    ///
    /// # Errors
    /// [`TrainError::Text`].
    pub fn open(source: &Path, target: &Path) -> Result<VocabularyPair, TrainError> {
        let source = Vocabulary::open(source)?;
        Ok(VocabularyPair { source, target: Vocabulary::open(target)? })
    }

    /// Writes both into a folder; a model's folder has its own, so that it can be used alone.
    ///
    /// # Errors
    /// [`TrainError::Text`].
    pub fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.source.save(&folder.join(SOURCE_FILE))?;
        Ok(self.target.save(&folder.join(TARGET_FILE))?)
    }

    /// Reads both from a folder.
    ///
    /// # Errors
    /// [`TrainError::Text`].
    pub fn load(folder: &Path) -> Result<VocabularyPair, TrainError> {
        let source = Vocabulary::load(&folder.join(SOURCE_FILE))?;
        Ok(VocabularyPair { source, target: Vocabulary::load(&folder.join(TARGET_FILE))? })
    }

    /// Reads both from a model's folder, and checks that they are the model's.
    ///
    /// # Errors
    /// [`TrainError::Text`], [`TrainError::Format`], and [`TrainError::ForeignVocabulary`] for one of another size.
    pub fn of_model(folder: &Path) -> Result<VocabularyPair, TrainError> {
        let vocabularies = VocabularyPair::load(folder)?;
        let expected = native::load_config(folder)?.vocabularies;
        let sides = [
            (SOURCE_FILE, vocabularies.source.size(), expected.source),
            (TARGET_FILE, vocabularies.target.size(), expected.target),
        ];
        match sides.into_iter().find(|(_, found, expected)| found != expected) {
            None => Ok(vocabularies),
            Some((file, found, expected)) => {
                Err(TrainError::ForeignVocabulary { path: folder.join(file), found, expected })
            }
        }
    }

    /// Special tokens of source and target.
    pub fn special_tokens(&self) -> [SpecialTokens; 2] {
        [self.source.special_tokens(), self.target.special_tokens()]
    }

    /// Sizes and special tokens, for the configuration of a new model. Its decoder starts from a vector of
    /// zeros, so that every other toolkit's engine can run it.
    pub fn sizes(&self) -> Vocabularies {
        Vocabularies {
            source: self.source.size(),
            target: self.target.size(),
            source_end: self.source.end_id(),
            target_end: self.target.end_id(),
            decoder_start: DecoderStart::ZeroVector,
            source_ending: SourceEnding::EndToken,
            padding: None,
        }
    }
}

/// A text of the run, checked and encoded.
pub struct TextSet {
    /// `training`, `validation`, `test`.
    pub role: &'static str,
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
            role: self.role.to_string(),
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
/// [`TrainError::Text`]: a file that cannot be read, unequal line counts, invalid UTF-8.
pub fn read_pair(folder: &Path, pair: &TextPair) -> Result<ParallelText, TrainError> {
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
/// [`TrainError::Text`]: nothing left, or an empty or far too long line in a held-out text.
pub fn encode(
    role: &'static str,
    text: ParallelText,
    vocabularies: &VocabularyPair,
    limits: &CorpusLimits,
) -> Result<TextSet, TrainError> {
    let VocabularyPair { source, target } = vocabularies;
    let hashes = hashes(&text);
    let checked = encode_corpus(&text, source, target, limits)?;
    let references = match limits.role {
        CorpusRole::Training => Vec::new(),
        CorpusRole::Evaluation => text.target.lines,
    };
    let CheckedCorpus { corpus, lines, report } = checked;
    let statistics = corpus.statistics();
    Ok(TextSet { role, references, corpus, lines, hashes, report, statistics })
}
