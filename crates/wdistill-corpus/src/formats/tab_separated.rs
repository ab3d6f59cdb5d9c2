//! A pair a line, its sides in columns.

use std::path::Path;

use wdistill_text::LineReader;

use crate::error::CorpusError;
use crate::formats::{content, stripped};
use crate::raw::{Changes, RawPair, ReadPairs};

/// A file of columns.
pub(crate) struct TabSeparated {
    lines: LineReader<'static>,
    /// Of source and target, from 1.
    columns: [usize; 2],
}

impl TabSeparated {
    /// Opens it.
    pub(crate) fn open(path: &Path, columns: [usize; 2]) -> Result<TabSeparated, CorpusError> {
        Ok(TabSeparated { lines: LineReader::open(path)?, columns })
    }
}

impl ReadPairs for TabSeparated {
    fn read(&mut self, pair: &mut RawPair) -> Result<bool, CorpusError> {
        let Some(line) = self.lines.next_line()? else { return Ok(false) };
        let [source, target] = self.columns.map(|column| line.split('\t').nth(column - 1));
        let (Some(source), Some(target)) = (source, target) else {
            let found = line.split('\t').count();
            let [source, target] = self.columns;
            let fact = format!(
                "found {found} columns, expected source in column {source} and target in column {target}"
            );
            let hint = "columns are divided by tabulators; `columns = [2, 3]` names others";
            return Err(content(self.lines.path(), self.lines.count(), fact, hint));
        };
        pair.source.clear();
        pair.source.push_str(source);
        pair.target.clear();
        pair.target.push_str(target);
        pair.lines = [self.lines.count(); 2];
        Ok(true)
    }

    fn changes(&self) -> Changes<'_> {
        stripped(&self.lines)
    }
}
