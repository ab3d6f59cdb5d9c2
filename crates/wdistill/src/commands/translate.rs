//! `wdistill translate`: standard input to standard output, line by line.

use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use wdistill_formats::native;
use wdistill_runtime::{LongSource, Translator};
use wdistill_train::{VocabularyPair, one_line};

use crate::settings::{Common, Search};

/// What to do with a source that is longer than allowed.
#[derive(Clone, Copy, ValueEnum)]
enum Long {
    /// Stop with an error that names the line
    Refuse,
    /// Translate its first tokens, and say so
    Truncate,
}

/// Arguments of `wdistill translate`.
#[derive(Args)]
pub struct Translate {
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    search: Search,
    /// Translations of each line, at most the beam; more than 1 prints `LINE ||| TEXT ||| SCORE`
    #[arg(long, value_name = "N", default_value_t = 1)]
    n_best: usize,
    /// Most source tokens of a line
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_source: usize,
    /// Lines over --max-source
    #[arg(long, value_enum, default_value = "refuse")]
    long: Long,
    /// Lines read before they are translated together
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    buffer: u32,
    #[command(flatten)]
    common: Common,
}

impl Translate {
    pub fn run(self) -> anyhow::Result<()> {
        let mut options = self.search.recipe().translator(self.common.threads());
        options.search.n_best = self.n_best;
        options.longest_source = self.max_source;
        options.long_source = match self.long {
            Long::Refuse => LongSource::Refuse,
            Long::Truncate => LongSource::Truncate,
        };
        let translator = Translator::new(native::load(&self.model)?, options)?;
        let vocabularies = VocabularyPair::load(&self.model)?;
        let mut lines = stdin().lock().lines();
        let mut done = 0;
        loop {
            let chunk: Vec<String> = lines
                .by_ref()
                .take(self.buffer as usize)
                .enumerate()
                .map(|(index, line)| line.with_context(|| format!("line {}", done + index + 1)))
                .collect::<Result<_, _>>()?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.translate(&translator, &vocabularies, &chunk, done)?;
            done += chunk.len();
        }
    }

    fn translate(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        lines: &[String],
        done: usize,
    ) -> anyhow::Result<()> {
        let end = vocabularies.source.end_id();
        let source = |line: &String| [vocabularies.source.encode(line), vec![end]].concat();
        let sources: Vec<Vec<u32>> = lines.iter().map(source).collect();
        let translations = translator
            .translate_ids(&sources)
            .with_context(|| format!("lines {} to {}", done + 1, done + lines.len()))?;
        for line in &translations.report.truncated_sources {
            eprintln!("line {}: source truncated to {} tokens", done + line, self.max_source);
        }
        for line in &translations.report.cut_translations {
            eprintln!("line {}: translation cut at the maximum length", done + line);
        }
        let mut output = stdout().lock();
        for (index, hypotheses) in translations.hypotheses.iter().enumerate() {
            for hypothesis in hypotheses {
                let text = vocabularies.target.decode(&hypothesis.tokens)?;
                let text = one_line(&text);
                match self.n_best {
                    1 => writeln!(output, "{text}")?,
                    _ => {
                        let (line, score) = (done + index, hypothesis.score);
                        writeln!(output, "{line} ||| {text} ||| {score:.6}")?;
                    }
                }
            }
        }
        Ok(output.flush()?)
    }
}
