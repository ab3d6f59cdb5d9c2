//! `wdistill bench`: decoding speed of models, in turn on the same sentences.

use std::path::PathBuf;

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

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        let mut lines = read_lines_or_standard_input(&self.input)?.lines;
        lines.truncate(self.sentences.unwrap_or(usize::MAX));
        ensure!(!lines.is_empty(), "{}: no sentences to time", self.input.display());
        let options = TranslatorOptions {
            threads: self.common.threads(),
            decoding: self.search.decoding_options(),
            ..TranslatorOptions::default()
        };
        let (mut names, mut translators, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        let shortlists = [None].into_iter().chain(self.search.shortlist.clone().map(Some));
        let models =
            self.models.iter().flat_map(|folder| shortlists.clone().map(move |s| (folder, s)));
        for (folder, shortlist) in models {
            let with = shortlist.as_ref().map(|path| format!(" with {}", path.display()));
            names.push(format!("{}{}", folder.display(), with.unwrap_or_default()));
            let translator =
                open_translator(folder, TranslatorOptions { shortlist, ..options.clone() })?;
            let source = |(number, line): (usize, &String)| {
                let refuse = |problem| anyhow!("{}:{number}: {problem}", self.input.display());
                translator.encode(line).map_err(refuse)
            };
            sources.push((1..).zip(&lines).map(source).collect::<anyhow::Result<Vec<_>>>()?);
            translators.push(translator);
        }
        let tokens = translators.iter().map(Translator::tokens);
        let models: Vec<_> = names.into_iter().zip(tokens).collect();
        let rounds = self.rounds as usize;
        let progress = Progress::new(self.common.display(), "bench", rounds as u64);
        let speeds = benchmark(&models, &sources, rounds, &mut |round| {
            progress.update(round as u64, String::new);
        })?;
        progress.finish();
        let rows = speeds.iter().zip(&translators).map(|(speed, translator)| {
            let Speed { name, tokens_per_second, sentences_per_second, speed_up, .. } = speed;
            let weights = translator.tokens().weight_bytes() as f64 / 1e6;
            format!(
                "{tokens_per_second:8.0}  {sentences_per_second:11.1}  {speed_up:7.2}x  \
                 {weights:10.1}  {name}"
            )
        });
        let conditions = format!(
            "{} sentences of {}, beam {}, batches of {} tokens, {} threads, median of {rounds} rounds",
            lines.len(),
            self.input.display(),
            options.decoding.search.beam_size,
            options.decoding.batch_tokens,
            self.common.threads()
        );
        let heading = "tokens/s  sentences/s  speed-up  weights MB  model".to_string();
        let memory = peak_memory().map(|peak| {
            format!("peak memory of the program, all models together: {:.0} MB", peak as f64 / 1e6)
        });
        print(
            &[conditions, heading]
                .into_iter()
                .chain(rows)
                .chain(memory)
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }
}
