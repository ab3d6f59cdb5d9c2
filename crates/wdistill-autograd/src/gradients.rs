//! Gradients of all weights of a model.

use std::sync::Arc;

use wdistill_kernels::{Real, add_into, sum_of_squares};
use wdistill_model::{Dense, Layout, Transformer};

/// One number for each parameter, in one flat buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<R> {
    layout: Arc<Layout>,
    data: Vec<R>,
}

impl<R: Real> Gradients<R> {
    /// Zeros for every weight.
    pub fn zeros(weights: &Transformer<Dense<R>>) -> Gradients<R> {
        let layout = Arc::new(Layout::of(weights));
        let data = vec![R::ZERO; layout.length()];
        Gradients { layout, data }
    }

    /// A buffer over a layout.
    ///
    /// # Panics
    /// If the buffer does not have the layout's length.
    pub fn new(layout: Arc<Layout>, data: Vec<R>) -> Gradients<R> {
        assert_eq!(data.len(), layout.length(), "gradients: length of the buffer");
        Gradients { layout, data }
    }

    /// All numbers.
    pub fn data(&self) -> &[R] {
        &self.data
    }

    /// The same, to be changed.
    pub fn data_mut(&mut self) -> &mut [R] {
        &mut self.data
    }

    /// The buffer.
    pub fn into_data(self) -> Vec<R> {
        self.data
    }

    /// Each parameter's gradient, in the layout's order.
    pub fn slices(&self) -> impl Iterator<Item = &[R]> {
        self.layout.slices(&self.data)
    }

    /// The same, to be changed.
    pub fn slices_mut(&mut self) -> Vec<&mut [R]> {
        self.layout.slices_mut(&mut self.data)
    }

    /// Gradients of some different parameters, by their number in the layout.
    pub(crate) fn of<const N: usize>(&mut self, numbers: [usize; N]) -> [&mut [R]; N] {
        let ranges = numbers.map(|number| self.layout.ranges()[number].range.clone());
        self.data.get_disjoint_mut(ranges).expect("parameters do not overlap")
    }

    /// Adds other gradients of the same model.
    pub fn add(&mut self, other: &Gradients<R>) {
        add_into(&mut self.data, &other.data);
    }

    /// Euclidean norm over all parameters.
    pub fn norm(&self) -> f64 {
        self.slices().map(sum_of_squares).sum::<f64>().sqrt()
    }
}
