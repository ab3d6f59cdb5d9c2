//! Settings that several commands share.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use wdistill_text::SubwordModel;
use wdistill_train::{
    BenchmarkRecipe, DataRecipe, DecodingRecipe, Display, ModelRecipe, Recipe, RunOptions, Sharing,
    SystemRecipe, TeacherRecipe, TextPair, VocabularyRecipe,
};

/// Threads, and how much is said.
#[derive(Args)]
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

    /// Options of a run in a folder.
    pub fn run_options(&self, folder: PathBuf) -> RunOptions {
        let commit = option_env!("WDISTILL_COMMIT").map(str::to_string);
        RunOptions { folder, threads: self.threads(), display: self.display(), commit }
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

/// A search.
#[derive(Args)]
pub struct Search {
    /// Hypotheses kept at each step; 1 is greedy search
    #[arg(long, value_name = "N", default_value_t = 4)]
    beam: usize,
    /// Exponent of the length in a hypothesis' score
    #[arg(long, value_name = "A", default_value_t = 1.0)]
    length_penalty: f64,
    /// Longest translation in tokens for each source token, plus 20
    #[arg(long, value_name = "R", default_value_t = 2.0)]
    max_length_ratio: f64,
    /// Source tokens of a batch, each counted once for every hypothesis
    #[arg(long, value_name = "N", default_value_t = 4096)]
    batch_tokens: usize,
}

impl Search {
    /// As a recipe has it.
    pub fn recipe(&self) -> DecodingRecipe {
        let &Search { beam, length_penalty, max_length_ratio, batch_tokens } = self;
        DecodingRecipe { beam, length_penalty, max_length_ratio, batch_tokens }
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
    /// Every random choice flows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Corpus {
    /// A recipe without a test text.
    pub fn recipe(
        &self,
        title: &str,
        vocabulary: VocabularyRecipe,
        teacher: TeacherRecipe,
        student: ModelRecipe,
        systems: Vec<SystemRecipe>,
    ) -> Recipe {
        let pair =
            |files: &[PathBuf]| TextPair { source: files[0].clone(), target: files[1].clone() };
        Recipe {
            title: title.to_string(),
            seed: self.seed,
            data: DataRecipe::new(pair(&self.train), pair(&self.validation)),
            vocabulary,
            teacher,
            student,
            pseudo_data: DecodingRecipe::for_pseudo_data(),
            decoding: DecodingRecipe::default(),
            benchmark: BenchmarkRecipe::default(),
            systems,
        }
    }
}

/// Subwords to learn.
#[derive(Args)]
pub struct Subwords {
    /// Tokens wanted, with 258 for special tokens and bytes
    #[arg(long, value_name = "N", default_value_t = 8000)]
    vocabulary_size: usize,
    /// Learn a vocabulary for each side
    #[arg(long)]
    separate_vocabularies: bool,
}

impl Subwords {
    /// As a recipe has it.
    pub fn recipe(&self) -> VocabularyRecipe {
        let sharing = match self.separate_vocabularies {
            true => Sharing::Separate,
            false => Sharing::Joint,
        };
        VocabularyRecipe { model: SubwordModel::Bpe, size: self.vocabulary_size, sharing }
    }
}

/// Shape and training of a model.
#[derive(Args)]
pub struct Shape {
    /// Preset architecture: transformer-base, transformer-big, small, tiny, transformer-nano
    #[arg(long, value_name = "NAME", default_value = "transformer-base")]
    preset: String,
    /// Change of architecture or training, such as architecture.decoder.layers=1 or training.updates=5000
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
}

impl Shape {
    /// As a recipe has it.
    pub fn recipe(&self) -> anyhow::Result<ModelRecipe> {
        let mut text = format!("preset = {:?}\n", self.preset);
        for change in &self.changes {
            text.push_str(change);
            text.push('\n');
        }
        toml::from_str(&text).context("in --set; hint: --set training.updates=5000")
    }
}

/// A table of one number.
pub fn number(key: &str, value: u32) -> toml::Table {
    toml::Table::from_iter([(key.to_string(), toml::Value::Integer(value.into()))])
}
