//! The recurrence of a simpler simple recurrent unit.

use super::*;

/// What the recurrences of a packed batch read.
#[derive(Clone, Copy, Debug)]
pub struct RecurrenceInputs<'a> {
    /// `a [tokens, width]`.
    pub candidates: Part<'a, bf16>,
    /// `g [tokens, width]`, before the logistic function.
    pub forget: Part<'a, bf16>,
    /// First row of each sentence, and the number of rows.
    pub offsets: Part<'a, u32>,
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

impl RecurrenceInputs<'_> {
    /// A thread for each column of each sentence.
    fn grid(&self) -> Grid {
        thread_a_column(self.width, self.offsets.length().saturating_sub(1))
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
        inputs: &RecurrenceInputs<'_>,
    ) -> Result<(), CudaError> {
        let length = inputs.candidates.length();
        [y, inputs.forget].into_iter().for_each(|part| check("recurrence", part, length));
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
        inputs: &RecurrenceInputs<'_>,
    ) -> Result<(), CudaError> {
        let length = inputs.candidates.length();
        let parts = [gradients.candidates, gradients.forget, dy, inputs.forget];
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
