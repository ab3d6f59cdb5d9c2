//! Random values, comparisons and central differences.

use wdistill_kernels::{Dropout, DropoutKey, Real};

/// Sizes around those at which vector loops and blocks end.
pub const AWKWARD: [usize; 10] = [0, 1, 2, 15, 16, 17, 33, 63, 64, 65];

/// Reproducible values, roughly uniform in [-1, 1].
pub fn random(seed: u64, length: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Through f32, so that both precisions compute on equal values.
        f64::from(((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32)
    };
    (0..length).map(|_| next()).collect()
}

/// Reproducible integers below `bound`.
pub fn random_ids(seed: u64, length: usize, bound: usize) -> Vec<u32> {
    random(seed, length)
        .iter()
        .map(|v| (((v + 1.0) / 2.0 * bound as f64) as u32).min(bound as u32 - 1))
        .collect()
}

pub fn to<R: Real>(values: &[f64]) -> Vec<R> {
    values.iter().map(|value| R::from_f64(*value)).collect()
}

/// A dropout with a fixed key.
pub fn dropout(rate: f64) -> Dropout {
    Dropout::new(rate, DropoutKey { seed: 7, stream: 11 })
}

/// Dropout of `values [rows, width]` by the definition.
pub fn dropped(values: &[f64], width: usize, dropout: Dropout) -> Vec<f64> {
    let factor = 1.0 / (1.0 - dropout.rate());
    let keeps = |index: usize| dropout.keeps(index / width, index % width);
    values.iter().enumerate().map(|(i, v)| if keeps(i) { v * factor } else { 0.0 }).collect()
}

/// Asserts that values agree within `tolerance * (1 + |expected|)`.
#[track_caller]
pub fn assert_close<R: Real>(actual: &[R], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual.to_f64() - expected).abs();
        let bound = tolerance * (1.0 + expected.abs());
        assert!(error <= bound, "{what}[{index}]: {actual:?}, expected {expected}");
    }
}

/// The inner product, for turning a vector of outputs into a scalar loss.
pub fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Asserts that `gradient` is that of `loss` at `point`, by central differences.
#[track_caller]
pub fn assert_gradient(
    gradient: &[f64],
    point: &[f64],
    what: &str,
    mut loss: impl FnMut(&[f64]) -> f64,
) {
    const STEP: f64 = 1e-5;
    assert_eq!(gradient.len(), point.len(), "{what}: lengths");
    let mut moved = point.to_vec();
    for (index, actual) in gradient.iter().enumerate() {
        moved[index] = point[index] + STEP;
        let above = loss(&moved);
        moved[index] = point[index] - STEP;
        let below = loss(&moved);
        moved[index] = point[index];
        let expected = (above - below) / (2.0 * STEP);
        let error = (actual - expected).abs();
        assert!(
            error < 2e-8 * (1.0 + expected.abs()),
            "{what}[{index}]: {actual}, differences give {expected}"
        );
    }
}
