//! Weights in int8: one scale for each output, activations quantised row by row, sums in int32.
//!
//! `y = (sum over k of qx[k] qw[k]) * sx * sw + b` with `qw = round(w / sw)`, `sw = max |w| / 127` over an
//! output's weights, and the same for each row of activations. Sums are exact, so that every processor and
//! every batch gives the same bits.

use std::ops::Range;

use super::{Epilogue, PackedWeight, blocks, check, select_lines};
use crate::dispatch::{Instructions, multiversion};
use crate::pages::filled;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::tile::sized;
use crate::tile::{self, Block, COLUMNS, ROWS, TILE};

/// Inputs whose weights lie side by side.
pub(super) const GROUP: usize = 4;

/// Most inputs of a matrix in int8: sums of more products of two numbers up to 127 may not fit into an int32,
/// nor may the offset of quantised activations times the sum of so many weights.
pub const MOST_INT8_INPUTS: usize = 1 << 17;

const _: () = assert!(MOST_INT8_INPUTS * 128 * 127 <= i32::MAX as usize);

/// Largest quantised number; -128 is left out, so that products of four fit where they must.
const LARGEST: f32 = 127.0;

/// Quantised activations are stored with this added, as unsigned bytes, where the instructions want it so.
const OFFSET: u8 = 128;

/// The weights of a tile's outputs for a group of inputs.
type Line = tile::Line<[i8; GROUP]>;

/// A weight matrix in int8, `[tiles][groups][TILE][GROUP]`; filled up with zeros.
#[derive(Clone, Debug)]
pub struct Int8Matrix {
    lines: Vec<Line>,
    /// One for each output.
    scales: Vec<f32>,
    /// `OFFSET` times the sum of each output's weights.
    offsets: Vec<i32>,
    outputs: usize,
    inputs: usize,
}

/// The sums of a block.
type Sums = [[i32; COLUMNS]; ROWS];

/// What turns the sums of a block into results, and where these go.
struct Results<'a> {
    /// `[rows of the block, width]` from the block's first column on; the last row may end after the
    /// block's columns.
    y: &'a mut [f32],
    width: usize,
    /// Columns of the block that there are.
    columns: usize,
    /// Of the activations, one for each row of the block.
    row_scales: &'a [f32],
    /// Of the weights, one for each column.
    scales: &'a [f32],
    /// To be taken from the sums, one for each column; empty if activations have no offset.
    offsets: &'a [i32],
    /// First of the block's columns among all outputs.
    first: usize,
    epilogue: &'a Epilogue<'a>,
}

impl Results<'_> {
    /// Finishes sums that were stored.
    fn finish(&mut self, sums: &Sums) {
        let Results { y, width, columns, row_scales, scales, offsets, first, epilogue } = self;
        let rows = y.chunks_mut(*width).zip(sums).zip(row_scales.iter());
        for ((y, sums), scale) in rows {
            finish_row(&mut y[..*columns], sums, offsets, *scale, scales, *first, epilogue);
        }
    }
}

/// Which instructions multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// AVX-512 with VNNI: unsigned by signed bytes, four at a time.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// AVX2: pairs of products in int16, which cannot overflow without -128.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON: products in int16, summed in int32.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// WebAssembly's vectors of 16 bytes, which a module has or does not: products in int32, two and two summed.
    #[cfg(target_arch = "wasm32")]
    Simd128,
    /// None in particular.
    Plain,
}

impl Path {
    /// The best that the processor has.
    fn best() -> Path {
        Path::all().next().expect("a plain loop runs everywhere")
    }

    /// All that the processor has, the best first.
    fn all() -> impl Iterator<Item = Path> {
        #[cfg(target_arch = "x86_64")]
        let special = [
            (crate::dispatch::has_avx512() && is_x86_feature_detected!("avx512vnni"), Path::Vnni),
            (crate::dispatch::has_avx2(), Path::Avx2),
        ];
        #[cfg(target_arch = "aarch64")]
        let special = [(true, Path::Neon)];
        #[cfg(target_arch = "wasm32")]
        let special = [(true, Path::Simd128)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")))]
        let special = [];
        let there = special.into_iter().filter(|(is_there, _)| *is_there).map(|(_, path)| path);
        there.chain([Path::Plain])
    }

    /// What is added to quantised activations.
    fn offset(self) -> u8 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Path::Vnni => OFFSET,
            _ => 0,
        }
    }
}

/// Memory for quantised activations.
#[derive(Clone, Debug, Default)]
pub struct QuantisedScratch {
    data: Vec<[u8; GROUP]>,
    #[cfg(target_arch = "wasm32")]
    wide: Vec<[i16; GROUP]>,
    scales: Vec<f32>,
}

/// Quantised activations, `[rows, groups][GROUP]`, and a scale for each row.
#[derive(Clone, Copy, Debug)]
pub struct QuantisedRows<'x> {
    data: &'x [[u8; GROUP]],
    /// The same in int16, which WebAssembly multiplies.
    #[cfg(target_arch = "wasm32")]
    wide: &'x [[i16; GROUP]],
    scales: &'x [f32],
    inputs: usize,
    path: Path,
}

impl<'x> QuantisedRows<'x> {
    fn quantise(
        x: &[f32],
        inputs: usize,
        path: Path,
        scratch: &'x mut QuantisedScratch,
    ) -> QuantisedRows<'x> {
        let rows = crate::parallel::count_rows("quantising", x.len(), inputs);
        let groups = inputs.div_ceil(GROUP);
        let QuantisedScratch { data, scales, .. } = scratch;
        // What is left over from other rows stays where a row ends within a group: its weights are zero.
        data.resize(data.len().max(rows * groups), [0; GROUP]);
        scales.resize(rows, 0.0);
        let data = &mut data[..rows * groups];
        let rows = x.chunks_exact(inputs.max(1)).zip(data.chunks_exact_mut(groups.max(1)));
        for ((x, data), scale) in rows.zip(&mut *scales) {
            *scale = quantise_row(&mut data.as_flattened_mut()[..inputs], x, path.offset());
        }
        #[cfg(target_arch = "wasm32")]
        {
            scratch.wide.clear();
            scratch.wide.extend(data.iter().map(|group| group.map(|x| i16::from(x as i8))));
        }
        QuantisedRows {
            data,
            #[cfg(target_arch = "wasm32")]
            wide: &scratch.wide,
            scales,
            inputs,
            path,
        }
    }
}

/// Independent maxima of a row, which the compiler makes a vector of.
const LANES: usize = 32;

/// Adding it leaves the nearest whole number, halves to even, in the low bits of a float32.
const ROUNDING: f32 = 12_582_912.0;

multiversion! {
    /// `q = round(127 x / max |x|)` plus an offset; returns `max |x| / 127`, or NaN if there is one in `x`.
    fn quantise_row(q: &mut [u8], x: &[f32], offset: u8) -> f32 = quantise_row_body;
}

#[inline(always)]
fn quantise_row_body<I: Instructions>(q: &mut [u8], x: &[f32], offset: u8) -> f32 {
    let (mut largest, mut poison) = ([0.0f32; LANES], [0.0f32; LANES]);
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            let size = block[lane].abs();
            largest[lane] = if size > largest[lane] { size } else { largest[lane] };
            // NaN and infinity stay, everything else is gone.
            poison[lane] += block[lane] * 0.0;
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        largest[lane] = if x.abs() > largest[lane] { x.abs() } else { largest[lane] };
        poison[lane] += x * 0.0;
    }
    let poison: f32 = poison.iter().sum();
    let largest = largest.into_iter().fold(0.0, |a: f32, b| if b > a { b } else { a });
    let factor = if largest > 0.0 { LARGEST / largest } else { 0.0 };
    for (q, x) in q.iter_mut().zip(x) {
        *q = ((x * factor + ROUNDING).to_bits() as u8).wrapping_add(offset);
    }
    largest / LARGEST + poison
}

fn check_inputs(inputs: usize) {
    let most = MOST_INT8_INPUTS;
    assert!(inputs <= most, "{inputs} inputs in int8: sums are exact up to {most} inputs");
}

/// Quantises `weight [outputs, inputs]` row by row: `qw` and a scale for each row, see above.
///
/// # Panics
/// If there are more than [`MOST_INT8_INPUTS`].
pub fn quantise_weights(weight: &[f32], inputs: usize) -> (Vec<i8>, Vec<f32>) {
    check_inputs(inputs);
    let mut quantised = vec![0; weight.len()];
    let rows = quantised.chunks_exact_mut(inputs.max(1)).zip(weight.chunks_exact(inputs.max(1)));
    let scales = rows.map(|(q, row)| quantise_row(q, row, 0)).collect();
    (quantised.into_iter().map(|byte| byte as i8).collect(), scales)
}

impl Int8Matrix {
    /// Lays out quantised weights, `weight [outputs, inputs]` and a scale for each output.
    ///
    /// # Panics
    /// If a weight is -128, which [`quantise_weights`] never gives, if there are more than
    /// [`MOST_INT8_INPUTS`], or the lengths do not fit.
    pub fn pack(weight: &[i8], scales: Vec<f32>, inputs: usize) -> Int8Matrix {
        let outputs = scales.len();
        check_inputs(inputs);
        assert_eq!(weight.len(), outputs * inputs, "packing {outputs} x {inputs} weights");
        assert!(!weight.contains(&i8::MIN), "an int8 weight of -128");
        let groups = inputs.div_ceil(GROUP);
        let mut lines = filled(tile::Line([[0; GROUP]; TILE]), outputs.div_ceil(TILE) * groups);
        let mut offsets = vec![0; outputs];
        for (output, row) in weight.chunks_exact(inputs.max(1)).enumerate() {
            let tile = &mut lines[output / TILE * groups..][..groups];
            let (whole, rest) = row.as_chunks::<GROUP>();
            for (line, group) in tile.iter_mut().zip(whole) {
                line.0[output % TILE] = *group;
            }
            if let Some(line) = tile.get_mut(whole.len()) {
                line.0[output % TILE][..rest.len()].copy_from_slice(rest);
            }
            offsets[output] = i32::from(OFFSET) * row.iter().map(|w| i32::from(*w)).sum::<i32>();
        }
        Int8Matrix { lines, scales, offsets, outputs, inputs }
    }

    fn groups(&self) -> usize {
        self.inputs.div_ceil(GROUP)
    }

    /// `y = activation(x Wᵀ + b)` for a block.
    fn multiply(&self, results: &mut Results<'_>, x: &QuantisedRows<'_>, block: Block) {
        let groups = self.groups();
        let data = &x.data[block.first_row * groups..][..block.rows * groups];
        let lines = &self.lines[block.first_tile * groups..][..block.tiles * groups];
        match x.path {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: there is such a path only where the processor has the instructions; the slices
            // hold all rows and tiles.
            Path::Vnni => unsafe { sized!(block, multiply_vnni, (results, data, lines, groups)) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: as above.
            Path::Avx2 => {
                results.finish(&unsafe { sized!(block, multiply_avx2, (data, lines, groups)) });
            }
            #[cfg(target_arch = "aarch64")]
            #[allow(unsafe_code)]
            // SAFETY: as above; NEON is part of the architecture.
            Path::Neon => {
                results.finish(&unsafe { sized!(block, multiply_neon, (data, lines, groups)) });
            }
            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code)]
            // SAFETY: as above; an engine without these instructions takes no module that has them.
            Path::Simd128 => {
                let wide = &x.wide[block.first_row * groups..][..block.rows * groups];
                results
                    .finish(&unsafe { super::simd128::multiply_int8(wide, lines, block, groups) });
            }
            Path::Plain => results.finish(&multiply_plainly(data, lines, groups)),
        }
    }
}

impl PackedWeight for Int8Matrix {
    type Scratch = QuantisedScratch;
    type Input<'x> = QuantisedRows<'x>;

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
            + size_of_val(self.scales.as_slice())
            + size_of_val(self.offsets.as_slice())
    }

    fn input<'x>(
        x: &'x [f32],
        inputs: usize,
        scratch: &'x mut QuantisedScratch,
    ) -> QuantisedRows<'x> {
        QuantisedRows::quantise(x, inputs, Path::best(), scratch)
    }

    fn product(
        &self,
        y: &mut [f32],
        x: &QuantisedRows<'_>,
        outputs: Range<usize>,
        epilogue: &Epilogue<'_>,
    ) {
        assert_eq!(x.inputs, self.inputs, "packed product: width of the activations");
        let tiles = check(y, x.scales.len(), &outputs, self.outputs, epilogue);
        let width = outputs.len();
        let has_offset = x.path.offset() != 0;
        for block in blocks(x.scales.len(), tiles) {
            let first = block.first_tile * TILE;
            let columns = first..(first + block.tiles * TILE).min(outputs.end);
            let mut results = Results {
                y: &mut y[block.first_row * width + first - outputs.start..],
                width,
                columns: columns.len(),
                row_scales: &x.scales[block.first_row..][..block.rows],
                scales: &self.scales[columns.clone()],
                offsets: if has_offset { &self.offsets[columns] } else { &[] },
                first,
                epilogue,
            };
            self.multiply(&mut results, x, block);
        }
    }

    fn row(&self, row: &mut [f32], output: usize) {
        assert!(output < self.outputs, "row {output} of {}", self.outputs);
        let tile = &self.lines[output / TILE * self.groups()..][..self.groups()];
        for (values, line) in row.chunks_mut(GROUP).zip(tile) {
            for (value, weight) in values.iter_mut().zip(line.0[output % TILE]) {
                *value = f32::from(weight) * self.scales[output];
            }
        }
    }

    fn select(&self, outputs: &[u32]) -> Int8Matrix {
        let places = || outputs.iter().map(|output| *output as usize);
        Int8Matrix {
            lines: select_lines(&self.lines, self.groups(), self.outputs, outputs),
            scales: places().map(|output| self.scales[output]).collect(),
            offsets: places().map(|output| self.offsets[output]).collect(),
            outputs: outputs.len(),
            inputs: self.inputs,
        }
    }
}

multiversion! {
    #[cfg(target_arch = "x86_64")]
    fn activate_row(y: &mut [f32], activation: Option<crate::Activation>) = activate_row_body;

    /// `y = (sum - offset) * (scale * own scale)`, bias, activation; no offsets are none.
    fn finish_row(
        y: &mut [f32],
        sums: &[i32],
        offsets: &[i32],
        scale: f32,
        scales: &[f32],
        first: usize,
        epilogue: &Epilogue<'_>,
    ) = finish_row_body;
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn activate_row_body<I: Instructions>(y: &mut [f32], activation: Option<crate::Activation>) {
    crate::linear::activate::<crate::Separate, f32>(y, activation);
}

#[inline(always)]
fn finish_row_body<I: Instructions>(
    y: &mut [f32],
    sums: &[i32],
    offsets: &[i32],
    scale: f32,
    scales: &[f32],
    first: usize,
    epilogue: &Epilogue<'_>,
) {
    if offsets.is_empty() {
        dequantise(y, sums, scale, scales, |sum, _| sum)
    } else {
        let offsets = &offsets[..y.len()];
        dequantise(y, sums, scale, scales, |sum, index| sum - offsets[index]);
    }
    epilogue.apply(y, first);
}

#[inline(always)]
fn dequantise(
    y: &mut [f32],
    sums: &[i32],
    scale: f32,
    scales: &[f32],
    corrected: impl Fn(i32, usize) -> i32,
) {
    for (index, ((y, sum), own)) in y.iter_mut().zip(sums).zip(scales).enumerate() {
        *y = corrected(*sum, index) as f32 * (scale * own);
    }
}

/// `M` rows and `N` tiles, all sums in registers.
///
/// # Safety
/// The processor has AVX-512 with VNNI; `x` is `[M, groups]`, `lines` is `[N, groups]`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn multiply_vnni<const M: usize, const N: usize>(
    results: &mut Results<'_>,
    x: &[[u8; GROUP]],
    lines: &[Line],
    groups: usize,
) {
    use std::arch::x86_64::*;
    let (x, lines) = (x.as_ptr(), lines.as_ptr().cast::<__m512i>());
    let Results { y, width, columns, row_scales, scales, offsets, first, epilogue } = results;
    let bias = epilogue.bias.map(|bias| &bias[*first..]);
    assert!(y.len() >= (M - 1) * *width + *columns && row_scales.len() == M, "rows of a block");
    assert!(scales.len() >= *columns && offsets.len() >= *columns, "scales of a block");
    assert!(bias.is_none_or(|bias| bias.len() >= *columns), "bias of a block");
    let mask = |tile: usize| ((1u32 << TILE.min(*columns - tile * TILE)) - 1) as __mmask16;
    // What the activations' offset adds is taken off before.
    let mut registers = [[_mm512_setzero_si512(); N]; M];
    for tile in 0..N {
        // SAFETY: the asserts above, and the mask, keep the read inside the slice.
        let offset =
            unsafe { _mm512_maskz_loadu_epi32(mask(tile), offsets.as_ptr().add(tile * TILE)) };
        let start = _mm512_sub_epi32(_mm512_setzero_si512(), offset);
        registers.iter_mut().for_each(|registers| registers[tile] = start);
    }
    for group in 0..groups {
        let mut weights = [_mm512_setzero_si512(); N];
        for (tile, weight) in weights.iter_mut().enumerate() {
            // SAFETY: there are `N` tiles of `groups` lines, each as long and as aligned as a register.
            *weight = unsafe { _mm512_load_si512(lines.add(tile * groups + group)) };
        }
        for (row, registers) in registers.iter_mut().enumerate() {
            // SAFETY: there are `M` rows of `groups`.
            let x = _mm512_set1_epi32(i32::from_le_bytes(unsafe { *x.add(row * groups + group) }));
            for (register, weight) in registers.iter_mut().zip(weights) {
                *register = _mm512_dpbusd_epi32(*register, x, weight);
            }
        }
    }
    for tile in 0..N {
        let (start, mask) = (tile * TILE, mask(tile));
        // SAFETY: the asserts above, and the mask, keep all reads and writes inside the slices.
        unsafe {
            let own = _mm512_maskz_loadu_ps(mask, scales.as_ptr().add(start));
            let bias = bias.map(|bias| _mm512_maskz_loadu_ps(mask, bias.as_ptr().add(start)));
            for (row, registers) in registers.iter().enumerate() {
                let sum = _mm512_cvtepi32_ps(registers[tile]);
                let scale = _mm512_mul_ps(_mm512_set1_ps(row_scales[row]), own);
                let mut value = _mm512_mul_ps(sum, scale);
                if let Some(bias) = bias {
                    value = _mm512_add_ps(value, bias);
                }
                _mm512_mask_storeu_ps(y.as_mut_ptr().add(row * *width + start), mask, value);
            }
        }
    }
    if epilogue.activation.is_some() {
        for y in y.chunks_mut(*width).take(M) {
            activate_row(&mut y[..*columns], epilogue.activation);
        }
    }
}

/// `M` rows and `N` tiles, the sums of one tile in registers.
///
/// Unsigned by signed products are made of signed ones by moving the sign of `x` to the weight; two of
/// them are at most `2 * 127 * 127`, which an int16 holds.
///
/// # Safety
/// The processor has AVX2; `x` is `[M, groups]`, `lines` is `[N, groups]`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[target_feature(enable = "avx2")]
unsafe fn multiply_avx2<const M: usize, const N: usize>(
    x: &[[u8; GROUP]],
    lines: &[Line],
    groups: usize,
) -> Sums {
    use std::arch::x86_64::*;
    const HALF: usize = TILE / 2;
    let mut sums = [[0; COLUMNS]; ROWS];
    let (x, lines) = (x.as_ptr(), lines.as_ptr().cast::<__m256i>());
    let ones = _mm256_set1_epi16(1);
    for tile in 0..N {
        let mut registers = [[_mm256_setzero_si256(); 2]; M];
        for group in 0..groups {
            // SAFETY: there are `N` tiles of `groups` lines, each as long as two registers.
            let weights = unsafe {
                let line = lines.add((tile * groups + group) * 2);
                [_mm256_load_si256(line), _mm256_load_si256(line.add(1))]
            };
            for (row, registers) in registers.iter_mut().enumerate() {
                // SAFETY: there are `M` rows of `groups`.
                let x = unsafe { *x.add(row * groups + group) };
                let x = _mm256_set1_epi32(i32::from_le_bytes(x));
                let size = _mm256_abs_epi8(x);
                for (register, weight) in registers.iter_mut().zip(weights) {
                    let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(weight, x));
                    *register = _mm256_add_epi32(*register, _mm256_madd_epi16(pairs, ones));
                }
            }
        }
        for (sums, registers) in sums.iter_mut().zip(registers) {
            let halves = sums[tile * TILE..].as_chunks_mut::<HALF>().0;
            for (sums, register) in halves.iter_mut().zip(registers) {
                // SAFETY: a chunk holds what a register does.
                unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), register) };
            }
        }
    }
    sums
}

/// `M` rows and `N` tiles, the sums of one tile in registers.
///
/// # Safety
/// `x` is `[M, groups]`, `lines` is `[N, groups]`.
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
#[target_feature(enable = "neon")]
unsafe fn multiply_neon<const M: usize, const N: usize>(
    x: &[[u8; GROUP]],
    lines: &[Line],
    groups: usize,
) -> Sums {
    use std::arch::aarch64::*;
    const QUARTER: usize = TILE / 4;
    let mut sums = [[0; COLUMNS]; ROWS];
    let (x, lines) = (x.as_ptr(), lines.as_ptr().cast::<i8>());
    for tile in 0..N {
        let mut registers = [[vdupq_n_s32(0); 4]; M];
        for group in 0..groups {
            for (row, registers) in registers.iter_mut().enumerate() {
                // SAFETY: there are `M` rows of `groups`.
                let x = unsafe { *x.add(row * groups + group) };
                let x = vreinterpret_s8_s32(vdup_n_s32(i32::from_le_bytes(x)));
                for (quarter, register) in registers.iter_mut().enumerate() {
                    // SAFETY: there are `N` tiles of `groups` lines of four registers.
                    let weight = unsafe {
                        vld1q_s8(lines.add((tile * groups + group) * TILE * GROUP + quarter * 16))
                    };
                    let low = vpaddlq_s16(vmull_s8(vget_low_s8(weight), x));
                    let high = vpaddlq_s16(vmull_s8(vget_high_s8(weight), x));
                    *register = vaddq_s32(*register, vpaddq_s32(low, high));
                }
            }
        }
        for (sums, registers) in sums.iter_mut().zip(registers) {
            let quarters = sums[tile * TILE..].as_chunks_mut::<QUARTER>().0;
            for (sums, register) in quarters.iter_mut().zip(registers) {
                // SAFETY: a chunk holds what a register does.
                unsafe { vst1q_s32(sums.as_mut_ptr(), register) };
            }
        }
    }
    sums
}

/// The same without special instructions, for any numbers of rows and tiles.
fn multiply_plainly(x: &[[u8; GROUP]], lines: &[Line], groups: usize) -> Sums {
    let mut sums = [[0; COLUMNS]; ROWS];
    for (sums, x) in sums.iter_mut().zip(x.chunks_exact(groups.max(1))) {
        let tiles = sums.as_chunks_mut::<TILE>().0.iter_mut();
        for (sums, lines) in tiles.zip(lines.chunks_exact(groups.max(1))) {
            for (x, line) in x.iter().zip(lines) {
                for (sum, weights) in sums.iter_mut().zip(line.0) {
                    let products = x.iter().zip(weights);
                    *sum += products.map(|(x, w)| i32::from(*x as i8) * i32::from(w)).sum::<i32>();
                }
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::AWKWARD;

    /// All values from -127 to 127, in no order.
    fn bytes(count: usize, seed: usize) -> Vec<i8> {
        (0..count).map(|index| (((index * 97 + seed * 31) % 255) as i32 - 127) as i8).collect()
    }

    /// The product by its definition, in int64.
    fn expected(x: &[i8], w: &[i8]) -> i64 {
        x.iter().zip(w).map(|(x, w)| i64::from(*x) * i64::from(*w)).sum()
    }

    /// Rows whose largest magnitude is 127, so that they are quantised to themselves.
    fn whole(rows: usize, inputs: usize) -> (Vec<i8>, Vec<f32>) {
        check_inputs(inputs);
        let mut q = bytes(rows * inputs, 5);
        q.chunks_exact_mut(inputs.max(1)).for_each(|row| row[0] = -127);
        let x = q.iter().map(|q| f32::from(*q)).collect();
        (q, x)
    }

    #[test]
    fn all_paths_give_the_exact_sums_at_all_sizes() {
        for inputs in AWKWARD {
            for outputs in AWKWARD {
                let weight = bytes(outputs * inputs, 1);
                let matrix = Int8Matrix::pack(&weight, vec![1.0; outputs], inputs);
                for rows in AWKWARD.into_iter().chain([5, 6, 7]) {
                    if inputs == 0 && rows > 0 {
                        // How many rows there are could not be known.
                        continue;
                    }
                    let (q, x) = whole(rows, inputs);
                    for path in Path::all() {
                        let mut scratch = QuantisedScratch::default();
                        let input = QuantisedRows::quantise(&x, inputs, path, &mut scratch);
                        let mut y = vec![f32::NAN; rows * outputs];
                        matrix.product(&mut y, &input, 0..outputs, &Epilogue::NONE);
                        for (row, y) in y.chunks_exact(outputs.max(1)).enumerate() {
                            for (output, y) in y.iter().enumerate() {
                                let w = &weight[output * inputs..][..inputs];
                                let sum = expected(&q[row * inputs..][..inputs], w);
                                assert_eq!(*y, sum as f32, "{path:?} {rows} {inputs} {outputs}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// The largest products there are, of every sign, in sums of thousands of them.
    #[test]
    fn nothing_saturates() {
        let (inputs, outputs) = (4096, 16);
        for (x_sign, w_sign) in [(1.0, 1), (1.0, -1), (-1.0, 1), (-1.0, -1)] {
            let weight = vec![127 * w_sign; outputs * inputs];
            let matrix = Int8Matrix::pack(&weight, vec![1.0; outputs], inputs);
            let x = vec![127.0 * x_sign; inputs];
            for path in Path::all() {
                let mut y = vec![0.0; outputs];
                let mut scratch = QuantisedScratch::default();
                let input = QuantisedRows::quantise(&x, inputs, path, &mut scratch);
                matrix.product(&mut y, &input, 0..outputs, &Epilogue::NONE);
                let sum = 127.0 * 127.0 * inputs as f32 * x_sign * f32::from(w_sign);
                assert!(y.iter().all(|y| *y == sum), "{path:?}: {y:?}");
            }
        }
    }

    /// The largest sums of all.
    #[test]
    fn the_widest_matrix_is_exact() {
        let inputs = MOST_INT8_INPUTS;
        for sign in [1, -1] {
            let matrix = Int8Matrix::pack(&vec![127 * sign; inputs], vec![1.0], inputs);
            let x = vec![-127.0; inputs];
            for path in Path::all() {
                let mut y = [0.0];
                let mut scratch = QuantisedScratch::default();
                let input = QuantisedRows::quantise(&x, inputs, path, &mut scratch);
                matrix.product(&mut y, &input, 0..1, &Epilogue::NONE);
                assert_eq!(y[0], (-127 * 127 * i32::from(sign) * inputs as i32) as f32, "{path:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "131073 inputs")]
    fn weights_that_are_too_wide_are_not_quantised() {
        let inputs = MOST_INT8_INPUTS + 1;
        quantise_weights(&vec![1.0; inputs], inputs);
    }

    #[test]
    #[should_panic(expected = "131073 inputs")]
    fn a_matrix_that_is_too_wide_is_refused() {
        let inputs = MOST_INT8_INPUTS + 1;
        Int8Matrix::pack(&vec![1; inputs], vec![1.0], inputs);
    }

    /// Real activations, scales, bias and every activation: the bits are the same on every path.
    #[test]
    fn all_paths_give_the_same_bits() {
        let (rows, outputs, inputs) = (7, 70, 50);
        let number = |index: usize| (index as f32 * 0.37).sin() * 3.0;
        let weight: Vec<f32> = (0..outputs * inputs).map(number).collect();
        let x: Vec<f32> = (0..rows * inputs).map(|index| number(index + 7)).collect();
        let bias: Vec<f32> = (0..outputs).map(|index| number(index + 3)).collect();
        let (quantised, scales) = quantise_weights(&weight, inputs);
        let matrix = Int8Matrix::pack(&quantised, scales, inputs);
        for activation in crate::Activation::ALL.map(Some).into_iter().chain([None]) {
            let epilogue = Epilogue { bias: Some(&bias), activation };
            let results: Vec<Vec<u32>> = Path::all()
                .map(|path| {
                    let mut y = vec![f32::NAN; rows * outputs];
                    let mut scratch = QuantisedScratch::default();
                    let input = QuantisedRows::quantise(&x, inputs, path, &mut scratch);
                    matrix.product(&mut y, &input, 0..outputs, &epilogue);
                    y.iter().map(|y| y.to_bits()).collect()
                })
                .collect();
            assert!(results.iter().all(|result| *result == results[0]), "{activation:?}");
            // And close to the product in float64.
            if activation.is_none() {
                for (row, y) in results[0].chunks_exact(outputs).enumerate() {
                    for (output, y) in y.iter().enumerate() {
                        let (x, w) = (&x[row * inputs..][..inputs], &weight[output * inputs..]);
                        let products = x.iter().zip(w);
                        let sum: f64 = products.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                        let difference =
                            f64::from(f32::from_bits(*y)) - sum - f64::from(bias[output]);
                        // Half a step of x and of w at every term, at most.
                        let step = 3.0 / 127.0 * 3.0 * inputs as f64;
                        assert!(difference.abs() < step, "{difference} at {row}, {output}");
                    }
                }
            }
        }
    }

    /// One number stands for the bits of products with every activation; every processor has to come to it.
    #[test]
    fn all_processors_give_the_same_bits() {
        let (rows, outputs, inputs) = (7, 70, 50);
        let number = |index: usize| (index * 7919 % 2003) as f32 / 331.0 - 3.0;
        let weight: Vec<f32> = (0..outputs * inputs).map(number).collect();
        let x: Vec<f32> = (0..rows * inputs).map(|index| number(index + 7)).collect();
        let bias: Vec<f32> = (0..outputs).map(|index| number(index + 3)).collect();
        let (quantised, scales) = quantise_weights(&weight, inputs);
        let matrix = Int8Matrix::pack(&quantised, scales, inputs);
        let mut scratch = QuantisedScratch::default();
        let input = Int8Matrix::input(&x, inputs, &mut scratch);
        let bits = crate::Activation::ALL.map(|activation| {
            let epilogue = Epilogue { bias: Some(&bias), activation: Some(activation) };
            let mut y = vec![f32::NAN; rows * outputs];
            matrix.product(&mut y, &input, 0..outputs, &epilogue);
            y.iter().flat_map(|y| y.to_le_bytes()).collect::<Vec<u8>>()
        });
        assert_eq!(wdistill_base::hash_bytes(&bits.concat()), "7c36349d7e09fd4d83592f6940eba6a1");
    }

    #[test]
    fn quantising_rounds_to_the_nearest_and_halves_to_even() {
        let mut q = [0; 6];
        // The factor is 1.
        let scale = quantise_row(&mut q, &[127.0, -127.0, 0.5, 1.5, -2.4, -2.6], 0);
        assert_eq!((q.map(|q| q as i8), scale), ([127, -127, 0, 2, -2, -3], 1.0));
        assert_eq!(quantise_row(&mut q[..2], &[0.0, 0.0], OFFSET), 0.0);
        assert_eq!(q[..2], [128, 128]);
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(quantise_row(&mut q[..2], &[1.0, bad], 0).is_nan(), "{bad} went unseen");
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was_quantised() {
        let (outputs, inputs) = (20, 10);
        let weight = bytes(outputs * inputs, 3);
        let scales: Vec<f32> = (0..outputs).map(|output| 0.5 + output as f32).collect();
        let matrix = Int8Matrix::pack(&weight, scales, inputs);
        let mut row = vec![0.0; inputs];
        matrix.row(&mut row, 19);
        let expected: Vec<f32> = weight[190..].iter().map(|w| f32::from(*w) * 19.5).collect();
        assert_eq!(row, expected);
    }
}
