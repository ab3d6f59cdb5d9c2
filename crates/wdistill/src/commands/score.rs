//! `wdistill score`: BLEU and chrF, with sacreBLEU's arguments and output.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use wdistill_metrics::cli_text::{Entry, json, text};
use wdistill_metrics::{
    Bleu, Bootstrap, Case, Chrf, ChrfSmoothing, Confidence, CorpusMetric, Form, Signature,
    Smoothing, Tokenizer, Whitespace, confidence, paired_bootstrap,
};

use crate::commands::print;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
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
#[command(after_help = short_names_help())]
pub struct Score {
    /// Files of references, one line for each sentence
    #[arg(required = true)]
    references: Vec<PathBuf>,
    /// File of translations [default: standard input]; of several, the first is the baseline
    #[arg(short, long, value_name = "FILE", num_args = 1..)]
    input: Vec<PathBuf>,
    /// Metrics
    #[arg(short, long, value_enum, num_args = 1.., default_value = "bleu")]
    metrics: Vec<Metric>,
    /// Tokeniser of BLEU: 13a, intl, char, zh, none
    #[arg(long, default_value = "13a")]
    tokenize: Tokenizer,
    /// Ignore case in BLEU
    #[arg(long)]
    lowercase: bool,
    /// What BLEU does about an order without a match: exp, floor, add-k, none
    #[arg(short = 's', long, default_value = "exp")]
    smooth_method: Smoothing,
    /// Value of floor (0.1 by default) or add-k (1 by default)
    #[arg(long, value_name = "X")]
    smooth_value: Option<f64>,
    /// Longest character n-gram of chrF
    #[arg(long, value_name = "N", default_value_t = 6)]
    chrf_char_order: usize,
    /// Longest word n-gram of chrF: 0 for chrF, 2 for chrF++
    #[arg(long, value_name = "N", default_value_t = 0)]
    chrf_word_order: usize,
    /// How much more recall counts than precision in chrF
    #[arg(long, value_name = "N", default_value_t = 2)]
    chrf_beta: u32,
    /// Count white space in chrF
    #[arg(long)]
    chrf_whitespace: bool,
    /// Ignore case in chrF
    #[arg(long)]
    chrf_lowercase: bool,
    /// Smooth chrF as Popović's script does
    #[arg(long)]
    chrf_eps_smoothing: bool,
    /// Add a 95% confidence interval by bootstrap resampling
    #[arg(long)]
    confidence: bool,
    /// Resamples of --confidence
    #[arg(long, value_name = "N", default_value_t = 1000)]
    confidence_n: usize,
    /// Compare every further system with the first by paired bootstrap resampling
    #[arg(long)]
    paired_bs: bool,
    /// Resamples of --paired-bs
    #[arg(long, value_name = "N", default_value_t = 1000)]
    paired_bs_n: usize,
    /// Decimals
    #[arg(short, long, value_name = "N", default_value_t = 1,
          value_parser = |text: &str| text.parse::<u16>().map(usize::from))]
    width: usize,
    /// Form of the output; that of several systems is always text
    #[arg(short, long, value_enum, default_value = "json")]
    format: Format,
    /// Short signatures in text
    #[arg(long)]
    short: bool,
    /// Print nothing but the score, if there is one system
    #[arg(short = 'b', long)]
    score_only: bool,
}

/// sacreBLEU's short names that are no single letter.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("-lc", "--lowercase"),
    ("-tok", "--tokenize"),
    ("-sv", "--smooth-value"),
    ("-cc", "--chrf-char-order"),
    ("-cw", "--chrf-word-order"),
    ("-ci", "--confidence"),
    ("-cin", "--confidence-n"),
    ("-pbs", "--paired-bs"),
    ("-pbsn", "--paired-bs-n"),
    ("-sh", "--short"),
];

fn short_names_help() -> String {
    let names: Vec<String> =
        SHORT_NAMES.iter().map(|(short, long)| format!("  {short:<7}{long}")).collect();
    format!("sacreBLEU's short names:\n{}", names.join("\n"))
}

/// The arguments of the program with sacreBLEU's short names written out, if the command is `score`.
pub fn with_long_names(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|command| command == "score") {
        for argument in &mut arguments[2..] {
            if let Some((_, long)) = SHORT_NAMES.iter().find(|(short, _)| argument == short) {
                *argument = long.into();
            }
        }
    }
    arguments
}

/// Translations of one system.
struct System {
    name: String,
    lines: Vec<String>,
}

/// A score of one system, ready to be printed.
struct Scored {
    score: Box<dyn wdistill_metrics::Score>,
    signature: Signature,
    confidence: Option<Confidence>,
    /// Of the difference to the baseline; none for the baseline.
    p_value: Option<f64>,
}

fn lines(text: &str) -> Vec<String> {
    // What Python's rstrip takes away.
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    text.lines().map(|line| line.trim_end_matches(is_space).to_string()).collect()
}

fn decoded(bytes: Vec<u8>, name: &str) -> anyhow::Result<Vec<String>> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(lines(&text)),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            bail!("{name}:{line}: not valid UTF-8; hint: convert the file to UTF-8")
        }
    }
}

fn read(path: &Path) -> anyhow::Result<System> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    Ok(System { lines: decoded(bytes, &name)?, name })
}

impl Score {
    pub fn run(mut self) -> anyhow::Result<()> {
        // sacreBLEU's order, whatever the order of the arguments.
        self.metrics.sort_unstable();
        self.metrics.dedup();
        let references: Vec<System> =
            self.references.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        let systems = self.systems()?;
        for system in &systems {
            for reference in &references {
                let (found, expected) = (system.lines.len(), reference.lines.len());
                ensure!(
                    found == expected,
                    "{} has {found} lines, but {} has {expected}; hint: line N of every reference \
                     translates the same sentence as line N of the translations",
                    system.name,
                    reference.name
                );
            }
        }
        ensure!(
            !self.paired_bs || systems.len() > 1,
            "--paired-bs compares systems, found {} of them; hint: -i BASELINE SYSTEM ...",
            systems.len()
        );
        let streams: Vec<&[String]> =
            references.iter().map(|reference| reference.lines.as_slice()).collect();
        // One row for each metric, in it one score for each system.
        let mut scored: Vec<Vec<Scored>> = Vec::new();
        for metric in &self.metrics {
            scored.push(match metric {
                Metric::Bleu => self.scores(&self.bleu(), &systems, &streams)?,
                Metric::Chrf => self.scores(&self.chrf(), &systems, &streams)?,
            });
        }
        print(&match systems.len() {
            1 => self.one_system(&scored),
            _ => self.several_systems(&systems, &scored),
        })
    }

    fn systems(&self) -> anyhow::Result<Vec<System>> {
        if !self.input.is_empty() {
            return self.input.iter().map(|path| read(path)).collect();
        }
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
        let name = "standard input".to_string();
        Ok(vec![System { lines: decoded(bytes, &name)?, name }])
    }

    fn bleu(&self) -> Bleu {
        let smoothing = match (self.smooth_method, self.smooth_value) {
            (Smoothing::Floor(_), Some(value)) => Smoothing::Floor(value),
            (Smoothing::AddK(_), Some(value)) => Smoothing::AddK(value),
            (method, _) => method,
        };
        Bleu { tokenizer: self.tokenize, case: case(self.lowercase), smoothing, ..Bleu::default() }
    }

    fn chrf(&self) -> Chrf {
        Chrf {
            character_order: self.chrf_char_order,
            word_order: self.chrf_word_order,
            beta: self.chrf_beta,
            case: case(self.chrf_lowercase),
            whitespace: match self.chrf_whitespace {
                true => Whitespace::Counted,
                false => Whitespace::Ignored,
            },
            smoothing: match self.chrf_eps_smoothing {
                true => ChrfSmoothing::Epsilon,
                false => ChrfSmoothing::EffectiveOrder,
            },
        }
    }

    fn scores<M: CorpusMetric>(
        &self,
        metric: &M,
        systems: &[System],
        references: &[&[String]],
    ) -> anyhow::Result<Vec<Scored>>
    where
        M::Score: 'static,
    {
        let statistics = systems
            .iter()
            .map(|system| metric.corpus_statistics(&system.lines, references))
            .collect::<Result<Vec<_>, _>>()?;
        let samples = if self.paired_bs { self.paired_bs_n } else { self.confidence_n };
        let bootstrap = Bootstrap { samples, ..Bootstrap::default() };
        let resamples = self.confidence || self.paired_bs;
        let mut scores = Vec::new();
        for (index, own) in statistics.iter().enumerate() {
            let signature = metric.signature(references.len());
            let p_value = match self.paired_bs && index > 0 {
                true => Some(paired_bootstrap(metric, &statistics[0], own, bootstrap)?.p_value),
                false => None,
            };
            scores.push(Scored {
                score: Box::new(metric.score_of_totals(&own.totals())),
                signature: match resamples {
                    true => signature.with_bootstrap(bootstrap),
                    false => signature,
                },
                confidence: match resamples {
                    true => Some(confidence(metric, own, bootstrap)?),
                    false => None,
                },
                p_value,
            });
        }
        Ok(scores)
    }

    fn form(&self) -> Form {
        if self.short { Form::Short } else { Form::Long }
    }

    /// What sacreBLEU prints for one system.
    fn one_system(&self, scored: &[Vec<Scored>]) -> String {
        let scored = || scored.iter().map(|row| &row[0]);
        if self.score_only {
            let width = self.width;
            let value = |entry: &Scored| match entry.confidence {
                Some(Confidence { mean, half_width }) => format!(
                    "{:.width$} (μ = {mean:.width$} ± {half_width:.width$})",
                    entry.score.value()
                ),
                None => format!("{:.width$}", entry.score.value()),
            };
            let values: Vec<String> = scored().map(value).collect();
            // sacreBLEU prints one score alone in either format.
            return match self.format {
                Format::Json if values.len() > 1 => format!("[\n{}\n]", values.join(",\n")),
                _ => values.join("\n"),
            };
        }
        let entries: Vec<Entry<'_>> = scored()
            .map(|Scored { score, signature, confidence, .. }| Entry {
                score: &**score,
                signature,
                confidence: *confidence,
            })
            .collect();
        match self.format {
            Format::Json => json(&entries, self.width),
            Format::Text => text(&entries, self.form(), self.width),
        }
    }

    /// A line for each system and metric, and the signatures.
    fn several_systems(&self, systems: &[System], scored: &[Vec<Scored>]) -> String {
        let mut output = Vec::new();
        for (index, system) in systems.iter().enumerate() {
            for row in scored {
                let Scored { score, confidence, p_value, .. } = &row[index];
                let width = self.width;
                let mut line =
                    format!("{}  {} {:.width$}", system.name, score.name(), score.value());
                if let Some(Confidence { mean, half_width }) = confidence {
                    line += &format!(" (μ = {mean:.width$} ± {half_width:.width$})");
                }
                if let Some(p_value) = p_value {
                    let mark = if *p_value < 0.05 { "*" } else { "" };
                    line += &format!("  p = {p_value:.4}{mark}");
                }
                output.push(line);
            }
        }
        for row in scored {
            output.push(format!(
                "{}|{}",
                row[0].score.name(),
                row[0].signature.format(self.form())
            ));
        }
        output.join("\n")
    }
}

fn case(lowercase: bool) -> Case {
    match lowercase {
        true => Case::Lower,
        false => Case::Mixed,
    }
}
