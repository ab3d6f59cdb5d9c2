//! Adam, and sums of squares.

use super::*;
use crate::launcher::Passed;
use wdistill_kernels::{AdamStep, PIECE};

/// Numbers that a step works on, all of one length.
#[derive(Clone, Copy, Debug)]
pub struct AdamBuffers<'a> {
    /// `p`.
    pub parameters: Part<'a, f32>,
    /// `m`.
    pub first_moment: Part<'a, f32>,
    /// `v`.
    pub second_moment: Part<'a, f32>,
    /// `p` as products read it.
    pub rounded: Part<'a, bf16>,
    /// Of the loss.
    pub gradient: Part<'a, f32>,
}

/// `AdamConstants` of `optimiser.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Constants {
    keep_first: f32,
    add_first: f32,
    keep_second: f32,
    add_second: f32,
    root_factor: f32,
    epsilon: f32,
    step_size: f32,
    gradient_factor: f32,
    keep: f32,
}

// SAFETY: `repr(C)`, of numbers only.
#[allow(unsafe_code)]
unsafe impl Passed for Constants {}

impl Constants {
    /// As [`wdistill_kernels::adam_step`] has them.
    fn of(step: &AdamStep) -> Constants {
        assert!(step.number > 0, "adam: steps count from 1");
        let (settings, number) = (step.settings, step.number as f64);
        let first_correction = 1.0 - settings.beta1.powf(number);
        let second_correction = 1.0 - settings.beta2.powf(number);
        Constants {
            keep_first: settings.beta1 as f32,
            add_first: (1.0 - settings.beta1) as f32,
            keep_second: settings.beta2 as f32,
            add_second: (1.0 - settings.beta2) as f32,
            root_factor: (1.0 / second_correction.sqrt()) as f32,
            epsilon: settings.epsilon as f32,
            step_size: (step.learning_rate / first_correction) as f32,
            gradient_factor: step.gradient_factor as f32,
            keep: (1.0 - step.learning_rate * step.weight_decay) as f32,
        }
    }
}

impl<L: Launcher> Device<L> {
    /// One step of Adam or AdamW; the formula stands at [`wdistill_kernels::adam_step`].
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn adam_step(&self, buffers: AdamBuffers<'_>, step: &AdamStep) -> Result<(), CudaError> {
        let length = buffers.parameters.length();
        check("adam's first moment", buffers.first_moment, length);
        check("adam's second moment", buffers.second_moment, length);
        check("adam's rounded parameters", buffers.rounded, length);
        check("adam's gradient", buffers.gradient, length);
        let arguments = arguments![
            buffers.parameters.address(),
            buffers.first_moment.address(),
            buffers.second_moment.address(),
            buffers.rounded.address(),
            buffers.gradient.address(),
            length as i64,
            Constants::of(step),
        ];
        self.launch(Kernel::Adam, thread_a_number(length), &arguments)
    }

    /// The sum of the squares of each [`PIECE`] of numbers, as [`wdistill_kernels::sums_of_squares`] has them.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    pub fn sums_of_squares(&self, numbers: Part<'_, f32>) -> Result<Vec<f64>, CudaError> {
        self.dot_pieces(numbers, numbers)?.read()
    }

    /// The inner product over each [`PIECE`] of numbers.
    pub(super) fn dot_pieces(
        &self,
        a: Part<'_, f32>,
        b: Part<'_, f32>,
    ) -> Result<Buffer<L, f64>, CudaError> {
        let pieces = a.length().div_ceil(PIECE);
        let sums = self.take::<f64>(pieces)?;
        let arguments = arguments![
            sums.part().address(),
            a.address(),
            b.address(),
            a.length() as i64,
            count(PIECE)
        ];
        // A float64 a warp.
        let grid = Grid::line(pieces, THREADS).with_shared(2 * WARPS);
        self.launch(Kernel::DotPieces, grid, &arguments)?;
        Ok(sums)
    }
}
