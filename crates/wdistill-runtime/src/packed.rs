//! Models whose weights are laid out for decoding.

use std::convert::Infallible;
use std::marker::PhantomData;

use wdistill_base::Hinted;
use wdistill_kernels::{Bfloat16Matrix, Float32Matrix, Int8Matrix, MOST_INT8_INPUTS, PackedWeight};
use wdistill_model::tree::{Leaf, LeafRef, Map};
use wdistill_model::{Dense, Int8, Int8Rows, Matrix, Model, Slot};

/// Leaf family of matrices packed as `W`; vectors stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed<W>(PhantomData<W>);

impl<W> Leaf for Packed<W> {
    type Matrix = W;
    type Vector = Vec<f32>;
}

/// Packs every matrix.
struct Pack;

impl Map<Dense<f32>, Packed<Float32Matrix>> for Pack {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, from: &Matrix<f32>) -> Result<Float32Matrix, Infallible> {
        Ok(Float32Matrix::pack(from.data(), from.rows(), from.columns()))
    }
    fn vector(&mut self, _: Slot, from: &Vec<f32>) -> Result<Vec<f32>, Infallible> {
        Ok(from.clone())
    }
}

impl Map<Dense<f32>, Packed<Bfloat16Matrix>> for Pack {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, from: &Matrix<f32>) -> Result<Bfloat16Matrix, Infallible> {
        Ok(Bfloat16Matrix::pack(from.data(), from.rows(), from.columns()))
    }
    fn vector(&mut self, _: Slot, from: &Vec<f32>) -> Result<Vec<f32>, Infallible> {
        Ok(from.clone())
    }
}

impl Map<Int8, Packed<Int8Matrix>> for Pack {
    type Error = TooWide;
    fn matrix(&mut self, slot: Slot, from: &Int8Rows) -> Result<Int8Matrix, TooWide> {
        check_width(slot, from.columns)?;
        Ok(Int8Matrix::pack(&from.data, from.scales.clone(), from.columns))
    }
    fn vector(&mut self, _: Slot, from: &Vec<f32>) -> Result<Vec<f32>, TooWide> {
        Ok(from.clone())
    }
}

/// Lays out a model's weights for decoding in float32.
pub fn pack_float32(model: &Model<Dense<f32>>) -> Model<Packed<Float32Matrix>> {
    let Ok(weights) = model.weights.map(&mut Pack);
    Model { config: model.config.clone(), weights }
}

/// Rounds a model's weights to bfloat16, vectors aside, and lays them out for decoding.
pub fn pack_bfloat16(model: &Model<Dense<f32>>) -> Model<Packed<Bfloat16Matrix>> {
    let Ok(weights) = model.weights.map(&mut Pack);
    Model { config: model.config.clone(), weights }
}

/// Lays out quantised weights for decoding in int8.
///
/// # Errors
/// [`TooWide`] if a matrix has more than [`MOST_INT8_INPUTS`].
pub fn pack_int8(model: &Model<Int8>) -> Result<Model<Packed<Int8Matrix>>, TooWide> {
    Ok(Model { config: model.config.clone(), weights: model.weights.map(&mut Pack)? })
}

/// A matrix that is too wide for sums in int32.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{weight} has {inputs} inputs, and sums in int8 are exact up to {MOST_INT8_INPUTS}")]
pub struct TooWide {
    /// Path of the matrix.
    pub weight: String,
    /// Its inputs.
    pub inputs: usize,
}

impl Hinted for TooWide {
    fn hint(&self) -> Option<String> {
        Some("float32 has no such limit".to_string())
    }
}

/// # Errors
/// [`TooWide`] with the matrix at this slot.
fn check_width(slot: Slot, inputs: usize) -> Result<(), TooWide> {
    if inputs <= MOST_INT8_INPUTS {
        Ok(())
    } else {
        Err(TooWide { weight: slot.to_string(), inputs })
    }
}

/// Bytes that a model's weights take.
pub(crate) fn weight_bytes<W: PackedWeight>(model: &Model<Packed<W>>) -> usize {
    let leaves = model.weights.leaves().into_iter();
    leaves
        .map(|(_, leaf)| match leaf {
            LeafRef::Matrix(matrix) => matrix.bytes(),
            LeafRef::Vector(vector) => size_of_val(vector.as_slice()),
        })
        .sum()
}

/// Quantises every matrix, an output at a time; vectors stay float32.
struct Quantise;

impl Map<Dense<f32>, Int8> for Quantise {
    type Error = TooWide;
    fn matrix(&mut self, slot: Slot, from: &Matrix<f32>) -> Result<Int8Rows, TooWide> {
        check_width(slot, from.columns())?;
        let (data, scales) = wdistill_kernels::quantise_weights(from.data(), from.columns());
        Ok(Int8Rows { columns: from.columns(), data, scales })
    }
    fn vector(&mut self, _: Slot, from: &Vec<f32>) -> Result<Vec<f32>, TooWide> {
        Ok(from.clone())
    }
}

/// A model's weights in int8: each row of a matrix, embeddings too, with a scale of its own.
///
/// # Errors
/// [`TooWide`] if a matrix has more than [`MOST_INT8_INPUTS`].
pub fn quantise(model: &Model<Dense<f32>>) -> Result<Model<Int8>, TooWide> {
    Ok(Model { config: model.config.clone(), weights: model.weights.map(&mut Quantise)? })
}
