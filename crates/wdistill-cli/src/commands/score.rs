//! `wdistill score`: BLEU, chrF and TER, with sacreBLEU's arguments and output.

mod input;
mod names;
mod output;

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum, value_parser};
use wdistill_base::Problem;
use wdistill_metrics::{
    AsianText, Bleu, Bootstrap, Case, Chrf, ChrfSmoothing, CorpusMetric, Form, Normalization,
    Orders, Punctuation, Smoothing, TOKENIZED_LINES, Ter, Tokenizer, Whitespace, confidence,
    looks_tokenized, paired_bootstrap,
};
use wdistill_pipeline::message;

use crate::commands::print;
use input::{
    STANDARD_INPUT, System, check_lengths, divided_references, read, systems_on_standard_input,
};
pub use names::with_long_names;
use names::{refused, short_names_help};
use output::{Detail, Format, Scored, Style};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Metric {
    Bleu,
    Chrf,
    Ter,
}

/// Longer n-grams say nothing of a sentence.
const LONGEST_N_GRAM: i64 = 100;

/// More resamples take memory and change no digit.
const MOST_RESAMPLES: i64 = 10_000_000;

/// Arguments of `wdistill score`.
#[derive(Args)]
#[command(after_help = short_names_help())]
pub struct Score {
    /// Files of references, one line for each sentence; compressed or not, `-` is standard input
    #[arg(required_unless_present = "unsupported")]
    references: Vec<PathBuf>,
    /// File of translations; of several, the first is the baseline [default: standard input, where tabs
    /// divide the lines of several systems]
    #[arg(short, long, value_name = "FILE", num_args = 1..)]
    input: Vec<PathBuf>,
    /// Metrics
    #[arg(short, long, value_enum, num_args = 1.., default_value = "bleu")]
    metrics: Vec<Metric>,
    /// A score for each sentence, of one system by one metric, as text
    #[arg(long)]
    sentence_level: bool,
    /// References on each line of the one file, tabs between them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    num_refs: u32,
    /// Encoding of the texts; utf-8 is the only one
    #[arg(short, long, default_value = "utf-8", value_parser = encoding)]
    encoding: String,
    /// Tokeniser of BLEU: 13a, intl, char, zh, none
    #[arg(long, default_value = "13a")]
    tokenize: Tokenizer,
    /// Ignore case in BLEU
    #[arg(long)]
    lowercase: bool,
    /// Do not warn of translations that look tokenised
    #[arg(long)]
    force: bool,
    /// What BLEU does about an order without a match: exp, floor, add-k, none
    #[arg(short = 's', long, default_value = "exp")]
    smooth_method: Smoothing,
    /// Value of floor (0.1 by default) or add-k (1 by default)
    #[arg(long, value_name = "X")]
    smooth_value: Option<f64>,
    /// Longest character n-gram of chrF
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = value_parser!(u8).range(1..=LONGEST_N_GRAM))]
    chrf_char_order: u8,
    /// Longest word n-gram of chrF: 0 for chrF, 2 for chrF++
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u8).range(..=LONGEST_N_GRAM))]
    chrf_word_order: u8,
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
    /// Count case in TER
    #[arg(long)]
    ter_case_sensitive: bool,
    /// Let --ter-normalized and --ter-no-punct reach Asian text
    #[arg(long)]
    ter_asian_support: bool,
    /// Leave out punctuation in TER
    #[arg(long)]
    ter_no_punct: bool,
    /// Split words from punctuation in TER, as tercom does
    #[arg(long)]
    ter_normalized: bool,
    /// Add a 95% confidence interval by bootstrap resampling
    #[arg(long)]
    confidence: bool,
    /// Resamples of --confidence
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=MOST_RESAMPLES))]
    confidence_n: u32,
    /// Compare every further system with the first by paired bootstrap resampling
    #[arg(long)]
    paired_bs: bool,
    /// Resamples of --paired-bs
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=MOST_RESAMPLES))]
    paired_bs_n: u32,
    /// Decimals
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u8).range(..=100))]
    width: u8,
    /// Form of the output; the environment variable SACREBLEU_FORMAT overrides it
    #[arg(short, long, value_enum, default_value = "json")]
    format: Format,
    /// Short signatures in text
    #[arg(long)]
    short: bool,
    /// Print nothing but the score, if there is one system
    #[arg(short = 'b', long)]
    score_only: bool,
    /// Say nothing but errors and results
    #[arg(short, long)]
    quiet: bool,
    /// There are no colours to go without.
    #[arg(long, hide = true)]
    no_color: bool,
    /// Arguments of sacreBLEU's that this program does not have, as they were given.
    #[arg(long, hide = true)]
    unsupported: Vec<String>,
}

/// Nothing but UTF-8, under any of the names that Python has for it.
fn encoding(name: &str) -> Result<String, String> {
    match name.to_ascii_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" => Ok(name.to_string()),
        // The parser of arguments prints it.
        _ => {
            let fact = "texts are read as UTF-8";
            Err(Problem::with_hint(fact, "convert them with iconv").in_lines())
        }
    }
}

/// sacreBLEU's environment variable for the form of the output.
const FORMAT_VARIABLE: &str = "SACREBLEU_FORMAT";

impl Score {
    pub fn run(mut self) -> anyhow::Result<()> {
        if let Some(argument) = self.unsupported.first() {
            bail!(refused(argument));
        }
        self.format = self.chosen_format()?;
        // sacreBLEU's order, whatever the order of the arguments.
        self.metrics.sort_unstable();
        self.metrics.dedup();
        self.check_standard_input()?;
        let references = self.read_references()?;
        let systems = self.systems()?;
        check_lengths(&systems, &references)?;
        if self.paired_bs && systems.len() <= 1 {
            let fact = format!("--paired-bs compares systems, found {} of them", systems.len());
            bail!(Problem::with_hint(fact, "-i BASELINE SYSTEM ..."));
        }
        if self.metrics.contains(&Metric::Bleu) {
            self.warn_of_tokenized(&systems);
        }
        let streams: Vec<&[String]> =
            references.iter().map(|reference| reference.lines.as_slice()).collect();
        if self.sentence_level {
            return self.sentences(&systems, &streams);
        }
        // One row for each metric, in it one score for each system.
        let mut scored: Vec<Vec<Scored>> = Vec::new();
        for metric in &self.metrics {
            scored.push(self.scores_by(*metric, &systems, &streams)?);
        }
        print(&match systems.len() {
            1 => self.style().one_system(&scored),
            _ => self.style().several_systems(&self.printed_names(&systems), &scored),
        })
    }

    /// sacreBLEU's environment variable goes before the argument.
    fn chosen_format(&self) -> anyhow::Result<Format> {
        match std::env::var_os(FORMAT_VARIABLE) {
            Some(value) if !value.is_empty() => {
                let value = value.to_string_lossy();
                Format::from_str(&value, true).map_err(|_| {
                    let fact = format!("{FORMAT_VARIABLE} is {value:?}, expected json or text");
                    Problem::with_hint(fact, "unset it, it overrides --format").into()
                })
            }
            _ => Ok(self.format),
        }
    }

    /// Refuses to read standard input twice.
    fn check_standard_input(&self) -> anyhow::Result<()> {
        let named = self.references.iter().chain(&self.input);
        let mut count = named.filter(|path| *path == Path::new(STANDARD_INPUT)).count();
        count += usize::from(self.input.is_empty());
        let fact = format!("standard input is one text, found {count} uses of it");
        ensure!(count <= 1, Problem::with_hint(fact, "--input FILE"));
        Ok(())
    }

    /// One stream for each file, or for each field between tabs.
    fn read_references(&self) -> anyhow::Result<Vec<System>> {
        let files: Vec<System> =
            self.references.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        if self.num_refs == 1 {
            return Ok(files);
        }
        let [file] = &files[..] else {
            let fact = format!("--num-refs divides one file of references, found {}", files.len());
            bail!(Problem::with_hint(fact, "leave it out"))
        };
        divided_references(file, self.num_refs as usize)
    }

    fn systems(&self) -> anyhow::Result<Vec<System>> {
        if self.input.is_empty() {
            return systems_on_standard_input();
        }
        let mut systems: Vec<System> = Vec::new();
        for path in &self.input {
            let system = read(path)?;
            match systems.iter().position(|other| other.name == system.name) {
                None => systems.push(system),
                Some(0) if self.paired_bs => {
                    self.say(&format!(
                        "{} is the baseline and not compared with itself",
                        system.name
                    ));
                }
                Some(_) => {
                    let fact = format!("{} is given twice", system.name);
                    bail!(Problem::with_hint(fact, "name each system once"))
                }
            }
        }
        Ok(systems)
    }

    /// Says something on standard error that is neither an error nor a result.
    fn say(&self, text: &str) {
        if !self.quiet {
            message(text);
        }
    }

    fn warn_of_tokenized(&self, systems: &[System]) {
        if self.force || self.sentence_level {
            return;
        }
        for System { name, lines } in systems {
            let count = lines.iter().filter(|line| looks_tokenized(line)).count();
            if count >= TOKENIZED_LINES {
                let fact = format!(
                    "{name}: {count} of {} lines end in a full stop with a blank before it, as tokenised text does, \
                     which scores lower",
                    lines.len()
                );
                let hint = "detokenise it, or pass --force if it is as it should be";
                self.say(&Problem::with_hint(fact, hint).in_lines());
            }
        }
    }

    /// A line of text for each sentence.
    fn sentences(&self, systems: &[System], references: &[&[String]]) -> anyhow::Result<()> {
        let ([system], [metric]) = (systems, &self.metrics[..]) else {
            bail!(
                "--sentence-level scores one system by one metric, found {} by {}",
                systems.len(),
                self.metrics.len()
            )
        };
        ensure!(
            !self.confidence && !self.paired_bs,
            Problem::with_hint(
                "--sentence-level has no statistical tests",
                "leave out --confidence and --paired-bs"
            )
        );
        for (index, line) in system.lines.iter().enumerate() {
            let own: Vec<&[String]> =
                references.iter().map(|stream| &stream[index..=index]).collect();
            let sentence = [System { name: String::new(), lines: vec![line.clone()] }];
            let scored = self.scores_by(*metric, &sentence, &own)?;
            print(&self.style().one_system_as_text(&[scored]))?;
        }
        Ok(())
    }

    fn bleu(&self) -> Bleu {
        let smoothing = match (self.smooth_method, self.smooth_value) {
            (Smoothing::Floor(_), Some(value)) => Smoothing::Floor(value),
            (Smoothing::AddK(_), Some(value)) => Smoothing::AddK(value),
            (method, _) => method,
        };
        let orders = match self.sentence_level {
            true => Orders::Effective,
            false => Orders::All,
        };
        Bleu { tokenizer: self.tokenize, case: case(self.lowercase), smoothing, orders }
    }

    fn chrf(&self) -> Chrf {
        Chrf {
            character_order: self.chrf_char_order.into(),
            word_order: self.chrf_word_order.into(),
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

    fn ter(&self) -> Ter {
        Ter {
            case: case(!self.ter_case_sensitive),
            normalization: match self.ter_normalized {
                true => Normalization::Tercom,
                false => Normalization::None,
            },
            punctuation: match self.ter_no_punct {
                true => Punctuation::Removed,
                false => Punctuation::Kept,
            },
            asian_text: match self.ter_asian_support {
                true => AsianText::Separated,
                false => AsianText::AsOther,
            },
        }
    }

    fn scores_by(
        &self,
        metric: Metric,
        systems: &[System],
        references: &[&[String]],
    ) -> anyhow::Result<Vec<Scored>> {
        match metric {
            Metric::Bleu => self.scores(&self.bleu(), systems, references),
            Metric::Chrf => self.scores(&self.chrf(), systems, references),
            Metric::Ter => self.scores(&self.ter(), systems, references),
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
        let bootstrap = Bootstrap { samples: samples as usize, ..Bootstrap::default() };
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

    fn style(&self) -> Style {
        Style {
            format: self.format,
            form: if self.short { Form::Short } else { Form::Long },
            width: usize::from(self.width),
            detail: if self.score_only { Detail::Score } else { Detail::Everything },
        }
    }

    /// What systems are called where several are printed.
    fn printed_names(&self, systems: &[System]) -> Vec<String> {
        let name = |(index, system): (usize, &System)| {
            match (self.format, index, self.paired_bs, self.input.is_empty()) {
                (Format::Json, 0, true, true) => "Baseline".to_string(),
                (Format::Json, 0, true, false) => format!("Baseline: {}", system.name),
                // Without it, the first of the other systems is the first.
                (Format::Json, _, true, true) => format!("System {index}"),
                _ => system.name.clone(),
            }
        };
        systems.iter().enumerate().map(name).collect()
    }
}

fn case(lowercase: bool) -> Case {
    match lowercase {
        true => Case::Lower,
        false => Case::Mixed,
    }
}
