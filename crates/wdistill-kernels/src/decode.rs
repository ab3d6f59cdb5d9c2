//! The best next words, from logits that come in blocks.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::{add_lanes, row_max, row_sum};

/// The best words of each row, and what makes log-probabilities of their logits, gathered from blocks of
/// columns: no row of logits has to be whole at any time.
///
/// What a row gives depends on its logits and on the blocks' columns only, not on the other rows.
#[derive(Clone, Debug)]
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
        assert!(k > 0, "top words: none wanted");
        TopWords {
            best: vec![f32::NEG_INFINITY; rows * k],
            columns: vec![0; rows * k],
            largest: vec![f32::NEG_INFINITY; rows],
            sums: vec![0.0; rows],
            k,
            seen: 0,
        }
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
            add_exponentials(logits, largest, sum);
            insert_best(best, columns, logits, *seen);
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

multiversion! {
    /// Adds `e^(x - largest)` of a block to a sum, and takes its largest into account first.
    fn add_exponentials(logits: &[f32], largest: &mut f32, sum: &mut f64) {
        const LANES: usize = 64;
        let block = row_max(logits);
        if block > *largest {
            *sum *= f64::from(Real::exp::<I>(*largest - block));
            *largest = block;
        }
        let mut lanes = [0.0; LANES];
        let (blocks, rest) = logits.as_chunks::<LANES>();
        for block in blocks {
            for (lane, logit) in lanes.iter_mut().zip(block) {
                *lane += Real::exp::<I>(*logit - *largest);
            }
        }
        for (lane, logit) in lanes.iter_mut().zip(rest) {
            *lane += Real::exp::<I>(*logit - *largest);
        }
        *sum += f64::from(add_lanes(lanes));
    }

    /// Inserts what ranks among the best; `first` is the number of the first column.
    fn insert_best(best: &mut [f32], columns: &mut [u32], logits: &[f32], first: usize) {
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
}
