//! What is too long to learn subwords from.

use std::fmt;

/// Characters of the longest word that pieces are learned from.
pub(crate) const LONGEST_WORD: usize = 1000;

/// Characters of the longest line that pieces are learned from.
pub(crate) const LONGEST_LINE: usize = 100_000;

/// Lines and words that nothing was learned from, for time grows with the square of a word's length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Lines of more than 100,000 characters.
    pub lines: u64,
    /// Number of the first of them, from 1.
    pub first_line: Option<u64>,
    /// Words of more than 1,000 characters, each time that they occur.
    pub words: u64,
    /// Beginning of the first of them, and the number of its line.
    pub first_word: Option<(String, u64)>,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftOut { lines, first_line, words, first_word } = self;
        let mut parts = Vec::new();
        if let Some(first) = first_line {
            parts.push(format!(
                "{lines} lines of more than {LONGEST_LINE} characters were left out (the first is line {first} of all texts together)"
            ));
        }
        if let Some((word, line)) = first_word {
            parts.push(format!(
                "{words} words of more than {LONGEST_WORD} characters were left out (the first, in line \
                 {line} of all texts together, begins with {word:?})"
            ));
        }
        formatter.write_str(&parts.join("; "))
    }
}
