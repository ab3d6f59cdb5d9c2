//! Where pairs come from, piece by piece.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wdistill_text::EncodedCorpus;

use crate::error::CorpusError;

/// Some neighbouring pairs that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// How many.
    pub pairs: usize,
    /// Tokens of the longest side of any of them, with the end.
    pub longest: usize,
}

/// Pairs that are read in pieces, so that never all of them are in memory.
pub trait Pieces: Send + Sync {
    /// What there is.
    fn pieces(&self) -> &[Piece];

    /// The pairs of a piece.
    ///
    /// # Errors
    /// What reading brings.
    fn read(&self, number: usize) -> Result<EncodedCorpus, CorpusError>;
}

/// A corpus in memory: one piece.
#[derive(Clone, Debug)]
pub struct InMemory {
    corpus: EncodedCorpus,
    piece: [Piece; 1],
}

impl InMemory {
    /// All pairs of a corpus.
    pub fn new(corpus: EncodedCorpus) -> InMemory {
        let lengths = corpus.lengths();
        let longest = lengths.iter().map(|length| length.source.max(length.target)).max();
        let piece = [Piece { pairs: corpus.len(), longest: longest.unwrap_or(0) }];
        InMemory { corpus, piece }
    }
}

impl Pieces for InMemory {
    fn pieces(&self) -> &[Piece] {
        &self.piece
    }

    fn read(&self, _: usize) -> Result<EncodedCorpus, CorpusError> {
        Ok(self.corpus.clone())
    }
}

/// A part of a mixture: some pieces, and how often an epoch has their pairs.
#[derive(Clone)]
pub struct Part {
    /// Its name, for errors.
    pub name: String,
    /// Where its pieces are read.
    pub from: Arc<dyn Pieces>,
    /// Which pieces they are.
    pub pieces: std::ops::Range<usize>,
    /// How often an epoch has each pair: 2 for twice in every epoch, 0.5 for once in two epochs.
    pub weight: f64,
}

impl Part {
    /// All of it, once an epoch.
    pub fn whole(name: &str, from: Arc<dyn Pieces>) -> Part {
        let pieces = 0..from.pieces().len();
        Part { name: name.to_string(), from, pieces, weight: 1.0 }
    }

    /// Its pairs.
    pub fn pairs(&self) -> usize {
        self.from.pieces()[self.pieces.clone()].iter().map(|piece| piece.pairs).sum()
    }
}

/// So many pairs of some parts, evenly spaced, or all if there are fewer.
///
/// # Errors
/// [`CorpusError::NoPairs`] if there are none; what reading brings.
pub fn evenly_spaced(parts: &[Part], count: usize) -> Result<EncodedCorpus, CorpusError> {
    let all: usize = parts.iter().map(Part::pairs).sum();
    let count = count.min(all);
    let mut wanted = (0..count).map(|index| index * all / count).peekable();
    let mut start = 0;
    let mut chosen: Option<EncodedCorpus> = None;
    for part in parts {
        for piece in part.pieces.clone() {
            let end = start + part.from.pieces()[piece].pairs;
            let mut here = Vec::new();
            while let Some(index) = wanted.next_if(|index| *index < end) {
                here.push(index - start);
            }
            if !here.is_empty() {
                let pairs = part.from.read(piece)?;
                chosen.get_or_insert_with(|| pairs.empty_like()).append(&pairs, here);
            }
            start = end;
        }
    }
    chosen.ok_or(CorpusError::NoPairs)
}
