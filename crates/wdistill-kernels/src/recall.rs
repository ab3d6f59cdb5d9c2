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

/// `y = softmax(q Kᵀ / sqrt(width / heads)) V` per head for one query `[width]` over some rows of `K` and
/// `V`. Without rows `y` is zero. `scratch` keeps its memory between calls.
pub fn recall<R: Real>(y: &mut [R], query: &[R], memory: &Recall<'_, R>, scratch: &mut Vec<R>) {
    let (width, heads, rows) = (query.len(), memory.heads, memory.rows.len());
    assert!(heads > 0 && width.is_multiple_of(heads), "recall: {heads} heads of width {width}");
    assert_eq!(y.len(), width, "recall: length of the output");
    assert_eq!(memory.keys.len(), memory.values.len(), "recall: lengths of keys and values");
    scratch.resize(heads * rows, R::ZERO);
    recall_row(y, query, memory, scratch);
}

/// Partial sums of a short inner product.
const LANES: usize = 16;

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

multiversion! {
    /// `weights [heads, rows]` is scratch space.
    fn recall_row<R: Real>(
        y: &mut [R],
        query: &[R],
        memory: &Recall<'_, R>,
        weights: &mut [R],
    ) {
        let Recall { keys, values, rows, heads } = *memory;
        let width = query.len();
        let size = width / heads;
        let scale = R::from_f64(1.0 / (size as f64).sqrt());
        y.fill(R::ZERO);
        if rows.is_empty() {
            return;
        }
        for (index, row) in rows.iter().enumerate() {
            let key = &keys[*row as usize * width..][..width];
            for (head, (query, key)) in query.chunks_exact(size).zip(key.chunks_exact(size)).enumerate() {
                weights[head * rows.len() + index] = short_dot::<I, R>(query, key) * scale;
            }
        }
        for weights in weights.chunks_exact_mut(rows.len()) {
            crate::decode::softmax_row::<I, R>(weights);
        }
        for (index, row) in rows.iter().enumerate() {
            let value = &values[*row as usize * width..][..width];
            for (head, (y, value)) in y.chunks_exact_mut(size).zip(value.chunks_exact(size)).enumerate() {
                let weight = weights[head * rows.len() + index];
                for (y, value) in y.iter_mut().zip(value) {
                    *y = I::multiply_add(weight, *value, *y);
                }
            }
        }
    }
}
