//! Products of matrices by themselves, as the generator and the optimiser have them.

use super::*;
use crate::launcher::{Epilogue, Factor, Storage};
use wdistill_kernels::Layout;

/// A number that products read.
pub trait Factored: Number {
    /// How it is stored.
    const STORAGE: Storage;
}

impl Factored for bf16 {
    const STORAGE: Storage = Storage::Bf16;
}

impl Factored for f32 {
    const STORAGE: Storage = Storage::Float32;
}

/// An operand of a [`Device::product`].
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The numbers, `rows * columns` of them.
    pub numbers: Part<'a, T>,
    /// Rows, after any transposition.
    pub rows: usize,
    /// Columns, after any transposition.
    pub columns: usize,
    /// How the numbers lie in memory.
    pub layout: Layout,
}

impl<'a, T: Factored> Matrix<'a, T> {
    /// The matrix stored row by row as `[rows, columns]`.
    ///
    /// # Panics
    /// If there are more or fewer numbers.
    pub fn new(numbers: Part<'a, T>, rows: usize, columns: usize) -> Self {
        check("matrix", numbers, rows * columns);
        Matrix { numbers, rows, columns, layout: Layout::Normal }
    }

    /// The transpose, without moving numbers.
    pub fn transposed(self) -> Self {
        let layout = match self.layout {
            Layout::Normal => Layout::Transposed,
            Layout::Transposed => Layout::Normal,
        };
        Matrix { rows: self.columns, columns: self.rows, layout, ..self }
    }

    fn factor(self) -> Factor {
        let distance = match self.layout {
            Layout::Normal => self.columns,
            Layout::Transposed => self.rows,
        };
        Factor { address: self.numbers.address(), layout: self.layout, distance }
    }
}

impl<L: Launcher> Device<L> {
    /// `c = a b` or `c += a b`, with `a [m, k]`, `b [k, n]` and `c [m, n]` row by row.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn product<T: Factored, C: Factored>(
        &self,
        c: Part<'_, C>,
        accumulate: Accumulate,
        a: Matrix<'_, T>,
        b: Matrix<'_, T>,
    ) -> Result<(), CudaError> {
        assert_eq!(a.columns, b.rows, "product: columns of the left, rows of the right matrix");
        check("product", c, a.rows * b.columns);
        self.compute(&Product {
            rows: a.rows,
            inner: a.columns,
            columns: b.columns,
            left: a.factor(),
            right: b.factor(),
            factors: T::STORAGE,
            result: c.address(),
            distance: b.columns,
            stored: C::STORAGE,
            accumulate,
            epilogue: Epilogue::None,
        })
    }
}
