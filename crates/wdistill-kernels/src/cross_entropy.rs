//! Output projection and cross-entropy against right words and a teacher's distribution, fused so that
//! only a block of logits lives at a time.

use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::{row_dot, row_max, row_sum};
use crate::layers;
use crate::parallel::{count_rows, map, optional_chunks};
use crate::{Accumulate, MatrixRef, Real, add_column_sums, add_row, product_in};

/// An output projection over slices.
pub type Projection<'a, R> = layers::Projection<&'a [R]>;

/// What is right, with a teacher over slices.
pub type LossTargets<'a, R> = layers::LossTargets<'a, &'a [R], &'a [R]>;

/// A teacher's distribution over slices.
pub type TeacherDistribution<'a, R> = layers::TeacherDistribution<&'a [R], &'a [R]>;

/// Sums over rows, all in natural logarithms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropySums {
    /// Sum of the losses: label-smoothed, and mixed with the teacher's cross-entropy if there is one.
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

/// Cross-entropy of `x [rows, width]` against its targets, without gradients.
///
/// With `V` words, `e = smoothing` and `e_i = e / (V - 1)`, the label-smoothed loss of a row is
/// `s = (1 - e - e_i) * -ln p(target) + e_i * sum_j -ln p(j)`, as in fairseq's
/// `label_smoothed_cross_entropy`. With a teacher's distribution `q` of weight `w` the loss is
/// `(1 - w) s + w sum_j q(j) * -ln p(j)`. `scratch` holds the logits of a block of rows; keeping it
/// between calls saves the allocation.
pub fn smoothed_cross_entropy<R: Real>(
    scratch: &mut Vec<R>,
    x: &[R],
    targets: &LossTargets<'_, R>,
    projection: &Projection<'_, R>,
) -> CrossEntropySums {
    run(None, scratch, x, targets, projection, None)
}

/// [`smoothed_cross_entropy`] and the gradients of `factor` times the sum of the losses; the teacher is
/// frozen.
pub fn smoothed_cross_entropy_with_gradients<R: Real>(
    gradients: CrossEntropyGradients<'_, R>,
    scratch: &mut Vec<R>,
    x: &[R],
    targets: &LossTargets<'_, R>,
    projection: &Projection<'_, R>,
    factor: f64,
) -> CrossEntropySums {
    run(Some(gradients), scratch, x, targets, projection, Some(R::from_f64(factor)))
}

/// Weights of the parts of every row's loss.
#[derive(Clone, Copy)]
struct Weights {
    /// Of the target's `-ln p`: `(1 - w)(1 - e - e_i)`.
    target: f64,
    /// Of every word's: `(1 - w) e_i`.
    every: f64,
    /// Of the teacher's cross-entropy: `w`.
    teacher: f64,
}

impl<R: Real> Projection<'_, R> {
    /// `logits = x W^T + b`.
    fn logits(&self, logits: &mut [R], x: MatrixRef<'_, R>) {
        let table = MatrixRef::new(self.table, self.table.len() / self.width, self.width);
        product_in(self.precision, logits, Accumulate::Overwrite, x, table.transposed());
        if let Some(bias) = self.bias {
            add_row(logits, bias);
        }
    }
}

fn run<R: Real>(
    mut gradients: Option<CrossEntropyGradients<'_, R>>,
    scratch: &mut Vec<R>,
    x: &[R],
    targets: &LossTargets<'_, R>,
    projection: &Projection<'_, R>,
    factor: Option<R>,
) -> CrossEntropySums {
    let width = projection.width;
    let vocabulary = check(gradients.as_ref(), x, targets, projection);
    let every = targets.smoothing / (vocabulary - 1) as f64;
    let teacher = targets.teacher.map_or(0.0, |teacher| teacher.weight);
    let weights = Weights {
        target: (1.0 - teacher) * (1.0 - targets.smoothing - every),
        every: (1.0 - teacher) * every,
        teacher,
    };
    let block = (BLOCK_LOGITS / vocabulary).clamp(LEAST_ROWS, MOST_ROWS);
    let largest = block.min(targets.words.len()) * vocabulary;
    let needed = if targets.teacher.is_some() { 2 * largest } else { largest };
    if scratch.len() < needed {
        scratch.resize(needed, R::ZERO);
    }
    let (logits, teacher_logits) = scratch.split_at_mut(largest);
    let table = MatrixRef::new(projection.table, vocabulary, width);
    let mut sums = CrossEntropySums::default();
    for (index, words) in targets.words.chunks(block).enumerate() {
        let rows = index * block..index * block + words.len();
        let range = rows.start * width..rows.end * width;
        let x = MatrixRef::new(&x[range.clone()], words.len(), width);
        let logits = &mut logits[..words.len() * vocabulary];
        projection.logits(logits, x);
        let teacher_logits = targets.teacher.map(|teacher| {
            let width = teacher.projection.width;
            let states = &teacher.states[rows.start * width..rows.end * width];
            let teacher_logits = &mut teacher_logits[..words.len() * vocabulary];
            teacher.projection.logits(teacher_logits, MatrixRef::new(states, words.len(), width));
            teacher_logits
        });
        add_losses(&mut sums, logits, teacher_logits, words, vocabulary, weights, factor);
        if let Some(gradients) = &mut gradients {
            let dlogits = MatrixRef::new(logits, words.len(), vocabulary);
            let (precision, dx) = (projection.precision, &mut gradients.input[range]);
            product_in(precision, dx, Accumulate::Overwrite, dlogits, table);
            if let Some(dtable) = &mut gradients.table {
                product_in(precision, dtable, Accumulate::Add, dlogits.transposed(), x);
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
    targets: &LossTargets<'_, R>,
    projection: &Projection<'_, R>,
) -> usize {
    let LossTargets { words, smoothing, teacher } = targets;
    assert!((0.0..1.0).contains(smoothing), "label smoothing {smoothing} is not in [0, 1)");
    let vocabulary = projection.check(x, words.len());
    if let Some(TeacherDistribution { states, projection, weight }) = teacher {
        assert!((0.0..=1.0).contains(weight), "weight {weight} of the teacher is not in [0, 1]");
        let found = projection.check(states, words.len());
        assert_eq!(found, vocabulary, "cross-entropy: the teacher's vocabulary");
    }
    if let Some(target) = words.iter().find(|target| **target as usize >= vocabulary) {
        panic!("cross-entropy: target {target} in a vocabulary of {vocabulary} words");
    }
    if let Some(gradients) = gradients {
        assert_eq!(gradients.input.len(), x.len(), "cross-entropy: length of dx");
    }
    vocabulary
}

impl<R: Real> Projection<'_, R> {
    /// Checks the shapes against `rows` rows and returns the size of the vocabulary.
    fn check(&self, x: &[R], rows: usize) -> usize {
        assert!(self.width > 0, "cross-entropy: hidden states of width 0");
        let vocabulary = count_rows("cross-entropy table", self.table.len(), self.width);
        assert!(vocabulary > 1, "cross-entropy: a vocabulary of {vocabulary} words");
        assert_eq!(x.len(), rows * self.width, "cross-entropy: length of x");
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), vocabulary, "cross-entropy: length of the bias");
        }
        vocabulary
    }
}

/// Adds the losses of a block of rows and, given a factor, turns its logits into their gradients. The
/// teacher's logits become its probabilities.
fn add_losses<R: Real>(
    sums: &mut CrossEntropySums,
    logits: &mut [R],
    teacher_logits: Option<&mut [R]>,
    words: &[u32],
    vocabulary: usize,
    weights: Weights,
    factor: Option<R>,
) {
    let total = logits.len();
    let teacher_rows = optional_chunks(teacher_logits, vocabulary);
    let rows = logits.chunks_exact_mut(vocabulary).zip(teacher_rows).zip(words);
    let losses = map(total, rows, |((logits, teacher), word)| {
        row_loss(logits, teacher, *word as usize, weights, factor)
    });
    for (loss, negative_log_likelihood, is_correct) in losses {
        sums.loss += loss;
        sums.negative_log_likelihood += negative_log_likelihood;
        sums.correct += usize::from(is_correct);
    }
}

multiversion! {
    /// Loss, negative log-likelihood and correctness of one row. Given a factor, the logits become
    /// their gradients: with `w` the weights,
    /// `factor * ((w_target + V w_every + w_teacher) p - w_every - w_target [j = target] - w_teacher q)`,
    /// where the first bracket is 1.
    fn row_loss<R: Real>(
        logits: &mut [R],
        teacher: Option<&mut [R]>,
        target: usize,
        weights: Weights,
        factor: Option<R>,
    ) -> (f64, f64, bool) = row_loss_body;
}

#[inline(always)]
fn row_loss_body<I: Instructions, R: Real>(
    logits: &mut [R],
    teacher: Option<&mut [R]>,
    target: usize,
    weights: Weights,
    factor: Option<R>,
) -> (f64, f64, bool) {
    let largest = row_max(logits);
    let target_logit = logits[target];
    let is_correct = target_logit == largest && !logits[..target].contains(&largest);
    let logit_sum = row_sum(logits).to_f64();
    let mut expected_logit = 0.0;
    let mut teacher = teacher;
    if let Some(teacher) = &mut teacher {
        crate::decode::softmax_row::<I, R>(teacher);
        expected_logit = row_dot::<I, R>(teacher, logits).to_f64();
    }
    for logit in logits.iter_mut() {
        *logit = (*logit - largest).exp::<I>();
    }
    let sum = row_sum(logits);
    let log_sum = largest.to_f64() + sum.to_f64().ln();
    let negative_log_likelihood = log_sum - target_logit.to_f64();
    let every = logits.len() as f64 * log_sum - logit_sum;
    let mut loss = weights.target * negative_log_likelihood + weights.every * every;
    if teacher.is_some() {
        loss += weights.teacher * (log_sum - expected_logit);
    }
    if let Some(factor) = factor {
        let share = factor / sum;
        let shift = -factor * R::from_f64(weights.every);
        for value in logits.iter_mut() {
            *value = I::multiply_add(*value, share, shift);
        }
        logits[target] -= factor * R::from_f64(weights.target);
        if let Some(teacher) = teacher {
            let pull = -factor * R::from_f64(weights.teacher);
            for (value, probability) in logits.iter_mut().zip(teacher.iter()) {
                *value = I::multiply_add(pull, *probability, *value);
            }
        }
    }
    (loss, negative_log_likelihood, is_correct)
}
