//! Products with WebAssembly's vectors of 16 bytes. A module has these instructions or has not: an engine without them takes no
//! module that has them, and nothing is chosen at run time.

// Registers are loaded and stored through pointers.
#![allow(unsafe_code)]

use std::arch::wasm32::*;

use super::int8::GROUP;
use crate::tile::{Block, COLUMNS, Line, ROWS, TILE};

/// Rows whose sums fit into registers beside what they are made of.
const AT_ONCE: usize = 3;

/// Outputs of which one register holds the sums.
const QUARTER: usize = TILE / 4;

/// Some rows and a tile of a block.
struct Piece {
    tile: usize,
    first_row: usize,
    /// At most [`AT_ONCE`].
    rows: usize,
}

/// All pieces of a block, tile by tile.
fn pieces(block: Block) -> impl Iterator<Item = Piece> {
    (0..block.tiles).flat_map(move |tile| {
        (0..block.rows).step_by(AT_ONCE).map(move |first_row| Piece {
            tile,
            first_row,
            rows: AT_ONCE.min(block.rows - first_row),
        })
    })
}

/// The sums of a block in int8. Products of int16 are summed two and two in int32, so `x` has been widened.
///
/// # Safety
/// `x` is `[block.rows, groups]`, `lines` is `[block.tiles, groups]`.
#[target_feature(enable = "simd128")]
pub(super) unsafe fn multiply_int8(
    x: &[[i16; GROUP]],
    lines: &[Line<[i8; GROUP]>],
    block: Block,
    groups: usize,
) -> [[i32; COLUMNS]; ROWS] {
    let mut sums = [[0; COLUMNS]; ROWS];
    for Piece { tile, first_row, rows } in pieces(block) {
        let lines = &lines[tile * groups..][..groups];
        let (x, sums) = (&x[first_row * groups..], &mut sums[first_row..]);
        // SAFETY: the rows of the piece are there.
        unsafe {
            match rows {
                1 => multiply_int8_tile::<1>(sums, tile * TILE, x, lines),
                2 => multiply_int8_tile::<2>(sums, tile * TILE, x, lines),
                _ => multiply_int8_tile::<AT_ONCE>(sums, tile * TILE, x, lines),
            }
        }
    }
    sums
}

/// `M` rows and one tile, whose sums go to columns from `column` on. Those of a quarter are in registers, two for each output:
/// of the first and of the last two inputs of every group.
///
/// # Safety
/// `x` has `M` rows, each with an entry for every line, and `sums` has them too.
#[target_feature(enable = "simd128")]
unsafe fn multiply_int8_tile<const M: usize>(
    sums: &mut [[i32; COLUMNS]],
    column: usize,
    x: &[[i16; GROUP]],
    lines: &[Line<[i8; GROUP]>],
) {
    let groups = lines.len();
    for first in (0..TILE).step_by(QUARTER) {
        let mut registers = [[i32x4_splat(0); 2]; M];
        for (group, line) in lines.iter().enumerate() {
            let quarter = line.0[first..][..QUARTER].as_ptr().cast::<i8>();
            // SAFETY: a quarter of a line is 16 bytes.
            let weights = unsafe {
                [i16x8_load_extend_i8x8(quarter), i16x8_load_extend_i8x8(quarter.add(8))]
            };
            for (row, registers) in registers.iter_mut().enumerate() {
                // SAFETY: the caller says so.
                let x = unsafe { v128_load64_splat(x.as_ptr().add(row * groups + group).cast()) };
                for (register, weight) in registers.iter_mut().zip(weights) {
                    *register = i32x4_add(*register, i32x4_dot_i16x8(x, weight));
                }
            }
        }
        for (sums, [low, high]) in sums.iter_mut().zip(registers) {
            let even = i32x4_shuffle::<0, 2, 4, 6>(low, high);
            let odd = i32x4_shuffle::<1, 3, 5, 7>(low, high);
            let sums = &mut sums[column + first..][..QUARTER];
            // SAFETY: a quarter holds what a register does.
            unsafe { v128_store(sums.as_mut_ptr().cast(), i32x4_add(even, odd)) };
        }
    }
}

/// The sums of a block in float32, with the bits of plain loops.
///
/// # Safety
/// `x` is `[block.rows, inputs]`, `lines` is `[block.tiles, inputs]`.
#[target_feature(enable = "simd128")]
pub(super) unsafe fn multiply_float32(
    sums: &mut [[f32; COLUMNS]; ROWS],
    x: &[f32],
    lines: &[Line<f32>],
    block: Block,
    inputs: usize,
) {
    for Piece { tile, first_row, rows } in pieces(block) {
        let lines = &lines[tile * inputs..][..inputs];
        let (x, sums) = (&x[first_row * inputs..], &mut sums[first_row..]);
        // SAFETY: the rows of the piece are there.
        unsafe {
            match rows {
                1 => multiply_float32_tile::<1>(sums, tile * TILE, x, lines),
                2 => multiply_float32_tile::<2>(sums, tile * TILE, x, lines),
                _ => multiply_float32_tile::<AT_ONCE>(sums, tile * TILE, x, lines),
            }
        }
    }
}

/// `M` rows and one tile, whose sums go to columns from `column` on; those of half a tile are in registers.
///
/// # Safety
/// `x` has `M` rows, each with a number for every line, and `sums` has them too.
#[target_feature(enable = "simd128")]
unsafe fn multiply_float32_tile<const M: usize>(
    sums: &mut [[f32; COLUMNS]],
    column: usize,
    x: &[f32],
    lines: &[Line<f32>],
) {
    let inputs = lines.len();
    for first in (0..TILE).step_by(2 * QUARTER) {
        let mut registers = [[f32x4_splat(0.0); 2]; M];
        for (input, line) in lines.iter().enumerate() {
            let half = line.0[first..][..2 * QUARTER].as_ptr().cast::<v128>();
            // SAFETY: half a line is two registers.
            let weights = unsafe { [v128_load(half), v128_load(half.add(1))] };
            for (row, registers) in registers.iter_mut().enumerate() {
                // SAFETY: the caller says so.
                let x = unsafe { v128_load32_splat(x.as_ptr().add(row * inputs + input).cast()) };
                for (register, weight) in registers.iter_mut().zip(weights) {
                    *register = f32x4_add(*register, f32x4_mul(x, weight));
                }
            }
        }
        for (sums, registers) in sums.iter_mut().zip(registers) {
            let half = sums[column + first..][..2 * QUARTER].as_mut_ptr().cast::<v128>();
            // SAFETY: half a line is two registers.
            unsafe {
                v128_store(half, registers[0]);
                v128_store(half.add(1), registers[1]);
            }
        }
    }
}
