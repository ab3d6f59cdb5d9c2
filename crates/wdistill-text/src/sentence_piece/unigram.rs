//! The best segmentation by a unigram language model (Kudo 2018).

use super::{PieceKind, SentencePiece};
use crate::cut::Draw;
use crate::lattice::{Edge, drawn_path};
use crate::trie::Trie;

/// How much worse than the worst piece an unknown character is, in nats.
const UNKNOWN_PENALTY: f32 = 10.0;

/// The score of each byte but the first of a user-defined piece, so that such a piece wins against
/// almost everything inside it.
const USER_DEFINED_BONUS: f32 = 0.1;

/// Below this the scores of very long lines are counted from zero again.
const LOWEST_TOTAL: f32 = -100_000.0;

#[derive(Clone, Debug)]
pub(super) struct Unigram {
    trie: Trie,
    scores: Vec<Score>,
    unknown_id: u32,
    unknown_score: f32,
}

#[derive(Clone, Copy, Debug)]
enum Score {
    Fixed(f32),
    /// By length, see [`USER_DEFINED_BONUS`].
    UserDefined,
    Unused,
}

/// The best way to reach a place in the text.
#[derive(Clone, Copy)]
struct Best {
    id: u32,
    score: f32,
    /// Where its last piece starts.
    start: usize,
}

const UNREACHED: usize = usize::MAX;

impl Best {
    /// Keeps the better one; the earlier one stays on a tie.
    fn offer(&mut self, id: u32, score: f32, start: usize) {
        if self.start == UNREACHED || score > self.score {
            *self = Self { id, score, start };
        }
    }
}

impl Unigram {
    pub(super) fn new(pieces: &[SentencePiece], unknown_id: u32) -> Self {
        let normal = pieces.iter().filter(|piece| piece.kind == PieceKind::Normal);
        let lowest = normal.map(|piece| piece.score).fold(f32::MAX, f32::min);
        let score = |piece: &SentencePiece| match piece.kind {
            PieceKind::UserDefined => Score::UserDefined,
            PieceKind::Unused => Score::Unused,
            _ => Score::Fixed(piece.score),
        };
        Self {
            trie: Trie::new(super::text_pieces(pieces)),
            scores: pieces.iter().map(score).collect(),
            unknown_id,
            unknown_score: lowest - UNKNOWN_PENALTY,
        }
    }

    /// Visits the pieces of `text` in order with their ids.
    pub(super) fn segment<'text>(&self, text: &'text str, mut visit: impl FnMut(u32, &'text str)) {
        let mut best = vec![Best { id: 0, score: 0.0, start: UNREACHED }; text.len() + 1];
        let mut furthest = 0;
        for (start, character) in text.char_indices() {
            let base = best[start].score;
            if base < LOWEST_TOTAL {
                // Every place that was reached lies in what follows, so no comparison changes but
                // for the precision that single precision has again.
                best[start..=furthest].iter_mut().for_each(|best| best.score -= base);
            }
            let end = self.extend(text, start, character.len_utf8(), &mut best);
            furthest = furthest.max(end);
        }
        let mut path = Vec::new();
        let mut end = text.len();
        while end > 0 {
            path.push(end);
            end = best[end].start;
        }
        for &end in path.iter().rev() {
            visit(best[end].id, &text[best[end].start..end]);
        }
    }

    /// Offers all pieces that start at `start`, where a character of `width` bytes stands, and gives
    /// the furthest end of one.
    fn extend(&self, text: &str, start: usize, width: usize, best: &mut [Best]) -> usize {
        let before = best[start].score;
        let mut furthest = start + width;
        let mut has_character = false;
        self.trie.for_each_prefix(&text.as_bytes()[start..], |length, id| {
            let score = match self.scores[id as usize] {
                Score::Fixed(score) => score,
                Score::UserDefined => (length - 1) as f32 * USER_DEFINED_BONUS,
                Score::Unused => return,
            };
            has_character |= length == width;
            furthest = furthest.max(start + length);
            best[start + length].offer(id, score + before, start);
        });
        if !has_character {
            best[start + width].offer(self.unknown_id, self.unknown_score + before, start);
        }
        furthest
    }

    /// Visits the pieces of a drawn segmentation of `text` in order with their ids. User-defined pieces stay whole: of those
    /// that start at a place the longest, from the front.
    pub(super) fn draw<'text>(
        &self,
        text: &'text str,
        user_defined: &Trie,
        draw: &mut Draw<'_>,
        mut visit: impl FnMut(u32, &'text str),
    ) {
        let (mut drawn, mut at) = (0, 0);
        while let Some(character) = text[at..].chars().next() {
            let mut whole = None;
            user_defined
                .for_each_prefix(&text.as_bytes()[at..], |length, id| whole = Some((length, id)));
            let Some((length, id)) = whole else {
                at += character.len_utf8();
                continue;
            };
            self.draw_between(&text[drawn..at], draw, &mut visit);
            visit(id, &text[at..at + length]);
            at += length;
            drawn = at;
        }
        self.draw_between(&text[drawn..], draw, &mut visit);
    }

    fn draw_between<'text>(
        &self,
        text: &'text str,
        draw: &mut Draw<'_>,
        visit: &mut impl FnMut(u32, &'text str),
    ) {
        let mut edges = Vec::with_capacity(4 * text.len());
        for (start, character) in text.char_indices() {
            let width = character.len_utf8();
            let mut edge = |length: usize, id: u32, score: f32| {
                edges.push(Edge { start, end: start + length, id, score: f64::from(score) });
            };
            let mut has_character = false;
            self.trie.for_each_prefix(&text.as_bytes()[start..], |length, id| {
                let Score::Fixed(score) = self.scores[id as usize] else { return };
                let is_character = length == width;
                has_character |= is_character;
                // A character has no smaller pieces in its place.
                if is_character || (draw.takes)(id) {
                    edge(length, id, score);
                }
            });
            if !has_character {
                edge(width, self.unknown_id, self.unknown_score);
            }
        }
        let path = drawn_path(text.len(), edges, draw.sampling.smoothing, draw.random);
        path.iter().for_each(|edge| visit(edge.id, &text[edge.start..edge.end]));
    }
}
