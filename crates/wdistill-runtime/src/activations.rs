//! Activations whose memory is used again.

use std::rc::Rc;

use wdistill_kernels::Buffers;
use wdistill_model::Matrix;

/// `[rows, columns]` in float32. Dropped, it hands its memory back to the engine that made it, so that after
/// the first steps decoding takes no new memory for activations.
#[derive(Debug)]
pub struct Activations {
    data: Vec<f32>,
    rows: usize,
    columns: usize,
    buffers: Rc<Buffers<f32>>,
}

impl Activations {
    /// Numbers of any value.
    pub(crate) fn take(buffers: &Rc<Buffers<f32>>, rows: usize, columns: usize) -> Activations {
        let data = buffers.take(rows * columns);
        Activations { data, rows, columns, buffers: Rc::clone(buffers) }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All numbers, row by row.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The same, to be changed.
    pub(crate) fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.columns..(row + 1) * self.columns]
    }

    /// The numbers themselves, which do not come back.
    pub(crate) fn into_data(mut self) -> Vec<f32> {
        std::mem::take(&mut self.data)
    }
}

impl Clone for Activations {
    fn clone(&self) -> Self {
        let mut copy = Activations::take(&self.buffers, self.rows, self.columns);
        copy.data.copy_from_slice(&self.data);
        copy
    }
}

impl Drop for Activations {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.data));
    }
}

impl From<Matrix<f32>> for Activations {
    fn from(matrix: Matrix<f32>) -> Self {
        let (rows, columns) = (matrix.rows(), matrix.columns());
        Activations { data: matrix.into_data(), rows, columns, buffers: Rc::default() }
    }
}
