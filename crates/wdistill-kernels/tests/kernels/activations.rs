//! The linear layer.

use crate::support::{AWKWARD, assert_close, assert_gradient, dropout, dropped, inner, random, to};
use wdistill_kernels::{
    Accumulate, Activation, Dropout, Linear, LinearGradients, Precision, Real, linear_backward,
    linear_forward,
};

/// All activations, and none.
fn activations() -> impl Iterator<Item = Option<Activation>> {
    Activation::ALL.map(Some).into_iter().chain([None])
}

fn activate(activation: Option<Activation>, x: f64) -> f64 {
    match activation {
        None => x,
        Some(Activation::Relu) => x.max(0.0),
        Some(Activation::Swish) => x / (1.0 + (-x).exp()),
        Some(Activation::Gelu) => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
    }
}

/// Output and pre-activation by the definition.
fn reference(x: &[f64], layer: &Linear<'_, f64>) -> (Vec<f64>, Vec<f64>) {
    let rows = x.len() / layer.inputs;
    let mut before = vec![0.0; rows * layer.outputs];
    for row in 0..rows {
        for output in 0..layer.outputs {
            let weight = &layer.weight[output * layer.inputs..][..layer.inputs];
            let sum = inner(&x[row * layer.inputs..][..layer.inputs], weight);
            before[row * layer.outputs + output] =
                sum + layer.bias.map_or(0.0, |bias| bias[output]);
        }
    }
    let after: Vec<f64> = before.iter().map(|x| activate(layer.activation, *x)).collect();
    (dropped(&after, layer.outputs, layer.dropout), before)
}

fn check_forward<R: Real>(layer: &Linear<'_, f64>, x: &[f64], tolerance: f64) {
    let (expected, expected_before) = reference(x, layer);
    let what = format!("{:?} {} -> {}", layer.activation, layer.inputs, layer.outputs);
    let (weight, bias) = (to::<R>(layer.weight), layer.bias.map(to::<R>));
    let cast = Linear {
        weight: &weight,
        bias: bias.as_deref(),
        inputs: layer.inputs,
        outputs: layer.outputs,
        activation: layer.activation,
        dropout: layer.dropout,
        precision: layer.precision,
    };
    let mut y = vec![R::ONE; expected.len()];
    let mut before = vec![R::ONE; expected.len()];
    linear_forward(&mut y, Some(&mut before), &to::<R>(x), &cast);
    assert_close(&y, &expected, tolerance, &what);
    assert_close(&before, &expected_before, tolerance, &what);
    y.fill(R::ONE);
    linear_forward(&mut y, None, &to::<R>(x), &cast);
    assert_close(&y, &expected, tolerance, &what);
}

#[test]
fn forward() {
    for activation in activations() {
        for rows in [0, 1, 17, 700] {
            for outputs in AWKWARD {
                for rate in [0.0, 0.3] {
                    let inputs = 17;
                    let (weight, bias) = (random(2, outputs * inputs), random(3, outputs));
                    let x = random(4, rows * inputs);
                    let bias = (outputs % 2 == 1).then_some(&bias[..]);
                    let dropout = dropout(rate);
                    let layer = Linear {
                        weight: &weight,
                        bias,
                        inputs,
                        outputs,
                        activation,
                        dropout,
                        precision: Precision::Float32,
                    };
                    check_forward::<f64>(&layer, &x, 1e-12);
                    check_forward::<f32>(&layer, &x, 1e-5);
                }
            }
        }
    }
}

/// Output of a layer, by the fast path.
fn output(x: &[f64], layer: &Linear<'_, f64>) -> Vec<f64> {
    let mut y = vec![0.0; x.len() / layer.inputs * layer.outputs];
    linear_forward(&mut y, None, x, layer);
    y
}

fn check_backward(activation: Option<Activation>, dropout: Dropout) {
    let (rows, inputs, outputs) = (5, 7, 17);
    let (weight, bias) = (random(2, outputs * inputs), random(3, outputs));
    let (x, dy) = (random(4, rows * inputs), random(5, rows * outputs));
    let bias = Some(&bias[..]);
    let layer = Linear {
        weight: &weight,
        bias,
        inputs,
        outputs,
        activation,
        dropout,
        precision: Precision::Float32,
    };
    let (mut y, mut before) = (vec![0.0; dy.len()], vec![0.0; dy.len()]);
    linear_forward(&mut y, Some(&mut before), &x, &layer);
    let saved = if activation.is_some_and(Activation::needs_pre_activation) { &before } else { &y };

    let (mut dx, mut dweight, mut dbias) =
        (vec![9.0; x.len()], vec![0.5; weight.len()], vec![0.25; outputs]);
    let gradients = LinearGradients {
        input: Some((&mut dx, Accumulate::Overwrite)),
        weight: Some(&mut dweight),
        bias: Some(&mut dbias),
    };
    linear_backward(gradients, &mut dy.clone(), saved, &x, &layer);
    let mut added = vec![2.0; x.len()];
    let gradients =
        LinearGradients { input: Some((&mut added, Accumulate::Add)), weight: None, bias: None };
    linear_backward(gradients, &mut dy.clone(), saved, &x, &layer);
    assert_close(&added, &dx.iter().map(|dx| dx + 2.0).collect::<Vec<_>>(), 1e-14, "added dx");

    assert_gradient(&dx, &x, "dx", |x| inner(&output(x, &layer), &dy));
    let dweight: Vec<f64> = dweight.iter().map(|value| value - 0.5).collect();
    assert_gradient(&dweight, &weight, "dW", |weight| {
        inner(&output(&x, &Linear { weight, ..layer }), &dy)
    });
    let dbias: Vec<f64> = dbias.iter().map(|value| value - 0.25).collect();
    assert_gradient(&dbias, layer.bias.unwrap(), "db", |bias| {
        inner(&output(&x, &Linear { bias: Some(bias), ..layer }), &dy)
    });
}

#[test]
fn backward() {
    for activation in activations() {
        check_backward(activation, Dropout::NONE);
        check_backward(activation, dropout(0.4));
    }
}

#[test]
fn nan_is_not_hidden() {
    let layer = Linear {
        weight: &[1.0f32],
        bias: None,
        inputs: 1,
        outputs: 1,
        activation: Some(Activation::Relu),
        dropout: Dropout::NONE,
        precision: Precision::Float32,
    };
    let mut y = [0.0];
    linear_forward(&mut y, None, &[f32::NAN], &layer);
    assert!(y[0].is_nan());
}
