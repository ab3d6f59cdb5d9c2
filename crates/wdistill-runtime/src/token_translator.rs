//! Many sentences: checked, batched, spread over threads, returned in their order.

use std::sync::Arc;

use wdistill_base::{Problem, mix};
use wdistill_kernels::{Bfloat16Matrix, Float32Matrix, Int8Matrix, PackedWeight, Workers};
use wdistill_model::{Config, Dense, Int8, Model, Tokens, Vocabularies};
use wdistill_search::{
    Ending, Hypothesis, Scores, SearchOptions, SearchSettings, SettingsError, SourceSentence, Step,
    StepModel, Vocabulary, search,
};

use crate::alignment::{Alignment, Pair, align};
use crate::cpu::Cpu;
use crate::decoder::BatchDecoder;
use crate::error::TranslatorError;
use crate::options::{DecodingOptions, Precision};
use crate::packed::{
    Packed, TooWide, pack_bfloat16, pack_float32, pack_int8, quantise, weight_bytes,
};
use crate::shortlist::Shortlist;
use crate::token_error::{SourceProblem, TokenError};

/// What happened besides the translations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sentences translated without running the model, since they have no words.
    pub empty_sources: usize,
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

/// A model made ready to translate sentences of token ids.
///
/// Sentences are sorted by length, packed into batches and spread over threads; each batch runs on one
/// thread. A few sentences are divided so that every thread has some.
pub struct TokenTranslator {
    weights: Weights,
    options: DecodingOptions,
    settings: SearchSettings,
    shortlist: Option<Arc<Shortlist>>,
    threads: usize,
    workers: Workers,
}

/// A model made ready, in the precision that was asked for.
enum Weights {
    Float32(Model<Packed<Float32Matrix>>),
    Bfloat16(Model<Packed<Bfloat16Matrix>>),
    Int8(Model<Packed<Int8Matrix>>),
}

/// A sentence that needs the model.
struct Source<'a> {
    /// Number among all sentences, from 0.
    index: usize,
    /// With its end token.
    ids: &'a [u32],
}

impl TokenTranslator {
    /// Checks the options, lays out the weights and starts the threads, each of which works on a batch of its own. With
    /// a shortlist each translation has the words that its source's may be translated with, else all.
    ///
    /// # Errors
    /// [`TranslatorError::Options`] with every problem found, [`TranslatorError::TooWide`] in int8, or
    /// [`TranslatorError::Threads`].
    pub fn new(
        model: &Model<Dense<f32>>,
        threads: usize,
        options: DecodingOptions,
        shortlist: Option<Arc<Shortlist>>,
    ) -> Result<TokenTranslator, TranslatorError> {
        TokenTranslator::start(&model.config, threads, options, shortlist, |precision| {
            Ok(match precision {
                Precision::Float32 => Weights::Float32(pack_float32(model)),
                Precision::Bfloat16 => Weights::Bfloat16(pack_bfloat16(model)),
                Precision::Int8 => Weights::Int8(pack_int8(&quantise(model)?)?),
            })
        })
    }

    /// The same for weights that are quantised already, in int8 whether the options ask for that or for nothing.
    ///
    /// # Errors
    /// As [`TokenTranslator::new`], and if the options ask for bfloat16.
    pub fn quantised(
        model: &Model<Int8>,
        threads: usize,
        options: DecodingOptions,
        shortlist: Option<Arc<Shortlist>>,
    ) -> Result<TokenTranslator, TranslatorError> {
        if options.precision == Precision::Bfloat16 {
            let problem = Problem::with_hint(
                "the model's weights are int8 already, and cannot be computed with in bf16",
                "the model that was quantised can",
            );
            return Err(TranslatorError::Options(vec![problem]));
        }
        let options = DecodingOptions { precision: Precision::Int8, ..options };
        TokenTranslator::start(&model.config, threads, options, shortlist, |_| {
            Ok(Weights::Int8(pack_int8(model)?))
        })
    }

    fn start(
        config: &Config,
        threads: usize,
        options: DecodingOptions,
        shortlist: Option<Arc<Shortlist>>,
        weights: impl FnOnce(Precision) -> Result<Weights, TooWide>,
    ) -> Result<TokenTranslator, TranslatorError> {
        let options = without_padding(options, config);
        let mut problems: Vec<Problem> =
            shortlist.iter().flat_map(|words| words.problems(&config.vocabularies)).collect();
        let sizes = [("threads", threads), ("batch_tokens", options.batch_tokens)];
        for (name, _) in sizes.iter().filter(|(_, size)| *size == 0) {
            problems.push(format!("{name} is 0, expected at least 1").into());
        }
        let settings = SearchSettings::new(options.search.clone());
        let settings = settings.map_err(|error| problems.extend(error.0)).ok();
        let settings = settings.filter(|_| problems.is_empty());
        let settings = settings.ok_or(TranslatorError::Options(problems))?;
        let workers = Workers::start(threads, threads)
            .map_err(|error| TranslatorError::Threads { threads, reason: error.to_string() })?;
        let weights = weights(options.precision.available())?;
        Ok(TokenTranslator { weights, options, settings, shortlist, threads, workers })
    }

    /// What the model is that translates.
    pub fn config(&self) -> &Config {
        match &self.weights {
            Weights::Float32(model) => &model.config,
            Weights::Bfloat16(model) => &model.config,
            Weights::Int8(model) => &model.config,
        }
    }

    /// Bytes that the weights take, as they are laid out.
    pub fn weight_bytes(&self) -> usize {
        match &self.weights {
            Weights::Float32(model) => weight_bytes(model),
            Weights::Bfloat16(model) => weight_bytes(model),
            Weights::Int8(model) => weight_bytes(model),
        }
    }

    /// The options, as checked.
    pub fn options(&self) -> &DecodingOptions {
        &self.options
    }

    /// The settings of its search.
    pub fn search_settings(&self) -> &SearchSettings {
        &self.settings
    }

    /// Translates source sentences, each **with** its end token, and returns a result for each. A
    /// sentence of nothing but the end token has the empty translation, `n_best` times, with score 0.
    ///
    /// # Errors
    /// [`TokenError::Sources`] with every sentence that cannot be read, before anything is
    /// translated; [`TokenError::Search`] when the model's scores make no sense.
    pub fn translate(&self, sources: &[Vec<u32>]) -> Result<Translations, TokenError> {
        let mut report = Report::default();
        let sources_to_read = self.check(sources.iter().map(Vec::as_slice), &mut report)?;
        let batches = self.batches(sources_to_read);
        report.batches = batches.len();
        let results = match &self.weights {
            Weights::Float32(model) => self.translate_batches(model, &batches),
            Weights::Bfloat16(model) => self.translate_batches(model, &batches),
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

    /// The settings of its search with another number of translations.
    ///
    /// # Errors
    /// If it is 0, or more than the beam has hypotheses.
    pub fn settings_for(&self, n_best: usize) -> Result<SearchSettings, SettingsError> {
        SearchSettings::new(SearchOptions { n_best, ..self.options.search.clone() })
    }

    /// Translates source sentences, each with its end token, as one batch and on the thread that calls: for whoever has
    /// threads and an order of work of his own. `between_steps` is called before each word of the batch, so that he can do
    /// what is more urgent in the middle of a long one.
    ///
    /// # Errors
    /// As [`TokenTranslator::translate`].
    pub fn translate_here(
        &self,
        sources: &[&[u32]],
        settings: &SearchSettings,
        between_steps: &mut dyn FnMut(),
    ) -> Result<Vec<Vec<Hypothesis>>, TokenError> {
        let batch = self.check(sources.iter().copied(), &mut Report::default())?;
        let mut hypotheses =
            vec![vec![empty_translation(); settings.options().n_best]; sources.len()];
        if batch.is_empty() {
            return Ok(hypotheses);
        }
        let shortlist = self.shortlist.as_deref();
        let results = match &self.weights {
            Weights::Float32(model) => {
                translate_batch(model, &Cpu::default(), &batch, settings, shortlist, between_steps)
            }
            Weights::Bfloat16(model) => {
                translate_batch(model, &Cpu::default(), &batch, settings, shortlist, between_steps)
            }
            Weights::Int8(model) => {
                translate_batch(model, &Cpu::default(), &batch, settings, shortlist, between_steps)
            }
        }?;
        for (source, result) in batch.iter().zip(results) {
            hypotheses[source.index] = result;
        }
        Ok(hypotheses)
    }

    /// How much of each word of some translations comes from each word of their sources, on the thread that calls: pairs of
    /// a source with its end token and a translation without one. One of the two without words has no rows.
    ///
    /// # Errors
    /// [`TokenError::Sources`] with every source that cannot be read.
    pub fn align_here(&self, pairs: &[Pair<'_>]) -> Result<Vec<Alignment>, TokenError> {
        self.check(pairs.iter().map(|(source, _)| *source), &mut Report::default())?;
        let has_words = |(source, target): &&Pair<'_>| source.len() > 1 && !target.is_empty();
        let with_words: Vec<Pair<'_>> = pairs.iter().filter(has_words).copied().collect();
        let mut alignments = match &self.weights {
            Weights::Float32(model) => align(model, &with_words),
            Weights::Bfloat16(model) => align(model, &with_words),
            Weights::Int8(model) => align(model, &with_words),
        }
        .into_iter();
        let of_pair = |pair| match has_words(&pair) {
            true => alignments.next().expect("an alignment for every pair with words"),
            false => Alignment::default(),
        };
        Ok(pairs.iter().map(of_pair).collect())
    }

    /// The same on all threads.
    ///
    /// # Errors
    /// As [`TokenTranslator::align_here`].
    pub fn align(&self, pairs: &[Pair<'_>]) -> Result<Vec<Alignment>, TokenError> {
        let batches: Vec<&[Pair<'_>]> = pairs.chunks(ALIGNED_TOGETHER).collect();
        let aligned = self.workers.map(&batches, || (), |(), batch| self.align_here(batch));
        Ok(aligned.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn translate_batches<W: PackedWeight>(
        &self,
        model: &Model<Packed<W>>,
        batches: &[Vec<Source<'_>>],
    ) -> Vec<Result<Vec<Vec<Hypothesis>>, TokenError>> {
        let shortlist = self.shortlist.as_deref();
        self.workers.map(batches, Cpu::default, |engine, batch| {
            translate_batch(model, engine, batch, &self.settings, shortlist, &mut || {})
        })
    }

    /// The sentences that need the model.
    fn check<'a>(
        &self,
        sources: impl ExactSizeIterator<Item = &'a [u32]>,
        report: &mut Report,
    ) -> Result<Vec<Source<'a>>, TokenError> {
        let vocabularies = &self.config().vocabularies;
        let mut problems = Vec::new();
        let mut checked = Vec::with_capacity(sources.len());
        for (index, ids) in sources.enumerate() {
            problems.extend(unreadable(ids, index + 1, vocabularies));
            match ids.len() {
                0 | 1 => report.empty_sources += 1,
                _ => checked.push(Source { index, ids }),
            }
        }
        if problems.is_empty() { Ok(checked) } else { Err(TokenError::Sources(problems)) }
    }

    /// Batches of sentences of like length, the longest first, so that no thread is left with a long
    /// batch at the end.
    fn batches<'a>(&self, mut sources: Vec<Source<'a>>) -> Vec<Vec<Source<'a>>> {
        sources.sort_by_key(|source| (std::cmp::Reverse(source.ids.len()), source.index));
        let beam = self.options.search.beam_size;
        let cost = |source: &Source<'_>| source.ids.len().max(LEAST_TOKENS) * beam;
        let total: usize = sources.iter().map(cost).sum();
        let share = total.div_ceil(self.threads);
        let limit = self.options.batch_tokens.min(share);
        let most = if self.shortlist.is_some() { MOST_WITH_SHORTLIST } else { usize::MAX };
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
fn without_padding(mut options: DecodingOptions, config: &Config) -> DecodingOptions {
    options.search.forbidden.extend(config.vocabularies.padding);
    options
}

/// Pairs that are aligned together.
const ALIGNED_TOGETHER: usize = 32;

/// Most sentences of a batch in which each has an output layer of its own.
const MOST_WITH_SHORTLIST: usize = 64;

/// Source tokens that a short sentence counts for in a batch: its translation may have as many, and keys and
/// values are kept for every one of them.
const LEAST_TOKENS: usize = 16;

fn unreadable(
    source: &[u32],
    sentence: usize,
    vocabularies: &Vocabularies,
) -> Option<SourceProblem> {
    let (end, vocabulary) = (vocabularies.source_end, vocabularies.source);
    if source.last() != Some(&end) {
        return Some(SourceProblem::NoEnd { sentence, end, found: source.last().copied() });
    }
    let token = *source.iter().find(|token| **token as usize >= vocabulary)?;
    Some(SourceProblem::UnknownToken { sentence, token, vocabulary })
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
    between_steps: &mut dyn FnMut(),
) -> Result<Vec<Vec<Hypothesis>>, TokenError> {
    let vocabularies = &model.config.vocabularies;
    let sources = batch.iter().map(|source| vocabularies.encoder_input(source.ids));
    let tokens = Tokens::from_sentences(sources);
    let sources: Vec<SourceSentence> =
        batch.iter().map(|source| of_search(source.ids, settings.options())).collect();
    let mut decoder = BatchDecoder::new(model, engine, &tokens);
    if let Some(shortlist) = shortlist {
        let least = settings.candidates(vocabularies.target);
        decoder = decoder.restricted(&tokens, shortlist, least);
    }
    let mut decoder = Interruptible { decoder, between_steps };
    search(&mut decoder, &sources, settings).map_err(|reason| TokenError::Search {
        sentences: batch.iter().map(|source| source.index + 1).collect(),
        reason,
    })
}

/// A sentence for a search. What is drawn by chance follows from its words, so that neither its place nor its neighbours
/// decide anything.
fn of_search(ids: &[u32], options: &SearchOptions) -> SourceSentence {
    let seed = options.sampling.map_or(0, |sampling| {
        ids.iter().fold(sampling.seed, |seed, id| mix(seed ^ u64::from(*id)))
    });
    SourceSentence { words: ids.len() - 1, seed }
}

/// A decoder that lets something else happen before each step.
struct Interruptible<'a, D> {
    decoder: D,
    between_steps: &'a mut dyn FnMut(),
}

impl<D: StepModel> StepModel for Interruptible<'_, D> {
    fn vocabulary(&self) -> Vocabulary {
        self.decoder.vocabulary()
    }

    fn step(&mut self, step: &Step<'_>) -> Scores {
        (self.between_steps)();
        self.decoder.step(step)
    }
}
