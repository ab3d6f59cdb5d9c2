//! `wdistill translate`: standard input to standard output, line by line.

use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use clap::{Args, ValueEnum};
use wdistill_runtime::{LongSource, Translator};
use wdistill_search::Hypothesis;
use wdistill_text::Vocabulary;
use wdistill_train::{VocabularyPair, one_line, peak_memory};

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
    /// With end tokens, as the target's.
    source_tokens: usize,
    target_tokens: usize,
    /// Spent on it, without waiting for input.
    time: Duration,
}

impl Done {
    /// What there is to say at the end; `started` is how long it took to make the model ready.
    fn summary(&self, started: Duration) -> String {
        let Done { lines, source_tokens, target_tokens, time } = self;
        let (seconds, started) = (time.as_secs_f64(), started.as_secs_f64());
        let speed = match seconds > 0.0 {
            true => *target_tokens as f64 / seconds,
            false => 0.0,
        };
        let peak = peak_memory();
        let memory = peak.map(|peak| format!(", peak memory {:.0} MB", peak as f64 / 1e6));
        format!(
            "{lines} sentences, {source_tokens} source tokens, {target_tokens} target tokens, {speed:.0} \
             tokens/s, {seconds:.2} s and {started:.2} s to start{}",
            memory.unwrap_or_default()
        )
    }
}

/// A line of the input, or why it could not be read.
type Line = std::io::Result<String>;

impl Translate {
    pub fn run(self) -> anyhow::Result<()> {
        let mut options = self.search.translator_options(&self.common);
        options.search.n_best = self.n_best;
        options.longest_source = self.max_source;
        options.long_source = match self.long {
            // What is split is not long any more, unless a single word is.
            Long::Refuse | Long::Split => LongSource::Refuse,
            Long::Truncate => LongSource::Truncate,
        };
        ensure!(
            self.n_best == 1 || !matches!(self.long, Long::Split),
            "--long split joins the best translations of the parts; there is no --n-best of them"
        );
        let start = Instant::now();
        let shortlist = self.search.shortlist.as_deref();
        let (translator, vocabularies) = open_translator(&self.model, options, shortlist)?;
        let (sender, input) = sync_channel(self.buffer as usize);
        std::thread::spawn(move || {
            // The receiver has gone when the translation ended with an error.
            stdin().lock().lines().map_while(|line| sender.send(line).ok()).for_each(drop);
        });
        let started = start.elapsed();
        let mut done = Done::default();
        loop {
            let (lines, failed) = self.next_lines(&input);
            let end = lines.is_empty() && failed.is_none();
            self.translate_all(&translator, &vocabularies, &lines, &mut done)?;
            if let Some(error) = failed {
                let line = done.lines + 1;
                return Err(error).with_context(|| format!("standard input, line {line}"));
            }
            if end {
                self.common.say(&done.summary(started));
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

    /// Translates lines after others. Lines before one that is refused are translated all the same.
    fn translate_all(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        lines: &[String],
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let sources: Vec<Vec<Vec<u32>>> =
            lines.iter().map(|line| self.parts(line, &vocabularies.source)).collect();
        let is_long = |parts: &Vec<Vec<u32>>| parts.iter().any(|part| self.is_long(part));
        let good = match self.long {
            Long::Refuse | Long::Split => sources.iter().position(is_long),
            Long::Truncate => None,
        };
        let (good, rest) = sources.split_at(good.unwrap_or(sources.len()));
        self.translate(translator, vocabularies, good, done)?;
        if !rest.is_empty() {
            self.translate(translator, vocabularies, rest, done)?;
        }
        done.time += start.elapsed();
        Ok(())
    }

    fn is_long(&self, source: &[u32]) -> bool {
        source.len() - 1 > self.max_source
    }

    /// The sources that a line is translated as, each with its end token: one, or the parts of a long line.
    fn parts(&self, line: &str, vocabulary: &Vocabulary) -> Vec<Vec<u32>> {
        // White space says nothing, and is translated as nothing.
        let ids = |text: &str| match text.trim() {
            "" => Vec::new(),
            _ => vocabulary.encode(text),
        };
        let source = |text: &str| [ids(text), vec![vocabulary.end_id()]].concat();
        let whole = source(line);
        match self.long {
            Long::Split if self.is_long(&whole) => {
                let parts = split(line, self.max_source, |word| vocabulary.encode(word).len());
                parts.iter().map(|part| source(part)).collect()
            }
            _ => vec![whole],
        }
    }

    /// Translates lines, each in its parts, and writes a line for each.
    fn translate(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        lines: &[Vec<Vec<u32>>],
        all: &mut Done,
    ) -> anyhow::Result<()> {
        let done = all.lines;
        let sources: Vec<Vec<u32>> = lines.concat();
        // The number of the line, from 1, that each source is a part of.
        let line_of: Vec<usize> = (done + 1..)
            .zip(lines)
            .flat_map(|(line, parts)| std::iter::repeat_n(line, parts.len()))
            .collect();
        let translations = translator.translate_ids(&sources).map_err(|error| {
            let error = error.on_lines(|source| line_of[source - 1]);
            match error.is_about_length() {
                true => {
                    anyhow!("{error}\nhint: raise --max-source, or give --long truncate or split")
                }
                false => error.into(),
            }
        })?;
        all.lines += lines.len();
        all.source_tokens += translations.report.source_tokens;
        all.target_tokens += translations.report.target_tokens;
        for (line, parts) in (done + 1..).zip(lines).filter(|(_, parts)| parts.len() > 1) {
            self.common.say(&format!("line {line}: source split into {} parts", parts.len()));
        }
        for source in &translations.report.truncated_sources {
            let (line, limit) = (line_of[source - 1], self.max_source);
            self.common.say(&format!("line {line}: source truncated to {limit} tokens"));
        }
        for source in &translations.report.cut_translations {
            let line = line_of[source - 1];
            self.common.say(&format!("line {line}: translation cut at the maximum length"));
        }
        let mut output = stdout().lock();
        let mut hypotheses = translations.hypotheses.iter();
        for (line, parts) in (done + 1..).zip(lines) {
            let own: Vec<&Vec<Hypothesis>> = hypotheses.by_ref().take(parts.len()).collect();
            let text = |hypothesis: &Hypothesis| -> anyhow::Result<String> {
                let text = vocabularies.target.decode(&hypothesis.tokens)?;
                let joined = one_line(&text);
                if joined != text {
                    self.common.say(&format!("line {line}: a line break was written as a space"));
                }
                Ok(joined.into_owned())
            };
            if self.n_best == 1 {
                let texts = own.iter().map(|best| text(&best[0]));
                let texts = texts.collect::<anyhow::Result<Vec<String>>>()?;
                writeln!(output, "{}", texts.join(" "))?;
                continue;
            }
            for hypothesis in own.into_iter().flatten() {
                let text = text(hypothesis)?;
                writeln!(output, "{} ||| {text} ||| {:.6}", line - 1, hypothesis.score)?;
            }
        }
        Ok(output.flush()?)
    }
}

/// Cuts a line into parts of at most `limit` tokens: after the last word in a part's second half that ends
/// with punctuation, else after the last word that fits. A word that is longer is cut itself.
fn split(line: &str, limit: usize, tokens: impl Fn(&str) -> usize) -> Vec<String> {
    let words = line.split_whitespace().flat_map(|word| halves(word, limit, &tokens));
    let words: Vec<(&str, usize)> = words.map(|word| (word, tokens(word))).collect();
    let mut parts = Vec::new();
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let mut length = 0;
        let fitting = rest.iter().take_while(|(_, tokens)| {
            length += tokens;
            length <= limit
        });
        let fitting = fitting.count().max(1);
        let ends_well = |(word, _): &(&str, usize)| word.ends_with(['.', '!', '?', ';', ':', ',']);
        let cut = match fitting == rest.len() {
            true => fitting,
            false => {
                let half = fitting / 2;
                let good = rest[half..fitting].iter().rposition(ends_well);
                good.map_or(fitting, |place| half + place + 1)
            }
        };
        let (part, others) = rest.split_at(cut);
        parts.push(part.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" "));
        rest = others;
    }
    parts
}

/// A word in pieces of at most `limit` tokens, or of one character.
fn halves<'w>(word: &'w str, limit: usize, tokens: &impl Fn(&str) -> usize) -> Vec<&'w str> {
    let middle = word.chars().count() / 2;
    match word.char_indices().nth(middle) {
        Some((place, _)) if middle > 0 && tokens(word) > limit => {
            let (left, right) = word.split_at(place);
            [halves(left, limit, tokens), halves(right, limit, tokens)].concat()
        }
        _ => vec![word],
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    /// A token for each letter.
    fn letters(line: &str, limit: usize) -> Vec<String> {
        split(line, limit, str::len)
    }

    #[test]
    fn lines_are_cut_after_punctuation_or_between_words() {
        assert_eq!(letters("ab cd", 4), ["ab cd"]);
        assert_eq!(letters("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(letters("aa bb cc, dd ee", 9), ["aa bb cc,", "dd ee"]);
        // In the first half of a part, a cut would leave it too short.
        assert_eq!(letters("a, bb cc dd ee", 8), ["a, bb cc dd", "ee"]);
        assert_eq!(letters("ab  endlessly\tcd", 4), ["ab", "endl", "es", "sly", "cd"]);
    }
}
