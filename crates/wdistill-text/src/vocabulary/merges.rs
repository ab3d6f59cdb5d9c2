//! Cutting words by learnt merges (byte pair encoding, Sennrich et al. 2016): of all neighbours the pair whose merge
//! has the lowest rank becomes one piece, of equal ones the leftmost, until no pair has a merge.

use crate::cut::Cut;
use ahash::AHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Merges between numbered pieces, ready to use.
#[derive(Clone, Debug)]
pub(super) struct Merges {
    /// The pieces of one character.
    characters: AHashMap<char, u32>,
    /// For two neighbours the rank of their merge and the piece that they become.
    pairs: AHashMap<(u32, u32), (u32, u32)>,
}

/// Memory for cutting one word after the other.
#[derive(Default)]
pub(super) struct MergeScratch {
    symbols: Vec<Symbol>,
    agenda: BinaryHeap<Reverse<(u32, usize, u32)>>,
}

/// A stretch of a word that is one piece so far. The first of two merged ones takes over.
struct Symbol {
    piece: u32,
    previous: usize,
    next: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Alive,
    Merged,
}

/// In front of the first symbol and behind the last one.
const NONE: usize = usize::MAX;

impl Merges {
    /// Merges by rank; a piece's number is its place. Of equal merges the last counts.
    ///
    /// # Errors
    /// If a part of a merge, or what it makes, is no piece.
    pub(super) fn new(pieces: &[String], merges: &[(String, String)]) -> Result<Self, String> {
        let numbers: AHashMap<&str, u32> = pieces.iter().map(String::as_str).zip(0..).collect();
        let mut pairs = AHashMap::with_capacity(merges.len());
        for ((left, right), rank) in merges.iter().zip(0..) {
            let joined = format!("{left}{right}");
            let number = |part: &str| {
                let found = numbers.get(part).copied();
                found.ok_or_else(|| format!("merge {left:?} {right:?} needs the piece {part:?}"))
            };
            pairs.insert((number(left)?, number(right)?), (rank, number(&joined)?));
        }
        let characters = numbers.iter().filter_map(|(piece, &number)| {
            let mut characters = piece.chars();
            let first = characters.next()?;
            characters.next().is_none().then_some((first, number))
        });
        Ok(Self { characters: characters.collect(), pairs })
    }

    /// Visits the pieces of a word in order. All of its characters must be pieces.
    pub(super) fn segment(
        &self,
        word: &str,
        cut: &mut Cut<'_>,
        scratch: &mut MergeScratch,
        mut visit: impl FnMut(u32),
    ) {
        let MergeScratch { symbols, agenda } = scratch;
        symbols.clear();
        symbols.extend(word.chars().enumerate().map(|(index, character)| Symbol {
            piece: self.characters[&character],
            previous: index.wrapping_sub(1),
            next: index + 1,
            state: State::Alive,
        }));
        let Some(last) = symbols.last_mut() else { return };
        last.next = NONE;
        for left in 0..symbols.len() - 1 {
            self.propose(symbols, left, left + 1, agenda);
        }
        while let Some(Reverse((_, left, joined))) = agenda.pop() {
            if !cut.drops() {
                self.merge(symbols, left, joined, agenda);
            }
        }
        symbols
            .iter()
            .filter(|symbol| symbol.state == State::Alive)
            .for_each(|symbol| visit(symbol.piece));
    }

    /// Puts two neighbours on the agenda if they have a merge.
    fn propose(
        &self,
        symbols: &[Symbol],
        left: usize,
        right: usize,
        agenda: &mut BinaryHeap<Reverse<(u32, usize, u32)>>,
    ) {
        let pair = (symbols[left].piece, symbols[right].piece);
        if let Some(&(rank, joined)) = self.pairs.get(&pair) {
            agenda.push(Reverse((rank, left, joined)));
        }
    }

    /// Merges a symbol with the next one, unless one of the two has changed so that they make another piece.
    fn merge(
        &self,
        symbols: &mut [Symbol],
        left: usize,
        joined: u32,
        agenda: &mut BinaryHeap<Reverse<(u32, usize, u32)>>,
    ) {
        let right = symbols[left].next;
        if symbols[left].state == State::Merged || right == NONE {
            return;
        }
        let pair = (symbols[left].piece, symbols[right].piece);
        if self.pairs.get(&pair).is_none_or(|&(_, found)| found != joined) {
            return;
        }
        let next = symbols[right].next;
        symbols[right].state = State::Merged;
        symbols[left].piece = joined;
        symbols[left].next = next;
        if symbols[left].previous != NONE {
            self.propose(symbols, symbols[left].previous, left, agenda);
        }
        if next != NONE {
            symbols[next].previous = left;
            self.propose(symbols, left, next, agenda);
        }
    }
}

#[cfg(all(test, feature = "learn"))]
mod tests {
    use super::*;
    use crate::vocabulary::bpe;
    use tokenizers::Model;
    use tokenizers::models::bpe::BPE;
    use wdistill_base::Random;

    /// A word of letters that repeat often.
    fn word(random: &mut Random, longest: u64) -> String {
        (0..=random.below(longest))
            .map(|_| ['a', 'b', 'ä', '公'][random.below(4) as usize])
            .collect()
    }

    #[test]
    fn words_are_cut_as_the_library_that_learnt_the_merges_cuts_them() {
        let mut random = Random::new(1);
        let words: Vec<String> = (0..300).map(|_| word(&mut random, 12)).collect();
        let counted = words.iter().cloned().zip(1..).collect();
        let alphabet = words.iter().flat_map(|word| word.chars()).collect();
        let (pieces, merges) = bpe::learn(counted, alphabet, 200).unwrap();
        assert_eq!(pieces.len(), 200);
        let numbered = pieces.iter().cloned().zip(0..).collect::<AHashMap<_, _>>();
        let library = BPE::builder().vocab_and_merges(numbered, merges.clone()).build().unwrap();
        let model = Merges::new(&pieces, &merges).unwrap();
        let mut scratch = MergeScratch::default();
        for _ in 0..2000 {
            let word = word(&mut random, 60);
            let mut found = Vec::new();
            model.segment(&word, &mut Cut::Best, &mut scratch, |piece| found.push(piece));
            let tokens = library.tokenize(&word).unwrap();
            let expected: Vec<u32> = tokens.iter().map(|token| token.id).collect();
            assert_eq!(found, expected, "{word}");
        }
    }
}
