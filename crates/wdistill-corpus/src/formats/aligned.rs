//! Two texts that are aligned line by line, perhaps with their word alignments.

use std::path::Path;

use wdistill_base::Problem;
use wdistill_text::{LineReader, TextError};

use crate::error::CorpusError;
use crate::formats::pharaoh::Pharaoh;
use crate::formats::stripped;
use crate::raw::{Changes, RawPair, ReadPairs};

/// All of them, read side by side.
pub(crate) struct Aligned {
    source: LineReader<'static>,
    target: LineReader<'static>,
    alignments: Option<Pharaoh>,
}

impl Aligned {
    /// Opens all.
    pub(crate) fn open(
        source: &Path,
        target: &Path,
        alignments: Option<&Path>,
    ) -> Result<Aligned, CorpusError> {
        let (source, target) = (LineReader::open(source)?, LineReader::open(target)?);
        let alignments = alignments.map(Pharaoh::open).transpose()?;
        Ok(Aligned { source, target, alignments })
    }

    /// One of the texts has ended: the other one's lines are counted to its end.
    fn unequal(&mut self) -> Result<CorpusError, CorpusError> {
        while self.source.next_line()?.is_some() {}
        while self.target.next_line()?.is_some() {}
        Ok(TextError::UnequalLines {
            source_path: self.source.path().to_path_buf(),
            source_lines: self.source.count(),
            target_path: self.target.path().to_path_buf(),
            target_lines: self.target.count(),
        }
        .into())
    }

    /// The alignments have ended before the texts, or later: both are counted to their ends.
    fn other_alignments(&mut self) -> Result<CorpusError, CorpusError> {
        while self.source.next_line()?.is_some() {}
        let alignments = self.alignments.as_mut().expect("there are alignments");
        let (found, expected) = (alignments.count_all()?, self.source.count());
        let fact = format!("{found} lines, but {expected} in {}", self.source.path().display());
        let hint = "line N aligns the words of pair N; an empty line aligns none";
        let path = alignments.path().to_path_buf();
        Ok(CorpusError::Path { path, problem: Problem::with_hint(fact, hint) })
    }
}

impl ReadPairs for Aligned {
    fn read(&mut self, pair: &mut RawPair) -> Result<bool, CorpusError> {
        let both = match (self.source.next_line()?, self.target.next_line()?) {
            (Some(source), Some(target)) => {
                pair.source.clear();
                pair.source.push_str(source);
                pair.target.clear();
                pair.target.push_str(target);
                true
            }
            (None, None) => false,
            _ => return Err(self.unequal()?),
        };
        pair.lines = [self.source.count(), self.target.count()];
        if let Some(alignments) = &mut self.alignments {
            let sides = if both { [&*pair.source, &*pair.target] } else { [""; 2] };
            pair.alignment = match (alignments.next(sides), both) {
                (Ok(found), _) if found.is_some() == both => found,
                // A line behind the last pair's is one too many, whatever it says.
                (Err(error), true) => return Err(error),
                _ => return Err(self.other_alignments()?),
            };
        }
        Ok(both)
    }

    fn changes(&self) -> Changes<'_> {
        [stripped(&self.source), stripped(&self.target)].concat()
    }
}
