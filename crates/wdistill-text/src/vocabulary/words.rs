//! How a line falls into words, and which characters are spelled in bytes.

use regex::Regex;
use std::collections::{BTreeMap, HashSet};

/// Stands for a space inside words and pieces.
pub(super) const SPACE_MARKER: char = '\u{2581}';

/// The marker as a string slice.
const MARKER: &str = "\u{2581}";

/// A run of letters (with their combining marks), of numbers, or of anything else, each with the
/// space before it if there is one; or a space that no word follows. Together these cover any text.
/// Keeping letters apart from punctuation is what SentencePiece reaches with its rule on scripts.
const WORD_PATTERN: &str = r"▁?[\p{L}\p{M}]+|▁?\p{N}+|▁?[^\p{L}\p{M}\p{N}▁]+|▁";

/// A stretch of a line: within a word, or to be spelled in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment<'text> {
    /// Characters of the alphabet, spaces written as markers.
    Word(&'text str),
    /// Characters that go through byte tokens, as they stand in the text.
    Bytes(&'text str),
}

#[derive(Clone)]
pub(super) struct WordSplitter {
    pattern: Regex,
}

impl WordSplitter {
    pub(super) fn new() -> Self {
        Self { pattern: Regex::new(WORD_PATTERN).expect("the word pattern is a valid expression") }
    }

    /// Visits the segments of `line` in order. Words longer than one stretch of the alphabet are cut
    /// where a character is outside it.
    pub(super) fn for_each_segment(
        &self,
        line: &str,
        in_alphabet: impl Fn(char) -> bool,
        mut visit: impl FnMut(Segment<'_>),
    ) {
        if line.is_empty() {
            return;
        }
        for (index, stretch) in line.split(SPACE_MARKER).enumerate() {
            let start = if index == 0 { MARKER } else { "" };
            if index > 0 {
                // The text's own marker: bytes, or it would come back as a space.
                visit(Segment::Bytes(MARKER));
            }
            let marked = format!("{start}{}", stretch.replace(' ', MARKER));
            self.for_each_marked_segment(&marked, &in_alphabet, &mut visit);
        }
    }

    /// The same for text in which markers stand for all spaces already, the one in front too.
    pub(super) fn for_each_marked_segment(
        &self,
        marked: &str,
        in_alphabet: impl Fn(char) -> bool,
        mut visit: impl FnMut(Segment<'_>),
    ) {
        for word in self.pattern.find_iter(marked) {
            cut_at_alphabet(word.as_str(), &in_alphabet, &mut visit);
        }
    }
}

fn cut_at_alphabet(
    word: &str,
    in_alphabet: &impl Fn(char) -> bool,
    visit: &mut impl FnMut(Segment<'_>),
) {
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let inside = in_alphabet(first);
        let end = rest.find(|character| in_alphabet(character) != inside).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        visit(if inside { Segment::Word(run) } else { Segment::Bytes(run) });
        rest = after;
    }
}

/// Whether a character may become a piece at all: control characters never do, so that no piece
/// hides one.
pub(super) fn may_join_alphabet(character: char) -> bool {
    !character.is_control()
}

/// The characters that are pieces by themselves.
pub(super) fn alphabet_of(pieces: &[String]) -> HashSet<char> {
    let single = |piece: &String| {
        let mut characters = piece.chars();
        characters.next().filter(|_| characters.next().is_none())
    };
    pieces.iter().filter_map(single).collect()
}

/// The most frequent characters that together make up the share `coverage` of all, ties by code
/// point, and always the space marker (which is not counted).
pub(super) fn choose_alphabet(counts: &BTreeMap<char, u64>, coverage: f64) -> HashSet<char> {
    let mut ranked: Vec<(char, u64)> =
        counts.iter().map(|(&c, &n)| (c, n)).filter(|&(c, _)| c != SPACE_MARKER).collect();
    ranked.sort_by_key(|&(character, count)| (std::cmp::Reverse(count), character));
    let total: u64 = ranked.iter().map(|&(_, count)| count).sum();
    let mut covered = 0;
    let mut alphabet = HashSet::from([SPACE_MARKER]);
    for (character, count) in ranked {
        if covered as f64 >= coverage * total as f64 {
            break;
        }
        covered += count;
        alphabet.insert(character);
    }
    alphabet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str, alphabet: &str) -> Vec<String> {
        let mut segments = Vec::new();
        WordSplitter::new().for_each_segment(
            line,
            |c| c == SPACE_MARKER || alphabet.contains(c),
            |segment| {
                segments.push(match segment {
                    Segment::Word(word) => word.to_owned(),
                    Segment::Bytes(text) => format!("bytes:{text}"),
                })
            },
        );
        segments
    }

    #[test]
    fn letters_numbers_and_punctuation_are_apart() {
        let all = "abcdefghijklmnopqrstuvwxyz0123456789.,<>/'";
        assert_eq!(split("two dogs, 24.", all), ["▁two", "▁dogs", ",", "▁24", "."]);
        assert_eq!(split("</s><unk> <0x41>", all).concat(), "▁</s><unk>▁<0x41>");
        assert_eq!(
            split("</s><unk> <0x41>", all),
            ["▁</", "s", "><", "unk", ">", "▁<", "0", "x", "41", ">"]
        );
    }

    #[test]
    fn every_space_is_kept() {
        assert_eq!(split("  a  b ", "ab"), ["▁", "▁", "▁a", "▁", "▁b", "▁"]);
        assert_eq!(split(" ", ""), ["▁", "▁"]);
        assert!(split("", "").is_empty());
    }

    #[test]
    fn the_marker_itself_and_strangers_are_bytes() {
        assert_eq!(split("a▁b", "ab"), ["▁a", "bytes:▁", "b"]);
        assert_eq!(split("▁", ""), ["▁", "bytes:▁"]);
        assert_eq!(split("abXYa", "ab"), ["▁ab", "bytes:XY", "a"]);
    }

    #[test]
    fn combining_marks_stay_with_their_letters() {
        assert_eq!(split("हिन्दी", "हिन्दी"), ["▁हिन्दी"]);
    }

    #[test]
    fn the_alphabet_covers_the_asked_share() {
        // 10 characters: a has 6 of them, b and c 2 each.
        let counts = BTreeMap::from([('c', 2), ('a', 6), ('b', 2), (SPACE_MARKER, 100)]);
        let sorted = |coverage| {
            let mut letters: Vec<char> = choose_alphabet(&counts, coverage).into_iter().collect();
            letters.sort_unstable();
            letters.into_iter().collect::<String>()
        };
        assert_eq!(sorted(0.6), "a▁");
        assert_eq!(sorted(0.61), "ab▁");
        assert_eq!(sorted(0.8), "ab▁");
        assert_eq!(sorted(1.0), "abc▁");
    }
}
