//! Leaf family of plain numbers.

use std::marker::PhantomData;

use crate::slot::Slot;
use crate::tree::{Leaf, LeafMut, LeafRef, Transformer};

/// A row-major matrix, `[rows, columns]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<R> {
    rows: usize,
    columns: usize,
    data: Vec<R>,
}

impl<R> Matrix<R> {
    /// Takes `rows * columns` numbers, row after row.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn new(rows: usize, columns: usize, data: Vec<R>) -> Matrix<R> {
        assert_eq!(data.len(), rows * columns, "a [{rows}, {columns}] matrix");
        Matrix { rows, columns, data }
    }

    /// Computes each entry from its row and column.
    pub fn from_fn(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> R) -> Matrix<R> {
        let data = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Matrix { rows, columns, data: data.map(|(row, column)| f(row, column)).collect() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All numbers, row after row.
    pub fn data(&self) -> &[R] {
        &self.data
    }

    /// The numbers, to change them.
    pub fn data_mut(&mut self) -> &mut [R] {
        &mut self.data
    }

    /// The numbers, given away.
    pub fn into_data(self) -> Vec<R> {
        self.data
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[R] {
        &self.data[row * self.columns..(row + 1) * self.columns]
    }
}

impl<R: Copy> Matrix<R> {
    /// Entry at `row`, `column`.
    pub fn at(&self, row: usize, column: usize) -> R {
        self.row(row)[column]
    }
}

/// Leaf family of plain numbers: matrices and vectors of `R` (`f32`; `f64` in gradient checks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense<R>(PhantomData<R>);

impl<R> Leaf for Dense<R> {
    type Matrix = Matrix<R>;
    type Vector = Vec<R>;
}

impl<R> Transformer<Dense<R>> {
    /// Every weight's slot and numbers, in declaration order.
    pub fn slices(&self) -> Vec<(Slot, &[R])> {
        let slice = |leaf| match leaf {
            LeafRef::<Dense<R>>::Matrix(matrix) => matrix.data(),
            LeafRef::Vector(vector) => vector.as_slice(),
        };
        self.leaves().into_iter().map(|(slot, leaf)| (slot, slice(leaf))).collect()
    }

    /// The same, to change the numbers in place.
    pub fn slices_mut(&mut self) -> Vec<(Slot, &mut [R])> {
        fn slice<'a, R>(leaf: LeafMut<'a, Dense<R>>) -> &'a mut [R] {
            match leaf {
                LeafMut::Matrix(matrix) => matrix.data_mut(),
                LeafMut::Vector(vector) => vector.as_mut_slice(),
            }
        }
        self.leaves_mut().into_iter().map(|(slot, leaf)| (slot, slice(leaf))).collect()
    }

    /// Number of weights; a tied matrix counts once.
    pub fn count(&self) -> usize {
        self.slices().iter().map(|(_, slice)| slice.len()).sum()
    }
}
