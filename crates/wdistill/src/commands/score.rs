//! `wdistill score`: BLEU and chrF, with sacreBLEU's arguments and output.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use wdistill_metrics::cli_text::{Entry, json, text};
use wdistill_metrics::{Bleu, Case, Chrf, CorpusMetric, Form, Signature, Tokenizer};

use crate::commands::print;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Metric {
    Bleu,
    Chrf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Text,
}

/// Arguments of `wdistill score`.
#[derive(Args)]
pub struct Score {
    /// Files of references, one line for each sentence
    #[arg(required = true)]
    references: Vec<PathBuf>,
    /// File of translations [default: standard input]
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Metrics
    #[arg(short, long, value_enum, num_args = 1.., default_value = "bleu")]
    metrics: Vec<Metric>,
    /// Tokeniser of BLEU: 13a, intl, char, zh, none
    #[arg(long, default_value = "13a")]
    tokenize: Tokenizer,
    /// Ignore case
    #[arg(long, visible_alias = "lc")]
    lowercase: bool,
    /// Words in chrF: 0 for chrF, 2 for chrF++
    #[arg(long, value_name = "N", default_value_t = 0)]
    chrf_word_order: usize,
    /// Decimals
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    width: usize,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "json")]
    format: Format,
    /// Short signatures in text
    #[arg(long)]
    short: bool,
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim_end().to_string()).collect()
}

fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(lines(&text))
}

impl Score {
    pub fn run(self) -> anyhow::Result<()> {
        let hypotheses = match &self.input {
            Some(path) => read(path)?,
            None => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("standard input")?;
                lines(&text)
            }
        };
        let references: Vec<Vec<String>> =
            self.references.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        let case = match self.lowercase {
            true => Case::Lower,
            false => Case::Mixed,
        };
        let bleu = Bleu { tokenizer: self.tokenize, case, ..Bleu::default() };
        let chrf = Chrf { case, word_order: self.chrf_word_order, ..Chrf::default() };
        let mut scores: Vec<(Box<dyn wdistill_metrics::Score>, Signature)> = Vec::new();
        for metric in &self.metrics {
            scores.push(match metric {
                Metric::Bleu => (
                    Box::new(bleu.corpus_score(&hypotheses, &references)?),
                    bleu.signature(references.len()),
                ),
                Metric::Chrf => (
                    Box::new(chrf.corpus_score(&hypotheses, &references)?),
                    chrf.signature(references.len()),
                ),
            });
        }
        let entry = |(score, signature)| Entry { score, signature, confidence: None };
        let entries: Vec<Entry<'_>> =
            scores.iter().map(|(score, signature)| entry((&**score, signature))).collect();
        let form = if self.short { Form::Short } else { Form::Long };
        print(&match self.format {
            Format::Json => json(&entries, self.width),
            Format::Text => text(&entries, form, self.width),
        })
    }
}
