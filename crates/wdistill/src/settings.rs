//! Settings that several commands share.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use wdistill_train::{DecodingRecipe, Display, RunOptions};

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
