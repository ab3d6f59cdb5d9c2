//! Passes over whole slices, and reductions.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::parallel::{PIECE, count_rows, for_each, map};

/// `y += factor * x`.
pub fn axpy<R: Real>(y: &mut [R], factor: R, x: &[R]) {
    assert_eq!(y.len(), x.len(), "axpy: lengths of y and x");
    for_each(y.len(), y.chunks_mut(PIECE).zip(x.chunks(PIECE)), |(y, x)| axpy_piece(y, factor, x));
}

/// `y += x`.
pub fn add_into<R: Real>(y: &mut [R], x: &[R]) {
    axpy(y, R::ONE, x);
}

/// `y *= factor`.
pub fn scale<R: Real>(y: &mut [R], factor: R) {
    for_each(y.len(), y.chunks_mut(PIECE), |y| scale_piece(y, factor));
}

/// Adds `row [width]` to every row of `y [rows, width]`.
pub fn add_row<R: Real>(y: &mut [R], row: &[R]) {
    let width = row.len();
    count_rows("add_row", y.len(), width);
    let piece = (crate::parallel::rows_per_piece(width) * width).max(1);
    for_each(y.len(), y.chunks_mut(piece), |y| add_row_piece(y, row));
}

/// Columns that one job of [`add_column_sums`] adds up.
const SUM_COLUMNS: usize = 64;

/// Rows that are added up on their own before they join the sum, which keeps rounding errors low.
const SUM_ROWS: usize = 32;

/// Adds the sum of each column of `values [rows, width]` to `sums [width]`.
pub fn add_column_sums<R: Real>(sums: &mut [R], values: &[R]) {
    let width = sums.len();
    count_rows("add_column_sums", values.len(), width);
    for_each(values.len(), sums.chunks_mut(SUM_COLUMNS).enumerate(), |(index, sums)| {
        add_column_sums_piece(sums, values, width, index * SUM_COLUMNS);
    });
}

/// `e^x` of every element in place; see [`Real::exp`] for the error.
pub fn exp_in_place<R: Real>(values: &mut [R]) {
    for_each(values.len(), values.chunks_mut(PIECE), exp_piece);
}

/// The natural logarithm of every element in place; see [`Real::ln`] for the error.
pub fn ln_in_place<R: Real>(values: &mut [R]) {
    for_each(values.len(), values.chunks_mut(PIECE), ln_piece);
}

/// The hyperbolic tangent of every element in place; see [`Real::tanh`] for the error.
pub fn tanh_in_place<R: Real>(values: &mut [R]) {
    for_each(values.len(), values.chunks_mut(PIECE), tanh_piece);
}

/// The sum of the squares, accumulated in `f64`.
pub fn sum_of_squares<R: Real>(values: &[R]) -> f64 {
    sums_of_squares(values).into_iter().sum()
}

/// The sum of the squares of each [`PIECE`] of numbers, accumulated in `f64`; added in their order they are
/// [`sum_of_squares`].
pub fn sums_of_squares<R: Real>(values: &[R]) -> Vec<f64> {
    map(values.len(), values.chunks(PIECE), |piece| dot_piece(piece, piece))
}

/// The inner product, accumulated in `f64`.
pub fn dot<R: Real>(a: &[R], b: &[R]) -> f64 {
    assert_eq!(a.len(), b.len(), "dot: lengths");
    let pieces = a.chunks(PIECE).zip(b.chunks(PIECE));
    map(a.len(), pieces, |(a, b)| dot_piece(a, b)).into_iter().sum()
}

/// Independent partial sums of a reduction: the same for all instruction sets, so that they agree on
/// the order of additions, and so many that the compiler vectorises the loop over them instead of
/// unrolling it into scalars.
const LANES: usize = 64;

/// The sum of a row, in a fixed order.
#[inline(always)]
pub(crate) fn row_sum<R: Real>(values: &[R]) -> R {
    let mut lanes = [R::ZERO; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += *value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += *value;
    }
    add_lanes(lanes)
}

/// The inner product of two rows, in a fixed order.
#[inline(always)]
pub(crate) fn row_dot<I: Instructions, R: Real>(a: &[R], b: &[R]) -> R {
    let mut lanes = [R::ZERO; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] = I::multiply_add(a[lane], b[lane], lanes[lane]);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane = I::multiply_add(*a, *b, *lane);
    }
    add_lanes(lanes)
}

/// The largest element of a row; NaN is passed over, and an empty row gives negative infinity.
#[inline(always)]
pub(crate) fn row_max<R: Real>(values: &[R]) -> R {
    let mut lanes = [R::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] = if block[lane] > lanes[lane] { block[lane] } else { lanes[lane] };
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = if *value > *lane { *value } else { *lane };
    }
    let mut largest = lanes[0];
    for lane in lanes {
        largest = if lane > largest { lane } else { largest };
    }
    largest
}

/// Adds partial sums: eight strided groups first, which vectorises, then those pairwise.
#[inline(always)]
pub(crate) fn add_lanes<R: Real, const N: usize>(lanes: [R; N]) -> R {
    const GROUPS: usize = 8;
    let (groups, _) = lanes.as_chunks::<GROUPS>();
    let mut sums = groups[0];
    for group in &groups[1..] {
        for lane in 0..GROUPS {
            sums[lane] += group[lane];
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

multiversion! {
    fn axpy_piece<R: Real>(y: &mut [R], factor: R, x: &[R]) = axpy_piece_body;

    fn scale_piece<R: Real>(y: &mut [R], factor: R) = scale_piece_body;

    fn add_row_piece<R: Real>(y: &mut [R], row: &[R]) = add_row_piece_body;

    fn add_column_sums_piece<R: Real>(
        sums: &mut [R],
        values: &[R],
        width: usize,
        first_column: usize,
    ) = add_column_sums_piece_body;

    fn exp_piece<R: Real>(values: &mut [R]) = exp_piece_body;

    fn ln_piece<R: Real>(values: &mut [R]) = ln_piece_body;

    fn tanh_piece<R: Real>(values: &mut [R]) = tanh_piece_body;

    fn dot_piece<R: Real>(a: &[R], b: &[R]) -> f64 = dot_piece_body;
}

#[inline(always)]
fn axpy_piece_body<I: Instructions, R: Real>(y: &mut [R], factor: R, x: &[R]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = I::multiply_add(factor, *x, *y);
    }
}

#[inline(always)]
fn scale_piece_body<I: Instructions, R: Real>(y: &mut [R], factor: R) {
    for y in y {
        *y *= factor;
    }
}

#[inline(always)]
fn add_row_piece_body<I: Instructions, R: Real>(y: &mut [R], row: &[R]) {
    for y in y.chunks_exact_mut(row.len().max(1)) {
        for (y, value) in y.iter_mut().zip(row) {
            *y += *value;
        }
    }
}

#[inline(always)]
fn add_column_sums_piece_body<I: Instructions, R: Real>(
    sums: &mut [R],
    values: &[R],
    width: usize,
    first_column: usize,
) {
    for rows in values.chunks((SUM_ROWS * width).max(1)) {
        let mut partial = [R::ZERO; SUM_COLUMNS];
        for row in rows.chunks_exact(width) {
            for (partial, value) in partial[..sums.len()].iter_mut().zip(&row[first_column..]) {
                *partial += *value;
            }
        }
        for (sum, partial) in sums.iter_mut().zip(&partial) {
            *sum += *partial;
        }
    }
}

#[inline(always)]
fn exp_piece_body<I: Instructions, R: Real>(values: &mut [R]) {
    for value in values {
        *value = value.exp::<I>();
    }
}

#[inline(always)]
fn ln_piece_body<I: Instructions, R: Real>(values: &mut [R]) {
    for value in values {
        *value = value.ln::<I>();
    }
}

#[inline(always)]
fn tanh_piece_body<I: Instructions, R: Real>(values: &mut [R]) {
    for value in values {
        *value = value.tanh::<I>();
    }
}

#[inline(always)]
fn dot_piece_body<I: Instructions, R: Real>(a: &[R], b: &[R]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] = I::multiply_add(a[lane].to_f64(), b[lane].to_f64(), lanes[lane]);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane = I::multiply_add(a.to_f64(), b.to_f64(), *lane);
    }
    add_lanes(lanes)
}
