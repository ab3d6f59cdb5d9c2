//! Weights in int8.

use crate::tree::Leaf;

/// Leaf family of quantised weights: matrices in int8, vectors in float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int8;

/// A matrix in int8: `w[row, column] ~ scales[row] * data[row, column]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Rows {
    /// Numbers of a row.
    pub columns: usize,
    /// `[rows, columns]`, from -127 to 127.
    pub data: Vec<i8>,
    /// `[rows]`.
    pub scales: Vec<f32>,
}

impl Leaf for Int8 {
    type Matrix = Int8Rows;
    type Vector = Vec<f32>;
}
