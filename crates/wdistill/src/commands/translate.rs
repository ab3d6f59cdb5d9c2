//! `wdistill translate`: standard input to standard output, line by line.

use std::collections::BTreeSet;
use std::io::{Write, stdin, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use wdistill_runtime::{LongSource, Report, Translator};
use wdistill_search::Hypothesis;
use wdistill_text::{
    CHARACTERS_OF_A_TOKEN, SentenceLanguage, Vocabulary, lines_as_they_come, sentences, text_reader,
};
use wdistill_train::{VocabularyPair, message, one_line, peak_memory};

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

/// How long a line that has arrived waits for others to be translated with.
const PAUSE: Duration = Duration::from_millis(20);

/// Arguments of `wdistill translate`.
#[derive(Args)]
pub struct Translate {
    /// Folder of the model, or of a run with one model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    search: Search,
    /// Translations of each line, at most the beam, as `LINE ||| TEXT ||| SCORE`, lines counted from 0
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
    notices: Notices,
}

/// Lines to which something happened that the translations do not show.
#[derive(Default)]
struct Notices {
    truncated: Lines,
    cut: Lines,
    split: Lines,
    joined: Lines,
    several_sentences: Lines,
}

/// Some lines: how many, and the first of them.
#[derive(Default)]
struct Lines {
    count: usize,
    first: Vec<usize>,
}

/// How many lines a notice names.
const NAMED: usize = 5;

impl Lines {
    /// Adds a line, from 1, which may be the last one again.
    fn add(&mut self, line: usize) {
        if self.first.last() == Some(&line) {
            return;
        }
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(line);
        }
    }

    /// What happened to them, and to which.
    fn notice(&self, happened: &str) -> Option<String> {
        let lines = match self.count {
            0 => return None,
            1 => "line",
            _ => "lines",
        };
        let first: Vec<String> = self.first.iter().map(usize::to_string).collect();
        let more = if self.count > NAMED { ", ..." } else { "" };
        Some(format!("{} {lines} {happened} ({lines} {}{more})", self.count, first.join(", ")))
    }
}

impl Notices {
    /// One for each kind of thing that happened.
    fn list(&self) -> Vec<String> {
        let hint = "; hint: --sentences split translates them one by one";
        let several = "with several sentences came back much shorter";
        [
            self.truncated.notice("truncated to --max-source"),
            self.split.notice("over --max-source split into parts"),
            self.cut.notice("with a translation cut at its maximum length"),
            self.joined.notice("with a line break in the translation, written as a space"),
            self.several_sentences.notice(several).map(|notice| notice + hint),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A line to be translated.
struct Source {
    parts: Vec<Part>,
    /// Sentences that it looks like, although it is translated as one.
    looks_like: usize,
    shortened: Shortened,
}

/// What became of a line that is too long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shortened {
    No,
    Truncated,
    Split,
}

/// A part of a line that is translated by itself.
struct Part {
    /// With its end token.
    ids: Vec<u32>,
    /// What stands between it and the next one.
    blanks: String,
}

impl Done {
    /// What there is to say at the end; `started` is how long it took to make the model ready.
    fn summary(&self, started: Duration) -> String {
        let Done { sentences, source_tokens, target_tokens, time, .. } = self;
        let (seconds, started) = (time.as_secs_f64(), started.as_secs_f64());
        let speed = match seconds > 0.0 {
            true => *target_tokens as f64 / seconds,
            false => 0.0,
        };
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
        let mut options = self.search.translator_options(&self.common);
        options.search.n_best = self.n_best.unwrap_or(1);
        options.longest_source = self.max_source;
        options.long_source = match self.long {
            // What is split is not long any more, unless a single word is.
            Long::Refuse | Long::Split => LongSource::Refuse,
            Long::Truncate => LongSource::Truncate,
        };
        let joins = matches!(self.long, Long::Split) || self.sentences == Sentences::Split;
        ensure!(
            self.n_best.is_none() || !joins,
            "--long split and --sentences split join the best translations of the parts; there is no \
             --n-best of them"
        );
        let start = Instant::now();
        let shortlist = self.search.shortlist.as_deref();
        let (translator, vocabularies) = open_translator(&self.model, options, shortlist)?;
        let (sender, input) = sync_channel(self.buffer as usize);
        std::thread::spawn(move || {
            // The receiver has gone when the translation ended with an error.
            let lines: Box<dyn Iterator<Item = std::io::Result<String>>> = match text_reader(stdin())
            {
                Ok(text) => Box::new(lines_as_they_come(text)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            };
            lines.map_while(|line| sender.send(line).ok()).for_each(drop);
        });
        let started = start.elapsed();
        let mut done = Done::default();
        let result = self.translate_input(&translator, &vocabularies, &input, &mut done);
        // Whoever asks for silence still has to know which translations are not whole.
        done.notices.list().iter().for_each(|notice| message(notice));
        if result.is_ok() {
            self.common.say(&done.summary(started));
        }
        result
    }

    /// Translates what comes, up to the end or to a line that cannot be.
    fn translate_input(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        input: &Receiver<Line>,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        loop {
            let (lines, failed) = self.next_lines(input);
            let end = lines.is_empty() && failed.is_none();
            self.translate_all(translator, vocabularies, &lines, done)?;
            if let Some(error) = failed {
                let line = done.lines + 1;
                return Err(error).with_context(|| format!("standard input, line {line}"));
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

    /// Translates lines after others. Lines before one that is refused are translated all the same.
    fn translate_all(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        lines: &[String],
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut sources = Vec::with_capacity(lines.len());
        let mut too_long = None;
        for (line, text) in (done.lines + 1..).zip(lines) {
            match self.source(line, text, &vocabularies.source) {
                Ok(source) => sources.push(source),
                Err(error) => {
                    too_long = Some(error);
                    break;
                }
            }
        }
        let is_long = |source: &Source| source.parts.iter().any(|part| self.is_long(&part.ids));
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
        too_long.map_or(Ok(()), Err)
    }

    fn is_long(&self, source: &[u32]) -> bool {
        source.len() - 1 > self.max_source
    }

    fn most_characters(&self) -> usize {
        self.max_source.saturating_mul(CHARACTERS_OF_A_TOKEN)
    }

    /// What a line is translated as.
    ///
    /// # Errors
    /// The line, if it is to be refused for its length before its tokens are known.
    fn source(&self, line: usize, text: &str, vocabulary: &Vocabulary) -> anyhow::Result<Source> {
        let language =
            self.language.as_deref().map_or(SentenceLanguage::Any, SentenceLanguage::from_code);
        let mut source = Source { parts: Vec::new(), looks_like: 1, shortened: Shortened::No };
        match self.sentences {
            Sentences::Line => {
                self.add_parts(line, text, vocabulary, &mut source)?;
                if source.shortened == Shortened::No {
                    source.looks_like = sentences(text, language).len();
                }
            }
            Sentences::Split => {
                for sentence in sentences(text, language) {
                    self.add_parts(line, sentence, vocabulary, &mut source)?;
                    if let Some(last) = source.parts.last_mut() {
                        last.blanks = sentence[sentence.trim_end().len()..].to_string();
                    }
                }
                if source.parts.is_empty() {
                    self.add_parts(line, "", vocabulary, &mut source)?;
                }
            }
        }
        Ok(source)
    }

    /// Adds a sentence to a line: as it is, or in the parts of a long one.
    fn add_parts(
        &self,
        line: usize,
        text: &str,
        vocabulary: &Vocabulary,
        source: &mut Source,
    ) -> anyhow::Result<()> {
        // White space says nothing, and is translated as nothing.
        let ids = |text: &str| match text.trim() {
            "" => Vec::new(),
            _ => vocabulary.encode(text),
        };
        let part = |text: &str| Part {
            ids: [ids(text), vec![vocabulary.end_id()]].concat(),
            blanks: " ".to_string(),
        };
        let text = match self.sentences {
            Sentences::Line => text,
            Sentences::Split => text.trim(),
        };
        let most = self.most_characters();
        let whole = match (text.char_indices().nth(most), self.long) {
            (None, _) => Some(part(text)),
            (Some(_), Long::Refuse) => bail!(
                "line {line} has {} characters, at most {most} are allowed\nhint: raise --max-source, \
                 which allows {CHARACTERS_OF_A_TOKEN} for each token, or give --long truncate or split",
                text.chars().count()
            ),
            (Some((end, _)), Long::Truncate) => {
                source.shortened = Shortened::Truncated;
                Some(part(&text[..end]))
            }
            (Some(_), Long::Split) => None,
        };
        match whole {
            Some(whole) if !(matches!(self.long, Long::Split) && self.is_long(&whole.ids)) => {
                source.parts.push(whole);
            }
            _ => {
                source.shortened = Shortened::Split;
                let tokens = |word: &str| match word.char_indices().nth(most) {
                    // As good as any number that is too high.
                    Some(_) => usize::MAX,
                    None => vocabulary.encode(word).len(),
                };
                let parts = split(text, self.max_source, tokens);
                source.parts.extend(parts.iter().map(|text| part(text)));
            }
        }
        Ok(())
    }

    /// Translates lines, each in its parts, and writes a line for each.
    fn translate(
        &self,
        translator: &Translator,
        vocabularies: &VocabularyPair,
        lines: &[Source],
        all: &mut Done,
    ) -> anyhow::Result<()> {
        let done = all.lines;
        let parts = lines.iter().flat_map(|line| &line.parts);
        let sources: Vec<Vec<u32>> = parts.map(|part| part.ids.clone()).collect();
        // The number of the line, from 1, that each source is a part of.
        let line_of: Vec<usize> = (done + 1..)
            .zip(lines)
            .flat_map(|(line, source)| std::iter::repeat_n(line, source.parts.len()))
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
        all.sentences += match self.sentences {
            Sentences::Line => lines.len(),
            Sentences::Split => sources.len(),
        };
        all.source_tokens += translations.report.source_tokens;
        all.target_tokens += translations.report.target_tokens;
        self.note_lengths(done, lines, &line_of, &translations.report, &mut all.notices);
        let mut output = stdout().lock();
        let mut hypotheses = translations.hypotheses.iter();
        for (line, source) in (done + 1..).zip(lines) {
            let own: Vec<&Vec<Hypothesis>> = hypotheses.by_ref().take(source.parts.len()).collect();
            let mut text = |hypothesis: &Hypothesis| -> anyhow::Result<String> {
                let text = vocabularies.target.decode(&hypothesis.tokens)?;
                let joined = one_line(&text);
                if joined != text {
                    all.notices.joined.add(line);
                    self.common.say(&format!("line {line}: a line break was written as a space"));
                }
                Ok(joined.into_owned())
            };
            if self.n_best.is_some() {
                for hypothesis in own.into_iter().flatten() {
                    let text = text(hypothesis)?;
                    writeln!(output, "{} ||| {text} ||| {:.6}", line - 1, hypothesis.score)?;
                }
                continue;
            }
            let texts = own.iter().map(|best| text(&best[0]));
            let texts = texts.collect::<anyhow::Result<Vec<String>>>()?;
            let joined = join(&texts, &source.parts);
            let tokens = |lists: &mut dyn Iterator<Item = usize>| lists.sum::<usize>();
            let source_tokens = tokens(&mut source.parts.iter().map(|part| part.ids.len() - 1));
            let target_tokens = tokens(&mut own.iter().map(|best| best[0].tokens.len()));
            if source.looks_like > 1
                && is_much_shorter(target_tokens, source_tokens)
                && sentences(&joined, SentenceLanguage::Any).len() < source.looks_like
            {
                all.notices.several_sentences.add(line);
            }
            writeln!(output, "{joined}")?;
        }
        Ok(output.flush()?)
    }

    /// Says and counts which of these lines, after `done` others, were too long, or their translations.
    fn note_lengths(
        &self,
        done: usize,
        lines: &[Source],
        line_of: &[usize],
        report: &Report,
        notices: &mut Notices,
    ) {
        let limit = self.max_source;
        let by_tokens = report.truncated_sources.iter().map(|source| line_of[source - 1]);
        let by_characters = (done + 1..)
            .zip(lines)
            .filter(|(_, source)| source.shortened == Shortened::Truncated)
            .map(|(line, _)| line);
        let truncated: BTreeSet<usize> = by_tokens.chain(by_characters).collect();
        for line in truncated {
            notices.truncated.add(line);
            self.common.say(&format!("line {line}: source truncated to {limit} tokens"));
        }
        for (line, source) in (done + 1..).zip(lines) {
            if source.shortened == Shortened::Split {
                let parts = source.parts.len();
                notices.split.add(line);
                self.common.say(&format!("line {line}: source split into {parts} parts"));
            }
        }
        for source in &report.cut_translations {
            let line = line_of[source - 1];
            notices.cut.add(line);
            self.common.say(&format!("line {line}: translation cut at the maximum length"));
        }
    }
}

/// Whether a translation is so much shorter than its source that a sentence may be missing.
fn is_much_shorter(target_tokens: usize, source_tokens: usize) -> bool {
    target_tokens * 4 <= source_tokens * 3
}

/// The translations of a line's parts with the blanks that stood between these. Where none stood, as in
/// Chinese, a space follows a translation, unless that is written without spaces too.
fn join(texts: &[String], parts: &[Part]) -> String {
    let mut line = String::new();
    for (place, (text, part)) in texts.iter().zip(parts).enumerate() {
        line += text;
        if place + 1 < texts.len() {
            let is_wide = line.ends_with(['。', '！', '？', '」', '』', '”', '）']);
            line += if part.blanks.is_empty() && !is_wide { " " } else { &part.blanks };
        }
    }
    line
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
