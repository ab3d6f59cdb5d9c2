//! Batches through the public interface.

use proptest::prelude::*;
use wdistill_base::Random;
use wdistill_text::{BatchSettings, PairLength, shuffled_batches, sorted_batches};

fn lengths(pairs: &[(usize, usize)]) -> Vec<PairLength> {
    pairs.iter().map(|&(source, target)| PairLength { source, target }).collect()
}

/// Of pairs without alternatives.
fn shuffled(lengths: &[PairLength], max_tokens: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let groups: Vec<usize> = (0..lengths.len()).collect();
    let mut random = Random::for_stream(seed, epoch);
    shuffled_batches(lengths, &groups, BatchSettings { max_tokens }, &mut random)
}

#[test]
fn sorted_batches_as_worked_out_by_hand() {
    // Longer sides: 3, 5, 2, 4, 2. Longest first: 1 (5), 3 (4), 0 (3), 4 (2, source 2), 2 (2).
    // At most 10: [1, 3] takes 2 * 5 = 10, a third would take 15; [0, 4, 2] takes 3 * 3 = 9.
    let lengths = lengths(&[(3, 1), (1, 5), (1, 2), (4, 4), (2, 1)]);
    assert_eq!(sorted_batches(&lengths, 10), [vec![1, 3], vec![0, 4, 2]]);
    assert_eq!(sorted_batches(&lengths, 9), [vec![1], vec![3, 0], vec![4, 2]]);
    // A pair that is larger than a batch may be is a batch alone.
    assert_eq!(sorted_batches(&lengths, 4), [vec![1], vec![3], vec![0], vec![4, 2]]);
    assert!(sorted_batches(&[], 10).is_empty());
}

#[test]
fn orders_differ_in_more_than_the_order_of_batches() {
    let many: Vec<PairLength> =
        (0..200).map(|i| PairLength { source: 1 + i * 7 % 30, target: 1 + i * 11 % 30 }).collect();
    assert_eq!(shuffled(&many, 64, 1, 3), shuffled(&many, 64, 1, 3));
    assert_ne!(shuffled(&many, 64, 1, 0), shuffled(&many, 64, 1, 1));
    assert_ne!(shuffled(&many, 64, 1, 0), shuffled(&many, 64, 2, 0));
    let sets = |epoch| {
        let mut batches = shuffled(&many, 64, 1, epoch);
        batches.iter_mut().for_each(|batch| batch.sort_unstable());
        batches.sort_unstable();
        batches
    };
    assert_ne!(sets(0), sets(1));
}

#[derive(serde::Deserialize)]
struct Expected {
    lengths: Vec<(usize, usize)>,
    max_tokens: usize,
    seed: u64,
    epochs: Vec<Vec<Vec<usize>>>,
}

/// A change here means that saved positions of older runs continue differently.
#[test]
fn the_order_is_the_one_worked_out_apart_from_this_code() {
    let json = include_str!("../fixtures/batch_order/expected.json");
    let expected: Expected = serde_json::from_str(json).unwrap();
    let lengths = lengths(&expected.lengths);
    for (epoch, batches) in expected.epochs.iter().enumerate() {
        let found = shuffled(&lengths, expected.max_tokens, expected.seed, epoch as u64);
        assert_eq!(&found, batches, "epoch {epoch}");
    }
}

proptest! {
    #[test]
    fn every_pair_is_in_one_batch_and_batches_are_bounded(
        pairs in prop::collection::vec((1usize..40, 1usize..40), 1..150),
        max_tokens in 40usize..300,
        seed in any::<u64>(),
        epoch in any::<u64>(),
    ) {
        let lengths = lengths(&pairs);
        let one = shuffled(&lengths, max_tokens, seed, epoch);
        for batches in [&one, &sorted_batches(&lengths, max_tokens)] {
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let longest = |side: fn(&PairLength) -> usize| {
                    batch.iter().map(|&index| side(&lengths[index])).max().unwrap()
                };
                prop_assert!(batch.len() * longest(|length| length.source) <= max_tokens);
                prop_assert!(batch.len() * longest(|length| length.target) <= max_tokens);
            }
        }
        prop_assert_eq!(one.len(), shuffled(&lengths, max_tokens, seed, epoch ^ 1).len());
    }
}
