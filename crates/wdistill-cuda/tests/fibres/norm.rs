//! Residual connections and layer normalisation.

use wdistill_cuda::{LayerNorm, NormGradients, NormStatistics};
use wdistill_kernels as kernels;
use wdistill_kernels::Accumulate;

use crate::support::*;

const EPSILON: f64 = 1e-5;
const SIZES: [(usize, usize); 5] = [(0, 8), (1, 1), (3, 31), (70, 96), (133, 40)];

struct Norm {
    gain: Numbers<f32>,
    bias: Numbers<f32>,
    host_gain: Vec<f64>,
    host_bias: Vec<f64>,
}

impl Norm {
    fn new(machine: &Machine, width: usize) -> Norm {
        let (gain, bias) = (random_f32(8, width), random_f32(9, width));
        Norm {
            host_gain: exact(&gain),
            host_bias: exact(&bias),
            gain: machine.upload(&gain).unwrap(),
            bias: machine.upload(&bias).unwrap(),
        }
    }

    fn on_machine(&self) -> LayerNorm<'_> {
        LayerNorm { gain: self.gain.part(), bias: self.bias.part(), epsilon: EPSILON }
    }

    fn on_host(&self) -> kernels::LayerNorm<'_, f64> {
        kernels::LayerNorm { gain: &self.host_gain, bias: &self.host_bias, epsilon: EPSILON }
    }

    /// Output, means and reciprocal deviations of rows.
    fn expected(&self, x: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let rows = x.len() / self.host_gain.len();
        let (mut y, mut mean, mut deviation) =
            (vec![0.0; x.len()], vec![0.0; rows], vec![0.0; rows]);
        let statistics =
            kernels::NormStatistics { mean: &mut mean, reciprocal_deviation: &mut deviation };
        kernels::layer_norm_forward(&mut y, Some(statistics), x, &self.on_host());
        (y, mean, deviation)
    }
}

#[test]
fn residual_adds_a_dropped_branch() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for ((rows, width), rate) in SIZES.into_iter().flat_map(|size| [(size, 0.0), (size, 0.3)]) {
            let (x, branch) = (random_bf16(1, rows * width), random_bf16(2, rows * width));
            let (mask, host_mask) = dropout(rate);
            let y = fresh(machine, x.len());
            let [dx, dbranch] = [&x, &branch].map(|numbers| machine.upload(numbers).unwrap());
            machine.residual(y.part(), dx.part(), dbranch.part(), width, mask).unwrap();
            let mut expected = vec![0.0; x.len()];
            kernels::residual(&mut expected, &exact(&x), &exact(&branch), width, host_mask);
            let found = y.read().unwrap();
            assert_rounded(&found, &expected, |_| 3e-7, "y");
            all.extend(bits(&found));
        }
        all
    });
}

#[test]
fn norm_forward_normalises_rows() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (rows, width) in SIZES {
            let x = random_bf16(1, rows * width);
            let norm = Norm::new(machine, width);
            let (y, mean, deviation) =
                (fresh(machine, x.len()), fresh(machine, rows), fresh(machine, rows));
            let statistics =
                NormStatistics { mean: mean.part(), reciprocal_deviation: deviation.part() };
            let device_x = machine.upload(&x).unwrap();
            machine
                .layer_norm_forward(y.part(), statistics, device_x.part(), &norm.on_machine())
                .unwrap();
            let expected = norm.expected(&exact(&x));
            let found = y.read().unwrap();
            assert_rounded(&found, &expected.0, |_| 3e-6, "y");
            assert_near(&mean.read().unwrap(), &expected.1, 1e-6, "mean");
            let largest = expected.2.iter().fold(0.0, |a: f64, b| a.max(*b));
            assert_near(&deviation.read().unwrap(), &expected.2, 2e-6 * largest, "deviation");
            all.extend(bits(&found));
        }
        all
    });
}

#[test]
fn residual_norm_forward_keeps_the_sum_that_it_normalises() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (rows, width) in SIZES {
            let (x, branch) = (random_bf16(1, rows * width), random_bf16(2, rows * width));
            let norm = Norm::new(machine, width);
            let (mask, host_mask) = dropout(0.2);
            let [y, sum] = [0; 2].map(|_| fresh(machine, x.len()));
            let [mean, deviation] = [0; 2].map(|_| fresh(machine, rows));
            let statistics =
                NormStatistics { mean: mean.part(), reciprocal_deviation: deviation.part() };
            let [dx, dbranch] = [&x, &branch].map(|numbers| machine.upload(numbers).unwrap());
            let (y_part, sum_part, parameters) = (y.part(), sum.part(), norm.on_machine());
            machine
                .residual_norm_forward(
                    y_part,
                    sum_part,
                    statistics,
                    dx.part(),
                    dbranch.part(),
                    mask,
                    &parameters,
                )
                .unwrap();
            let mut expected_sum = vec![0.0; x.len()];
            kernels::residual(&mut expected_sum, &exact(&x), &exact(&branch), width, host_mask);
            let found_sum = sum.read().unwrap();
            assert_rounded(&found_sum, &expected_sum, |_| 3e-7, "sum");
            let expected = norm.expected(&exact(&found_sum));
            let found = y.read().unwrap();
            assert_rounded(&found, &expected.0, |_| 3e-6, "y");
            assert_near(&mean.read().unwrap(), &expected.1, 1e-6, "mean");
            all.extend(bits(&found));
        }
        all
    });
}

/// The way back, with a branch or without one, overwriting or adding.
fn norm_backward(
    machine: &Machine,
    (rows, width): (usize, usize),
    has_branch: bool,
    accumulate: Accumulate,
) -> Vec<u16> {
    let norm = Norm::new(machine, width);
    let (x, dy) = (random_bf16(1, rows * width), random_bf16(2, rows * width));
    let before = random_bf16(3, rows * width);
    let (before_gain, before_bias) = (random_f32(4, width), random_f32(5, width));
    let (mask, host_mask) = dropout(0.2);
    let (host_x, host_dy) = (exact(&x), exact(&dy));
    let (_, host_mean, host_deviation) = norm.expected(&host_x);
    let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
    let [mean, deviation] =
        [&host_mean, &host_deviation].map(|values| machine.upload(&narrow(values)).unwrap());
    let [device_x, device_dy, dx] = [&x, &dy, &before].map(|n| machine.upload(n).unwrap());
    let dbranch = fresh(machine, x.len());
    let [dgain, dbias] = [&before_gain, &before_bias].map(|n| machine.upload(n).unwrap());
    let gradients = NormGradients {
        input: dx.part(),
        accumulate,
        branch: has_branch.then_some(dbranch.part()),
        gain: dgain.part(),
        bias: dbias.part(),
    };
    let statistics = NormStatistics { mean: mean.part(), reciprocal_deviation: deviation.part() };
    let (dy_part, x_part) = (device_dy.part(), device_x.part());
    machine
        .norm_backward(gradients, dy_part, x_part, statistics, mask, &norm.on_machine())
        .unwrap();

    let mut expected_dx = exact(&before);
    let mut expected_dbranch = vec![0.0; x.len()];
    let (mut expected_gain, mut expected_bias) = (exact(&before_gain), exact(&before_bias));
    kernels::residual_norm_backward(
        &mut expected_dx,
        accumulate,
        &mut expected_dbranch,
        kernels::NormGradients { gain: &mut expected_gain, bias: &mut expected_bias },
        &host_dy,
        &host_x,
        (&host_mean, &host_deviation),
        host_mask,
        &norm.on_host(),
    );
    let slack = |index: usize| 3e-6 * (1.0 + host_deviation[index / width]);
    let found = dx.read().unwrap();
    assert_rounded(&found, &expected_dx, slack, "dx");
    if has_branch {
        assert_rounded(&dbranch.read().unwrap(), &expected_dbranch, slack, "dbranch");
    }
    let largest = host_deviation.iter().fold(0.0, |a: f64, b| a.max(*b));
    let tolerance = 2e-6 * (1.0 + (rows as f64).sqrt()) * (1.0 + largest);
    assert_near(&dgain.read().unwrap(), &expected_gain, tolerance, "dgain");
    assert_near(&dbias.read().unwrap(), &expected_bias, tolerance, "dbias");
    bits(&found)
}

#[test]
fn norm_backward_has_the_gradients_of_inputs_and_weights() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for size in SIZES {
            for accumulate in [Accumulate::Overwrite, Accumulate::Add] {
                all.extend(norm_backward(machine, size, true, accumulate));
                all.extend(norm_backward(machine, size, false, accumulate));
            }
        }
        all
    });
}
