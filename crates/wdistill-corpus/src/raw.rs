//! Pairs as they stand in their files.

use std::path::Path;

use wdistill_text::{FindingKind, Occurrences};

use crate::error::CorpusError;

/// A pair as it stands in its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawPair {
    /// Source side, one line.
    pub source: String,
    /// Target side, one line.
    pub target: String,
    /// Where they begin: lines, from 1.
    pub lines: [usize; 2],
    /// Words that belong together, source and target, by their places from 0, if that is given; words are what blanks of
    /// ASCII divide.
    pub alignment: Option<Vec<[usize; 2]>>,
}

/// What a reader changed in what it read: the kind, the file, and where.
pub type Changes<'r> = Vec<(FindingKind, &'r Path, &'r Occurrences)>;

/// Reads pairs one after the other.
pub trait ReadPairs {
    /// Reads the next pair into `pair`; whether there was one.
    ///
    /// # Errors
    /// [`CorpusError::Text`], and [`CorpusError::Content`] for a line that is not what the format asks for.
    fn read(&mut self, pair: &mut RawPair) -> Result<bool, CorpusError>;

    /// What was changed so far.
    fn changes(&self) -> Changes<'_>;
}

/// Spaces for the line breaks of a segment, which would end a line of a text; whether there were any.
pub(crate) fn without_breaks(segment: &str, into: &mut String) -> bool {
    let is_break = |c: char| c == '\n' || c == '\r';
    into.clear();
    into.extend(segment.chars().map(|c| if is_break(c) { ' ' } else { c }));
    segment.contains(is_break)
}
