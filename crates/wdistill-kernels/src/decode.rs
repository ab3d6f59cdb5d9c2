//! Helpers of decoding.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::{row_max, row_sum};
use crate::parallel::{count_rows, for_each, rows_per_piece};

/// `x_j - ln sum_i e^(x_i)` for every row of `values [rows, width]`, in place.
pub fn log_softmax<R: Real>(values: &mut [R], width: usize) {
    count_rows("log softmax", values.len(), width);
    let elements = (rows_per_piece(width) * width).max(1);
    for_each(values.len(), values.chunks_mut(elements), |values| log_softmax_rows(values, width));
}

/// `e^(x_j) / sum_i e^(x_i)` for every row of `values [rows, width]`, in place.
pub fn softmax<R: Real>(values: &mut [R], width: usize) {
    count_rows("softmax", values.len(), width);
    let elements = (rows_per_piece(width) * width).max(1);
    for_each(values.len(), values.chunks_mut(elements), |values| softmax_rows(values, width));
}

/// The `k` largest values of each row of `values [rows, width]`, largest first, and their columns,
/// both `[rows, k]`. Of equal values the one in the lower column comes first; NaN comes last.
pub fn top_k<R: Real>(best: &mut [R], columns: &mut [u32], values: &[R], width: usize, k: usize) {
    let rows = count_rows("top k", values.len(), width);
    assert!(k > 0 && k <= width, "top k: {k} of {width} values");
    assert_eq!(best.len(), rows * k, "top k: length of the values");
    assert_eq!(columns.len(), rows * k, "top k: length of the columns");
    let results = best.chunks_mut(k).zip(columns.chunks_mut(k));
    for_each(values.len(), results.zip(values.chunks(width)), |((best, columns), values)| {
        top_k_row(best, columns, values);
    });
}

/// Whether `candidate` ranks before `other` when it stands in a later column.
#[inline(always)]
fn outranks<R: Real>(candidate: R, other: R) -> bool {
    let other_is_nan = other.partial_cmp(&other).is_none();
    let candidate_is_nan = candidate.partial_cmp(&candidate).is_none();
    candidate > other || (other_is_nan && !candidate_is_nan)
}

/// Inserts into the first `filled` ranks; the last drops out when all ranks are filled.
#[inline(always)]
fn insert<R: Real>(best: &mut [R], columns: &mut [u32], filled: usize, value: R, column: usize) {
    let mut rank = filled.min(best.len() - 1);
    while rank > 0 && outranks(value, best[rank - 1]) {
        best[rank] = best[rank - 1];
        columns[rank] = columns[rank - 1];
        rank -= 1;
    }
    best[rank] = value;
    columns[rank] = column as u32;
}

/// `e^(x_j) / sum_i e^(x_i)` of one row, in place.
#[inline(always)]
pub(crate) fn softmax_row<I: Instructions, R: Real>(row: &mut [R]) {
    let largest = row_max(row);
    for value in row.iter_mut() {
        *value = (*value - largest).exp::<I>();
    }
    let reciprocal = R::ONE / row_sum(row);
    for value in row {
        *value *= reciprocal;
    }
}

multiversion! {
    fn log_softmax_rows<R: Real>(values: &mut [R], width: usize) {
        let mut exponentials = vec![R::ZERO; width];
        for row in values.chunks_exact_mut(width.max(1)) {
            let largest = row_max(row);
            for (exponential, value) in exponentials.iter_mut().zip(row.iter()) {
                *exponential = (*value - largest).exp::<I>();
            }
            let log_sum = R::from_f64(row_sum(&exponentials).to_f64().ln());
            for value in row {
                *value = (*value - largest) - log_sum;
            }
        }
    }

    fn softmax_rows<R: Real>(values: &mut [R], width: usize) {
        for row in values.chunks_exact_mut(width.max(1)) {
            softmax_row::<I, R>(row);
        }
    }

    fn top_k_row<R: Real>(best: &mut [R], columns: &mut [u32], values: &[R]) {
        const BLOCK: usize = 32;
        let k = best.len();
        for (column, value) in values[..k].iter().enumerate() {
            insert(best, columns, column, *value, column);
        }
        for (index, block) in values[k..].chunks(BLOCK).enumerate() {
            // Most blocks hold nothing new: one vector test passes over them.
            let last = best[k - 1];
            let mut is_candidate = last.partial_cmp(&last).is_none();
            for value in block {
                is_candidate |= *value > last;
            }
            if !is_candidate {
                continue;
            }
            for (offset, value) in block.iter().enumerate() {
                if outranks(*value, best[k - 1]) {
                    insert(best, columns, k, *value, k + index * BLOCK + offset);
                }
            }
        }
    }
}
