//! Counting n-grams of words or characters.

use std::collections::HashMap;
use std::hash::Hash;

/// How often each n-gram occurs.
pub(crate) type Counts<'a, T> = HashMap<&'a [T], u64>;

/// The n-grams of exactly `order` (at least 1) consecutive `items`.
pub(crate) fn count<T: Hash + Eq>(items: &[T], order: usize) -> Counts<'_, T> {
    let mut counts = HashMap::with_capacity((items.len() + 1).saturating_sub(order));
    for ngram in items.windows(order) {
        *counts.entry(ngram).or_insert(0) += 1;
    }
    counts
}

/// Occurrences of all n-grams of `hypothesis`, each counted at most as often as `reference` has it.
pub(crate) fn matches<T: Hash + Eq>(hypothesis: &Counts<'_, T>, reference: &Counts<'_, T>) -> u64 {
    hypothesis
        .iter()
        .map(|(ngram, &count)| count.min(reference.get(ngram).copied().unwrap_or(0)))
        .sum()
}
