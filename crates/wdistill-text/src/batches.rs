//! Batches bounded by padded tokens, in an order that can be resumed.

use std::collections::HashSet;

use crate::error::TextError;
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
    fn longest(self) -> usize {
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

/// Where an order stands; goes into a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Batches of this epoch that were already given.
    pub offset: u64,
}

/// Batches over epoch after epoch, without end.
///
/// In each epoch the pairs are shuffled, sorted by length (stably, so that equal lengths stay
/// shuffled), cut into batches, and the batches are shuffled. Everything follows from the lengths,
/// the settings, the seed and the epoch's number: the same seed and [`Position`] give the same
/// continuation. Every pair is in exactly one batch of an epoch, and all epochs have equally many
/// batches; of pairs that are alternatives each epoch draws one, and the numbers of batches differ.
#[derive(Clone, Debug)]
pub struct BatchOrder {
    lengths: Vec<PairLength>,
    /// What pairs that are alternatives have in common.
    groups: Vec<usize>,
    settings: BatchSettings,
    seed: u64,
    position: Position,
    /// The batches of `position.epoch`.
    batches: Vec<Vec<usize>>,
}

impl BatchOrder {
    /// An order at its start. `groups` has a number for each pair; pairs that have the same are alternatives.
    ///
    /// # Errors
    /// [`TextError::NoPairs`] without pairs, [`TextError::PairTooLong`] for the first pair that
    /// does not fit a batch alone.
    pub fn new(
        lengths: Vec<PairLength>,
        groups: Vec<usize>,
        settings: BatchSettings,
        seed: u64,
    ) -> Result<Self, TextError> {
        if lengths.is_empty() {
            return Err(TextError::NoPairs);
        }
        assert_eq!(groups.len(), lengths.len(), "a group for each pair");
        check_lengths(&lengths, settings.max_tokens)?;
        let (position, batches) = (Position::default(), Vec::new());
        let mut order = Self { lengths, groups, settings, seed, position, batches };
        order.batches = order.epoch_batches(0);
        Ok(order)
    }

    /// Where the order stands: the next batch is the one at this position.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Batches in the epoch where the order stands.
    pub fn batches_per_epoch(&self) -> usize {
        self.batches.len()
    }

    /// Goes to a position that [`Self::position`] gave.
    ///
    /// # Errors
    /// [`TextError::InvalidPosition`] when the epoch has fewer batches than that.
    pub fn resume(&mut self, position: Position) -> Result<(), TextError> {
        let batches = self.epoch_batches(position.epoch);
        if position.offset >= batches.len() as u64 {
            let Position { epoch, offset } = position;
            let batches = batches.len() as u64;
            return Err(TextError::InvalidPosition { epoch, offset, batches });
        }
        (self.position, self.batches) = (position, batches);
        Ok(())
    }

    /// The next batch as pair numbers, never empty. After an epoch's last batch the position is the
    /// start of the next epoch.
    pub fn next_batch(&mut self) -> Vec<usize> {
        let batch = self.batches[self.position.offset as usize].clone();
        self.position.offset += 1;
        if self.position.offset == self.batches_per_epoch() as u64 {
            self.position = Position { epoch: self.position.epoch + 1, offset: 0 };
            self.batches = self.epoch_batches(self.position.epoch);
        }
        batch
    }

    /// All batches of one epoch, in their order.
    pub fn epoch_batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut random = Random::for_stream(self.seed, epoch);
        let mut indices: Vec<usize> = (0..self.lengths.len()).collect();
        random.shuffle(&mut indices);
        // Of alternatives the first in the shuffled order: each is as likely as the others.
        let mut drawn = HashSet::new();
        indices.retain(|&index| drawn.insert(self.groups[index]));
        indices.sort_by_key(|&index| sorting_key(self.lengths[index]));
        let mut batches = cut(&indices, &self.lengths, self.settings.max_tokens);
        random.shuffle(&mut batches);
        batches
    }
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

fn check_lengths(lengths: &[PairLength], max_tokens: usize) -> Result<(), TextError> {
    match lengths.iter().enumerate().find(|(_, length)| length.longest() > max_tokens) {
        None => Ok(()),
        Some((index, &PairLength { source, target })) => Err(TextError::PairTooLong {
            index,
            source_length: source,
            target_length: target,
            max_tokens,
        }),
    }
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
