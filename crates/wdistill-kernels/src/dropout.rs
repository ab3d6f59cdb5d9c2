//! Dropout from a counter-based generator: a hash of (seed, stream, row, column) decides.

use wdistill_base::mix;

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::parallel::{count_rows, for_each, rows_per_piece};

/// Names one dropout mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DropoutKey {
    /// The run's seed.
    pub seed: u64,
    /// Which mask of the run: distinct for every step and every place in the model.
    pub stream: u64,
}

/// Zeroes each element with probability `rate` and multiplies the others by `1 / (1 - rate)`.
///
/// The mask is a pure function of the key and the element's row and column, so the backward pass
/// recomputes it and the split over threads does not matter. `rate` is honoured to 2^-32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    rate: f64,
    key: DropoutKey,
}

impl Dropout {
    /// No dropout: every value passes unchanged.
    pub const NONE: Self = Self { rate: 0.0, key: DropoutKey { seed: 0, stream: 0 } };

    /// Which mask it is.
    pub fn key(&self) -> DropoutKey {
        self.key
    }

    /// Dropout with probability `rate`, at least 0 and below 1.
    pub fn new(rate: f64, key: DropoutKey) -> Self {
        assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in [0, 1)");
        Self { rate, key }
    }

    /// The probability that an element is zeroed.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether the element at (`row`, `column`) is kept.
    pub fn keeps(&self, row: usize, column: usize) -> bool {
        self.mask::<f32>().is_none_or(|mask| mask.row(row).keeps(column))
    }

    /// The mask, or `None` if everything passes.
    pub(crate) fn mask<R: Real>(&self) -> Option<DropoutMask<R>> {
        (self.rate > 0.0).then(|| DropoutMask {
            key: mix(mix(self.key.seed) ^ self.key.stream.wrapping_mul(STREAM)),
            // A rate within 2^-33 of 1 saturates, which is the nearest threshold there is.
            threshold: (self.rate * 4_294_967_296.0).round() as u32,
            factor: R::from_f64(1.0 / (1.0 - self.rate)),
        })
    }
}

/// Spreads the numbers of streams over all bits: 2^64 over the golden ratio.
const STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijective 32-bit mixer with low bias (constants found by Wellons' hash prospector).
#[inline(always)]
fn mix32(value: u32) -> u32 {
    let value = (value ^ (value >> 16)).wrapping_mul(0x7feb_352d);
    let value = (value ^ (value >> 15)).wrapping_mul(0x846c_a68b);
    value ^ (value >> 16)
}

/// The mask of a [`Dropout`], with the key already mixed.
#[derive(Clone, Copy)]
pub(crate) struct DropoutMask<R> {
    key: u64,
    threshold: u32,
    factor: R,
}

impl<R: Real> DropoutMask<R> {
    /// The mask of one row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> RowMask<R> {
        let key = mix(self.key ^ mix(row as u64));
        RowMask {
            low: key as u32,
            high: (key >> 32) as u32,
            threshold: self.threshold,
            factor: self.factor,
        }
    }

    /// The factor of the elements that are kept, `1 / (1 - rate)`.
    #[inline(always)]
    pub(crate) fn factor(&self) -> R {
        self.factor
    }
}

/// The mask of one row of a [`DropoutMask`].
#[derive(Clone, Copy)]
pub(crate) struct RowMask<R> {
    low: u32,
    high: u32,
    threshold: u32,
    factor: R,
}

impl<R: Real> RowMask<R> {
    /// Whether the element in `column` is kept. Columns are counted modulo 2^32.
    #[inline(always)]
    pub(crate) fn keeps(&self, column: usize) -> bool {
        mix32(mix32(column as u32 ^ self.low).wrapping_add(self.high)) >= self.threshold
    }

    /// `value` after dropout.
    #[inline(always)]
    pub(crate) fn apply(&self, value: R, column: usize) -> R {
        // A select, not a product with 0 or 1, so that a dropped infinity becomes zero.
        if self.keeps(column) { value * self.factor } else { R::ZERO }
    }
}

/// Applies dropout in place to `values [rows, width]`; the backward pass is the same call on the
/// gradients.
pub fn apply_dropout<R: Real>(values: &mut [R], width: usize, dropout: Dropout) {
    count_rows("dropout", values.len(), width);
    let Some(mask) = dropout.mask::<R>() else { return };
    let piece = rows_per_piece(width);
    for_each(
        values.len(),
        values.chunks_mut((piece * width).max(1)).enumerate(),
        |(index, chunk)| {
            dropout_rows(chunk, width, index * piece, mask);
        },
    );
}

multiversion! {
    /// Dropout in place on rows of `width`, of which the first is row `first_row` of the mask.
    fn dropout_rows<R: Real>(
        values: &mut [R],
        width: usize,
        first_row: usize,
        mask: DropoutMask<R>,
    ) = dropout_rows_body;
}

#[inline(always)]
fn dropout_rows_body<I: Instructions, R: Real>(
    values: &mut [R],
    width: usize,
    first_row: usize,
    mask: DropoutMask<R>,
) {
    for (row, values) in values.chunks_exact_mut(width.max(1)).enumerate() {
        mask_row(values, mask.row(first_row + row));
    }
}

/// Dropout in place on one row.
#[inline(always)]
pub(crate) fn mask_row<R: Real>(values: &mut [R], mask: RowMask<R>) {
    for (column, value) in values.iter_mut().enumerate() {
        *value = mask.apply(*value, column);
    }
}
