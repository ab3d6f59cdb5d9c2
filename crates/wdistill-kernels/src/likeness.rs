//! How far a student's activations are from its teacher's: the states themselves, or how the tokens of a sentence relate.

use std::ops::Range;

use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::{row_dot, row_max, row_sum};
use crate::parallel::count_rows;
use crate::{Real, exp_in_place};

/// Activations, `[rows, width]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, R> {
    /// Row by row.
    pub values: &'a [R],
    /// Numbers of a row.
    pub width: usize,
}

/// What a likeness gives: its sum over rows, and, in `gradient [rows, student's width]`, which is overwritten, the slope of
/// `scale` times that sum.
#[derive(Debug)]
pub struct LikenessGradient<'a, R> {
    /// The slope at every number of the student's.
    pub gradient: &'a mut [R],
    /// Factor on it.
    pub scale: f64,
}

/// `sum over rows of |s - t|² / |t|²`, for states `s` and `t` of the same width: the part of a teacher's state that its
/// student misses. A row whose `t` is zero counts nothing.
///
/// # Panics
/// If lengths or widths differ.
pub fn state_distance<R: Real>(
    student: Rows<'_, R>,
    teacher: Rows<'_, R>,
    LikenessGradient { gradient, scale }: LikenessGradient<'_, R>,
) -> f64 {
    let width = student.width;
    assert_eq!(width, teacher.width, "state distance: widths");
    assert_eq!(student.values.len(), teacher.values.len(), "state distance: lengths");
    assert_eq!(gradient.len(), student.values.len(), "state distance: length of the gradient");
    count_rows("state distance", student.values.len(), width);
    let rows = student.values.chunks_exact(width).zip(teacher.values.chunks_exact(width));
    let distances = rows
        .zip(gradient.chunks_exact_mut(width))
        .map(|((s, t), gradient)| distance_row(gradient, s, t, scale));
    distances.sum()
}

/// Which rows belong together, and how their width is divided.
#[derive(Clone, Copy, Debug)]
pub struct RelationShape<'a> {
    /// Parts of a row, each with relations of its own; they divide both widths.
    pub heads: usize,
    /// Sentence `b` owns rows `offsets[b]..offsets[b + 1]`.
    pub offsets: &'a [usize],
}

/// `sum over rows i of mean over heads of KL(softmax_j(t_i · t_j / sqrt(d_t)) || softmax_j(s_i · s_j / sqrt(d_s)))`, where
/// `j` are the rows of the same sentence and `d` is a width over the number of heads: how differently the tokens of a
/// sentence relate in a student, which may have another width, and in its teacher (MiniLMv2; Wang et al., Findings of
/// ACL-IJCNLP 2021, section 3.1).
///
/// # Panics
/// If lengths do not fit, or the heads do not divide a width.
pub fn relation_divergence<R: Real>(
    student: Rows<'_, R>,
    teacher: Rows<'_, R>,
    shape: RelationShape<'_>,
    LikenessGradient { gradient, scale }: LikenessGradient<'_, R>,
) -> f64 {
    let RelationShape { heads, offsets } = shape;
    let rows = offsets.last().copied().unwrap_or(0);
    for Rows { values, width } in [student, teacher] {
        assert!(heads > 0 && width.is_multiple_of(heads), "relations: {heads} heads of {width}");
        assert_eq!(values.len(), rows * width, "relations: length of the activations");
    }
    assert_eq!(gradient.len(), student.values.len(), "relations: length of the gradient");
    gradient.fill(R::ZERO);
    let mut sum = 0.0;
    for span in offsets.windows(2) {
        for head in 0..heads {
            let part = |rows: Rows<'_, R>| Part {
                rows: span[0]..span[1],
                width: rows.width,
                first: head * rows.width / heads,
                size: rows.width / heads,
            };
            let [ours, theirs] = [part(student), part(teacher)];
            let [s, t] = [ours.log_relations(student.values), theirs.log_relations(teacher.values)];
            let (divergence, slopes) = divergence_and_slopes(&s, &t);
            sum += divergence;
            let factor = scale / heads as f64 / (ours.size as f64).sqrt();
            ours.add_slopes(gradient, student.values, &slopes, R::from_f64(factor));
        }
    }
    sum / heads as f64
}

/// A head of a sentence, in activations.
struct Part {
    rows: Range<usize>,
    width: usize,
    first: usize,
    size: usize,
}

impl Part {
    /// `log softmax_j(x_i · x_j / sqrt(size))`, `[rows, rows]`.
    fn log_relations<R: Real>(&self, values: &[R]) -> Vec<R> {
        let count = self.rows.len();
        let mut relations = vec![R::ZERO; count * count];
        if count == 0 {
            return relations;
        }
        let values = &values[self.rows.start * self.width..self.rows.end * self.width];
        let factor = R::from_f64(1.0 / (self.size as f64).sqrt());
        scores(&mut relations, values, self.width, self.first, self.size, factor);
        for row in relations.chunks_exact_mut(count) {
            let largest = row_max(row);
            row.iter_mut().for_each(|score| *score -= largest);
        }
        let mut powers = relations.clone();
        exp_in_place(&mut powers);
        let rows = relations.chunks_exact_mut(count).zip(powers.chunks_exact(count));
        for (row, powers) in rows {
            let log_sum = R::from_f64(row_sum(powers).to_f64().ln());
            row.iter_mut().for_each(|score| *score -= log_sum);
        }
        relations
    }

    /// `dx_i += factor * sum_j (slopes_ij + slopes_ji) x_j`.
    fn add_slopes<R: Real>(&self, gradient: &mut [R], values: &[R], slopes: &[R], factor: R) {
        let rows = self.rows.start * self.width..self.rows.end * self.width;
        let (gradient, values) = (&mut gradient[rows.clone()], &values[rows]);
        add_products(gradient, values, slopes, self.width, self.first, self.size, factor);
    }
}

/// `sum exp(t) (t - s)` over relations in logarithms, and its slope at the scores: `exp(s) - exp(t)`.
fn divergence_and_slopes<R: Real>(student: &[R], teacher: &[R]) -> (f64, Vec<R>) {
    let mut theirs = teacher.to_vec();
    exp_in_place(&mut theirs);
    let terms =
        theirs.iter().zip(teacher).zip(student).map(|((p, t), s)| (*p * (*t - *s)).to_f64());
    let divergence = terms.sum();
    let mut slopes = student.to_vec();
    exp_in_place(&mut slopes);
    slopes.iter_mut().zip(&theirs).for_each(|(slope, p)| *slope -= *p);
    (divergence, slopes)
}

#[inline(always)]
fn scores_body<I: Instructions, R: Real>(
    scores: &mut [R],
    values: &[R],
    width: usize,
    first: usize,
    size: usize,
    factor: R,
) {
    let count = values.len() / width;
    for (i, scores) in scores.chunks_exact_mut(count).enumerate() {
        let x = &values[i * width + first..][..size];
        for (j, score) in scores.iter_mut().enumerate() {
            *score = factor * row_dot::<I, R>(x, &values[j * width + first..][..size]);
        }
    }
}

#[inline(always)]
fn add_products_body<I: Instructions, R: Real>(
    gradient: &mut [R],
    values: &[R],
    slopes: &[R],
    width: usize,
    first: usize,
    size: usize,
    factor: R,
) {
    let count = values.len() / width;
    for (i, gradient) in gradient.chunks_exact_mut(width).enumerate() {
        let gradient = &mut gradient[first..first + size];
        for j in 0..count {
            let weight = factor * (slopes[i * count + j] + slopes[j * count + i]);
            let x = &values[j * width + first..][..size];
            for (slope, x) in gradient.iter_mut().zip(x) {
                *slope = I::multiply_add(weight, *x, *slope);
            }
        }
    }
}

#[inline(always)]
fn distance_row_body<I: Instructions, R: Real>(
    gradient: &mut [R],
    student: &[R],
    teacher: &[R],
    scale: f64,
) -> f64 {
    let length = row_dot::<I, R>(teacher, teacher).to_f64();
    for ((difference, s), t) in gradient.iter_mut().zip(student).zip(teacher) {
        *difference = *s - *t;
    }
    // Nothing is a part of nothing.
    let part = if length > 0.0 { 1.0 / length } else { 0.0 };
    let distance = row_dot::<I, R>(gradient, gradient).to_f64() * part;
    let factor = R::from_f64(2.0 * scale * part);
    gradient.iter_mut().for_each(|slope| *slope = factor * *slope);
    distance
}

multiversion! {
    /// `factor * x_i · x_j` of the columns `first..first + size`, `[rows, rows]`.
    fn scores<R: Real>(scores: &mut [R], values: &[R], width: usize, first: usize, size: usize, factor: R) = scores_body;

    /// See [`Part::add_slopes`].
    fn add_products<R: Real>(
        gradient: &mut [R], values: &[R], slopes: &[R], width: usize, first: usize, size: usize, factor: R,
    ) = add_products_body;

    /// A row of [`state_distance`].
    fn distance_row<R: Real>(gradient: &mut [R], student: &[R], teacher: &[R], scale: f64) -> f64 = distance_row_body;
}
