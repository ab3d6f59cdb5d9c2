//! The best segmentation of a word by a unigram language model (Kudo 2018): pieces x_1 … x_n that spell it, with the
//! largest Σ_i log p(x_i), summed in float64 from the front.

use crate::cut::Draw;
use crate::lattice::{Edge, drawn_path};
use crate::trie::Trie;

/// Pieces with their log probabilities, ready to use.
#[derive(Clone, Debug)]
pub(super) struct BestPath {
    trie: Trie,
    scores: Vec<f64>,
}

/// The best way to reach a place in a word: its sum, its last piece, and where that piece starts.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    piece: u32,
    start: usize,
}

const UNREACHED: Best = Best { score: 0.0, piece: 0, start: usize::MAX };

/// Memory for cutting one word after the other.
#[derive(Default)]
pub(super) struct PathScratch {
    best: Vec<Best>,
    path: Vec<u32>,
}

impl BestPath {
    /// Pieces, which differ and are not empty, with their scores; a piece's number is its place.
    pub(super) fn new(pieces: &[String], scores: Vec<f64>) -> Self {
        Self { trie: Trie::new(pieces.iter().map(String::as_str).zip(0..)), scores }
    }

    /// Visits the pieces of a word in order. All of its characters must be pieces. Of segmentations that are equally
    /// good at a place, the one whose last piece is longest counts.
    pub(super) fn segment(&self, word: &str, scratch: &mut PathScratch, visit: impl FnMut(u32)) {
        let PathScratch { best, path } = scratch;
        best.clear();
        best.resize(word.len() + 1, UNREACHED);
        for (start, _) in word.char_indices() {
            let before = best[start].score;
            self.trie.for_each_prefix(&word.as_bytes()[start..], |length, piece| {
                let score = self.scores[piece as usize] + before;
                let reached = &mut best[start + length];
                if reached.start == UNREACHED.start || score > reached.score {
                    *reached = Best { score, piece, start };
                }
            });
        }
        path.clear();
        let mut end = word.len();
        while end > 0 {
            path.push(best[end].piece);
            end = best[end].start;
        }
        path.iter().rev().copied().for_each(visit);
    }

    /// Visits the pieces of a drawn segmentation of a word in order. All of its characters must be pieces.
    pub(super) fn draw(&self, word: &str, draw: &mut Draw<'_>, mut visit: impl FnMut(u32)) {
        let mut edges = Vec::with_capacity(4 * word.len());
        for (start, _) in word.char_indices() {
            self.trie.for_each_prefix(&word.as_bytes()[start..], |length, id| {
                let score = self.scores[id as usize];
                edges.push(Edge { start, end: start + length, id, score });
            });
        }
        let path = drawn_path(word.len(), edges, draw.sampling.smoothing, draw.random);
        path.iter().for_each(|edge| visit(edge.id));
    }
}

#[cfg(all(test, feature = "learn"))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tokenizers::Model;
    use tokenizers::models::unigram::Unigram;
    use wdistill_base::Random;

    /// A word of letters that repeat often.
    fn word(random: &mut Random, longest: u64) -> String {
        (0..=random.below(longest))
            .map(|_| ['a', 'b', 'ä', '公'][random.below(4) as usize])
            .collect()
    }

    #[test]
    fn words_are_cut_as_by_another_implementation() {
        let mut random = Random::new(1);
        let letters = ["a", "b", "ä", "公"].map(str::to_owned);
        let longer = (0..300).map(|_| word(&mut random, 5));
        let pieces: BTreeSet<String> = letters.into_iter().chain(longer).collect();
        let pieces: Vec<String> = pieces.into_iter().collect();
        // Scores of few values, so that many segmentations are equally good.
        let scores: Vec<f64> = pieces.iter().map(|_| -1.0 - random.below(3) as f64).collect();
        let scored = pieces.iter().cloned().zip(scores.iter().copied()).collect();
        let library = Unigram::from(scored, None, false).unwrap();
        let model = BestPath::new(&pieces, scores);
        let mut scratch = PathScratch::default();
        for _ in 0..2000 {
            let word = word(&mut random, 60);
            let mut found = Vec::new();
            model.segment(&word, &mut scratch, |piece| found.push(piece));
            let tokens = library.tokenize(&word).unwrap();
            let expected: Vec<u32> = tokens.iter().map(|token| token.id).collect();
            assert_eq!(found, expected, "{word}");
        }
    }
}
