//! Output projection and label-smoothed cross-entropy, fused so that only a block of logits lives
//! at a time.

use crate::dispatch::multiversion;
use crate::elementwise::{row_max, row_sum};
use crate::parallel::{count_rows, map};
use crate::{Accumulate, MatrixRef, Real, add_column_sums, add_row, product};

/// The output projection: `logits = x W^T + b`.
#[derive(Clone, Copy, Debug)]
pub struct Projection<'a, R> {
    /// `W [vocabulary, width]`, often the embedding table.
    pub table: &'a [R],
    /// `b [vocabulary]`, or none.
    pub bias: Option<&'a [R]>,
    /// Width of the hidden states.
    pub width: usize,
}

/// Sums over rows, all in natural logarithms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropySums {
    /// Sum of the label-smoothed losses.
    pub loss: f64,
    /// Sum of `-ln p(target)`.
    pub negative_log_likelihood: f64,
    /// Rows whose most probable word (the first of equals) is the target.
    pub correct: usize,
}

/// Where [`smoothed_cross_entropy_with_gradients`] puts the gradients.
#[derive(Debug)]
pub struct CrossEntropyGradients<'a, R> {
    /// Gradient of `x [rows, width]`, overwritten.
    pub input: &'a mut [R],
    /// Gradient of `W [vocabulary, width]`, added to the buffer.
    pub table: Option<&'a mut [R]>,
    /// Gradient of `b [vocabulary]`, added to the buffer.
    pub bias: Option<&'a mut [R]>,
}

/// Logits in a block, at most, unless that is less than [`LEAST_ROWS`] rows.
const BLOCK_LOGITS: usize = 1 << 21;
const LEAST_ROWS: usize = 32;
const MOST_ROWS: usize = 512;

/// Label-smoothed cross-entropy of `x [rows, width]` against `targets [rows]`, without gradients.
///
/// With `V` words, `e = smoothing` and `e_i = e / (V - 1)`, the loss of a row is
/// `(1 - e - e_i) * -ln p(target) + e_i * sum_j -ln p(j)`, as in fairseq's
/// `label_smoothed_cross_entropy`. `scratch` holds the logits of a block of rows; keeping it between
/// calls saves the allocation.
pub fn smoothed_cross_entropy<R: Real>(
    scratch: &mut Vec<R>,
    x: &[R],
    targets: &[u32],
    projection: &Projection<'_, R>,
    smoothing: f64,
) -> CrossEntropySums {
    run(None, scratch, x, targets, projection, smoothing, None)
}

/// [`smoothed_cross_entropy`] and the gradients of `factor` times the sum of the losses.
pub fn smoothed_cross_entropy_with_gradients<R: Real>(
    gradients: CrossEntropyGradients<'_, R>,
    scratch: &mut Vec<R>,
    x: &[R],
    targets: &[u32],
    projection: &Projection<'_, R>,
    smoothing: f64,
    factor: f64,
) -> CrossEntropySums {
    run(Some(gradients), scratch, x, targets, projection, smoothing, Some(R::from_f64(factor)))
}

/// Shared smoothing constants of all rows.
#[derive(Clone, Copy)]
struct Smoothing {
    /// Weight of the target's loss, `1 - e - e_i`.
    target: f64,
    /// Weight of every word's loss, `e_i`.
    every: f64,
}

fn run<R: Real>(
    mut gradients: Option<CrossEntropyGradients<'_, R>>,
    scratch: &mut Vec<R>,
    x: &[R],
    targets: &[u32],
    projection: &Projection<'_, R>,
    smoothing: f64,
    factor: Option<R>,
) -> CrossEntropySums {
    let width = projection.width;
    let vocabulary = check(gradients.as_ref(), x, targets, projection, smoothing);
    let every = smoothing / (vocabulary - 1) as f64;
    let smoothing = Smoothing { target: 1.0 - smoothing - every, every };
    let block = (BLOCK_LOGITS / vocabulary).clamp(LEAST_ROWS, MOST_ROWS);
    let largest = block.min(targets.len()) * vocabulary;
    if scratch.len() < largest {
        scratch.resize(largest, R::ZERO);
    }
    let table = MatrixRef::new(projection.table, vocabulary, width);
    let mut sums = CrossEntropySums::default();
    for (index, targets) in targets.chunks(block).enumerate() {
        let rows = index * block..index * block + targets.len();
        let range = rows.start * width..rows.end * width;
        let x = MatrixRef::new(&x[range.clone()], targets.len(), width);
        let logits = &mut scratch[..targets.len() * vocabulary];
        product(logits, Accumulate::Overwrite, x, table.transposed());
        if let Some(bias) = projection.bias {
            add_row(logits, bias);
        }
        add_losses(&mut sums, logits, targets, vocabulary, smoothing, factor);
        if let Some(gradients) = &mut gradients {
            let dlogits = MatrixRef::new(logits, targets.len(), vocabulary);
            product(&mut gradients.input[range], Accumulate::Overwrite, dlogits, table);
            if let Some(dtable) = &mut gradients.table {
                product(dtable, Accumulate::Add, dlogits.transposed(), x);
            }
            if let Some(dbias) = &mut gradients.bias {
                add_column_sums(dbias, dlogits.data);
            }
        }
    }
    sums
}

/// Checks the shapes and returns the size of the vocabulary.
fn check<R: Real>(
    gradients: Option<&CrossEntropyGradients<'_, R>>,
    x: &[R],
    targets: &[u32],
    projection: &Projection<'_, R>,
    smoothing: f64,
) -> usize {
    let width = projection.width;
    assert!(width > 0, "cross-entropy: hidden states of width 0");
    assert!((0.0..1.0).contains(&smoothing), "label smoothing {smoothing} is not in [0, 1)");
    let vocabulary = count_rows("cross-entropy table", projection.table.len(), width);
    assert!(vocabulary > 1, "cross-entropy: a vocabulary of {vocabulary} words");
    assert_eq!(x.len(), targets.len() * width, "cross-entropy: length of x");
    if let Some(bias) = projection.bias {
        assert_eq!(bias.len(), vocabulary, "cross-entropy: length of the bias");
    }
    if let Some(target) = targets.iter().find(|target| **target as usize >= vocabulary) {
        panic!("cross-entropy: target {target} in a vocabulary of {vocabulary} words");
    }
    if let Some(gradients) = gradients {
        assert_eq!(gradients.input.len(), x.len(), "cross-entropy: length of dx");
    }
    vocabulary
}

/// Adds the losses of a block of rows and, given a factor, turns its logits into their gradients.
fn add_losses<R: Real>(
    sums: &mut CrossEntropySums,
    logits: &mut [R],
    targets: &[u32],
    vocabulary: usize,
    smoothing: Smoothing,
    factor: Option<R>,
) {
    let total = logits.len();
    let rows = logits.chunks_exact_mut(vocabulary).zip(targets);
    let losses =
        map(total, rows, |(logits, target)| row_loss(logits, *target as usize, smoothing, factor));
    for (loss, negative_log_likelihood, is_correct) in losses {
        sums.loss += loss;
        sums.negative_log_likelihood += negative_log_likelihood;
        sums.correct += usize::from(is_correct);
    }
}

multiversion! {
    /// Loss, negative log-likelihood and correctness of one row. Given a factor, the logits become
    /// their gradients, `factor * (p - e_i - (1 - e - e_i) [j = target])`.
    fn row_loss<R: Real>(
        logits: &mut [R],
        target: usize,
        smoothing: Smoothing,
        factor: Option<R>,
    ) -> (f64, f64, bool) {
        let largest = row_max(logits);
        let target_logit = logits[target];
        let is_correct =
            target_logit == largest && !logits[..target].contains(&largest);
        let logit_sum = row_sum(logits).to_f64();
        for logit in logits.iter_mut() {
            *logit = (*logit - largest).exp::<I>();
        }
        let sum = row_sum(logits);
        let log_sum = largest.to_f64() + sum.to_f64().ln();
        let negative_log_likelihood = log_sum - target_logit.to_f64();
        let every = logits.len() as f64 * log_sum - logit_sum;
        let loss = smoothing.target * negative_log_likelihood + smoothing.every * every;
        if let Some(factor) = factor {
            let share = factor / sum;
            let shift = -factor * R::from_f64(smoothing.every);
            for value in logits.iter_mut() {
                *value = I::multiply_add(*value, share, shift);
            }
            logits[target] -= factor * R::from_f64(smoothing.target);
        }
        (loss, negative_log_likelihood, is_correct)
    }
}
