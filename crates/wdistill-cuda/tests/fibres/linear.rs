//! The linear layer.

use half::bf16;
use wdistill_base::Activation;
use wdistill_cuda::{Linear, LinearGradients};
use wdistill_kernels as kernels;
use wdistill_kernels::Accumulate;

use crate::support::*;

const SIZES: [(usize, usize, usize); 4] = [(0, 3, 4), (1, 1, 1), (37, 20, 33), (130, 16, 140)];
const ACTIVATIONS: [Option<Activation>; 4] =
    [None, Some(Activation::Relu), Some(Activation::Swish), Some(Activation::Gelu)];

/// A layer's sizes and settings.
#[derive(Clone, Copy, Debug)]
struct Case {
    size: (usize, usize, usize),
    activation: Option<Activation>,
    rate: f64,
    has_bias: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        for activation in ACTIVATIONS {
            for (rate, has_bias) in [(0.0, true), (0.2, true), (0.2, false), (0.0, false)] {
                cases.push(Case { size, activation, rate, has_bias });
            }
        }
    }
    cases
}

/// A host's layer without activation and dropout.
fn plain<'a>(
    weight: &'a [f64],
    bias: Option<&'a [f64]>,
    inputs: usize,
    outputs: usize,
) -> kernels::Linear<'a, f64> {
    let dropout = kernels::Dropout::NONE;
    kernels::Linear {
        weight,
        bias,
        inputs,
        outputs,
        activation: None,
        dropout,
        precision: kernels::Precision::Float32,
    }
}

/// What the layer does behind its product, and the way back: a layer whose weight is the identity.
fn identity(width: usize) -> Vec<f64> {
    (0..width * width).map(|index| f64::from(u8::from(index / width == index % width))).collect()
}

fn forward(machine: &Machine, case: Case) -> Vec<u16> {
    let Case { size: (rows, inputs, outputs), activation, rate, has_bias } = case;
    let (x, weight) = (random_bf16(1, rows * inputs), random_bf16(2, outputs * inputs));
    let bias = random_bf16(3, outputs);
    let (mask, host_mask) = dropout(rate);
    let [device_x, device_weight, device_bias] =
        [&x, &weight, &bias].map(|n| machine.upload(n).unwrap());
    let layer = Linear {
        weight: device_weight.part(),
        bias: has_bias.then_some(device_bias.part()),
        inputs,
        outputs,
        activation,
        dropout: mask,
    };
    let [y, h] = [0; 2].map(|_| fresh::<bf16>(machine, rows * outputs));
    let saves = activation.is_some_and(Activation::needs_pre_activation);
    machine.linear_forward(y.part(), saves.then_some(h.part()), device_x.part(), &layer).unwrap();

    let host_bias = exact(&bias);
    let host_weight = exact(&weight);
    let host = plain(&host_weight, has_bias.then_some(&host_bias), inputs, outputs);
    let mut expected_h = vec![0.0; rows * outputs];
    kernels::linear_forward(&mut expected_h, None, &exact(&x), &host);
    let stored: Vec<bf16> = match saves {
        true => h.read().unwrap(),
        false => expected_h.iter().map(|h| bf16::from_f32(*h as f32)).collect(),
    };
    assert_rounded(&stored, &expected_h, |_| 1e-5, &format!("{case:?}: h"));
    let unit = identity(outputs);
    let behind =
        kernels::Linear { activation, dropout: host_mask, ..plain(&unit, None, outputs, outputs) };
    let mut expected = vec![0.0; rows * outputs];
    kernels::linear_forward(&mut expected, None, &exact(&stored), &behind);
    let found = y.read().unwrap();
    assert_rounded(&found, &expected, |_| 1e-6, &format!("{case:?}: y"));
    bits(&found)
}

#[test]
fn linear_finish_activates_and_drops() {
    in_any_order(|machine| {
        cases().into_iter().flat_map(|case| forward(machine, case)).collect::<Vec<_>>()
    });
}

fn backward(machine: &Machine, case: Case) -> Vec<u16> {
    let Case { size: (rows, inputs, outputs), activation, rate, has_bias } = case;
    let (x, weight) = (random_bf16(1, rows * inputs), random_bf16(2, outputs * inputs));
    let (dy, before) = (random_bf16(4, rows * outputs), random_bf16(5, rows * inputs));
    let (before_weight, before_bias) = (random_f32(6, outputs * inputs), random_f32(7, outputs));
    let (mask, host_mask) = dropout(rate);
    // What the way forward kept: values before the activation, or after a ReLU and its dropout.
    let mut kept =
        exact(&random_bf16(8, rows * outputs)).iter().map(|h| 3.0 * h).collect::<Vec<_>>();
    let unit = identity(outputs);
    let behind =
        kernels::Linear { activation, dropout: host_mask, ..plain(&unit, None, outputs, outputs) };
    if activation == Some(Activation::Relu) {
        let h = kept.clone();
        kernels::linear_forward(&mut kept, None, &h, &behind);
    }
    let kept: Vec<bf16> = kept.iter().map(|value| bf16::from_f32(*value as f32)).collect();
    let [device_x, device_weight, device_dy, saved, dx] =
        [&x, &weight, &dy, &kept, &before].map(|numbers| machine.upload(numbers).unwrap());
    let [dweight, dbias] = [&before_weight, &before_bias].map(|n| machine.upload(n).unwrap());
    let layer = Linear {
        weight: device_weight.part(),
        bias: None,
        inputs,
        outputs,
        activation,
        dropout: mask,
    };
    let accumulate = if has_bias { Accumulate::Add } else { Accumulate::Overwrite };
    let gradients = LinearGradients {
        input: Some((dx.part(), accumulate)),
        weight: Some(dweight.part()),
        bias: has_bias.then_some(dbias.part()),
    };
    let (dy_part, saved_part) = (device_dy.part(), saved.part());
    machine.linear_backward(gradients, dy_part, saved_part, device_x.part(), &layer).unwrap();

    let mut expected_dh = exact(&dy);
    kernels::linear_backward(
        kernels::LinearGradients::default(),
        &mut expected_dh,
        &exact(&kept),
        &vec![0.0; rows * outputs],
        &behind,
    );
    let dh = device_dy.read().unwrap();
    assert_rounded(&dh, &expected_dh, |_| 1e-6, &format!("{case:?}: dh"));
    // The gradients of the product, from the slopes as they are stored.
    let mut expected = (exact(&before), exact(&before_weight), exact(&before_bias));
    let host_weight = exact(&weight);
    let targets = kernels::LinearGradients {
        input: Some((&mut expected.0, accumulate)),
        weight: Some(&mut expected.1),
        bias: has_bias.then_some(&mut expected.2),
    };
    kernels::linear_backward(
        targets,
        &mut exact(&dh),
        &[],
        &exact(&x),
        &plain(&host_weight, None, inputs, outputs),
    );
    assert_rounded(&dx.read().unwrap(), &expected.0, |_| 1e-5, &format!("{case:?}: dx"));
    assert_near(&dweight.read().unwrap(), &expected.1, 1e-5, &format!("{case:?}: dweight"));
    assert_near(&dbias.read().unwrap(), &expected.2, 2e-5, &format!("{case:?}: dbias"));
    bits(&dh)
}

#[test]
fn linear_undo_differentiates_and_adds_columns() {
    in_any_order(|machine| {
        cases().into_iter().flat_map(|case| backward(machine, case)).collect::<Vec<_>>()
    });
}
