//! Where pairs come from, chunk by chunk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wdistill_text::EncodedCorpus;

use crate::error::CorpusError;
use crate::modifiers::Modifiers;

/// Some neighbouring pairs that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// How many.
    pub pairs: usize,
    /// Tokens of the longest side of any of them, with the end.
    pub longest: usize,
}

/// Pairs that are read in chunks, so that never all of them are in memory.
pub trait Chunks: Send + Sync {
    /// What there is.
    fn chunks(&self) -> &[Chunk];

    /// The pairs of a chunk.
    ///
    /// # Errors
    /// What reading brings.
    fn read(&self, number: usize) -> Result<EncodedCorpus, CorpusError>;

    /// Sources and targets of a chunk as text, if there is one.
    ///
    /// # Errors
    /// What reading brings.
    fn text(&self, _number: usize) -> Result<Option<[Vec<String>; 2]>, CorpusError> {
        Ok(None)
    }
}

/// A corpus in memory: one chunk.
#[derive(Clone, Debug)]
pub struct InMemory {
    corpus: EncodedCorpus,
    chunk: [Chunk; 1],
}

impl InMemory {
    /// All pairs of a corpus.
    pub fn new(corpus: EncodedCorpus) -> InMemory {
        let lengths = corpus.lengths();
        let longest = lengths.iter().map(|length| length.source.max(length.target)).max();
        let chunk = [Chunk { pairs: corpus.len(), longest: longest.unwrap_or(0) }];
        InMemory { corpus, chunk }
    }
}

impl Chunks for InMemory {
    fn chunks(&self) -> &[Chunk] {
        &self.chunk
    }

    fn read(&self, _: usize) -> Result<EncodedCorpus, CorpusError> {
        Ok(self.corpus.clone())
    }
}

/// A part of a mixture: some chunks, and how often an epoch has their pairs.
#[derive(Clone)]
pub struct Part {
    /// Its name, for errors.
    pub name: String,
    /// Where its chunks are read.
    pub from: Arc<dyn Chunks>,
    /// Which chunks they are.
    pub chunks: std::ops::Range<usize>,
    /// How often an epoch has each pair: 2 for twice in every epoch, 0.5 for once in two epochs.
    pub weight: f64,
    /// What changes its pairs while they are learned from, if anything does; then its pairs have no alternatives, and there is
    /// text.
    pub modifiers: Option<Arc<Modifiers>>,
}

impl Part {
    /// All of it, once an epoch.
    pub fn whole(name: &str, from: Arc<dyn Chunks>) -> Part {
        let chunks = 0..from.chunks().len();
        Part { name: name.to_string(), from, chunks, weight: 1.0, modifiers: None }
    }

    /// Its pairs.
    pub fn pairs(&self) -> usize {
        self.from.chunks()[self.chunks.clone()].iter().map(|chunk| chunk.pairs).sum()
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
        for chunk in part.chunks.clone() {
            let end = start + part.from.chunks()[chunk].pairs;
            let mut here = Vec::new();
            while let Some(index) = wanted.next_if(|index| *index < end) {
                here.push(index - start);
            }
            if !here.is_empty() {
                let pairs = part.from.read(chunk)?;
                chosen.get_or_insert_with(|| pairs.empty_like()).append(&pairs, here);
            }
            start = end;
        }
    }
    chosen.ok_or(CorpusError::NoPairs)
}
