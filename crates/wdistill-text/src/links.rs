//! Which target tokens come from which source tokens, where that is given: word alignments, brought to tokens.

use std::ops::Range;

/// A source token and a target token that comes from it, counted from 0 in their sentences.
pub type Link = [u16; 2];

/// Most tokens of a sentence whose tokens a [`Link`] can name.
pub const MOST_LINKED_TOKENS: usize = 1 << 16;

/// The links of tokens that links of words make: every token of the source word with every token of the target word. `words`
/// are places of words, source and target, counted from 0; the ends are those of
/// [`Vocabulary::word_ends`](crate::Vocabulary::word_ends). By source and then by target, each once.
///
/// ```
/// use wdistill_text::token_links;
///
/// // The words "two dogs" and "zwei Hun|de": tokens 0, 1 and 0, 1, 2.
/// assert_eq!(token_links(&[[0, 0], [1, 1]], [&[1, 2], &[1, 3]]), [[0, 0], [1, 1], [1, 2]]);
/// ```
///
/// # Panics
/// For a word that is not there, or a token beyond [`MOST_LINKED_TOKENS`].
pub fn token_links(words: &[[usize; 2]], ends: [&[usize]; 2]) -> Vec<Link> {
    let tokens = |side: usize, word: usize| {
        let start = word.checked_sub(1).map_or(0, |before| ends[side][before]);
        start..ends[side][word]
    };
    let number = |token: usize| u16::try_from(token).expect("sentences are short enough");
    let mut links = Vec::new();
    for &[source, target] in words {
        for token in tokens(0, source) {
            links.extend(tokens(1, target).map(|other| [number(token), number(other)]));
        }
    }
    links.sort_unstable();
    links.dedup();
    links
}

/// Links of some pairs of a corpus; without any it takes no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PairLinks {
    links: Vec<Link>,
    /// Of each pair up to the last that has some.
    ranges: Vec<Option<Range<usize>>>,
}

impl PairLinks {
    /// Those of a pair; none if nothing is given for it.
    pub(crate) fn of(&self, pair: usize) -> Option<&[Link]> {
        self.ranges.get(pair)?.clone().map(|range| &self.links[range])
    }

    /// Adds those of a pair behind all others.
    pub(crate) fn push(&mut self, pair: usize, links: Option<&[Link]>) {
        let Some(links) = links else { return };
        self.ranges.resize(pair, None);
        let start = self.links.len();
        self.links.extend_from_slice(links);
        self.ranges.push(Some(start..self.links.len()));
    }
}
