//! `wdistill shortlist`: which words a model may translate each word with, learnt from parallel text.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use wdistill_text::{LexicalTable, ParallelText};
use wdistill_train::VocabularyPair;

use crate::commands::print;
use crate::settings::Common;

/// Iterations of expectation-maximisation; more change little.
const ITERATIONS: usize = 5;

/// Translations less probable than this are chance.
const LEAST_PROBABILITY: f64 = 0.001;

/// Arguments of `wdistill shortlist`.
#[derive(Args)]
pub struct Shortlist {
    /// Folder of the model, for its vocabularies
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Source side of a parallel text; best are the teacher's translations, `pseudo/source.txt` and
    /// `pseudo/target.txt` in the folder of a run
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// Target side
    #[arg(long, value_name = "FILE")]
    target: PathBuf,
    /// File to write: lines of `TARGET SOURCE PROBABILITY`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Most translations of each source word
    #[arg(long, value_name = "N", default_value_t = 100)]
    best: usize,
    /// Words that any sentence may have: those that translate no word in particular
    #[arg(long, value_name = "N", default_value_t = 200)]
    always: usize,
    #[command(flatten)]
    common: Common,
}

impl Shortlist {
    pub fn run(self) -> anyhow::Result<()> {
        ensure!(self.always > 0, "--always is 0, expected at least 1");
        let vocabularies = VocabularyPair::load(&self.model)?;
        let text = ParallelText::read(&self.source, &self.target)?;
        ensure!(!text.is_empty(), "{}: no sentences to learn from", self.source.display());
        self.common.say(&format!("learning from {} pairs", text.len()));
        let (sources, targets) = self.common.install(|| {
            let sources = vocabularies.source.encode_batch(&text.source.lines);
            Ok((sources, vocabularies.target.encode_batch(&text.target.lines)))
        })?;
        let pairs = sources.iter().map(Vec::as_slice).zip(targets.iter().map(Vec::as_slice));
        let table = LexicalTable::learn(pairs, vocabularies.source.size(), ITERATIONS);
        let table = table.best(self.best, LEAST_PROBABILITY, self.always);
        table.write(&self.out, &vocabularies.source, &vocabularies.target)?;
        let sizes = || table.of_source().iter().map(Vec::len).filter(|size| *size > 0);
        let (words, translations): (usize, usize) = (sizes().count(), sizes().sum());
        print(&format!(
            "{}: {words} of {} source words with {:.1} translations each, and {} words for any sentence",
            self.out.display(),
            vocabularies.source.size(),
            translations as f64 / words.max(1) as f64,
            table.of_null().len(),
        ))
    }
}
