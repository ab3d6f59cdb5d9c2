//! Multi-head scaled dot-product attention over packed sentences.

use crate::dispatch::{Instructions, multiversion};
use crate::dropout::DropoutMask;
use crate::elementwise::{row_dot, row_max, row_sum};
use crate::parallel::for_each;
use crate::{Dropout, Mask, Real};

/// Sizes and settings of an attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape<'a> {
    /// Width of queries, keys, values and output, all heads together.
    pub width: usize,
    /// Heads; they divide the width, and head `h` owns columns `h * width / heads ..`.
    pub heads: usize,
    /// Sentence `b` owns query rows `query_offsets[b]..query_offsets[b + 1]`.
    pub query_offsets: &'a [usize],
    /// Sentence `b` owns key and value rows `key_offsets[b]..key_offsets[b + 1]`.
    pub key_offsets: &'a [usize],
    /// Which keys a query sees.
    pub mask: Mask,
    /// Applied to the probabilities.
    pub dropout: Dropout,
}

/// The sizes of one sentence.
#[derive(Clone, Copy)]
struct Sentence {
    first_query: usize,
    queries: usize,
    first_key: usize,
    keys: usize,
}

impl AttentionShape<'_> {
    /// Length of the buffer of probabilities: the sum of `heads * n_q * n_k` over sentences, each
    /// laid out `[heads, n_q, n_k]`.
    pub fn probabilities(&self) -> usize {
        self.sentences().map(|sentence| self.heads * sentence.queries * sentence.keys).sum()
    }

    fn sentences(&self) -> impl Iterator<Item = Sentence> {
        self.query_offsets.windows(2).zip(self.key_offsets.windows(2)).map(|(queries, keys)| {
            Sentence {
                first_query: queries[0],
                queries: queries[1] - queries[0],
                first_key: keys[0],
                keys: keys[1] - keys[0],
            }
        })
    }

    fn query_rows(&self) -> usize {
        self.query_offsets.last().copied().unwrap_or(0)
    }

    fn key_rows(&self) -> usize {
        self.key_offsets.last().copied().unwrap_or(0)
    }

    fn check<R>(&self, inputs: &AttentionInputs<'_, R>) {
        let (width, heads) = (self.width, self.heads);
        assert!(
            heads > 0 && width.is_multiple_of(heads),
            "attention: {heads} heads of width {width}"
        );
        for (name, offsets) in [("query", self.query_offsets), ("key", self.key_offsets)] {
            assert!(offsets.is_sorted(), "attention: {name} offsets decrease");
            assert_eq!(offsets.first().copied().unwrap_or(0), 0, "attention: first {name} offset");
        }
        let (query, key) = (self.query_offsets.len(), self.key_offsets.len());
        assert_eq!(query, key, "attention: numbers of query and key offsets");
        let (queries, keys) = (self.query_rows() * width, self.key_rows() * width);
        assert_eq!(inputs.queries.len(), queries, "attention: length of the queries");
        assert_eq!(inputs.keys.len(), keys, "attention: length of the keys");
        assert_eq!(inputs.values.len(), keys, "attention: length of the values");
        if self.mask == Mask::Causal {
            for (index, sentence) in self.sentences().enumerate() {
                let (queries, keys) = (sentence.queries, sentence.keys);
                assert!(
                    keys >= queries,
                    "causal attention: sentence {index} has {queries} queries, {keys} keys"
                );
            }
        }
    }

    /// Roughly the work, for deciding whether threads are worth it.
    fn work(&self) -> usize {
        self.probabilities() + (self.query_rows() + self.key_rows()) * self.width
    }
}

/// The inputs of an attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionInputs<'a, R> {
    /// `[query rows, width]`.
    pub queries: &'a [R],
    /// `[key rows, width]`.
    pub keys: &'a [R],
    /// `[key rows, width]`.
    pub values: &'a [R],
}

/// Where [`attention_backward`] puts the gradients; all are overwritten.
#[derive(Debug)]
pub struct AttentionGradients<'a, R> {
    /// `[query rows, width]`.
    pub queries: &'a mut [R],
    /// `[key rows, width]`.
    pub keys: &'a mut [R],
    /// `[key rows, width]`.
    pub values: &'a mut [R],
}

/// Cuts `values` into consecutive parts of the given lengths.
fn split<R>(
    mut values: &mut [R],
    lengths: impl Iterator<Item = usize>,
) -> impl Iterator<Item = &mut [R]> {
    lengths.map(move |length| {
        let (part, rest) = std::mem::take(&mut values).split_at_mut(length);
        values = rest;
        part
    })
}

/// `y = dropout(softmax(Q K^T / sqrt(width / heads))) V` per head and sentence, `y [query rows, width]`.
///
/// Training passes `probabilities` of length [`AttentionShape::probabilities`], which receives the
/// softmax before dropout. A sentence without keys gives zeros.
pub fn attention_forward<R: Real>(
    y: &mut [R],
    probabilities: Option<&mut [R]>,
    inputs: &AttentionInputs<'_, R>,
    shape: &AttentionShape<'_>,
) {
    shape.check(inputs);
    assert_eq!(y.len(), inputs.queries.len(), "attention: length of the output");
    let width = shape.width;
    let saves = probabilities.is_some();
    if let Some(probabilities) = &probabilities {
        assert_eq!(
            probabilities.len(),
            shape.probabilities(),
            "attention: length of the probabilities"
        );
    }
    let saved = split(
        probabilities.unwrap_or_default(),
        shape.sentences().map(|s| if saves { shape.heads * s.queries * s.keys } else { 0 }),
    );
    let outputs = split(y, shape.sentences().map(|sentence| sentence.queries * width));
    let mask = shape.dropout.mask::<R>();
    for_each(shape.work(), shape.sentences().zip(outputs).zip(saved), |((sentence, y), saved)| {
        forward_sentence(y, saves.then_some(saved), inputs, shape, sentence, mask);
    });
}

/// Gradients of [`attention_forward`] from `dy [query rows, width]` and the saved probabilities.
pub fn attention_backward<R: Real>(
    gradients: AttentionGradients<'_, R>,
    dy: &[R],
    probabilities: &[R],
    inputs: &AttentionInputs<'_, R>,
    shape: &AttentionShape<'_>,
) {
    shape.check(inputs);
    let width = shape.width;
    assert_eq!(dy.len(), inputs.queries.len(), "attention backward: length of dy");
    assert_eq!(gradients.queries.len(), dy.len(), "attention backward: length of dq");
    assert_eq!(gradients.keys.len(), inputs.keys.len(), "attention backward: length of dk");
    assert_eq!(gradients.values.len(), inputs.keys.len(), "attention backward: length of dv");
    assert_eq!(
        probabilities.len(),
        shape.probabilities(),
        "attention backward: length of the probabilities"
    );
    let starts = shape.sentences().scan(0, |start, sentence| {
        let first = *start;
        *start += shape.heads * sentence.queries * sentence.keys;
        Some(first..*start)
    });
    let key_lengths = || shape.sentences().map(|sentence| sentence.keys * width);
    let dqueries = split(gradients.queries, shape.sentences().map(|s| s.queries * width));
    let dkeys = split(gradients.keys, key_lengths());
    let dvalues = split(gradients.values, key_lengths());
    let outputs = dqueries.zip(dkeys).zip(dvalues);
    let mask = shape.dropout.mask::<R>();
    let jobs = shape.sentences().zip(starts).zip(outputs);
    for_each(2 * shape.work(), jobs, |((sentence, saved), ((dq, dk), dv))| {
        backward_sentence(dq, dk, dv, dy, &probabilities[saved], inputs, shape, sentence, mask);
    });
}

/// Packed rows are padded with zeros to a multiple of this many lanes.
const LANES: usize = 8;

/// Terms of a product's sums that are added in one pass over a row of the result.
const STEPS: usize = 4;

/// Copies the leading `head` columns of each row into `packed [rows, padded]`. The last row of
/// `source` may end after those columns.
#[inline(always)]
fn pack_rows<R: Real>(packed: &mut [R], padded: usize, source: &[R], width: usize, head: usize) {
    for (packed, source) in packed.chunks_exact_mut(padded).zip(source.chunks(width)) {
        packed[..head].copy_from_slice(&source[..head]);
    }
}

/// Copies the leading `head` columns of each row into `packed [head, padded rows]`. The last row of
/// `source` may end after those columns.
#[inline(always)]
fn pack_transposed<R: Real>(
    packed: &mut [R],
    padded: usize,
    source: &[R],
    width: usize,
    head: usize,
) {
    for (row, source) in source.chunks(width).enumerate() {
        for (column, value) in source[..head].iter().enumerate() {
            packed[column * padded + row] = *value;
        }
    }
}

/// Copies the leading `head` columns of `packed [rows, padded]` back to the rows of `target`.
#[inline(always)]
fn unpack<R: Real>(target: &mut [R], width: usize, head: usize, packed: &[R], padded: usize) {
    for (target, packed) in target.chunks_mut(width).zip(packed.chunks_exact(padded)) {
        target[..head].copy_from_slice(&packed[..head]);
    }
}

/// The left operand of [`small_product`].
#[derive(Clone, Copy)]
enum Left<'a, R> {
    /// Row-major with this distance between rows.
    Rows(&'a [R], usize),
    /// The transpose of such a matrix.
    Columns(&'a [R], usize),
}

impl<R: Real> Left<'_, R> {
    /// The element in `row` and `column` of the operand.
    #[inline(always)]
    fn element(self, row: usize, column: usize) -> R {
        match self {
            Left::Rows(data, distance) => data[row * distance + column],
            Left::Columns(data, distance) => data[column * distance + row],
        }
    }
}

/// `c = a b` for small matrices: `c [m, stride]`, `b [k, stride]`, the stride a multiple of the lanes.
///
/// The innermost loops run along the stride with a length known only at run time, which the compiler
/// vectorises reliably; tiles of fixed size it takes apart into scalars.
#[inline(always)]
fn small_product<I: Instructions, R: Real>(
    c: &mut [R],
    stride: usize,
    a: Left<'_, R>,
    b: &[R],
    m: usize,
    k: usize,
) {
    for (row, c) in c.chunks_exact_mut(stride).take(m).enumerate() {
        c.fill(R::ZERO);
        let mut step = 0;
        while step + STEPS <= k {
            let [a0, a1, a2, a3] = [
                a.element(row, step),
                a.element(row, step + 1),
                a.element(row, step + 2),
                a.element(row, step + 3),
            ];
            let b = &b[step * stride..(step + STEPS) * stride];
            let (b0, b) = b.split_at(stride);
            let (b1, b) = b.split_at(stride);
            let (b2, b3) = b.split_at(stride);
            let (c, b0, b1) = (&mut c[..stride], &b0[..stride], &b1[..stride]);
            let (b2, b3) = (&b2[..stride], &b3[..stride]);
            for lane in 0..stride {
                let sum = I::multiply_add(a0, b0[lane], c[lane]);
                let sum = I::multiply_add(a1, b1[lane], sum);
                let sum = I::multiply_add(a2, b2[lane], sum);
                c[lane] = I::multiply_add(a3, b3[lane], sum);
            }
            step += STEPS;
        }
        while step < k {
            let factor = a.element(row, step);
            for (c, b) in c.iter_mut().zip(&b[step * stride..][..stride]) {
                *c = I::multiply_add(factor, *b, *c);
            }
            step += 1;
        }
    }
}

/// Softmax of the first `visible` scores times `scale`, in place; the rest becomes zero.
#[inline(always)]
fn softmax_row<I: Instructions, R: Real>(scores: &mut [R], visible: usize, scale: R) {
    let (scores, hidden) = scores.split_at_mut(visible);
    hidden.fill(R::ZERO);
    let largest = row_max(scores);
    for score in scores.iter_mut() {
        *score = ((*score - largest) * scale).exp::<I>();
    }
    let reciprocal = R::ONE / row_sum(scores);
    for score in scores {
        *score *= reciprocal;
    }
}

/// The mask's row of a query and head.
#[inline(always)]
fn mask_index(shape: &AttentionShape<'_>, sentence: Sentence, query: usize, head: usize) -> usize {
    (sentence.first_query + query) * shape.heads + head
}

multiversion! {
    fn forward_sentence<R: Real>(
        y: &mut [R],
        saved: Option<&mut [R]>,
        inputs: &AttentionInputs<'_, R>,
        shape: &AttentionShape<'_>,
        sentence: Sentence,
        mask: Option<DropoutMask<R>>,
    ) = forward_sentence_body;

    fn backward_sentence<R: Real>(
        dqueries: &mut [R],
        dkeys: &mut [R],
        dvalues: &mut [R],
        dy: &[R],
        saved: &[R],
        inputs: &AttentionInputs<'_, R>,
        shape: &AttentionShape<'_>,
        sentence: Sentence,
        mask: Option<DropoutMask<R>>,
    ) = backward_sentence_body;
}

#[inline(always)]
fn forward_sentence_body<I: Instructions, R: Real>(
    y: &mut [R],
    saved: Option<&mut [R]>,
    inputs: &AttentionInputs<'_, R>,
    shape: &AttentionShape<'_>,
    sentence: Sentence,
    mask: Option<DropoutMask<R>>,
) {
    let Sentence { first_query, queries, first_key, keys } = sentence;
    if queries == 0 || keys == 0 {
        y.fill(R::ZERO);
        return;
    }
    let width = shape.width;
    let head_width = width / shape.heads;
    let (padded_head, padded_keys) =
        (head_width.next_multiple_of(LANES), keys.next_multiple_of(LANES));
    let scale = R::from_f64(1.0 / (head_width as f64).sqrt());
    let mut keys_transposed = vec![R::ZERO; head_width * padded_keys];
    let mut values = vec![R::ZERO; keys * padded_head];
    let mut scores = vec![R::ZERO; queries * padded_keys];
    let mut output = vec![R::ZERO; queries * padded_head];
    let mut saved = saved;
    for head in 0..shape.heads {
        let first = head * head_width;
        let query_rows =
            &inputs.queries[first_query * width + first..(first_query + queries) * width];
        let key_rows = &inputs.keys[first_key * width + first..(first_key + keys) * width];
        let value_rows = &inputs.values[first_key * width + first..(first_key + keys) * width];
        pack_transposed(&mut keys_transposed, padded_keys, key_rows, width, head_width);
        pack_rows(&mut values, padded_head, value_rows, width, head_width);
        let left = Left::Rows(query_rows, width);
        small_product::<I, R>(
            &mut scores,
            padded_keys,
            left,
            &keys_transposed,
            queries,
            head_width,
        );
        for (query, scores) in scores.chunks_exact_mut(padded_keys).enumerate() {
            let visible = match shape.mask {
                Mask::Full => keys,
                Mask::Causal => keys - queries + query + 1,
            };
            softmax_row::<I, R>(scores, visible, scale);
            if let Some(saved) = &mut saved {
                saved[(head * queries + query) * keys..][..keys].copy_from_slice(&scores[..keys]);
            }
            if let Some(mask) = mask {
                let mask = mask.row(mask_index(shape, sentence, query, head));
                crate::dropout::mask_row(scores, mask);
            }
        }
        let left = Left::Rows(&scores, padded_keys);
        small_product::<I, R>(&mut output, padded_head, left, &values, queries, keys);
        unpack(&mut y[first..], width, head_width, &output, padded_head);
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn backward_sentence_body<I: Instructions, R: Real>(
    dqueries: &mut [R],
    dkeys: &mut [R],
    dvalues: &mut [R],
    dy: &[R],
    saved: &[R],
    inputs: &AttentionInputs<'_, R>,
    shape: &AttentionShape<'_>,
    sentence: Sentence,
    mask: Option<DropoutMask<R>>,
) {
    let Sentence { first_query, queries, first_key, keys } = sentence;
    if queries == 0 || keys == 0 {
        dqueries.fill(R::ZERO);
        dkeys.fill(R::ZERO);
        dvalues.fill(R::ZERO);
        return;
    }
    let width = shape.width;
    let head_width = width / shape.heads;
    let (padded_head, padded_keys) =
        (head_width.next_multiple_of(LANES), keys.next_multiple_of(LANES));
    let scale = R::from_f64(1.0 / (head_width as f64).sqrt());
    let mut values_transposed = vec![R::ZERO; head_width * padded_keys];
    let mut packed_keys = vec![R::ZERO; keys * padded_head];
    let mut packed_queries = vec![R::ZERO; queries * padded_head];
    let mut packed_dy = vec![R::ZERO; queries * padded_head];
    let mut probabilities = vec![R::ZERO; queries * padded_keys];
    let mut dropped = vec![R::ZERO; queries * padded_keys];
    let mut dscores = vec![R::ZERO; queries * padded_keys];
    let mut query_result = vec![R::ZERO; queries * padded_head];
    let mut key_result = vec![R::ZERO; keys * padded_head];
    for head in 0..shape.heads {
        let first = head * head_width;
        let query_rows =
            &inputs.queries[first_query * width + first..(first_query + queries) * width];
        let key_rows = &inputs.keys[first_key * width + first..(first_key + keys) * width];
        let value_rows = &inputs.values[first_key * width + first..(first_key + keys) * width];
        let dy_rows = &dy[first_query * width + first..(first_query + queries) * width];
        let saved = &saved[head * queries * keys..][..queries * keys];
        pack_transposed(&mut values_transposed, padded_keys, value_rows, width, head_width);
        pack_rows(&mut packed_keys, padded_head, key_rows, width, head_width);
        pack_rows(&mut packed_queries, padded_head, query_rows, width, head_width);
        pack_rows(&mut packed_dy, padded_head, dy_rows, width, head_width);
        pack_rows(&mut probabilities, padded_keys, saved, keys, keys);

        let left = Left::Rows(&packed_dy, padded_head);
        small_product::<I, R>(
            &mut dscores,
            padded_keys,
            left,
            &values_transposed,
            queries,
            head_width,
        );
        dropped.copy_from_slice(&probabilities);
        for query in 0..queries {
            let row = query * padded_keys..(query + 1) * padded_keys;
            let (dscores, probabilities) = (&mut dscores[row.clone()], &probabilities[row.clone()]);
            if let Some(mask) = mask {
                let mask = mask.row(mask_index(shape, sentence, query, head));
                crate::dropout::mask_row(dscores, mask);
                crate::dropout::mask_row(&mut dropped[row], mask);
            }
            let mean = row_dot::<I, R>(dscores, probabilities);
            for (dscore, probability) in dscores.iter_mut().zip(probabilities) {
                *dscore = (*dscore - mean) * *probability * scale;
            }
        }

        let left = Left::Columns(&dropped, padded_keys);
        small_product::<I, R>(&mut key_result, padded_head, left, &packed_dy, keys, queries);
        unpack(&mut dvalues[first..], width, head_width, &key_result, padded_head);
        let left = Left::Rows(&dscores, padded_keys);
        small_product::<I, R>(&mut query_result, padded_head, left, &packed_keys, queries, keys);
        unpack(&mut dqueries[first..], width, head_width, &query_result, padded_head);
        let left = Left::Columns(&dscores, padded_keys);
        small_product::<I, R>(&mut key_result, padded_head, left, &packed_queries, keys, queries);
        unpack(&mut dkeys[first..], width, head_width, &key_result, padded_head);
    }
}
