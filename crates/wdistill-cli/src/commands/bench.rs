//! `wdistill bench`: decoding speed of models, in turn on the same sentences.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure};
use clap::Args;
use wdistill_pipeline::{Progress, Speed, benchmark, peak_memory};
use wdistill_runtime::{Translator, TranslatorOptions};
use wdistill_text::read_lines_or_standard_input;

use crate::commands::print;
use crate::settings::{Common, Search, open_translator};

/// Arguments of `wdistill bench`.
#[derive(Args)]
pub struct Bench {
    /// Folders of models; speed-ups are over the first
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// Source text, compressed or not; `-` is standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Sentences, from the start of the text [default: all]
    #[arg(long, value_name = "N")]
    sentences: Option<usize>,
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    common: Common,
}

/// A model to be timed.
struct Timed {
    name: String,
    translator: Translator,
    /// The sentences, as its vocabulary divides them.
    sources: Vec<Vec<u32>>,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        let mut lines = read_lines_or_standard_input(&self.input)?.lines;
        lines.truncate(self.sentences.unwrap_or(usize::MAX));
        ensure!(!lines.is_empty(), "{}: no sentences to time", self.input.display());
        // Each model as it is, and once more with the shortlist.
        let shortlists = [None].into_iter().chain(self.search.shortlist.clone().map(Some));
        let models =
            self.models.iter().flat_map(|folder| shortlists.clone().map(move |s| (folder, s)));
        let timed: Vec<Timed> = models
            .map(|(folder, shortlist)| self.open(folder, shortlist, &lines))
            .collect::<anyhow::Result<_>>()?;
        let models: Vec<_> =
            timed.iter().map(|model| (model.name.clone(), model.translator.tokens())).collect();
        let sources: Vec<&[Vec<u32>]> = timed.iter().map(|model| &model.sources[..]).collect();
        let progress = Progress::new(self.common.display(), "bench", self.rounds.into());
        let speeds = benchmark(&models, &sources, self.rounds as usize, &mut |round| {
            progress.update(round as u64, String::new);
        })?;
        progress.finish();
        let rows = speeds.iter().zip(&timed).map(|(speed, model)| row(speed, &model.translator));
        let heading = "tokens/s  sentences/s  speed-up  weights MB  model".to_string();
        let memory = peak_memory().map(|peak| {
            format!("peak memory of the program, all models together: {:.0} MB", peak as f64 / 1e6)
        });
        let table = [self.conditions(lines.len()), heading].into_iter().chain(rows).chain(memory);
        print(&table.collect::<Vec<_>>().join("\n"))
    }

    fn options(&self) -> TranslatorOptions {
        TranslatorOptions {
            threads: self.common.threads(),
            decoding: self.search.decoding_options(),
            ..TranslatorOptions::default()
        }
    }

    fn open(
        &self,
        folder: &Path,
        shortlist: Option<PathBuf>,
        lines: &[String],
    ) -> anyhow::Result<Timed> {
        let with = shortlist.as_ref().map(|path| format!(" with {}", path.display()));
        let name = format!("{}{}", folder.display(), with.unwrap_or_default());
        let translator =
            open_translator(folder, TranslatorOptions { shortlist, ..self.options() })?;
        let source = |(number, line): (usize, &String)| {
            let refuse = |problem| anyhow!("{}:{number}: {problem}", self.input.display());
            translator.encode(line).map_err(refuse)
        };
        let sources = (1..).zip(lines).map(source).collect::<anyhow::Result<_>>()?;
        Ok(Timed { name, translator, sources })
    }

    fn conditions(&self, sentences: usize) -> String {
        let decoding = self.options().decoding;
        format!(
            "{sentences} sentences of {}, beam {}, batches of {} tokens, {} threads, median of {} rounds",
            self.input.display(),
            decoding.search.beam_size,
            decoding.batch_tokens,
            self.common.threads(),
            self.rounds
        )
    }
}

fn row(speed: &Speed, translator: &Translator) -> String {
    let Speed { name, tokens_per_second, sentences_per_second, speed_up, .. } = speed;
    let weights = translator.tokens().weight_bytes() as f64 / 1e6;
    format!(
        "{tokens_per_second:8.0}  {sentences_per_second:11.1}  {speed_up:7.2}x  {weights:10.1}  {name}"
    )
}
