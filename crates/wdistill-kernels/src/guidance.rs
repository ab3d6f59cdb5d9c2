//! How far an attention head is from word alignments that are known (Chen et al., AMTA 2016).

use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::row_dot;
use crate::likeness::{LikenessGradient, Rows};
use crate::parallel::count_rows;
use crate::{Real, exp_in_place};

/// A head of an attention over packed sentences.
#[derive(Clone, Copy, Debug)]
pub struct GuidedHead<'a> {
    /// Number of the head.
    pub head: usize,
    /// Heads, which divide the width.
    pub heads: usize,
    /// Sentence `b` owns the queries `query_offsets[b]..query_offsets[b + 1]`.
    pub query_offsets: &'a [usize],
    /// And these keys.
    pub key_offsets: &'a [usize],
}

impl GuidedHead<'_> {
    /// Length of the alignments: the sum of `n_q * n_k` over sentences, each laid out `[n_q, n_k]`.
    pub fn alignments(&self) -> usize {
        let spans = self.query_offsets.windows(2).zip(self.key_offsets.windows(2));
        spans.map(|(queries, keys)| (queries[1] - queries[0]) * (keys[1] - keys[0])).sum()
    }
}

/// `- sum over t, s of a_ts log p_ts` with `p_t = softmax_s(q_t · k_s / sqrt(d))`, where `d` is the size of a head and `a_ts`
/// how much of the target word `t` comes from the source word `s`. A row of zeros counts nothing. The slopes of `scale` times
/// the sum overwrite the gradients of `queries [rows, width]` and `keys [rows, width]`:
///
/// ```text
/// dz_ts = (sum_s' a_ts') p_ts - a_ts      dq_t = sum_s dz_ts k_s / sqrt(d)      dk_s = sum_t dz_ts q_t / sqrt(d)
/// ```
///
/// # Panics
/// If lengths do not fit, or the heads do not divide the width.
pub fn guidance_loss<R: Real>(
    queries: Rows<'_, R>,
    keys: Rows<'_, R>,
    alignments: &[R],
    shape: GuidedHead<'_>,
    [of_queries, of_keys]: [LikenessGradient<'_, R>; 2],
) -> f64 {
    let width = queries.width;
    assert_eq!(width, keys.width, "guidance: widths");
    assert!(shape.heads > 0 && width.is_multiple_of(shape.heads), "guidance: heads");
    assert_eq!(alignments.len(), shape.alignments(), "guidance: length of the alignments");
    for (rows, gradient, offsets) in
        [(queries, &of_queries, shape.query_offsets), (keys, &of_keys, shape.key_offsets)]
    {
        let count = count_rows("guidance", rows.values.len(), width);
        assert_eq!(Some(&count), offsets.last(), "guidance: rows");
        assert_eq!(gradient.gradient.len(), rows.values.len(), "guidance: gradient");
    }
    let size = width / shape.heads;
    let part = Part { width, first: shape.head * size, size };
    let root = 1.0 / (size as f64).sqrt();
    of_queries.gradient.fill(R::ZERO);
    of_keys.gradient.fill(R::ZERO);
    let (mut sum, mut rest) = (0.0, alignments);
    for (q, k) in shape.query_offsets.windows(2).zip(shape.key_offsets.windows(2)) {
        let (q, k) = (q[0] * width..q[1] * width, k[0] * width..k[1] * width);
        let (own, behind) = rest.split_at(q.len() / width * (k.len() / width));
        rest = behind;
        if own.is_empty() {
            continue;
        }
        let [queries, keys] = [&queries.values[q.clone()], &keys.values[k.clone()]];
        let mut slopes = vec![R::ZERO; own.len()];
        scores(&mut slopes, queries, keys, part, R::from_f64(root));
        sum += loss_and_slopes(&mut slopes, own, k.len() / width);
        let factor = |gradient: &LikenessGradient<'_, R>| R::from_f64(gradient.scale * root);
        let (for_queries, for_keys) = (factor(&of_queries), factor(&of_keys));
        add_slopes(&mut of_queries.gradient[q], keys, &slopes, part, for_queries);
        let slopes = transposed(&slopes, k.len() / width);
        add_slopes(&mut of_keys.gradient[k], queries, &slopes, part, for_keys);
    }
    sum
}

/// Columns `first..first + size` of rows of a width.
#[derive(Clone, Copy)]
struct Part {
    width: usize,
    first: usize,
    size: usize,
}

/// The loss of rows of scores, which become its slopes.
fn loss_and_slopes<R: Real>(scores: &mut [R], alignments: &[R], keys: usize) -> f64 {
    let mut sum = 0.0;
    let mut powers = vec![R::ZERO; keys];
    for (row, aligned) in scores.chunks_exact_mut(keys).zip(alignments.chunks_exact(keys)) {
        let mass: f64 = aligned.iter().map(|part| part.to_f64()).sum();
        let largest = row.iter().map(|score| score.to_f64()).fold(f64::NEG_INFINITY, f64::max);
        for (power, score) in powers.iter_mut().zip(&*row) {
            *power = *score - R::from_f64(largest);
        }
        exp_in_place(&mut powers);
        let total: f64 = powers.iter().map(|power| power.to_f64()).sum();
        let log_total = largest + total.ln();
        for ((score, power), part) in row.iter_mut().zip(&powers).zip(aligned) {
            let part = part.to_f64();
            if part > 0.0 {
                sum -= part * (score.to_f64() - log_total);
            }
            *score = R::from_f64(mass * power.to_f64() / total - part);
        }
    }
    sum
}

fn transposed<R: Real>(matrix: &[R], columns: usize) -> Vec<R> {
    let column = |index: usize| matrix[index..].iter().step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

#[inline(always)]
fn scores_body<I: Instructions, R: Real>(
    scores: &mut [R],
    queries: &[R],
    keys: &[R],
    Part { width, first, size }: Part,
    factor: R,
) {
    let rows = scores.chunks_exact_mut(keys.len() / width).zip(queries.chunks_exact(width));
    for (scores, query) in rows {
        let query = &query[first..first + size];
        for (score, key) in scores.iter_mut().zip(keys.chunks_exact(width)) {
            *score = factor * row_dot::<I, R>(query, &key[first..first + size]);
        }
    }
}

#[inline(always)]
fn add_slopes_body<I: Instructions, R: Real>(
    gradient: &mut [R],
    others: &[R],
    slopes: &[R],
    Part { width, first, size }: Part,
    factor: R,
) {
    let rows = gradient.chunks_exact_mut(width).zip(slopes.chunks_exact(others.len() / width));
    for (gradient, slopes) in rows {
        let gradient = &mut gradient[first..first + size];
        for (slope, other) in slopes.iter().zip(others.chunks_exact(width)) {
            let weight = factor * *slope;
            for (gradient, other) in gradient.iter_mut().zip(&other[first..first + size]) {
                *gradient = I::multiply_add(weight, *other, *gradient);
            }
        }
    }
}

multiversion! {
    /// `factor * q_t · k_s` of a part of the columns, `[queries, keys]`.
    fn scores<R: Real>(scores: &mut [R], queries: &[R], keys: &[R], part: Part, factor: R) = scores_body;

    /// `dx_i += factor * sum_j slopes_ij other_j` in a part of the columns.
    fn add_slopes<R: Real>(gradient: &mut [R], others: &[R], slopes: &[R], part: Part, factor: R) = add_slopes_body;
}
