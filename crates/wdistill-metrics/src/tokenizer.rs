//! The tokenizers of BLEU, under sacreBLEU's names.

mod unicode_classes;

use std::fmt;
use std::str::FromStr;

use crate::MetricsError;
use crate::spacing::{
    Gap, is_ascii_punctuation, space_each, space_pairs, space_stops_and_hyphens, unescaped,
};
use crate::text::{is_space, single_spaced};
use unicode_classes::{NUMBER, PUNCTUATION, SYMBOL};

/// How BLEU cuts a line into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tokenizer {
    /// `13a`: the rules of `mteval-v13a`, the standard for languages written with spaces.
    #[default]
    ThirteenA,
    /// `intl`: the rules of `mteval-v14 --international-tokenization`: Unicode punctuation and symbols.
    International,
    /// `char`: every character that is not white space.
    Character,
    /// `zh`: Chinese characters one by one, the rest as `13a`.
    Chinese,
    /// `none`: white space alone; for lines tokenized already.
    None,
}

impl Tokenizer {
    /// Every tokenizer.
    pub const ALL: [Tokenizer; 5] = [
        Tokenizer::ThirteenA,
        Tokenizer::International,
        Tokenizer::Character,
        Tokenizer::Chinese,
        Tokenizer::None,
    ];

    /// sacreBLEU's name.
    pub fn name(self) -> &'static str {
        match self {
            Tokenizer::ThirteenA => "13a",
            Tokenizer::International => "intl",
            Tokenizer::Character => "char",
            Tokenizer::Chinese => "zh",
            Tokenizer::None => "none",
        }
    }

    /// The tokens of `line` with spaces between them. [`Tokenizer::None`] returns the line as it is.
    pub fn tokenize(self, line: &str) -> String {
        match self {
            Tokenizer::ThirteenA => thirteen_a(line),
            Tokenizer::International => international(line),
            Tokenizer::Character => characters(line),
            Tokenizer::Chinese => chinese(line),
            Tokenizer::None => line.to_owned(),
        }
    }
}

impl fmt::Display for Tokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Tokenizer {
    type Err = MetricsError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Tokenizer::ALL.into_iter().find(|tokenizer| tokenizer.name() == name).ok_or_else(|| {
            MetricsError::UnknownName {
                what: "tokenizer",
                found: name.to_owned(),
                expected: "13a, intl, char, zh, none",
            }
        })
    }
}

fn thirteen_a(line: &str) -> String {
    let plain = line.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    western(&format!(" {} ", unescaped(&plain)))
}

fn international(line: &str) -> String {
    let line = space_pairs(line, Gap::AroundSecond, |first, second| {
        !in_class(first, NUMBER) && in_class(second, PUNCTUATION)
    });
    let line = space_pairs(&line, Gap::AroundFirst, |first, second| {
        in_class(first, PUNCTUATION) && !in_class(second, NUMBER)
    });
    single_spaced(&space_each(&line, |character| in_class(character, SYMBOL)))
}

fn characters(line: &str) -> String {
    let characters: Vec<String> = line.chars().map(String::from).collect();
    characters.join(" ")
}

fn chinese(line: &str) -> String {
    western(&space_each(line.trim_matches(is_space), is_chinese))
}

/// The part `13a` and `zh` share: ASCII punctuation, then full stops, commas and hyphens by their neighbours.
fn western(line: &str) -> String {
    single_spaced(&space_stops_and_hyphens(&space_each(line, is_ascii_punctuation)))
}

/// Whether `zh` treats a character as Chinese.
///
/// The first range is sacreBLEU's, not Unicode's: its bounds for the supplementary planes are written `\u20000` and
/// `\u2a6d6`, which Python reads as U+2000 and U+2A6D followed by a digit. So general punctuation, arrows and
/// mathematical signs are separated, and extension B is not. Scores equal sacreBLEU's only with the same ranges.
fn is_chinese(character: char) -> bool {
    matches!(
        character,
        '\u{2001}'..='\u{2a6d}'
            | '\u{2e80}'..='\u{2fdf}'
            | '\u{2ff0}'..='\u{303f}'
            | '\u{3100}'..='\u{312f}'
            | '\u{31a0}'..='\u{31bf}'
            | '\u{31c0}'..='\u{31ef}'
            | '\u{3200}'..='\u{4db5}'
            | '\u{4e00}'..='\u{9fbb}'
            | '\u{f900}'..='\u{fa2d}'
            | '\u{fa30}'..='\u{fa6a}'
            | '\u{fa70}'..='\u{fad9}'
            | '\u{fe10}'..='\u{fe1f}'
            | '\u{fe30}'..='\u{fe4f}'
            | '\u{ff00}'..='\u{ffef}'
    )
}

/// Whether `character` lies in one of the ascending inclusive `ranges`.
fn in_class(character: char, ranges: &[(u32, u32)]) -> bool {
    let code = character as u32;
    let following = ranges.partition_point(|&(start, _)| start <= code);
    following > 0 && code <= ranges[following - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_borders() {
        assert!(in_class('0', NUMBER) && in_class('9', NUMBER));
        assert!(!in_class('/', NUMBER) && !in_class(':', NUMBER));
        assert!(in_class('!', PUNCTUATION) && !in_class(' ', PUNCTUATION));
        assert!(in_class('€', SYMBOL) && !in_class('\u{0}', SYMBOL));
        assert!(!in_class('\u{10ffff}', SYMBOL));
    }

    #[test]
    fn names_round_trip() {
        for tokenizer in Tokenizer::ALL {
            assert_eq!(tokenizer.to_string().parse(), Ok(tokenizer));
        }
        let error = "13b".parse::<Tokenizer>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown tokenizer \"13b\", expected one of 13a, intl, char, zh, none"
        );
    }
}
