//! Statistics of the dropout masks.

use crate::support::{assert_close, dropped, random, to};
use wdistill_kernels::{Dropout, DropoutKey, apply_dropout};

const ROWS: usize = 1000;
const COLUMNS: usize = 1000;

/// The mask as numbers: 1 where an element is kept.
fn mask(rate: f64, seed: u64, stream: u64) -> Vec<f64> {
    let dropout = Dropout::new(rate, DropoutKey { seed, stream });
    let index = |i| (i / COLUMNS, i % COLUMNS);
    (0..ROWS * COLUMNS)
        .map(|i| f64::from(u8::from(dropout.keeps(index(i).0, index(i).1))))
        .collect()
}

/// The correlation of two masks of equal rate, in standard deviations of independent ones.
fn correlation(a: impl Iterator<Item = f64>, b: impl Iterator<Item = f64>, rate: f64) -> f64 {
    let mean = 1.0 - rate;
    let (mut sum, mut count) = (0.0, 0.0);
    for (a, b) in a.zip(b) {
        sum += (a - mean) * (b - mean);
        count += 1.0;
    }
    sum / (rate * mean) / f64::sqrt(count)
}

#[test]
fn masks_are_independent_at_the_given_rate() {
    for rate in [0.01, 0.1, 0.3, 0.5, 0.9] {
        let here = mask(rate, 1, 1);
        let count = here.len() as f64;
        let kept: f64 = here.iter().sum();
        let deviation = (kept - count * (1.0 - rate)) / (count * rate * (1.0 - rate)).sqrt();
        assert!(deviation.abs() < 4.0, "rate {rate}: kept off by {deviation} standard deviations");
        for lag in [1, 2, 3, 4, 8, 16, 32, COLUMNS, 2 * COLUMNS, 8 * COLUMNS, COLUMNS + 1] {
            let deviation = correlation(here.iter().copied(), here[lag..].iter().copied(), rate);
            assert!(
                deviation.abs() < 4.0,
                "rate {rate}, lag {lag}: {deviation} standard deviations"
            );
        }
        for (seed, stream) in [(1, 2), (1, 3), (2, 1), (1, 1 << 32), (1 << 32, 1), (0, 1), (1, 0)] {
            let deviation =
                correlation(here.iter().copied(), mask(rate, seed, stream).into_iter(), rate);
            assert!(
                deviation.abs() < 4.0,
                "rate {rate}, ({seed}, {stream}): {deviation} standard deviations"
            );
        }
    }
}

#[test]
fn rows_and_columns_keep_their_share() {
    let rate = 0.1;
    let here = mask(rate, 3, 5);
    let variance = rate * (1.0 - rate) * COLUMNS as f64;
    let expected = COLUMNS as f64 * (1.0 - rate);
    let deviation = |sum: f64| (sum - expected).powi(2) / variance;
    let rows: f64 = here.chunks(COLUMNS).map(|row| deviation(row.iter().sum())).sum();
    let columns: f64 =
        (0..COLUMNS).map(|c| deviation(here.iter().skip(c).step_by(COLUMNS).sum())).sum();
    // Chi-square with 1000 degrees of freedom: mean 1000, standard deviation 44.7.
    assert!((rows - 1000.0).abs() < 180.0, "rows: chi-square {rows}");
    assert!((columns - 1000.0).abs() < 180.0, "columns: chi-square {columns}");
}

#[test]
fn applies_the_mask_in_place() {
    for (rows, width) in [(0, 3), (1, 1), (3, 65), (700, 129), (5, 0)] {
        let values = random(1, rows * width);
        for rate in [0.0, 0.1, 0.5] {
            let dropout = crate::support::dropout(rate);
            let mut actual = to::<f32>(&values);
            apply_dropout(&mut actual, width, dropout);
            assert_close(&actual, &dropped(&values, width.max(1), dropout), 1e-6, "dropout");
            let mut actual = values.clone();
            apply_dropout(&mut actual, width, dropout);
            assert_close(&actual, &dropped(&values, width.max(1), dropout), 1e-15, "dropout");
        }
    }
}

#[test]
fn a_dropped_infinity_is_zero() {
    let mut values = [f32::INFINITY; 64];
    apply_dropout(&mut values, 64, crate::support::dropout(0.5));
    assert!(values.contains(&0.0) && values.iter().all(|value| !value.is_nan()));
}

#[test]
#[should_panic(expected = "not in [0, 1)")]
fn rate_of_one() {
    Dropout::new(1.0, DropoutKey::default());
}
