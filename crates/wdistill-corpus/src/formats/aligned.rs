//! Two texts that are aligned line by line.

use std::path::Path;

use wdistill_text::{LineReader, TextError};

use crate::error::CorpusError;
use crate::formats::stripped;
use crate::raw::{Changes, RawPair, ReadPairs};

/// Both texts, read side by side.
pub(crate) struct Aligned {
    source: LineReader<'static>,
    target: LineReader<'static>,
}

impl Aligned {
    /// Opens both.
    pub(crate) fn open(source: &Path, target: &Path) -> Result<Aligned, CorpusError> {
        Ok(Aligned { source: LineReader::open(source)?, target: LineReader::open(target)? })
    }

    /// One of them has ended: the other one's lines are counted to its end.
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
        Ok(both)
    }

    fn changes(&self) -> Changes<'_> {
        [stripped(&self.source), stripped(&self.target)].concat()
    }
}
