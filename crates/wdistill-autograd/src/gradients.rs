//! Gradients of all weights of a model.

use std::sync::Arc;

use wdistill_kernels::{Host, Machine, Real, add_into, sum_of_squares};
use wdistill_model::{Dense, Layout, Transformer};

/// One number for each parameter, in one flat buffer.
pub struct Gradients<M: Machine> {
    layout: Arc<Layout>,
    data: M::Sums,
}

impl<M: Machine<Sums: Clone>> Clone for Gradients<M> {
    fn clone(&self) -> Self {
        Gradients { layout: Arc::clone(&self.layout), data: self.data.clone() }
    }
}

impl<M: Machine> Gradients<M> {
    /// A buffer over a layout, as long as that.
    pub fn new(layout: Arc<Layout>, data: M::Sums) -> Gradients<M> {
        Gradients { layout, data }
    }

    /// All numbers.
    pub fn data(&self) -> &M::Sums {
        &self.data
    }

    /// The same, to be changed.
    pub fn data_mut(&mut self) -> &mut M::Sums {
        &mut self.data
    }

    /// The buffer.
    pub fn into_data(self) -> M::Sums {
        self.data
    }

    /// Gradients of some different parameters, by their number in the layout.
    pub(crate) fn of<const N: usize>(&mut self, numbers: [usize; N]) -> [M::Gradient<'_>; N] {
        let ranges = numbers.map(|number| self.layout.ranges()[number].range.clone());
        M::parts(&mut self.data, ranges)
    }
}

impl<R: Real> Gradients<Host<R>> {
    /// Zeros for every weight.
    pub fn zeros(weights: &Transformer<Dense<R>>) -> Gradients<Host<R>> {
        let layout = Arc::new(Layout::of(weights));
        let data = vec![R::ZERO; layout.length()];
        Gradients { layout, data }
    }

    /// Each parameter's gradient, in the layout's order.
    pub fn slices(&self) -> impl Iterator<Item = &[R]> {
        self.layout.slices(&self.data)
    }

    /// The same, to be changed.
    pub fn slices_mut(&mut self) -> Vec<&mut [R]> {
        self.layout.slices_mut(&mut self.data)
    }

    /// Adds other gradients of the same model.
    pub fn add(&mut self, other: &Gradients<Host<R>>) {
        add_into(&mut self.data, &other.data);
    }

    /// Euclidean norm over all parameters.
    pub fn norm(&self) -> f64 {
        self.slices().map(sum_of_squares).sum::<f64>().sqrt()
    }
}
