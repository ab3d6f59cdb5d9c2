//! The parameter generator's elementwise operations.

use crate::dispatch::{Instructions, multiversion};
use crate::parallel::{PIECE, for_each, optional_chunks};
use crate::{Real, dot};

/// `w = s * tanh(v) + b`, elementwise (weight distillation's scale and shift).
pub fn scale_tanh_shift<R: Real>(w: &mut [R], scale: &[R], v: &[R], shift: &[R]) {
    let length = w.len();
    assert_eq!(scale.len(), length, "scale-tanh-shift: length of the scale");
    assert_eq!(v.len(), length, "scale-tanh-shift: length of v");
    assert_eq!(shift.len(), length, "scale-tanh-shift: length of the shift");
    let inputs = scale.chunks(PIECE).zip(v.chunks(PIECE)).zip(shift.chunks(PIECE));
    for_each(length, w.chunks_mut(PIECE).zip(inputs), |(w, ((scale, v), shift))| {
        forward_piece(w, scale, v, shift);
    });
}

/// Where [`scale_tanh_shift_backward`] puts the gradients; all are overwritten, since a generator makes its
/// weight once for each update.
#[derive(Debug)]
pub struct ScaleTanhShiftGradients<'a, R> {
    /// `ds = dw tanh(v)`.
    pub scale: &'a mut [R],
    /// `dv = dw s (1 - tanh(v)^2)`; absent where `v` does not change.
    pub v: Option<&'a mut [R]>,
    /// `db = dw`.
    pub shift: &'a mut [R],
}

/// Gradients of [`scale_tanh_shift`] from `dw`.
pub fn scale_tanh_shift_backward<R: Real>(
    gradients: ScaleTanhShiftGradients<'_, R>,
    dw: &[R],
    scale: &[R],
    v: &[R],
) {
    let length = dw.len();
    assert_eq!(scale.len(), length, "scale-tanh-shift backward: length of the scale");
    assert_eq!(v.len(), length, "scale-tanh-shift backward: length of v");
    assert_eq!(gradients.scale.len(), length, "scale-tanh-shift backward: length of ds");
    if let Some(dv) = &gradients.v {
        assert_eq!(dv.len(), length, "scale-tanh-shift backward: length of dv");
    }
    assert_eq!(gradients.shift.len(), length, "scale-tanh-shift backward: length of db");
    let outputs = gradients
        .scale
        .chunks_mut(PIECE)
        .zip(optional_chunks(gradients.v, PIECE))
        .zip(gradients.shift.chunks_mut(PIECE));
    let inputs = dw.chunks(PIECE).zip(scale.chunks(PIECE)).zip(v.chunks(PIECE));
    for_each(length, outputs.zip(inputs), |(((dscale, dv), dshift), ((dw, scale), v))| {
        backward_piece(dscale, dv, dshift, dw, scale, v);
    });
}

/// `sum = sum_r weights[r] * matrices[r]`: the teacher's layers mixed by a layer factor. Without
/// matrices the sum is zero.
pub fn weighted_sum<R: Real>(sum: &mut [R], weights: &[R], matrices: &[&[R]]) {
    assert_eq!(weights.len(), matrices.len(), "weighted sum: numbers of weights and matrices");
    sum.fill(R::ZERO);
    for (weight, matrix) in weights.iter().zip(matrices) {
        crate::axpy(sum, *weight, matrix);
    }
}

/// Gradients of [`weighted_sum`] in the weights: `dweights[r] += <matrices[r], dsum>`.
pub fn add_weighted_sum_gradients<R: Real>(dweights: &mut [R], matrices: &[&[R]], dsum: &[R]) {
    assert_eq!(dweights.len(), matrices.len(), "weighted sum: numbers of weights and matrices");
    for (dweight, matrix) in dweights.iter_mut().zip(matrices) {
        *dweight += R::from_f64(dot(matrix, dsum));
    }
}

multiversion! {
    fn forward_piece<R: Real>(w: &mut [R], scale: &[R], v: &[R], shift: &[R]) = forward_piece_body;

    fn backward_piece<R: Real>(
        dscale: &mut [R],
        dv: Option<&mut [R]>,
        dshift: &mut [R],
        dw: &[R],
        scale: &[R],
        v: &[R],
    ) = backward_piece_body;
}

#[inline(always)]
fn forward_piece_body<I: Instructions, R: Real>(w: &mut [R], scale: &[R], v: &[R], shift: &[R]) {
    for (((w, scale), v), shift) in w.iter_mut().zip(scale).zip(v).zip(shift) {
        *w = I::multiply_add(*scale, v.tanh::<I>(), *shift);
    }
}

#[inline(always)]
fn backward_piece_body<I: Instructions, R: Real>(
    dscale: &mut [R],
    dv: Option<&mut [R]>,
    dshift: &mut [R],
    dw: &[R],
    scale: &[R],
    v: &[R],
) {
    dshift.copy_from_slice(dw);
    let Some(dv) = dv else {
        for ((dscale, dw), v) in dscale.iter_mut().zip(dw).zip(v) {
            *dscale = *dw * v.tanh::<I>();
        }
        return;
    };
    let inputs = dw.iter().zip(scale).zip(v);
    for ((dscale, dv), ((dw, scale), v)) in dscale.iter_mut().zip(dv).zip(inputs) {
        let tanh = v.tanh::<I>();
        *dscale = *dw * tanh;
        *dv = *dw * *scale * I::multiply_add(-tanh, tanh, R::ONE);
    }
}
