//! Embeddings.

use wdistill_cuda::{Embedding, WordGroups};
use wdistill_kernels as kernels;
use wdistill_kernels::NO_TOKEN;

use crate::support::*;
use crate::tested::{Order, Tested};

const WORDS: usize = 23;
const POSITIONS: usize = 9;
const SCALE: f64 = 6.5;

fn tokens(rows: usize) -> (Vec<u32>, Vec<u32>) {
    let mut ids = random_ids(1, rows, WORDS);
    ids.iter_mut().step_by(7).for_each(|id| *id = NO_TOKEN);
    (ids, random_ids(2, rows, POSITIONS))
}

#[test]
fn embed_forward_gathers_rows() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (rows, width, rate) in [(0, 4, 0.1), (1, 1, 0.0), (50, 36, 0.1), (67, 130, 0.0)] {
            let (ids, position_ids) = tokens(rows);
            let table = random_bf16(3, WORDS * width);
            let positions = random_f32(4, POSITIONS * width);
            let (mask, host_mask) = dropout(rate);
            let device_table = machine.upload(&table).unwrap();
            let device_positions = machine.upload(&positions).unwrap();
            let layer = Embedding {
                table: device_table.part(),
                positions: device_positions.part(),
                width,
                scale: SCALE,
                dropout: mask,
            };
            let y = fresh(machine, rows * width);
            let tokens = machine.embedding_tokens(&ids, &position_ids).unwrap();
            machine.embed_forward(y.part(), &tokens, &layer).unwrap();
            let mut expected = vec![0.0; rows * width];
            let host_layer = kernels::Embedding {
                table: &exact(&table),
                positions: &exact(&positions),
                width,
                scale: SCALE,
                dropout: host_mask,
            };
            kernels::embed_forward(&mut expected, &ids, &position_ids, &host_layer);
            let found = y.read().unwrap();
            assert_rounded(&found, &expected, |_| 2e-6, "y");
            all.extend(bits(&found));
        }
        all
    });
}

#[test]
fn embed_backward_adds_the_rows_of_each_word() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (rows, width, rate) in [(0, 4, 0.1), (1, 1, 0.0), (50, 36, 0.1), (167, 130, 0.3)] {
            let (ids, position_ids) = tokens(rows);
            let dy = random_bf16(5, rows * width);
            let before = random_f32(6, WORDS * width);
            let (mask, host_mask) = dropout(rate);
            let unread = machine.upload::<half::bf16>(&[]).unwrap();
            let unread_positions = machine.upload::<f32>(&[]).unwrap();
            let layer = Embedding {
                table: unread.part(),
                positions: unread_positions.part(),
                width,
                scale: SCALE,
                dropout: mask,
            };
            let dtable = machine.upload(&before).unwrap();
            let device_dy = machine.upload(&dy).unwrap();
            let tokens = machine.embedding_tokens(&ids, &position_ids).unwrap();
            machine.embed_backward(dtable.part(), device_dy.part(), &tokens, &layer).unwrap();
            let mut expected = exact(&before);
            let host_layer = kernels::Embedding {
                table: &[],
                positions: &[],
                width,
                scale: SCALE,
                dropout: host_mask,
            };
            let gradients =
                kernels::EmbeddingGradients { table: Some(&mut expected), positions: None };
            kernels::embed_backward(gradients, &exact(&dy), &ids, &position_ids, &host_layer);
            let found = dtable.read().unwrap();
            assert_near(&found, &expected, 5e-5, "dtable");
            all.extend(bits32(&found));
        }
        all
    });
}

#[test]
fn word_groups_are_in_order() {
    let groups = WordGroups::of(&[5, 2, NO_TOKEN, 5, 0, 2, 5]);
    assert_eq!(groups.words, [0, 2, 5]);
    assert_eq!(groups.starts, [0, 1, 3, 6]);
    assert_eq!(groups.rows, [4, 1, 5, 0, 3, 6]);
    let empty = WordGroups::of(&[NO_TOKEN]);
    assert_eq!((empty.words.len(), empty.starts.as_slice()), (0, [0].as_slice()));
}

#[test]
#[should_panic(expected = "embedding's tokens: number 2 of 2")]
fn a_token_that_a_table_lacks_is_refused() {
    let machine = Machine::new(Tested::new(Order::Natural));
    let table = fresh(&machine, 2 * 8);
    let positions = fresh(&machine, 8);
    let layer = Embedding {
        table: table.part(),
        positions: positions.part(),
        width: 8,
        scale: 1.0,
        dropout: dropout(0.0).0,
    };
    let tokens = machine.embedding_tokens(&[1, NO_TOKEN, 2], &[0, 0, 0]).unwrap();
    let y = fresh(&machine, 3 * 8);
    let _ = machine.embed_forward(y.part(), &tokens, &layer);
}
