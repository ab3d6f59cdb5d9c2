//! Packing to bfloat16 and products of what is packed, with AVX-512 BF16.
//!
//! Packed numbers are pairs along the sum. A product keeps the sums of [`ROWS`](crate::tile::ROWS) rows and
//! [`PANEL`](crate::tile::PANEL) tiles in registers; one instruction adds the two products of a pair to each of 16 sums.

use std::arch::x86_64::*;
use std::ops::Range;

use super::Pair;
use crate::matrix::{Accumulate, Layout, MatrixRef};
use crate::tile::{Block, COLUMNS, Line, TILE, sized};

/// Numbers that one instruction rounds.
const ROUNDED: usize = 2 * TILE;

/// The first `count` lanes, or all.
#[inline(always)]
fn lanes(count: usize) -> __mmask16 {
    if count < TILE { (1 << count) - 1 } else { __mmask16::MAX }
}

/// Some numbers, and zeros in the other lanes.
///
/// # Safety
/// There are `count` numbers from `first` on, at least, or 16.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn load(first: *const f32, count: usize) -> __m512 {
    // SAFETY: lanes that are masked out are not read.
    unsafe { _mm512_maskz_loadu_ps(lanes(count), first) }
}

/// 16 registers of 16 lanes, transposed.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(rows: [__m512i; TILE]) -> [__m512i; TILE] {
    let zero = _mm512_setzero_si512();
    // Lane by lane within quarters of a register: first two rows, then four.
    let (mut twos, mut fours) = ([zero; TILE], [zero; TILE]);
    for i in 0..8 {
        twos[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        twos[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    for i in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|place| twos[4 * i + place]);
        fours[4 * i] = _mm512_unpacklo_epi64(a, c);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    // Quarter `l` of `fours[4 i + j]` is column `4 l + j` of rows `4 i..4 i + 4`.
    let mut columns = [zero; TILE];
    for j in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|place| fours[place + j]);
        let upper = _mm512_shuffle_i32x4::<0x44>(a, b);
        let lower = _mm512_shuffle_i32x4::<0x44>(c, d);
        columns[j] = _mm512_shuffle_i32x4::<0x88>(upper, lower);
        columns[4 + j] = _mm512_shuffle_i32x4::<0xdd>(upper, lower);
        let upper = _mm512_shuffle_i32x4::<0xee>(a, b);
        let lower = _mm512_shuffle_i32x4::<0xee>(c, d);
        columns[8 + j] = _mm512_shuffle_i32x4::<0x88>(upper, lower);
        columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(upper, lower);
    }
    columns
}

/// Rounds two registers; the numbers of `first` come first.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn round(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both types are 512 bits of any value.
    #[allow(unsafe_code)]
    unsafe {
        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first))
    }
}

/// The pairs of `count` numbers that are neighbours in memory, up to 32.
///
/// # Safety
/// There are as many numbers from `first` on.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
unsafe fn pairs_along(first: *const f32, count: usize) -> __m512i {
    // SAFETY: the caller's.
    unsafe { round(load(first, count), load(first.wrapping_add(TILE), count.saturating_sub(TILE))) }
}

/// The pairs of `count` numbers, up to 16, each with the number `stride` behind it, or with zero if there is only one `line`.
///
/// # Safety
/// There are as many numbers from `first` on, and from `first + stride` on if there are two lines.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn pairs_across(first: *const f32, stride: usize, count: usize, lines: usize) -> __m512i {
    // Lane `i` of the first register, then lane `i` of the second.
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
        19, 3, 18, 2, 17, 1, 16, 0,
    );
    let second_count = if lines > 1 { count } else { 0 };
    // SAFETY: the caller's.
    let both = unsafe { round(load(first, count), load(first.wrapping_add(stride), second_count)) };
    _mm512_permutexvar_epi16(order, both)
}

/// Pairs of up to 16 rows of `x`, each of up to 32 numbers: a register for each pair. The numbers that lie `ahead` of them in
/// memory are fetched meanwhile: lines that lie far from each other are more than the processor foresees.
///
/// # Safety
/// The matrix has these rows and these numbers.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn columns_of_pairs(
    x: MatrixRef<'_, f32>,
    rows: Range<usize>,
    depth: Range<usize>,
    ahead: usize,
) -> [__m512i; TILE] {
    let (rows_count, depth_count) = (rows.len(), depth.len());
    let (width, start) = match x.layout {
        Layout::Normal => (x.columns, rows.start * x.columns + depth.start),
        Layout::Transposed => (x.rows, depth.start * x.rows + rows.start),
    };
    let first = x.data.as_ptr().wrapping_add(start);
    let is_whole = rows_count == TILE && depth_count == ROUNDED;
    let fetch = |number: usize| {
        _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(number + ahead).cast());
    };
    // SAFETY: what is whole is there; of the rest only what is there is read.
    unsafe {
        match (x.layout, is_whole) {
            (Layout::Normal, true) => transpose(std::array::from_fn(|place| {
                fetch(place * width);
                fetch(place * width + TILE);
                pairs_along(first.add(place * width), ROUNDED)
            })),
            (Layout::Normal, false) => transpose(std::array::from_fn(|place| {
                let count = if place < rows_count { depth_count } else { 0 };
                pairs_along(first.wrapping_add(place * width), count)
            })),
            (Layout::Transposed, true) => std::array::from_fn(|place| {
                fetch(2 * place * width);
                fetch((2 * place + 1) * width);
                pairs_across(first.add(2 * place * width), width, TILE, 2)
            }),
            (Layout::Transposed, false) => std::array::from_fn(|place| {
                let lines = depth_count.saturating_sub(2 * place);
                let count = if lines > 0 { rows_count } else { 0 };
                pairs_across(first.wrapping_add(2 * place * width), width, count, lines)
            }),
        }
    }
}

/// Rounds all numbers.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn pairs(packed: &mut [Pair], numbers: &[f32]) {
    for (to, from) in packed.chunks_mut(TILE).zip(numbers.chunks(ROUNDED)) {
        // SAFETY: only numbers that there are are read, and only pairs that there are are written.
        #[allow(unsafe_code)]
        unsafe {
            let pairs = pairs_along(from.as_ptr(), from.len());
            _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), lanes(to.len()), pairs);
        }
    }
}

/// Panics if a matrix does not have these rows and these numbers in each.
fn check(x: MatrixRef<'_, f32>, rows: &Range<usize>, depth: &Range<usize>) {
    let inside = rows.end <= x.rows && depth.end <= x.columns;
    assert!(inside, "packing: rows {rows:?} and numbers {depth:?} of {} x {}", x.rows, x.columns);
    x.check("an operand that is packed");
}

/// Rounds the numbers `depth` of some rows of `x`, each of which lies side by side: row after row, a row `stride` lines after the
/// one before. What a row has too little for a whole cache line is filled up with zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(crate) fn pack_rows(
    packed: &mut [Line<Pair>],
    stride: usize,
    x: MatrixRef<'_, f32>,
    rows: Range<usize>,
    depth: Range<usize>,
) {
    check(x, &rows, &depth);
    assert_eq!(x.layout, Layout::Normal, "packing rows");
    for (row, packed) in rows.zip(packed.chunks_mut(stride)) {
        let first = x.data.as_ptr().wrapping_add(row * x.columns);
        for (place, line) in depth.clone().step_by(ROUNDED).zip(packed) {
            // SAFETY: the row has the numbers, as was checked.
            #[allow(unsafe_code)]
            let pairs = unsafe { pairs_along(first.wrapping_add(place), depth.end - place) };
            store(line, pairs);
        }
    }
}

/// Rounds the numbers `depth` of some rows of `x` into tiles of [`TILE`] rows, each of `depth.len() / 2` lines, rounded up; the
/// last tile is filled up with zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(crate) fn pack_tiles(
    packed: &mut [Line<Pair>],
    x: MatrixRef<'_, f32>,
    rows: Range<usize>,
    depth: Range<usize>,
) {
    check(x, &rows, &depth);
    let pairs = depth.len().div_ceil(2);
    let ahead = match x.layout {
        Layout::Normal => 2 * ROUNDED,
        Layout::Transposed if rows.len() > COLUMNS => 4 * TILE,
        Layout::Transposed => ROUNDED * x.rows,
    };
    for place in depth.clone().step_by(ROUNDED) {
        let own = place..depth.end.min(place + ROUNDED);
        let first_pair = (place - depth.start) / 2;
        for (first_row, tile) in rows.clone().step_by(TILE).zip(packed.chunks_exact_mut(pairs)) {
            let rows = first_row..rows.end.min(first_row + TILE);
            // SAFETY: the matrix has the numbers, as was checked.
            #[allow(unsafe_code)]
            let columns = unsafe { columns_of_pairs(x, rows, own.clone(), ahead) };
            let lines = tile[first_pair..].iter_mut();
            lines.zip(columns).for_each(|(line, pairs)| store(line, pairs));
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(line: &mut Line<Pair>, pairs: __m512i) {
    // SAFETY: a line holds a register, and starts where a cache line does.
    #[allow(unsafe_code)]
    unsafe {
        _mm512_store_si512(std::ptr::from_mut(line).cast(), pairs);
    }
}

/// Where the sums of a block go.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    /// The first sum.
    pub first: *mut f32,
    /// Numbers from a row to the next.
    pub stride: usize,
    /// Sums of a row that there are.
    pub columns: usize,
    /// What happens to what is there.
    pub accumulate: Accumulate,
}

/// Packed rows and packed tiles, which a block multiplies.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    /// From the block's first pair on.
    pub rows: &'a [Pair],
    /// From a row to the next.
    pub stride: usize,
    /// From a row's pair to its next.
    pub step: usize,
    /// The block's tiles, of `pairs` lines each.
    pub tiles: &'a [Line<Pair>],
    /// Pairs of a sum.
    pub pairs: usize,
}

/// The sums of a block.
///
/// # Safety
/// The processor has AVX-512 BF16. All sums of the block lie in memory that nothing else uses meanwhile.
#[allow(unsafe_code)]
pub(crate) unsafe fn multiply(sums: Sums, operands: Operands<'_>, block: Block) {
    let Operands { rows, stride, step, tiles, pairs } = operands;
    let last = (block.rows - 1) * stride + pairs.saturating_sub(1) * step;
    assert!(rows.len() > last || pairs == 0, "a block's packed rows");
    assert!(tiles.len() >= block.tiles * pairs, "a block's packed tiles");
    assert!(sums.columns.div_ceil(TILE) == block.tiles, "a block's sums");
    // SAFETY: the caller's, and the operands are as long as they have to be.
    unsafe { sized!(block, multiply_block, (sums, operands)) }
}

/// `M` rows and `N` tiles, all sums in registers.
///
/// # Safety
/// As [`multiply`]; there are `M` rows and `N` tiles.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn multiply_block<const M: usize, const N: usize>(sums: Sums, operands: Operands<'_>) {
    let Operands { rows, stride, step, tiles, pairs } = operands;
    let (rows, tiles) = (rows.as_ptr(), tiles.as_ptr());
    // The sums' cache lines arrive meanwhile.
    for row in 0..M {
        for tile in 0..N {
            let place = sums.first.wrapping_add(row * sums.stride + tile * TILE);
            _mm_prefetch::<_MM_HINT_T0>(place.cast());
        }
    }
    let mut registers = [[_mm512_setzero_ps(); N]; M];
    for pair in 0..pairs {
        let mut weights = [_mm512_setzero_si512(); N];
        for (tile, weight) in weights.iter_mut().enumerate() {
            // SAFETY: there are `N` tiles of `pairs` lines.
            *weight = unsafe { _mm512_load_si512(tiles.add(tile * pairs + pair).cast()) };
        }
        for (row, registers) in registers.iter_mut().enumerate() {
            // SAFETY: there are `M` rows of `pairs`.
            let x = _mm512_set1_epi32(unsafe { *rows.add(row * stride + pair * step) } as i32);
            for (register, weight) in registers.iter_mut().zip(weights) {
                *register = _mm512_dpbf16_ps(*register, halves(x), halves(weight));
            }
        }
    }
    for (row, registers) in registers.into_iter().enumerate() {
        for (tile, mut register) in registers.into_iter().enumerate() {
            let mask = lanes(sums.columns - tile * TILE);
            // SAFETY: the caller says that the sums are there.
            unsafe {
                let place = sums.first.add(row * sums.stride + tile * TILE);
                if sums.accumulate == Accumulate::Add {
                    register = _mm512_add_ps(register, _mm512_maskz_loadu_ps(mask, place));
                }
                _mm512_mask_storeu_ps(place, mask, register);
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn halves(pairs: __m512i) -> __m512bh {
    // SAFETY: both types are 512 bits of any value.
    #[allow(unsafe_code)]
    unsafe {
        std::mem::transmute(pairs)
    }
}
