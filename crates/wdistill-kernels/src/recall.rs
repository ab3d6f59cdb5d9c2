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

impl<R: Real> RecallScratch<R> {
    /// The probabilities of the last call of [`recall`]: for each head those of the `rows` rows that its query saw.
    pub fn probabilities(&self, rows: usize) -> impl Iterator<Item = &[R]> {
        let stride = rows.div_ceil(LANES).max(1) * LANES;
        self.0.as_flattened().chunks_exact(stride).map(move |head| &head[..rows])
    }
}

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

/// What heads that are no multiple of [`LANES`] often are one of.
const HALF: usize = LANES / 2;

/// Whether halves are worked on by themselves. The bits are the same; WebAssembly gains much where heads have 24 numbers,
/// and other processors lose some where they have whole vectors.
const HALVES: bool = cfg!(target_arch = "wasm32");

/// Rows of values that are added at a time.
const ROWS: usize = 4;

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
    if HALVES {
        let ((a, a_rest), (b, b_rest)) = (a_rest.as_chunks::<HALF>(), b_rest.as_chunks::<HALF>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..HALF {
                lanes[lane] = I::multiply_add(a[lane], b[lane], lanes[lane]);
            }
        }
        if a_rest.is_empty() {
            return add_lanes(lanes);
        }
        // A copy, so that without a rest all lanes can stay in registers.
        let mut with_rest = lanes;
        let first = a.len() * HALF;
        for ((lane, a), b) in with_rest[first..].iter_mut().zip(a_rest).zip(b_rest) {
            *lane = I::multiply_add(*a, *b, *lane);
        }
        return add_lanes(with_rest);
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

/// `y += sum of weights[i] * values[i]` over some rows of a head's columns, in their order.
#[inline(always)]
fn add_weighted<I: Instructions, R: Real, const N: usize>(
    y: &mut [R],
    weights: [R; N],
    values: [&[R]; N],
) {
    let (y, y_rest) = y.as_chunks_mut::<LANES>();
    let values = values.map(|values| values.as_chunks::<LANES>());
    for (vector, y) in y.iter_mut().enumerate() {
        let mut sums = *y;
        for (weight, (values, _)) in weights.iter().zip(&values) {
            for lane in 0..LANES {
                sums[lane] = I::multiply_add(*weight, values[vector][lane], sums[lane]);
            }
        }
        *y = sums;
    }
    if HALVES {
        let rests = values.map(|(_, rest)| rest.as_chunks::<HALF>());
        let (half, y_rest) = y_rest.as_chunks_mut::<HALF>();
        for (vector, y) in half.iter_mut().enumerate() {
            let mut sums = *y;
            for (weight, (values, _)) in weights.iter().zip(&rests) {
                for lane in 0..HALF {
                    sums[lane] = I::multiply_add(*weight, values[vector][lane], sums[lane]);
                }
            }
            *y = sums;
        }
        for (weight, (_, values)) in weights.iter().zip(&rests) {
            for (y, value) in y_rest.iter_mut().zip(*values) {
                *y = I::multiply_add(*weight, *value, *y);
            }
        }
        return;
    }
    for (weight, (_, values)) in weights.iter().zip(&values) {
        for (y, value) in y_rest.iter_mut().zip(*values) {
            *y = I::multiply_add(*weight, *value, *y);
        }
    }
}

multiversion! {
    /// `weights [heads, vectors of rows]` is scratch space.
    fn recall_row<R: Real>(
        y: &mut [R],
        query: &[R],
        memory: &Recall<'_, R>,
        weights: &mut [[R; LANES]],
    ) = recall_row_body;
}

#[inline(always)]
fn recall_row_body<I: Instructions, R: Real>(
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
    for weights in weights.chunks_exact_mut(vectors) {
        weights[vectors - 1] = [R::NEG_INFINITY; LANES];
    }
    let stride = vectors * LANES;
    for (index, row) in rows.iter().enumerate() {
        let key = &keys[*row as usize * width..][..width];
        let weights = weights.as_flattened_mut()[index..].iter_mut().step_by(stride);
        let heads = query.chunks_exact(size).zip(key.chunks_exact(size));
        for (weight, (query, key)) in weights.zip(heads) {
            *weight = short_dot::<I, R>(query, key) * scale;
        }
    }
    for weights in weights.chunks_exact_mut(vectors) {
        short_softmax::<I, R>(weights);
    }
    let weights = weights.as_flattened();
    y.fill(R::ZERO);
    let (groups, rest) = rows.as_chunks::<ROWS>();
    let mut index = 0;
    for group in groups {
        let values = group.map(|row| &values[row as usize * width..][..width]);
        for (head, y) in y.chunks_exact_mut(size).enumerate() {
            let own = weights[head * stride + index..].first_chunk::<ROWS>();
            let own = *own.expect("weights of a group of rows");
            let values = values.map(|values| &values[head * size..][..size]);
            add_weighted::<I, R, ROWS>(y, own, values);
        }
        index += ROWS;
    }
    for row in rest {
        let values = &values[*row as usize * width..][..width];
        for (head, y) in y.chunks_exact_mut(size).enumerate() {
            let own = weights[head * stride + index];
            add_weighted::<I, R, 1>(y, [own], [&values[head * size..][..size]]);
        }
        index += 1;
    }
}
