//! Segmentation by merging the best pair of neighbours again and again (Sennrich et al. 2016).

use super::{PieceKind, SentencePiece};
use crate::cut::Cut;
use crate::trie::Trie;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

#[derive(Clone, Debug)]
pub(super) struct Bpe {
    ids: ahash::AHashMap<String, u32>,
    pieces: Vec<(f32, PieceKind)>,
    unknown_id: u32,
    longest: usize,
}

const NONE: usize = usize::MAX;

/// A stretch of the text that is one piece so far. The first of two merged symbols takes over.
struct Symbol {
    start: usize,
    /// Zero once it was merged into the one before it.
    length: usize,
    previous: usize,
    next: usize,
    mergeable: Mergeable,
}

#[derive(Clone, Copy, PartialEq)]
enum Mergeable {
    Yes,
    /// A user-defined piece.
    No,
}

/// Two neighbours whose text together is a piece.
#[derive(PartialEq)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Eq for Pair {}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pair {
    /// The best score is the greatest, of equal ones the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

/// One text while it is being cut.
struct Merging<'model, 'text, 'cut> {
    model: &'model Bpe,
    text: &'text str,
    cut: &'model mut Cut<'cut>,
    symbols: Vec<Symbol>,
    agenda: BinaryHeap<Pair>,
    /// For pieces that were merged, but are unused or not to be drawn: how long their left part was, the last time.
    splits: HashMap<u32, usize>,
}

impl Bpe {
    pub(super) fn new(pieces: &[SentencePiece], unknown_id: u32) -> Self {
        let ids: ahash::AHashMap<String, u32> =
            super::text_pieces(pieces).map(|(text, id)| (text.to_owned(), id)).collect();
        let longest = ids.keys().map(String::len).max().unwrap_or(0);
        // Adding zero makes a negative zero positive: the two are equal scores.
        let pieces = pieces.iter().map(|piece| (piece.score + 0.0, piece.kind)).collect();
        Self { ids, pieces, unknown_id, longest }
    }

    /// Visits the pieces of `text` in order with their ids.
    pub(super) fn segment<'text>(
        &self,
        text: &'text str,
        user_defined: &Trie,
        cut: &mut Cut<'_>,
        mut visit: impl FnMut(u32, &'text str),
    ) {
        if text.is_empty() {
            return;
        }
        let symbols = symbols(text, user_defined);
        let splits = HashMap::new();
        let agenda = BinaryHeap::new();
        let mut merging = Merging { model: self, text, cut, symbols, agenda, splits };
        for right in 1..merging.symbols.len() {
            merging.propose(right - 1, right);
        }
        merging.merge_all();
        let mut index = 0;
        while index != NONE {
            let symbol = &merging.symbols[index];
            merging.give(symbol.start, symbol.start + symbol.length, &mut visit);
            index = symbol.next;
        }
    }
}

/// Characters and user-defined pieces, in order.
fn symbols(text: &str, user_defined: &Trie) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
    let mut start = 0;
    while let Some(character) = text[start..].chars().next() {
        let matched = user_defined.longest_prefix(&text.as_bytes()[start..]);
        let mergeable = if matched.is_some() { Mergeable::No } else { Mergeable::Yes };
        let length = matched.unwrap_or(character.len_utf8());
        let previous = symbols.len().checked_sub(1).unwrap_or(NONE);
        let next = if start + length < text.len() { symbols.len() + 1 } else { NONE };
        symbols.push(Symbol { start, length, previous, next, mergeable });
        start += length;
    }
    symbols
}

impl<'text> Merging<'_, 'text, '_> {
    /// Puts two neighbours on the agenda if they may be merged.
    fn propose(&mut self, left: usize, right: usize) {
        if left == NONE || right == NONE {
            return;
        }
        let (first, second) = (&self.symbols[left], &self.symbols[right]);
        let (split, length) = (first.length, first.length + second.length);
        let frozen = first.mergeable == Mergeable::No || second.mergeable == Mergeable::No;
        if frozen || length > self.model.longest {
            return;
        }
        let text = &self.text[first.start..first.start + length];
        if let Some(&id) = self.model.ids.get(text) {
            let (score, kind) = self.model.pieces[id as usize];
            self.agenda.push(Pair { score, left, right, length });
            if kind == PieceKind::Unused || !self.cut.takes(id) {
                self.splits.insert(id, split);
            }
        }
    }

    fn merge_all(&mut self) {
        while let Some(Pair { left, right, length, .. }) = self.agenda.pop() {
            let (first, second) = (self.symbols[left].length, self.symbols[right].length);
            if first == 0 || second == 0 || first + second != length {
                // One of the two has changed since.
                continue;
            }
            if self.cut.drops() {
                continue;
            }
            let next = self.symbols[right].next;
            self.symbols[right].length = 0;
            self.symbols[left].length = length;
            self.symbols[left].next = next;
            if next != NONE {
                self.symbols[next].previous = left;
            }
            self.propose(self.symbols[left].previous, left);
            self.propose(left, next);
        }
    }

    /// Gives one piece, or the parts of one that is unused or not to be drawn; an unused one without parts is unknown.
    fn give(&self, start: usize, end: usize, visit: &mut impl FnMut(u32, &'text str)) {
        let mut waiting = vec![(start, end)];
        while let Some((start, end)) = waiting.pop() {
            let text = &self.text[start..end];
            let id = self.model.ids.get(text).copied().unwrap_or(self.model.unknown_id);
            let is_unused = self.model.pieces[id as usize].1 == PieceKind::Unused;
            match self.splits.get(&id) {
                Some(&length) if is_unused || !self.cut.takes(id) => {
                    waiting.extend([(start + length, end), (start, start + length)]);
                }
                // Such as a single character, which has no parts.
                None if is_unused => visit(self.model.unknown_id, text),
                _ => visit(id, text),
            }
        }
    }
}
