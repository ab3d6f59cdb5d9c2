//! From a line to the string that is cut into pieces.

use super::charsmap::Charsmap;
use super::{DummySpace, ExtraSpaces, NormalizerParts, SpaceEscape};
use crate::trie::Trie;

/// Stands for a space in pieces.
pub(super) const MARKER: &str = "\u{2581}";

/// SentencePiece's normaliser: user-defined pieces stay as they are, everything else goes through the
/// table of replacements (longest match first), and spaces are added, removed and marked.
#[derive(Clone, Debug)]
pub(crate) struct Normalizer {
    charsmap: Option<Charsmap>,
    user_defined: Trie,
    dummy_space: DummySpace,
    extra_spaces: ExtraSpaces,
    space: &'static str,
}

impl Normalizer {
    pub(super) fn new(parts: &NormalizerParts, user_defined: Trie) -> Result<Self, String> {
        let charsmap = match parts.charsmap.is_empty() {
            true => None,
            false => Some(Charsmap::new(&parts.charsmap)?),
        };
        let space = match parts.space_escape {
            SpaceEscape::Marker => MARKER,
            SpaceEscape::None => " ",
        };
        let (dummy_space, extra_spaces) = (parts.dummy_space, parts.extra_spaces);
        Ok(Self { charsmap, user_defined, dummy_space, extra_spaces, space })
    }

    /// One for a vocabulary without user-defined pieces.
    pub(crate) fn without_pieces(parts: &NormalizerParts) -> Result<Self, String> {
        Self::new(parts, Trie::new(std::iter::empty()))
    }

    /// The user-defined pieces.
    pub(super) fn user_defined(&self) -> &Trie {
        &self.user_defined
    }

    pub(crate) fn normalize(&self, line: &str) -> String {
        let mut rest = line;
        let remove = self.extra_spaces == ExtraSpaces::Remove;
        while remove && !rest.is_empty() {
            let (length, text) = self.first(rest);
            if text != " " {
                break;
            }
            rest = &rest[length..];
        }
        if rest.is_empty() {
            return String::new();
        }
        let mut normalized = String::with_capacity(rest.len() + rest.len() / 2 + 3);
        if self.dummy_space == DummySpace::Front {
            normalized.push_str(self.space);
        }
        let mut after_space = remove;
        while !rest.is_empty() {
            let (length, text) = self.first(rest);
            let text = if after_space { text.trim_start_matches(' ') } else { text };
            if !text.is_empty() {
                self.append(text, &mut normalized);
                after_space = remove && text.ends_with(' ');
            }
            rest = &rest[length..];
        }
        if remove {
            // Takes away markers that stood in the line itself, too, as the library does.
            normalized.truncate(normalized.trim_end_matches(self.space).len());
        }
        if self.dummy_space == DummySpace::Back {
            normalized.push_str(self.space);
        }
        normalized
    }

    fn append(&self, text: &str, normalized: &mut String) {
        for (index, part) in text.split(' ').enumerate() {
            if index > 0 {
                normalized.push_str(self.space);
            }
            normalized.push_str(part);
        }
    }

    /// How many bytes of `rest`, which is not empty, are replaced next, and by what.
    fn first<'text>(&'text self, rest: &'text str) -> (usize, &'text str) {
        if let Some(length) = self.user_defined.longest_prefix(rest.as_bytes()) {
            return (length, &rest[..length]);
        }
        let replaced = self.charsmap.as_ref().and_then(|charsmap| charsmap.longest_match(rest));
        replaced.unwrap_or_else(|| {
            let length = rest.chars().next().map_or(0, char::len_utf8);
            (length, &rest[..length])
        })
    }
}
