//! `wdistill score`: BLEU and chrF, with sacreBLEU's arguments and output.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::{Args, ValueEnum, value_parser};
use wdistill_metrics::cli_text::{Entry, SystemEntry, json, systems_json, text};
use wdistill_metrics::{
    Bleu, Bootstrap, Case, Chrf, ChrfSmoothing, Confidence, CorpusMetric, Form, Orders, Signature,
    Smoothing, TOKENIZED_LINES, Tokenizer, Whitespace, confidence, looks_tokenized,
    paired_bootstrap,
};
use wdistill_pipeline::message;
use wdistill_text::text_reader;

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
        _ => Err("texts are read as UTF-8; hint: convert them with iconv".to_string()),
    }
}

/// sacreBLEU's environment variable for the form of the output.
const FORMAT_VARIABLE: &str = "SACREBLEU_FORMAT";

const NO_TEST_SETS: &str = "there are no test sets here; hint: give files of references";
const NO_TER: &str = "TER is not computed here; hint: BLEU and chrF are";
const NO_RANDOMIZATION: &str =
    "systems are not compared by approximate randomization; hint: --paired-bs";

/// sacreBLEU's arguments that are refused, short and long, and why.
const UNSUPPORTED: &[(&[&str], &str)] = &[
    (&["-t", "--test-set", "--list", "--download", "--echo"], NO_TEST_SETS),
    (&["-ol", "--origlang", "--subset", "-d", "--detail"], NO_TEST_SETS),
    (
        &["-l", "--language-pair"],
        "there are no test sets here; hint: give files of references, and the tokeniser by --tokenize",
    ),
    (&["--citation", "--cite"], "hint: sacreBLEU prints its citation"),
    (&["--ter-case-sensitive", "--ter-asian-support"], NO_TER),
    (&["--ter-no-punct", "--ter-normalized"], NO_TER),
    (&["-par", "--paired-ar", "-parn", "--paired-ar-n"], NO_RANDOMIZATION),
    (&["-j", "--paired-jobs"], "the comparison takes one thread; hint: leave it out"),
];

/// Why an argument of sacreBLEU's is refused, if it is.
fn reason_against(argument: &str) -> Option<&'static str> {
    let name = argument.split_once('=').map_or(argument, |(name, _)| name);
    UNSUPPORTED.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}

/// sacreBLEU's short names that are no single letter.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("-sl", "--sentence-level"),
    ("-nr", "--num-refs"),
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
    ("-nc", "--no-color"),
];

fn short_names_help() -> String {
    let names: Vec<String> =
        SHORT_NAMES.iter().map(|(short, long)| format!("  {short:<7}{long}")).collect();
    format!("sacreBLEU's short names:\n{}", names.join("\n"))
}

/// The arguments of the program with sacreBLEU's short names written out, if the command is `score`; those that are
/// refused are handed to [`Score`], which says why.
pub fn with_long_names(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|command| command == "score") {
        for argument in &mut arguments[2..] {
            if let Some((_, long)) = SHORT_NAMES.iter().find(|(short, _)| argument == short) {
                *argument = long.into();
            } else if let Some(name) =
                argument.to_str().filter(|name| reason_against(name).is_some())
            {
                *argument = format!("--unsupported={name}").into();
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

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

fn read(path: &Path) -> anyhow::Result<System> {
    if path == Path::new(STANDARD_INPUT) {
        return read_text("standard input", std::io::stdin());
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    read_text(&name, file)
}

/// A text, compressed or not.
fn read_text(name: &str, input: impl Read + Send) -> anyhow::Result<System> {
    let mut bytes = Vec::new();
    text_reader(input)
        .and_then(|mut text| text.read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {name}"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(System { lines: lines(&text), name: name.to_string() }),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            bail!("{name}:{line}: not valid UTF-8; hint: convert the file to UTF-8")
        }
    }
}

/// The systems of a text in which tabs divide each line.
fn divided(text: System) -> anyhow::Result<Vec<System>> {
    let count = text.lines.first().map_or(1, |line| line.split('\t').count());
    if count == 1 && text.lines.iter().all(|line| !line.contains('\t')) {
        return Ok(vec![text]);
    }
    let mut systems: Vec<System> = (1..=count)
        .map(|number| System { name: format!("System {number}"), lines: Vec::new() })
        .collect();
    for (number, line) in (1..).zip(&text.lines) {
        let found = line.split('\t').count();
        ensure!(
            found == count,
            "{}:{number}: found {found} systems with tabs between them, expected {count} as on line 1; hint: a \
             text with tabs of its own is given by --input",
            text.name
        );
        for (system, translation) in systems.iter_mut().zip(line.split('\t')) {
            system.lines.extend(lines(translation).pop().or_else(|| Some(String::new())));
        }
    }
    Ok(systems)
}

impl Score {
    pub fn run(mut self) -> anyhow::Result<()> {
        if let Some(argument) = self.unsupported.first() {
            let reason = reason_against(argument).unwrap_or("hint: see --help");
            bail!("{argument} of sacreBLEU is not supported: {reason}");
        }
        self.format = self.chosen_format()?;
        // sacreBLEU's order, whatever the order of the arguments.
        self.metrics.sort_unstable();
        self.metrics.dedup();
        self.check_standard_input()?;
        let references = self.read_references()?;
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
            scored.push(match metric {
                Metric::Bleu => self.scores(&self.bleu(), &systems, &streams)?,
                Metric::Chrf => self.scores(&self.chrf(), &systems, &streams)?,
            });
        }
        print(&match (systems.len(), self.format) {
            (1, _) => self.one_system(&scored),
            (_, Format::Json) => self.systems_as_json(&systems, &scored),
            (_, Format::Text) => self.several_systems(&systems, &scored),
        })
    }

    /// sacreBLEU's environment variable goes before the argument.
    fn chosen_format(&self) -> anyhow::Result<Format> {
        match std::env::var_os(FORMAT_VARIABLE) {
            Some(value) if !value.is_empty() => {
                let value = value.to_string_lossy();
                Format::from_str(&value, true).map_err(|_| {
                    anyhow!(
                        "{FORMAT_VARIABLE} is {value:?}, expected json or text; hint: unset it, it overrides --format"
                    )
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
        ensure!(
            count <= 1,
            "standard input is one text, found {count} uses of it; hint: --input FILE"
        );
        Ok(())
    }

    /// One stream for each file, or for each field between tabs.
    fn read_references(&self) -> anyhow::Result<Vec<System>> {
        let files: Vec<System> =
            self.references.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        if self.num_refs == 1 {
            return Ok(files);
        }
        let count = self.num_refs as usize;
        let [file] = &files[..] else {
            bail!(
                "--num-refs divides one file of references, found {}; hint: leave it out",
                files.len()
            )
        };
        let mut streams = vec![Vec::new(); count];
        for (number, line) in (1..).zip(&file.lines) {
            // As in sacreBLEU, further tabs belong to the last reference.
            let fields: Vec<&str> = line.splitn(count, '\t').collect();
            ensure!(
                fields.len() == count,
                "{}:{number}: found {} references with tabs between them, expected {count} by --num-refs",
                file.name,
                fields.len()
            );
            for (stream, field) in streams.iter_mut().zip(fields) {
                stream.push(field.to_string());
            }
        }
        let stream = |lines| System { name: file.name.clone(), lines };
        Ok(streams.into_iter().map(stream).collect())
    }

    fn systems(&self) -> anyhow::Result<Vec<System>> {
        if self.input.is_empty() {
            return divided(read_text("standard input", std::io::stdin())?);
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
                Some(_) => bail!("{} is given twice; hint: name each system once", system.name),
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
                self.say(&format!(
                    "{name}: {count} of {} lines end in a full stop with a blank before it, as tokenised text does, \
                     which scores lower; hint: detokenise it, or pass --force if it is as it should be",
                    lines.len()
                ));
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
            "--sentence-level has no statistical tests; hint: leave out --confidence and --paired-bs"
        );
        for (index, line) in system.lines.iter().enumerate() {
            let own: Vec<&[String]> =
                references.iter().map(|stream| &stream[index..=index]).collect();
            let sentence = [System { name: String::new(), lines: vec![line.clone()] }];
            let scored = match metric {
                Metric::Bleu => self.scores(&self.bleu(), &sentence, &own)?,
                Metric::Chrf => self.scores(&self.chrf(), &sentence, &own)?,
            };
            print(&self.one_system_as_text(&[scored]))?;
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

    fn width(&self) -> usize {
        usize::from(self.width)
    }

    fn form(&self) -> Form {
        if self.short { Form::Short } else { Form::Long }
    }

    /// What sacreBLEU prints for one system.
    fn one_system(&self, scored: &[Vec<Scored>]) -> String {
        match self.format {
            Format::Text => self.one_system_as_text(scored),
            Format::Json if self.score_only => {
                let values = self.values(scored);
                match values.len() {
                    // sacreBLEU prints one score alone in either format.
                    1 => values.join("\n"),
                    _ => format!("[\n{}\n]", values.join(",\n")),
                }
            }
            Format::Json => json(&entries(scored), self.width()),
        }
    }

    fn one_system_as_text(&self, scored: &[Vec<Scored>]) -> String {
        match self.score_only {
            true => self.values(scored).join("\n"),
            false => text(&entries(scored), self.form(), self.width()),
        }
    }

    /// The scores of one system, each with its spread.
    fn values(&self, scored: &[Vec<Scored>]) -> Vec<String> {
        let width = self.width();
        let value = |row: &Vec<Scored>| match row[0].confidence {
            Some(Confidence { mean, half_width }) => format!(
                "{:.width$} (μ = {mean:.width$} ± {half_width:.width$})",
                row[0].score.value()
            ),
            None => format!("{:.width$}", row[0].score.value()),
        };
        scored.iter().map(value).collect()
    }

    /// What sacreBLEU prints for several systems.
    fn systems_as_json(&self, systems: &[System], scored: &[Vec<Scored>]) -> String {
        let system_entries = |(index, system): (usize, &System)| {
            let name = match (index, self.paired_bs, self.input.is_empty()) {
                (0, true, true) => "Baseline".to_string(),
                (0, true, false) => format!("Baseline: {}", system.name),
                // Without it, the first of the other systems is the first.
                (_, true, true) => format!("System {index}"),
                _ => system.name.clone(),
            };
            let scores = scored.iter().map(|row| (entry(&row[index]), row[index].p_value));
            SystemEntry { name, scores: scores.collect() }
        };
        let rows: Vec<SystemEntry<'_>> = systems.iter().enumerate().map(system_entries).collect();
        systems_json(&rows, self.width())
    }

    /// A line for each system and metric, and the signatures.
    fn several_systems(&self, systems: &[System], scored: &[Vec<Scored>]) -> String {
        let mut output = Vec::new();
        for (index, system) in systems.iter().enumerate() {
            for row in scored {
                let Scored { score, confidence, p_value, .. } = &row[index];
                let width = self.width();
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

/// What is printed of the first system.
fn entries(scored: &[Vec<Scored>]) -> Vec<Entry<'_>> {
    scored.iter().map(|row| entry(&row[0])).collect()
}

fn entry(scored: &Scored) -> Entry<'_> {
    let Scored { score, signature, confidence, .. } = scored;
    Entry { score: &**score, signature, confidence: *confidence }
}

fn case(lowercase: bool) -> Case {
    match lowercase {
        true => Case::Lower,
        false => Case::Mixed,
    }
}
