//! Attention of single queries over remembered rows: what a decoding step needs.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::add_lanes;

/// Keys and values, and which of their rows a query sees.
#[derive(Clone, Copy, Debug)]
pub struct Recall<'a, R> {
    /// `[all rows, width]`.
    pub keys: &'a [R],
    /// `[all rows, width]`.
    pub values: &'a [R],
    /// Numbers of the rows that the query sees, in their order.
    pub rows: &'a [u32],
    /// They divide the width, and head `h` owns columns `h * width / heads ..`.
    pub heads: usize,
}

/// Memory that calls share.
#[derive(Clone, Debug, Default)]
pub struct RecallScratch<R>(Vec<[R; LANES]>);

/// `y = softmax(q Kᵀ / sqrt(width / heads)) V` per head for one query `[width]` over some rows of `K` and
/// `V`. Without rows `y` is zero.
pub fn recall<R: Real>(
    y: &mut [R],
    query: &[R],
    memory: &Recall<'_, R>,
    scratch: &mut RecallScratch<R>,
) {
    let (width, heads, rows) = (query.len(), memory.heads, memory.rows.len());
    assert!(heads > 0 && width.is_multiple_of(heads), "recall: {heads} heads of width {width}");
    assert_eq!(y.len(), width, "recall: length of the output");
    assert_eq!(memory.keys.len(), memory.values.len(), "recall: lengths of keys and values");
    scratch.0.resize(heads * rows.div_ceil(LANES), [R::ZERO; LANES]);
    recall_row(y, query, memory, &mut scratch.0);
}

/// Partial sums of short reductions, and numbers that are worked on at a time: a vector of AVX-512.
const LANES: usize = 16;

/// Columns of a head whose sums over all rows are kept in registers at a time.
const COLUMNS: usize = 64;

/// The inner product of two rows of some tens of numbers.
#[inline(always)]
fn short_dot<I: Instructions, R: Real>(a: &[R], b: &[R]) -> R {
    let mut lanes = [R::ZERO; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] = I::multiply_add(a[lane], b[lane], lanes[lane]);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane = I::multiply_add(*a, *b, *lane);
    }
    add_lanes(lanes)
}

/// Softmax of whole vectors, those beyond the last row being negative infinity.
#[inline(always)]
fn short_softmax<I: Instructions, R: Real>(scores: &mut [[R; LANES]]) {
    let mut largest = [R::NEG_INFINITY; LANES];
    for scores in scores.iter() {
        for lane in 0..LANES {
            largest[lane] = if scores[lane] > largest[lane] { scores[lane] } else { largest[lane] };
        }
    }
    let largest = largest.into_iter().fold(R::NEG_INFINITY, |a, b| if b > a { b } else { a });
    let mut sums = [R::ZERO; LANES];
    for scores in scores.iter_mut() {
        for lane in 0..LANES {
            scores[lane] = (scores[lane] - largest).exp::<I>();
            sums[lane] += scores[lane];
        }
    }
    let reciprocal = R::ONE / add_lanes(sums);
    for score in scores.as_flattened_mut() {
        *score *= reciprocal;
    }
}

/// `y [N] = sum of weights[i] * values[rows[i]]`, from a column of the values on.
#[inline(always)]
fn weighted_rows<I: Instructions, R: Real, const N: usize>(
    y: &mut [R],
    weights: &[R],
    values: &[R],
    rows: &[u32],
    (width, column): (usize, usize),
) {
    let mut sums = [R::ZERO; N];
    for (weight, row) in weights.iter().zip(rows) {
        let start = *row as usize * width + column;
        let values: &[R; N] = values[start..].first_chunk().expect("a head's columns");
        for lane in 0..N {
            sums[lane] = I::multiply_add(*weight, values[lane], sums[lane]);
        }
    }
    y.copy_from_slice(&sums);
}

multiversion! {
    /// `weights [heads, vectors of rows]` is scratch space.
    fn recall_row<R: Real>(
        y: &mut [R],
        query: &[R],
        memory: &Recall<'_, R>,
        weights: &mut [[R; LANES]],
    ) {
        let Recall { keys, values, rows, heads } = *memory;
        if rows.is_empty() {
            y.fill(R::ZERO);
            return;
        }
        let width = query.len();
        let size = width / heads;
        let vectors = rows.len().div_ceil(LANES);
        let scale = R::from_f64(1.0 / (size as f64).sqrt());
        let heads = weights.chunks_exact_mut(vectors).zip(y.chunks_exact_mut(size)).enumerate();
        for (head, (weights, y)) in heads {
            let first = head * size;
            let query = &query[first..][..size];
            weights[vectors - 1] = [R::NEG_INFINITY; LANES];
            for (weight, row) in weights.as_flattened_mut().iter_mut().zip(rows) {
                let key = &keys[*row as usize * width + first..][..size];
                *weight = short_dot::<I, R>(query, key) * scale;
            }
            short_softmax::<I, R>(weights);
            let weights = &weights.as_flattened()[..rows.len()];
            let mut column = 0;
            while column + COLUMNS <= size {
                let place = (width, first + column);
                let y = &mut y[column..column + COLUMNS];
                weighted_rows::<I, R, COLUMNS>(y, weights, values, rows, place);
                column += COLUMNS;
            }
            while column + LANES <= size {
                let place = (width, first + column);
                let y = &mut y[column..column + LANES];
                weighted_rows::<I, R, LANES>(y, weights, values, rows, place);
                column += LANES;
            }
            while column < size {
                let y = &mut y[column..column + 1];
                weighted_rows::<I, R, 1>(y, weights, values, rows, (width, first + column));
                column += 1;
            }
        }
    }
}
