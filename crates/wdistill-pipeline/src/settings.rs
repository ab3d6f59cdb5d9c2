//! Settings of a run that recipes, jobs and plans share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use wdistill_corpus::{Modification, Probabilities};
use wdistill_model::Languages;
use wdistill_runtime::DecodingOptions;
use wdistill_search::SearchOptions;
use wdistill_text::CorpusLimits;
use wdistill_train::Length;

use crate::names::{TEST, VALIDATION};

/// Two files that are aligned line by line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextPair {
    /// Source side, relative to the data folder.
    pub source: PathBuf,
    /// Target side, relative to the data folder.
    pub target: PathBuf,
    /// More translations of the same sources, each aligned with them, against which a text that judges is scored as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_references: Vec<PathBuf>,
}

impl TextPair {
    /// Source and target.
    pub fn new(source: PathBuf, target: PathBuf) -> TextPair {
        TextPair { source, target, other_references: Vec::new() }
    }

    /// How many translations of its sources there are.
    pub(crate) fn reference_count(&self) -> usize {
        1 + self.other_references.len()
    }

    /// The paths that it names.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.source, &self.target].into_iter().chain(&self.other_references)
    }
}

/// How a file holds pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairFormat {
    /// A pair a line, its sides in columns that tabulators divide.
    Tsv,
    /// A JSON object a line.
    Jsonl,
    /// Translation Memory eXchange.
    Tmx,
}

/// Whether pairs are left out whose sides are in other languages than the recipe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LanguageCheck {
    /// Nobody looks.
    Ignore,
    /// They are, where the language can be told with confidence.
    LeaveOut,
}

/// A model's opinion of pairs: `H`, the cross-entropy of the target given the source, in nats a token. With a model of the other
/// direction too it is `|H1 - H2| + (H1 + H2) / 2`, for the cross-entropies of both (Junczys-Dowmunt, 2018). Low ones are good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreRecipe {
    /// Folder of a finished model of this direction, relative to the recipe.
    pub model: PathBuf,
    /// Folder of one of the other direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_model: Option<PathBuf>,
    /// Pairs with a higher score are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
    /// The share of a corpus's pairs, from 0 to 1, that is kept: those with the lowest scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// Further checks of the text of pairs to learn from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterRecipe {
    /// Pairs are left out if a smaller share of a side's characters, blanks aside, are letters; from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_letters: Option<f64>,
    /// What to do with pairs in other languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_languages: Option<LanguageCheck>,
    /// Pairs that a model finds unlikely are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreRecipe>,
}

impl FilterRecipe {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == FilterRecipe::default()
    }
}

/// The shares of pairs, from 0 to 1, that are changed while they are learned from; which ones is drawn anew in every epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModifierRecipe {
    /// Both sides in capitals.
    #[serde(skip_serializing_if = "is_zero")]
    pub upper_case: f64,
    /// Every word of both sides with a capital.
    #[serde(skip_serializing_if = "is_zero")]
    pub title_case: f64,
    /// Slips in the source, one for every 25 letters: letters swapped, left out, doubled, exchanged.
    #[serde(skip_serializing_if = "is_zero")]
    pub typos: f64,
    /// Marks of punctuation of the source left out, doubled, or with a space in front.
    #[serde(skip_serializing_if = "is_zero")]
    pub punctuation: f64,
    /// A placeholder, such as `{3}`, at the same end of both sides.
    #[serde(skip_serializing_if = "is_zero")]
    pub placeholders: f64,
    /// Other subwords for the same words: for byte pair encoding, BPE dropout of 0.1 (Provilkov et al., 2020); for a unigram
    /// model, a segmentation drawn with its probability to the power of 0.1 (Kudo, 2018). Vocabularies that were learned here
    /// and imported ones, but for lists of whole words.
    #[serde(skip_serializing_if = "is_zero")]
    pub subword_sampling: f64,
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

impl ModifierRecipe {
    /// Whether nothing is changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.probabilities().is_empty()
    }

    /// Its shares, where there are any.
    pub(crate) fn probabilities(&self) -> Probabilities {
        let shares = [
            (Modification::UpperCase, self.upper_case),
            (Modification::TitleCase, self.title_case),
            (Modification::Typos, self.typos),
            (Modification::Punctuation, self.punctuation),
            (Modification::Placeholders, self.placeholders),
            (Modification::SubwordSampling, self.subword_sampling),
        ];
        shares.into_iter().filter(|(_, share)| *share != 0.0).collect()
    }
}

/// A corpus to learn from: two texts that are aligned line by line, `source` and `target`, or files that have both sides,
/// `file`. Files may be compressed by gzip, zstd, xz or bzip2. Each path may be a file, a folder, or a pattern such as
/// `news-*.tsv.gz`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorpusRecipe {
    /// Its name in reports; needed if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Source side, relative to the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Target side, relative to the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// Word alignments of `source` and `target`, relative to the data folder, for trainings with `guided_alignment`: a line for
    /// each pair in Pharaoh's format, `0-0 1-2`, places of a source word and a target word, counted from 0; words are
    /// divided by spaces. Without this, alignments are those of IBM model 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignments: Option<PathBuf>,
    /// Both sides, relative to the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How `file` holds pairs; by its extension if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<PairFormat>,
    /// Columns of source and target in a TSV file, from 1; `[1, 2]` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<[usize; 2]>,
    /// Names of the fields of source and target in a JSONL file, such as `["translation.en", "translation.de"]`;
    /// `["source", "target"]` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<[String; 2]>,
    /// Codes of the languages of source and target in a TMX file; those of the recipe if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub languages: Option<[String; 2]>,
    /// Stands in front of every source, with a space between, such as `>>de<<`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// How often an epoch has each pair: 2 for twice in every epoch, 0.5 for once in two epochs; 1 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Its part of an epoch's pairs, in proportion to the `share` of the others; an epoch has as many pairs as there are.
    /// Either all corpora have a share or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Checks of this corpus, in place of those of all; `{}` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<FilterRecipe>,
    /// Changes of this corpus's pairs, in place of those of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modifiers: Option<ModifierRecipe>,
}

impl ScoreRecipe {
    /// The models that it names.
    pub(crate) fn models_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.model].into_iter().chain(&mut self.reverse_model)
    }
}

impl CorpusRecipe {
    /// Two texts that are aligned line by line.
    pub fn aligned(TextPair { source, target, .. }: TextPair) -> CorpusRecipe {
        CorpusRecipe { source: Some(source), target: Some(target), ..CorpusRecipe::default() }
    }

    /// The texts that it names.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let CorpusRecipe { source, target, alignments, file, .. } = self;
        [source, target, alignments, file].into_iter().flatten()
    }
}

/// A time in which a training learns from another mixture of the corpora.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixtureRecipe {
    /// The last update that it counts for, or another length from the start of the training, such as "2 epochs" of the first
    /// stage's; the last stage has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_update: Option<Length>,
    /// How often an epoch has each pair, by the names of corpora, and `pseudo-data` for the teacher's translations; those
    /// that are not named keep their weight.
    #[serde(default)]
    pub weights: BTreeMap<String, f64>,
}

/// What to do with pairs that stand in the training text more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// They stay, and are reported.
    #[default]
    Keep,
    /// All but the first are left out, and reported.
    Drop,
}

/// Texts and their limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Where the texts are; relative to the recipe.
    #[serde(default)]
    pub folder: PathBuf,
    /// What the data is, in a sentence, for the report.
    #[serde(default)]
    pub description: String,
    /// From which language to which, by their codes: `{ source = "en", target = "de" }`. New models carry them; without this
    /// a student has its teacher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub languages: Option<Languages>,
    /// Texts to learn from: one corpus, or several.
    #[serde(deserialize_with = "one_or_many")]
    pub train: Vec<CorpusRecipe>,
    /// Other mixtures of these texts, one after the other; without this each has its weight from the first update to the
    /// last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<MixtureRecipe>,
    /// Text to judge a run by while it trains.
    pub validation: TextPair,
    /// More texts that every validation tells of, each with its name; they decide nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_validations: BTreeMap<String, TextPair>,
    /// Text to judge the finished systems by; a whole run needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TextPair>,
    /// More texts to judge them by, each with its name. A table shows the scores of all lines together, and each text's
    /// beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_tests: BTreeMap<String, TextPair>,
    /// Longer training sentences are left out, and reported.
    #[serde(default = "default_sentence_tokens")]
    pub max_sentence_tokens: usize,
    /// Longer validation and test sentences are refused: nothing may be left out there, and the memory that
    /// one takes grows with the square of its length.
    #[serde(default = "default_held_out_tokens")]
    pub max_held_out_tokens: usize,
    /// Training pairs whose sides differ more than this in tokens are left out, and reported.
    #[serde(default = "default_length_ratio")]
    pub max_length_ratio: f64,
    /// Repeated training pairs, in one corpus or in several.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// Checks of all corpora.
    #[serde(default, skip_serializing_if = "FilterRecipe::is_empty")]
    pub filters: FilterRecipe,
    /// Changes of the pairs of all corpora, not of the teacher's translations.
    #[serde(default, skip_serializing_if = "ModifierRecipe::is_empty")]
    pub modifiers: ModifierRecipe,
}

/// A table alone is a row of one.
fn one_or_many<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<CorpusRecipe>, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::Array(rows) => {
            rows.into_iter().map(|row| row.try_into().map_err(D::Error::custom)).collect()
        }
        one => Ok(vec![one.try_into().map_err(D::Error::custom)?]),
    }
}

// The limits of the library are the recipe's.
fn default_sentence_tokens() -> usize {
    CorpusLimits::training().max_tokens_per_sentence
}

fn default_held_out_tokens() -> usize {
    CorpusLimits::training().max_tokens_in_evaluation
}

fn default_length_ratio() -> f64 {
    CorpusLimits::training().max_length_ratio
}

/// Which pairs a system learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pairs {
    /// The training text.
    Original,
    /// The training text and the teacher's translations of it (sequence-level distillation).
    OriginalAndPseudo,
    /// The teacher's translations alone.
    Pseudo,
}

/// Which of the teacher's translations of a line become pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The best by its score (Kim and Rush, 2016).
    #[default]
    Best,
    /// All of the beam, of which each epoch draws one for each line.
    All,
    /// That of the beam which is nearest to the line's translation in the training text, by chrF of sentences (Kim and Rush,
    /// 2016, "sequence-level interpolation").
    Nearest,
    /// That of the beam which has the highest mean chrF with the others as references (minimum Bayes risk).
    Consensus,
}

/// A text of one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceRecipe {
    /// The text, a line a sentence, compressed or not, relative to the data folder; or a folder, or a pattern.
    pub file: PathBuf,
}

/// How the teacher translates the training text.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PseudoDataRecipe {
    /// Its decoding.
    #[serde(flatten)]
    pub decoding: DecodingOptions,
    /// Which of its translations of a line become pairs.
    #[serde(default)]
    pub keep: Keep,
    /// Texts of the source language that it translates besides the training text's sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceRecipe>,
}

/// A key of a table, which has it no more then.
fn taken<T: DeserializeOwned, E: Error>(
    table: &mut toml::Table,
    key: &str,
) -> Result<Option<T>, E> {
    table.remove(key).map(toml::Value::try_into).transpose().map_err(E::custom)
}

impl<'d> Deserialize<'d> for PseudoDataRecipe {
    /// By hand, since settings that refuse unknown names cannot be part of others.
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<PseudoDataRecipe, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        Ok(PseudoDataRecipe {
            keep: taken(&mut table, "keep")?.unwrap_or_default(),
            sources: taken(&mut table, "sources")?.unwrap_or_default(),
            decoding: table.try_into().map_err(D::Error::custom)?,
        })
    }
}

/// Texts of the target language, of which a model of the other direction makes sources (back-translation; Sennrich et al.,
/// 2016).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct BackTranslationRecipe {
    /// Folder of a model from the target language to the source language, relative to the recipe; the command `wdistill run`
    /// imports one of another toolkit.
    pub model: PathBuf,
    /// Texts of the target language, each line a sentence.
    pub sources: Vec<SourceRecipe>,
    /// Stands in front of every source that the model wrote, with a space between, such as `<BT>` (Caswell et al., 2019).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// How often an epoch has each of these pairs; 1 if nothing is said. In `weights` of a stage they are called
    /// `back-translation`.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub weight: f64,
    /// The model's decoding.
    #[serde(flatten)]
    pub decoding: DecodingOptions,
}

fn whole() -> f64 {
    1.0
}

fn is_whole(weight: &f64) -> bool {
    *weight == 1.0
}

impl<'d> Deserialize<'d> for BackTranslationRecipe {
    /// By hand, since settings that refuse unknown names cannot be part of others.
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let missing = D::Error::missing_field;
        Ok(BackTranslationRecipe {
            model: taken(&mut table, "model")?.ok_or_else(|| missing("model"))?,
            sources: taken(&mut table, "sources")?.ok_or_else(|| missing("sources"))?,
            tag: taken(&mut table, "tag")?,
            weight: taken(&mut table, "weight")?.unwrap_or_else(whole),
            decoding: table.try_into().map_err(D::Error::custom)?,
        })
    }
}

impl Default for PseudoDataRecipe {
    /// A wider beam than for tests: what the teacher writes is learned from.
    fn default() -> Self {
        let search = SearchOptions { beam_size: 6, ..SearchOptions::default() };
        let decoding = DecodingOptions { search, ..DecodingOptions::default() };
        PseudoDataRecipe { decoding, keep: Keep::default(), sources: Vec::new() }
    }
}

/// Whose decoder layers a student's weights are made of. In translating the training text, and in word-level distillation,
/// the teacher is itself in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TeacherDecoder {
    /// The teacher's.
    #[default]
    Real,
    /// Random ones of the same shape: a control. What a system has over its twin with a blank decoder is what it inherits
    /// from the teacher's decoder layers.
    Blank,
}

/// When the schedule of the learning rate of a student with two phases comes to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cycle {
    /// With each phase, and each phase begins anew.
    #[default]
    EachPhase,
    /// With the second phase, which goes on at the rate at which the first one ended; for linear schedules.
    Whole,
}

/// How speed is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BenchmarkRecipe {
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Sentences of the test set, from its start.
    pub sentences: usize,
}

impl Default for BenchmarkRecipe {
    fn default() -> Self {
        BenchmarkRecipe { rounds: 5, sentences: 200 }
    }
}

impl DataRecipe {
    /// Every opinion of a model that is asked for.
    pub(crate) fn scores_mut(&mut self) -> impl Iterator<Item = &mut ScoreRecipe> {
        let of_corpora = self.train.iter_mut().filter_map(|corpus| corpus.filters.as_mut());
        [&mut self.filters]
            .into_iter()
            .chain(of_corpora)
            .filter_map(|filter| filter.scores.as_mut())
    }

    /// The checks of a corpus.
    pub(crate) fn filters_of<'r>(&'r self, corpus: &'r CorpusRecipe) -> &'r FilterRecipe {
        corpus.filters.as_ref().unwrap_or(&self.filters)
    }

    /// Whether any corpus has checks besides the limits.
    pub(crate) fn is_filtered(&self) -> bool {
        self.train.iter().any(|corpus| !self.filters_of(corpus).is_empty())
    }

    /// The texts that finished systems are judged by, with their names: validation, test, and the others.
    pub(crate) fn held_out(&self) -> impl Iterator<Item = (&str, &TextPair)> {
        let first = [(VALIDATION, Some(&self.validation)), (TEST, self.test.as_ref())];
        let first = first.into_iter().filter_map(|(name, pair)| Some((name, pair?)));
        first.chain(self.other_tests.iter().map(|(name, pair)| (name.as_str(), pair)))
    }

    /// Texts by their paths, with the usual limits and no test text.
    pub fn new(train: TextPair, validation: TextPair) -> DataRecipe {
        DataRecipe {
            folder: PathBuf::new(),
            description: String::new(),
            languages: None,
            train: vec![CorpusRecipe::aligned(train)],
            stages: Vec::new(),
            validation,
            other_validations: BTreeMap::new(),
            test: None,
            other_tests: BTreeMap::new(),
            max_sentence_tokens: default_sentence_tokens(),
            max_held_out_tokens: default_held_out_tokens(),
            max_length_ratio: default_length_ratio(),
            duplicates: Duplicates::Keep,
            filters: FilterRecipe::default(),
            modifiers: ModifierRecipe::default(),
        }
    }
}
