//! `wdistill translate`: standard input to standard output, line by line.

use std::io::{Write, stdin, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use wdistill_base::Problem;
use wdistill_pipeline::{message, peak_memory};
use wdistill_runtime::{
    LineContent, LongText, Notice, NoticeCounts, NoticeKind, TooLong, Translation, Translator,
    TranslatorOptions, gather,
};
use wdistill_text::{CHARACTERS_OF_A_TOKEN, SentenceLanguage, lines_as_they_come, text_reader};

use crate::settings::{Common, Search, open_translator};

/// What to do with a source that is longer than allowed.
#[derive(Clone, Copy, ValueEnum)]
enum Long {
    /// Stop with an error that names the line
    Refuse,
    /// Translate its first tokens, and say so
    Truncate,
    /// Translate it in parts, cut after punctuation or between words, and say so
    Split,
}

/// What a line holds.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sentences {
    /// One sentence, whatever it looks like, as in Marian and CTranslate2
    Line,
    /// Sentences, which are translated one by one and joined with the blanks that stood between them
    Split,
}

/// Arguments of `wdistill translate`.
#[derive(Args)]
pub struct Translate {
    /// Folder of the model, or of a run with one model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    search: Search,
    /// Translations of each line, at most the beam size, as `LINE ||| TEXT ||| SCORE`, lines counted from 0
    /// [default: the best one, without its score]
    #[arg(long, value_name = "N")]
    n_best: Option<usize>,
    /// What each line is translated as
    #[arg(long, value_enum, default_value = "line")]
    sentences: Sentences,
    /// Language of the input, whose abbreviations end no sentence [default: the abbreviations of all]
    #[arg(long, value_name = "CODE",
          value_parser = PossibleValuesParser::new(SentenceLanguage::CODES))]
    language: Option<String>,
    /// Most source tokens of a line, or of a sentence with --sentences split; 64 characters each
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_source: usize,
    /// Lines over --max-source, or sentences
    #[arg(long, value_enum, default_value = "refuse")]
    long: Long,
    /// Most lines that are translated together; no line waits longer than 20 ms for others
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    buffer: u32,
    #[command(flatten)]
    common: Common,
}

/// What has been translated so far.
#[derive(Default)]
struct Done {
    lines: usize,
    /// Lines, or the sentences that they were divided into.
    sentences: usize,
    /// With end tokens, as the target's.
    source_tokens: usize,
    target_tokens: usize,
    /// Spent on it, without waiting for input.
    time: Duration,
    notices: NoticeCounts,
}

impl Done {
    /// Counts the translation of the next line, and returns the line's number, from 1.
    fn add(&mut self, translation: &Translation) -> usize {
        self.lines += 1;
        self.sentences += translation.sentences;
        self.source_tokens += translation.source_tokens;
        self.target_tokens += translation.target_tokens;
        translation.notices.iter().for_each(|notice| self.notices.add(self.lines, *notice));
        self.lines
    }

    /// What there is to say at the end; `started` is how long it took to make the model ready.
    fn summary(&self, started: Duration) -> String {
        let Done { sentences, source_tokens, target_tokens, time, .. } = self;
        let (seconds, started) = (time.as_secs_f64(), started.as_secs_f64());
        let speed = if seconds > 0.0 { *target_tokens as f64 / seconds } else { 0.0 };
        let peak = peak_memory();
        let memory = peak.map(|peak| format!(", peak memory {:.0} MB", peak as f64 / 1e6));
        format!(
            "{sentences} sentences, {source_tokens} source tokens, {target_tokens} target tokens, {speed:.0} \
             tokens/s, {seconds:.2} s and {started:.2} s to start{}",
            memory.unwrap_or_default()
        )
    }
}

/// A line of the input, or why it could not be read.
type Line = std::io::Result<String>;

impl Translate {
    pub fn run(self) -> anyhow::Result<()> {
        let start = Instant::now();
        let translator = open_translator(&self.model, self.options()?)?;
        let (sender, input) = sync_channel(self.buffer as usize);
        std::thread::spawn(move || {
            // The receiver has gone when the translation ended with an error.
            let lines: Box<dyn Iterator<Item = Line>> = match text_reader(stdin()) {
                Ok(text) => Box::new(lines_as_they_come(text)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
            lines.map_while(|line| sender.send(line).ok()).for_each(drop);
        });
        let started = start.elapsed();
        let mut done = Done::default();
        let result = self.translate_input(&translator, &input, &mut done);
        // Whoever asks for silence still has to know which translations are not whole.
        for (kind, notice) in done.notices.in_words() {
            let hint = match kind {
                NoticeKind::Shorter => Some("--sentences split translates them one by one"),
                NoticeKind::Truncated | NoticeKind::Split => {
                    Some("--max-source allows longer ones")
                }
                NoticeKind::Cut | NoticeKind::LineBreak => None,
            };
            message(&Problem { fact: notice, hint: hint.map(str::to_string) }.in_lines());
        }
        if result.is_ok() {
            self.common.say(&done.summary(started));
        }
        result
    }

    fn options(&self) -> anyhow::Result<TranslatorOptions> {
        let mut decoding = self.search.decoding_options();
        decoding.search.n_best = self.n_best.unwrap_or(1);
        Ok(TranslatorOptions {
            threads: self.common.threads(),
            decoding,
            shortlist: self.search.shortlist.clone(),
            content: match self.sentences {
                Sentences::Line => LineContent::Sentence,
                Sentences::Split => LineContent::Text,
            },
            language: self
                .language
                .as_deref()
                .map_or(SentenceLanguage::Any, SentenceLanguage::from_code),
            max_source_length: self.max_source,
            long_text: match self.long {
                Long::Refuse => LongText::Refuse,
                Long::Truncate => LongText::Truncate,
                Long::Split => LongText::Split,
            },
        })
    }

    /// Translates what comes, up to the end or to a line that cannot be read or translated.
    fn translate_input(
        &self,
        translator: &Translator,
        input: &Receiver<Line>,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        loop {
            let gathered = gather(input, self.buffer as usize);
            if gathered.is_empty() {
                return Ok(());
            }
            let mut failed = None;
            let lines: Vec<String> = gathered
                .into_iter()
                .map_while(|line| line.map_err(|e| failed = Some(e)).ok())
                .collect();
            self.translate_lines(translator, &lines, done)?;
            if let Some(error) = failed {
                let line = done.lines + 1;
                return Err(error).with_context(|| format!("standard input, line {line}"));
            }
        }
    }

    /// Translates lines after others, and writes a line for each, up to one that is refused.
    fn translate_lines(
        &self,
        translator: &Translator,
        lines: &[String],
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let translations =
            translator.translate_each(lines).map_err(|error| error.after(done.lines))?;
        done.time += start.elapsed();
        let mut output = stdout().lock();
        for translation in translations {
            let translation = match translation {
                Ok(translation) => translation,
                Err(problem) => {
                    output.flush()?;
                    let fact = format!("line {} {problem}", done.lines + 1);
                    bail!(Problem::with_hint(fact, self.way_out(&problem)))
                }
            };
            let line = done.add(&translation);
            for notice in translation.notices.iter().filter(|notice| **notice != Notice::Shorter) {
                self.common.say(&format!("line {line}: {notice}"));
            }
            let Translation { text, score, others, .. } = &translation;
            if self.n_best.is_none() {
                writeln!(output, "{text}")?;
                continue;
            }
            let others = others.iter().map(|other| (&other.text, &other.score));
            for (text, score) in std::iter::once((text, score)).chain(others) {
                writeln!(output, "{} ||| {text} ||| {score:.6}", line - 1)?;
            }
        }
        Ok(output.flush()?)
    }

    /// What helps against a line that is too long.
    fn way_out(&self, problem: &TooLong) -> String {
        let raise = match problem {
            TooLong::Tokens { .. } => "raise --max-source".to_string(),
            TooLong::Characters { .. } => {
                format!("raise --max-source, which allows {CHARACTERS_OF_A_TOKEN} for each token")
            }
        };
        format!("{raise}, or give --long truncate or split")
    }
}
