//! Batches bounded by padded tokens.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use wdistill_base::Random;

/// Tokens of a pair, each side with its end-of-sentence token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PairLength {
    /// Tokens on the source side.
    pub source: usize,
    /// Tokens on the target side.
    pub target: usize,
}

impl PairLength {
    /// The larger side, which decides how much room the pair takes.
    pub fn longest(self) -> usize {
        self.source.max(self.target)
    }
}

/// How large a batch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSettings {
    /// Most tokens on either side with padding: `sentences * longest sentence of either side` is at
    /// most this. It is fairseq's meaning of the same word.
    pub max_tokens: usize,
}

/// Batches of some pairs in a random order. `groups` has a number for each pair; of pairs that have the same, which are
/// alternatives, one is drawn.
///
/// The pairs are shuffled, sorted by length (stably, so that equal lengths stay shuffled), cut into batches, and the batches
/// are shuffled. Every pair without alternatives is in exactly one batch, and then the number of batches does not depend on
/// the random numbers.
pub fn shuffled_batches(
    lengths: &[PairLength],
    groups: &[usize],
    settings: BatchSettings,
    random: &mut Random,
) -> Vec<Vec<usize>> {
    assert_eq!(groups.len(), lengths.len(), "a group for each pair");
    let mut indices: Vec<usize> = (0..lengths.len()).collect();
    random.shuffle(&mut indices);
    // Of alternatives the first in the shuffled order: each is as likely as the others.
    let mut drawn = HashSet::new();
    indices.retain(|&index| drawn.insert(groups[index]));
    indices.sort_by_key(|&index| sorting_key(lengths[index]));
    let mut batches = cut(&indices, lengths, settings.max_tokens);
    random.shuffle(&mut batches);
    batches
}

/// Batches for validation or scoring: the longest pairs first, so that the largest batch comes at
/// once, equal lengths in the corpus's order. Nothing may be left out there, so a pair that is larger
/// than a batch may be is a batch alone.
pub fn sorted_batches(lengths: &[PairLength], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut indices: Vec<usize> = (0..lengths.len()).collect();
    indices.sort_by_key(|&index| std::cmp::Reverse(sorting_key(lengths[index])));
    cut(&indices, lengths, max_tokens)
}

/// By the longer side first, which sets a batch's size; pairs that compare equal are
/// interchangeable, so an epoch's batches have the same shapes whatever the shuffle.
fn sorting_key(length: PairLength) -> (usize, usize, usize) {
    (length.longest(), length.source, length.target)
}

/// Cuts a sequence into the longest runs that fit, from its start.
fn cut(indices: &[usize], lengths: &[PairLength], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut batch: Vec<usize> = Vec::new();
    let mut longest = 0;
    for &index in indices {
        let length = lengths[index].longest();
        if (batch.len() + 1) * longest.max(length) > max_tokens && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            longest = 0;
        }
        batch.push(index);
        longest = longest.max(length);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}
