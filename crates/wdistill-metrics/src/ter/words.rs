//! How TER cuts a line into words: the rules of `tercom`'s normaliser.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::spacing::{is_ascii_punctuation, space_each, space_stops_and_hyphens, unescaped};
use crate::text;

/// Whether a line is tokenised before its words are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// Words stand between white space (`norm:no`).
    #[default]
    None,
    /// Escaped XML is read, and punctuation and the possessive `'s` become words of their own (`norm:yes`).
    Tercom,
}

/// Whether punctuation is part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Punctuation {
    /// It stays as it is (`punct:yes`).
    #[default]
    Kept,
    /// The characters `. , ? : ; ! " ( )` are left out (`punct:no`).
    Removed,
}

/// Whether [`Normalization::Tercom`] and [`Punctuation::Removed`] know Asian characters. With neither it has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsianText {
    /// They are characters like any other (`asian:no`).
    #[default]
    AsOther,
    /// Normalisation makes a word of each Chinese character and of each mark of Asian or full-width punctuation, and such
    /// marks are removed with the other punctuation (`asian:yes`).
    Separated,
}

impl Normalization {
    /// `line` with spaces between its words.
    pub(super) fn apply(self, line: &str, asian_text: AsianText) -> Cow<'_, str> {
        match self {
            Normalization::None => Cow::Borrowed(line),
            Normalization::Tercom => Cow::Owned(normalized(line, asian_text)),
        }
    }
}

fn normalized(line: &str, asian_text: AsianText) -> String {
    let plain = unescaped(&line.replace("\n-", "").replace('\n', " "));
    let spaced = space_each(&format!(" {plain} "), is_ascii_punctuation).replace("'s ", " 's ");
    let spaced = space_stops_and_hyphens(&spaced);
    // The rules also name Japanese syllables, but only at the start of a line, where a space stands by now.
    match asian_text {
        AsianText::AsOther => spaced,
        AsianText::Separated => space_each(&spaced, |c| is_ideograph(c) || is_asian_punctuation(c)),
    }
}

impl Punctuation {
    /// `line` with or without its punctuation.
    pub(super) fn apply(self, line: &str, asian_text: AsianText) -> Cow<'_, str> {
        let is_removed = |c: char| match asian_text {
            AsianText::AsOther => is_removed_punctuation(c),
            AsianText::Separated => is_removed_punctuation(c) || is_asian_punctuation(c),
        };
        match self {
            Punctuation::Kept => Cow::Borrowed(line),
            Punctuation::Removed => {
                line.chars().filter(|&c| !is_removed(c)).collect::<String>().into()
            }
        }
    }
}

/// The ASCII punctuation that [`Punctuation::Removed`] leaves out.
fn is_removed_punctuation(character: char) -> bool {
    matches!(character, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')')
}

/// Chinese characters and what Unicode has beside them. The range that starts with the enclosed letters ends at U+3F22 in
/// sacreBLEU, inside an extension that is named anyway.
fn is_ideograph(character: char) -> bool {
    matches!(
        character,
        '\u{2e80}'..='\u{2eff}'
            | '\u{31c0}'..='\u{31ef}'
            | '\u{3200}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe4f}'
    )
}

/// Punctuation of Asian languages, and the full-width forms of [`is_removed_punctuation`].
fn is_asian_punctuation(character: char) -> bool {
    matches!(
        character,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}'
            | '\u{30fb}' | '\u{ff61}'..='\u{ff65}'
            // Full-width.
            | '\u{ff01}' | '\u{ff02}' | '\u{ff08}' | '\u{ff09}' | '\u{ff0c}' | '\u{ff0e}'
            | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}'
    )
}

/// Numbers for words, so that comparing words is cheap.
#[derive(Default)]
pub(super) struct Numbers<'a> {
    known: HashMap<&'a str, u32>,
}

impl<'a> Numbers<'a> {
    /// The number of each word of `line`, the same for the same word in every line.
    pub(super) fn of_words(&mut self, line: &'a str) -> Vec<u32> {
        text::words(line)
            .map(|word| {
                let next = self.known.len() as u32;
                *self.known.entry(word).or_insert(next)
            })
            .collect()
    }
}
