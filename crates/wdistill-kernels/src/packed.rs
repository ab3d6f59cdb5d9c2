//! Weights laid out once for many products: what decoding multiplies with.
//!
//! A product of a few rows is bound by reading the weights, one of many rows by the arithmetic. Both are
//! served by one layout: the outputs lie in tiles of [`TILE`], and within a tile the weights of all its
//! outputs for the same input (in bfloat16 for two neighbouring inputs, in int8 for four) fill one cache line. A panel of
//! tiles is multiplied with a few rows at a time in registers, and is read from memory once.
//!
//! Every sum runs over the inputs in one order, whatever the number of rows, so that a row's result does
//! not depend on its neighbours.

mod bfloat16;
mod float32;
mod int8;
#[cfg(target_arch = "wasm32")]
mod simd128;

pub use bfloat16::Bfloat16Matrix;
pub use float32::Float32Matrix;
pub use int8::{Int8Matrix, MOST_INT8_INPUTS, QuantisedRows, QuantisedScratch, quantise_weights};

use std::ops::Range;

use crate::dispatch::{Instructions, multiversion};
use crate::linear::activate;
use crate::pages::filled;
use crate::tile::{Block, COLUMNS, Line, PANEL, ROWS, TILE};
use crate::{Activation, Separate};

/// The lines of some outputs of `all`, tile by tile, each of `depth` lines; the last tile is filled up with
/// zeros.
fn select_lines<T: Copy + Default>(
    lines: &[Line<T>],
    depth: usize,
    all: usize,
    outputs: &[u32],
) -> Vec<Line<T>> {
    let mut selected = filled(Line([T::default(); TILE]), outputs.len().div_ceil(TILE) * depth);
    for (place, output) in outputs.iter().enumerate() {
        let output = *output as usize;
        assert!(output < all, "row {output} of {all} is selected");
        let from = &lines[output / TILE * depth..][..depth];
        let to = &mut selected[place / TILE * depth..][..depth];
        for (to, from) in to.iter_mut().zip(from) {
            to.0[place % TILE] = from.0[output % TILE];
        }
    }
    selected
}

/// What follows a product, element by element.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// `[outputs]` of the whole matrix, or none.
    pub bias: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Option<Activation>,
}

impl Epilogue<'_> {
    /// Neither.
    pub const NONE: Epilogue<'static> = Epilogue { bias: None, activation: None };

    /// Applies it to the outputs from `first` of one row.
    #[inline(always)]
    fn apply(&self, y: &mut [f32], first: usize) {
        if let Some(bias) = self.bias {
            for (y, bias) in y.iter_mut().zip(&bias[first..]) {
                *y += *bias;
            }
        }
        // Products and sums rounded separately, on every processor, give the same bits on all of them.
        activate::<Separate, f32>(y, self.activation);
    }
}

multiversion! {
    /// Sums of some outputs of a row, from `first` on, and what follows them.
    fn finish_row(
        y: &mut [f32],
        sums: &[f32],
        first: usize,
        epilogue: &Epilogue<'_>,
    ) = finish_row_body;
}

#[inline(always)]
fn finish_row_body<I: Instructions>(
    y: &mut [f32],
    sums: &[f32],
    first: usize,
    epilogue: &Epilogue<'_>,
) {
    y.copy_from_slice(&sums[..y.len()]);
    epilogue.apply(y, first);
}

/// A weight matrix `W [outputs, inputs]`, laid out for products `x Wᵀ`.
pub trait PackedWeight: Send + Sync + Sized {
    /// Memory for activations made ready, which can be used again.
    type Scratch: Default;

    /// Activations as the product reads them.
    type Input<'x>;

    /// Rows of `W`.
    fn outputs(&self) -> usize;

    /// Columns of `W`.
    fn inputs(&self) -> usize;

    /// Bytes of memory.
    fn bytes(&self) -> usize;

    /// Prepares `x [rows, inputs]` for any number of products.
    fn input<'x>(x: &'x [f32], inputs: usize, scratch: &'x mut Self::Scratch) -> Self::Input<'x>;

    /// `y = activation(x Wᵀ + b)` for some outputs, `y [rows, outputs.len()]`. The first output must be a
    /// multiple of [`TILE`].
    fn product(
        &self,
        y: &mut [f32],
        x: &Self::Input<'_>,
        outputs: Range<usize>,
        epilogue: &Epilogue<'_>,
    );

    /// Row `output` of `W`, `[inputs]`: a word's embedding.
    fn row(&self, row: &mut [f32], output: usize);

    /// Some rows of `W`, in the order given, as a matrix of their own, whose products have the same bits.
    ///
    /// # Panics
    /// If there is no such row.
    fn select(&self, outputs: &[u32]) -> Self;
}

/// All blocks of a product, panel by panel.
#[inline(always)]
fn blocks(rows: usize, tiles: Range<usize>) -> impl Iterator<Item = Block> {
    let end = tiles.end;
    tiles.step_by(PANEL).flat_map(move |first_tile| {
        let tiles = PANEL.min(end - first_tile);
        (0..rows).step_by(ROWS).map(move |first_row| Block {
            first_row,
            rows: ROWS.min(rows - first_row),
            first_tile,
            tiles,
        })
    })
}

/// Checks a product's shapes and returns its tiles.
fn check(
    y: &[f32],
    rows: usize,
    outputs: &Range<usize>,
    all: usize,
    epilogue: &Epilogue<'_>,
) -> Range<usize> {
    assert!(outputs.end <= all, "packed product: outputs {outputs:?} of {all}");
    assert!(outputs.start.is_multiple_of(TILE), "packed product: first output {}", outputs.start);
    assert_eq!(y.len(), rows * outputs.len(), "packed product: length of the result");
    if let Some(bias) = epilogue.bias {
        assert_eq!(bias.len(), all, "packed product: length of the bias");
    }
    outputs.start / TILE..outputs.end.div_ceil(TILE)
}

/// The results of a block whose sums are float32.
type Sums = [[f32; COLUMNS]; ROWS];

/// `y [rows, outputs]` for some outputs of `all`, block after block; `multiply` gives a block's sums.
fn product_in_blocks(
    y: &mut [f32],
    rows: usize,
    (outputs, all): (Range<usize>, usize),
    epilogue: &Epilogue<'_>,
    multiply: impl Fn(&mut Sums, Block),
) {
    let tiles = check(y, rows, &outputs, all, epilogue);
    let width = outputs.len();
    for block in blocks(rows, tiles) {
        let mut sums = [[0.0; COLUMNS]; ROWS];
        multiply(&mut sums, block);
        let first = block.first_tile * TILE;
        let columns = first..(first + block.tiles * TILE).min(outputs.end);
        for (row, sums) in (block.first_row..).zip(&sums[..block.rows]) {
            let y = &mut y[row * width + first - outputs.start..][..columns.len()];
            finish_row(y, sums, first, epilogue);
        }
    }
}

/// Numbers of inputs, outputs and rows that tests try.
#[cfg(test)]
const AWKWARD: [usize; 8] = [0, 1, 15, 16, 17, 63, 64, 65];

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares products of selected rows with those rows of the whole product, to the bit.
    fn check_selection<W: PackedWeight>(matrix: &W) {
        let (rows, inputs, outputs) = (7, matrix.inputs(), matrix.outputs());
        let x: Vec<f32> = (0..rows * inputs).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut scratch = W::Scratch::default();
        let input = W::input(&x, inputs, &mut scratch);
        let mut whole = vec![f32::NAN; rows * outputs];
        matrix.product(&mut whole, &input, 0..outputs, &Epilogue::NONE);
        for count in AWKWARD {
            let selection: Vec<u32> = (0..count).map(|i| (i * 29 % outputs) as u32).collect();
            let selected = matrix.select(&selection);
            assert_eq!((selected.outputs(), selected.inputs()), (count, inputs));
            let mut part = vec![f32::NAN; rows * count];
            selected.product(&mut part, &input, 0..count, &Epilogue::NONE);
            for (row, whole) in whole.chunks_exact(outputs).enumerate() {
                let expected: Vec<f32> = selection.iter().map(|o| whole[*o as usize]).collect();
                assert_eq!(part[row * count..][..count], expected);
            }
            let (mut one, mut other) = (vec![0.0; inputs], vec![0.0; inputs]);
            for (place, output) in selection.iter().enumerate() {
                selected.row(&mut one, place);
                matrix.row(&mut other, *output as usize);
                assert_eq!(one, other);
            }
        }
    }

    #[test]
    fn products_of_selected_outputs_are_those_of_all() {
        for inputs in [1, 15, 16, 65] {
            let outputs = 130;
            let weight: Vec<f32> = (0..outputs * inputs).map(|i| (i as f32 * 0.61).cos()).collect();
            check_selection(&Float32Matrix::pack(&weight, outputs, inputs));
            check_selection(&Bfloat16Matrix::pack(&weight, outputs, inputs));
            let (quantised, scales) = quantise_weights(&weight, inputs);
            check_selection(&Int8Matrix::pack(&quantised, scales, inputs));
        }
    }

    #[test]
    #[should_panic(expected = "of 16 is selected")]
    fn a_row_that_is_not_there_cannot_be_selected() {
        Float32Matrix::pack(&[0.0; 32], 16, 2).select(&[3, 16]);
    }
}
