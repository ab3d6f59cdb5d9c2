//! Weights in float32.

use std::ops::Range;

use super::{Epilogue, PackedWeight, Sums, product_in_blocks, select_lines};
use crate::pages::filled;
#[cfg(target_arch = "x86_64")]
use crate::tile::sized;
use crate::tile::{Block, Line, TILE};

/// A weight matrix in float32, `[tiles][inputs][TILE]`; the last tile is filled up with zeros.
#[derive(Clone, Debug)]
pub struct Float32Matrix {
    lines: Vec<Line<f32>>,
    outputs: usize,
    inputs: usize,
}

impl Float32Matrix {
    /// Lays out `weight [outputs, inputs]`.
    pub fn pack(weight: &[f32], outputs: usize, inputs: usize) -> Float32Matrix {
        assert_eq!(weight.len(), outputs * inputs, "packing {outputs} x {inputs} weights");
        let mut lines = filled(Line([0.0; TILE]), outputs.div_ceil(TILE) * inputs);
        for (output, row) in weight.chunks_exact(inputs.max(1)).enumerate() {
            let tile = &mut lines[output / TILE * inputs..][..inputs];
            for (line, value) in tile.iter_mut().zip(row) {
                line.0[output % TILE] = *value;
            }
        }
        Float32Matrix { lines, outputs, inputs }
    }
}

/// Activations, `[rows, inputs]`.
#[derive(Clone, Copy, Debug)]
pub struct Float32Rows<'x> {
    x: &'x [f32],
    inputs: usize,
}

impl PackedWeight for Float32Matrix {
    type Scratch = ();
    type Input<'x> = Float32Rows<'x>;

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }

    fn input<'x>(x: &'x [f32], inputs: usize, (): &'x mut ()) -> Float32Rows<'x> {
        crate::parallel::count_rows("packed product", x.len(), inputs);
        Float32Rows { x, inputs }
    }

    fn product(
        &self,
        y: &mut [f32],
        x: &Float32Rows<'_>,
        outputs: Range<usize>,
        epilogue: &Epilogue<'_>,
    ) {
        assert_eq!(x.inputs, self.inputs, "packed product: width of the activations");
        let rows = x.x.len() / self.inputs.max(1);
        let of_block = |sums: &mut Sums, block| self.multiply(sums, x.x, block);
        product_in_blocks(y, rows, (outputs, self.outputs), epilogue, of_block);
    }

    fn row(&self, row: &mut [f32], output: usize) {
        assert!(output < self.outputs, "row {output} of {}", self.outputs);
        let tile = &self.lines[output / TILE * self.inputs..][..self.inputs];
        for (value, line) in row.iter_mut().zip(tile) {
            *value = line.0[output % TILE];
        }
    }

    fn select(&self, outputs: &[u32]) -> Float32Matrix {
        let lines = select_lines(&self.lines, self.inputs, self.outputs, outputs);
        Float32Matrix { lines, outputs: outputs.len(), inputs: self.inputs }
    }
}

impl Float32Matrix {
    /// `sums = x Wᵀ` for a block.
    fn multiply(&self, sums: &mut Sums, x: &[f32], block: Block) {
        let x = &x[block.first_row * self.inputs..][..block.rows * self.inputs];
        let lines = &self.lines[block.first_tile * self.inputs..][..block.tiles * self.inputs];
        #[cfg(target_arch = "x86_64")]
        if crate::dispatch::has_avx512() {
            // SAFETY: the processor has the instructions; the slices hold all rows and tiles.
            #[allow(unsafe_code)]
            return unsafe { sized!(block, multiply_avx512, (sums, x, lines, self.inputs)) };
        }
        #[cfg(target_arch = "x86_64")]
        if crate::dispatch::has_avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { sized!(block, multiply_avx2, (sums, x, lines, self.inputs)) };
        }
        #[cfg(target_arch = "wasm32")]
        // SAFETY: an engine without the instructions takes no module that has them; the slices hold all rows and tiles.
        #[allow(unsafe_code)]
        return unsafe { super::simd128::multiply_float32(sums, x, lines, block, self.inputs) };
        #[cfg(not(target_arch = "wasm32"))]
        multiply_plainly(sums, x, lines, self.inputs);
    }
}

/// `M` rows and `N` tiles, all sums in registers.
///
/// # Safety
/// The processor has AVX-512; `x` is `[M, inputs]`, `lines` is `[N, inputs]`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
unsafe fn multiply_avx512<const M: usize, const N: usize>(
    sums: &mut Sums,
    x: &[f32],
    lines: &[Line<f32>],
    inputs: usize,
) {
    use std::arch::x86_64::*;
    let (x, lines) = (x.as_ptr(), lines.as_ptr().cast::<f32>());
    let mut registers = [[_mm512_setzero_ps(); N]; M];
    for input in 0..inputs {
        let mut weights = [_mm512_setzero_ps(); N];
        for (tile, weight) in weights.iter_mut().enumerate() {
            // SAFETY: there are `N` tiles of `inputs` lines.
            *weight = unsafe { _mm512_load_ps(lines.add((tile * inputs + input) * TILE)) };
        }
        for (row, registers) in registers.iter_mut().enumerate() {
            // SAFETY: there are `M` rows of `inputs`.
            let x = _mm512_set1_ps(unsafe { *x.add(row * inputs + input) });
            for (register, weight) in registers.iter_mut().zip(weights) {
                *register = _mm512_fmadd_ps(x, weight, *register);
            }
        }
    }
    for (sums, registers) in sums.iter_mut().zip(registers) {
        for (sums, register) in sums.as_chunks_mut::<TILE>().0.iter_mut().zip(registers) {
            // SAFETY: a chunk holds what a register does.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), register) };
        }
    }
}

/// `M` rows and `N` tiles, the sums of one tile in registers.
///
/// # Safety
/// The processor has AVX2 and FMA; `x` is `[M, inputs]`, `lines` is `[N, inputs]`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply_avx2<const M: usize, const N: usize>(
    sums: &mut Sums,
    x: &[f32],
    lines: &[Line<f32>],
    inputs: usize,
) {
    use std::arch::x86_64::*;
    const HALF: usize = TILE / 2;
    let (x, lines) = (x.as_ptr(), lines.as_ptr().cast::<f32>());
    for tile in 0..N {
        let mut registers = [[_mm256_setzero_ps(); 2]; M];
        for input in 0..inputs {
            // SAFETY: there are `N` tiles of `inputs` lines.
            let weights = unsafe {
                let line = lines.add((tile * inputs + input) * TILE);
                [_mm256_load_ps(line), _mm256_load_ps(line.add(HALF))]
            };
            for (row, registers) in registers.iter_mut().enumerate() {
                // SAFETY: there are `M` rows of `inputs`.
                let x = _mm256_set1_ps(unsafe { *x.add(row * inputs + input) });
                for (register, weight) in registers.iter_mut().zip(weights) {
                    *register = _mm256_fmadd_ps(x, weight, *register);
                }
            }
        }
        for (sums, registers) in sums.iter_mut().zip(registers) {
            let halves = sums[tile * TILE..].as_chunks_mut::<HALF>().0;
            for (sums, register) in halves.iter_mut().zip(registers) {
                // SAFETY: a chunk holds what a register does.
                unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), register) };
            }
        }
    }
}

/// The same without special instructions, for any numbers of rows and tiles.
#[cfg(any(test, not(target_arch = "wasm32")))]
fn multiply_plainly(sums: &mut Sums, x: &[f32], lines: &[Line<f32>], inputs: usize) {
    for (sums, x) in sums.iter_mut().zip(x.chunks_exact(inputs.max(1))) {
        let tiles = sums.as_chunks_mut::<TILE>().0.iter_mut();
        for (sums, lines) in tiles.zip(lines.chunks_exact(inputs.max(1))) {
            for (x, line) in x.iter().zip(lines) {
                for (sum, weight) in sums.iter_mut().zip(&line.0) {
                    *sum += x * weight;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::AWKWARD;
    use crate::tile::{COLUMNS, ROWS};

    /// Small whole numbers: every order of additions gives the same sum.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7 + seed * 13) % 11) as f32 - 5.0).collect()
    }

    #[test]
    fn all_paths_and_all_sizes_agree_with_the_definition() {
        for inputs in AWKWARD {
            for outputs in AWKWARD.into_iter().chain([130]) {
                let weight = numbers(outputs * inputs, 1);
                let matrix = Float32Matrix::pack(&weight, outputs, inputs);
                for rows in AWKWARD.into_iter().chain([5, 6, 7, 13]) {
                    if inputs == 0 && rows > 0 {
                        // How many rows there are could not be known.
                        continue;
                    }
                    let x = numbers(rows * inputs, 2);
                    let bias = numbers(outputs, 3);
                    let epilogue =
                        Epilogue { bias: Some(&bias), activation: Some(crate::Activation::Relu) };
                    let mut y = vec![f32::NAN; rows * outputs];
                    let mut scratch = ();
                    let input = Float32Matrix::input(&x, inputs, &mut scratch);
                    matrix.product(&mut y, &input, 0..outputs, &epilogue);
                    for row in 0..rows {
                        for output in 0..outputs {
                            let (x, w) = (&x[row * inputs..], &weight[output * inputs..]);
                            let sum: f32 = x[..inputs].iter().zip(w).map(|(x, w)| x * w).sum();
                            let expected = (sum + bias[output]).max(0.0);
                            assert_eq!(
                                y[row * outputs + output],
                                expected,
                                "{rows} {inputs} {outputs}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_versions_for_all_processors_agree() {
        let (rows, tiles, inputs) = (5, 3, 37);
        let weight = numbers(tiles * TILE * inputs, 1);
        let matrix = Float32Matrix::pack(&weight, tiles * TILE, inputs);
        let x = numbers(rows * inputs, 2);
        let empty: Sums = [[0.0; COLUMNS]; ROWS];
        let mut plain = empty;
        multiply_plainly(&mut plain, &x, &matrix.lines, inputs);
        assert!(plain != empty);
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        // SAFETY: each is called only where the processor has its instructions; the sizes are right.
        unsafe {
            if crate::dispatch::has_avx512() {
                let mut sums = empty;
                multiply_avx512::<5, 3>(&mut sums, &x, &matrix.lines, inputs);
                assert!(sums == plain);
            }
            if crate::dispatch::has_avx2() {
                let mut sums = empty;
                multiply_avx2::<5, 3>(&mut sums, &x, &matrix.lines, inputs);
                assert!(sums == plain);
            }
        }
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        {
            let mut sums = empty;
            let block = Block { first_row: 0, rows, first_tile: 0, tiles };
            // SAFETY: the sizes are right.
            unsafe {
                crate::packed::simd128::multiply_float32(
                    &mut sums,
                    &x,
                    &matrix.lines,
                    block,
                    inputs,
                )
            };
            assert!(sums == plain);
        }
    }

    #[test]
    fn some_outputs_and_single_rows_can_be_had() {
        let (outputs, inputs) = (50, 9);
        let weight = numbers(outputs * inputs, 1);
        let matrix = Float32Matrix::pack(&weight, outputs, inputs);
        let x = numbers(2 * inputs, 2);
        let mut scratch = ();
        let input = Float32Matrix::input(&x, inputs, &mut scratch);
        let mut all = vec![0.0; 2 * outputs];
        matrix.product(&mut all, &input, 0..outputs, &Epilogue::NONE);
        let mut some = vec![0.0; 2 * 18];
        matrix.product(&mut some, &input, 32..50, &Epilogue::NONE);
        assert_eq!(some[..18], all[32..50]);
        assert_eq!(some[18..], all[82..100]);
        let mut row = vec![0.0; inputs];
        matrix.row(&mut row, 49);
        assert_eq!(row, weight[49 * inputs..]);
    }
}
