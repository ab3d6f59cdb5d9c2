//! `wdistill translate`: standard input to standard output, line by line.

use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use wdistill_runtime::{LongSource, Translator};
use wdistill_train::{VocabularyPair, one_line};

use crate::settings::{Common, Search, open_translator};

/// What to do with a source that is longer than allowed.
#[derive(Clone, Copy, ValueEnum)]
enum Long {
    /// Stop with an error that names the line
    Refuse,
    /// Translate its first tokens, and say so
    Truncate,
}

/// How long a line that has arrived waits for others to be translated with.
const PAUSE: Duration = Duration::from_millis(20);

/// Arguments of `wdistill translate`.
#[derive(Args)]
pub struct Translate {
    /// Folder of the model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    search: Search,
    /// Translations of each line, at most the beam; more than 1 prints `LINE ||| TEXT ||| SCORE`, lines
    /// counted from 0
    #[arg(long, value_name = "N", default_value_t = 1)]
    n_best: usize,
    /// Most source tokens of a line
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_source: usize,
    /// Lines over --max-source
    #[arg(long, value_enum, default_value = "refuse")]
    long: Long,
    /// Most lines that are translated together; no line waits longer than 20 ms for others
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    buffer: u32,
    #[command(flatten)]
    common: Common,
}

/// A line of the input, or why it could not be read.
type Line = std::io::Result<String>;

impl Translate {
    pub fn run(self) -> anyhow::Result<()> {
        let mut options = self.search.translator_options(&self.common);
        options.search.n_best = self.n_best;
        options.longest_source = self.max_source;
        options.long_source = match self.long {
            Long::Refuse => LongSource::Refuse,
            Long::Truncate => LongSource::Truncate,
        };
        let translator = open_translator(&self.model, options)?;
        let vocabularies = VocabularyPair::load(&self.model)?;
        let (sender, input) = sync_channel(self.buffer as usize);
        std::thread::spawn(move || {
            // The receiver has gone when the translation ended with an error.
            stdin().lock().lines().map_while(|line| sender.send(line).ok()).for_each(drop);
        });
        let mut done = 0;
        loop {
            let (lines, failed) = self.next_lines(&input);
            let end = lines.is_empty() && failed.is_none();
            done = self.translate_all(&translator, &vocabularies, &lines, done)?;
            if let Some(error) = failed {
                return Err(error).with_context(|| format!("standard input, line {}", done + 1));
            }
            if end {
                return Ok(());
            }
        }
    }

    /// Waits for a line and takes what has arrived with it; none at the end of the input.
    fn next_lines(&self, input: &Receiver<Line>) -> (Vec<String>, Option<std::io::Error>) {
        let mut lines = Vec::new();
        let mut next = input.recv().map_err(|_| RecvTimeoutError::Disconnected);
        let deadline = Instant::now() + PAUSE;
        loop {
            match next {
                Ok(Ok(line)) => lines.push(line),
                Ok(Err(error)) => return (lines, Some(error)),
                Err(_) => return (lines, None),
            }
            if lines.len() == self.buffer as usize {
                return (lines, None);
            }
            next = input.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }

    /// Translates lines after `done` others and returns how many that makes. Lines before one that is
    /// refused are translated all the same.
    fn translate_all(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        lines: &[String],
        done: usize,
    ) -> anyhow::Result<usize> {
        let end = vocabularies.source.end_id();
        let source = |line: &String| [vocabularies.source.encode(line), vec![end]].concat();
        let sources: Vec<Vec<u32>> = lines.iter().map(source).collect();
        let is_long = |source: &Vec<u32>| source.len() - 1 > self.max_source;
        let good = match self.long {
            Long::Refuse => sources.iter().position(is_long).unwrap_or(sources.len()),
            Long::Truncate => sources.len(),
        };
        let (good, rest) = sources.split_at(good);
        self.translate(translator, vocabularies, good, done)?;
        if !rest.is_empty() {
            self.translate(translator, vocabularies, rest, done + good.len())?;
        }
        Ok(done + lines.len())
    }

    fn translate(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        sources: &[Vec<u32>],
        done: usize,
    ) -> anyhow::Result<()> {
        let translations = translator.translate_ids(sources).map_err(|error| {
            let error = error.after_lines(done);
            match error.is_about_length() {
                true => anyhow!(
                    "{error}\nhint: split long lines, raise --max-source, or give --long truncate"
                ),
                false => error.into(),
            }
        })?;
        for line in &translations.report.truncated_sources {
            let (line, limit) = (done + line, self.max_source);
            self.common.say(&format!("line {line}: source truncated to {limit} tokens"));
        }
        for line in &translations.report.cut_translations {
            let line = done + line;
            self.common.say(&format!("line {line}: translation cut at the maximum length"));
        }
        let mut output = stdout().lock();
        for (index, hypotheses) in translations.hypotheses.iter().enumerate() {
            let number = done + index;
            for hypothesis in hypotheses {
                let text = vocabularies.target.decode(&hypothesis.tokens)?;
                let line = one_line(&text);
                if line != text {
                    let line = number + 1;
                    self.common.say(&format!("line {line}: a line break was written as a space"));
                }
                match self.n_best {
                    1 => writeln!(output, "{line}")?,
                    _ => writeln!(output, "{number} ||| {line} ||| {:.6}", hypothesis.score)?,
                }
            }
        }
        Ok(output.flush()?)
    }
}
