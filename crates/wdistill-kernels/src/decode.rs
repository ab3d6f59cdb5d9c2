//! The best next words, from logits that come in blocks.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::{add_lanes, row_max, row_sum};

/// The best words of each row, and what makes log-probabilities of their logits, gathered from blocks of
/// columns: no row of logits has to be whole at any time.
///
/// What a row gives depends on its logits and on the blocks' columns only, not on the other rows.
#[derive(Clone, Debug, Default)]
pub struct TopWords {
    /// `[rows, k]`, largest first.
    best: Vec<f32>,
    /// `[rows, k]`.
    columns: Vec<u32>,
    /// The largest logit of each row so far.
    largest: Vec<f32>,
    /// Sum of `e^(logit - largest)` of each row so far.
    sums: Vec<f64>,
    k: usize,
    /// Columns seen.
    seen: usize,
}

impl TopWords {
    /// Nothing yet, of `rows` rows of which the `k` best are wanted.
    pub fn new(rows: usize, k: usize) -> TopWords {
        let mut top = TopWords::default();
        top.start(rows, k);
        top
    }

    /// The same in memory that has been used before.
    pub fn start(&mut self, rows: usize, k: usize) {
        assert!(k > 0, "top words: none wanted");
        fn refill<T: Copy>(list: &mut Vec<T>, value: T, count: usize) {
            list.clear();
            list.resize(count, value);
        }
        refill(&mut self.best, f32::NEG_INFINITY, rows * k);
        refill(&mut self.columns, 0, rows * k);
        refill(&mut self.largest, f32::NEG_INFINITY, rows);
        refill(&mut self.sums, 0.0, rows);
        (self.k, self.seen) = (k, 0);
    }

    /// The next `width` columns of all rows, `logits [rows, width]`.
    pub fn absorb(&mut self, logits: &[f32], width: usize) {
        let rows = self.sums.len();
        assert_eq!(logits.len(), rows * width, "top words: length of a block of width {width}");
        if width == 0 {
            return;
        }
        let TopWords { best, columns, largest, sums, k, seen } = self;
        let ranks = best.chunks_exact_mut(*k).zip(columns.chunks_exact_mut(*k));
        let totals = largest.iter_mut().zip(sums);
        for ((logits, (best, columns)), (largest, sum)) in
            logits.chunks_exact(width).zip(ranks).zip(totals)
        {
            let block = add_exponentials(logits, largest, sum);
            // Most blocks hold no word that is among the best.
            let last = best[*k - 1];
            if *seen < *k || block > last || last.is_nan() {
                insert_best(best, columns, logits, *seen);
            }
        }
        *seen += width;
    }

    /// Columns and log-probabilities `x - ln sum_i e^(x_i)` of the best of a row, best first; of equal
    /// ones the lower column first. NaN among a row's logits makes all of them NaN.
    ///
    /// # Panics
    /// If there were fewer than `k` columns.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f64)> {
        assert!(self.k <= self.seen, "top words: {} of {} columns", self.k, self.seen);
        let ranks = row * self.k..(row + 1) * self.k;
        let best = self.columns[ranks.clone()].iter().zip(&self.best[ranks]);
        best.map(move |(column, logit)| (*column, self.log_probability(row, *logit)))
    }

    /// The log-probability of a word of a row, from its logit.
    pub fn log_probability(&self, row: usize, logit: f32) -> f64 {
        f64::from(logit) - f64::from(self.largest[row]) - self.sums[row].ln()
    }
}

/// Whether `candidate` ranks before `other` when it stands in a later column; NaN comes last.
#[inline(always)]
fn outranks(candidate: f32, other: f32) -> bool {
    candidate > other || (other.is_nan() && !candidate.is_nan())
}

/// Inserts into the first `filled` ranks; the last drops out when all ranks are filled.
#[inline(always)]
fn insert(best: &mut [f32], columns: &mut [u32], filled: usize, value: f32, column: usize) {
    let mut rank = filled.min(best.len() - 1);
    while rank > 0 && outranks(value, best[rank - 1]) {
        best[rank] = best[rank - 1];
        columns[rank] = columns[rank - 1];
        rank -= 1;
    }
    best[rank] = value;
    columns[rank] = column as u32;
}

/// `e^(x_j) / sum_i e^(x_i)` of one row, in place.
#[inline(always)]
pub(crate) fn softmax_row<I: Instructions, R: Real>(row: &mut [R]) {
    let largest = row_max(row);
    for value in row.iter_mut() {
        *value = (*value - largest).exp::<I>();
    }
    let reciprocal = R::ONE / row_sum(row);
    for value in row {
        *value *= reciprocal;
    }
}

/// `e^x` for `x <= 0`, to be summed up: cheaper than [`Real::exp`], and within 1e-6 of its size down to -20,
/// below which nothing counts beside the 1 of the largest logit. NaN stays NaN.
#[inline(always)]
fn exp_for_sum<I: Instructions>(x: f32) -> f32 {
    /// Adding it leaves the nearest whole number in the low bits.
    const ROUNDING: f32 = 12_582_912.0;
    /// `2^y` for `y` from -0.5 to 0.5: Taylor's coefficients `ln(2)^n / n!`, from the sixth power down.
    const POWER: [f32; 7] = [
        1.540_353e-4,
        1.333_355_8e-3,
        9.618_129e-3,
        5.550_411e-2,
        0.240_226_5,
        std::f32::consts::LN_2,
        1.0,
    ];
    // A power of two that the exponent's bits can hold; written so that NaN passes.
    let exponent = x * std::f32::consts::LOG2_E;
    let exponent = if exponent < -126.0 { -126.0 } else { exponent };
    let whole = exponent + ROUNDING;
    let rest = exponent - (whole - ROUNDING);
    let mut power = POWER[0];
    for coefficient in &POWER[1..] {
        power = I::multiply_add(power, rest, *coefficient);
    }
    f32::from_bits(power.to_bits().wrapping_add(whole.to_bits() << 23))
}

multiversion! {
    /// Adds `e^(x - largest)` of a block to a sum, and takes its largest, which it returns, into account
    /// first.
    fn add_exponentials(
        logits: &[f32],
        largest: &mut f32,
        sum: &mut f64,
    ) -> f32 = add_exponentials_body;

    /// Inserts what ranks among the best; `first` is the number of the first column.
    fn insert_best(
        best: &mut [f32],
        columns: &mut [u32],
        logits: &[f32],
        first: usize,
    ) = insert_best_body;
}

#[inline(always)]
fn add_exponentials_body<I: Instructions>(logits: &[f32], largest: &mut f32, sum: &mut f64) -> f32 {
    const LANES: usize = 64;
    let block = row_max(logits);
    if block > *largest {
        *sum *= f64::from(Real::exp::<I>(*largest - block));
        *largest = block;
    }
    let mut lanes = [0.0; LANES];
    let (vectors, rest) = logits.as_chunks::<LANES>();
    for vector in vectors {
        for (lane, logit) in lanes.iter_mut().zip(vector) {
            *lane += exp_for_sum::<I>(*logit - *largest);
        }
    }
    for (lane, logit) in lanes.iter_mut().zip(rest) {
        *lane += exp_for_sum::<I>(*logit - *largest);
    }
    *sum += f64::from(add_lanes(lanes));
    block
}

#[inline(always)]
fn insert_best_body<I: Instructions>(
    best: &mut [f32],
    columns: &mut [u32],
    logits: &[f32],
    first: usize,
) {
    const BLOCK: usize = 32;
    let k = best.len();
    let unranked = k.saturating_sub(first).min(logits.len());
    for (column, logit) in (first..).zip(&logits[..unranked]) {
        insert(best, columns, column, *logit, column);
    }
    for (index, block) in logits[unranked..].chunks(BLOCK).enumerate() {
        // Most blocks hold nothing new: one vector test passes over them.
        let last = best[k - 1];
        let mut is_candidate = last.is_nan();
        for logit in block {
            is_candidate |= *logit > last;
        }
        if !is_candidate {
            continue;
        }
        for (offset, logit) in block.iter().enumerate() {
            if outranks(*logit, best[k - 1]) {
                let column = first + unranked + index * BLOCK + offset;
                insert(best, columns, k, *logit, column);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fused, Separate};

    #[test]
    fn exponentials_for_sums_are_close() {
        for step in 0..200_000 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            for found in [exp_for_sum::<Fused>(x), exp_for_sum::<Separate>(x)] {
                let error = (f64::from(found) - exact).abs() / exact;
                assert!(error < if x > -1.0 { 4e-7 } else { 4e-6 }, "{x}: {found}, {exact}");
            }
        }
        for x in [-25.0, -87.0, -1000.0, f32::NEG_INFINITY] {
            assert!((0.0..2e-11).contains(&exp_for_sum::<Fused>(x)), "{x}");
        }
        assert!(exp_for_sum::<Fused>(f32::NAN).is_nan());
    }
}
