//! The Adam optimiser's update.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::parallel::{PIECE, for_each, optional_chunks};

/// Constants of Adam (Kingma and Ba, ICLR 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the bias-corrected second moment.
    pub epsilon: f64,
}

/// One step of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Constants.
    pub settings: AdamSettings,
    /// Learning rate.
    pub learning_rate: f64,
    /// `t`, counted from 1.
    pub number: u64,
    /// Factor on the gradient.
    pub gradient_factor: f64,
    /// What a parameter loses of itself beside its gradient, times the learning rate; 0 for Adam, more for AdamW
    /// (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019).
    pub weight_decay: f64,
}

/// Numbers that a step works on, all of one length.
#[derive(Debug)]
pub struct AdamBuffers<'a, R> {
    /// `p`.
    pub parameters: &'a mut [R],
    /// `m`.
    pub first_moment: &'a mut [R],
    /// `v`.
    pub second_moment: &'a mut [R],
    /// Of the loss.
    pub gradient: &'a [R],
    /// Where the new parameters are written too, if anywhere.
    pub copy: Option<&'a mut [R]>,
}

/// One step of Adam or AdamW, as PyTorch computes it. With `g = gradient_factor *
/// gradient` and `t`, the number of the step:
///
/// `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
/// `p *= 1 - learning_rate * weight_decay`,
/// `p -= learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)`.
///
/// fairseq's own Adam (`fairseq/optim/adam.py`) adds epsilon to `sqrt(v)` instead, before the
/// correction: at its default of 1e-8 or below, no difference that training notices.
pub fn adam_step<R: Real>(buffers: AdamBuffers<'_, R>, step: &AdamStep) {
    let AdamBuffers { parameters, first_moment, second_moment, gradient, copy } = buffers;
    let &AdamStep { settings, learning_rate, number, gradient_factor, weight_decay } = step;
    let length = parameters.len();
    assert_eq!(first_moment.len(), length, "adam: length of the first moment");
    assert_eq!(second_moment.len(), length, "adam: length of the second moment");
    assert_eq!(gradient.len(), length, "adam: length of the gradient");
    if let Some(copy) = &copy {
        assert_eq!(copy.len(), length, "adam: length of the copy");
    }
    assert!(number > 0, "adam: steps count from 1");
    let number = number as f64;
    let first_correction = 1.0 - settings.beta1.powf(number);
    let second_correction = 1.0 - settings.beta2.powf(number);
    let constants = Constants {
        keep_first: R::from_f64(settings.beta1),
        add_first: R::from_f64(1.0 - settings.beta1),
        keep_second: R::from_f64(settings.beta2),
        add_second: R::from_f64(1.0 - settings.beta2),
        root_factor: R::from_f64(1.0 / second_correction.sqrt()),
        epsilon: R::from_f64(settings.epsilon),
        step_size: R::from_f64(learning_rate / first_correction),
        gradient_factor: R::from_f64(gradient_factor),
        keep: R::from_f64(1.0 - learning_rate * weight_decay),
    };
    let moments = first_moment.chunks_mut(PIECE).zip(second_moment.chunks_mut(PIECE));
    let copies = optional_chunks(copy, PIECE);
    let pieces = parameters.chunks_mut(PIECE).zip(moments).zip(gradient.chunks(PIECE)).zip(copies);
    for_each(length, pieces, |(((parameters, (first, second)), gradient), copy)| {
        step_piece(parameters, first, second, gradient, constants);
        if let Some(copy) = copy {
            // While the piece is still in the cache.
            copy.copy_from_slice(parameters);
        }
    });
}

/// The constants of one step, in the scalar's precision.
#[derive(Clone, Copy)]
struct Constants<R> {
    keep_first: R,
    add_first: R,
    keep_second: R,
    add_second: R,
    root_factor: R,
    epsilon: R,
    step_size: R,
    gradient_factor: R,
    keep: R,
}

multiversion! {
    fn step_piece<R: Real>(
        parameters: &mut [R],
        first: &mut [R],
        second: &mut [R],
        gradient: &[R],
        constants: Constants<R>,
    ) = step_piece_body;
}

#[inline(always)]
fn step_piece_body<I: Instructions, R: Real>(
    parameters: &mut [R],
    first: &mut [R],
    second: &mut [R],
    gradient: &[R],
    constants: Constants<R>,
) {
    let moments = first.iter_mut().zip(second);
    for ((parameter, (first, second)), gradient) in parameters.iter_mut().zip(moments).zip(gradient)
    {
        let gradient = *gradient * constants.gradient_factor;
        *first = I::multiply_add(constants.keep_first, *first, constants.add_first * gradient);
        let square = gradient * gradient;
        *second = I::multiply_add(constants.keep_second, *second, constants.add_second * square);
        let deviation = I::multiply_add(second.sqrt(), constants.root_factor, constants.epsilon);
        *parameter = *parameter * constants.keep - constants.step_size * *first / deviation;
    }
}
