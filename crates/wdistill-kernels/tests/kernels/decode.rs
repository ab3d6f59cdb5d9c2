//! Softmax, log-softmax and the best k.

use crate::support::{AWKWARD, assert_close, random, random_ids, to};
use wdistill_kernels::{Real, log_softmax, softmax, top_k};

fn check_softmax<R: Real>(rows: usize, width: usize, tolerance: f64) {
    let values: Vec<f64> = random(1, rows * width).iter().map(|value| 20.0 * value).collect();
    let mut expected = Vec::new();
    for row in values.chunks(width.max(1)) {
        let log_sum = row.iter().map(|value| value.exp()).sum::<f64>().ln();
        expected.extend(row.iter().map(|value| value - log_sum));
    }
    let mut actual = to::<R>(&values);
    log_softmax(&mut actual, width);
    assert_close(&actual, &expected, tolerance, "log softmax");
    let mut actual = to::<R>(&values);
    softmax(&mut actual, width);
    let expected: Vec<f64> = expected.iter().map(|value| value.exp()).collect();
    assert_close(&actual, &expected, tolerance, "softmax");
}

#[test]
fn softmaxes() {
    for rows in [0, 1, 17, 900] {
        for width in AWKWARD {
            check_softmax::<f64>(rows, width, 1e-13);
            check_softmax::<f32>(rows, width, 1e-6);
        }
    }
}

fn check_top_k(values: &[f32], width: usize, k: usize) {
    let rows = values.len() / width;
    let (mut best, mut columns) = (vec![0.0; rows * k], vec![0; rows * k]);
    top_k(&mut best, &mut columns, values, width, k);
    for (row, values) in values.chunks(width).enumerate() {
        let mut order: Vec<usize> = (0..width).collect();
        // Stable, so equal values keep their order; NaN as less than everything.
        let key = |i: usize| if values[i].is_nan() { (0, 0.0) } else { (1, values[i]) };
        order.sort_by(|a, b| key(*b).partial_cmp(&key(*a)).unwrap());
        for rank in 0..k {
            assert_eq!(columns[row * k + rank] as usize, order[rank], "row {row}, rank {rank}");
            assert_eq!(best[row * k + rank].to_bits(), values[order[rank]].to_bits());
        }
    }
}

#[test]
fn best_k() {
    for width in [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000] {
        for k in [1, 2, 5, 12, 32, 64].into_iter().filter(|k| *k <= width) {
            let values = random(width as u64, 9 * width);
            check_top_k(&to::<f32>(&values), width, k);
            // Few distinct values: many ties.
            let tied: Vec<f32> = random_ids(3, 9 * width, 4).iter().map(|id| *id as f32).collect();
            check_top_k(&tied, width, k);
        }
    }
}

#[test]
fn nan_comes_last() {
    let values = [f32::NAN, 1.0, f32::NEG_INFINITY, f32::NAN, 2.0, f32::INFINITY];
    for k in 1..=6 {
        check_top_k(&values, 6, k);
    }
    let mut long = vec![f32::NAN; 100];
    long[70] = f32::NEG_INFINITY;
    check_top_k(&long, 100, 3);
}
