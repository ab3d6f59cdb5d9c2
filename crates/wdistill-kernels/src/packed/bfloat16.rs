//! Weights in bfloat16: pairs of neighbours along the sum, which one instruction multiplies and adds.
//!
//! `y = sum over k of bf16(x[k]) bf16(w[k]) + b`, with products and sums in float32. A processor without AVX-512 BF16 computes the
//! same with plain loops, slowly; [`supported`](crate::supported) says whether that is so.

use std::ops::Range;

use super::{Epilogue, PackedWeight, Sums, product_in_blocks, select_lines};
use crate::bfloat16::{Pair, number, pair, pairs};
use crate::pages::filled;
use crate::tile::{Block, COLUMNS, Line, TILE};

/// A weight matrix in bfloat16, `[tiles][pairs][TILE][2]`; filled up with zeros.
#[derive(Clone, Debug)]
pub struct Bfloat16Matrix {
    lines: Vec<Line<Pair>>,
    outputs: usize,
    inputs: usize,
}

/// Activations in bfloat16, `[rows, pairs]`.
#[derive(Clone, Copy, Debug)]
pub struct Bfloat16Rows<'x> {
    x: &'x [Pair],
    inputs: usize,
}

impl Bfloat16Matrix {
    /// Rounds and lays out `weight [outputs, inputs]`.
    pub fn pack(weight: &[f32], outputs: usize, inputs: usize) -> Bfloat16Matrix {
        assert_eq!(weight.len(), outputs * inputs, "packing {outputs} x {inputs} weights");
        let depth = inputs.div_ceil(2);
        let mut lines = filled(Line([0; TILE]), outputs.div_ceil(TILE) * depth);
        for (output, row) in weight.chunks_exact(inputs.max(1)).enumerate() {
            let tile = &mut lines[output / TILE * depth..][..depth];
            for (line, numbers) in tile.iter_mut().zip(row.chunks(2)) {
                line.0[output % TILE] = pair(numbers);
            }
        }
        Bfloat16Matrix { lines, outputs, inputs }
    }

    /// Pairs of an output's weights.
    fn depth(&self) -> usize {
        self.inputs.div_ceil(2)
    }

    /// `sums = x Wᵀ` for a block.
    fn multiply(&self, sums: &mut Sums, x: &[Pair], block: Block) {
        let depth = self.depth();
        let rows = &x[block.first_row * depth..][..block.rows * depth];
        let tiles = &self.lines[block.first_tile * depth..][..block.tiles * depth];
        #[cfg(target_arch = "x86_64")]
        if crate::dispatch::has_bfloat16() {
            use crate::Accumulate;
            use crate::bfloat16::avx512;
            let operands = avx512::Operands { rows, stride: depth, step: 1, tiles, pairs: depth };
            let results = avx512::Sums {
                first: sums.as_mut_ptr().cast(),
                stride: COLUMNS,
                columns: block.tiles * TILE,
                accumulate: Accumulate::Overwrite,
            };
            // SAFETY: the processor has the instructions; `sums` has room for every block.
            #[allow(unsafe_code)]
            return unsafe { avx512::multiply(results, operands, block) };
        }
        multiply_plainly(sums, rows, tiles, depth);
    }
}

impl PackedWeight for Bfloat16Matrix {
    type Scratch = Vec<Pair>;
    type Input<'x> = Bfloat16Rows<'x>;

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }

    fn input<'x>(x: &'x [f32], inputs: usize, scratch: &'x mut Vec<Pair>) -> Bfloat16Rows<'x> {
        let rows = crate::parallel::count_rows("packed product", x.len(), inputs);
        scratch.resize((rows * inputs.div_ceil(2)).max(scratch.len()), 0);
        let packed = &mut scratch[..rows * inputs.div_ceil(2)];
        let both =
            x.chunks_exact(inputs.max(1)).zip(packed.chunks_exact_mut(inputs.div_ceil(2).max(1)));
        both.for_each(|(x, packed)| pairs(packed, x));
        Bfloat16Rows { x: packed, inputs }
    }

    fn product(
        &self,
        y: &mut [f32],
        x: &Bfloat16Rows<'_>,
        outputs: Range<usize>,
        epilogue: &Epilogue<'_>,
    ) {
        assert_eq!(x.inputs, self.inputs, "packed product: width of the activations");
        let rows = x.x.len() / self.depth().max(1);
        let of_block = |sums: &mut Sums, block| self.multiply(sums, x.x, block);
        product_in_blocks(y, rows, (outputs, self.outputs), epilogue, of_block);
    }

    fn row(&self, row: &mut [f32], output: usize) {
        assert!(output < self.outputs, "row {output} of {}", self.outputs);
        let depth = self.depth();
        let tile = &self.lines[output / TILE * depth..][..depth];
        for (values, line) in row.chunks_mut(2).zip(tile) {
            let pair = line.0[output % TILE];
            let both = [number(pair as u16), number((pair >> 16) as u16)];
            values.copy_from_slice(&both[..values.len()]);
        }
    }

    fn select(&self, outputs: &[u32]) -> Bfloat16Matrix {
        let lines = select_lines(&self.lines, self.depth(), self.outputs, outputs);
        Bfloat16Matrix { lines, outputs: outputs.len(), inputs: self.inputs }
    }
}

/// Without special instructions, for any numbers of rows and tiles.
fn multiply_plainly(sums: &mut Sums, x: &[Pair], lines: &[Line<Pair>], depth: usize) {
    for (sums, x) in sums.iter_mut().zip(x.chunks_exact(depth.max(1))) {
        let tiles = sums.as_chunks_mut::<TILE>().0.iter_mut();
        for (sums, lines) in tiles.zip(lines.chunks_exact(depth.max(1))) {
            for (x, line) in x.iter().zip(lines) {
                for (sum, weight) in sums.iter_mut().zip(line.0) {
                    *sum += number(*x as u16) * number(weight as u16);
                    *sum += number((*x >> 16) as u16) * number((weight >> 16) as u16);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::AWKWARD;
    use crate::round_to_bfloat16;

    /// The sum of the products of rounded numbers in float64, and of their magnitudes.
    fn expected(x: &[f32], weight: &[f32]) -> (f64, f64) {
        let near = |number: &f32| f64::from(round_to_bfloat16(*number));
        let products = x.iter().zip(weight).map(|(x, w)| near(x) * near(w));
        products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()))
    }

    #[test]
    fn products_are_those_of_rounded_numbers_at_all_sizes() {
        let number = |index: usize| (index as f32 * 0.37).sin();
        for inputs in AWKWARD {
            for outputs in AWKWARD {
                let weight: Vec<f32> = (0..outputs * inputs).map(number).collect();
                let matrix = Bfloat16Matrix::pack(&weight, outputs, inputs);
                for rows in AWKWARD.into_iter().chain([5, 6, 7]) {
                    if inputs == 0 && rows > 0 {
                        // How many rows there are could not be known.
                        continue;
                    }
                    let x: Vec<f32> = (0..rows * inputs).map(|index| number(index + 9)).collect();
                    let mut scratch = Vec::new();
                    let input = Bfloat16Matrix::input(&x, inputs, &mut scratch);
                    let mut y = vec![f32::NAN; rows * outputs];
                    matrix.product(&mut y, &input, 0..outputs, &Epilogue::NONE);
                    for (row, y) in y.chunks_exact(outputs.max(1)).enumerate() {
                        for (output, y) in y.iter().enumerate() {
                            let w = &weight[output * inputs..][..inputs];
                            let (sum, size) = expected(&x[row * inputs..][..inputs], w);
                            let bound = inputs as f64 * f64::from(f32::EPSILON) * size;
                            let error = (f64::from(*y) - sum).abs();
                            assert!(error <= bound, "{rows} {inputs} {outputs}: {y}, {sum}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_comes_back_rounded() {
        let (outputs, inputs) = (20, 9);
        let weight: Vec<f32> = (0..outputs * inputs).map(|i| (i as f32 * 0.61).cos()).collect();
        let matrix = Bfloat16Matrix::pack(&weight, outputs, inputs);
        let mut row = vec![0.0; inputs];
        matrix.row(&mut row, 18);
        let expected: Vec<f32> = weight[18 * inputs..][..inputs]
            .iter()
            .map(|number| round_to_bfloat16(*number))
            .collect();
        assert_eq!(row, expected);
        assert_eq!(matrix.bytes(), 2 * 5 * 64);
    }
}
