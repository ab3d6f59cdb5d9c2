//! The best words of blocks of logits, and attention of single queries.

use crate::support::{AWKWARD, assert_close, random, random_ids, to};
use wdistill_kernels::{
    AttentionInputs, AttentionShape, Dropout, Mask, Real, Recall, RecallScratch, TopWords,
    attention_forward, recall,
};

/// Columns and log-probabilities of the best `k` of each row, given in blocks of `block` columns.
fn best(logits: &[f32], width: usize, block: usize, k: usize) -> Vec<(u32, f64)> {
    let rows = logits.len() / width;
    let mut top = TopWords::new(rows, k);
    for first in (0..width).step_by(block) {
        let columns = first..(first + block).min(width);
        let part = logits.chunks(width).flat_map(|row| row[columns.clone()].to_vec());
        top.absorb(&part.collect::<Vec<_>>(), columns.len());
    }
    (0..rows).flat_map(|row| top.row(row).collect::<Vec<_>>()).collect()
}

fn check_best(logits: &[f32], width: usize, block: usize, k: usize) {
    let found = best(logits, width, block, k);
    for (row, (logits, found)) in logits.chunks(width).zip(found.chunks(k)).enumerate() {
        let mut order: Vec<usize> = (0..width).collect();
        // Stable, so equal values keep their order.
        order.sort_by(|a, b| logits[*b].partial_cmp(&logits[*a]).unwrap());
        let exact: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        for (rank, (column, log_probability)) in found.iter().enumerate() {
            assert_eq!(*column as usize, order[rank], "row {row}, rank {rank}");
            let expected = f64::from(logits[order[rank]]) - exact.ln();
            assert!((log_probability - expected).abs() < 1e-5, "{log_probability}, {expected}");
        }
    }
}

#[test]
fn best_words() {
    for width in [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000] {
        for k in [1, 2, 5, 12, 32, 64].into_iter().filter(|k| *k <= width) {
            for block in [1, 16, 70, 1000] {
                let values: Vec<f64> =
                    random(width as u64, 9 * width).iter().map(|value| 20.0 * value).collect();
                check_best(&to::<f32>(&values), width, block, k);
                // Few distinct values: many ties.
                let tied = random_ids(3, 9 * width, 4);
                let tied: Vec<f32> = tied.iter().map(|id| *id as f32).collect();
                check_best(&tied, width, block, k);
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    let logits = to::<f32>(&random(4, 7 * 300));
    let together = best(&logits, 300, 64, 5);
    for (row, together) in logits.chunks(300).zip(together.chunks(5)) {
        assert_eq!(best(row, 300, 64, 5), together);
    }
}

#[test]
fn nan_is_not_hidden() {
    for place in [0, 3, 99] {
        let mut logits = to::<f32>(&random(5, 100));
        logits[place] = f32::NAN;
        let found = best(&logits, 100, 16, 4);
        assert!(found.iter().all(|(_, log_probability)| log_probability.is_nan()), "{found:?}");
        assert!(found.iter().all(|(column, _)| *column as usize != place));
    }
}

/// Against attention over whole sentences, which has references of its own.
fn check_recall<R: Real>(size: usize, tolerance: f64) {
    let (heads, all) = (3, 11);
    let width = heads * size;
    let matrix = |seed, rows: usize| to::<R>(&random(seed, rows * width));
    let (query, keys, values) = (matrix(1, 1), matrix(2, all), matrix(3, all));
    let mut scratch = RecallScratch::default();
    for rows in [vec![], vec![4], vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], vec![7, 2, 2, 10]] {
        let pick = |matrix: &[R]| -> Vec<R> {
            rows.iter().flat_map(|row| &matrix[*row as usize * width..][..width]).copied().collect()
        };
        let (own_keys, own_values) = (pick(&keys), pick(&values));
        let shape = AttentionShape {
            width,
            heads,
            query_offsets: &[0, 1],
            key_offsets: &[0, rows.len()],
            mask: Mask::Full,
            dropout: Dropout::NONE,
        };
        let inputs = AttentionInputs { queries: &query, keys: &own_keys, values: &own_values };
        let mut expected = vec![R::ONE; width];
        attention_forward(&mut expected, None, &inputs, &shape);
        let expected: Vec<f64> = expected.iter().map(|value| value.to_f64()).collect();
        let mut y = vec![R::ONE; width];
        let memory = Recall { keys: &keys, values: &values, rows: &rows, heads };
        recall(&mut y, &query, &memory, &mut scratch);
        assert_close(&y, &expected, tolerance, "recall");
    }
}

#[test]
fn single_queries() {
    for size in AWKWARD.into_iter().filter(|size| *size > 0) {
        check_recall::<f64>(size, 1e-12);
        check_recall::<f32>(size, 1e-5);
    }
}
