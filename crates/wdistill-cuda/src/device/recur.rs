//! The recurrence of a simpler simple recurrent unit.

use super::*;

/// What the recurrences of a packed batch read.
#[derive(Clone, Copy, Debug)]
pub struct RecurrenceInputs<'a, L: Launcher> {
    /// `a [tokens, width]`.
    pub candidates: Part<'a, bf16>,
    /// `g [tokens, width]`, before the logistic function.
    pub forget: Part<'a, bf16>,
    /// Which rows are a sentence's.
    pub offsets: &'a Offsets<L>,
    /// Numbers of a row.
    pub width: usize,
}

/// Where the gradients go; they are overwritten.
#[derive(Clone, Copy, Debug)]
pub struct RecurrenceGradients<'a> {
    /// Of `a [tokens, width]`.
    pub candidates: Part<'a, bf16>,
    /// Of `g [tokens, width]`.
    pub forget: Part<'a, bf16>,
}

impl<L: Launcher> RecurrenceInputs<'_, L> {
    /// A thread for each column of each sentence.
    fn grid(&self) -> Grid {
        thread_a_column(self.width, self.offsets.sentences())
    }
}

impl<L: Launcher> Device<L> {
    /// `c(t) = f(t) c(t-1) + (1 - f(t)) a(t)` with `f = sigmoid(g)`, `y = relu(c)`, from `c = 0` before each sentence.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn recur_forward(
        &self,
        y: Part<'_, bf16>,
        cells: Part<'_, f32>,
        inputs: &RecurrenceInputs<'_, L>,
    ) -> Result<(), CudaError> {
        let length = inputs.offsets.rows() * inputs.width;
        [y, inputs.candidates, inputs.forget]
            .into_iter()
            .for_each(|part| check("recurrence", part, length));
        check("recurrence's cells", cells, length);
        let arguments = arguments![
            y.address(),
            cells.address(),
            inputs.candidates.address(),
            inputs.forget.address(),
            inputs.offsets.address(),
            count(inputs.width)
        ];
        self.launch(Kernel::RecurForward, inputs.grid(), &arguments)
    }

    /// The gradients of [`Device::recur_forward`] from `dy` and the cells that it kept.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn recur_backward(
        &self,
        gradients: RecurrenceGradients<'_>,
        dy: Part<'_, bf16>,
        cells: Part<'_, f32>,
        inputs: &RecurrenceInputs<'_, L>,
    ) -> Result<(), CudaError> {
        let length = inputs.offsets.rows() * inputs.width;
        let parts = [gradients.candidates, gradients.forget, dy, inputs.candidates, inputs.forget];
        parts.into_iter().for_each(|part| check("recurrence", part, length));
        check("recurrence's cells", cells, length);
        let arguments = arguments![
            gradients.candidates.address(),
            gradients.forget.address(),
            dy.address(),
            cells.address(),
            inputs.candidates.address(),
            inputs.forget.address(),
            inputs.offsets.address(),
            count(inputs.width)
        ];
        self.launch(Kernel::RecurBackward, inputs.grid(), &arguments)
    }
}
