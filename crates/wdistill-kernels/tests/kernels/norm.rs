//! Residual connections and layer normalisation.

use crate::support::{AWKWARD, assert_close, assert_gradient, dropout, dropped, inner, random, to};
use wdistill_kernels::{
    Accumulate, Dropout, LayerNorm, NormGradients, NormStatistics, Real, ResidualNormSaved,
    layer_norm_backward, layer_norm_forward, residual, residual_norm_backward,
    residual_norm_forward,
};

const EPSILON: f64 = 1e-5;

fn reference(x: &[f64], gain: &[f64], bias: &[f64]) -> Vec<f64> {
    let width = gain.len();
    let mut y = Vec::new();
    for row in x.chunks(width) {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let deviation = (variance + EPSILON).sqrt();
        y.extend((0..width).map(|i| gain[i] * (row[i] - mean) / deviation + bias[i]));
    }
    y
}

fn sum(x: &[f64], branch: &[f64], width: usize, dropout: Dropout) -> Vec<f64> {
    dropped(branch, width, dropout).iter().zip(x).map(|(branch, x)| branch + x).collect()
}

fn check_forward<R: Real>(rows: usize, width: usize, rate: f64, tolerance: f64) {
    let (x, branch) = (random(1, rows * width), random(2, rows * width));
    let (gain, bias) = (random(3, width), random(4, width));
    let dropout = dropout(rate);
    let sums = sum(&x, &branch, width, dropout);
    let expected = reference(&sums, &gain, &bias);
    let (cast_gain, cast_bias) = (to::<R>(&gain), to::<R>(&bias));
    let norm = LayerNorm { gain: &cast_gain, bias: &cast_bias, epsilon: EPSILON };
    let (x, branch) = (to::<R>(&x), to::<R>(&branch));
    let what = format!("{rows} x {width}, rate {rate}");

    let mut y = vec![R::ONE; x.len()];
    residual(&mut y, &x, &branch, width, dropout);
    assert_close(&y, &sums, tolerance, &what);
    residual_norm_forward(&mut y, None, &x, &branch, dropout, &norm);
    assert_close(&y, &expected, tolerance, &what);

    let mut saved_sum = vec![R::ONE; x.len()];
    let (mut mean, mut deviation) = (vec![R::ONE; rows], vec![R::ONE; rows]);
    let statistics = NormStatistics { mean: &mut mean, reciprocal_deviation: &mut deviation };
    let saved = ResidualNormSaved { sum: &mut saved_sum, statistics };
    residual_norm_forward(&mut y, Some(saved), &x, &branch, dropout, &norm);
    assert_close(&y, &expected, tolerance, &what);
    assert_close(&saved_sum, &sums, tolerance, &what);
    let means: Vec<f64> =
        sums.chunks(width).map(|row| row.iter().sum::<f64>() / width as f64).collect();
    assert_close(&mean, &means, tolerance, &what);
    layer_norm_forward(&mut y, None, &saved_sum, &norm);
    assert_close(&y, &expected, tolerance, &what);
}

#[test]
fn forward() {
    for rows in [0, 1, 17, 600] {
        for width in AWKWARD.into_iter().filter(|width| *width > 1) {
            for rate in [0.0, 0.2] {
                check_forward::<f64>(rows, width, rate, 1e-11);
                // Rows of two may be nearly equal: 1 / sqrt(epsilon) magnifies the rounding.
                check_forward::<f32>(rows, width, rate, if width == 2 { 5e-5 } else { 1e-5 });
            }
        }
    }
}

#[test]
fn a_constant_row_gives_the_bias() {
    let norm = LayerNorm { gain: &[2.0f32; 5], bias: &[0.5; 5], epsilon: EPSILON };
    let mut y = [0.0; 5];
    layer_norm_forward(&mut y, None, &[3.0; 5], &norm);
    assert_eq!(y, [0.5; 5]);
}

fn check_backward(width: usize, dropout: Dropout) {
    let rows = 3;
    let (x, branch, dy) =
        (random(1, rows * width), random(2, rows * width), random(5, rows * width));
    let (gain, bias) = (random(3, width), random(4, width));
    let norm = LayerNorm { gain: &gain, bias: &bias, epsilon: EPSILON };
    let (mut y, mut saved_sum) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let (mut mean, mut deviation) = (vec![0.0; rows], vec![0.0; rows]);
    let statistics = NormStatistics { mean: &mut mean, reciprocal_deviation: &mut deviation };
    let saved = ResidualNormSaved { sum: &mut saved_sum, statistics };
    residual_norm_forward(&mut y, Some(saved), &x, &branch, dropout, &norm);

    let (mut dx, mut dbranch) = (vec![9.0; x.len()], vec![9.0; x.len()]);
    let (mut dgain, mut dbias) = (vec![0.5; width], vec![0.25; width]);
    let gradients = NormGradients { gain: &mut dgain, bias: &mut dbias };
    let statistics = (&mean[..], &deviation[..]);
    residual_norm_backward(
        &mut dx,
        Accumulate::Overwrite,
        &mut dbranch,
        gradients,
        &dy,
        &saved_sum,
        statistics,
        dropout,
        &norm,
    );
    let loss = |x: &[f64], branch: &[f64], gain: &[f64], bias: &[f64]| {
        let mut y = vec![0.0; x.len()];
        let norm = LayerNorm { gain, bias, epsilon: EPSILON };
        residual_norm_forward(&mut y, None, x, branch, dropout, &norm);
        inner(&y, &dy)
    };
    assert_gradient(&dx, &x, "dx", |x| loss(x, &branch, &gain, &bias));
    assert_gradient(&dbranch, &branch, "dbranch", |branch| loss(&x, branch, &gain, &bias));
    let plain_dgain: Vec<f64> = dgain.iter().map(|value| value - 0.5).collect();
    assert_gradient(&plain_dgain, &gain, "dgain", |gain| loss(&x, &branch, gain, &bias));
    let plain_dbias: Vec<f64> = dbias.iter().map(|value| value - 0.25).collect();
    assert_gradient(&plain_dbias, &bias, "dbias", |bias| loss(&x, &branch, &gain, bias));

    let mut added = vec![2.0; x.len()];
    let (mut again_dgain, mut again_dbias) = (vec![0.5; width], vec![0.25; width]);
    let gradients = NormGradients { gain: &mut again_dgain, bias: &mut again_dbias };
    layer_norm_backward(&mut added, Accumulate::Add, gradients, &dy, &saved_sum, statistics, &norm);
    assert_close(&added, &dx.iter().map(|dx| dx + 2.0).collect::<Vec<_>>(), 1e-14, "added dx");
    assert_eq!((again_dgain, again_dbias), (dgain, dbias));
}

#[test]
fn backward() {
    for width in [3, 16, 37] {
        check_backward(width, Dropout::NONE);
        check_backward(width, dropout(0.4));
    }
}

#[test]
fn parameter_gradients_over_many_pieces() {
    let (rows, width) = (2000, 65);
    let (x, dy) = (random(1, rows * width), random(2, rows * width));
    let (gain, bias) = (vec![1.0; width], vec![0.0; width]);
    let norm = LayerNorm { gain: &gain, bias: &bias, epsilon: EPSILON };
    let (mut y, mut mean, mut deviation) = (vec![0.0; x.len()], vec![0.0; rows], vec![0.0; rows]);
    let statistics = NormStatistics { mean: &mut mean, reciprocal_deviation: &mut deviation };
    layer_norm_forward(&mut y, Some(statistics), &x, &norm);
    let (mut dx, mut dgain, mut dbias) = (vec![0.0; x.len()], vec![0.0; width], vec![0.0; width]);
    let gradients = NormGradients { gain: &mut dgain, bias: &mut dbias };
    layer_norm_backward(
        &mut dx,
        Accumulate::Overwrite,
        gradients,
        &dy,
        &x,
        (&mean, &deviation),
        &norm,
    );
    // With unit gain and no bias, y is the normalised row.
    let column = |values: &[f64], c: usize| {
        values.iter().skip(c).step_by(width).copied().collect::<Vec<_>>()
    };
    let expected_gain: Vec<f64> =
        (0..width).map(|c| inner(&column(&y, c), &column(&dy, c))).collect();
    let expected_bias: Vec<f64> = (0..width).map(|c| column(&dy, c).iter().sum()).collect();
    assert_close(&dgain, &expected_gain, 1e-12, "dgain");
    assert_close(&dbias, &expected_bias, 1e-12, "dbias");
}
