//! Strings as Python sees them, since sacreBLEU's numbers depend on its notion of white space and lower case.

use std::borrow::Cow;

/// From so many lines that [`looks_tokenized`] on, sacreBLEU warns of a text.
pub const TOKENIZED_LINES: usize = 100;

/// Whether a line ends in a full stop with a blank before it, as a tokeniser leaves it.
pub fn looks_tokenized(line: &str) -> bool {
    line.ends_with(" .")
}

/// Whether letter case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// `A` differs from `a` (`case:mixed`).
    #[default]
    Mixed,
    /// Both sides are lowercased first (`case:lc`), by the Unicode version of the Rust standard library. sacreBLEU uses
    /// that of its Python, so the two may differ on capital letters younger than that Python.
    Lower,
}

impl Case {
    /// The value of the `case` field of a signature.
    pub(crate) fn signature_value(self) -> &'static str {
        match self {
            Case::Mixed => "mixed",
            Case::Lower => "lc",
        }
    }

    /// `line` with this treatment of case.
    pub(crate) fn apply(self, line: &str) -> Cow<'_, str> {
        match self {
            Case::Mixed => Cow::Borrowed(line),
            Case::Lower => Cow::Owned(line.to_lowercase()),
        }
    }
}

/// Whether Python's `str.isspace` holds: Unicode's White_Space and the four ASCII information separators.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Python's `line.split()`: the words between runs of white space.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_space).filter(|word| !word.is_empty())
}

/// Words joined by one space each.
pub(crate) fn single_spaced(line: &str) -> String {
    words(line).collect::<Vec<_>>().join(" ")
}
