//! Settings that several commands share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use toml::{Table, Value};
use wdistill_base::Problem;
use wdistill_formats::native;
use wdistill_formats::{TOOLKITS, Toolkit};
use wdistill_model::{Languages, PRESETS};
use wdistill_pipeline::{
    Caution, DataRecipe, Display, GENERATOR, RunOptions, Settings, TextPair, VocabularyRecipe,
    is_stage, message, renamed, with_changes,
};
use wdistill_runtime::{
    DecodingOptions, Precision, Translator, TranslatorError, TranslatorOptions,
};
use wdistill_search::{Sampling, SearchOptions};
use wdistill_text::{Normalisation, Sharing, SubwordModel};
use wdistill_train::{BEST_FOLDER, Ranks};

use crate::signals;

/// Threads, and how much is said.
#[derive(Args, Clone)]
pub struct Common {
    /// Threads for training and decoding [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Say nothing but errors and results
    #[arg(long)]
    quiet: bool,
}

impl Common {
    /// How many threads to use.
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }

    /// Where progress is shown.
    pub fn display(&self) -> Display {
        match self.quiet {
            true => Display::Silent,
            false => Display::detect(),
        }
    }

    /// Says something on standard error that is neither an error nor a result.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            message(text);
        }
    }

    /// Options of a run, which signals can end.
    pub fn run_options(&self, caution: Caution, ranks: Arc<dyn Ranks>) -> RunOptions {
        RunOptions {
            threads: self.threads(),
            display: self.display(),
            commit: option_env!("WDISTILL_COMMIT").map(str::to_string),
            caution,
            interrupt: signals::watch(),
            ranks,
        }
    }

    /// Does some work on as many threads as were asked for.
    pub fn install<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads())
            .build()
            .context("cannot start threads")?
            .install(work)
    }
}

/// Whether doubts end a run.
#[derive(Args)]
pub struct Force {
    /// Go on with texts that are the same on both sides, or a teacher that does not know them
    #[arg(long)]
    force: bool,
}

impl Force {
    /// As the library has it.
    pub fn caution(&self) -> Caution {
        match self.force {
            true => Caution::GoOn,
            false => Caution::Stop,
        }
    }
}

/// A search.
#[derive(Args)]
pub struct Search {
    /// Hypotheses kept at each step; 1 is greedy search
    #[arg(long, value_name = "N", default_value_t = 4)]
    beam_size: usize,
    /// The earlier name of --beam-size
    #[arg(long, hide = true, value_name = "N", conflicts_with = "beam_size")]
    beam: Option<usize>,
    /// Exponent of the length in a hypothesis' score: the higher, the longer translations are
    #[arg(long, value_name = "A", default_value_t = 1.0, allow_negative_numbers = true)]
    length_penalty: f64,
    /// Longest translation in tokens for each source token, plus 20
    #[arg(long, value_name = "R", default_value_t = 2.0)]
    max_length_ratio: f64,
    /// Longest translation of any line in tokens
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_length: usize,
    /// Draw every word by chance among so many of the most probable ones, or among all for 0, in place of a search for the
    /// best; then --beam-size counts the samples
    #[arg(long, value_name = "N")]
    sampling_top_k: Option<usize>,
    /// Below 1 probable words are drawn more often, above 1 the others
    #[arg(long, value_name = "T", default_value_t = 1.0, requires = "sampling_top_k")]
    sampling_temperature: f64,
    /// Decides every choice, together with the words of a sentence
    #[arg(long, value_name = "N", default_value_t = 1, requires = "sampling_top_k")]
    sampling_seed: u64,
    /// Source tokens of a batch, each counted once for every hypothesis
    #[arg(long, value_name = "N", default_value_t = 4096)]
    batch_tokens: usize,
    /// Round the weights to this type; a folder that `wdistill quantize` wrote has them in int8 already
    #[arg(long, value_enum, value_name = "TYPE")]
    quantize: Option<Quantization>,
    /// Compute the output layer only for the words that a sentence's words may be translated with: a file
    /// that `wdistill shortlist` wrote with the model's vocabularies
    #[arg(long, value_name = "FILE")]
    pub shortlist: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Quantization {
    /// bfloat16, faster than float32 on processors with AVX-512 BF16; others keep float32
    Bf16,
    /// int8, one scale for each output
    Int8,
}

impl Search {
    /// Options of a decoder.
    pub fn decoding_options(&self) -> DecodingOptions {
        let &Search { beam_size, beam, length_penalty, max_length_ratio, max_length, .. } = self;
        if beam.is_some() {
            message("--beam is called --beam-size now; the earlier name is still read");
        }
        let beam_size = beam.unwrap_or(beam_size);
        let sampling = self.sampling_top_k.map(|top_k| Sampling {
            top_k,
            temperature: self.sampling_temperature,
            seed: self.sampling_seed,
        });
        let search = SearchOptions {
            beam_size,
            length_penalty,
            max_length_ratio,
            max_length,
            sampling,
            ..SearchOptions::default()
        };
        let precision = match self.quantize {
            None => Precision::Float32,
            Some(Quantization::Bf16) => Precision::Bfloat16,
            Some(Quantization::Int8) => Precision::Int8,
        };
        precision.note().into_iter().for_each(|note| message(&note.to_string()));
        DecodingOptions { search, batch_tokens: self.batch_tokens, precision }
    }
}

/// A translator from a model's folder, or that of a run with one model.
pub fn open_translator(folder: &Path, options: TranslatorOptions) -> anyhow::Result<Translator> {
    Translator::open(&find_model(folder)?, options).map_err(as_typed)
}

/// Names of options in the library, and as they are typed.
const TYPED: &[(&str, &str)] = &[
    ("max_length_ratio", "--max-length-ratio"),
    ("max_length", "--max-length"),
    ("length_penalty", "--length-penalty"),
    ("batch_tokens", "--batch-tokens"),
    ("max_source_length", "--max-source"),
    ("n_best", "--n-best"),
    ("threads", "--threads"),
    ("beam_size", "--beam-size"),
    ("sampling.temperature", "--sampling-temperature"),
];

/// An error about options that names them as they were typed.
pub fn as_typed(error: TranslatorError) -> anyhow::Error {
    let TranslatorError::Options(problems) = error else { return error.into() };
    let typed = |word: &str| {
        let (name, comma) = word.strip_suffix(',').map_or((word, ""), |name| (name, ","));
        let found = TYPED.iter().find(|(option, _)| *option == name);
        found.map_or(word.to_string(), |(_, typed)| format!("{typed}{comma}"))
    };
    let text_as_typed = |text: &str| text.split(' ').map(typed).collect::<Vec<_>>().join(" ");
    let problems = problems
        .into_iter()
        .map(|problem| Problem { fact: text_as_typed(&problem.fact), ..problem });
    TranslatorError::Options(problems.collect()).into()
}

/// How deep below a run's folder its models are.
const DEPTH_OF_MODELS: usize = 3;

/// The model's folder: the one given, or the only one below it.
///
/// # Errors
/// The models below it, if there are several.
pub fn find_model(folder: &Path) -> anyhow::Result<PathBuf> {
    if native::is_folder_of(folder) || !folder.is_dir() {
        return Ok(folder.to_path_buf());
    }
    let mut found = Vec::new();
    find_models(folder, DEPTH_OF_MODELS, &mut found);
    found.sort();
    match found.as_slice() {
        [] => Ok(folder.to_path_buf()),
        [model] => Ok(model.clone()),
        _ => {
            let list: Vec<String> =
                found.iter().map(|model| format!("\n  {}", model.display())).collect();
            let fact = format!(
                "{} is no model, but there are {} below it:{}",
                folder.display(),
                found.len(),
                list.concat()
            );
            bail!(Problem::with_hint(fact, "name one of them"))
        }
    }
}

/// Adds the models below a folder. What training keeps for itself (checkpoints, `best`, the student of phase 1 beside
/// that of phase 2) is none that it handed on, and is not looked into.
fn find_models(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let model = folder.join("model");
    if native::is_folder_of(&model) {
        found.push(model);
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let is_first_phase =
            path.ends_with(GENERATOR) && native::is_folder_of(&folder.join("student/model"));
        if is_first_phase || (is_stage(folder) && path.ends_with(BEST_FOLDER)) {
            continue;
        }
        match native::is_folder_of(&path) {
            true => found.push(path),
            false if depth > 1 => find_models(&path, depth - 1, found),
            false => {}
        }
    }
}

/// Parallel text.
#[derive(Args)]
pub struct Corpus {
    /// Training text
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"], required = true)]
    train: Vec<PathBuf>,
    /// Text to judge the training by
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"], required = true)]
    validation: Vec<PathBuf>,
    /// From which language to which, as en de, for the model to say [default: a student has its teacher's]
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
    languages: Vec<String>,
    /// Every random choice flows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Languages as they were given.
///
/// # Errors
/// What is no code of a language.
pub fn languages(given: &[String]) -> anyhow::Result<Option<Languages>> {
    let [source, target] = given else { return Ok(None) };
    Ok(Some(Languages::new(source, target).map_err(|problem| problem.at("--languages"))?))
}

impl Corpus {
    /// Every random choice flows from it.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The texts, with the usual limits.
    ///
    /// # Errors
    /// A path that no recipe can hold, since it is a text.
    pub fn data(&self) -> anyhow::Result<DataRecipe> {
        for path in self.train.iter().chain(&self.validation) {
            let fact = format!("the path {path:?} is not UTF-8");
            ensure!(path.to_str().is_some(), Problem::with_hint(fact, "rename it"));
        }
        let pair = |files: &[PathBuf]| TextPair::new(files[0].clone(), files[1].clone());
        let languages = languages(&self.languages)?;
        Ok(DataRecipe { languages, ..DataRecipe::new(pair(&self.train), pair(&self.validation)) })
    }
}

/// Kind of subwords.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Byte-pair encoding
    Bpe,
    /// Unigram language model
    Unigram,
}

impl Kind {
    /// As the library has it.
    pub fn model(self) -> SubwordModel {
        match self {
            Kind::Bpe => SubwordModel::Bpe,
            Kind::Unigram => SubwordModel::Unigram,
        }
    }
}

/// What becomes of blanks and look-alikes before lines are cut into subwords.
#[derive(Clone, Copy, ValueEnum)]
pub enum Rule {
    /// Unicode's NFKC with rules for translation; blanks folded, ends trimmed
    NmtNfkc,
    /// Unicode's NFKC; blanks folded, ends trimmed
    Nfkc,
    /// Nothing is changed
    None,
}

impl Rule {
    /// As the library has it.
    pub fn normalisation(self) -> Normalisation {
        match self {
            Rule::NmtNfkc => Normalisation::NmtNfkc,
            Rule::Nfkc => Normalisation::Nfkc,
            Rule::None => Normalisation::None,
        }
    }
}

/// Subwords to learn, or files of them.
#[derive(Args)]
pub struct Subwords {
    /// Tokens wanted, with 258 for special tokens and bytes
    #[arg(long, value_name = "N", default_value_t = 8000)]
    vocabulary_size: usize,
    /// Kind of subwords
    #[arg(long, value_enum, default_value = "bpe")]
    subwords: Kind,
    /// What becomes of blanks and look-alikes before lines are cut [default: nmt-nfkc]
    #[arg(long, value_enum, value_name = "RULE")]
    normalisation: Option<Rule>,
    /// Learn a vocabulary for each side
    #[arg(long)]
    separate_vocabularies: bool,
    /// Vocabularies that `wdistill vocab` wrote, or SentencePiece models, in place of learning them; one file
    /// for both sides, or two
    #[arg(long, num_args = 1..=2, value_names = ["SOURCE", "TARGET"],
          conflicts_with_all = ["vocabulary_size", "subwords", "normalisation", "separate_vocabularies"])]
    vocabulary: Vec<PathBuf>,
}

impl Subwords {
    /// As a recipe has it.
    pub fn recipe(&self) -> VocabularyRecipe {
        if let (Some(source), Some(target)) = (self.vocabulary.first(), self.vocabulary.last()) {
            let (source, target) = (Some(source.clone()), Some(target.clone()));
            return VocabularyRecipe { source, target, ..VocabularyRecipe::default() };
        }
        let sharing = match self.separate_vocabularies {
            true => Sharing::Separate,
            false => Sharing::Joint,
        };
        let (model, size) = (self.subwords.model(), Some(self.vocabulary_size));
        let normalisation = self.normalisation.map(Rule::normalisation);
        VocabularyRecipe { model, size, normalisation, sharing, ..VocabularyRecipe::default() }
    }
}

/// Names of preset architectures, for help and errors.
pub fn presets() -> PossibleValuesParser {
    PossibleValuesParser::new(PRESETS.iter().map(|(name, _)| *name))
}

/// Settings with changes, such as `training.updates=5000`; an earlier name of a key is said.
///
/// # Errors
/// The change that is no `KEY=VALUE`, a key that is there twice or that the settings do not have.
pub fn changed<T: Settings>(settings: &T, changes: &[String]) -> anyhow::Result<T> {
    let mut all = Table::new();
    for change in changes {
        add(&mut all, parsed(change)?, change)?;
    }
    renamed(&all).iter().for_each(|note| message(&format!("--set: {note}")));
    with_changes(settings, &all).map_err(|problem| problem.at("--set").into())
}

/// A change as a table.
fn parsed(change: &str) -> anyhow::Result<Table> {
    let expected = || format!("--set {change}: expected KEY=VALUE, as training.updates=5000");
    let (key, value) = change.split_once('=').with_context(expected)?;
    let table = toml::from_str::<Table>(&format!("{key} = {value}")).or_else(|error| {
        match value.parse::<f64>() {
            // A number that TOML refuses, such as one that is too large.
            Ok(_) => Err(error),
            // A bare word is meant as text.
            Err(_) => toml::from_str(&format!("{key} = {value:?}")),
        }
    });
    table.ok().with_context(expected)
}

/// Puts one table into another, refusing what is there already.
fn add(all: &mut Table, new: Table, change: &str) -> anyhow::Result<()> {
    for (key, value) in new {
        match (all.get_mut(&key), value) {
            (None, value) => {
                all.insert(key, value);
            }
            (Some(Value::Table(old)), Value::Table(new)) => add(old, new, change)?,
            _ => bail!("--set {change}: that key is set twice"),
        }
    }
    Ok(())
}

/// Names of toolkits in a sentence.
pub fn toolkit_names(which: fn(&dyn Toolkit) -> bool) -> String {
    let names: Vec<&str> = TOOLKITS
        .iter()
        .copied()
        .filter(|toolkit| which(*toolkit))
        .map(|toolkit| toolkit.name())
        .collect();
    match names.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        all => all.concat(),
    }
}
