//! The generator's elementwise operations.

use crate::support::{AWKWARD, assert_close, assert_gradient, inner, random, to};
use wdistill_kernels::{
    Real, ScaleTanhShiftGradients, add_weighted_sum_gradients, scale_tanh_shift,
    scale_tanh_shift_backward, weighted_sum,
};

fn check<R: Real>(length: usize, tolerance: f64) {
    let [scale, v, shift, other] = [1, 2, 3, 4].map(|seed| random(seed, length));
    let mut w = vec![R::ONE; length];
    scale_tanh_shift(&mut w, &to::<R>(&scale), &to::<R>(&v), &to::<R>(&shift));
    let expected: Vec<f64> = (0..length).map(|i| scale[i] * v[i].tanh() + shift[i]).collect();
    assert_close(&w, &expected, tolerance, "w");

    let matrices = [to::<R>(&v), to::<R>(&shift), to::<R>(&other)];
    let matrices = [&matrices[0][..], &matrices[1], &matrices[2]];
    let weights = [0.5, -0.25, 2.0];
    weighted_sum(&mut w, &to::<R>(&weights), &matrices);
    let expected: Vec<f64> =
        (0..length).map(|i| 0.5 * v[i] - 0.25 * shift[i] + 2.0 * other[i]).collect();
    assert_close(&w, &expected, tolerance, "sum");
    let mut dweights = vec![R::ONE; 3];
    add_weighted_sum_gradients(&mut dweights, &matrices, &to::<R>(&scale));
    let expected = [&v, &shift, &other].map(|matrix| 1.0 + inner(matrix, &scale));
    assert_close(&dweights, &expected, tolerance, "dl");
}

#[test]
fn forward() {
    for length in AWKWARD.into_iter().chain([16385, 70_001]) {
        check::<f64>(length, 1e-12);
        check::<f32>(length, 1e-6);
    }
}

#[test]
fn backward() {
    let length = 37;
    let [scale, v, shift, dw] = [1, 2, 3, 4].map(|seed| random(seed, length));
    let loss = |scale: &[f64], v: &[f64], shift: &[f64]| {
        let mut w = vec![0.0; length];
        scale_tanh_shift(&mut w, scale, v, shift);
        inner(&w, &dw)
    };
    let (mut dscale, mut dv, mut dshift) =
        (vec![0.5; length], vec![9.0; length], vec![0.25; length]);
    let (mut dscale_alone, mut dshift_alone) = (dscale.clone(), dshift.clone());
    let gradients =
        ScaleTanhShiftGradients { scale: &mut dscale, v: Some(&mut dv), shift: &mut dshift };
    scale_tanh_shift_backward(gradients, &dw, &scale, &v);
    let gradients =
        ScaleTanhShiftGradients { scale: &mut dscale_alone, v: None, shift: &mut dshift_alone };
    scale_tanh_shift_backward(gradients, &dw, &scale, &v);
    assert_eq!((&dscale_alone, &dshift_alone), (&dscale, &dshift));
    assert_gradient(&dscale, &scale, "ds", |scale| loss(scale, &v, &shift));
    assert_gradient(&dv, &v, "dv", |v| loss(&scale, v, &shift));
    assert_gradient(&dshift, &shift, "db", |shift| loss(&scale, &v, shift));
}

#[test]
fn an_empty_sum_is_zero() {
    let mut sum = [1.0f32; 3];
    weighted_sum(&mut sum, &[], &[]);
    assert_eq!(sum, [0.0; 3]);
}
