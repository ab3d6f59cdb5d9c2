//! Sums of columns.

use super::*;

/// Rows of threads that add partial sums.
const SUMMANDS: u32 = 16;

/// A loss that the machine is still adding up.
#[derive(Debug)]
pub struct LossSum<L: Launcher> {
    sum: Buffer<L, f64>,
    divisor: f64,
}

impl<L: Launcher> LossSum<L> {
    /// The loss, once everything that was asked before is done.
    ///
    /// # Errors
    /// If the machine fails, or failed before.
    pub fn read(&self) -> Result<f64, CudaError> {
        Ok(self.sum.read()?[0] / self.divisor)
    }
}

impl<L: Launcher> Device<L> {
    /// `sums[c] += sum over i of partial[i * stride + c]`, in one order.
    pub(super) fn add_partial_sums(
        &self,
        sums: Part<'_, f32>,
        partial: Part<'_, f32>,
        stride: usize,
    ) -> Result<(), CudaError> {
        let width = sums.length();
        let parts = partial.length().div_ceil(stride);
        let grid = Grid { threads: [32, SUMMANDS, 1], ..Grid::line(width.div_ceil(32), 32) };
        let arguments = arguments![
            sums.address(),
            partial.address(),
            count(parts),
            count(stride),
            count(width)
        ];
        self.launch(Kernel::AddPartialSums, grid.with_shared(32 * SUMMANDS as usize), &arguments)
    }

    /// `sums[i] += sum over rows of results[row, i]`.
    pub(super) fn add_results(
        &self,
        sums: Part<'_, f64>,
        results: Part<'_, f64>,
    ) -> Result<(), CudaError> {
        let columns = sums.length();
        let rows = rows_of("results", results, columns);
        let arguments = arguments![sums.address(), results.address(), count(rows), count(columns)];
        // A float64 a warp.
        let grid = Grid::line(1, THREADS).with_shared(2 * WARPS);
        self.launch(Kernel::AddResults, grid, &arguments)
    }

    /// The sum of some results over a number.
    pub(super) fn sum(
        &self,
        results: Part<'_, f64>,
        divisor: f64,
    ) -> Result<LossSum<L>, CudaError> {
        let sum = self.take::<f64>(1)?;
        sum.clear()?;
        self.add_results(sum.part(), results)?;
        Ok(LossSum { sum, divisor })
    }

    /// Adds the sum of each column of `values [rows, width]` to `sums [width]`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn add_column_sums(
        &self,
        sums: Part<'_, f32>,
        values: Part<'_, bf16>,
    ) -> Result<(), CudaError> {
        let width = sums.length();
        let rows = rows_of("column sums", values, width);
        let blocks = rows.div_ceil(SUM_ROWS);
        let partial = self.take::<f32>(blocks * width)?;
        let grid = thread_a_column(width, blocks);
        let arguments = arguments![
            partial.part().address(),
            values.address(),
            count(rows),
            count(width),
            count(SUM_ROWS)
        ];
        self.launch(Kernel::ColumnSums, grid, &arguments)?;
        self.add_partial_sums(sums, partial.part(), width)
    }
}
