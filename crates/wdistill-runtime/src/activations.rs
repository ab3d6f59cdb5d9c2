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

/// Steps that there is room for at first.
const STEPS: usize = 32;

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

    /// Adds the rows of others at the end. Room is made for many more, since rows that are added one step
    /// after another come often.
    pub(crate) fn append(&mut self, other: &Activations) {
        let needed = self.data.len() + other.data.len();
        if self.data.capacity() < needed {
            let room = (STEPS * other.data.len()).max(2 * needed);
            let mut data = self.buffers.take_empty(room);
            data.extend_from_slice(&self.data);
            self.buffers.give(std::mem::replace(&mut self.data, data));
        }
        self.data.extend_from_slice(&other.data);
        self.rows += other.rows;
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
