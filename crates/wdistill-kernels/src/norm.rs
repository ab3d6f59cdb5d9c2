//! Residual connections and layer normalisation.

use crate::dispatch::{Instructions, multiversion};
use crate::dropout::{DropoutMask, mask_row};
use crate::elementwise::{row_dot, row_sum};
use crate::layers;
use crate::parallel::{count_rows, for_each, map, optional_chunks, rows_per_piece};
use crate::{Accumulate, Dropout, Real};

/// The parameters of a layer normalisation, slices.
pub type LayerNorm<'a, R> = layers::LayerNorm<&'a [R]>;

impl<R: Real> LayerNorm<'_, R> {
    /// Checks the shapes and returns how many rows `x` has.
    fn check(&self, x: &[R]) -> usize {
        assert_eq!(self.gain.len(), self.bias.len(), "layer norm: lengths of gain and bias");
        assert!(!self.gain.is_empty(), "layer norm: rows of width 0");
        count_rows("layer norm", x.len(), self.gain.len())
    }
}

/// What a layer normalisation saves per row for its backward pass.
#[derive(Debug)]
pub struct NormStatistics<'a, R> {
    /// Mean `[rows]`.
    pub mean: &'a mut [R],
    /// Reciprocal of the standard deviation `1 / sqrt(variance + epsilon)`, `[rows]`.
    pub reciprocal_deviation: &'a mut [R],
}

/// What [`residual_norm_forward`] saves for its backward pass.
#[derive(Debug)]
pub struct ResidualNormSaved<'a, R> {
    /// The sum before normalisation, `[rows, width]`.
    pub sum: &'a mut [R],
    /// The statistics of its rows.
    pub statistics: NormStatistics<'a, R>,
}

/// `y = x + dropout(branch)`, all `[rows, width]`. `x` passes its gradient unchanged; the branch's is
/// [`crate::apply_dropout`] of it.
pub fn residual<R: Real>(y: &mut [R], x: &[R], branch: &[R], width: usize, dropout: Dropout) {
    count_rows("residual", y.len(), width);
    assert_eq!(y.len(), x.len(), "residual: lengths of y and x");
    assert_eq!(y.len(), branch.len(), "residual: lengths of y and the branch");
    let mask = dropout.mask::<R>();
    let piece = rows_per_piece(width);
    let elements = (piece * width).max(1);
    let total = y.len();
    let chunks = y.chunks_mut(elements).zip(x.chunks(elements)).zip(branch.chunks(elements));
    for_each(total, chunks.enumerate(), |(index, ((y, x), branch))| {
        residual_rows(y, x, branch, mask, index * piece, width);
    });
}

/// `y = gain * (x - mean) / sqrt(variance + epsilon) + bias`, per row of `x [rows, width]`; the
/// variance is the biased one.
pub fn layer_norm_forward<R: Real>(
    y: &mut [R],
    statistics: Option<NormStatistics<'_, R>>,
    x: &[R],
    norm: &LayerNorm<'_, R>,
) {
    let rows = norm.check(x);
    assert_eq!(y.len(), x.len(), "layer norm: lengths of y and x");
    let width = norm.gain.len();
    let piece = rows_per_piece(width);
    let elements = piece * width;
    let total = y.len();
    let (mean, deviation) = split_statistics(statistics, rows);
    let chunks = y
        .chunks_mut(elements)
        .zip(x.chunks(elements))
        .zip(optional_chunks(mean, piece).zip(optional_chunks(deviation, piece)));
    for_each(total, chunks, |((y, x), (mean, deviation))| {
        y.copy_from_slice(x);
        norm_rows(y, mean, deviation, norm);
    });
}

/// `s = x + dropout(branch)`, `y = layer_norm(s)`, all `[rows, width]`. Training saves `s` and its
/// statistics.
pub fn residual_norm_forward<R: Real>(
    y: &mut [R],
    saved: Option<ResidualNormSaved<'_, R>>,
    x: &[R],
    branch: &[R],
    dropout: Dropout,
    norm: &LayerNorm<'_, R>,
) {
    let rows = norm.check(x);
    assert_eq!(y.len(), x.len(), "residual norm: lengths of y and x");
    assert_eq!(y.len(), branch.len(), "residual norm: lengths of y and the branch");
    let width = norm.gain.len();
    let piece = rows_per_piece(width);
    let elements = piece * width;
    let total = y.len();
    let mask = dropout.mask::<R>();
    let (sum, statistics) = saved.map(|saved| (saved.sum, saved.statistics)).unzip();
    if let Some(sum) = &sum {
        assert_eq!(sum.len(), total, "residual norm: length of the saved sum");
    }
    let (mean, deviation) = split_statistics(statistics, rows);
    let inputs = x.chunks(elements).zip(branch.chunks(elements));
    let saved = optional_chunks(sum, elements)
        .zip(optional_chunks(mean, piece).zip(optional_chunks(deviation, piece)));
    let chunks = y.chunks_mut(elements).zip(inputs).zip(saved).enumerate();
    for_each(total, chunks, |(index, ((y, (x, branch)), (sum, (mean, deviation))))| {
        residual_rows(y, x, branch, mask, index * piece, width);
        if let Some(sum) = sum {
            sum.copy_from_slice(y);
        }
        norm_rows(y, mean, deviation, norm);
    });
}

/// Checks the statistics and takes them apart.
fn split_statistics<R>(
    statistics: Option<NormStatistics<'_, R>>,
    rows: usize,
) -> (Option<&mut [R]>, Option<&mut [R]>) {
    let parts = statistics.map(|saved| (saved.mean, saved.reciprocal_deviation));
    if let Some((mean, deviation)) = &parts {
        assert_eq!(mean.len(), rows, "layer norm: length of the saved means");
        assert_eq!(deviation.len(), rows, "layer norm: length of the saved deviations");
    }
    parts.unzip()
}

/// Where a normalisation's backward pass puts the gradients of its parameters.
#[derive(Debug)]
pub struct NormGradients<'a, R> {
    /// Gradient of the gain `[width]`, added to the buffer.
    pub gain: &'a mut [R],
    /// Gradient of the bias `[width]`, added to the buffer.
    pub bias: &'a mut [R],
}

/// Gradients of [`layer_norm_forward`] from `dy`, the input `x` and the saved statistics. With
/// `h = (x - mean) / deviation` and `g = dy * gain`:
/// `dx = (g - mean(g) - h mean(g h)) / deviation`.
pub fn layer_norm_backward<R: Real>(
    dx: &mut [R],
    accumulate: Accumulate,
    gradients: NormGradients<'_, R>,
    dy: &[R],
    x: &[R],
    statistics: (&[R], &[R]),
    norm: &LayerNorm<'_, R>,
) {
    backward(dx, None, accumulate, gradients, dy, x, statistics, None, norm);
}

/// Gradients of [`residual_norm_forward`]: `dx` as in [`layer_norm_backward`] with the saved sum as
/// its input, and `dbranch`, the same after dropout. `dbranch` is always overwritten.
#[allow(clippy::too_many_arguments)]
pub fn residual_norm_backward<R: Real>(
    dx: &mut [R],
    accumulate: Accumulate,
    dbranch: &mut [R],
    gradients: NormGradients<'_, R>,
    dy: &[R],
    sum: &[R],
    statistics: (&[R], &[R]),
    dropout: Dropout,
    norm: &LayerNorm<'_, R>,
) {
    let mask = dropout.mask();
    backward(dx, Some(dbranch), accumulate, gradients, dy, sum, statistics, mask, norm);
}

#[allow(clippy::too_many_arguments)]
fn backward<R: Real>(
    dx: &mut [R],
    dbranch: Option<&mut [R]>,
    accumulate: Accumulate,
    gradients: NormGradients<'_, R>,
    dy: &[R],
    x: &[R],
    (mean, deviation): (&[R], &[R]),
    mask: Option<DropoutMask<R>>,
    norm: &LayerNorm<'_, R>,
) {
    let rows = norm.check(x);
    let width = norm.gain.len();
    assert_eq!(dx.len(), x.len(), "layer norm backward: length of dx");
    assert_eq!(dy.len(), x.len(), "layer norm backward: length of dy");
    assert_eq!(mean.len(), rows, "layer norm backward: length of the means");
    assert_eq!(deviation.len(), rows, "layer norm backward: length of the deviations");
    assert_eq!(gradients.gain.len(), width, "layer norm backward: length of the gain gradient");
    assert_eq!(gradients.bias.len(), width, "layer norm backward: length of the bias gradient");
    if let Some(dbranch) = &dbranch {
        assert_eq!(dbranch.len(), x.len(), "layer norm backward: length of dbranch");
    }
    let piece = rows_per_piece(width);
    let elements = piece * width;
    let total = x.len();
    let inputs = dy.chunks(elements).zip(x.chunks(elements));
    let statistics = mean.chunks(piece).zip(deviation.chunks(piece));
    let outputs = dx.chunks_mut(elements).zip(optional_chunks(dbranch, elements));
    let chunks = outputs.zip(inputs).zip(statistics).enumerate();
    let partial_sums = map(total, chunks, |(index, (((dx, dbranch), (dy, x)), statistics))| {
        let mut sums = vec![R::ZERO; 2 * width];
        let (dgain, dbias) = sums.split_at_mut(width);
        let branch_mask = mask.map(|mask| (mask, index * piece));
        backward_rows(dx, dbranch, accumulate, dgain, dbias, dy, x, statistics, branch_mask, norm);
        sums
    });
    for sums in partial_sums {
        crate::add_into(gradients.gain, &sums[..width]);
        crate::add_into(gradients.bias, &sums[width..]);
    }
}

/// Normalises one row in place and returns its mean and reciprocal deviation.
#[inline(always)]
fn norm_row<I: Instructions, R: Real>(row: &mut [R], norm: &LayerNorm<'_, R>) -> (R, R) {
    let share = R::from_f64(1.0 / row.len() as f64);
    let mean = row_sum(row) * share;
    for value in row.iter_mut() {
        *value -= mean;
    }
    let variance = row_dot::<I, R>(row, row) * share;
    let deviation = R::ONE / (variance + R::from_f64(norm.epsilon)).sqrt();
    for ((value, gain), bias) in row.iter_mut().zip(norm.gain).zip(norm.bias) {
        *value = I::multiply_add(*value * deviation, *gain, *bias);
    }
    (mean, deviation)
}

multiversion! {
    fn residual_rows<R: Real>(
        y: &mut [R],
        x: &[R],
        branch: &[R],
        mask: Option<DropoutMask<R>>,
        first_row: usize,
        width: usize,
    ) = residual_rows_body;

    fn norm_rows<R: Real>(
        y: &mut [R],
        mean: Option<&mut [R]>,
        deviation: Option<&mut [R]>,
        norm: &LayerNorm<'_, R>,
    ) = norm_rows_body;

    /// The backward pass of some rows; adds the parameters' gradients to `dgain` and `dbias`.
    fn backward_rows<R: Real>(
        dx: &mut [R],
        dbranch: Option<&mut [R]>,
        accumulate: Accumulate,
        dgain: &mut [R],
        dbias: &mut [R],
        dy: &[R],
        x: &[R],
        statistics: (&[R], &[R]),
        mask: Option<(DropoutMask<R>, usize)>,
        norm: &LayerNorm<'_, R>,
    ) = backward_rows_body;
}

#[inline(always)]
fn residual_rows_body<I: Instructions, R: Real>(
    y: &mut [R],
    x: &[R],
    branch: &[R],
    mask: Option<DropoutMask<R>>,
    first_row: usize,
    width: usize,
) {
    let Some(mask) = mask else {
        for ((y, x), branch) in y.iter_mut().zip(x).zip(branch) {
            *y = *x + *branch;
        }
        return;
    };
    let width = width.max(1);
    let inputs = x.chunks_exact(width).zip(branch.chunks_exact(width));
    for (row, (y, (x, branch))) in y.chunks_exact_mut(width).zip(inputs).enumerate() {
        // Separate passes over a row in the nearest cache: each of them vectorises.
        y.copy_from_slice(branch);
        mask_row(y, mask.row(first_row + row));
        for (y, x) in y.iter_mut().zip(x) {
            *y += *x;
        }
    }
}

#[inline(always)]
fn norm_rows_body<I: Instructions, R: Real>(
    y: &mut [R],
    mean: Option<&mut [R]>,
    deviation: Option<&mut [R]>,
    norm: &LayerNorm<'_, R>,
) {
    let rows = y.chunks_exact_mut(norm.gain.len());
    match (mean, deviation) {
        (Some(mean), Some(deviation)) => {
            for ((row, mean), deviation) in rows.zip(mean).zip(deviation) {
                (*mean, *deviation) = norm_row::<I, R>(row, norm);
            }
        }
        _ => {
            for row in rows {
                norm_row::<I, R>(row, norm);
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn backward_rows_body<I: Instructions, R: Real>(
    dx: &mut [R],
    dbranch: Option<&mut [R]>,
    accumulate: Accumulate,
    dgain: &mut [R],
    dbias: &mut [R],
    dy: &[R],
    x: &[R],
    statistics: (&[R], &[R]),
    mask: Option<(DropoutMask<R>, usize)>,
    norm: &LayerNorm<'_, R>,
) {
    let width = norm.gain.len();
    let share = R::from_f64(1.0 / width as f64);
    let mut normalised = vec![R::ZERO; width];
    let mut scaled = vec![R::ZERO; width];
    let mut dbranch = dbranch.map(|dbranch| dbranch.chunks_exact_mut(width));
    let inputs = dy.chunks_exact(width).zip(x.chunks_exact(width));
    let statistics = statistics.0.iter().zip(statistics.1);
    let rows = dx.chunks_exact_mut(width).zip(inputs).zip(statistics).enumerate();
    for (row, ((dx, (dy, x)), (mean, deviation))) in rows {
        let parameters = norm.gain.iter().zip(dgain.iter_mut().zip(dbias.iter_mut()));
        let buffers = normalised.iter_mut().zip(scaled.iter_mut());
        let values = dy.iter().zip(x);
        for (((gain, (dgain, dbias)), (normalised, scaled)), (dy, x)) in
            parameters.zip(buffers).zip(values)
        {
            *normalised = (*x - *mean) * *deviation;
            *scaled = *dy * *gain;
            *dgain = I::multiply_add(*dy, *normalised, *dgain);
            *dbias += *dy;
        }
        let mean_gradient = row_sum(&scaled) * share;
        let mean_product = row_dot::<I, R>(&scaled, &normalised) * share;
        for (scaled, normalised) in scaled.iter_mut().zip(&normalised) {
            let centred = I::multiply_add(-*normalised, mean_product, *scaled - mean_gradient);
            *scaled = centred * *deviation;
        }
        match accumulate {
            Accumulate::Overwrite => dx.copy_from_slice(&scaled),
            Accumulate::Add => {
                for (dx, scaled) in dx.iter_mut().zip(&scaled) {
                    *dx += *scaled;
                }
            }
        }
        if let Some(dbranch) = dbranch.as_mut().and_then(Iterator::next) {
            dbranch.copy_from_slice(&scaled);
            if let Some((mask, first_row)) = mask {
                mask_row(dbranch, mask.row(first_row + row));
            }
        }
    }
}
