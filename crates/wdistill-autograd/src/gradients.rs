//! Gradients of all weights of a model.

use wdistill_kernels::{Real, add_into, sum_of_squares};
use wdistill_model::{Dense, Transformer};

/// One buffer for each weight, in declaration order.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<R> {
    /// The buffers.
    pub buffers: Vec<Vec<R>>,
}

impl<R: Real> Gradients<R> {
    /// Zeros for every weight.
    pub fn zeros(weights: &Transformer<Dense<R>>) -> Gradients<R> {
        let zeros = |slice: &[R]| vec![R::ZERO; slice.len()];
        Gradients { buffers: weights.slices().iter().map(|(_, slice)| zeros(slice)).collect() }
    }

    /// Sets everything to zero.
    pub fn clear(&mut self) {
        self.buffers.iter_mut().for_each(|buffer| buffer.fill(R::ZERO));
    }

    /// Adds other gradients of the same model.
    pub fn add(&mut self, other: &Gradients<R>) {
        let buffers = self.buffers.iter_mut().zip(&other.buffers);
        buffers.for_each(|(sum, buffer)| add_into(sum, buffer));
    }

    /// Euclidean norm over all weights.
    pub fn norm(&self) -> f64 {
        self.buffers.iter().map(|buffer| sum_of_squares(buffer)).sum::<f64>().sqrt()
    }
}
