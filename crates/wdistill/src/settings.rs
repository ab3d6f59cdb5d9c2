//! Settings that several commands share.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use wdistill_train::{Display, RunOptions};

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
