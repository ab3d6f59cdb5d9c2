//! `wdistill shortlist`: which words a model may translate each word with, learnt from parallel text.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use wdistill_formats::{load_vocabularies, native};
use wdistill_pipeline::Progress;
use wdistill_text::{CorpusLimits, LexicalTable, ParallelText, VocabularyPair, encode_corpus};

use crate::commands::{print, refuse_input};
use crate::settings::{Common, find_model};

/// Iterations of expectation-maximisation; more change little.
const ITERATIONS: usize = 5;

/// Translations less probable than this are chance.
const LEAST_PROBABILITY: f64 = 0.001;

/// Most tokens of a sentence, with its end; pairs with a longer one are left out.
const MOST_TOKENS: usize = 1024;

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
    /// File to write: lines of `TARGET SOURCE PROBABILITY`, compressed if its name ends in .gz, .zst, .xz or .bz2
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Most translations of each source word
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    best: u32,
    /// Words that any sentence may have: those that translate no word in particular
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    always: u32,
    /// Sentence pairs, from the start of the text [default: all]
    #[arg(long, value_name = "N")]
    sentences: Option<usize>,
    #[command(flatten)]
    common: Common,
}

impl Shortlist {
    pub fn run(self) -> anyhow::Result<()> {
        refuse_input(&self.out, [&self.source, &self.target])?;
        let model = find_model(&self.model)?;
        let vocabularies = load_vocabularies(&model, &native::load_config(&model)?)?;
        let mut text = ParallelText::read(&self.source, &self.target)?;
        text.truncate(self.sentences.unwrap_or(usize::MAX));
        let pairs = self.common.install(|| self.pairs(&text, &vocabularies))?;
        let progress = Progress::new(self.common.display(), "shortlist", ITERATIONS as u64);
        let table = self.common.install(|| {
            let said = &mut |iteration| progress.update(iteration as u64, String::new);
            Ok(LexicalTable::learn(&pairs, vocabularies.source.size(), ITERATIONS, said))
        })?;
        progress.finish();
        let table = table.best(self.best as usize, LEAST_PROBABILITY, self.always as usize);
        ensure!(
            !table.of_null().is_empty(),
            "{}: no pair has words on both sides to learn from",
            self.source.display()
        );
        let left_out = table.write(&self.out, &vocabularies.source, &vocabularies.target)?;
        if !left_out.is_empty() {
            progress.warn(format!("left out, since the file cannot hold them: {left_out:?}"));
        }
        let sizes = || table.of_source().iter().map(Vec::len).filter(|size| *size > 0);
        let (words, translations): (usize, usize) = (sizes().count(), sizes().sum());
        print(&format!(
            "{}: from {} pairs, {words} of {} source words with {:.1} translations each, and {} words for any \
             sentence",
            self.out.display(),
            pairs.len(),
            vocabularies.source.size(),
            translations as f64 / words.max(1) as f64,
            table.of_null().len(),
        ))
    }

    /// The pairs to learn from, without end tokens; those that are left out are said.
    fn pairs(
        &self,
        text: &ParallelText,
        vocabularies: &VocabularyPair,
    ) -> anyhow::Result<Vec<(Vec<u32>, Vec<u32>)>> {
        let VocabularyPair { source, target } = vocabularies;
        let checked = encode_corpus(text, source, target, &limits())?;
        if checked.lines.len() < text.len() {
            Progress::new(self.common.display(), "shortlist", 0).warn(checked.report.to_string());
        }
        let corpus = &checked.corpus;
        let words = |ids: &[u32]| ids[..ids.len() - 1].to_vec();
        let pair = |index| {
            let (source, target) = corpus.pair(index);
            (words(source), words(target))
        };
        Ok((0..corpus.len()).map(pair).collect())
    }
}

/// Pairs with an empty side teach nothing, and very long ones little for much time.
fn limits() -> CorpusLimits {
    CorpusLimits {
        max_tokens_per_sentence: MOST_TOKENS,
        max_length_ratio: f64::INFINITY,
        ..CorpusLimits::training()
    }
}
