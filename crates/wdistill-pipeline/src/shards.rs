//! Translations in pieces, each a file of plain text and a small record: whoever comes next goes on from those that are there.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Pending, Problem, atomic_write, hash_bytes, hash_file};

use crate::error::PipelineError;
use crate::stage::{MADE_AGAIN, read, write};
use crate::translating::{Stretch, Translated, Untranslated};

/// Source lines of a shard; a kill loses at most one shard's work.
pub const SHARD: usize = 10_000;

/// The lines that were translated, each as often as it has translations.
pub(crate) const SOURCE: &str = "source.txt";

/// The translations, one for each of these lines.
pub(crate) const TARGET: &str = "target.txt";

/// Which of several parts of the work one program does: it makes every shard whose number has the part's rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    index: usize,
    count: usize,
}

impl Part {
    /// All of the work.
    pub const WHOLE: Part = Part { index: 0, count: 1 };

    /// Whether a shard is its own.
    pub(crate) fn has(self, shard: usize) -> bool {
        shard % self.count == self.index
    }
}

impl FromStr for Part {
    type Err = Problem;

    /// Of `I/N`, with I from 1 to N.
    fn from_str(text: &str) -> Result<Part, Problem> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some((index.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
        });
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => {
                Ok(Part { index: index - 1, count })
            }
            _ => Err(Problem::with_hint(
                format!("{text:?} is no part, expected I/N with I from 1 to N"),
                "the third of eight parts is 3/8; where numbers start at 0, add 1",
            )),
        }
    }
}

/// What a shard's text is, written when the text is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// Hash of the source lines.
    source_hash: String,
    /// Hash of the file of translations.
    target_hash: String,
    /// Translations, as many for each source line as are kept.
    lines: usize,
    /// Translations without a word.
    empty: usize,
    /// Translations cut at the maximum length.
    cut: usize,
    /// Translations in which a line break was written as a space.
    joined: usize,
    /// Target tokens.
    tokens: usize,
    /// Seconds of decoding.
    seconds: f64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PseudoReport {
    /// Lines translated.
    pub lines: usize,
    /// Hash of the file of source lines; line N of the translations translates line N of it.
    pub source_hash: String,
    /// Hash of the file of translations.
    pub target_hash: String,
    /// Translations without a word.
    pub empty: usize,
    /// Translations cut at the maximum length.
    pub cut: usize,
    /// Translations in which a line break was written as a space.
    pub joined: usize,
    /// Target tokens.
    pub tokens: usize,
    /// Seconds of decoding, of all who decoded together.
    pub seconds: f64,
}

impl PseudoReport {
    fn add(&mut self, source_lines: usize, record: &Record) {
        self.lines += source_lines;
        self.empty += record.empty;
        self.cut += record.cut;
        self.joined += record.joined;
        self.tokens += record.tokens;
        self.seconds += record.seconds;
    }
}

/// The shards of a text in the folder of its translations.
pub(crate) struct Shards<'a> {
    pub folder: &'a Path,
    pub text: Untranslated<'a>,
    /// Translations of a line that are kept.
    pub per_line: usize,
}

impl Shards<'_> {
    /// How many there are when all are made.
    pub fn count(&self) -> usize {
        self.text.lines.stretches()
    }

    /// The lines of one.
    pub fn part(&self, shard: usize) -> Result<Stretch, PipelineError> {
        self.text.stretch(shard)
    }

    fn source(&self, shard: usize) -> Result<Vec<String>, PipelineError> {
        Ok(self.text.lines.read(shard)?)
    }

    fn path(&self, shard: usize, ending: &str) -> PathBuf {
        self.folder.join(format!("shards/{shard:05}.{ending}"))
    }

    /// Those of a part of the work that are still to be made; what is there is checked.
    ///
    /// # Errors
    /// [`PipelineError::PseudoData`] for a shard of other text, or one that was changed.
    pub fn missing(&self, part: Part) -> Result<Vec<usize>, PipelineError> {
        let own = (0..self.count()).filter(|shard| part.has(*shard));
        let checked = own.map(|shard| Ok((shard, self.made(shard)?)));
        let missing = checked.filter_map(|found: Result<_, PipelineError>| match found {
            Ok((shard, None)) => Some(Ok(shard)),
            Ok((_, Some(_))) => None,
            Err(error) => Some(Err(error)),
        });
        missing.collect()
    }

    /// The record of a shard that is there as it was made.
    fn made(&self, shard: usize) -> Result<Option<Record>, PipelineError> {
        let (text, path) = (self.path(shard, "txt"), self.path(shard, "json"));
        let Some(record) = read::<Record>(&path)? else { return Ok(None) };
        if !text.exists() {
            return Ok(None);
        }
        let source = self.source(shard)?;
        let expected = source.len() * self.per_line;
        let fact = if record.source_hash != hash(&source) {
            "it translates another text".to_string()
        } else if record.lines != expected {
            format!("it has {} lines, expected {expected}", record.lines)
        } else if record.target_hash != hash_file(&text)? {
            "its translations were changed".to_string()
        } else {
            return Ok(Some(record));
        };
        Err(PipelineError::PseudoData {
            path: text,
            problem: Problem::with_hint(
                fact,
                format!("remove it with its record, {}: {MADE_AGAIN}", path.display()),
            ),
        })
    }

    /// Keeps a shard that was made, and adds it to a report.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn keep(
        &self,
        shard: usize,
        translated: &Translated,
        report: &mut PseudoReport,
    ) -> Result<(), PipelineError> {
        let Translated { lines, cut, joined, tokens, seconds } = translated;
        let source = self.source(shard)?;
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        atomic_write(&self.path(shard, "txt"), text.as_bytes())?;
        let record = Record {
            source_hash: hash(&source),
            target_hash: hash_bytes(text.as_bytes()),
            lines: lines.len(),
            empty: lines.iter().filter(|line| line.is_empty()).count(),
            cut: *cut,
            joined: *joined,
            tokens: *tokens,
            seconds: *seconds,
        };
        write(&self.path(shard, "json"), &record)?;
        report.add(source.len(), &record);
        Ok(())
    }

    /// Joins all shards to the two files of the folder; line N of one translates line N of the other.
    ///
    /// # Errors
    /// [`PipelineError::PseudoData`] for a shard that was changed or is gone, [`PipelineError::Io`].
    pub fn join(&self) -> Result<PseudoReport, PipelineError> {
        let mut report = PseudoReport::default();
        for shard in 0..self.count() {
            let Some(record) = self.made(shard)? else {
                let path = self.path(shard, "txt");
                let problem = Problem::with_hint("it is gone", "give the same command again");
                return Err(PipelineError::PseudoData { path, problem });
            };
            report.add(self.text.lines.lines_of(shard), &record);
        }
        let (source, target) = (self.folder.join(SOURCE), self.folder.join(TARGET));
        self.publish(&source, |out| {
            for shard in 0..self.count() {
                for line in self.text.lines.read(shard).map_err(io::Error::other)? {
                    (0..self.per_line).try_for_each(|_| writeln!(out, "{line}"))?;
                }
            }
            Ok(())
        })?;
        self.publish(&target, |out| {
            for shard in 0..self.count() {
                io::copy(&mut std::fs::File::open(self.path(shard, "txt"))?, out)?;
            }
            Ok(())
        })?;
        report.source_hash = hash_file(&source)?;
        report.target_hash = hash_file(&target)?;
        Ok(report)
    }

    fn publish(
        &self,
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FileError> {
        Pending::write(path, content)?.publish()
    }

    /// What the shards that are there say together, of how many lines.
    pub fn so_far(&self) -> Result<PseudoReport, PipelineError> {
        let mut report = PseudoReport::default();
        for shard in 0..self.count() {
            if let Some(record) = read::<Record>(&self.path(shard, "json"))? {
                report.add(self.text.lines.lines_of(shard), &record);
            }
        }
        Ok(report)
    }
}

fn hash(lines: &[String]) -> String {
    hash_bytes(lines.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_every_shard_once() {
        let part = |text: &str| text.parse::<Part>();
        for shard in 0..20 {
            let has = (1..=3).filter(|index| part(&format!("{index}/3")).unwrap().has(shard));
            assert_eq!(has.count(), 1);
            assert!(Part::WHOLE.has(shard));
        }
        assert_eq!(part("1/1"), Ok(Part::WHOLE));
        for wrong in ["0/3", "4/3", "3", "a/3", "1/0", "", "-1/2"] {
            assert!(part(wrong).unwrap_err().fact.contains("expected I/N"), "{wrong}");
        }
    }
}
