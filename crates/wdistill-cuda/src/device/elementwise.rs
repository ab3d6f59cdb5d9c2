//! Passes over whole buffers.

use super::*;
use crate::DropoutMask;

impl<L: Launcher> Device<L> {
    /// `y = dropout(x)`, both `[rows, width]`; they may be one. The way back is the same of the gradients.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn dropout(
        &self,
        y: Part<'_, bf16>,
        x: Part<'_, bf16>,
        width: usize,
        dropout: DropoutMask,
    ) -> Result<(), CudaError> {
        let rows = rows_of("dropout", x, width);
        check("dropout's y", y, x.length());
        let arguments = arguments![y.address(), x.address(), count(rows), count(width), dropout];
        self.launch(Kernel::Dropout, warp_a_row(rows), &arguments)
    }

    /// `sum += x`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add(&self, sum: Part<'_, bf16>, x: Part<'_, bf16>) -> Result<(), CudaError> {
        check("add", x, sum.length());
        let arguments = arguments![sum.address(), x.address(), sum.length() as i64];
        self.launch(Kernel::Add, thread_a_number(sum.length()), &arguments)
    }

    /// `sum += x`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_float32(&self, sum: Part<'_, f32>, x: Part<'_, f32>) -> Result<(), CudaError> {
        check("add", x, sum.length());
        let arguments = arguments![sum.address(), x.address(), sum.length() as i64];
        self.launch(Kernel::AddFloat32, thread_a_number(sum.length()), &arguments)
    }

    /// `y = x`, rounded to the nearest.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn round(&self, y: Part<'_, bf16>, x: Part<'_, f32>) -> Result<(), CudaError> {
        check("round", x, y.length());
        let arguments = arguments![y.address(), x.address(), y.length() as i64];
        self.launch(Kernel::RoundToBf16, thread_a_number(y.length()), &arguments)
    }

    /// `y = x`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn copy<T: Number>(&self, y: Part<'_, T>, x: Part<'_, T>) -> Result<(), CudaError> {
        check("copy", x, y.length());
        self.pool.launcher().copy(y.address(), x.address(), y.bytes())
    }
}
