//! The linear layer with bias, activation and dropout.

use crate::dispatch::{Instructions, multiversion};
use crate::dropout::{DropoutMask, mask_row};
use crate::layers;
use crate::parallel::{count_rows, for_each, optional_chunks, rows_per_piece};
use crate::{Accumulate, Activation, MatrixRef, Real, add_column_sums, product_in};

/// A linear layer over slices.
pub type Linear<'a, R> = layers::Linear<&'a [R]>;

impl<R: Real> Linear<'_, R> {
    /// Checks the parameters' shapes and returns how many rows `x` has.
    fn check(&self, x: &[R]) -> usize {
        let (inputs, outputs) = (self.inputs, self.outputs);
        assert_eq!(
            self.weight.len(),
            outputs * inputs,
            "linear: length of the weight, {outputs} x {inputs}"
        );
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), outputs, "linear: length of the bias");
        }
        assert!(inputs > 0, "linear: an input of width 0");
        count_rows("linear", x.len(), inputs)
    }
}

/// `y = dropout(activation(x W^T + b))`, with `x [rows, inputs]` and `y [rows, outputs]`.
///
/// For an activation with [`Activation::needs_pre_activation`], training passes a buffer
/// `pre_activation [rows, outputs]`, which receives `x W^T + b` for the backward pass.
pub fn linear_forward<R: Real>(
    y: &mut [R],
    pre_activation: Option<&mut [R]>,
    x: &[R],
    layer: &Linear<'_, R>,
) {
    let rows = layer.check(x);
    let outputs = layer.outputs;
    assert_eq!(y.len(), rows * outputs, "linear: length of the output, {rows} x {outputs}");
    if let Some(saved) = &pre_activation {
        assert_eq!(saved.len(), y.len(), "linear: length of the pre-activation");
    }
    let weight = MatrixRef::new(layer.weight, outputs, layer.inputs);
    let x = MatrixRef::new(x, rows, layer.inputs);
    product_in(layer.precision, y, Accumulate::Overwrite, x, weight.transposed());
    let mask = layer.dropout.mask::<R>();
    let has_epilogue = layer.bias.is_some() || layer.activation.is_some() || mask.is_some();
    if !has_epilogue && pre_activation.is_none() {
        return;
    }
    let piece = rows_per_piece(outputs);
    let elements = (piece * outputs).max(1);
    let total = y.len();
    let chunks = y.chunks_mut(elements).zip(optional_chunks(pre_activation, elements)).enumerate();
    for_each(total, chunks, |(index, (y, saved))| {
        finish_rows(y, saved, layer.bias, layer.activation, mask, index * piece, outputs);
    });
}

/// Where [`linear_backward`] puts the gradients; absent ones are not computed.
#[derive(Debug, Default)]
pub struct LinearGradients<'a, R> {
    /// Gradient of `x`, `[rows, inputs]`.
    pub input: Option<(&'a mut [R], Accumulate)>,
    /// Gradient of `W`, added to the buffer.
    pub weight: Option<&'a mut [R]>,
    /// Gradient of `b`, added to the buffer.
    pub bias: Option<&'a mut [R]>,
}

/// Gradients of [`linear_forward`].
///
/// `dy [rows, outputs]`, the gradient of the output, is used as scratch space: it holds the gradient
/// of `x W^T + b` afterwards. `saved [rows, outputs]` is the output `y` for
/// [`Activation::Relu`], the pre-activation for [`Activation::Swish`] and [`Activation::Gelu`], and
/// may be empty without an activation.
pub fn linear_backward<R: Real>(
    gradients: LinearGradients<'_, R>,
    dy: &mut [R],
    saved: &[R],
    x: &[R],
    layer: &Linear<'_, R>,
) {
    let rows = layer.check(x);
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    assert_eq!(dy.len(), rows * outputs, "linear backward: length of dy, {rows} x {outputs}");
    undo_activation(dy, saved, layer);
    let dy = MatrixRef::new(dy, rows, outputs);
    if let Some((dx, accumulate)) = gradients.input {
        let weight = MatrixRef::new(layer.weight, outputs, inputs);
        product_in(layer.precision, dx, accumulate, dy, weight);
    }
    if let Some(dweight) = gradients.weight {
        let x = MatrixRef::new(x, rows, inputs);
        product_in(layer.precision, dweight, Accumulate::Add, dy.transposed(), x);
    }
    if let Some(dbias) = gradients.bias {
        assert_eq!(dbias.len(), outputs, "linear backward: length of the bias gradient");
        add_column_sums(dbias, dy.data);
    }
}

/// Turns the gradient of the output into that of `x W^T + b`.
fn undo_activation<R: Real>(dy: &mut [R], saved: &[R], layer: &Linear<'_, R>) {
    let mask = layer.dropout.mask::<R>();
    let needs_saved = layer.activation.is_some();
    if needs_saved {
        assert_eq!(saved.len(), dy.len(), "linear backward: length of the saved values");
    } else if mask.is_none() {
        return;
    }
    let outputs = layer.outputs;
    let piece = rows_per_piece(outputs);
    let elements = (piece * outputs).max(1);
    let total = dy.len();
    let saved = if needs_saved { saved } else { &[] };
    let chunks = dy.chunks_mut(elements).enumerate().map(|(index, dy)| {
        let start = (index * elements).min(saved.len());
        let end = (start + elements).min(saved.len());
        (index, dy, &saved[start..end])
    });
    for_each(total, chunks, |(index, dy, saved)| {
        undo_rows(dy, saved, layer.activation, mask, index * piece, outputs);
    });
}

multiversion! {
    /// Bias, activation and dropout on the rows of a product, in place.
    fn finish_rows<R: Real>(
        y: &mut [R],
        saved: Option<&mut [R]>,
        bias: Option<&[R]>,
        activation: Option<Activation>,
        mask: Option<DropoutMask<R>>,
        first_row: usize,
        width: usize,
    ) = finish_rows_body;

    /// Undoes what [`finish_rows`] did after the bias, on gradients.
    fn undo_rows<R: Real>(
        dy: &mut [R],
        saved: &[R],
        activation: Option<Activation>,
        mask: Option<DropoutMask<R>>,
        first_row: usize,
        width: usize,
    ) = undo_rows_body;
}

#[inline(always)]
fn finish_rows_body<I: Instructions, R: Real>(
    y: &mut [R],
    saved: Option<&mut [R]>,
    bias: Option<&[R]>,
    activation: Option<Activation>,
    mask: Option<DropoutMask<R>>,
    first_row: usize,
    width: usize,
) {
    if let Some(bias) = bias {
        for y in y.chunks_exact_mut(width) {
            for (y, bias) in y.iter_mut().zip(bias) {
                *y += *bias;
            }
        }
    }
    if let Some(saved) = saved {
        saved.copy_from_slice(y);
    }
    activate::<I, R>(y, activation);
    if let Some(mask) = mask {
        for (row, y) in y.chunks_exact_mut(width).enumerate() {
            mask_row(y, mask.row(first_row + row));
        }
    }
}

#[inline(always)]
fn undo_rows_body<I: Instructions, R: Real>(
    dy: &mut [R],
    saved: &[R],
    activation: Option<Activation>,
    mask: Option<DropoutMask<R>>,
    first_row: usize,
    width: usize,
) {
    // A dropped output of a ReLU is zero, as is a clipped one: the output alone tells both.
    if activation == Some(Activation::Relu) {
        let factor = mask.map_or(R::ONE, |mask| mask.factor());
        for (dy, y) in dy.iter_mut().zip(saved) {
            *dy = if *y > R::ZERO { *dy * factor } else { R::ZERO };
        }
        return;
    }
    if let Some(mask) = mask {
        for (row, dy) in dy.chunks_exact_mut(width).enumerate() {
            mask_row(dy, mask.row(first_row + row));
        }
    }
    differentiate::<I, R>(dy, saved, activation);
}

/// Applies the activation in place.
#[inline(always)]
pub(crate) fn activate<I: Instructions, R: Real>(y: &mut [R], activation: Option<Activation>) {
    match activation {
        None => {}
        Some(Activation::Relu) => {
            for y in y {
                // NaN fails the comparison and passes through, so that it stays visible.
                *y = if *y < R::ZERO { R::ZERO } else { *y };
            }
        }
        Some(Activation::Swish) => {
            for y in y {
                *y *= y.sigmoid::<I>();
            }
        }
        Some(Activation::Gelu) => {
            for y in y {
                *y *= y.normal_cdf::<I>();
            }
        }
    }
}

/// Multiplies `dy` by the derivative of the activation at `x`, for those that save `x`.
#[inline(always)]
fn differentiate<I: Instructions, R: Real>(dy: &mut [R], x: &[R], activation: Option<Activation>) {
    match activation {
        None | Some(Activation::Relu) => {}
        Some(Activation::Swish) => {
            for (dy, x) in dy.iter_mut().zip(x) {
                let sigmoid = x.sigmoid::<I>();
                *dy *= sigmoid * I::multiply_add(*x, R::ONE - sigmoid, R::ONE);
            }
        }
        Some(Activation::Gelu) => {
            let peak = R::from_f64(0.398_942_280_401_432_7);
            let half = R::from_f64(0.5);
            for (dy, x) in dy.iter_mut().zip(x) {
                let density = peak * (-half * *x * *x).exp::<I>();
                *dy *= I::multiply_add(*x, density, x.normal_cdf::<I>());
            }
        }
    }
}
