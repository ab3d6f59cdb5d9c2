//! Batches and their order through the public interface.

use proptest::prelude::*;
use wdistill_text::{BatchOrder, BatchSettings, PairLength, Position, TextError, sorted_batches};

fn lengths(pairs: &[(usize, usize)]) -> Vec<PairLength> {
    pairs.iter().map(|&(source, target)| PairLength { source, target }).collect()
}

fn order(lengths: Vec<PairLength>, max_tokens: usize, seed: u64) -> BatchOrder {
    let groups = (0..lengths.len()).collect();
    BatchOrder::new(lengths, groups, BatchSettings { max_tokens }, seed).unwrap()
}

/// 200 pairs of 1 to 30 tokens.
fn many() -> Vec<PairLength> {
    (0..200).map(|i| PairLength { source: 1 + i * 7 % 30, target: 1 + i * 11 % 30 }).collect()
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
fn a_pair_that_fits_no_batch_is_named() {
    let lengths = lengths(&[(3, 1), (2, 11), (12, 1)]);
    let error = BatchOrder::new(
        lengths.clone(),
        (0..lengths.len()).collect(),
        BatchSettings { max_tokens: 10 },
        1,
    )
    .unwrap_err();
    match error {
        TextError::PairTooLong { index, source_length, target_length, max_tokens } => {
            assert_eq!((index, source_length, target_length, max_tokens), (1, 2, 11, 10));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn no_pairs_are_an_error() {
    let error =
        BatchOrder::new(Vec::new(), Vec::new(), BatchSettings { max_tokens: 10 }, 1).unwrap_err();
    assert!(matches!(error, TextError::NoPairs));
}

#[test]
fn epochs_and_seeds_have_orders_of_their_own() {
    let order_of = |seed| order(many(), 64, seed);
    assert_eq!(order_of(1).epoch_batches(3), order_of(1).epoch_batches(3));
    assert_ne!(order_of(1).epoch_batches(0), order_of(1).epoch_batches(1));
    assert_ne!(order_of(1).epoch_batches(0), order_of(2).epoch_batches(0));
    // Not only the batches' order: the sentences that share a batch differ too.
    let sets = |epoch| {
        let mut batches = order_of(1).epoch_batches(epoch);
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
    let order = order(lengths(&expected.lengths), expected.max_tokens, expected.seed);
    for (epoch, batches) in expected.epochs.iter().enumerate() {
        assert_eq!(&order.epoch_batches(epoch as u64), batches, "epoch {epoch}");
    }
}

#[test]
fn next_batch_runs_through_the_epochs() {
    let mut running = order(many(), 64, 5);
    for epoch in 0..3 {
        for (offset, expected) in running.epoch_batches(epoch).into_iter().enumerate() {
            assert_eq!(running.position(), Position { epoch, offset: offset as u64 });
            assert_eq!(running.next_batch(), expected);
        }
    }
    assert_eq!(running.position(), Position { epoch: 3, offset: 0 });
}

#[test]
fn a_position_survives_its_serialised_form() {
    let position = Position { epoch: 3, offset: 17 };
    let json = serde_json::to_string(&position).unwrap();
    assert_eq!(json, r#"{"epoch":3,"offset":17}"#);
    assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
}

#[test]
fn a_position_beyond_the_epoch_is_an_error() {
    let mut order = order(many(), 64, 5);
    let batches = order.batches_per_epoch() as u64;
    let before = order.position();
    let error = order.resume(Position { epoch: 2, offset: batches }).unwrap_err();
    assert!(matches!(error, TextError::InvalidPosition { epoch: 2, .. }), "{error}");
    assert_eq!(order.position(), before);
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
        let order = order(lengths.clone(), max_tokens, seed);
        for batches in [order.epoch_batches(epoch), sorted_batches(&lengths, max_tokens)] {
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let longest = |side: fn(&PairLength) -> usize| {
                    batch.iter().map(|&index| side(&lengths[index])).max().unwrap()
                };
                prop_assert!(batch.len() * longest(|length| length.source) <= max_tokens);
                prop_assert!(batch.len() * longest(|length| length.target) <= max_tokens);
            }
        }
        prop_assert_eq!(order.epoch_batches(epoch).len(), order.batches_per_epoch());
    }

    #[test]
    fn resuming_continues_exactly(seed in any::<u64>(), steps in 0usize..120) {
        let mut running = order(many(), 64, seed);
        for _ in 0..steps {
            running.next_batch();
        }
        let mut resumed = order(many(), 64, seed);
        resumed.resume(running.position()).unwrap();
        for _ in 0..100 {
            prop_assert_eq!(resumed.position(), running.position());
            prop_assert_eq!(resumed.next_batch(), running.next_batch());
        }
    }
}

/// Each epoch has one of each group's pairs, every one of them in its turn, and a resumed order draws the same.
#[test]
fn alternatives_are_drawn_anew_each_epoch() {
    let lengths = vec![PairLength { source: 3, target: 3 }; 90];
    let groups: Vec<usize> = (0..90).map(|pair| pair / 3).collect();
    let order = || {
        BatchOrder::new(lengths.clone(), groups.clone(), BatchSettings { max_tokens: 12 }, 5)
            .unwrap()
    };
    let mut counts = [0; 90];
    for epoch in 0..60 {
        let mut pairs = order().epoch_batches(epoch).concat();
        pairs.sort_unstable();
        assert!(pairs.iter().map(|pair| groups[*pair]).eq(0..30), "epoch {epoch}");
        pairs.into_iter().for_each(|pair| counts[pair] += 1);
    }
    // Of 60 draws each has 20, with a deviation of 3.7.
    assert!(counts.iter().all(|count| (6..35).contains(count)), "{counts:?}");
    let mut one = order();
    (0..20).for_each(|_| drop(one.next_batch()));
    let mut other = order();
    other.resume(one.position()).unwrap();
    (0..20).for_each(|_| assert_eq!(one.next_batch(), other.next_batch()));
}
