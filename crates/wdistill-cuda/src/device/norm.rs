//! Residual connections and layer normalisation.

use super::*;
use crate::DropoutMask;
use crate::pool::address_of;

/// The parameters of a layer normalisation.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// Gain `[width]`.
    pub gain: Part<'a, f32>,
    /// Bias `[width]`.
    pub bias: Part<'a, f32>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// What a normalisation keeps of each row for its way back.
#[derive(Clone, Copy, Debug)]
pub struct NormStatistics<'a> {
    /// Mean `[rows]`.
    pub mean: Part<'a, f32>,
    /// `1 / sqrt(variance + epsilon)`, `[rows]`.
    pub reciprocal_deviation: Part<'a, f32>,
}

/// Where a normalisation's way back puts its gradients.
#[derive(Clone, Copy, Debug)]
pub struct NormGradients<'a> {
    /// Of the input or the sum `[rows, width]`.
    pub input: Part<'a, bf16>,
    /// What happens to the numbers that `input` holds.
    pub accumulate: Accumulate,
    /// Of the branch `[rows, width]`, overwritten; absent for a normalisation without one.
    pub branch: Option<Part<'a, bf16>>,
    /// Of the gain `[width]`, added.
    pub gain: Part<'a, f32>,
    /// Of the bias `[width]`, added.
    pub bias: Part<'a, f32>,
}

impl LayerNorm<'_> {
    /// Checks lengths, and says how many rows there are.
    fn check(&self, x: Part<'_, bf16>, statistics: NormStatistics<'_>) -> usize {
        let width = self.gain.length();
        check("layer norm's bias", self.bias, width);
        let rows = rows_of("layer norm", x, width);
        check("layer norm's means", statistics.mean, rows);
        check("layer norm's deviations", statistics.reciprocal_deviation, rows);
        rows
    }
}

impl<L: Launcher> Device<L> {
    /// `y = x + dropout(branch)`, all `[rows, width]`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn residual(
        &self,
        y: Part<'_, bf16>,
        x: Part<'_, bf16>,
        branch: Part<'_, bf16>,
        width: usize,
        dropout: DropoutMask,
    ) -> Result<(), CudaError> {
        let rows = rows_of("residual", y, width);
        check("residual's x", x, y.length());
        check("residual's branch", branch, y.length());
        let arguments = arguments![
            y.address(),
            x.address(),
            branch.address(),
            count(rows),
            count(width),
            dropout
        ];
        self.launch(Kernel::Residual, warp_a_row(rows), &arguments)
    }

    /// `y = gain * (x - mean) / sqrt(variance + epsilon) + bias` of each row of `x [rows, width]`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn layer_norm_forward(
        &self,
        y: Part<'_, bf16>,
        statistics: NormStatistics<'_>,
        x: Part<'_, bf16>,
        norm: &LayerNorm<'_>,
    ) -> Result<(), CudaError> {
        let rows = norm.check(x, statistics);
        check("layer norm's y", y, x.length());
        let arguments = arguments![
            y.address(),
            statistics.mean.address(),
            statistics.reciprocal_deviation.address(),
            x.address(),
            norm.gain.address(),
            norm.bias.address(),
            count(rows),
            count(norm.gain.length()),
            norm.epsilon as f32,
        ];
        self.launch(Kernel::NormForward, warp_a_row(rows), &arguments)
    }

    /// `sum = x + dropout(branch)`, `y = layer_norm(sum)`, all `[rows, width]`. What is normalised is the sum as it is stored.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn residual_norm_forward(
        &self,
        y: Part<'_, bf16>,
        sum: Part<'_, bf16>,
        statistics: NormStatistics<'_>,
        x: Part<'_, bf16>,
        branch: Part<'_, bf16>,
        dropout: DropoutMask,
        norm: &LayerNorm<'_>,
    ) -> Result<(), CudaError> {
        let rows = norm.check(x, statistics);
        for (what, part) in [("y", y), ("sum", sum), ("branch", branch)] {
            check(what, part, x.length());
        }
        let arguments = arguments![
            y.address(),
            sum.address(),
            statistics.mean.address(),
            statistics.reciprocal_deviation.address(),
            x.address(),
            branch.address(),
            norm.gain.address(),
            norm.bias.address(),
            count(rows),
            count(norm.gain.length()),
            norm.epsilon as f32,
            dropout,
        ];
        self.launch(Kernel::ResidualNormForward, warp_a_row(rows), &arguments)
    }

    /// The gradients of [`Device::layer_norm_forward`] from `dy` and `x`, or with a branch those of
    /// [`Device::residual_norm_forward`] from `dy` and the sum: with `h = (x - mean) / deviation` and `g = dy * gain`,
    /// `dx = (g - mean(g) - h mean(g h)) / deviation`, `dbranch = dropout(dx)`, `dgain += dy h`, `dbias += dy`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn norm_backward(
        &self,
        gradients: NormGradients<'_>,
        dy: Part<'_, bf16>,
        x: Part<'_, bf16>,
        statistics: NormStatistics<'_>,
        dropout: DropoutMask,
        norm: &LayerNorm<'_>,
    ) -> Result<(), CudaError> {
        let rows = norm.check(x, statistics);
        let width = norm.gain.length();
        for (what, part) in
            [("dy", Some(dy)), ("dx", Some(gradients.input)), ("dbranch", gradients.branch)]
        {
            part.into_iter().for_each(|part| check(what, part, x.length()));
        }
        check("dgain", gradients.gain, width);
        check("dbias", gradients.bias, width);
        let blocks = rows.div_ceil(SUM_ROWS);
        let partial = self.take::<f32>(blocks * 2 * width)?;
        let arguments = arguments![
            gradients.input.address(),
            address_of(gradients.branch),
            partial.part().address(),
            dy.address(),
            x.address(),
            statistics.mean.address(),
            statistics.reciprocal_deviation.address(),
            norm.gain.address(),
            count(rows),
            count(width),
            count(SUM_ROWS),
            adds(gradients.accumulate),
            dropout,
        ];
        let grid = Grid::line(blocks, THREADS).with_shared(WARPS * 2 * width);
        self.launch(Kernel::NormBackward, grid, &arguments)?;
        if rows == 0 {
            return Ok(());
        }
        self.add_partial_sums(gradients.gain, partial.part(), 2 * width)?;
        let of_bias = partial.part().range(width..partial.length());
        self.add_partial_sums(gradients.bias, of_bias, 2 * width)
    }
}
