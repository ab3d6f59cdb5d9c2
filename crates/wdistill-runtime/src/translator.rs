//! Many sentences: checked, batched, spread over threads, returned in their order.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wdistill_kernels::{Float32Matrix, Int8Matrix, PackedWeight, Workers};
use wdistill_model::{Config, Dense, Int8, Model, Tokens, Vocabularies};
use wdistill_search::{Ending, Hypothesis, SearchError, SearchOptions, SearchSettings, search};

use crate::cpu::Cpu;
use crate::decoder::BatchDecoder;
use crate::packed::{Packed, TooWide, pack_float32, pack_int8, quantise, weight_bytes};
use crate::shortlist::Shortlist;

/// What to do with a source that is longer than allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongSource {
    /// Translate nothing; the error names the sentence.
    #[default]
    Refuse,
    /// Translate its first tokens; the report names the sentence.
    Truncate,
}

/// How to translate; [`Translator::new`] checks it.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslatorOptions {
    /// Threads, each of which works on a batch of its own.
    pub threads: usize,
    /// Most source tokens of a batch, each counted `beam` times, a short sentence as 16; a longer sentence
    /// is a batch alone.
    pub batch_tokens: usize,
    /// Most tokens of a source, without its end token.
    pub longest_source: usize,
    /// What to do with longer ones.
    pub long_source: LongSource,
    /// How to compute.
    pub precision: Precision,
    /// How to search.
    pub search: SearchOptions,
    /// Which words each translation may use; all if none.
    pub shortlist: Option<Arc<Shortlist>>,
}

/// What the weights' products are computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// float32.
    #[default]
    Float32,
    /// int8 weights, one scale for each output; activations quantised row by row, sums in int32.
    Int8,
}

impl Default for TranslatorOptions {
    /// One thread, batches of 4096 tokens, sources of at most 512 tokens.
    fn default() -> Self {
        TranslatorOptions {
            threads: 1,
            batch_tokens: 4096,
            longest_source: 512,
            long_source: LongSource::default(),
            precision: Precision::default(),
            search: SearchOptions::default(),
            shortlist: None,
        }
    }
}

/// Why no translator could be made.
#[derive(Debug, thiserror::Error)]
pub enum TranslatorError {
    /// Every problem found.
    #[error("these translator options do not hold together:\n  {}", .0.join("\n  "))]
    Options(Vec<String>),
    /// The model cannot be computed with in int8.
    #[error(transparent)]
    TooWide(#[from] TooWide),
    /// The system gave no thread.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were wanted.
        threads: usize,
        /// What the system says.
        reason: String,
    },
}

/// What is wrong with a source sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceProblem {
    /// It does not end with the end token.
    NoEnd {
        /// Number of the sentence, from 1.
        line: usize,
        /// The token that ends a source sentence.
        end: u32,
        /// Its last token, if it has any.
        found: Option<u32>,
    },
    /// A token is outside of the vocabulary.
    UnknownToken {
        /// Number of the sentence, from 1.
        line: usize,
        /// The token.
        token: u32,
        /// Words of the source vocabulary.
        vocabulary: usize,
    },
    /// It is too long, and [`LongSource::Refuse`] is set.
    TooLong {
        /// Number of the sentence, from 1.
        line: usize,
        /// Its tokens, without the end token.
        tokens: usize,
        /// Tokens allowed.
        longest: usize,
    },
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceProblem::NoEnd { line, end, found: Some(found) } => {
                write!(f, "line {line} ends with token {found}, expected the end token {end}")
            }
            SourceProblem::NoEnd { line, end, found: None } => {
                write!(f, "line {line} has no tokens, expected at least the end token {end}")
            }
            SourceProblem::UnknownToken { line, token, vocabulary } => {
                write!(
                    f,
                    "line {line} has token {token}, but the vocabulary has {vocabulary} words"
                )
            }
            SourceProblem::TooLong { line, tokens, longest } => {
                write!(f, "line {line} has {tokens} tokens, at most {longest} are allowed")
            }
        }
    }
}

/// Problems listed by an error message; the others are counted.
const LISTED: usize = 10;

fn list_problems(problems: &[SourceProblem]) -> String {
    let listed = problems.iter().take(LISTED).map(|problem| format!("\n  {problem}"));
    let mut text: String = listed.collect();
    if problems.len() > LISTED {
        text += &format!("\n  and {} more", problems.len() - LISTED);
    }
    text
}

/// Why sentences could not be translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// Some sources cannot be read; nothing was translated.
    #[error("{} source sentences cannot be translated:{}", .0.len(), list_problems(.0))]
    Sources(Vec<SourceProblem>),
    /// The search failed.
    #[error("the batch of lines {}: {reason}", lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))]
    Search {
        /// Numbers (from 1) of the sentences of the batch, in the batch's order.
        lines: Vec<usize>,
        /// What went wrong.
        reason: SearchError,
    },
}

impl TranslateError {
    /// Whether a source was too long.
    pub fn is_about_length(&self) -> bool {
        let is_too_long =
            |problem: &SourceProblem| matches!(problem, SourceProblem::TooLong { .. });
        matches!(self, TranslateError::Sources(problems) if problems.iter().any(is_too_long))
    }

    /// The same error, for sentences that have other numbers elsewhere.
    pub fn on_lines(mut self, number: impl Fn(usize) -> usize) -> TranslateError {
        match &mut self {
            TranslateError::Sources(problems) => {
                for problem in problems {
                    match problem {
                        SourceProblem::NoEnd { line, .. }
                        | SourceProblem::UnknownToken { line, .. }
                        | SourceProblem::TooLong { line, .. } => *line = number(*line),
                    }
                }
            }
            TranslateError::Search { lines: numbers, .. } => {
                numbers.iter_mut().for_each(|line| *line = number(*line));
            }
        }
        self
    }
}

/// What happened besides the translations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sentences translated without running the model, since they have no words.
    pub empty_sources: usize,
    /// Numbers (from 1) of the sources that were truncated, rising.
    pub truncated_sources: Vec<usize>,
    /// Numbers (from 1) of the sentences whose best translation was cut at the maximum length, rising.
    pub cut_translations: Vec<usize>,
    /// Source tokens read, with end tokens.
    pub source_tokens: usize,
    /// Tokens of the best translations, with end tokens.
    pub target_tokens: usize,
    /// Batches.
    pub batches: usize,
}

/// Translations of all sentences, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translations {
    /// Up to `n_best` translations of each sentence, at least one, by falling score.
    pub hypotheses: Vec<Vec<Hypothesis>>,
    /// What happened besides.
    pub report: Report,
}

/// A model made ready to translate.
///
/// Sentences are sorted by length, packed into batches and spread over threads; each batch runs on one
/// thread. A few sentences are divided so that every thread has some.
pub struct Translator {
    weights: Weights,
    options: TranslatorOptions,
    settings: SearchSettings,
    workers: Workers,
}

/// A model made ready, in the precision that was asked for.
enum Weights {
    Float32(Model<Packed<Float32Matrix>>),
    Int8(Model<Packed<Int8Matrix>>),
}

/// A sentence that needs the model.
struct Source<'a> {
    /// Number among all sentences, from 0.
    index: usize,
    /// With its end token.
    ids: Cow<'a, [u32]>,
}

impl Translator {
    /// Checks the options, lays out the weights and starts the threads.
    ///
    /// # Errors
    /// [`TranslatorError::Options`] with every problem found, [`TranslatorError::TooWide`] in int8, or
    /// [`TranslatorError::Threads`].
    pub fn new(
        model: &Model<Dense<f32>>,
        options: TranslatorOptions,
    ) -> Result<Translator, TranslatorError> {
        Translator::start(options, &model.config, |precision| {
            Ok(match precision {
                Precision::Float32 => Weights::Float32(pack_float32(model)),
                Precision::Int8 => Weights::Int8(pack_int8(&quantise(model)?)?),
            })
        })
    }

    /// The same for quantised weights, whatever the options' precision.
    ///
    /// # Errors
    /// As [`Translator::new`].
    pub fn quantised(
        model: &Model<Int8>,
        options: TranslatorOptions,
    ) -> Result<Translator, TranslatorError> {
        let options = TranslatorOptions { precision: Precision::Int8, ..options };
        Translator::start(options, &model.config, |_| Ok(Weights::Int8(pack_int8(model)?)))
    }

    fn start(
        options: TranslatorOptions,
        config: &Config,
        weights: impl FnOnce(Precision) -> Result<Weights, TooWide>,
    ) -> Result<Translator, TranslatorError> {
        let options = without_padding(options, config);
        let shortlist = options.shortlist.iter();
        let mut problems: Vec<String> =
            shortlist.flat_map(|shortlist| shortlist.problems(&config.vocabularies)).collect();
        let sizes = [
            ("threads", options.threads),
            ("batch_tokens", options.batch_tokens),
            ("longest_source", options.longest_source),
        ];
        for (name, _) in sizes.iter().filter(|(_, size)| *size == 0) {
            problems.push(format!("{name} is 0, expected at least 1"));
        }
        let settings = SearchSettings::new(options.search.clone());
        let settings = settings.map_err(|error| problems.extend(error.0)).ok();
        let settings = settings.filter(|_| problems.is_empty());
        let settings = settings.ok_or(TranslatorError::Options(problems))?;
        let threads = options.threads;
        let workers = Workers::start(threads, threads)
            .map_err(|error| TranslatorError::Threads { threads, reason: error.to_string() })?;
        Ok(Translator { weights: weights(options.precision)?, options, settings, workers })
    }

    /// What the model is that translates.
    pub fn config(&self) -> &Config {
        match &self.weights {
            Weights::Float32(model) => &model.config,
            Weights::Int8(model) => &model.config,
        }
    }

    /// Bytes that the weights take, as they are laid out.
    pub fn weight_bytes(&self) -> usize {
        match &self.weights {
            Weights::Float32(model) => weight_bytes(model),
            Weights::Int8(model) => weight_bytes(model),
        }
    }

    /// The options, as checked.
    pub fn options(&self) -> &TranslatorOptions {
        &self.options
    }

    /// Translates source sentences, each **with** its end token, and returns a result for each. A
    /// sentence of nothing but the end token has the empty translation, `n_best` times, with score 0.
    ///
    /// # Errors
    /// [`TranslateError::Sources`] with every sentence that cannot be read, before anything is
    /// translated; [`TranslateError::Search`] when the model's scores make no sense.
    pub fn translate_ids(&self, sources: &[Vec<u32>]) -> Result<Translations, TranslateError> {
        let mut report = Report::default();
        let sources_to_read = self.check(sources, &mut report)?;
        let batches = self.batches(sources_to_read);
        report.batches = batches.len();
        let results = match &self.weights {
            Weights::Float32(model) => self.translate_batches(model, &batches),
            Weights::Int8(model) => self.translate_batches(model, &batches),
        };
        let n_best = self.options.search.n_best;
        let mut hypotheses = vec![vec![empty_translation(); n_best]; sources.len()];
        for (batch, results) in batches.iter().zip(results) {
            for (source, result) in batch.iter().zip(results?) {
                report.source_tokens += source.ids.len();
                report.target_tokens += result[0].tokens.len() + 1;
                if result[0].ending == Ending::MaximumLength {
                    report.cut_translations.push(source.index + 1);
                }
                hypotheses[source.index] = result;
            }
        }
        report.cut_translations.sort_unstable();
        Ok(Translations { hypotheses, report })
    }

    fn translate_batches<W: PackedWeight>(
        &self,
        model: &Model<Packed<W>>,
        batches: &[Vec<Source<'_>>],
    ) -> Vec<Result<Vec<Vec<Hypothesis>>, TranslateError>> {
        let shortlist = self.options.shortlist.as_deref();
        self.workers.map(batches, Cpu::default, |engine, batch| {
            translate_batch(model, engine, batch, &self.settings, shortlist)
        })
    }

    /// The sentences that need the model.
    fn check<'a>(
        &self,
        sources: &'a [Vec<u32>],
        report: &mut Report,
    ) -> Result<Vec<Source<'a>>, TranslateError> {
        let vocabularies = &self.config().vocabularies;
        let longest = self.options.longest_source;
        let mut problems = Vec::new();
        let mut checked = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter().enumerate() {
            let line = index + 1;
            problems.extend(unreadable(source, line, vocabularies));
            let tokens = source.len().saturating_sub(1);
            if tokens == 0 {
                report.empty_sources += 1;
            } else if tokens <= longest {
                checked.push(Source { index, ids: Cow::Borrowed(source) });
            } else if self.options.long_source == LongSource::Truncate {
                report.truncated_sources.push(line);
                let ids = [&source[..longest], &[vocabularies.source_end]].concat();
                checked.push(Source { index, ids: Cow::Owned(ids) });
            } else {
                problems.push(SourceProblem::TooLong { line, tokens, longest });
            }
        }
        match problems.is_empty() {
            true => Ok(checked),
            false => Err(TranslateError::Sources(problems)),
        }
    }

    /// Batches of sentences of like length, the longest first, so that no thread is left with a long
    /// batch at the end.
    fn batches<'a>(&self, mut sources: Vec<Source<'a>>) -> Vec<Vec<Source<'a>>> {
        sources.sort_by_key(|source| (std::cmp::Reverse(source.ids.len()), source.index));
        let beam = self.options.search.beam;
        let cost = |source: &Source<'_>| source.ids.len().max(LEAST_TOKENS) * beam;
        let total: usize = sources.iter().map(cost).sum();
        let share = total.div_ceil(self.options.threads);
        let limit = self.options.batch_tokens.min(share);
        let most = if self.options.shortlist.is_some() { MOST_WITH_SHORTLIST } else { usize::MAX };
        let mut batches: Vec<Vec<Source<'a>>> = Vec::new();
        let mut filled = usize::MAX;
        for source in sources {
            let cost = cost(&source);
            match batches.last_mut() {
                Some(batch) if batch.len() < most && filled.saturating_add(cost) <= limit => {
                    filled += cost;
                    batch.push(source);
                }
                _ => {
                    filled = cost;
                    batches.push(vec![source]);
                }
            }
        }
        batches
    }
}

/// The options with which a model never writes its padding.
fn without_padding(mut options: TranslatorOptions, config: &Config) -> TranslatorOptions {
    options.search.forbidden.extend(config.vocabularies.padding);
    options
}

/// Most sentences of a batch in which each has an output layer of its own.
const MOST_WITH_SHORTLIST: usize = 64;

/// Source tokens that a short sentence counts for in a batch: its translation may have as many, and keys and
/// values are kept for every one of them.
const LEAST_TOKENS: usize = 16;

fn unreadable(source: &[u32], line: usize, vocabularies: &Vocabularies) -> Option<SourceProblem> {
    let (end, vocabulary) = (vocabularies.source_end, vocabularies.source);
    if source.last() != Some(&end) {
        return Some(SourceProblem::NoEnd { line, end, found: source.last().copied() });
    }
    let token = *source.iter().find(|token| **token as usize >= vocabulary)?;
    Some(SourceProblem::UnknownToken { line, token, vocabulary })
}

fn empty_translation() -> Hypothesis {
    Hypothesis { tokens: Vec::new(), score: 0.0, log_probability: 0.0, ending: Ending::EndToken }
}

fn translate_batch<W: PackedWeight>(
    model: &Model<Packed<W>>,
    engine: &Cpu<W>,
    batch: &[Source<'_>],
    settings: &SearchSettings,
    shortlist: Option<&Shortlist>,
) -> Result<Vec<Vec<Hypothesis>>, TranslateError> {
    let vocabularies = &model.config.vocabularies;
    let sources = batch.iter().map(|source| vocabularies.encoder_input(&source.ids));
    let tokens = Tokens::from_sentences(sources);
    let words: Vec<usize> = batch.iter().map(|source| source.ids.len() - 1).collect();
    let mut decoder = BatchDecoder::new(model, engine, &tokens);
    if let Some(shortlist) = shortlist {
        let least = settings.candidates(vocabularies.target);
        decoder = decoder.restricted(&tokens, shortlist, least);
    }
    search(&mut decoder, &words, settings).map_err(|reason| TranslateError::Search {
        lines: batch.iter().map(|source| source.index + 1).collect(),
        reason,
    })
}
