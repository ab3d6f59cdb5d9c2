//! The parameter generator's operations beside products.

use super::*;
use crate::launcher::Address;
use crate::pool::address_of;
use wdistill_kernels::PIECE;

/// Matrices of one length that are mixed.
#[derive(Debug)]
pub struct Mixture<'a, L: Launcher> {
    /// Their addresses, on the machine.
    table: Buffer<L, u64>,
    /// Numbers of each.
    length: usize,
    matrices: std::marker::PhantomData<&'a f32>,
}

/// Where [`Device::scale_tanh_shift_backward`] puts the gradients; all are overwritten.
#[derive(Clone, Copy, Debug)]
pub struct ScaleTanhShiftGradients<'a> {
    /// `ds = dw tanh(v)`.
    pub scale: Part<'a, f32>,
    /// `dv = dw s (1 - tanh(v)^2)`; absent where `v` does not change.
    pub v: Option<Part<'a, f32>>,
    /// `db = dw`.
    pub shift: Part<'a, f32>,
}

impl<L: Launcher> Device<L> {
    /// Some matrices of one length, to be mixed again and again.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If there are none, or their lengths differ.
    pub fn mixture<'a>(&self, matrices: &[Part<'a, f32>]) -> Result<Mixture<'a, L>, CudaError> {
        let length = matrices.first().expect("matrices to mix").length();
        matrices.iter().for_each(|matrix| check("mixture", *matrix, length));
        let addresses = matrices.iter().map(|matrix| matrix.address());
        let addresses: Vec<u64> = addresses.map(|Address(address)| address).collect();
        let matrices = std::marker::PhantomData;
        Ok(Mixture { table: self.upload(&addresses)?, length, matrices })
    }

    /// `sum = sum_r weights[r] * matrices[r]`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn weighted_sum(
        &self,
        sum: Part<'_, f32>,
        weights: Part<'_, f32>,
        mixture: &Mixture<'_, L>,
    ) -> Result<(), CudaError> {
        check("weighted sum", sum, mixture.length);
        check("weighted sum's weights", weights, mixture.table.length());
        let arguments = arguments![
            sum.address(),
            weights.address(),
            mixture.table.part().address(),
            count(weights.length()),
            mixture.length as i64,
        ];
        self.launch(Kernel::WeightedSum, thread_a_number(mixture.length), &arguments)
    }

    /// `dweights[r] += <matrices[r], dsum>`.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn add_weighted_sum_gradients(
        &self,
        dweights: Part<'_, f32>,
        mixture: &Mixture<'_, L>,
        dsum: Part<'_, f32>,
    ) -> Result<(), CudaError> {
        check("weighted sum's dsum", dsum, mixture.length);
        check("weighted sum's dweights", dweights, mixture.table.length());
        let (matrices, pieces) = (dweights.length(), mixture.length.div_ceil(PIECE));
        let partial = self.take::<f64>(matrices * pieces)?;
        let arguments = arguments![
            partial.part().address(),
            mixture.table.part().address(),
            dsum.address(),
            mixture.length as i64,
            count(PIECE),
        ];
        // A float64 a warp.
        let mut grid = Grid::line(pieces, THREADS).with_shared(2 * WARPS);
        grid.blocks[1] = matrices as u32;
        self.launch(Kernel::WeightedSumBackward, grid, &arguments)?;
        let arguments = arguments![
            dweights.address(),
            partial.part().address(),
            count(matrices),
            count(pieces)
        ];
        self.launch(Kernel::AddWeightGradients, thread_a_number(matrices), &arguments)
    }

    /// `w = s * tanh(v) + b`, and the same in bfloat16.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn scale_tanh_shift(
        &self,
        w: Part<'_, f32>,
        rounded: Part<'_, bf16>,
        scale: Part<'_, f32>,
        v: Part<'_, f32>,
        shift: Part<'_, f32>,
    ) -> Result<(), CudaError> {
        check("scale-tanh-shift's copy", rounded, w.length());
        [scale, v, shift].into_iter().for_each(|part| check("scale-tanh-shift", part, w.length()));
        let arguments = arguments![
            w.address(),
            rounded.address(),
            scale.address(),
            v.address(),
            shift.address(),
            w.length() as i64
        ];
        self.launch(Kernel::ScaleTanhShift, thread_a_number(w.length()), &arguments)
    }

    /// The gradients of [`Device::scale_tanh_shift`] from `dw`.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn scale_tanh_shift_backward(
        &self,
        gradients: ScaleTanhShiftGradients<'_>,
        dw: Part<'_, f32>,
        scale: Part<'_, f32>,
        v: Part<'_, f32>,
    ) -> Result<(), CudaError> {
        let parts =
            [Some(gradients.scale), gradients.v, Some(gradients.shift), Some(scale), Some(v)];
        parts.into_iter().flatten().for_each(|part| check("scale-tanh-shift", part, dw.length()));
        let arguments = arguments![
            gradients.scale.address(),
            address_of(gradients.v),
            gradients.shift.address(),
            dw.address(),
            scale.address(),
            v.address(),
            dw.length() as i64,
        ];
        self.launch(Kernel::ScaleTanhShiftBackward, thread_a_number(dw.length()), &arguments)
    }
}
